//! Refuses to begin beside another Mainstay of the same name: [`mainstay_core::lease::NameWatch`] decides.
//!
//! It is asked in a task of its own. Until it is known, the program serves already, but each keeper of a guarded lease is
//! behind a gate, and only follows.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::lease::{
    Answer, Failure, Happening, Life, Member, MemberState, Name, NameLook, NameWatch, NamedTenure, Namesake, Nonce,
    Request, Row, RowState, Stamp, Terms, Verdict,
};
use mainstay_core::{Moment, Span};
use mainstay_guard::Place;
use mainstay_io::clock::boot;
use mainstay_store::keeper::{Gate, Told};
use mainstay_store::{Presence, Store};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

/// A member that is about to begin.
#[derive(Debug)]
pub(super) struct Asking {
    name: Name,
    known: watch::Receiver<Known>,
    whom: Arc<watch::Sender<Option<Member>>>,
}

/// What is known of others that have its name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    /// Nothing: the store has not answered yet.
    Nothing,
    /// One was there lately.
    Perhaps {
        /// Which, in words.
        who: String,
        /// It is known by then.
        until: Moment,
    },
    /// Nobody lives who has it.
    Alone,
    /// Somebody does; a sentence that says who, and what to do.
    Taken(String),
}

/// Why a member has not begun, for who asks how things are.
#[derive(Clone, Debug)]
pub struct Waits {
    name: Name,
    known: watch::Receiver<Known>,
    whom: watch::Receiver<Option<Member>>,
}

impl Asking {
    /// Begins to ask, within a tokio runtime. The gate is for the member's keeper.
    pub(super) fn start(store: Arc<dyn Store>, terms: Terms) -> (Self, Gate) {
        let name = terms.me.name.clone();
        let (whom, as_whom) = watch::channel(Some(record(&terms, false, true)));
        let (quiet, is_quiet) = watch::channel(true);
        let (tell, known) = watch::channel(Known::Nothing);
        let whom = Arc::new(whom);
        let asker =
            Asker { watch: NameWatch::new(&terms), store, terms, begun: boot(), waits: false, quiet: is_quiet, tell };
        tokio::spawn(asker.run(Arc::clone(&whom)));
        (Self { name, known, whom }, Gate { whom: as_whom, quiet })
    }

    /// For who asks how things are.
    pub(super) fn waits(&self) -> Waits {
        Waits { name: self.name.clone(), known: self.known.clone(), whom: self.whom.subscribe() }
    }

    /// Lets the member begin.
    pub(super) fn begin(&self) {
        self.whom.send_replace(None);
    }
}

impl Waits {
    /// What it waits for, in words; `None` once it has begun.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let name = &self.name;
        self.whom.borrow().as_ref()?;
        Some(match &*self.known.borrow() {
            Known::Nothing => format!("waits for the store, to see whether another member called {name} lives"),
            Known::Perhaps { who, until } => {
                let most = Span(until.since(boot()));
                format!("waits at most {most} to see whether another member called {name} lives, {who}")
            }
            Known::Alone => "waits for the other leases of this program".to_owned(),
            Known::Taken(_) => format!("ends, since another member called {name} lives"),
        })
    }
}

