//! Documents 001 and 002: GoQuorum's two proxies, in front of the same instances.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mainstay_testkit::tessera::Told;
use mainstay_testkit::{free_port, until};

use crate::client::{Client, To};
use crate::drill::{Load, read, requests};
use crate::front::{Front, check, document};
use crate::tessera::settle;
use crate::world::{KEY_A, KEY_B, Net, Sites, World, run};

/// What GoQuorum sees through its own proxy on tm.ipc: no fault at all, for sends are repeated as the file says.
#[test]
fn document_002_hides_faults_behind_tm_ipc() {
    run(BOUND, async {
        let sites = Sites::free();
        let Some(mut world) = World::build("document 002", &sites, Net::default()).await else { return };
        let tm_ipc = world.folder().join("tm.ipc");
        let mut maps = vec![format!("listen:unix:/home/ubuntu/tm.ipc=unix:{}", tm_ipc.display())];
        maps.extend(EC2.iter().zip(&sites.a).map(|(name, ports)| format!("{name}:9091={}", ports.q2t)));
        let proxy = Proxy::of_002(&sites);
        let _p2p = Front::start(world.folder(), &document("quorum-proxy.conf"), &proxy.maps, None).await;
        let front = Front::start(world.folder(), &document("quorum-node.conf"), &maps, None).await;
        world.acquainted().await;
        let rehearsal = async {
            let load = Load::start(&To::Unix(tm_ipc));
            world.faults(&load, &front).await;
            let account = load.finish(requests()).await;
            settle(&world, &account, &front).await;
            assert_eq!(account.refusals(), 0, "{:?}\n{}", account.refused, front.told());
        };
        tokio::task::LocalSet::new().run_until(rehearsal).await;
    });
}

/// The file as it is lacks a scheme, which `check` says; the corrected copy runs.
#[test]
fn document_001_is_refused_for_its_scheme_and_runs_corrected() {
    run(BOUND, async {
        let sites = Sites::free();
        let proxy = Proxy::of_001(&sites);
        let (good, said) = check(&document("goquorum-proxy.conf"), &proxy.maps);
        assert!(!good && said.contains("proxy_pass http://url2:port2/partyinfo;"), "{said}");
        let Some(mut world) = World::build("document 001", &sites, Net::default()).await else { return };
        let file = corrected(world.folder());
        let front = Front::start(world.folder(), &file, &proxy.maps, None).await;
        world.acquainted().await;
        let mut p2p = Client::tcp(&sites.front_p2p);

        tell(&mut p2p, "both").await;
        world_has(&world, "both", &[0, 1]).await;
        from_b_to_a(&world).await;

        world.a[1].freeze().await;
        let slowest = tell(&mut p2p, "frozen").await;
        assert!(slowest < NO_STALL, "{slowest:?}\n{}", front.told());
        world.a[1].thaw();
        world_has(&world, "frozen", &[0]).await;

        world.a[0].kill().await;
        tell(&mut p2p, "alone").await;
        world_has(&world, "alone", &[1]).await;
        let mut third = Client::tcp(&proxy.third);
        let keys = third.get("/partyinfo/keys").await.expect("the other instance answers");
        assert!(keys.status == 200 && keys.text().contains(KEY_B), "{keys:?}");
        let up = p2p.get("/upcheck").await.expect("the other instance answers");
        assert_eq!((up.status, up.text().as_str()), (200, "I'm up!"));
    });
}

/// Tells, on one connection, of ten peers that nobody else tells of; the longest wait for an answer.
async fn tell(client: &mut Client, name: &str) -> Duration {
    let mut slowest = Duration::ZERO;
    for number in 0..TOLD {
        let told = Told { address: peer(name, number), ..Told::default() };
        let start = Instant::now();
        let answer = client.post("/partyinfo", "application/octet-stream", told.write()).await;
        slowest = slowest.max(start.elapsed());
        assert_eq!(answer.as_ref().map(|answer| answer.status), Ok(200), "{answer:?}");
    }
    slowest
}

