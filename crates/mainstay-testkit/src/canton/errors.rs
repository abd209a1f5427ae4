//! Canton's errors, as its error codes say them.

use super::grpc::{Code, Status};
use super::proto::{Any, ErrorInfo, RetryInfo, Span};

/// A submission that came while the participant was becoming passive: it might or might not have been processed.
pub(super) fn passive() -> Status {
    let text = "Cannot process submitted command. This participant is the passive replica.";
    coded(Code::Unavailable, "NODE_IS_PASSIVE_REPLICA", 1, text, Some(1))
}

/// The same of a change by an administrator: without a code or details.
pub(super) fn node_is_passive() -> Status {
    Status::new(Code::Unavailable, "Node is passive")
}

/// The end of a call or a stream on a server that is being closed.
pub(super) fn shutting_down() -> Status {
    coded(Code::Unavailable, "SERVER_IS_SHUTTING_DOWN", 1, "Server is shutting down", Some(1))
}

/// The change is there already.
pub(super) fn duplicate(update: &str, offset: i64) -> Status {
    let text =
        format!("A command with the given command id has already been successfully processed: {update}, {offset}");
    coded(Code::AlreadyExists, "DUPLICATE_COMMAND", 10, &text, None)
}

/// No sequencer took it in time.
pub(super) fn not_sequenced() -> Status {
    let text = "Transaction was not sequenced within the pre-defined max sequencing time";
    coded(Code::Aborted, "NOT_SEQUENCED_TIMEOUT", 2, text, Some(1))
}

/// A field that has to be there.
pub(super) fn missing(field: &str) -> Status {
    let text = format!("The submitted command is missing a mandatory field: {field}");
    coded(Code::InvalidArgument, "MISSING_FIELD", 8, &text, None)
}

/// The database did not do its part.
pub(super) fn database(error: &tokio_postgres::Error) -> Status {
    eprintln!("database: {error}");
    coded(Code::Unavailable, "DB_STORAGE_ERROR", 1, "the database is not there", Some(1))
}

/// `NAME(category,correlation): text`, with the same in details.
fn coded(code: Code, name: &str, category: u32, text: &str, retry_after: Option<i64>) -> Status {
    let metadata = [("category".to_owned(), category.to_string())].into();
    let info = ErrorInfo { reason: name.to_owned(), metadata };
    let status = Status::new(code, format!("{name}({category},{:08x}): {text}", fastrand::u32(..)));
    let status = status.with(any("ErrorInfo", &info));
    match retry_after {
        Some(seconds) => status.with(any("RetryInfo", &RetryInfo { retry_delay: Some(Span { seconds, nanos: 0 }) })),
        None => status,
    }
}

fn any(name: &str, message: &impl prost::Message) -> Any {
    Any { type_url: format!("type.googleapis.com/google.rpc.{name}"), value: message.encode_to_vec() }
}
