//! One connection to the primary, shared by everything a program asks.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mainstay_core::Span;
use mainstay_core::lease::{Failure, Name};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error, Socket};

use super::hints::Hints;
use super::sql::Statements;
use super::tls::{Stream, Tls};
use super::trouble::{failure, sentence};

/// A connection to the primary, set up and found fit.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) sql: Statements,
    /// The server, in words.
    pub(super) host: String,
    /// How it was reached.
    pub(super) config: Config,
    /// The advisory lock that this session holds as long as it lives.
    pub(super) key: i64,
    /// The server's process.
    pub(super) pid: i32,
    /// The history the server was in when it was found.
    pub(super) timeline: i64,
    /// The database system it is in.
    pub(super) system: u64,
    pub(super) wire: Wire,
}

/// The part of a connection that reads what the server sends.
#[derive(Clone)]
pub(super) struct Wire {
    warnings: Arc<AtomicU64>,
    /// Why the connection is to end, or has.
    over: Arc<watch::Sender<Option<Name>>>,
}

impl Session {
    /// Waits for a statement, until `deadline`.
    ///
    /// An answer that comes with a warning is none: the server warns when a commit was not waited for.
    pub(super) async fn run<T>(
        &self,
        deadline: Instant,
        statement: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        if self.is_over() {
            return Err(Failure::NotDone(format!("{}: {}", self.host, self.wire.why()).into()));
        }
        let warnings = self.wire.warnings.load(Ordering::Acquire);
        match timeout_at(deadline, statement).await {
            // What comes next would wait behind it. Its outcome stays open: nothing cancels it at the server.
            Err(_) => Err(self.doom("the server did not answer in time")),
            Ok(Err(error)) => {
                let said = error.code().cloned();
                if said.is_some_and(|code| ENDING.contains(&code)) {
                    self.doom(&error.to_string());
                }
                Err(failure(&error, &self.host))
            }
            Ok(Ok(_)) if self.wire.warnings.load(Ordering::Acquire) != warnings => {
                Err(Failure::Unknown(format!("{}: the server warned while it answered: see its log", self.host).into()))
            }
            Ok(Ok(done)) => Ok(done),
        }
    }

    /// Ends the connection; nothing is sent to the server.
    pub(super) fn doom(&self, why: &str) -> Failure {
        self.wire.end(why);
        Failure::Unknown(format!("{}: {why}", self.host).into())
    }

    /// Whether nothing is to be sent any more.
    pub(super) fn is_over(&self) -> bool {
        self.client.is_closed() || self.wire.over.borrow().is_some()
    }

    /// Waits for its end, and says why.
    pub(super) async fn ended(&self) -> Name {
        self.wire.ended().await;
        self.wire.why()
    }
}

impl Wire {
    pub(super) fn end(&self, why: &str) {
        self.over.send_if_modified(|over| over.is_none().then(|| *over = Some(why.into())).is_some());
    }

    pub(super) async fn ended(&self) {
        // The sender is ours, so waiting ends only with a value.
        let mut over = self.over.subscribe();
        let _gone = over.wait_for(Option::is_some).await;
    }

    pub(super) fn why(&self) -> Name {
        self.over.borrow().clone().unwrap_or_else(|| "the connection was lost".into())
    }
}

/// Connects to one server, as `config` says, and reads what it sends until either side ends it.
///
/// # Errors
/// A sentence.
pub(super) async fn connect(
    host: &str,
    config: &Config,
    tls: &Tls,
    limit: Duration,
    hints: Option<Arc<Hints>>,
) -> Result<(Client, Wire), String> {
    dial(host, config, tls, limit, hints).await.map_err(|failed| failed.sentence(host))
}

/// Why there is no connection.
pub(super) enum Undialled {
    /// None within this time.
    TooLate(Duration),
    /// The driver's word.
    Failed(Error),
}

impl Undialled {
    pub(super) fn sentence(&self, host: &str) -> String {
        match self {
            Self::TooLate(limit) => format!("{host}: no connection within {}", Span(*limit)),
            Self::Failed(error) => sentence(error, host),
        }
    }
}

/// The same, for who has to tell one reason from another.
pub(super) async fn dial(
    host: &str,
    config: &Config,
    tls: &Tls,
    limit: Duration,
    hints: Option<Arc<Hints>>,
) -> Result<(Client, Wire), Undialled> {
    let connecting = tokio::time::timeout(limit, config.connect(tls.clone())).await;
    let connected = connecting.map_err(|_| Undialled::TooLate(limit))?;
    let (client, connection) = connected.map_err(Undialled::Failed)?;
    let wire = Wire { warnings: Arc::default(), over: Arc::new(watch::Sender::new(None)) };
    tokio::spawn(drive(connection, wire.clone(), hints, host.to_owned()));
    Ok((client, wire))
}

async fn drive(
    mut connection: Connection<Socket, Stream<Socket>>,
    wire: Wire,
    hints: Option<Arc<Hints>>,
    host: String,
) {
    loop {
        let message = tokio::select! {
            biased;
            () = wire.ended() => return,
            message = poll_fn(|cx| connection.poll_message(cx)) => message,
        };
        match message {
            None => return wire.end("the connection was closed"),
            Some(Err(error)) => return wire.end(&sentence(&error, &host)),
            Some(Ok(AsyncMessage::Notice(notice))) if matters(&notice) => {
                wire.warnings.fetch_add(1, Ordering::AcqRel);
                tracing::warn!(%host, warning = notice.message(), "the store's server warned");
            }
            Some(Ok(AsyncMessage::Notification(told))) => {
                if let Some(hints) = &hints {
                    hints.changed(told.payload());
                }
            }
            Some(Ok(_)) => {}
        }
    }
}

/// Whether a notice is a warning, other than that a session which was to be ended was gone already.
fn matters(notice: &DbError) -> bool {
    notice.code().code().starts_with(WARNING) && !notice.routine().is_some_and(|routine| SIGNALLING.contains(&routine))
}

/// What in the server says that there is no such session.
const SIGNALLING: &[&str] = &["pg_signal_backend", "pg_terminate_backend"];
/// The class of SQLSTATE that a warning has.
const WARNING: &str = "01";
/// After these nothing can be expected of the connection: it leads to a standby, or through a pooler.
const ENDING: &[SqlState] = &[
    SqlState::READ_ONLY_SQL_TRANSACTION,
    SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
    SqlState::INVALID_SQL_STATEMENT_NAME,
];
