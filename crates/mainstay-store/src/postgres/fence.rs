//! Makes whoever held a lease before unable to write, and only then lets the new holder's role in.
//!
//! Every step may be done again: it looks what is left to do.

use std::collections::BTreeSet;
use std::time::Duration;

use mainstay_core::lease::{Answer, Failure, Name, Nonce, RowState, Timeline};
use tokio::time::Instant;

use super::line::Way;
use super::quote::{block, identifier, literal};
use super::rows::{Seen, get, micros};
use super::session::{self, Session};
use super::sql::TIMELINE;
use super::steps;
use crate::{Credential, LeaseSettings};

/// What is to be fenced.
pub(super) struct Fencing<'a> {
    pub(super) session: &'a Session,
    pub(super) way: &'a Way,
    pub(super) lease: &'a Name,
    pub(super) settings: &'a LeaseSettings,
    pub(super) end: Instant,
}

impl Fencing<'_> {
    /// Fences every role of the lease; while the tenure is active all but its own.
    pub(super) async fn fence(&self, nonce: Nonce) -> Result<Answer, Failure> {
        let seen = self.look().await?;
        let Some(active) = is_held(&seen, nonce) else { return Ok(seen.overtaken()) };
        let own = self.settings.role.as_deref().filter(|_| active);
        self.command(&self.no_login(nonce, own)).await?;
        let roles = self.roles(own).await?;
        // Once more after the first time: who logged in while the roles were being closed is found then.
        for _ in 0..SWEEPS {
            self.end_sessions(&roles).await?;
            self.end_prepared(&roles, active).await?;
        }
        let seen = self.look().await?;
        Ok(if is_held(&seen, nonce).is_some() { seen.done() } else { seen.overtaken() })
    }

    /// Makes the tenure active and lets its role in with this credential, as one step.
    pub(super) async fn activate(
        &self,
        nonce: Nonce,
        timeline: Timeline,
        ttl: Duration,
        credential: &Credential,
    ) -> Result<Answer, Failure> {
        let verifier = postgres_protocol::password::scram_sha_256(credential.password.reveal().as_bytes());
        let (lease, role) = (literal(self.lease), &*credential.role);
        let body = format!(
            "BEGIN
                UPDATE mainstay.lease SET state = 'active', seq = seq + 1, ttl = {ttl},
                    expires_at = clock_timestamp() + {ttl} * interval '1 microsecond'
                WHERE name = {lease} AND nonce = '{nonce}' AND state <> 'free' AND epoch > 0
                    AND tli = {timeline} AND {TIMELINE} = {timeline};
                IF NOT FOUND THEN RETURN; END IF;
                INSERT INTO mainstay.role (lease, role) VALUES ({lease}, {}) ON CONFLICT DO NOTHING;
                ALTER ROLE {} LOGIN PASSWORD {};
            END",
            literal(role),
            identifier(role),
            literal(&verifier),
            ttl = micros(ttl),
            timeline = timeline.0,
        );
        self.command(&body).await?;
        let seen = self.look().await?;
        let same = seen.row.timeline == timeline && seen.timeline == timeline;
        let active = is_held(&seen, nonce) == Some(true) && same;
        Ok(if active { seen.done() } else { seen.overtaken() })
    }

    /// Bars all roles of the lease but `own`, if the tenure is still this one.
    fn no_login(&self, nonce: Nonce, own: Option<&str>) -> String {
        let lease = literal(self.lease);
        let also = self.settings.role.as_deref().map_or_else(|| "NULL".to_owned(), literal);
        let own = own.map_or_else(|| "NULL".to_owned(), literal);
        format!(
            "DECLARE r name;
            BEGIN
                PERFORM FROM mainstay.lease
                    WHERE name = {lease} AND nonce = '{nonce}' AND state <> 'free' FOR UPDATE;
                IF NOT FOUND THEN RETURN; END IF;
                FOR r IN SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname IS DISTINCT FROM {own}
                    AND (rolname = {also} OR rolname IN (SELECT role FROM mainstay.role WHERE lease = {lease}))
                LOOP EXECUTE format('ALTER ROLE %I NOLOGIN', r); END LOOP;
            END"
        )
    }

    async fn roles(&self, own: Option<&str>) -> Result<Vec<String>, Failure> {
        let query = "SELECT role FROM mainstay.role WHERE lease = $1";
        let rows = self.run(self.session.client.query(query, &[&&**self.lease])).await?;
        let mut roles = rows.iter().map(|row| get(row, 0)).collect::<Result<Vec<String>, Failure>>()?;
        roles.extend(self.settings.role.as_deref().map(str::to_owned));
        roles.retain(|role| Some(&**role) != own);
        Ok(roles)
    }

    /// Ends the sessions of these roles, and waits until there are none. Who is just logging in shows in no list of
    /// sessions yet, but as a process with a transaction: such are waited for, for a moment, until they show or are gone,
    /// and those that do neither are turned away.
    async fn end_sessions(&self, roles: &[String]) -> Result<(), Failure> {
        let mut pause = PAUSE_MIN;
        let begun = Instant::now();
        let mut entering: Option<BTreeSet<i32>> = None;
        loop {
            let row = self.run(self.session.client.query_one(SWEEP, &[&roles])).await?;
            let (left, starting): (i64, Vec<i32>) = (get(&row, 0)?, get(&row, 1)?);
            let starting: BTreeSet<i32> = starting.into_iter().collect();
            let entering = entering.get_or_insert_with(|| starting.clone());
            entering.retain(|pid| starting.contains(pid));
            if left == 0 && (entering.is_empty() || begun.elapsed() > ENTERING) {
                return self.turn_away(roles, entering).await;
            }
            if Instant::now() + pause >= self.end {
                let text = format!("{}: {left} sessions of {} do not end", self.session.host, roles.join(", "));
                return Err(Failure::Unknown(text.into()));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Ends the logins of these roles that are still under way, if their role was looked at while it could log in.
    ///
    /// A login shows in the list of sessions only when it is done, and nothing bounds how long that takes: it may wait for
    /// a lock that somebody holds. The server knows whose it is from the moment it sees whether the role may log in. The
    /// one who is asked to end it is the role itself: it may end its own and nobody else's, and a login of which it is not
    /// known yet whose it is will find its role barred. One that was told to end does nothing any more, however late.
    async fn turn_away(&self, roles: &[String], entering: &BTreeSet<i32>) -> Result<(), Failure> {
        if entering.is_empty() || roles.is_empty() {
            return Ok(());
        }
        let pids: Vec<String> = entering.iter().map(ToString::to_string).collect();
        let names: Vec<String> = roles.iter().map(|role| literal(role)).collect();
        let body = format!(
            "DECLARE r text; p integer;
            BEGIN
                FOR r IN SELECT rolname FROM pg_roles WHERE rolname = ANY (ARRAY[{}]) LOOP
                    FOREACH p IN ARRAY ARRAY[{}] LOOP
                        BEGIN
                            EXECUTE format('SET LOCAL ROLE %I', r);
                            PERFORM pg_terminate_backend(p);
                        EXCEPTION WHEN insufficient_privilege THEN
                            NULL;
                        END;
                        RESET ROLE;
                    END LOOP;
                END LOOP;
            END",
            names.join(", "),
            pids.join(", "),
        );
        self.command(&body).await
    }

    /// Rolls back what these roles, or the group that owns their objects, have prepared: it would commit whenever somebody
    /// says so. While the tenure is active, the group's may be the holder's own.
    async fn end_prepared(&self, roles: &[String], active: bool) -> Result<(), Failure> {
        let mut owners = roles.to_vec();
        owners.extend(self.settings.group.as_deref().filter(|_| !active).map(str::to_owned));
        let query = "SELECT gid, owner::text, database::text FROM pg_prepared_xacts WHERE owner = ANY ($1)";
        for row in self.run(self.session.client.query(query, &[&owners])).await? {
            let (gid, owner, database): (String, String, String) = (get(&row, 0)?, get(&row, 1)?, get(&row, 2)?);
            self.roll_back(&gid, &owner, &database).await?;
        }
        Ok(())
    }

    /// Only its owner may, and only in its own database.
    async fn roll_back(&self, gid: &str, owner: &str, database: &str) -> Result<(), Failure> {
        let mut config = self.session.config.clone();
        config.dbname(database);
        let limit = self.end.saturating_duration_since(Instant::now()).min(self.way.limit);
        let connected = session::connect(&self.session.host, &config, &self.way.tls, limit, None).await;
        let (client, wire) = connected.map_err(|why| {
            Failure::Unknown(format!("prepared transaction `{gid}` in database `{database}` stays: {why}").into())
        })?;
        let text = format!("SET ROLE {}; ", identifier(owner));
        let gone = format!("ROLLBACK PREPARED {}", literal(gid));
        let work = async {
            client.batch_execute(&text).await?;
            client.batch_execute(&gone).await
        };
        let done = tokio::time::timeout(limit, work).await;
        wire.end("done");
        match done {
            Ok(Ok(())) => Ok(()),
            // Somebody was faster.
            Ok(Err(error)) if error.code() == Some(&tokio_postgres::error::SqlState::UNDEFINED_OBJECT) => Ok(()),
            Ok(Err(error)) => {
                let why = super::trouble::sentence(&error, &self.session.host);
                Err(Failure::Unknown(format!("prepared transaction `{gid}` of {owner} stays: {why}").into()))
            }
            Err(_) => Err(Failure::Unknown(format!("prepared transaction `{gid}` of {owner} stays").into())),
        }
    }

    async fn look(&self) -> Result<Seen, Failure> {
        steps::read(self.session, self.lease, self.statement_end()).await
    }

    async fn command(&self, body: &str) -> Result<(), Failure> {
        self.run(self.session.client.batch_execute(&block(body))).await
    }

    async fn run<T>(&self, statement: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Failure> {
        self.session.run(self.statement_end(), statement).await
    }

    /// A server under a storm of logins is slow, and this is not the time to lose the connection to it.
    fn statement_end(&self) -> Instant {
        self.end.min(Instant::now() + STATEMENT)
    }
}

/// Whether the row is of this tenure, and if so, whether that is active.
fn is_held(seen: &Seen, nonce: Nonce) -> Option<bool> {
    let held = seen.row.epoch > 0 && seen.row.nonce == nonce && seen.row.state != RowState::Free;
    held.then_some(seen.row.state == RowState::Active)
}

/// Ends the sessions of the roles $1; how many there were, and who is just logging in. (The form of
/// `pg_terminate_backend` that waits would do so for one after the other.)
const SWEEP: &str = "WITH gone AS MATERIALIZED (
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE usename = ANY ($1::text[]) AND pid <> pg_backend_pid()
    )
    SELECT (SELECT count(*) FROM gone), ARRAY(
        SELECT DISTINCT pid FROM pg_locks
        WHERE locktype = 'virtualxid' AND pid NOT IN (SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL)
    )";
/// Longest time for one statement.
const STATEMENT: Duration = Duration::from_secs(5);
/// How often sessions and prepared transactions are ended.
const SWEEPS: usize = 2;
/// How long those who are just logging in are waited for.
const ENTERING: Duration = Duration::from_secs(1);
/// Between two looks whether the sessions have ended.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(16);
