//! The model node's database where it is PostgreSQL: one session, as a node's connection pool has many.
//!
//! Like a real node it does not end when its role may no longer log in or its session is ended: it answers with errors and
//! tries to get in again.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls};

use super::store::{Answer, Author, Job, Write};

/// A session that is made anew when it was ended.
pub(super) struct Session {
    config: Config,
    author: Author,
    client: Client,
    /// The last write that it was told was done: what a node remembers of its database.
    last: Option<String>,
}

impl Session {
    /// Logs in as `PGUSER` with `PGPASSWORD`, where they are set, and lays the table out.
    pub(super) async fn open(url: &str, author: Author) -> Answer<Self> {
        let mut config: Config = url.parse().map_err(|error| format!("the database's URL: {error}"))?;
        if let Ok(user) = std::env::var("PGUSER") {
            config.user(user);
        }
        if let Ok(password) = std::env::var("PGPASSWORD") {
            config.password(password);
        }
        config.connect_timeout(CONNECTING).target_session_attrs(TargetSessionAttrs::ReadWrite);
        let client = log_in(&config).await?;
        client.batch_execute(LAYOUT).await.map_err(told)?;
        let newest = client.query_opt("SELECT id FROM writes ORDER BY seq DESC LIMIT 1", &[]).await.map_err(told)?;
        let last = newest.map(|row| row.try_get(0)).transpose().map_err(told)?.flatten();
        Ok(Self { config, author, client, last })
    }

    /// Does what is asked, one after the other, until nobody asks any more.
    pub(super) async fn serve(
        mut self,
        mut writes: mpsc::Receiver<Job<Write, ()>>,
        mut reads: mpsc::Receiver<Job<String, Option<Vec<u8>>>>,
    ) {
        loop {
            tokio::select! {
                Some(job) = writes.recv() => {
                    let done = self.write(&job.asked).await;
                    // A client that went away no longer waits for the reply.
                    let _gone = job.reply.send(done);
                }
                Some(job) = reads.recv() => {
                    let done = self.read(&job.asked).await;
                    let _gone = job.reply.send(done);
                }
                else => return,
            }
        }
    }

    async fn write(&mut self, write: &Write) -> Answer<()> {
        self.be_in().await?;
        let Author { node, token } = &self.author;
        let insert = "INSERT INTO writes (key, id, node, token, value, after) VALUES ($1, $2, $3, $4, $5, $6)";
        let row: [&(dyn ToSql + Sync); 6] = [&write.key, &write.id, node, token, &write.value, &self.last];
        self.client.execute(insert, &row).await.map_err(told)?;
        self.last.clone_from(&write.id);
        Ok(())
    }

    async fn read(&mut self, key: &str) -> Answer<Option<Vec<u8>>> {
        self.be_in().await?;
        let select = "SELECT value FROM writes WHERE key = $1 ORDER BY seq DESC LIMIT 1";
        let row = self.client.query_opt(select, &[&key]).await.map_err(told)?;
        row.map(|row| row.try_get(0).map_err(told)).transpose()
    }

    async fn be_in(&mut self) -> Answer<()> {
        if self.client.is_closed() {
            self.client = log_in(&self.config).await?;
        }
        Ok(())
    }
}

async fn log_in(config: &Config) -> Answer<Client> {
    let (client, connection) = config.connect(NoTls).await.map_err(told)?;
    tokio::spawn(async move {
        // The client says so at its next use.
        let _ended = connection.await;
    });
    Ok(client)
}

fn told(error: tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => error.to_string(),
        None => error.to_string(),
    }
}

const LAYOUT: &str = "CREATE TABLE IF NOT EXISTS writes (seq bigserial PRIMARY KEY, key text NOT NULL, id text, \
                      node text NOT NULL, token text NOT NULL, value bytea NOT NULL, after text)";

const CONNECTING: Duration = Duration::from_secs(2);
