//! Mainstay keeps permissioned-ledger nodes available.

mod config;

fn main() {}
