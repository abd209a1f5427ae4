//! The guard with real processes and signals, in a cgroup where one can be made and without one.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod deadlines;
mod deaths;
mod hooks;
mod life;
mod output;
mod rig;
mod stopped;
mod twice;
