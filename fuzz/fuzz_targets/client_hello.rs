//! The first message of TLS.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mainstay_fuzz::client_hello(input));
