//! The databases that listeners lead to: who watches them, and when they may be reached.
//!
//! A listener follows its database as a pool follows a lease: the holder is the primary, and each time that another host
//! becomes it, or another tenure begins, is a tenure of its own, so that what ran in the last one is reset.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mainstay_core::Moment;
use mainstay_core::database::{Choice, History};
use mainstay_core::lease::{LeaseView, Nonce, Order, Phase, Standing, Timeline, Token};
use mainstay_io::clock;
use mainstay_proxy::front::{self, Followed, Words};
use mainstay_proxy::view::Until;
use mainstay_store::{Database, DatabaseSettings, Secret, Sight, Store, keeper};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::leases::Kept;
use crate::config::databases::Database as Configured;

/// The databases of this program, shared with whoever shows them.
#[derive(Debug, Default)]
pub struct Databases {
    // Invariant: only replaced as a whole, never held while anything is waited for.
    all: Mutex<Vec<Arc<Watched>>>,
}

/// One that is watched until this is dropped.
#[derive(Debug)]
pub struct Watched {
    configured: Configured,
    database: Database,
    followed: Followed,
    task: AbortHandle,
}

impl Databases {
    /// Those of a configuration: what goes on is kept as it is, what is new begins to be watched. Within a tokio runtime.
    ///
    /// # Errors
    /// A sentence: what cannot be had.
    pub(super) fn next(&self, configured: &[Configured], kept: Option<&Kept>) -> Result<Vec<Arc<Watched>>, String> {
        let old = self.all();
        let next = configured.iter().map(|configured| {
            let same = old.iter().find(|old| old.configured == *configured);
            same.map_or_else(|| Watched::start(configured, kept).map(Arc::new), |same| Ok(Arc::clone(same)))
        });
        next.collect()
    }

    /// Goes over to these; the others are watched no longer.
    pub(super) fn replace(&self, next: Vec<Arc<Watched>>) {
        *self.lock() = next;
    }

    /// Each of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Watched>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Watched>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a front follows of these.
pub(super) fn followed(all: &[Arc<Watched>]) -> front::Leases {
    all.iter().map(|one| (one.configured.name.as_str().into(), one.followed.clone())).collect()
}

impl Watched {
    fn start(configured: &Configured, kept: Option<&Kept>) -> Result<Self, String> {
        let name = configured.name.as_str();
        // A file that cannot be read now is an operator's mistake; later on it is one of the host's faults.
        configured
            .password_file
            .as_deref()
            .map(Secret::from_file)
            .transpose()
            .map_err(|fault| format!("{name}: {fault}"))?;
        let tenures = match &configured.lease {
            None => None,
            Some(lease) => Some(Tenures::of(lease, kept).ok_or_else(|| {
                format!("{name} follows lease {lease}, which is new: leases are taken up when Mainstay is restarted")
            })?),
        };
        let settings = DatabaseSettings {
            name: name.into(),
            url: configured.url.clone(),
            password_file: configured.password_file.clone(),
            ca: configured.ca.clone(),
            every: configured.every,
            timeout: configured.timeout,
        };
        let database = Database::watch(&settings).map_err(|fault| format!("{name}: {fault}"))?;
        let (until, until_seen) = watch::channel(Until::of(Nonce(0)));
        let (view, view_seen) = watch::channel(vacant());
        let (words, words_seen) = watch::channel(Words::new());
        let gate = Gate { tenures, sight: database.sight(), until, view, words, last: None };
        let task = tokio::spawn(gate.run()).abort_handle();
        let followed = Followed { view: view_seen, until: Some(until_seen), words: Some(words_seen) };
        Ok(Self { configured: configured.clone(), database, followed, task })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.configured.name
    }

    /// What is known of its hosts.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// Whether new connections are let through.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.followed.view.borrow().phase == Phase::Ready
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(until) = &self.followed.until {
            until.borrow().set(Moment::ZERO);
        }
    }
}

/// The tenures that a database may be reached in.
struct Tenures {
    lease: String,
    orders: watch::Receiver<Order>,
    store: Arc<dyn Store>,
}

impl Tenures {
    fn of(lease: &str, kept: Option<&Kept>) -> Option<Self> {
        let kept = kept?;
        let orders = kept.find(lease)?.keeper.orders();
        Some(Self { lease: lease.to_owned(), orders, store: Arc::clone(&kept.store) })
    }

    /// The one there is at `now`.
    fn now(&mut self, now: Moment) -> Option<Within> {
        let order = self.orders.borrow_and_update();
        let (tenure, end, confirmed) = match &order.standing {
            Standing::Held { tenure, until, .. } | Standing::Yield { tenure, until } => (tenure, *until, true),
            Standing::Frozen { tenure, until: Some(until), .. } => (tenure, *until, false),
            _ => return None,
        };
        let Timeline(timeline) = tenure.token.timeline;
        let history = self.store.system().map(|system| History { system, timeline });
        (end > now).then_some(Within { tenure: tenure.nonce, history, end, confirmed })
    }
}