/// These instances have heard of each peer, and none has twice.
async fn world_has(world: &World, name: &str, who: &[usize]) {
    let heard = |instance: usize, number| world.a[instance].said(&format!("partyinfo from {}\n", peer(name, number)));
    for &instance in who {
        let all = async || (0..TOLD).all(|number| heard(instance, number) > 0);
        until("an instance has not heard all", HEARING, all).await.expect("it hears");
    }
    // A copy that is on its way still would come within this time.
    tokio::time::sleep(LATE).await;
    for &instance in who {
        let times: Vec<usize> = (0..TOLD).map(|number| heard(instance, number)).collect();
        assert_eq!(times, [1; TOLD], "how often instance {instance} has heard of each");
    }
}

/// Node B sends to node A, which it reaches through the proxy.
async fn from_b_to_a(world: &World) {
    let body = serde_json::json!({ "payload": "aGVsbG8=", "from": KEY_B, "to": [KEY_A] }).to_string();
    let answer = Client::tcp(&world.b.ports.q2t).post("/send", "application/json", body.into_bytes()).await;
    let answer = answer.expect("B answers");
    assert_eq!(answer.status, 201, "{}", answer.text());
    let value: serde_json::Value = serde_json::from_slice(&answer.body).expect("it is JSON");
    for instance in &world.a {
        let mut client = Client::tcp(&instance.ports.q2t);
        assert_eq!(read(&mut client, value["key"].as_str().expect("a hash"), "aGVsbG8=").await, Ok(()));
    }
}

fn peer(name: &str, number: usize) -> String {
    format!("http://127.0.0.1:1/{name}-{number}/")
}

/// Document 001's file with the scheme it lacks.
pub(crate) fn corrected(folder: &Path) -> PathBuf {
    let text = std::fs::read_to_string(document("goquorum-proxy.conf")).expect("it can be read");
    let file = folder.join("goquorum-proxy-corrected.conf");
    std::fs::write(&file, text.replace("proxy_pass url2:port2", "proxy_pass http://url2:port2"))
        .expect("it is written");
    file
}

/// The standalone proxy of the documents: where its addresses really are.
pub(crate) struct Proxy {
    pub(crate) maps: Vec<String>,
    pub(crate) rpc: String,
    pub(crate) third: String,
}

impl Proxy {
    pub(crate) fn of_002(sites: &Sites) -> Self {
        Self::new(sites, |pool, number| {
            let port = [("quorum", 22000), ("thirdparty", 9081), ("p2p", 9001)];
            let port = port.iter().find(|(name, _)| *name == pool).expect("a pool").1;
            vec![format!("{}:{port}", EC2[number])]
        })
    }

    pub(crate) fn of_001(sites: &Sites) -> Self {
        Self::new(sites, |pool, number| {
            let name = ["url1:port1", "url2:port2"][number];
            // One placeholder stands for several addresses: the one that is not qualified is the mirror's.
            match pool {
                "p2p" if number == 1 => vec![name.to_owned()],
                "p2p" => vec![format!("p2p/{name}"), format!("p2p-mirror/{name}")],
                pool => vec![format!("{pool}/{name}")],
            }
        })
    }

    fn new(sites: &Sites, names: impl Fn(&str, usize) -> Vec<String>) -> Self {
        let at = || format!("127.0.0.1:{}", free_port().expect("a port"));
        let (rpc, third) = (at(), at());
        let mut maps = vec![format!("listen:22000={rpc}"), format!("listen:9081={third}")];
        maps.push(format!("listen:9001={}", sites.front_p2p));
        for (number, ports) in sites.a.iter().enumerate() {
            for (pool, at) in [("quorum", &ports.q2t), ("thirdparty", &ports.third), ("p2p", &ports.p2p)] {
                maps.extend(names(pool, number).iter().map(|name| format!("{name}={at}")));
            }
        }
        Self { maps, rpc, third }
    }
}

/// The two machines of document 002.
const EC2: [&str; 2] =
    ["ec2-35-178-250-190.eu-west-2.compute.amazonaws.com", "ec2-35-177-214-194.eu-west-2.compute.amazonaws.com"];
const TOLD: usize = 10;
/// An answer that takes this long has waited for a mirror.
const NO_STALL: Duration = Duration::from_millis(1500);
/// Longest time for a copy to arrive.
const HEARING: Duration = Duration::from_secs(10);
const LATE: Duration = Duration::from_millis(500);
const BOUND: Duration = Duration::from_secs(400);
