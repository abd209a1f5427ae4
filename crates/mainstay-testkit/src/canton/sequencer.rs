//! The public API of a sequencer: all of them are active, on one database.

use tokio::sync::watch;

use super::errors;
use super::grpc::{Call, Code, Reply, Service, Status};
use super::health::{self, Condition};
use super::locks::Session;
use super::proto::{Nothing, SendAsyncRequest};

pub(super) const SEND_ASYNC: &str = "/com.digitalasset.canton.sequencer.api.v30.SequencerService/SendAsync";
pub(super) const SUBSCRIBE: &str = "/com.digitalasset.canton.sequencer.api.v30.SequencerService/Subscribe";

/// One sequencer.
#[derive(Debug)]
pub(super) struct Sequencer {
    session: Session,
    name: String,
    condition: watch::Receiver<Condition>,
}

impl Sequencer {
    pub(super) async fn open(
        session: Session,
        name: String,
        condition: watch::Receiver<Condition>,
    ) -> Result<Self, String> {
        session.client.batch_execute(TABLES).await.map_err(|error| error.to_string())?;
        Ok(Self { session, name, condition })
    }

    async fn order(&self, message: SendAsyncRequest) -> Result<(), Status> {
        let id = String::from_utf8(message.signed_submission_request);
        let id = id.map_err(|_| Status::new(Code::InvalidArgument, "in the model it is a text"))?;
        let ordered = self.session.client.execute(ORDER, &[&id, &self.name]).await;
        ordered.map(|_| ()).map_err(|error| errors::database(&error))
    }
}

impl Service for Sequencer {
    async fn answer(&self, call: Call, reply: &mut Reply) -> Result<(), Status> {
        match call.path.as_str() {
            SEND_ASYNC => {
                self.order(call.message()?).await?;
                reply.one(&Nothing {})
            }
            SUBSCRIBE => {
                let _all: Nothing = call.message()?;
                // The model's subscription says nothing: a stream that is silent, and has to live.
                reply.begin();
                reply.gone().await;
                Ok(())
            }
            _ => {
                let mut changes = self.condition.clone();
                let serving = *changes.borrow() == Condition::Serving;
                let of = |service: &str| matches!(service, "" | "sequencer-health-check-service").then_some(serving);
                health::answer(&call, reply, of, &mut changes).await
            }
        }
    }
}

/// Two sequencers may make them at a time.
const TABLES: &str = "
BEGIN;
SELECT pg_advisory_xact_lock(1);
CREATE TABLE IF NOT EXISTS events (
    id bigserial PRIMARY KEY, message text NOT NULL UNIQUE, sequencer text NOT NULL,
    done timestamptz NOT NULL DEFAULT clock_timestamp());
COMMIT;
";
/// A message that is sent again is kept once.
const ORDER: &str = "INSERT INTO events (message, sequencer) VALUES ($1, $2) ON CONFLICT (message) DO NOTHING";
