//! HTTP/1 request and response heads.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mainstay_fuzz::head(input));
