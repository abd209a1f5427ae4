//! Control against real sockets on this machine. Waiting is always for a condition, with a bound.

mod board;
mod checks;
mod harness;
mod leases;
mod log;
mod names;
mod plans;
mod probes;
mod random;
mod traffic;
mod watch;
