//! Who may run, and until when: the lease protocol without its I/O.
//!
//! The words between the parts are here: what a guard is allowed ([`Standing`]), what it reports ([`ChildState`]), what
//! anybody may know of a lease ([`LeaseView`]), and what is asked of a store ([`Request`], [`Answer`]).

mod row;
mod standing;
mod store;

pub use row::{Name, Nonce, Outcome, Row, RowState, Serving, Settled, Stamp, SwitchTo, Timeline, Token};
pub use standing::{ChildState, LeaseView, Order, Phase, Report, Standing, Tenure, Wish};
pub use store::{Answer, Failure, Member, MemberState, Request, Version};