/// A tenure in which the database may be written to.
struct Within {
    tenure: Nonce,
    /// What its child remembers was written in it, if the database is the store's; `None`: the store is in none.
    history: Option<History>,
    /// Until when without further news.
    end: Moment,
    /// Whether new sessions may begin. Not while the store is lost: those that run belong to one host and one history,
    /// and are reset as soon as another is seen; a new one would be led by what is known of a store that may be replaced
    /// just now.
    confirmed: bool,
}

/// Opens and closes the way to one database.
struct Gate {
    /// `None`: it needs none.
    tenures: Option<Tenures>,
    sight: watch::Receiver<Sight>,
    /// That of the run there is.
    until: watch::Sender<Until>,
    view: watch::Sender<LeaseView>,
    words: watch::Sender<Words>,
    /// What sessions run in.
    last: Option<Run>,
}

/// What sessions run in: they are reset when it becomes another, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// Of the tenure; `None` where it takes none.
    tenure: Option<Nonce>,
    host: usize,
    history: History,
}

impl Gate {
    async fn run(mut self) {
        loop {
            let end = self.settle();
            let left = end.map(|end| end.since(clock::boot()));
            let until = tokio::time::sleep(left.unwrap_or(IDLE));
            let ordered = async {
                match &mut self.tenures {
                    Some(tenures) => tenures.orders.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ordered = ordered => if ordered.is_err() { break },
                seen = self.sight.changed() => if seen.is_err() { break },
                () = until => {}
            }
        }
        // Nobody keeps the lease, or watches the database, any more.
        self.until.borrow().set(Moment::ZERO);
        self.view.send_replace(vacant());
    }

    /// Says what follows from what is known; until when, if that ends by itself.
    fn settle(&mut self) -> Option<Moment> {
        let now = clock::boot();
        let within = self.tenures.as_mut().map(|tenures| tenures.now(now));
        let mut sight = self.sight.borrow_and_update().clone();
        if let Some(Some(Within { history: Some(history), .. })) = within {
            sight.choice = sight.choice.in_tenure(history);
        }
        let run = match (&within, sight.choice) {
            (None, Choice::Primary { host, history, .. }) => Some(Run { tenure: None, host, history }),
            (Some(Some(within)), Choice::Primary { host, history, .. }) => {
                Some(Run { tenure: Some(within.tenure), host, history })
            }
            _ => None,
        };
        let end = within.as_ref().and_then(|within| within.as_ref().map(|within| within.end));
        let nonce = self.enter(run, end);
        let confirmed = within.as_ref().is_none_or(|within| within.as_ref().is_some_and(|within| within.confirmed));
        let missing = self.tenures.as_ref().filter(|_| !confirmed).map(|tenures| match within {
            Some(Some(_)) => format!("lease {} is to be confirmed, as the store was lost", tenures.lease),
            _ => format!("lease {} is not held here", tenures.lease),
        });
        self.words.send_replace(words(&sight, missing.as_deref()));
        let view = match sight.primary().filter(|_| run.is_some()) {
            Some((host, answers)) => LeaseView {
                holder: Some(host.name.clone()),
                nonce,
                phase: if answers && confirmed { Phase::Ready } else { Phase::Starting },
                ..vacant()
            },
            None => LeaseView { nonce, ..vacant() },
        };
        self.view.send_if_modified(|told| {
            let news = *told != view;
            *told = view;
            news
        });
        end
    }

    /// Moves what runs on, or ends it and begins anew. Before anything else is told: workers look at the time themselves.
    fn enter(&mut self, run: Option<Run>, end: Option<Moment>) -> Nonce {
        let fresh = run != self.last;
        let nonce = if fresh { keeper::draw() } else { self.view.borrow().nonce };
        if fresh {
            self.until.send_replace(Until::of(nonce)).set(Moment::ZERO);
        }
        let until = if run.is_some() { end.unwrap_or(Moment::from_nanos(u64::MAX)) } else { Moment::ZERO };
        self.until.borrow().set(until);
        self.last = run;
        nonce
    }
}

/// What is said of each host. `missing`: why new sessions are not let through, whoever is the primary.
fn words(sight: &Sight, missing: Option<&str>) -> Words {
    let hosts = sight.hosts.iter().map(|host| {
        let said = match (missing, sight.choice) {
            (Some(missing), _) => format!("{missing} ({host})"),
            (None, Choice::Primary { .. }) => host.to_string(),
            (None, Choice::Nobody(_)) => format!("{host}; {sight}"),
        };
        (Arc::clone(&host.name), said)
    });
    hosts.collect::<HashMap<_, _>>()
}

fn vacant() -> LeaseView {
    LeaseView {
        holder: None,
        nonce: Nonce(0),
        token: Token::default(),
        phase: Phase::Vacant,
        fresh: true,
        paused: false,
    }
}

/// How long it waits for news where nothing ends by itself.
const IDLE: Duration = Duration::from_secs(3_600);
