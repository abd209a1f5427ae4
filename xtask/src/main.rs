//! The project's own commands: `cargo xtask tidy | test | bench | fuzz`.

fn main() {}
