//! The Ledger API and the admin API of a participant.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, broadcast, watch};

use super::args::Args;
use super::errors;
use super::grpc::{Call, Channel, Code, Reply, Service, Status};
use super::health;
use super::ledger::{Change, Ledger};
use super::proto::{
    CompletionStreamRequest, CompletionStreamResponse, GetLedgerApiVersionResponse, GetLedgerEndResponse, Nothing,
    SendAsyncRequest, SubmitAndWaitRequest, SubmitAndWaitResponse,
};
use super::sequencer::{SEND_ASYNC, SUBSCRIBE};
use super::tokens::Tokens;

/// Calls of the Ledger API that the model answers.
pub mod path {
    /// A command, and what came of it.
    pub const SUBMIT_AND_WAIT: &str = "/com.daml.ledger.api.v2.CommandService/SubmitAndWait";
    /// What comes of commands, for as long as somebody listens.
    pub const COMPLETION_STREAM: &str = "/com.daml.ledger.api.v2.CommandCompletionService/CompletionStream";
    /// The last offset.
    pub const LEDGER_END: &str = "/com.daml.ledger.api.v2.StateService/GetLedgerEnd";
    /// The version.
    pub const VERSION: &str = "/com.daml.ledger.api.v2.VersionService/GetLedgerApiVersion";
    /// Admin API: the active replica is to become passive.
    pub const SET_PASSIVE: &str =
        "/com.digitalasset.canton.admin.participant.v30.EnterpriseParticipantReplicationService/SetPassive";
}

/// What a participant is just now.
#[derive(Clone, Debug)]
pub(super) enum Role {
    Passive,
    Active(Arc<Ledger>),
    /// The lock is lost, or given up; the Ledger API is still open.
    Demoting,
}

/// One replica of a participant.
#[derive(Debug)]
pub(super) struct Participant {
    pub(super) args: Args,
    pub(super) role: watch::Sender<Role>,
    pub(super) set_passive: Notify,
    pub(super) tokens: Option<Tokens>,
    pub(super) sequencer: Option<Channel>,
    /// Whether there is a subscription to the sequencer; true without one.
    pub(super) connected: watch::Sender<bool>,
}

impl Participant {
    fn active(&self) -> Result<Arc<Ledger>, Status> {
        match &*self.role.borrow() {
            Role::Active(ledger) => Ok(Arc::clone(ledger)),
            Role::Passive | Role::Demoting => Err(errors::passive()),
        }
    }

    /// Holds a subscription to the sequencer for good.
    pub(super) async fn subscribe(&self) {
        let Some(sequencer) = &self.sequencer else { return };
        loop {
            let followed = async {
                let mut stream = sequencer.stream(SUBSCRIBE, &Nothing {}).await?;
                eprintln!("subscribed to the sequencer");
                let _was = self.connected.send_replace(true);
                while stream.next::<Nothing>().await?.is_some() {}
                Ok::<_, Status>(())
            };
            let ended = followed.await;
            let _was = self.connected.send_replace(false);
            eprintln!("the subscription to the sequencer has ended: {ended:?}");
            tokio::time::sleep(RESUBSCRIBE).await;
        }
    }

    /// Whoever the token names, or the call itself where none is asked for.
    fn user(&self, call: &Call, said: String) -> Result<String, Status> {
        self.tokens.as_ref().map_or(Ok(said), |tokens| tokens.user(call.token()))
    }

    async fn submit(&self, call: &Call) -> Result<SubmitAndWaitResponse, Status> {
        let request: SubmitAndWaitRequest = call.message()?;
        let commands = request.commands.ok_or_else(|| errors::missing("commands"))?;
        let user = self.user(call, commands.user_id)?;
        if commands.command_id.is_empty() {
            return Err(errors::missing("command_id"));
        }
        if commands.act_as.is_empty() {
            return Err(errors::missing("act_as"));
        }
        let ledger = self.active()?;
        let mut parties = commands.act_as;
        parties.sort();
        parties.dedup();
        let submission = if commands.submission_id.is_empty() {
            format!("{:032x}", fastrand::u128(..))
        } else {
            commands.submission_id
        };
        let change = Change { user, parties, command: commands.command_id, submission };
        // What was taken is done, whether or not the client stays.
        let (sequenced, think) = (self.sequence(&change), tokio::time::sleep(self.args.times.think));
        let (sequenced, ()) = tokio::join!(sequenced, think);
        sequenced?;
        let completion = ledger.submit(change).await?;
        Ok(SubmitAndWaitResponse { update_id: completion.update_id.clone(), completion_offset: completion.offset })
    }

