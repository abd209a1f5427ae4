//! Refuses to begin beside another Mainstay of the same name: [`mainstay_core::lease::NameWatch`] decides.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::Span;
use mainstay_core::lease::{
    Answer, Failure, Life, Member, MemberState, Name, NameLook, NameWatch, NamedTenure, Namesake, Nonce, Request, Row,
    RowState, Stamp, Terms, Verdict,
};
use mainstay_guard::Place;
use mainstay_io::clock::boot;
use mainstay_store::{Presence, Store};
use tokio::task::JoinSet;
use tracing::{info, warn};

/// Looks for others that have the names of these members, all at once.
///
/// A store that is away keeps nobody from beginning.
///
/// # Errors
/// A sentence: who lives, where, and what to do.
pub(super) async fn refuse(store: &Arc<dyn Store>, members: Vec<Terms>) -> Result<(), String> {
    let mut looking = JoinSet::new();
    for terms in members {
        looking.spawn(alone(Arc::clone(store), terms));
    }
    let mut refused = Vec::new();
    while let Some(ended) = looking.join_next().await {
        refused.extend(ended.map_err(|error| format!("look for others of the same name: {error}"))?.err());
    }
    refused.sort();
    if refused.is_empty() { Ok(()) } else { Err(refused.join("; ")) }
}

/// Waits until it is known that nobody else has this member's name.
async fn alone(store: Arc<dyn Store>, terms: Terms) -> Result<(), String> {
    let (lease, name) = (&terms.lease, &terms.me.name);
    let mut watch = NameWatch::new(&terms);
    let begun = boot();
    let mut waits = false;
    loop {
        let patient = watch.is_patient(boot());
        let (verdict, records) = match read(&*store, &terms, waits, patient).await {
            Ok((look, records)) => (watch.look(&look, boot()), records),
            Err(_) if waits && boot().since(begun) < terms.ttl.saturating_mul(2) => {
                tokio::time::sleep(NameWatch::pause(&terms)).await;
                continue;
            }
            Err(Failure::NotDone(why) | Failure::Unknown(why)) => {
                warn!(%lease, %why, "begins without having seen whether another member is called {name}");
                return Ok(());
            }
        };
        match verdict {
            Verdict::Alone if waits => {
                let after = Span(boot().since(begun));
                info!(%lease, "nobody else that is called {name} lives: begins after {after}");
                return Ok(());
            }
            Verdict::Alone => return Ok(()),
            Verdict::Wait(until) if !waits => {
                waits = true;
                let most = Span(until.since(boot()));
                let other = whereabouts(&records, None);
                info!(%lease, "a member that is called {name} was there lately, {other}: waits at most {most}, unless that one lives");
            }
            Verdict::Wait(_) => {}
            Verdict::Taken(who) => return Err(sentence(lease, name, who, &records)),
        }
        tokio::time::sleep(NameWatch::pause(&terms)).await;
    }
}

/// Writes that this member is about to begin, and reads who else has its name.
async fn read(
    store: &dyn Store,
    terms: &Terms,
    again: bool,
    patient: bool,
) -> Result<(NameLook, Vec<Presence>), Failure> {
    let [asking, waiting] = [ASKING, WAITING].map(|what| Name::from(format!("{} {what}", terms.me.name)));
    let me = Member {
        name: if patient { waiting.clone() } else { asking.clone() },
        instance: terms.me.instance,
        priority: 0,
        state: MemberState::Unfit,
        quiet: true,
        age: Duration::ZERO,
    };
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
/// How long is waited at least for a store that is not there yet: a connection takes several steps.
const FIRST_LOOK: Duration = Duration::from_secs(2);
