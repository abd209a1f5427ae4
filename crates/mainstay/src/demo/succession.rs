//! The script of the demo's second half: two guarded nodes, and how the lease goes from one to the other.

use std::cell::RefCell;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::guarded::{Plan, Set, Takeover, strike};
use super::load::Book;
use super::scene::{Found, Half, Kind, Player, Scene, State};
use super::stage::{Mishap, until};

/// Everybody in it. They end when this is dropped.
pub(super) struct Succession {
    set: Set,
}

impl Succession {
    /// Starts them all, and the load.
    pub(super) async fn assemble(exe: &Path, keep: bool) -> Result<Self, Mishap> {
        let plan = Plan {
            lease: LEASE,
            think: THINK,
            store: None,
            own: None,
            renew: RENEW,
            relayed: false,
            clocked: false,
            rate: RATE,
            keep,
        };
        Ok(Self { set: Set::assemble(exe, plan).await? })
    }

    /// How it looks before the first act.
    pub(super) fn scene(&self, plain: bool) -> Result<Scene, Mishap> {
        let book = self.set.book().ok_or_else(|| Mishap::new("could not begin", "there is no load"))?;
        let [a, b] = self.set.nodes();
        let player =
            |name, at: std::net::SocketAddr| Player { name, at: at.to_string(), state: State::Standby, out: None };
        Ok(Scene {
            half: Half::Guarded,
            begun: Instant::now(),
            book: Arc::clone(book),
            front: self.set.front().at().to_string(),
            nodes: [player("a", a), player("b", b)],
            lease: None,
            acts: Half::Guarded.acts(),
            plain,
        })
    }

    /// Where the front is asked what it thinks.
    pub(super) fn admin(&self) -> PathBuf {
        self.set.front().admin().to_owned()
    }

    /// All acts, one after the other.
    pub(super) async fn play(&mut self, scene: &RefCell<Scene>) -> Result<(), Mishap> {
        let book: Arc<Book> = Arc::clone(&scene.borrow().book);
        let mut from = scene.borrow().begun;
        let holder = self.set.holder().await?;
        scene.borrow_mut().set(holder, State::Serving);
        tokio::time::sleep(CALM).await;
        for (number, kind) in Half::Guarded.kinds().iter().enumerate() {
            scene.borrow_mut().begin(number, from);
            let found = self.act(*kind, scene).await?;
            let to = Instant::now();
            until("requests never end", ENDING, async || book.all_ended(to)).await?;
            let rows = self.set.rows().await?;
            scene.borrow_mut().end(number, found, (from, to), &rows);
            from = to;
        }
        Ok(())
    }

    /// Ends the load, and adds everything up once more.
    pub(super) async fn settle(&mut self, scene: &RefCell<Scene>) -> Result<(), Mishap> {
        self.set.finish().await;
        let rows = self.set.rows().await?;
        scene.borrow_mut().settle(&rows);
        Ok(())
    }

    async fn act(&mut self, kind: Kind, scene: &RefCell<Scene>) -> Result<Found, Mishap> {
        let holder = self.set.holder().await?;
        let at = SystemTime::now();
        let mut found = Found::default();
        let struck = |state| scene.borrow_mut().set(holder, state);
        match kind {
            Kind::KillChild => {
                struck(State::Killed);
                found.fault = Some(strike::kill_child(&mut self.set, holder).await?);
            }
            Kind::KillGuard => {
                struck(State::Killed);
                found.fault = Some(strike::kill_guard(&mut self.set, holder).await?);
            }
            Kind::FreezeGuard => {
                struck(State::Frozen);
                found.fault = Some(strike::freeze_guard(&mut self.set, holder).await?);
            }
            _ => {
                struck(State::Draining);
                found.failed = strike::switchover(&self.set, holder).await?.err();
            }
        }
        if found.failed.is_none() {
            let ready = async || self.set.happened("ready", at).await.is_some();
            until("nobody took over", TAKEOVER_WITHIN, ready).await?;
        }
        let successor = self.set.holder().await?;
        scene.borrow_mut().set(successor, State::Serving);
        // What comes late is to be seen too: a woken holder's writes, a second takeover.
        tokio::time::sleep(AFTERMATH.max(self.set.ttl())).await;
        found.takeover = Some(Takeover::since(&self.set, at).await);
        if kind == Kind::KillGuard {
            self.set.start(holder)?;
        }
        until("the other guard is not back", TAKEOVER_WITHIN, async || self.set.is_attended().await).await?;
        if successor != holder {
            struck(State::Standby);
        }
        Ok(found)
    }

    /// For those who want to go on by hand.
    pub(super) fn where_to_look(&self) -> String {
        let mut text = String::from("  The guarded nodes, too, are still running. Try:\n\n");
        let mut line = |what: &str, command: String| {
            // Writing to a String cannot fail.
            let _infallible = writeln!(text, "    {what:<12}{command}");
        };
        let (set, front) = (&self.set, self.set.front());
        let program = std::env::args_os().next().unwrap_or_else(|| "mainstay".into());
        let ask = |words: &str, at: &Path| format!("{} {words} --admin unix:{}", program.display(), at.display());
        line("front", format!("curl -i http://{}/kv/hello -d world", front.at()));
        line("status", ask("status", front.admin()));
        line("switch over", ask(&format!("switchover {LEASE}"), &set.admin(0)));
        line("what was", ask(&format!("history {LEASE}"), &set.admin(0)));
        for (name, id) in set.processes() {
            line(&format!("guard {name}"), format!("kill -9 {id}   kill -STOP {id}   (ends its node too)"));
        }
        line("logs", format!("{}/*.log", set.files().display()));
        text.push('\n');
        text
    }
}

/// What the lease is called.
const LEASE: &str = "ledger";
/// What a node takes for an answer, so that a fault always finds requests under way.
const THINK: Duration = Duration::from_millis(10);
/// Requests per second; half of them are writes.
const RATE: u32 = 200;
/// Time between renewals; a lease lasts three of them.
const RENEW: Duration = Duration::from_millis(300);
/// Before the first fault.
const CALM: Duration = Duration::from_secs(1);
/// After each.
const AFTERMATH: Duration = Duration::from_millis(700);
const TAKEOVER_WITHIN: Duration = Duration::from_secs(30);
/// Longest time for requests under way.
const ENDING: Duration = Duration::from_secs(40);
