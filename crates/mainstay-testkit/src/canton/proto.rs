//! The messages of Canton's protocols that the model knows, with the numbers of their fields. What a message has beyond
//! these fields is skipped.

use std::collections::HashMap;

/// `com.daml.ledger.api.v2.Commands`; what the commands do is not read.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Commands {
    /// The user that sends it, when there is no token.
    #[prost(string, tag = "2")]
    pub user_id: String,
    /// Names the change, with the user and the parties.
    #[prost(string, tag = "3")]
    pub command_id: String,
    /// What is to be done.
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub commands: Vec<Vec<u8>>,
    /// Parties that act.
    #[prost(string, repeated, tag = "9")]
    pub act_as: Vec<String>,
    /// Tells several submissions of one change apart.
    #[prost(string, tag = "11")]
    pub submission_id: String,
}

/// `SubmitAndWaitRequest`, and `SubmitRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SubmitAndWaitRequest {
    /// What is submitted.
    #[prost(message, optional, tag = "1")]
    pub commands: Option<Commands>,
}

/// `SubmitAndWaitResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SubmitAndWaitResponse {
    /// What came of it.
    #[prost(string, tag = "1")]
    pub update_id: String,
    /// Where it stands.
    #[prost(int64, tag = "2")]
    pub completion_offset: i64,
}

/// `CompletionStreamRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CompletionStreamRequest {
    /// Whose completions.
    #[prost(string, tag = "1")]
    pub user_id: String,
    /// Of which parties.
    #[prost(string, repeated, tag = "2")]
    pub parties: Vec<String>,
    /// From behind this offset on.
    #[prost(int64, tag = "3")]
    pub begin_exclusive: i64,
}

/// `CompletionStreamResponse`, without checkpoints.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CompletionStreamResponse {
    /// One of them.
    #[prost(message, optional, tag = "1")]
    pub completion: Option<Completion>,
}

/// `Completion`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Completion {
    /// What was submitted.
    #[prost(string, tag = "1")]
    pub command_id: String,
    /// What came of it.
    #[prost(string, tag = "3")]
    pub update_id: String,
    /// Who submitted it.
    #[prost(string, tag = "4")]
    pub user_id: String,
    /// For whom.
    #[prost(string, repeated, tag = "5")]
    pub act_as: Vec<String>,
    /// Where it stands.
    #[prost(int64, tag = "10")]
    pub offset: i64,
}

/// A message without fields: most requests of those that only ask.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Nothing {}

/// `GetLedgerEndResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GetLedgerEndResponse {
    /// The last offset.
    #[prost(int64, tag = "1")]
    pub offset: i64,
}

/// `GetLedgerApiVersionResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GetLedgerApiVersionResponse {
    /// A version.
    #[prost(string, tag = "1")]
    pub version: String,
}

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HealthCheckRequest {
    /// What is asked for.
    #[prost(string, tag = "1")]
    pub service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HealthCheckResponse {
    /// 1 serving, 2 not serving, 3 (in streams) unknown service.
    #[prost(int32, tag = "1")]
    pub status: i32,
}

/// `SendAsyncRequest` of the sequencer. In the model the bytes are the message's id, and nothing is signed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SendAsyncRequest {
    /// What is to be ordered.
    #[prost(bytes = "vec", tag = "1")]
    pub signed_submission_request: Vec<u8>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Details {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Any {
    /// What it is.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// Its bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// `google.rpc.ErrorInfo`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ErrorInfo {
    /// The error's name.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// What more is known.
    #[prost(map = "string, string", tag = "3")]
    pub metadata: HashMap<String, String>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub(super) retry_delay: Option<Span>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Span {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}
