//! A protocol-true *model* of Canton's nodes: one node per process.
//!
//! Canton itself is to be had from no registry. The model has the ports, calls, errors and times that what stands before a
//! Canton node sees, and above all their *hazards*:
//!
//! - a passive participant's Ledger API port is closed, and so is one that is just being demoted, a little later: in
//!   between, submissions end with UNAVAILABLE and NODE_IS_PASSIVE_REPLICA, changes by administrators with a bare
//!   "Node is passive";
//! - who is active is decided by PostgreSQL's session locks in two levels ([`Numbers`]): a process that is merely stopped
//!   keeps them, and nobody takes over;
//! - health is told on ports of its own, in plain text: 503 (2.x: 500) and NOT_SERVING of a passive one. Before
//!   readiness is registered, the gRPC health server says SERVING of the node as a whole;
//! - a command is done once for each command id, and whoever sends it again is told that it is there (DUPLICATE_COMMAND);
//! - streams live for as long as both sides do, and may be silent.
//!
//! Left out: what commands do, Daml, topology, the verdicts of mediators, signatures; a participant's submission is ordered
//! by a sequencer, and then performed by the participant itself. TLS towards the database.

mod args;
mod errors;
mod grpc;
mod health;
mod ledger;
pub mod load;
mod locks;
mod participant;
mod proto;
mod run;
mod sequencer;
mod tls;
mod tokens;

pub use args::{Args, Kind, Times};
pub use grpc::{Channel, Code, Endpoint, Incoming, Status};
pub use locks::Numbers;
pub use participant::path;
pub use proto::{
    Any, Commands, Completion, CompletionStreamRequest, CompletionStreamResponse, ErrorInfo,
    GetLedgerApiVersionResponse, GetLedgerEndResponse, HealthCheckRequest, HealthCheckResponse, Nothing,
    SendAsyncRequest, SubmitAndWaitRequest, SubmitAndWaitResponse,
};
pub use run::main;
pub use tls::client as client_tls;
