//! End-to-end tests with the real binary: real processes, real sockets, faults for real.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod accounts;
mod bad_days;
mod between;
mod children;
mod clients;
mod database;
mod demo;
mod drills;
mod edges;
mod failover;
mod faults;
mod hostile;
mod java;
mod kit;
mod ledger;
mod logs;
mod messages;
mod mirror;
mod namesakes;
mod operating;
mod own_drills;
mod patience;
mod raw;
mod refused;
mod restarts;
mod retry;
mod running;
mod secrets;
mod secure;
mod several;
mod silence;
mod tls;
mod two;
mod unix;
mod web_sockets;
