//! Bytes of protocols, both ways, without I/O.
