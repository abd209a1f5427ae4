//! Who may run, and until when: the lease protocol without its I/O.
//!
//! The words between the parts are here: what a guard is allowed ([`Standing`]), what it reports ([`ChildState`]), what
//! anybody may know of a lease ([`LeaseView`]), and what is asked of a store ([`Request`], [`Answer`]).

mod event;
mod happening;
mod lead;
mod machine;
mod namesake;
mod row;
mod safety;
mod standing;
mod store;
mod terms;

pub use event::{Action, Command, Event, Hint, RequestId, Wanted};
pub use happening::{Aim, Freeze, Happening, Loss, Reason, Steps};
pub use lead::{Checked, Part, part};
pub use machine::Machine;
pub use namesake::{Life, NameLook, NameWatch, NamedTenure, Namesake, Verdict};
pub use row::{Name, Nonce, Outcome, Row, RowState, Serving, Settled, Stamp, SwitchTo, Timeline, Token};
pub use safety::Safety;
pub use standing::{ChildState, LeaseView, Order, Phase, Report, Standing, Tenure, Wish};
pub use store::{Answer, Failure, Member, MemberState, Request, Version};
pub use terms::{BadTerms, Damping, Identity, Terms};
