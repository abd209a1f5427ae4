//! What a participant has written: one writer, whose offsets are in the order of its commits, and streams of completions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_postgres::{Client, Row};

use super::errors;
use super::grpc::{Code, Status};
use super::locks::Session;
use super::proto::Completion;

/// The ledger of an active participant. It ends for good when it is closed.
#[derive(Debug)]
pub(super) struct Ledger {
    jobs: mpsc::Sender<Job>,
    reader: Session,
    /// Streams by party; held for a look-up or a change only.
    streams: Mutex<HashMap<String, broadcast::Sender<Arc<Completion>>>>,
    /// Whether it is closed.
    closed: watch::Sender<bool>,
}

/// A change that somebody wants.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) user: String,
    /// In order, each once.
    pub(super) parties: Vec<String>,
    pub(super) command: String,
    pub(super) submission: String,
}

#[derive(Debug)]
struct Job {
    change: Change,
    done: oneshot::Sender<Result<Arc<Completion>, Status>>,
}

impl Ledger {
    /// Opens it on sessions that hold the pool lock.
    pub(super) async fn open(sessions: Vec<Session>, replica: String) -> Result<Arc<Self>, String> {
        let mut sessions = sessions.into_iter();
        let (Some(writer), Some(reader)) = (sessions.next(), sessions.next()) else {
            return Err("too few sessions".to_owned());
        };
        writer.client.batch_execute(TABLES).await.map_err(|error| error.to_string())?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let ledger = Arc::new(Self { jobs, reader, streams: Mutex::default(), closed: watch::channel(false).0 });
        tokio::spawn(write(writer, queue, replica, Arc::downgrade(&ledger), ledger.closed.subscribe()));
        Ok(ledger)
    }

    /// Ends all its sessions at once, and whatever waits for them.
    pub(super) fn close(&self) {
        self.reader.end();
        let _was = self.closed.send_replace(true);
    }

    /// Waits until it is closed.
    pub(super) async fn closed(&self) {
        // The sender is ours, so that it is there.
        let mut closed = self.closed.subscribe();
        let _closed = closed.wait_for(|closed| *closed).await;
    }

    /// Does a change, unless it was done before.
    pub(super) async fn submit(&self, change: Change) -> Result<Arc<Completion>, Status> {
        let (done, answer) = oneshot::channel();
        match self.jobs.try_send(Job { change, done }) {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(errors::passive())),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err(Status::new(Code::ResourceExhausted, "PARTICIPANT_BACKPRESSURE(2,0): the queue is full"))
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(errors::passive()),
        }
    }

    /// What these parties' streams will get from now on. Whoever wants all of it asks for this first and then for what
    /// was there before.
    pub(super) fn follow(&self, party: &str) -> broadcast::Receiver<Arc<Completion>> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|_, stream| stream.receiver_count() > 0);
        streams.entry(party.to_owned()).or_insert_with(|| broadcast::channel(BEHIND).0).subscribe()
    }

    /// What a party has behind this offset.
    pub(super) async fn behind(&self, party: &str, offset: i64) -> Result<Vec<Completion>, Status> {
        let rows = self.reader.client.query(BEHIND_OFFSET, &[&party, &offset]).await;
        rows.map_err(|error| errors::database(&error))?.iter().map(completion).collect()
    }

    /// The last offset.
    pub(super) async fn end(&self) -> Result<i64, Status> {
        let row = self.reader.client.query_one(END, &[]).await.map_err(|error| errors::database(&error))?;
        row.try_get(0).map_err(|error| errors::database(&error))
    }

    fn publish(&self, completion: &Arc<Completion>) {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in completion.act_as.iter().filter_map(|party| streams.get(party)) {
            // Nobody may be listening.
            let _nobody = stream.send(Arc::clone(completion));
        }
    }
}

