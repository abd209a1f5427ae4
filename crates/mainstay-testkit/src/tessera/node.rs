//! What an instance does, whichever server it is asked through.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::args::{Args, Behaviour};
use super::party::{Parties, Told};
use super::payload::{Encoded, from_base64};
use super::peer::{self, Offline};
use super::pool::{Lent, Pool};
use super::reply::Reply;
use super::store;

/// One instance.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) args: Args,
    pub(super) pool: Pool,
    /// Held for a look-up or a change only.
    parties: Mutex<Parties>,
    /// Storing what is pushed is serial within an instance, and only there.
    pushes: tokio::sync::Mutex<()>,
}

impl Node {
    pub(super) fn new(args: Args, pool: Pool) -> Self {
        let parties = Mutex::new(Parties::new(args.peers.clone()));
        Self { args, pool, parties, pushes: tokio::sync::Mutex::new(()) }
    }

    pub(super) fn behaves(&self, as_this: Behaviour) -> bool {
        self.args.behaves == as_this
    }

    pub(super) fn parties(&self) -> MutexGuard<'_, Parties> {
        self.parties.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn default_key(&self) -> String {
        self.args.keys.first().cloned().unwrap_or_default()
    }

    /// /upcheck: never anything but 200, if anything.
    pub(super) async fn upcheck(&self) -> Reply {
        let up = self.behaves(Behaviour::T011) || store::counts(&self.pool, UPCHECK_PATIENCE).await;
        Reply::text(200, if up { "I'm up!" } else { "Database unavailable" })
    }

    /// Sends a payload to recipients and keeps it; its hash. In which order decides what a failure leaves behind.
    pub(super) async fn send(&self, payload: &Encoded) -> Result<(), Reply> {
        if self.behaves(Behaviour::T011) {
            self.publish(payload).await?;
            let mut lent = self.pool.lend().await?;
            return store::insert(lent.client()?, payload).await;
        }
        let mut lent = self.pool.lend().await?;
        let transaction = lent.client()?.transaction().await?;
        store::insert(&transaction, payload).await?;
        self.publish(payload).await?;
        store::commit(transaction).await
    }

    /// Pushes a payload to each recipient that is not ours.
    async fn publish(&self, payload: &Encoded) -> Result<(), Reply> {
        let mut pushes = Vec::new();
        for key in payload.recipients.iter().filter(|key| !self.args.keys.contains(key)) {
            let address = self.parties().node_of(key).ok_or_else(|| Reply::no_such_recipient(key))?;
            pushes.push((key, address));
        }
        for (key, address) in pushes {
            self.push_to(&address, &payload.only_for(key)).await?;
        }
        Ok(())
    }

    async fn push_to(&self, address: &str, payload: &Encoded) -> Result<(), Reply> {
        match peer::post(address, "/push", payload.write(), self.patience()).await {
            Ok(201) => Ok(()),
            Ok(_) => Err(Reply::text(500, format!("Unable to push payload to recipient url {address}"))),
            Err(Offline(why)) if self.behaves(Behaviour::T011) => Err(Reply::text(500, why)),
            Err(Offline(_)) => {
                self.parties().forget(address);
                let page = format!("<html><body>Connection error while communicating with {address}</body></html>");
                Err(Reply::of(410, "text/html", page.into_bytes()))
            }
        }
    }

    /// How long a peer may take.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.behaves(Behaviour::Q100).then(|| self.args.interval().mul_f64(0.75))
    }

    /// Stores what a peer pushes.
    pub(super) async fn take(&self, payload: &Encoded) -> Result<Reply, Reply> {
        let hash = super::payload::base64(&payload.hash());
        let taken = Ok(Reply::text(201, hash));
        let mut lent = self.pool.lend().await?;
        let client = lent.client()?;
        if self.behaves(Behaviour::T011) {
            store::insert(client, payload).await?;
            return taken;
        }
        // Read, merge and write are serial here but not between instances: there a box can be lost.
        let _one_at_a_time = self.pushes.lock().await;
        match store::find(client, &payload.hash()).await? {
            None => store::insert(client, payload).await?,
            Some(mut stored) => {
                let new = payload.recipients.iter().filter(|key| !stored.recipients.contains(key));
                let new: Vec<String> = new.cloned().collect();
                stored.recipients.extend(new);
                store::update(client, &stored).await?;
            }
        }
        taken
    }

    /// A stored payload that one of our keys opens.
    pub(super) async fn receive(&self, hash: &str) -> Result<Encoded, Reply> {
        let payload = self.find(hash).await?;
        if payload.is_for(&self.args.keys) {
            return Ok(payload);
        }
        Err(Reply::text(500, format!("No suitable recipient keys found to decrypt payload for : {hash}")))
    }

    /// A stored payload, whoever may read it.
    pub(super) async fn find(&self, hash: &str) -> Result<Encoded, Reply> {
        let bytes = hash_bytes(hash)?;
        let found = store::find(self.lend().await?.client()?, &bytes).await?;
        found.ok_or_else(|| Reply::no_such_payload(hash))
    }

    pub(super) async fn lend(&self) -> Result<Lent<'_>, Reply> {
        Ok(self.pool.lend().await?)
    }

    /// What this instance says of its node.
    pub(super) fn told(&self) -> Told {
        let address = self.args.address.clone();
        let keys = self.args.keys.iter().map(|key| (key.clone(), address.clone())).collect();
        Told { keys, peers: self.parties().peers(), address }
    }

    /// Tells every peer about this node, again and again.
    pub(super) async fn tell(&self) {
        tokio::time::sleep(self.args.interval().mul_f64(0.4)).await;
        loop {
            let told = self.told();
            let peers = self.parties().peers();
            for address in peers.iter().filter(|address| **address != self.args.address) {
                let answer = peer::post(address, "/partyinfo", told.write(), self.patience()).await;
                if answer.is_err() && self.behaves(Behaviour::Q100) {
                    self.parties().forget(address);
                }
            }
            tokio::time::sleep(self.args.interval()).await;
        }
    }
}

/// The bytes of a hash in base64.
pub(super) fn hash_bytes(hash: &str) -> Result<Vec<u8>, Reply> {
    from_base64(hash).map_err(|why| Reply::text(400, format!("java.lang.IllegalArgumentException: {why}")))
}

/// How long /upcheck waits for the database before it says that there is none. Measured: more than 100 s.
const UPCHECK_PATIENCE: Duration = Duration::from_secs(120);
