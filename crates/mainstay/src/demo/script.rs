//! The script of the demo's first half, with two nodes that both serve: who plays, and what is done to them in turn.

use std::cell::RefCell;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::load::{Book, Load, Plan, Rows, Target};
use super::scene::{FROZEN, Found, Half, Kind, Player, RELOADS, Scene, State};
use super::stage::{Dir, Fault, Front, Mishap, Node, until};

/// Everybody in it. They end when this is dropped: the front, the nodes, then their files.
pub(super) struct Cast {
    front: Front,
    nodes: [Node; 2],
    dir: Dir,
}

impl Cast {
    /// Starts them all.
    pub(super) async fn assemble(exe: &Path, keep: bool) -> Result<Self, Mishap> {
        let dir = Dir::make(keep)?;
        let a = Node::start("a", exe, &dir, THINK).await?;
        let b = Node::start("b", exe, &dir, THINK).await?;
        let front = Front::start(exe, &dir, |at| configuration(at, [a.at(), b.at()], &dir, 0)).await?;
        Ok(Self { front, nodes: [a, b], dir })
    }

    /// Starts the load.
    pub(super) fn load(&self) -> Result<Load, Mishap> {
        let target = Target::Tcp(self.front.at());
        Load::start(Plan { target, rate: Half::Shared.rate(), fresh_every: FRESH_EVERY, timeout: TIMEOUT })
            .map_err(|error| Mishap::new("could not start the load", error))
    }

    /// How it looks before the first act.
    pub(super) fn scene(&self, book: &Arc<Book>, plain: bool) -> Scene {
        let [a, b] = &self.nodes;
        let player = |name, node: &Node| Player { name, at: node.at().to_string(), state: State::Serving, out: None };
        Scene {
            half: Half::Shared,
            begun: Instant::now(),
            book: Arc::clone(book),
            front: self.front.at().to_string(),
            nodes: [player("a", a), player("b", b)],
            lease: None,
            acts: Half::Shared.acts(),
            plain,
        }
    }

    /// Where the front is asked what it thinks.
    pub(super) fn admin(&self) -> PathBuf {
        self.front.admin().to_owned()
    }

    /// All acts, one after the other.
    pub(super) async fn play(&mut self, scene: &RefCell<Scene>) -> Result<(), Mishap> {
        let book = Arc::clone(&scene.borrow().book);
        let mut from = scene.borrow().begun;
        for (number, kind) in Half::Shared.kinds().iter().enumerate() {
            scene.borrow_mut().begin(number, from);
            let fault = self.act(*kind, scene).await?;
            let to = Instant::now();
            until("requests never end", TIMEOUT * 2, async || book.all_ended(to)).await?;
            scene.borrow_mut().end(number, Found { fault, ..Found::default() }, (from, to), &self.rows()?);
            from = to;
        }
        Ok(())
    }

    /// Adds everything up once more, with what the nodes did late.
    pub(super) fn settle(&self, scene: &RefCell<Scene>) -> Result<(), Mishap> {
        let rows = self.rows()?;
        scene.borrow_mut().settle(&rows);
        Ok(())
    }

    async fn act(&mut self, kind: Kind, scene: &RefCell<Scene>) -> Result<Option<Fault>, Mishap> {
        match kind {
            Kind::Kill => self.kill(scene).await.map(Some),
            Kind::Freeze => self.freeze(scene).await.map(Some),
            Kind::Roll => self.roll(scene).await.map(|()| None),
            Kind::Reload => self.reload().await.map(|()| None),
            _ => {
                tokio::time::sleep(CALM).await;
                Ok(None)
            }
        }
    }

    async fn kill(&mut self, scene: &RefCell<Scene>) -> Result<Fault, Mishap> {
        let [a, _] = &mut self.nodes;
        scene.borrow_mut().set(0, State::Killed);
        let fault = a.kill().await?;
        tokio::time::sleep(DOWN).await;
        scene.borrow_mut().set(0, State::Starting);
        a.restart().await?;
        back(scene, 0).await?;
        Ok(fault)
    }

    async fn freeze(&mut self, scene: &RefCell<Scene>) -> Result<Fault, Mishap> {
        let [_, b] = &self.nodes;
        scene.borrow_mut().set(1, State::Frozen);
        let fault = b.freeze().await?;
        tokio::time::sleep(FROZEN).await;
        b.thaw()?;
        scene.borrow_mut().set(1, State::Starting);
        back(scene, 1).await?;
        Ok(fault)
    }

