//! What the tests have in common.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use mainstay::admin::Place;
use mainstay::admin::client::ask;
use mainstay::admin::document::Status;
use mainstay::demo::load::{Book, Load, Plan, Rows, Target};
use mainstay::demo::stage::{Dir, Front, Node, until};
use mainstay_testkit::{Trouble, skipped};

/// The product.
pub(crate) fn exe() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_mainstay"))
}

/// Runs a test on the thread that starts its processes, which die with it.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    run_for(Duration::ZERO, test)
}

/// Runs a test whose times matter: no other runs meanwhile.
pub(crate) fn run_alone<T>(test: impl Future<Output = T>) -> T {
    let _no_other_runs = STAGE.write().unwrap_or_else(PoisonError::into_inner);
    perform(test)
}

/// The same of a test that takes so much longer.
pub(crate) fn run_for<T>(longer: Duration, test: impl Future<Output = T>) -> T {
    let _others_may_run = STAGE.read().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(LONGEST + longer, test).await.expect("the test ends in time") })
}

pub(crate) fn perform<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(LONGEST, test).await.expect("the test ends in time") })
}

/// Shared by the tests that run side by side; holds nothing.
static STAGE: RwLock<()> = RwLock::new(());

/// The fixture, or `None` when the test is to be skipped, which has been said.
pub(crate) fn had<T>(test: &str, fixture: Result<T, Trouble>) -> Option<T> {
    match fixture {
        Ok(fixture) => Some(fixture),
        Err(Trouble::Missing(why)) => {
            skipped(test, &why);
            None
        }
        Err(trouble) => panic!("{trouble}"),
    }
}

/// A new directory, removed in the end.
pub(crate) fn dir() -> Dir {
    Dir::make(false).expect("a directory")
}

/// A model node.
pub(crate) async fn node(name: &str, dir: &Dir) -> Node {
    Node::start(name, exe(), dir, Duration::from_millis(2)).await.expect("a node starts")
}

/// A front with one listener before one pool of these nodes; `pool`, `listen` and `rest` are further lines of its
/// configuration.
pub(crate) async fn front(dir: &Dir, nodes: &[String], pool: &str, listen: &str, rest: &str) -> Front {
    let text = |at| configuration(dir, nodes, at, [pool, listen, rest]);
    Front::start(exe(), dir, text).await.expect("a front starts")
}

/// What [`front`] starts on.
pub(crate) fn configuration(dir: &Dir, nodes: &[String], at: SocketAddr, more: [&str; 3]) -> String {
    let [pool, listen, rest] = more;
    format!(
        r#"
[admin]
at = "unix:{}"
[pool.nodes]
nodes = {nodes:?}
{pool}
[listen.front]
at = "{at}"
to = "http://nodes"
{listen}
{rest}
"#,
        dir.file(Front::ADMIN).display()
    )
}

/// A load of 200 requests a second, every fourth on a connection of its own.
pub(crate) fn load(target: Target) -> Load {
    let plan = Plan { target, rate: 200, fresh_every: 4, timeout: Duration::from_secs(2) };
    Load::start(plan).expect("a load starts")
}

/// Waits until so many more requests have ended well.
pub(crate) async fn done(book: &Book, more: usize) {
    let count = || book.look(|records| records.iter().filter(|record| record.is_done()).count());
    let goal = count() + more;
    until("no further answers", Duration::from_secs(20), async || count() >= goal).await.expect("answers come");
}

/// What is in the nodes' database.
pub(crate) fn rows(dir: &Dir) -> Rows {
    Rows::read(&dir.file(Node::STORE)).expect("the database can be read")
}

/// Sends one POST with these further fields and a body of one byte; returns the whole answer.
pub(crate) async fn post(at: SocketAddr, target: &str, fields: &str) -> String {
    let mut stream = TcpStream::connect(at).await.expect("it listens");
    let request =
        format!("POST {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{fields}Content-Length: 1\r\n\r\nx");
    stream.write_all(request.as_bytes()).await.expect("it takes the request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer
}

/// Waits until the first node of the first pool stands so, by the front's own word.
pub(crate) async fn standing(front: &Front, standing: &str) {
    let place = Place::Unix(front.admin().to_owned());
    let stands = async || {
        let answer = ask(Some(&place), "GET", "/status").expect("the front answers");
        let status: Status = serde_json::from_str(&answer.body).expect("a status");
        let node = status.pools.first().and_then(|pool| pool.nodes.first());
        node.expect("a node").standing == standing
    };
    until(&format!("the node is not {standing}"), Duration::from_secs(20), stands).await.expect("it stands so");
}

/// Memory a process has resident.
pub(crate) fn resident_kib(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Processes whose parent this is.
pub(crate) fn children(id: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").expect("there is a /proc").flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent = |child: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
        // Behind the name in parentheses: the state, then the parent.
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok()
    };
    ids.filter(|child| parent(child) == Some(id)).collect()
}

/// What a rehearsal of this process id has in the temporary directory.
pub(crate) fn directories(id: u32) -> Vec<String> {
    let all = std::fs::read_dir(std::env::temp_dir()).expect("there is one").flatten();
    let names = all.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with(&format!("mainstay-demo-{id}-"))).collect()
}

/// All processes below this one, parents first.
pub(crate) fn below(id: u32) -> Vec<u32> {
    let mut found = children(id);
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(children(parent));
        at += 1;
    }
    found
}

/// Removes what a rehearsal that was killed could not remove itself.
pub(crate) fn sweep(id: u32) {
    for directory in directories(id) {
        std::fs::remove_dir_all(std::env::temp_dir().join(directory)).expect("it can be removed");
    }
}

/// Longest time for any test.
const LONGEST: Duration = Duration::from_secs(240);