/// Does one change after the other, until the ledger is closed.
async fn write(
    session: Session,
    mut queue: mpsc::Receiver<Job>,
    replica: String,
    ledger: std::sync::Weak<Ledger>,
    mut closed: watch::Receiver<bool>,
) {
    let work = async {
        while let Some(Job { change, done }) = queue.recv().await {
            let result = perform(&session.client, &change, &replica).await;
            if let (Ok(completion), Some(ledger)) = (&result, ledger.upgrade()) {
                ledger.publish(completion);
            }
            // Its client may be gone; what was done is done.
            let _gone = done.send(result);
        }
    };
    tokio::select! {
        () = work => {}
        _ = closed.wait_for(|closed| *closed) => {}
    }
}

async fn perform(client: &Client, change: &Change, replica: &str) -> Result<Arc<Completion>, Status> {
    let Change { user, parties, command, submission } = change;
    let update = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let failed = |error: tokio_postgres::Error| errors::database(&error);
    let fresh = client.query_opt(PERFORM, &[user, parties, command, &update, submission, &replica]).await;
    if let Some(row) = fresh.map_err(failed)? {
        return completion(&row).map(Arc::new);
    }
    let before = client.query_one(BEFORE, &[user, parties, command]).await.map_err(failed)?;
    let (update, offset): (String, i64) = (before.try_get(0).map_err(failed)?, before.try_get(1).map_err(failed)?);
    Err(errors::duplicate(&update, offset))
}

fn completion(row: &Row) -> Result<Completion, Status> {
    let read = || -> Result<Completion, tokio_postgres::Error> {
        Ok(Completion {
            offset: row.try_get(0)?,
            update_id: row.try_get(1)?,
            user_id: row.try_get(2)?,
            act_as: row.try_get(3)?,
            command_id: row.try_get(4)?,
        })
    };
    read().map_err(|error| errors::database(&error))
}

/// Deduplication stands beside the effects and does not constrain them: what is done twice is there twice.
const TABLES: &str = r#"
CREATE SEQUENCE IF NOT EXISTS ledger_offset;
CREATE TABLE IF NOT EXISTS command_dedup (
    user_id text, act_as text[], command_id text, update_id text NOT NULL, "offset" bigint NOT NULL,
    until timestamptz NOT NULL, PRIMARY KEY (user_id, act_as, command_id));
CREATE TABLE IF NOT EXISTS updates (
    "offset" bigint PRIMARY KEY, update_id text NOT NULL, user_id text NOT NULL, act_as text[] NOT NULL,
    command_id text NOT NULL, submission_id text NOT NULL, replica text NOT NULL,
    done timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX IF NOT EXISTS updates_of_parties ON updates USING gin (act_as);
"#;
/// One statement, so one transaction. No row when the change was done before.
const PERFORM: &str = r#"
WITH fresh AS (
    INSERT INTO command_dedup VALUES ($1, $2, $3, $4, nextval('ledger_offset'), now() + interval '1 day')
    ON CONFLICT (user_id, act_as, command_id) DO UPDATE
        SET update_id = excluded.update_id, "offset" = excluded."offset", until = excluded.until
        WHERE command_dedup.until < now()
    RETURNING "offset", update_id)
INSERT INTO updates ("offset", update_id, user_id, act_as, command_id, submission_id, replica)
SELECT "offset", update_id, $1, $2, $3, $5, $6 FROM fresh
RETURNING "offset", update_id, user_id, act_as, command_id
"#;
const BEFORE: &str =
    r#"SELECT update_id, "offset" FROM command_dedup WHERE user_id = $1 AND act_as = $2 AND command_id = $3"#;
const BEHIND_OFFSET: &str = r#"
SELECT "offset", update_id, user_id, act_as, command_id FROM updates WHERE act_as @> ARRAY[$1] AND "offset" > $2
ORDER BY "offset"
"#;
const END: &str = r#"SELECT coalesce(max("offset"), 0) FROM updates"#;
/// Most changes that wait for the writer.
const QUEUE: usize = 1000;
/// How far a stream may be behind before it is ended.
const BEHIND: usize = 1000;
