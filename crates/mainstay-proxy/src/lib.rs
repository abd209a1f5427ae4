//! The front: listeners, pools, checks, and the engines that carry HTTP/1 and TCP between them.
//!
//! *Does* what a [`params::Plan`] says. *Never* reads a configuration file, decides over time by itself (that is
//! `mainstay-core`), parses bytes by itself (that is `mainstay-wire`) or touches the operating system directly
//! (that is `mainstay-io`).
//!
//! Read first: [`params::Plan`], [`view::Snapshot`], [`front::Front`].

pub mod access;
pub mod certificates;
pub mod control;
pub mod counters;
pub mod front;
mod http;
pub mod params;
mod pool;
mod tcp;
pub mod view;
mod worker;
