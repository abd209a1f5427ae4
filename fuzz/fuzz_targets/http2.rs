//! HTTP/2 connections.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mainstay_fuzz::http2(input));