    async fn roll(&mut self, scene: &RefCell<Scene>) -> Result<(), Mishap> {
        for (index, node) in self.nodes.iter_mut().enumerate() {
            scene.borrow_mut().set(index, State::Draining);
            node.stop().await?;
            scene.borrow_mut().set(index, State::Starting);
            node.restart().await?;
            back(scene, index).await?;
        }
        Ok(())
    }

    async fn reload(&mut self) -> Result<(), Mishap> {
        for change in 1..=RELOADS {
            let [a, b] = &self.nodes;
            self.front.reload(&configuration(self.front.at(), [a.at(), b.at()], &self.dir, change)).await?;
        }
        tokio::time::sleep(AFTERMATH).await;
        Ok(())
    }

    fn rows(&self) -> Result<Rows, Mishap> {
        Rows::read(&self.dir.file(Node::STORE)).map_err(|error| Mishap::new("could not read the database", error))
    }

    /// For those who want to go on by hand.
    pub(super) fn where_to_look(&self) -> String {
        let mut text = String::from("  Everything is still running; Ctrl-C ends it. Try:\n\n");
        let admin = self.front.admin();
        let mut line = |what: &str, command: String| {
            // Writing to a String cannot fail.
            let _infallible = writeln!(text, "    {what:<12}{command}");
        };
        line("front", format!("curl -i http://{}/kv/hello -d world", self.front.at()));
        line("", format!("curl -i http://{}/kv/hello", self.front.at()));
        let program = std::env::args_os().next().unwrap_or_else(|| "mainstay".into());
        line("status", format!("{} status --admin unix:{}", program.display(), admin.display()));
        line("metrics", format!("curl --unix-socket {} http://mainstay/metrics", admin.display()));
        line("settings", self.front.file().display().to_string());
        for node in &self.nodes {
            let id = node.id().map_or_else(|| "-".to_owned(), |id| id.to_string());
            line(&format!("node {}", node.name()), format!("http://{}/health   kill -STOP {id}", node.at()));
        }
        line("logs", format!("{} and node-*.log beside it", self.front.log().display()));
        text.push('\n');
        text
    }
}

/// Waits until a node gets requests again, as only a client can know.
async fn back(scene: &RefCell<Scene>, node: usize) -> Result<(), Mishap> {
    let (book, name) = {
        let scene = scene.borrow();
        (Arc::clone(&scene.book), scene.nodes.get(node).map_or("", |player| player.name))
    };
    let since = Instant::now();
    let what = format!("node {name} gets no requests again");
    until(&what, BACK_WITHIN, async || book.answers_of(name, since) >= BACK).await?;
    scene.borrow_mut().set(node, State::Serving);
    tokio::time::sleep(AFTERMATH).await;
    Ok(())
}

/// The front's configuration. `change` makes one differ from the next, as an operator's edit would.
fn configuration(front: SocketAddr, [a, b]: [SocketAddr; 2], dir: &Dir, change: u32) -> String {
    let (admin, access) = (dir.file(Front::ADMIN), dir.file("access.log"));
    let idle = 60 + change;
    format!(
        r#"# Written by `mainstay demo`.
[admin]
at = "unix:{admin}"

[log]
access = "{access}"

[pool.kv]
nodes = ["{a}", "{b}"]
check = {{ http = "/health", every = "100ms", every_in_doubt = "20ms", timeout = "180ms", rise = 2, fall = 1 }}
doubt_after = "30ms"
all_out = "try"
idle = "{idle}s"

[listen.front]
at = "{front}"
to = "http://kv"
"#,
        admin = admin.display(),
        access = access.display(),
    )
}

/// One request in so many comes on a connection of its own.
const FRESH_EVERY: usize = 4;
/// Longest wait of a client.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What a node takes for an answer, so that a fault always finds requests under way.
const THINK: Duration = Duration::from_millis(10);
const CALM: Duration = Duration::from_secs(3);
/// How long the killed node stays down.
const DOWN: Duration = Duration::from_secs(2);
/// How long an act goes on when all is well again.
const AFTERMATH: Duration = Duration::from_millis(700);
/// So many answers of a node show that it is back.
const BACK: usize = 10;
const BACK_WITHIN: Duration = Duration::from_secs(15);
