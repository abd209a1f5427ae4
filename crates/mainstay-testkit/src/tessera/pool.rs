//! The pool of database connections: ten, and whoever gets none hangs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::{Client, Config, NoTls};

/// The connections of one instance to its database.
#[derive(Debug)]
pub(super) struct Pool {
    config: Config,
    permits: Semaphore,
    /// Connections nobody uses. The lock is held for a push or a pop only.
    idle: Mutex<Vec<Client>>,
}

/// A connection for the time of its use.
#[derive(Debug)]
pub(super) struct Lent<'p> {
    pool: &'p Pool,
    client: Option<Client>,
    _permit: SemaphorePermit<'p>,
}

/// Nobody gave a connection back, or the database is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoConnection;

impl Pool {
    pub(super) fn new(config: Config) -> Self {
        Self { config, permits: Semaphore::new(SIZE), idle: Mutex::new(Vec::new()) }
    }

    /// A connection, for which a request hangs 30 s when there is none.
    pub(super) async fn lend(&self) -> Result<Lent<'_>, NoConnection> {
        self.lend_within(PATIENCE).await
    }

    pub(super) async fn lend_within(&self, bound: Duration) -> Result<Lent<'_>, NoConnection> {
        tokio::time::timeout(bound, self.wait()).await.map_err(|_| NoConnection)?
    }

    async fn wait(&self) -> Result<Lent<'_>, NoConnection> {
        let permit = self.permits.acquire().await.map_err(|_| NoConnection)?;
        loop {
            if let Some(client) = self.idle() {
                return Ok(Lent { pool: self, client: Some(client), _permit: permit });
            }
            if let Ok((client, connection)) = self.config.connect(NoTls).await {
                tokio::spawn(connection);
                return Ok(Lent { pool: self, client: Some(client), _permit: permit });
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn idle(&self) -> Option<Client> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|client| !client.is_closed());
        idle.pop()
    }
}

impl Lent<'_> {
    pub(super) fn client(&mut self) -> Result<&mut Client, NoConnection> {
        self.client.as_mut().ok_or(NoConnection)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        }
    }
}

/// HikariCP's default size.
const SIZE: usize = 10;
/// HikariCP's default patience.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between attempts to connect.
const AGAIN: Duration = Duration::from_millis(500);
