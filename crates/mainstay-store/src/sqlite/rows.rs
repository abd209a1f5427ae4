//! Rows as SQLite keeps them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mainstay_core::lease::{
    Member, MemberState, Name, Nonce, Row, RowState, Serving, Settled, Stamp, SwitchTo, Timeline,
};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension as _, Result, params};

use super::lock::FileNumber;
use crate::{Entry, Presence, words};

/// A file has one history, for ever.
pub(super) const TIMELINE: Timeline = Timeline(1);

/// The row of a lease.
pub(super) fn read(connection: &Connection, lease: &Name) -> Result<Option<Row>> {
    let mut query = connection.prepare_cached(
        "SELECT epoch, seq, holder, nonce, state, serving, next, paused, expires_at, ttl, switch, switch_to, switch_due,
         settled, outcome, reason FROM lease WHERE name = ?1",
    )?;
    query.query_row([&**lease], row).optional()
}

/// Writes the row of a lease, which may be new.
pub(super) fn write(connection: &Connection, lease: &Name, row: &Row) -> Result<()> {
    let switch = row.switch.as_ref();
    let outcome = row.settled.as_ref().map(|settled| words::outcome(&settled.outcome));
    let mut write = connection.prepare_cached(
        "REPLACE INTO lease (name, epoch, seq, holder, nonce, state, serving, next, paused, expires_at, ttl,
         switch, switch_to, switch_due, settled, outcome, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?;
    write.execute(params![
        &**lease,
        signed(row.epoch),
        signed(row.seq),
        &*row.holder,
        row.nonce.to_string(),
        words::state(row.state),
        words::serving(row.serving),
        row.next.as_deref(),
        row.paused.as_deref(),
        row.expires_at.0,
        micros(row.ttl),
        switch.map(|switch| switch.id.to_string()),
        switch.and_then(|switch| switch.to.as_deref()),
        switch.map(|switch| switch.due.0),
        row.settled.as_ref().map(|settled| settled.id.to_string()),
        outcome.map(|(word, _)| word),
        outcome.and_then(|(_, reason)| reason),
    ])?;
    Ok(())
}

/// The file of the lock of the last tenure.
pub(super) fn lock(connection: &Connection, lease: &Name) -> Result<Option<FileNumber>> {
    let mut query = connection.prepare_cached("SELECT device, number FROM lock WHERE lease = ?1")?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(FileNumber { device: row.get::<_, i64>(0)?.cast_unsigned(), number: row.get::<_, i64>(1)?.cast_unsigned() })
    };
    query.query_row([&**lease], read).optional()
}

/// Notes which file the lock of a new tenure is on.
pub(super) fn note_lock(connection: &Connection, lease: &Name, file: FileNumber) -> Result<()> {
    let mut write = connection.prepare_cached("REPLACE INTO lock (lease, device, number) VALUES (?1, ?2, ?3)")?;
    write.execute(params![&**lease, file.device.cast_signed(), file.number.cast_signed()])?;
    Ok(())
}

/// A lease that nobody ever held.
pub(super) fn fresh(now: Stamp) -> Row {
    Row {
        epoch: 0,
        seq: 0,
        holder: "".into(),
        nonce: Nonce(0),
        state: RowState::Free,
        timeline: TIMELINE,
        serving: Serving::Starting,
        next: None,
        switch: None,
        settled: None,
        paused: None,
        expires_at: now,
        ttl: Duration::ZERO,
    }
}