    /// Has it ordered. The same message is sent again if nobody answers: sequencers keep each once.
    async fn sequence(&self, change: &Change) -> Result<(), Status> {
        let Some(sequencer) = &self.sequencer else { return Ok(()) };
        let id = format!("{}/{}", change.command, change.submission);
        let message = SendAsyncRequest { signed_submission_request: id.into_bytes() };
        for _ in 0..SENDS {
            match sequencer.one::<Nothing>(SEND_ASYNC, &message, SENDING).await {
                Ok(_) => return Ok(()),
                Err(status) => eprintln!("not sequenced: {status:?}"),
            }
            tokio::time::sleep(RESUBSCRIBE).await;
        }
        Err(errors::not_sequenced())
    }

    /// Completions of one party, as long as the client listens and the ledger is open.
    async fn completions(&self, call: &Call, reply: &mut Reply) -> Result<(), Status> {
        let request: CompletionStreamRequest = call.message()?;
        let user = self.user(call, request.user_id)?;
        let [party] = request.parties.as_slice() else {
            return Err(Status::new(Code::InvalidArgument, "the model's streams are of one party"));
        };
        let ledger = self.active()?;
        let mut live = ledger.follow(party);
        let mut last = request.begin_exclusive;
        let mut next: Vec<_> = ledger.behind(party, last).await?.into_iter().map(Arc::new).collect();
        reply.begin();
        loop {
            for completion in next.drain(..).filter(|completion| completion.user_id == user) {
                if completion.offset > last {
                    last = completion.offset;
                    reply.send(&CompletionStreamResponse { completion: Some((*completion).clone()) }).await?;
                }
            }
            tokio::select! {
                came = live.recv() => match came {
                    Ok(completion) => next.push(completion),
                    Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => {
                        return Err(Status::new(Code::Aborted, "the client is too slow"));
                    }
                },
                () = reply.gone() => return Ok(()),
                () = ledger.closed() => break,
            }
        }
        if self.args.times.lingering.is_zero() {
            return Err(errors::shutting_down());
        }
        // It stays open, and nothing comes of it any more.
        reply.gone().await;
        Ok(())
    }
}

impl Service for Participant {
    async fn answer(&self, call: Call, reply: &mut Reply) -> Result<(), Status> {
        match call.path.as_str() {
            path::SUBMIT_AND_WAIT => reply.one(&self.submit(&call).await?),
            path::COMPLETION_STREAM => self.completions(&call, reply).await,
            path::LEDGER_END => {
                self.user(&call, String::new())?;
                reply.one(&GetLedgerEndResponse { offset: self.active()?.end().await? })
            }
            path::VERSION => reply.one(&GetLedgerApiVersionResponse { version: "3.4.0-model".to_owned() }),
            path if ADMINISTRATION.contains(&path) => {
                self.user(&call, String::new())?;
                self.active().map_err(|_| errors::node_is_passive())?;
                Err(Status::new(Code::Unimplemented, "not part of the model"))
            }
            _ => {
                let mut changes = self.connected.subscribe();
                let of = |service: &str| matches!(service, "" | "write" | "indexer").then(|| *self.connected.borrow());
                health::answer(&call, reply, of, &mut changes).await
            }
        }
    }
}

/// The admin API, which is there whatever the role.
#[derive(Debug)]
pub(super) struct Admin(pub(super) Arc<Participant>);

impl Service for Admin {
    async fn answer(&self, call: Call, reply: &mut Reply) -> Result<(), Status> {
        if call.path != path::SET_PASSIVE {
            return Err(Status::new(Code::Unimplemented, format!("Method not found: {}", call.path)));
        }
        if !matches!(&*self.0.role.borrow(), Role::Active(_)) {
            return Err(Status::new(Code::FailedPrecondition, "the replica is passive"));
        }
        self.0.set_passive.notify_one();
        reply.one(&Nothing {})
    }
}

/// Changes by administrators, whose errors have neither code nor details.
const ADMINISTRATION: &[&str] = &[
    "/com.daml.ledger.api.v2.admin.PackageManagementService/UploadDarFile",
    "/com.daml.ledger.api.v2.admin.PartyManagementService/AllocateParty",
];
/// Times that a message is sent to the sequencer.
const SENDS: usize = 3;
/// Longest time for each.
const SENDING: Duration = Duration::from_secs(2);
/// Before the next try with a sequencer.
const RESUBSCRIBE: Duration = Duration::from_millis(100);
