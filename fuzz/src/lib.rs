//! What the fuzz targets check. The checks themselves live beside the tests that replay the corpora.

#[path = "../../crates/mainstay-wire/tests/support/mod.rs"]
mod wire;

/// HTTP/1 heads, read and written.
pub fn head(input: &[u8]) {
    wire::checks::head(input);
}

/// Chunked bodies.
pub fn chunked(input: &[u8]) {
    wire::checks::chunked(input);
}
