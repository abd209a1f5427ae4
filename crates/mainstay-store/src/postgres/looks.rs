//! Looks: what is in the rows of all leases of a program whose turn it is, and who else looks.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::lease::{Answer, Failure, Member, Name, Nonce};
use tokio::time::Instant;
use tokio_postgres::Row as PgRow;
use tokio_postgres::types::ToSql;

use super::batch::{Job, Work};
use super::hints::Hints;
use super::memory::{Memory, Told};
use super::rows::{self, Seen, get};
use super::session::Session;
use super::steps;
use crate::words;

/// One look, as [`mainstay_core::lease::Request::Look`] says it.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) lease: Name,
    pub(super) me: Member,
}

/// How they are done.
#[derive(Debug)]
pub(super) struct Looks {
    hints: Arc<Hints>,
    memory: Arc<Memory>,
    /// Where this program runs.
    place: Name,
}

impl Looks {
    pub(super) fn new(hints: Arc<Hints>, memory: Arc<Memory>, place: Name) -> Self {
        Self { hints, memory, place }
    }

    fn answer(&self, session: &Session, look: &Look, found: &[&PgRow]) -> Result<(Answer, Told), Failure> {
        let Some(first) = found.first() else { return Err(steps::missing(&look.lease)) };
        let Seen { row, timeline, clock, .. } = {
            let seen = rows::seen(session, first)?;
            self.hints.seen(&seen, session.key);
            seen
        };
        let mut members = vec![Member { age: Duration::ZERO, ..look.me.clone() }];
        for row in found {
            // What was read of this member is from before.
            members.extend(rows::member(row)?.filter(|member| member.instance != look.me.instance));
        }
        members.sort_by_key(|member| member.instance);
        let told = self.memory.looked(&look.lease, &look.me, rows::has_roles(first)?);
        Ok((Answer::Done { row, timeline, clock, members }, told))
    }
}

impl Work for Looks {
    type Item = Look;
    /// One statement notes a member once.
    type Key = (Name, Nonce);

    fn key(item: &Look) -> (Name, Nonce) {
        (item.lease.clone(), item.me.instance)
    }

    async fn send(&mut self, session: &Arc<Session>, jobs: Vec<Job<Look>>, end: Instant) {
        let rows = match look(session, &jobs, &self.place, end).await {
            Ok(rows) => rows,
            Err(failure) => return jobs.into_iter().for_each(|job| job.reply(Err(failure.clone()))),
        };
        let mut found: HashMap<&str, Vec<&PgRow>> = HashMap::new();
        for row in &rows {
            if let Ok(lease) = get::<&str>(row, rows::NAME) {
                found.entry(lease).or_default().push(row);
            }
        }
        let (mut first, mut news) = (Vec::new(), Vec::new());
        for job in jobs {
            let look = &job.item;
            let answer = self.answer(session, look, found.get(&*look.lease).map_or(&[][..], Vec::as_slice));
            let answer = answer.map(|(answer, told)| {
                first.extend((told == Told::First).then(|| look.lease.clone()));
                news.extend((told != Told::Nothing).then(|| look.lease.clone()));
                answer
            });
            job.reply(answer);
        }
        if !first.is_empty() {
            steps::forget_members(session, first);
        }
        if !news.is_empty() {
            steps::notify(session, news);
        }
    }
}

/// Notes that these members look, and reads the rows; makes those that are not there.
async fn look(session: &Session, jobs: &[Job<Look>], place: &str, end: Instant) -> Result<Vec<PgRow>, Failure> {
    let each = || jobs.iter().map(|job| &job.item);
    let leases: Vec<&str> = each().map(|it| &*it.lease).collect();
    let (noted, rows) = tokio::join!(note(session, each(), place, end), steps::rows_of(session, &leases, end));
    noted?;
    let rows = rows?;
    let known: HashSet<&str> = rows.iter().map(|row| get(row, rows::NAME)).collect::<Result<_, Failure>>()?;
    let missing: Vec<&str> = leases.iter().copied().filter(|lease| !known.contains(lease)).collect();
    if missing.is_empty() {
        return Ok(rows);
    }
    session.run(end, session.client.execute(&session.sql.make, &[&missing])).await?;
    steps::rows_of(session, &leases, end).await
}

async fn note<'a>(
    session: &Session,
    looks: impl Iterator<Item = &'a Look>,
    place: &str,
    end: Instant,
) -> Result<(), Failure> {
    let (mut leases, mut instances, mut names, mut priorities) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut states, mut switches, mut quiet) = (Vec::new(), Vec::new(), Vec::new());
    for Look { lease, me } in looks {
        let (state, switch) = words::member(me.state);
        leases.push(&**lease);
        instances.push(me.instance.to_string());
        names.push(&*me.name);
        priorities.push(i64::from(me.priority));
        states.push(state);
        switches.push(switch.map(|switch| switch.to_string()));
        quiet.push(me.quiet);
    }
    let values: [&(dyn ToSql + Sync); 8] =
        [&leases, &instances, &names, &priorities, &states, &switches, &quiet, &place];
    session.run(end, session.client.execute(&session.sql.note, &values)).await.map(drop)
}
