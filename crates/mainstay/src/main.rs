//! Mainstay keeps permissioned-ledger nodes available.

fn main() {}
