//! HTTP/2 (RFC 9113) without I/O: bytes in, events out, bytes out.
//!
//! A [`Connection`] is one end. It keeps the rules of frames, streams, windows and field sections, answers SETTINGS and
//! PING, resets streams that break a rule and ends a connection that does, and holds its peer to [`Limits`]. What is done
//! with requests, responses and their bodies is the caller's; a body's bytes are never kept.
//!
//! Read first: [`Connection::next`], [`Event`].

mod code;
mod connection;
mod fields;
mod frame;
pub mod hpack;
mod message;
mod receive;
mod send;
mod settings;
mod stream;
mod waste;

pub use code::Code;
pub use connection::{Connection, Ended, Event, Limits, Opens, Role, Step};
pub use fields::{Field, Fields};
pub use frame::PREFACE;
pub use settings::Settings;
pub use stream::ById;
pub use waste::Flood;
