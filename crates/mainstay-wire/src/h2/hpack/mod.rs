//! Field sections in their compressed form (RFC 7541).

mod decode;
mod encode;
mod huffman;
mod integer;
mod statics;
mod table;

pub use decode::{Decoder, ListLimits, Malformed};
pub use encode::Encoder;
