//! What is under way on a replica of Canton whose check says that it is not well: it ends when another is in, and not before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use h2::SendStream;
use http::HeaderMap;
use mainstay_proxy::front::Front;
use mainstay_proxy::params::{Address, AllOut, Checker, CheckerId, Kind, Pattern, Plan, Probe};
use mainstay_proxy::view::{OutReason, Standing};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::kit::{call, client, grpc, node, plan2, read, send, trailers};
use crate::rig::{start, stop, timeout};

const STREAM: &str = "/com.daml.ledger.api.v2.UpdateService/GetUpdates";
const ALLOCATE: &str = "/com.daml.ledger.api.v2.admin.PartyManagementService/AllocateParty";
const OUT: Standing = Standing::Out(OutReason::Unwell);

/// What a node's check asks.
struct Health {
    at: SocketAddr,
    is_well: Arc<AtomicBool>,
}

impl Health {
    async fn start(is_well: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let is_well = Arc::new(AtomicBool::new(is_well));
        let says = Arc::clone(&is_well);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let word: &[u8] = if says.load(Ordering::Relaxed) { b"well" } else { b"ill!" };
                let _gone = stream.write_all(word).await;
            }
        });
        Self { at, is_well }
    }

    fn say(&self, is_well: bool) {
        self.is_well.store(is_well, Ordering::Relaxed);
    }

    fn check(&self, plan: &mut Plan, node: usize) {
        plan.pools[0].nodes[node].checks.push(CheckerId(u32::try_from(plan.checkers.len()).unwrap()));
        plan.checkers.push(Checker {
            name: Arc::from("health"),
            address: Address::Ip(self.at),
            tls: None,
            probe: Probe::Tcp { send: Vec::new(), expect: Some(Pattern::Text(b"well".to_vec())) },
            every: Duration::from_millis(20),
            every_in_doubt: Duration::from_millis(20),
            timeout: Duration::from_secs(5),
            rise: 1,
            fall: 1,
        });
    }
}

/// Two replicas, the first of which is active and has a stream and a call that nobody may repeat.
struct Play {
    front: Front,
    health: [Health; 2],
    /// The node's side of both.
    down: Vec<SendStream<bytes::Bytes>>,
    call: h2::server::SendResponse<bytes::Bytes>,
    /// What the client is told in the end.
    told: [JoinHandle<HeaderMap>; 2],
}

impl Play {
    async fn start(kind: Kind, all_out: AllOut) -> Self {
        let ((one, mut asked), (two, _never)) = (node().await, node().await);
        let health = [Health::start(true).await, Health::start(false).await];
        let mut plan = plan2(&[one, two]);
        (plan.pools[0].kind, plan.pools[0].all_out) = (kind, all_out);
        health[0].check(&mut plan, 0);
        health[1].check(&mut plan, 1);
        let front = start(plan).await;
        stands(&front, [Standing::In, OUT]).await;
        let mut client = client(&front).await;
        let mut begin = async |path| {
            let (answer, mut up) = client.send_request(call(path).body(()).unwrap(), false).unwrap();
            send(&mut up, b"", true).await;
            let told = tokio::spawn(async move {
                let answer = answer.await.unwrap();
                let head = answer.headers().clone();
                if head.contains_key("grpc-status") { head } else { read(answer.into_body()).await.1.unwrap() }
            });
            (told, timeout(asked.recv()).await.unwrap())
        };
        let (stream, (_, mut respond)) = begin(STREAM).await;
        let down = vec![respond.send_response(grpc(), false).unwrap()];
        let (unary, (_, call)) = begin(ALLOCATE).await;
        Self { front, health, down, call, told: [stream, unary] }
    }

    /// The first one answers both after all.
    async fn answer(mut self) {
        self.down.push(self.call.send_response(grpc(), false).unwrap());
        self.down.iter_mut().for_each(|down| down.send_trailers(trailers("0")).unwrap());
        self.both_told("0").await;
    }

    async fn both_told(self, status: &str) {
        for told in self.told {
            assert_eq!(timeout(told).await.unwrap()["grpc-status"], status);
        }
        stop(self.front).await;
    }
}

async fn stands(front: &Front, wanted: [Standing; 2]) {
    timeout(async {
        loop {
            let status = front.control().status();
            let known = front.counters().snapshot() == front.control().counts().snapshots;
            if known && status[0].nodes.iter().map(|node| node.standing).eq(wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn one_wrong_answer_of_a_check_ends_nothing() {
    for all_out in [AllOut::Refuse, AllOut::TryAll] {
        let play = Play::start(Kind::Canton, all_out).await;
        play.health[0].say(false);
        stands(&play.front, [OUT, OUT]).await;
        play.health[0].say(true);
        stands(&play.front, [Standing::In, OUT]).await;
        // Long after, another is in too: nothing is left to be ended.
        play.health[1].say(true);
        stands(&play.front, [Standing::In, Standing::In]).await;
        play.answer().await;
    }
}

#[tokio::test]
async fn what_runs_on_a_demoted_replica_ends_when_another_is_in() {
    for all_out in [AllOut::Refuse, AllOut::TryAll] {
        let play = Play::start(Kind::Canton, all_out).await;
        play.health[0].say(false);
        stands(&play.front, [OUT, OUT]).await;
        play.health[1].say(true);
        stands(&play.front, [OUT, Standing::In]).await;
        play.both_told("14").await;
    }
}

#[tokio::test]
async fn a_node_of_another_kind_may_finish() {
    let play = Play::start(Kind::Any, AllOut::Refuse).await;
    play.health[0].say(false);
    stands(&play.front, [OUT, OUT]).await;
    play.health[1].say(true);
    stands(&play.front, [OUT, Standing::In]).await;
    play.answer().await;
}
