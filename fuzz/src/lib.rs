//! What the fuzz targets check. The checks themselves live beside the tests that replay the corpora.

#[path = "../../crates/mainstay-wire/tests/support/mod.rs"]
mod wire;

/// The configuration alone: the whole of the binary would take long to build for nothing.
#[path = "../../crates/mainstay/src/config/mod.rs"]
mod config;

#[path = "../../crates/mainstay/tests/hocon/check.rs"]
mod hocon_check;

#[path = "../../crates/mainstay/tests/nginx/check.rs"]
mod nginx_check;

#[path = "../../crates/mainstay/tests/toml/check.rs"]
mod toml_check;

/// HTTP/1 heads, read and written.
pub fn head(input: &[u8]) {
    wire::checks::head(input);
}

/// Chunked bodies.
pub fn chunked(input: &[u8]) {
    wire::checks::chunked(input);
}

/// The first message of TLS.
pub fn client_hello(input: &[u8]) {
    use mainstay_wire::client_hello::{Hello, client_hello};
    let whole = client_hello(input);
    // What was told of a part holds for the rest.
    for cut in (0..input.len()).step_by(1 + input.len() / 64) {
        let early = client_hello(input.get(..cut).unwrap_or_default());
        assert!(early == Hello::More || early == whole, "{early:?} at {cut}, then {whole:?}");
    }
}

/// An end of an HTTP/2 connection.
pub fn http2(input: &[u8]) {
    wire::http2::http2(input);
}

/// HTTP/2 field blocks.
pub fn hpack(input: &[u8]) {
    wire::http2::hpack(input);
}

/// nginx files.
pub fn nginx(input: &[u8]) {
    nginx_check::nginx(input);
}

/// HOCON files, read and printed.
pub fn hocon(input: &[u8]) {
    hocon_check::hocon(input);
}

/// TOML files, read, converted and printed.
pub fn toml(input: &[u8]) {
    toml_check::toml(input);
}
