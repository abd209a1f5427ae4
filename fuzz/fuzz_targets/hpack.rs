//! HTTP/2 field blocks.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mainstay_fuzz::hpack(input));
