//! The two locks of a replicated node.
//!
//! Whoever is to be active holds the *main* lock, exclusively, on a connection that does nothing else. Every connection that
//! writes holds the *pool* lock, shared, on its own session. A new active takes the pool lock exclusively before it opens
//! any of its own: so it waits until every session of the one before it is gone, and that one's writes with them.
//!
//! The locks are sessions' advisory locks of PostgreSQL. They are gone when the session is: at once when the process is
//! killed, but not as long as it is merely stopped.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls};

use super::args::{Kind, Times};

/// The numbers of a node's locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Of the main lock.
    pub main: i64,
    /// Of the pool's.
    pub pool: i64,
}

impl Numbers {
    /// Those of a kind of node whose database has this name; none for those that are all active.
    pub fn of(kind: Kind, database: &str) -> Option<Self> {
        let (main, pool) = match kind {
            Kind::Participant => (PARTICIPANT_WRITE, PARTICIPANT_WRITERS),
            Kind::Mediator => (MEDIATOR_WRITE, MEDIATOR_WRITERS),
            Kind::Sequencer => return None,
        };
        Some(Self { main: number(main, database), pool: number(pool, database) })
    }
}

/// 30 bits: the counter, 21 bits of the database's name, and the highest one set.
fn number(counter: u32, database: &str) -> i64 {
    let digest = Sha256::digest(database.as_bytes());
    let [a, b, c, d, ..] = <[u8; 32]>::from(digest);
    i64::from((counter - 1) | (u32::from_be_bytes([a, b, c, d]) & 0x1fff_ff00) | 1 << 29)
}

/// A session with the database.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    driver: JoinHandle<()>,
}

impl Session {
    pub(super) async fn open(config: &Config, times: Times) -> Result<Self, String> {
        let connecting = tokio::time::timeout(times.check_timeout, config.connect(NoTls)).await;
        let (client, connection) = connecting.map_err(|_| "it does not answer")?.map_err(|error| error.to_string())?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("database: {error}");
            }
        });
        let session = Self { client, driver };
        if session.flag("SELECT current_setting('transaction_read_only')::bool", times).await? {
            return Err("it is read-only".to_owned());
        }
        Ok(session)
    }

    async fn flag(&self, question: &str, times: Times) -> Result<bool, String> {
        let asked = tokio::time::timeout(times.check_timeout, self.client.query_one(question, &[])).await;
        let row = asked.map_err(|_| "it does not answer")?.map_err(|error| error.to_string())?;
        row.try_get(0).map_err(|error| error.to_string())
    }

    async fn lock(&self, function: &str, number: i64, times: Times) -> Result<bool, String> {
        self.flag(&format!("SELECT {function}({number})"), times).await
    }

    async fn has(&self, number: i64, times: Times) -> Result<bool, String> {
        let held = format!(
            "SELECT NOT current_setting('transaction_read_only')::bool AND EXISTS (SELECT FROM pg_locks \
             WHERE locktype = 'advisory' AND objid = {number} AND granted AND pid = pg_backend_pid())"
        );
        self.flag(&held, times).await
    }

    /// Ends it, and with it what it was doing.
    pub(super) fn end(&self) {
        self.driver.abort();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

/// The main lock, held.
#[derive(Debug)]
pub(super) struct Main {
    session: Session,
    numbers: Numbers,
    times: Times,
}

impl Main {
    /// Tries again and again until it is had.
    pub(super) async fn wait(config: &Config, numbers: Numbers, times: Times) -> Self {
        let mut kept = None;
        loop {
            let tried = async {
                let session = match kept.take() {
                    Some(session) => session,
                    None => Session::open(config, times).await?,
                };
                let had = session.lock("pg_try_advisory_lock", numbers.main, times).await?;
                Ok::<_, String>((session, had))
            };
            match tried.await {
                Ok((session, true)) => return Self { session, numbers, times },
                Ok((session, false)) => kept = Some(session),
                Err(error) => eprintln!("Locked connection was lost, trying to rebuild: {error}"),
            }
            tokio::time::sleep(times.passive_check).await;
        }
    }

    /// Waits until nobody else writes, and opens the sessions that do: each with a share of the pool lock.
    pub(super) async fn sessions(&self, config: &Config) -> Result<Vec<Session>, String> {
        let gate = Session::open(config, self.times).await?;
        while !gate.lock("pg_try_advisory_lock", self.numbers.pool, self.times).await? {
            self.check().await?;
            tokio::time::sleep(POOL_RETRY).await;
        }
        gate.lock("pg_advisory_unlock", self.numbers.pool, self.times).await?;
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            let session = Session::open(config, self.times).await?;
            if !session.lock("pg_try_advisory_lock_shared", self.numbers.pool, self.times).await? {
                return Err("somebody else has the lock of the pool".to_owned());
            }
            sessions.push(session);
        }
        self.check().await?;
        Ok(sessions)
    }

    /// Holds it until it is lost; returns why.
    pub(super) async fn hold(&self) -> String {
        loop {
            tokio::time::sleep(self.times.active_check).await;
            if let Err(why) = self.check().await {
                return why;
            }
        }
    }

    async fn check(&self) -> Result<(), String> {
        match self.session.has(self.numbers.main, self.times).await? {
            true => Ok(()),
            false => Err("the main lock is not held any more".to_owned()),
        }
    }
}

/// How often a new active looks whether the old one's sessions are gone.
const POOL_RETRY: Duration = Duration::from_millis(500);
/// Sessions of an active node: one that writes, so that offsets are in the order of commits, and one that reads.
const SESSIONS: usize = 2;

const PARTICIPANT_WRITE: u32 = 1;
const MEDIATOR_WRITE: u32 = 38;
const PARTICIPANT_WRITERS: u32 = 39;
const MEDIATOR_WRITERS: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_differ_by_counter_and_database_and_have_30_bits() {
        let of = |kind, database| Numbers::of(kind, database).expect("it elects");
        let one = of(Kind::Participant, "participant1");
        assert_eq!(one.main & 0xff, 0);
        assert_eq!(one.pool & 0xff, 38);
        assert_eq!(one.main >> 8, one.pool >> 8, "both are of one database");
        assert_eq!(one.main >> 29, 1);
        assert_ne!(one.main >> 8, of(Kind::Participant, "participant2").main >> 8);
        assert_ne!(one, of(Kind::Mediator, "participant1"));
        assert_eq!(Numbers::of(Kind::Sequencer, "domain"), None);
    }
}
