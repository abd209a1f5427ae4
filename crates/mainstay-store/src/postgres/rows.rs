//! Rows as PostgreSQL gives them.

use std::time::Duration;

use mainstay_core::lease::{
    Answer, Failure, Member, MemberState, Name, Nonce, Row, Settled, Stamp, SwitchTo, Timeline,
};
use tokio_postgres::Row as PgRow;
use tokio_postgres::types::FromSql;

use super::session::Session;
use super::trouble::POOLER;
use crate::{Presence, words};

/// A lease, and what was seen with it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) lease: Name,
    pub(super) row: Row,
    pub(super) timeline: Timeline,
    pub(super) clock: Stamp,
    /// The session of the holder.
    pub(super) session: i64,
}

impl Seen {
    pub(super) fn done(self) -> Answer {
        Answer::Done { row: self.row, timeline: self.timeline, clock: self.clock, members: Vec::new() }
    }

    pub(super) fn overtaken(self) -> Answer {
        Answer::Overtaken { row: self.row, timeline: self.timeline, clock: self.clock }
    }
}

/// Reads the columns of `sql::columns`.
///
/// An answer of another server process than the one this session was set up with came through a pooler that hands
/// statements around: whatever was set up is not there, and nothing can be said.
pub(super) fn seen(session: &Session, from: &PgRow) -> Result<Seen, Failure> {
    if get::<i32>(from, 20)? != session.pid {
        return Err(session.doom(POOLER));
    }
    let switch = match get::<Option<&str>>(from, 11)? {
        Some(id) => Some(SwitchTo {
            id: nonce(id)?,
            to: name(from, 12)?,
            due: Stamp(get::<Option<i64>>(from, 13)?.unwrap_or(0)),
        }),
        None => None,
    };
    let settled = match get::<Option<&str>>(from, 14)? {
        Some(id) => {
            let word = get::<Option<&str>>(from, 15)?.unwrap_or_default();
            let outcome = words::outcome_of(word, name(from, 16)?).ok_or_else(|| damaged(word))?;
            Some(Settled { id: nonce(id)?, outcome })
        }
        None => None,
    };
    let (state, serving) = (get::<&str>(from, 4)?, get::<&str>(from, 6)?);
    let row = Row {
        epoch: unsigned(get(from, 0)?),
        seq: unsigned(get(from, 1)?),
        holder: get::<&str>(from, 2)?.into(),
        nonce: nonce(get(from, 3)?)?,
        state: words::state_of(state).ok_or_else(|| damaged(state))?,
        timeline: timeline(get(from, 5)?),
        serving: words::serving_of(serving).ok_or_else(|| damaged(serving))?,
        next: name(from, 7)?,
        switch,
        settled,
        paused: name(from, 8)?,
        expires_at: Stamp(get(from, 9)?),
        ttl: Duration::from_micros(unsigned(get(from, 10)?)),
    };
    let (session, now, clock) = (get(from, 17)?, timeline(get(from, 18)?), Stamp(get(from, 19)?));
    Ok(Seen { lease: get::<&str>(from, NAME)?.into(), row, timeline: now, clock, session })
}

/// Whether the lease has roles, of `sql::read`.
pub(super) fn has_roles(from: &PgRow) -> Result<bool, Failure> {
    get(from, 22)
}

/// The member in a row of `sql::read`, if there is one.
pub(super) fn member(from: &PgRow) -> Result<Option<Member>, Failure> {
    let Some(name) = name(from, 23)? else { return Ok(None) };
    let switch = get::<Option<&str>>(from, 27)?.map(nonce).transpose()?;
    Ok(Some(Member {
        name,
        instance: nonce(get(from, 24)?)?,
        priority: u32::try_from(get::<i64>(from, 25)?).unwrap_or(0),
        state: words::member_of(get(from, 26)?, switch),
        quiet: get(from, 28)?,
        age: Duration::from_micros(unsigned(get(from, 29)?)),
    }))
}

/// A row of `sql::PRESENCES`.
pub(super) fn presence(from: &PgRow) -> Result<Presence, Failure> {
    Ok(Presence {
        name: get::<&str>(from, 0)?.into(),
        instance: nonce(get(from, 1)?)?,
        place: get::<&str>(from, 2)?.into(),
        holds: words::member_of(get(from, 3)?, None) == MemberState::Holder,
        seen: Stamp(get(from, 4)?),
        age: Duration::from_micros(unsigned(get(from, 5)?)),
    })
}

/// One column. What cannot be read was not written by this program.
pub(super) fn get<'a, T: FromSql<'a>>(from: &'a PgRow, column: usize) -> Result<T, Failure> {
    from.try_get(column).map_err(|error| Failure::Unknown(format!("a row of the schema `mainstay`: {error}").into()))
}

/// Numbers never come near the end of either type.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn timeline(number: i64) -> Timeline {
    Timeline(u32::try_from(number).unwrap_or(0))
}

fn nonce(text: &str) -> Result<Nonce, Failure> {
    words::nonce_of(text).ok_or_else(|| damaged(text))
}

fn name(from: &PgRow, column: usize) -> Result<Option<Name>, Failure> {
    Ok(get::<Option<&str>>(from, column)?.map(Name::from))
}

fn damaged(text: &str) -> Failure {
    Failure::Unknown(format!("a row of the schema `mainstay` says `{text}`, which this program never wrote").into())
}

/// The column with the lease's name.
pub(super) const NAME: usize = 21;
