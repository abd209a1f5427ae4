//! HTTP/2 on either side, with the `h2` crate as the peer.

mod calls;
mod canton;
mod cross;
mod demoted;
mod floods;
mod kit;
mod lost;
mod raw;
mod relay;
mod shares;
