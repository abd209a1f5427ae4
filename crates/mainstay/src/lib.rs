//! The parts of the `mainstay` binary, as a library so that tests and fuzz targets reach them.
//!
//! *Does*: command line, configuration (TOML and nginx.conf), wiring, admin listener, demo. *Never* carries a client's
//! bytes (that is `mainstay-proxy`) or decides over time by itself (that is `mainstay-core`).
//!
//! Read first: [`config::typed::Config`], [`config::load`].

pub mod admin;
pub mod cli;
pub mod config;
pub mod demo;
pub mod drill;
pub mod run;
pub mod status;
pub mod tokens;
