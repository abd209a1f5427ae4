//! TOML files, read, converted and printed.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mainstay_fuzz::toml(input));