/// Notes that a member looked, and forgets those who have not for long.
pub(super) fn note(connection: &Connection, lease: &Name, me: &Member, now: Stamp) -> Result<()> {
    let (state, switch) = words::member(me.state);
    let mut write = connection.prepare_cached(
        "REPLACE INTO member (lease, instance, name, priority, state, switch, quiet, seen)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let (instance, switch) = (me.instance.to_string(), switch.map(|switch| switch.to_string()));
    write.execute(params![&**lease, instance, &*me.name, me.priority, state, switch, me.quiet, now.0])?;
    let mut forget = connection.prepare_cached("DELETE FROM member WHERE lease = ?1 AND seen < ?2")?;
    forget.execute(params![&**lease, now.0.saturating_sub(micros(MEMBER_KEPT))])?;
    Ok(())
}

/// Whoever looked lately.
pub(super) fn members(connection: &Connection, lease: &Name, now: Stamp) -> Result<Vec<Member>> {
    let mut query = connection.prepare_cached(
        "SELECT name, instance, priority, state, switch, quiet, seen FROM member WHERE lease = ?1 ORDER BY instance LIMIT ?2",
    )?;
    let rows = query.query_map(params![&**lease, MEMBERS_MAX], |row| {
        let switch = row.get_ref(4)?.as_str_or_null()?.map(|id| nonce(4, id)).transpose()?;
        let seen: i64 = row.get(6)?;
        Ok(Member {
            name: row.get::<_, String>(0)?.into(),
            instance: nonce(1, row.get_ref(1)?.as_str()?)?,
            priority: row.get(2)?,
            state: words::member_of(row.get_ref(3)?.as_str()?, switch),
            quiet: row.get(5)?,
            age: Duration::from_micros(unsigned(now.0.saturating_sub(seen))),
        })
    })?;
    rows.collect()
}

/// Notes where the program of a member that looks runs.
pub(super) fn note_place(connection: &Connection, lease: &Name, instance: Nonce, place: &str) -> Result<()> {
    let mut write =
        connection.prepare_cached("INSERT OR IGNORE INTO place (lease, instance, place) VALUES (?1, ?2, ?3)")?;
    if write.execute(params![&**lease, instance.to_string(), place])? == 0 {
        return Ok(());
    }
    let mut forget = connection.prepare_cached(
        "DELETE FROM place WHERE lease = ?1 AND instance NOT IN (SELECT instance FROM member WHERE lease = ?1)",
    )?;
    forget.execute([&**lease])?;
    Ok(())
}

/// Whoever looked lately, and from where.
pub(super) fn presences(connection: &Connection, lease: &Name, now: Stamp) -> Result<Vec<Presence>> {
    let mut query = connection.prepare_cached(
        "SELECT name, member.instance, state, seen, coalesce(place, '') FROM member
         LEFT JOIN place ON place.lease = member.lease AND place.instance = member.instance
         WHERE member.lease = ?1 ORDER BY seen DESC LIMIT ?2",
    )?;
    let rows = query.query_map(params![&**lease, MEMBERS_MAX], |row| {
        let seen = Stamp(row.get(3)?);
        Ok(Presence {
            name: row.get::<_, String>(0)?.into(),
            instance: nonce(1, row.get_ref(1)?.as_str()?)?,
            place: row.get::<_, String>(4)?.into(),
            holds: words::member_of(row.get_ref(2)?.as_str()?, None) == MemberState::Holder,
            seen,
            age: seen.until(now),
        })
    })?;
    rows.collect()
}

/// Writes down what happened, and forgets what is too old.
pub(super) fn record(connection: &Connection, entry: &Entry) -> Result<()> {
    let at = entry.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut write = connection
        .prepare_cached("INSERT INTO history (at, lease, by, epoch, what, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    write.execute(params![micros(at), &*entry.lease, &*entry.by, signed(entry.epoch), &*entry.what, &*entry.text])?;
    let mut forget = connection.prepare_cached(
        "DELETE FROM history WHERE lease = ?1
         AND id <= (SELECT id FROM history WHERE lease = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
    )?;
    forget.execute(params![&*entry.lease, Entry::KEPT])?;
    Ok(())
}

/// The last of what happened, oldest first.
pub(super) fn history(connection: &Connection, lease: Option<&Name>, limit: u32) -> Result<Vec<Entry>> {
    let mut query = connection.prepare_cached(
        "SELECT at, lease, by, epoch, what, text FROM history WHERE ?1 IS NULL OR lease = ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let rows = query.query_map(params![lease.map(|lease| &**lease), limit], |row| {
        Ok(Entry {
            at: time(row.get(0)?),
            lease: row.get::<_, String>(1)?.into(),
            by: row.get::<_, String>(2)?.into(),
            epoch: unsigned(row.get(3)?),
            what: row.get::<_, String>(4)?.into(),
            text: row.get::<_, String>(5)?.into(),
        })
    })?;
    let mut entries = rows.collect::<Result<Vec<_>>>()?;
    entries.reverse();
    Ok(entries)
}

fn row(row: &rusqlite::Row<'_>) -> Result<Row> {
    let switch = match row.get_ref(10)?.as_str_or_null()? {
        Some(id) => Some(SwitchTo {
            id: nonce(10, id)?,
            to: name(row, 11)?,
            due: Stamp(row.get::<_, Option<i64>>(12)?.unwrap_or(0)),
        }),
        None => None,
    };
    let settled = match row.get_ref(13)?.as_str_or_null()? {
        Some(id) => {
            let (id, word) = (nonce(13, id)?, row.get_ref(14)?.as_str()?);
            let outcome = words::outcome_of(word, name(row, 15)?).ok_or_else(|| damaged(14, word))?;
            Some(Settled { id, outcome })
        }
        None => None,
    };
    let (state, serving) = (row.get_ref(4)?.as_str()?, row.get_ref(5)?.as_str()?);
    Ok(Row {
        epoch: unsigned(row.get(0)?),
        seq: unsigned(row.get(1)?),
        holder: row.get::<_, String>(2)?.into(),
        nonce: nonce(3, row.get_ref(3)?.as_str()?)?,
        state: words::state_of(state).ok_or_else(|| damaged(4, state))?,
        timeline: TIMELINE,
        serving: words::serving_of(serving).ok_or_else(|| damaged(5, serving))?,
        next: name(row, 6)?,
        switch,
        settled,
        paused: name(row, 7)?,
        expires_at: Stamp(row.get(8)?),
        ttl: Duration::from_micros(unsigned(row.get(9)?)),
    })
}

fn name(row: &rusqlite::Row<'_>, column: usize) -> Result<Option<Name>> {
    Ok(row.get::<_, Option<String>>(column)?.map(Name::from))
}

fn nonce(column: usize, text: &str) -> Result<Nonce> {
    words::nonce_of(text).ok_or_else(|| damaged(column, text))
}

fn damaged(column: usize, text: &str) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, format!("`{text}` was not written by this program").into())
}

/// Numbers never come near the end of either type: what is out of range was not written by this program.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn time(micros: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(unsigned(micros))
}

/// How long a member that no longer looks is remembered.
pub(crate) const MEMBER_KEPT: Duration = Duration::from_secs(60);
/// How many members of a lease are told of.
const MEMBERS_MAX: u32 = 64;
