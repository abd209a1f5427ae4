//! Figures, printed: `cargo test -p mainstay-store --profile quick --test it -- --ignored --nocapture figures`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstay_core::lease::{Answer, Name, Request};
use mainstay_store::Store;
use tokio::task::JoinSet;

use super::kit::{Kit, LEASE, acquire, take_over};
use crate::suite::{HOUR, SECOND, look, member, name, renew};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures of a quiet machine"]
async fn figures_of_renewals() {
    for sync in ["off", "on"] {
        let Some(kit) = Kit::start("figures_of_renewals", &[&format!("fsync={sync}")]).await else { return };
        for count in [250_u32, 500, 1000] {
            let (guard, contender) = (kit.store(), kit.store());
            let mut leases = Vec::new();
            for number in 0..count {
                let lease = name(&format!("lease {number}"));
                let row = acquire(&*guard, &lease, u128::from(number) + 1, "a").await;
                leases.push((lease, row));
            }
            for looks in [false, true] {
                let before = (cpu_of_server(&kit).await, cpu_of("/proc/self/stat"));
                let begun = Instant::now();
                let (mut renewing, mut looking) = (JoinSet::new(), JoinSet::new());
                for (number, (lease, row)) in leases.iter().enumerate() {
                    let start = SECOND.mul_f64(number as f64 / f64::from(count));
                    renewing.spawn(each_second(Arc::clone(&guard), lease.clone(), renew(row, HOUR), start));
                    if looks {
                        let me = member(u128::from(count) + 7);
                        looking.spawn(each_second(Arc::clone(&contender), lease.clone(), Request::Look { me }, start));
                    }
                }
                let ended = renewing.join_all().await;
                looking.join_all().await;
                let wall = begun.elapsed();
                let (server, own) = (cpu_of_server(&kit).await - before.0, cpu_of("/proc/self/stat") - before.1);
                let failed: usize = ended.iter().map(|(_, failed)| failed).sum();
                let mut took: Vec<Duration> = ended.into_iter().flat_map(|(took, _)| took).collect();
                took.sort();
                let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
                let share = |time: Duration| time.as_secs_f64() / wall.as_secs_f64() * 100.0;
                println!(
                    "{count} leases, fsync {sync}, contender {looks}: {} renewals, {failed} failed, p50 {:?} p99 {:?} worst \
                     {:?}; CPU of a core: server {:.0} %, programs {:.0} %",
                    took.len(),
                    at(0.5),
                    at(0.99),
                    at(1.0),
                    share(server),
                    share(own),
                );
            }
        }
    }
}

/// How long each took that was answered, and how many were not.
async fn each_second(store: Arc<dyn Store>, lease: Name, request: Request, start: Duration) -> (Vec<Duration>, usize) {
    tokio::time::sleep(start).await;
    let mut every = tokio::time::interval(SECOND);
    let (mut took, mut failed) = (Vec::new(), 0);
    for _ in 0..10 {
        every.tick().await;
        let begun = Instant::now();
        match store.ask(&lease, request.clone(), SECOND).await {
            Ok(Answer::Done { .. }) => took.push(begun.elapsed()),
            _ => failed += 1,
        }
    }
    (took, failed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures of a quiet machine"]
async fn figures_of_fencing() {
    let Some(kit) = Kit::start("figures_of_fencing", &[]).await else { return };
    let (one, two, lease) = (kit.guard("partya_1"), kit.guard("partya_2"), name(LEASE));
    for sessions in [1, 20, 80] {
        let mut took = Vec::new();
        for round in 0..10_u128 {
            let password = take_over(&*one, &lease, round * 2 + 1, "a").await;
            let mut logins = Vec::new();
            for number in 0..sessions {
                let client = kit.login("partya_1", &password).await.unwrap();
                let text = if number % 2 == 0 { "BEGIN; CREATE TEMPORARY TABLE busy (number int)" } else { "SELECT 1" };
                client.batch_execute(text).await.unwrap();
                logins.push(client);
            }
            look(&*two, &lease, 2).await;
            acquire(&*two, &lease, round * 2 + 2, "b").await;
            let begun = Instant::now();
            super::kit::fence(&*two, &lease, round * 2 + 2).await;
            took.push(begun.elapsed());
        }
        took.sort();
        println!("fence {sessions} sessions: median {:?}, worst {:?}", took[took.len() / 2], took[took.len() - 1]);
    }
}

async fn cpu_of_server(kit: &Kit) -> Duration {
    let mut all = Duration::ZERO;
    for row in kit.admin("postgres").await.query("SELECT pid FROM pg_stat_activity", &[]).await.unwrap() {
        all += cpu_of(&format!("/proc/{}/stat", row.get::<_, i32>(0)));
    }
    all
}

/// User and system time, of the fields after the name, in ticks of 10 ms.
fn cpu_of(stat: &str) -> Duration {
    let text = std::fs::read_to_string(stat).unwrap_or_default();
    let fields: Vec<i64> =
        text.rsplit(") ").next().unwrap_or_default().split(' ').filter_map(|it| it.parse().ok()).collect();
    // The state is no number: utime and stime are the eleventh and twelfth that are.
    let ticks: i64 = fields.iter().skip(10).take(2).sum();
    Duration::from_millis(u64::try_from(ticks).unwrap_or(0) * 10)
}
