//! Every decision Mainstay takes over time: is a node well, which node is next, may this request be repeated.
//!
//! *Decides* from facts it is handed. *Never* reads a clock, opens a socket, spawns a task, takes a lock or
//! writes a log: `now` is an argument, answers are data. That is what lets the tests run years in a second.
//!
//! Read first: [`Moment`].

mod moment;

pub use moment::Moment;
