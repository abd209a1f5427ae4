//! Documents 001 and 002, `listen 22000`: JSON-RPC of two real geth, the second a backup.

use std::time::{Duration, Instant};

use mainstay_testkit::{Geth, Trouble, geth_binary, skipped, until};
use tempfile::TempDir;

use crate::client::Client;
use crate::front::{Front, document};
use crate::instance::Ports;
use crate::quorum::{Proxy, corrected};
use crate::world::{Sites, run};

#[test]
fn calls_go_on_when_the_primary_of_document_002_is_frozen_or_killed() {
    run(BOUND, async {
        let Some(mut pair) = pair("document 002 with geth").await else { return };
        let proxy = Proxy::of_002(&sites(&pair));
        let folder = TempDir::new().expect("a directory");
        let front = Front::start(folder.path(), &document("quorum-proxy.conf"), &proxy.maps, None).await;
        rehearse(&mut pair, &proxy.rpc, &front).await;
    });
}

#[test]
fn calls_go_on_when_the_primary_of_document_001_is_frozen_or_killed() {
    run(BOUND, async {
        let Some(mut pair) = pair("document 001 with geth").await else { return };
        let proxy = Proxy::of_001(&sites(&pair));
        let folder = TempDir::new().expect("a directory");
        let front = Front::start(folder.path(), &corrected(folder.path()), &proxy.maps, None).await;
        rehearse(&mut pair, &proxy.rpc, &front).await;
    });
}

/// The file has no check: a frozen node is found by the doubt that its silence raises.
async fn rehearse(pair: &mut [Geth; 2], rpc: &str, front: &Front) {
    let mut client = Client::tcp(rpc);
    for _ in 0..CALLS {
        assert_eq!(answered_by(&mut client).await, Ok("geth-1".to_owned()), "{}", front.told());
    }
    let freeze = Instant::now();
    pair[0].process().freeze().await.expect("it stops");
    goes_on(&mut client, front).await;
    let gap = freeze.elapsed();
    pair[0].process().thaw().expect("it takes a signal");
    assert!(gap < GAP, "{gap:?}\n{}", front.told());

    let back = async || answered_by(&mut Client::tcp(rpc)).await == Ok("geth-1".to_owned());
    until("the primary does not come back", GAP, back).await.unwrap_or_else(|late| panic!("{late}\n{}", front.told()));

    let mut client = Client::tcp(rpc);
    assert_eq!(answered_by(&mut client).await, Ok("geth-1".to_owned()));
    let kill = Instant::now();
    pair[0].process().kill().await.expect("it ends");
    goes_on(&mut client, front).await;
    eprintln!("gaps: {gap:?} frozen, {:?} killed", kill.elapsed());
    assert!(kill.elapsed() < GAP, "{:?}\n{}", kill.elapsed(), front.told());
}

/// The call that is under way breaks, and with it its connection; whoever calls again is answered, from now on.
async fn goes_on(client: &mut Client, front: &Front) {
    let first = answered_by(client).await;
    assert_ne!(first, Ok("geth-1".to_owned()));
    for _ in 0..CALLS {
        assert_eq!(answered_by(client).await, Ok("geth-2".to_owned()), "after {first:?}\n{}", front.told());
    }
}

/// Which node answers a call.
async fn answered_by(client: &mut Client) -> Result<String, String> {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"web3_clientVersion","params":[]}"#;
    let answer = client.post("/", "application/json", call.into()).await?;
    let value: serde_json::Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    let version = value["result"].as_str().ok_or_else(|| answer.text())?;
    Ok(version.split('/').find(|part| part.starts_with("geth-")).unwrap_or(version).to_owned())
}

async fn pair(test: &str) -> Option<[Geth; 2]> {
    let start = async {
        let binary = geth_binary().await?;
        Ok([Geth::start(&binary, "geth-1").await?, Geth::start(&binary, "geth-2").await?])
    };
    match start.await {
        Ok(pair) => Some(pair),
        Err(Trouble::Missing(why)) => {
            skipped(test, &why);
            None
        }
        Err(trouble) => panic!("{trouble}"),
    }
}

/// The two geth where the proxy's `quorum` leads, and nothing elsewhere.
fn sites(pair: &[Geth; 2]) -> Sites {
    let mut sites = Sites::free();
    for (ports, geth) in sites.a.iter_mut().zip(pair) {
        *ports = Ports { q2t: format!("127.0.0.1:{}", geth.port()), ..ports.clone() };
    }
    sites
}

const CALLS: usize = 20;
/// Longest time without an answer.
const GAP: Duration = Duration::from_secs(5);
/// Longest time for a rehearsal. A geth that has to be built is part of it.
const BOUND: Duration = Duration::from_secs(20 * 60);
