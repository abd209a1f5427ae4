//! A keeper that may not begin yet: what it may do meanwhile, and in whose name.

use mainstay_core::lease::{Identity, Member, Request, Terms};
use tokio::sync::watch;

/// Keeps a keeper from taking its lease. It follows it meanwhile, as one does that guards nothing.
#[derive(Debug)]
pub struct Gate {
    /// What the store is to know of this member, but for whether it is quiet; with `None` it begins. Where the sender is
    /// dropped before, it never does.
    pub whom: watch::Receiver<Option<Member>>,
    /// Where [`super::Keeper::quiet`] is kept, for whoever else writes the record of `whom`.
    pub quiet: watch::Sender<bool>,
}

/// A gate as its keeper sees it, while it is shut.
#[derive(Debug)]
pub(super) struct Shut {
    pub(super) whom: watch::Receiver<Option<Member>>,
    /// What it begins with.
    pub(super) terms: Terms,
}

impl Shut {
    /// Terms of a member that never takes the lease.
    pub(super) fn following(&self) -> Terms {
        let me = Identity { priority: 0, ..self.terms.me.clone() };
        Terms { me, ..self.terms.clone() }
    }

    /// Waits until it may begin.
    pub(super) async fn opens(&mut self) {
        if self.whom.wait_for(Option::is_none).await.is_err() {
            std::future::pending().await
        }
    }

    /// The request as it is asked meanwhile.
    pub(super) fn in_its_name(&self, request: Request) -> Request {
        match (request, &*self.whom.borrow()) {
            (Request::Look { me }, Some(whom)) => Request::Look { me: Member { quiet: me.quiet, ..whom.clone() } },
            (request, _) => request,
        }
    }
}

/// To whoever asked for something just when the keeper began.
pub(super) const UNHEARD: &str = "this member has just begun to keep the lease and did not hear what came of it: see whether it was done, and ask again";
