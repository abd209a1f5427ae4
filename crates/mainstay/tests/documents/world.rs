//! A node A of two instances on one database behind the front, and its counterpart, node B.

use std::path::Path;
use std::time::Duration;

use mainstay_testkit::{Netns, Postgres, Trouble, free_port, skipped, until};
use tempfile::TempDir;

use crate::drill::Load;
use crate::front::Front;
use crate::instance::{Identity, Instance, Ports};

/// Everything but the front.
#[derive(Debug)]
pub(crate) struct World {
    // Processes before what they stand on.
    pub(crate) a: Vec<Instance>,
    pub(crate) b: Instance,
    pub(crate) postgres: Postgres,
    pub(crate) net: Net,
    folder: TempDir,
}

/// Machines for the front and for each instance of A, and one for B; none when all share this machine's loopback
/// interface.
#[derive(Debug, Default)]
pub(crate) struct Net {
    pub(crate) front: Option<Netns>,
    pub(crate) instances: Vec<Netns>,
}

impl Net {
    pub(crate) fn of(&self, instance: usize) -> Option<&Netns> {
        self.instances.get(instance)
    }
}

/// Who listens where: the front's P2P server, two instances of A, and B.
#[derive(Clone, Debug)]
pub(crate) struct Sites {
    pub(crate) front_p2p: String,
    pub(crate) a: [Ports; 2],
    pub(crate) b: Ports,
}

impl Sites {
    /// All on free ports of 127.0.0.1.
    pub(crate) fn free() -> Self {
        let at = || format!("127.0.0.1:{}", free_port().expect("a port"));
        let ports = || Ports { q2t: at(), p2p: at(), third: at() };
        Self { front_p2p: at(), a: [ports(), ports()], b: ports() }
    }
}

impl World {
    /// Builds it; nothing, and a loud word, on a machine that lacks what it is made of.
    pub(crate) async fn build(test: &str, sites: &Sites, net: Net) -> Option<Self> {
        match Self::start(sites, net).await {
            Ok(world) => Some(world),
            Err(Trouble::Missing(why)) => {
                skipped(test, &why);
                None
            }
            Err(trouble) => panic!("{trouble}"),
        }
    }

    async fn start(sites: &Sites, net: Net) -> Result<Self, Trouble> {
        let postgres = Postgres::start().await?;
        let folder = TempDir::with_prefix("mainstay-documents-").expect("a directory");
        for database in ["a", "b"] {
            postgres.create(database).await?;
        }
        let (front, peer) = (format!("http://{}", sites.front_p2p), format!("http://{}", sites.b.p2p));
        let who = |address: &str, key: &str, peer: &str, database: &str| Identity {
            address: address.to_owned(),
            key: key.to_owned(),
            peer: peer.to_owned(),
            database: postgres.conninfo(database),
        };
        let (in_a, in_b) = (who(&front, KEY_A, &peer, "a"), who(&peer, KEY_B, &front, "b"));
        let mut a = Vec::new();
        for (at, ports) in sites.a.iter().enumerate() {
            let name = format!("a{}", at + 1);
            a.push(Instance::start(folder.path(), &name, ports.clone(), &in_a, net.of(at)).await);
        }
        let b = Instance::start(folder.path(), "b", sites.b.clone(), &in_b, net.of(2)).await;
        Ok(Self { a, b, postgres, net, folder })
    }

    /// Kills, restarts and freezes each instance in turn; the next only when all is well again, by the account of the
    /// front and of the instances, as an operator waits.
    pub(crate) async fn faults(&mut self, load: &Load, front: &Front) {
        for victim in 0..self.a.len() {
            self.well(load, front).await;
            self.a[victim].kill().await;
            load.reads(READS).await;
            self.a[victim].restart(self.net.of(victim)).await;
            self.well(load, front).await;
            self.a[victim].freeze().await;
            tokio::time::sleep(FROZEN).await;
            self.a[victim].thaw();
        }
        self.well(load, front).await;
    }

    async fn well(&self, load: &Load, front: &Front) {
        load.reads(READS).await;
        front.all_in().await;
        self.acquainted().await;
    }

    /// Waits until A's instances know B, and B knows A. It takes the front.
    pub(crate) async fn acquainted(&self) {
        for instance in &self.a {
            until("A does not know B", LEARNING, async || instance.knows(KEY_B).await).await.expect("it learns");
        }
        until("B does not know A", LEARNING, async || self.b.knows(KEY_A).await).await.expect("it learns");
    }

    /// Rows that node A and node B have.
    pub(crate) async fn rows(&self) -> [i64; 2] {
        let mut rows = [0; 2];
        for (database, count) in ["a", "b"].into_iter().zip(&mut rows) {
            let client = self.postgres.connect(database).await.expect("it connects");
            *count =
                client.query_one("SELECT count(*) FROM encrypted_transaction", &[]).await.expect("it counts").get(0);
        }
        rows
    }

    /// A directory for files of the test.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Runs a test on the thread that starts its processes, which die with it, within its time; one at a time, for each
/// brings seven processes and times matter.
pub(crate) fn run(bound: Duration, test: impl Future<Output = ()>) {
    let _alone = STAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(bound, test).await.expect("the test ends in time") });
}

/// Holds nothing.
static STAGE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Public keys: 32 bytes in base64.
pub(crate) const KEY_A: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
pub(crate) const KEY_B: &str = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

/// Longest time to learn a key: peers tell every five seconds, to one instance at a time.
const LEARNING: Duration = Duration::from_secs(60);
/// How long an instance is frozen: longer than a client waits.
const FROZEN: Duration = Duration::from_secs(6);
/// Reads that must end before the next thing happens.
const READS: usize = 60;
