//! The database of a rehearsal that crashes it or promotes its standby.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::relay::Relay;
use super::{Mishap, until};
use crate::demo::stage::{Clock, Making, Port, Server};

/// What a database of one's own is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// One server.
    Alone,
    /// Two: what is acknowledged is on the standby too.
    Synchronous,
    /// Two: the standby may be behind.
    Asynchronous,
}

/// A primary, and its standby if there is to be one.
pub(crate) struct Database {
    own: Own,
    exe: PathBuf,
    keep: bool,
    primary: Server,
    standby: Option<Standby>,
    /// The primary that was killed.
    spare: Option<Server>,
    /// In the order of the URL, which stays as it is.
    hosts: Vec<std::net::SocketAddr>,
}

struct Standby {
    server: Server,
    feed: Relay,
}

impl Database {
    /// Makes one.
    pub(crate) async fn make(exe: &Path, own: Own, clocked: bool, keep: bool) -> Result<Self, Mishap> {
        let primary = Server::make(Making { name: "the database", exe, clocked, keep }).await?;
        let mut hosts = vec![primary.at()];
        let exe = exe.to_owned();
        let mut database = Self { own, exe, keep, primary, standby: None, spare: None, hosts: Vec::new() };
        if own != Own::Alone {
            let port = Port::take()?;
            hosts.push(port.address());
            database.replicate(port).await?;
        }
        database.hosts = hosts;
        Ok(database)
    }

    /// Where it is found, whoever is the primary.
    pub(crate) fn url(&self) -> String {
        self.primary.url(&self.hosts)
    }

    /// The clock that it goes by, where that is not the machine's.
    pub(crate) fn clock(&self) -> Option<&Clock> {
        self.primary.clock()
    }

    /// Makes a standby at that address, and waits until it has everything.
    async fn replicate(&mut self, port: Port) -> Result<(), Mishap> {
        let failed = |error| Mishap::new("could not set replication up", error);
        let feed = Relay::start(self.primary.at().to_string()).await?;
        let making = Making { name: "the standby", exe: &self.exe, clocked: false, keep: self.keep };
        let server = Server::copy(making, port, &self.primary, feed.at()).await?;
        let client = self.primary.connect().await.map_err(failed)?;
        let name = if self.own == Own::Synchronous { "*" } else { "" };
        client
            .batch_execute(&format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'"))
            .await
            .map_err(failed)?;
        client.batch_execute("SELECT pg_reload_conf()").await.map_err(failed)?;
        let state = if self.own == Own::Synchronous { "sync" } else { "async" };
        until("the standby does not follow", REPLICATING, async || {
            let query = "SELECT FROM pg_stat_replication WHERE sync_state = $1 AND state = 'streaming'";
            client.query(query, &[&state]).await.is_ok_and(|rows| rows.len() == 1)
        })
        .await?;
        self.standby = Some(Standby { server, feed });
        Ok(())
    }

    /// The standby hears nothing more of the primary, and does not know it.
    pub(crate) fn fall_behind(&self) {
        if let Some(standby) = &self.standby {
            standby.feed.cut();
        }
    }

    /// SIGKILL of the primary, and a new start. When it could be written to again.
    pub(crate) async fn crash(&mut self) -> Result<Instant, Mishap> {
        self.primary.kill().await?;
        self.primary.start().await?;
        Ok(Instant::now())
    }

    /// SIGKILL of the primary; its standby becomes one. When it could be written to, and the last row of the nodes that
    /// it had before.
    pub(crate) async fn promote(&mut self) -> Result<(Instant, i64), Mishap> {
        let Some(Standby { server, feed }) = self.standby.take() else {
            return Err(Mishap::new("could not promote the standby", "there is none"));
        };
        self.primary.kill().await?;
        let failed = |error| Mishap::new("could not ask the standby", error);
        let client = server.connect().await.map_err(failed)?;
        let last = client.query_one("SELECT coalesce(max(seq), 0) FROM writes", &[]).await.map_err(failed)?;
        let last = last.try_get(0).map_err(failed)?;
        let at = server.promote().await?;
        drop(feed);
        self.spare = Some(std::mem::replace(&mut self.primary, server));
        Ok((at, last))
    }

    /// Makes a standby of what was left of the primary before.
    pub(crate) async fn mend(&mut self) -> Result<(), Mishap> {
        let Some(old) = self.spare.take() else { return Ok(()) };
        self.replicate(old.leave()).await
    }
}

/// Longest time for a standby to begin.
const REPLICATING: Duration = Duration::from_secs(60);
