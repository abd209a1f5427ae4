//! One child command, alive only within a tenure.
//!
//! *Does* what [`mainstay_core::guard::Machine`] decides from a lease's standing: starts the child with its hooks, checks
//! it, freezes, thaws, stops and kills it with all of its processes, and reports how it is. *Never* sees a store, decides
//! who holds a lease, or lets the child outlive this process: a [`sentinel`], a process of its own, enforces the
//! deadlines too, and kills everything when the guard dies, however it dies.
//!
//! Every run of a command (the child, or one of its hooks) has one sentinel, which is the ancestor of all of the run's
//! processes and is given those that lose their parent. In a cgroup (version 2) of its own, where one can be made, the
//! run is frozen and killed by the kernel as one. What remains beyond that:
//!
//! - Without a cgroup, a process that leaves its session, closes every descriptor and clears its environment is lost if
//!   the sentinel is killed while the guard lives.
//! - Guard and sentinel both killed at the same instant leave the child's grandchildren running (the child itself is
//!   killed by the kernel). The guard that starts next kills them before it reports that the child is gone; on a store
//!   of one machine they keep the lease's lock until then.
//! - A sentinel that is stopped (SIGSTOP) enforces nothing; its guard's alarm does, and when the guard is killed the kernel
//!   lets the sentinel go on. One that is frozen with its cgroup, by somebody else, stands until it is thawed.
//! - A guard that is stopped while no run is there keeps the locks of its tenure.
//!
//! Read first: [`Guard::start`], [`Params`], [`sentinel`].

mod alarm;
mod cgroup;
mod check;
mod env;
mod error;
mod group;
mod guard;
mod http;
mod lock;
mod output;
mod params;
mod place;
mod processes;
mod run;
pub mod sentinel;
mod status;
mod template;

pub use error::StartError;
pub use guard::{Guard, GuardHandle};
pub use output::Output;
pub use params::{CgroupUse, Command, Grant, Grants, Hook, Params, Probe, Progress, Ready, Secret, state_dir};
pub use place::{NoPlace, Place};
pub use status::{Containment, Status};
pub use template::{Template, TemplateError};