/// Says where another runs that turns up later: nothing is to be done about it here, but somebody has to rename one.
pub(super) async fn tell_of_twins(store: Arc<dyn Store>, lease: Name, mut told: broadcast::Receiver<Told>) {
    loop {
        match told.recv().await {
            Ok(Told { happening: Happening::NameTwice { other }, .. }) => {
                let Ok(records) = store.presences(&lease).await else { continue };
                let there = records.iter().find(|it| it.instance == other);
                if let Some(name) = there.map(|it| &it.name) {
                    let place = whereabouts(&records, Some(other));
                    warn!(%lease, "the other member that is called {name}: {place}");
                }
            }
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Waits until something is known of all of these, but not for long: who is refused at once has then served nobody.
///
/// # Errors
/// A sentence: who lives, where, and what to do.
pub(super) async fn refuse_at_once(members: &mut [Asking]) -> Result<(), String> {
    let heard = async {
        for member in members.iter_mut() {
            // It fails when nobody looks any more, which `settle` tells.
            let _ended = member.known.wait_for(|known| *known != Known::Nothing).await;
        }
    };
    let _late = tokio::time::timeout(AT_ONCE, heard).await;
    refusal(members).map_or(Ok(()), Err)
}

/// Waits until it is known of all of these that nobody else has their names.
///
/// # Errors
/// As soon as somebody has: as [`refuse_at_once`].
pub(super) async fn settle(members: &[Asking]) -> Result<(), String> {
    let mut waiting = JoinSet::new();
    for member in members {
        let mut known = member.known.clone();
        waiting.spawn(async move {
            let settled = known.wait_for(|known| matches!(known, Known::Alone | Known::Taken(_))).await;
            settled.map(|known| matches!(*known, Known::Taken(_)))
        });
    }
    while let Some(ended) = waiting.join_next().await {
        match ended {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => break,
            Ok(Err(_)) | Err(_) => return Err("nobody looks for others of the same name any more".to_owned()),
        }
    }
    refusal(members).map_or(Ok(()), Err)
}

/// Who must not begin, and why.
fn refusal(members: &[Asking]) -> Option<String> {
    let refused = members.iter().filter_map(|member| match &*member.known.borrow() {
        Known::Taken(why) => Some(why.clone()),
        Known::Nothing | Known::Perhaps { .. } | Known::Alone => None,
    });
    let mut refused: Vec<String> = refused.collect();
    refused.sort();
    (!refused.is_empty()).then(|| refused.join("; "))
}

/// Asks for one member.
struct Asker {
    store: Arc<dyn Store>,
    terms: Terms,
    watch: NameWatch,
    begun: Moment,
    waits: bool,
    quiet: watch::Receiver<bool>,
    tell: watch::Sender<Known>,
}

impl Asker {
    /// Until it is known. A store that is away keeps nobody from beginning.
    async fn run(mut self, whom: Arc<watch::Sender<Option<Member>>>) {
        loop {
            let me = record(&self.terms, self.watch.is_patient(boot()), *self.quiet.borrow());
            whom.send_replace(Some(me.clone()));
            let known = self.look(me).await;
            let settled = matches!(known, Known::Alone | Known::Taken(_));
            self.tell.send_replace(known);
            if settled {
                return;
            }
            tokio::time::sleep(NameWatch::pause(&self.terms)).await;
        }
    }

    async fn look(&mut self, me: Member) -> Known {
        let (lease, name) = (&self.terms.lease, &self.terms.me.name);
        let (verdict, records) = match read(&*self.store, &self.terms, me, self.waits).await {
            Ok((look, records)) => (self.watch.look(&look, boot()), records),
            Err(_) if self.waits && boot().since(self.begun) < self.terms.ttl.saturating_mul(2) => {
                return self.tell.borrow().clone();
            }
            Err(Failure::NotDone(why) | Failure::Unknown(why)) => {
                warn!(%lease, %why, "begins without having seen whether another member is called {name}");
                return Known::Alone;
            }
        };
        match verdict {
            Verdict::Alone => {
                if self.waits {
                    let after = Span(boot().since(self.begun));
                    info!(%lease, "nobody else that is called {name} lives: begins after {after}");
                }
                Known::Alone
            }
            Verdict::Wait(until) => {
                let who = whereabouts(&records, None);
                if !std::mem::replace(&mut self.waits, true) {
                    let most = Span(until.since(boot()));
                    info!(%lease, "a member that is called {name} was there lately, {who}: waits at most {most}, unless that one lives");
                }
                Known::Perhaps { who, until }
            }
            Verdict::Taken(who) => Known::Taken(sentence(lease, name, who, &records)),
        }
    }
}

/// What the store is to know of a member that is about to begin.
fn record(terms: &Terms, patient: bool, quiet: bool) -> Member {
    let what = if patient { WAITING } else { ASKING };
    let name = format!("{} {what}", terms.me.name).into();
    Member { name, instance: terms.me.instance, priority: 0, state: MemberState::Unfit, quiet, age: Duration::ZERO }
}

/// Writes that this member is about to begin, and reads who else has its name.
async fn read(store: &dyn Store, terms: &Terms, me: Member, again: bool) -> Result<(NameLook, Vec<Presence>), Failure> {
    let [asking, waiting] = [ASKING, WAITING].map(|what| Name::from(format!("{} {what}", terms.me.name)));
    let timeout = if again { terms.timeout } else { terms.timeout.max(FIRST_LOOK) };
    let (Answer::Done { row, clock, .. } | Answer::Overtaken { row, clock, .. }) =
        store.ask(&terms.lease, Request::Look { me }, timeout).await?;
    let records = store.presences(&terms.lease).await?;
    let names = [&terms.me.name, &asking, &waiting];
    let is_namesake = |it: &Presence| names.contains(&&it.name) && it.instance != terms.me.instance;
    let records: Vec<Presence> = records.into_iter().filter(is_namesake).collect();
    let namesakes = records.iter().map(|it| Namesake {
        instance: it.instance,
        asks: it.name != terms.me.name,
        patient: it.name == waiting,
        holds: it.holds,
        seen: it.seen,
        age: it.age,
        life: place(it).map_or(Life::Unknown, |place| place.life()),
    });
    let look = NameLook { namesakes: namesakes.collect(), tenure: tenure(&row, clock, &terms.me.name) };
    Ok((look, records))
}

fn tenure(row: &Row, clock: Stamp, name: &Name) -> Option<NamedTenure> {
    let left = clock.until(row.expires_at);
    let is_good = row.state != RowState::Free && row.holder == *name && !left.is_zero();
    let (nonce, seq, ttl) = (row.nonce, row.seq, row.ttl);
    is_good.then(|| NamedTenure { nonce, seq, ttl, age: ttl.saturating_sub(left) })
}

fn place(of: &Presence) -> Option<Place> {
    of.place.parse().ok()
}

/// Where the one is that has this instance, or else the one that wrote last.
fn whereabouts(records: &[Presence], who: Option<Nonce>) -> String {
    let found = records.iter().find(|it| Some(it.instance) == who);
    // The last first, unless it is known to be dead.
    let living = || records.iter().find(|it| place(it).is_none_or(|place| place.life() != Life::Dead));
    match found.or_else(living).map(|it| (place(it), Span(it.age))) {
        Some((Some(place), ago)) if place.life() == Life::Lives => {
            format!("on this machine, in process {}, seen {ago} ago", place.pid)
        }
        Some((Some(Place { host, pid, .. }), ago)) => {
            format!("on host `{host}`, in process {pid} there, seen {ago} ago")
        }
        Some((None, ago)) => format!("seen {ago} ago, which does not say where it runs"),
        None => "which does not say where it runs".to_owned(),
    }
}

fn sentence(lease: &Name, name: &Name, who: Option<Nonce>, records: &[Presence]) -> String {
    let lives = |it: &Presence| place(it).is_some_and(|place| place.life() == Life::Lives);
    let here = records.iter().any(|it| lives(it) && who.is_none_or(|who| who == it.instance));
    let there = whereabouts(records, who);
    let found = if here { format!("runs already {there}") } else { format!("lives already ({there})") };
    format!(
        "lease {lease}: a Mainstay called `{name}` {found}: end that one, or give this one another name, by `name` in its \
         [guard.NAME] or by --name"
    )
}

/// Behind the name of a member that asks: it is no member yet.
pub(crate) const ASKING: &str = "(starts)";
/// The same, once it has waited for a while.
pub(crate) const WAITING: &str = "(waits)";
/// How long it is waited for a first answer before anything is served.
const AT_ONCE: Duration = Duration::from_millis(500);
/// How long is waited at least for a store that is not there yet: a connection takes several steps.
const FIRST_LOOK: Duration = Duration::from_secs(2);
