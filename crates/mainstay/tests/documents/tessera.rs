//! Document 000: two Tessera instances behind one address.

use std::time::Duration;

use mainstay_testkit::{Netns, Trouble, skipped};

use crate::client::{Client, To};
use crate::drill::{Account, Load, read, requests};
use crate::front::{Front, document};
use crate::instance::Ports;
use crate::world::{Net, Sites, World, run};

/// The file as the document has it. Its names exist in a network namespace.
#[test]
fn the_file_of_document_000_loses_no_read_in_a_namespace() {
    run(BOUND, async {
        let net = match machines() {
            Ok(net) => net,
            Err(Trouble::Missing(why)) => return skipped("document 000 in a namespace", &why),
            Err(trouble) => panic!("{trouble}"),
        };
        let ports = |host: &str| Ports {
            q2t: format!("{host}:9101"),
            p2p: format!("{host}:9000"),
            third: format!("{host}:9080"),
        };
        let a = [ports("10.77.0.11"), ports("10.77.0.12")];
        let sites = Sites { front_p2p: "front:9000".to_owned(), a, b: ports("10.77.0.13") };
        let Some(world) = World::build("document 000 in a namespace", &sites, net).await else { return };
        tokio::task::LocalSet::new().run_until(rehearse(world, Vec::new(), "127.0.0.1:9101")).await;
    });
}

/// The same file with `--map`, for who has no names.
#[test]
fn the_file_of_document_000_loses_no_read_with_maps() {
    run(BOUND, async {
        let (sites, front) = (Sites::free(), Sites::free());
        let mut maps = Vec::new();
        for (name, ports) in ["tessera_1", "tessera_2"].into_iter().zip(&sites.a) {
            maps.push(format!("{name}:9080={}", ports.third));
            maps.push(format!("{name}:9101={}", ports.q2t));
            maps.push(format!("{name}:9000={}", ports.p2p));
        }
        maps.push(format!("listen:9080={}", front.b.third));
        maps.push(format!("listen:9101={}", front.b.q2t));
        maps.push(format!("listen:9000={}", sites.front_p2p));
        let Some(world) = World::build("document 000 with maps", &sites, Net::default()).await else { return };
        tokio::task::LocalSet::new().run_until(rehearse(world, maps, &front.b.q2t)).await;
    });
}

/// A machine for the front, and one for each instance. The thread moves to the front's.
fn machines() -> Result<Net, Trouble> {
    let hosts = [("tessera_1", "10.77.0.11"), ("tessera_2", "10.77.0.12"), ("front", "10.77.0.1")];
    let front = Netns::make(&hosts)?;
    let instances = [11, 12, 13].map(|own| front.beside(own, &hosts)).into_iter().collect::<Result<_, _>>()?;
    front.enter()?;
    Ok(Net { front: Some(front), instances })
}

/// Kills, restarts and freezes each instance under load.
async fn rehearse(mut world: World, maps: Vec<String>, q2t: &str) {
    let netns = world.net.front.as_ref();
    let front = Front::start(world.folder(), &document("tessera-ha.conf"), &maps, netns).await;
    world.acquainted().await;
    let load = Load::start(&To::Tcp(q2t.to_owned()));
    world.faults(&load, &front).await;
    let account = load.finish(requests()).await;
    settle(&world, &account, &front).await;
}

/// No read has failed, and every accepted payload can be read through both instances, and by its recipient.
pub(crate) async fn settle(world: &World, account: &Account, front: &Front) {
    let rows = world.rows().await;
    let told = || front.told();
    eprintln!(
        "{} sends accepted, longest {:?}, refused {:?}; {} reads, longest {:?}, failed {:?}; rows of A and B {rows:?}",
        account.accepted.len(),
        account.longest_send,
        account.refused,
        account.reads,
        account.longest_read,
        account.failed_reads,
    );
    assert!(account.failed_reads.is_empty(), "{:?}\n{}", account.failed_reads, told());
    assert!(account.accepted.len() > account.refusals(), "{:?}\n{}", account.refused, told());
    for instance in world.a.iter().chain([&world.b]) {
        let mut client = Client::tcp(&instance.ports.q2t);
        for (hash, payload) in &account.accepted {
            let read = read(&mut client, hash, payload).await;
            assert_eq!(read, Ok(()), "{hash} at {:?}", instance.ports);
        }
    }
    for count in rows {
        assert!(count >= i64::try_from(account.accepted.len()).expect("a small number"), "{rows:?}");
    }
}

/// Longest time for a rehearsal.
const BOUND: Duration = Duration::from_secs(400);
