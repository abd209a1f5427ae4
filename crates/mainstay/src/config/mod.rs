//! From what an operator typed to what the program runs.

pub mod typed;
