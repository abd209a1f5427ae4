//! Names to addresses, again and again in the background. The last good answer is kept for as long as no better one
//! comes: a resolver that is down takes no node away.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mainstay_io::clock;
use mainstay_io::resolve::Resolver;
use tokio::sync::Notify;

use super::Shared;
use super::task::{Task, wait};

/// Whoever turns names into addresses.
pub(super) trait Resolve: Send + Sync {
    /// The addresses of `host`, best first, or why there are none. Bounded in time.
    fn resolve<'a>(&'a self, host: &'a str) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;
}

/// What a look-up gave; never an empty list.
pub(super) type Answer = Result<Vec<IpAddr>, String>;

impl Resolve for Resolver {
    fn resolve<'a>(&'a self, host: &'a str) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        Box::pin(async move {
            match Resolver::resolve(self, host, 0, LOOKUP_WITHIN).await {
                Ok(addresses) => Ok(addresses.into_iter().map(|address| address.ip()).collect()),
                Err(error) => Err(std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string)),
            }
        })
    }
}

/// Whether a name has other addresses than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// It has.
    Yes,
    /// They are the same.
    No,
}

/// A name that nodes or checks of the plan have.
pub(super) struct Name {
    /// Time from one look-up to the next.
    pub(super) every: Duration,
    /// Tells the task that `every` has changed.
    pub(super) wake: Arc<Notify>,
    /// The task; ends with this.
    pub(super) task: Option<Task>,
    addresses: Vec<IpAddr>,
    error: Option<String>,
    failures: u32,
    tried: bool,
}

impl Name {
    pub(super) fn new(every: Duration) -> Self {
        Self { every, wake: Arc::default(), task: None, addresses: Vec::new(), error: None, failures: 0, tried: false }
    }

    /// The last good answer; empty while there never was one.
    pub(super) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Whether it has been looked up at all.
    pub(super) const fn tried(&self) -> bool {
        self.tried
    }

    /// Why the last look-up failed.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Takes in an answer. The same addresses in another order are no news: name servers rotate them.
    pub(super) fn take(&mut self, answer: Answer) -> Moved {
        self.tried = true;
        match answer {
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                self.error = Some(error);
                Moved::No
            }
            Ok(addresses) => {
                self.failures = 0;
                self.error = None;
                let same = addresses.len() == self.addresses.len()
                    && addresses.iter().all(|address| self.addresses.contains(address));
                if addresses.is_empty() || same {
                    return Moved::No;
                }
                self.addresses = addresses;
                Moved::Yes
            }
        }
    }

    /// Time to the next look-up: sooner after failures, though less and less so.
    pub(super) fn pause(&self) -> Duration {
        if self.failures == 0 {
            return self.every.max(RETRY_FIRST);
        }
        let back_off = RETRY_FIRST.saturating_mul(1 << (self.failures - 1).min(RETRY_DOUBLINGS));
        back_off.min(self.every.max(RETRY_FIRST))
    }
}

/// Looks a name up again and again, until the plan no longer has it.
pub(super) async fn run(shared: Arc<Shared>, host: Arc<str>, wake: Arc<Notify>) {
    loop {
        let answer = shared.resolver.resolve(&host).await;
        let ended = clock::now();
        let Some(mut pause) = shared.board().resolved(&host, answer, ended) else { return };
        shared.named.notify_waiters();
        while !wait(Some(ended + pause), &wake).await {
            let Some(changed) = shared.board().pause_of(&host) else { return };
            pause = changed;
        }
    }
}

/// Longest time for one look-up.
const LOOKUP_WITHIN: Duration = Duration::from_secs(5);

/// First pause after a failed look-up; each further one doubles it.
const RETRY_FIRST: Duration = Duration::from_millis(250);

/// 250 ms doubled six times is 16 s.
const RETRY_DOUBLINGS: u32 = 6;
