//! `mainstay jwt serve`: an HTTPS endpoint that publishes a key set and gives tokens to clients that know their secret.
//!
//! Read first: [`settings::Settings`].

mod answer;
mod limit;
mod serve;
mod settings;

#[cfg(test)]
mod tests;

pub use serve::command;
