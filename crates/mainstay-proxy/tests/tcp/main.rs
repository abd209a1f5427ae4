//! The TCP engine over real sockets.

mod carry;
mod limits;
mod nodes;
mod rig;
