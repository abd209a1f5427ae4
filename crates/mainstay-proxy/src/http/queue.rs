//! Waiting for a node: for a connection where a limit is used up, or for a leader.

use std::rc::Rc;

use mainstay_io::clock;
use mainstay_io::timer::Interrupt;

use super::job::{Job, Waited};
use super::spares::Buffers;
use super::{Conn, Flow};
use crate::counters::Limit;
use crate::pool::{Guard, Key, Pool, Wait};
use crate::worker::{KILL, QUEUE};

/// How a wait ended.
enum Outcome {
    /// Work has begun on a node with this index.
    Turn(u32, Guard),
    /// No more may wait.
    Full,
    /// It has waited for as long as it may.
    TooLong,
    /// The client is gone.
    Left,
    /// The connection is to end.
    Killed,
}

impl Conn {
    /// No node could be picked, or others wait for one already. Waits if one can come, and says which it is; else the
    /// client gets an answer.
    pub(super) async fn no_node(&mut self, job: &mut Job, buffers: &mut Buffers, pool: &Rc<Pool>) -> Result<u32, Flow> {
        // An error page is not held: it is what says that the request was.
        let waited = if pool.holds() && job.page.is_none() {
            self.hold(job, buffers, pool).await
        } else if pool.is_line() || pool.is_busy(&buffers.tried) {
            self.queue(job, buffers, pool).await
        } else {
            pool.counters.no_node.one();
            job.account.reason = "no_node";
            return Err(self.answer_status(job, buffers, 503).await);
        };
        job.account.reason = match waited {
            Outcome::Turn(index, guard) => {
                if let Some(waited) = &mut job.waited {
                    waited.begun = Some(guard);
                }
                return Ok(index);
            }
            Outcome::Left => {
                job.account.reason = "client_gone";
                return Err(Flow::Abort);
            }
            Outcome::Killed => {
                job.account.reason = "killed";
                return Err(Flow::Abort);
            }
            Outcome::Full if pool.holds() => "hold_full",
            Outcome::Full => "queue_full",
            Outcome::TooLong if pool.holds() => "hold_timeout",
            Outcome::TooLong => "queue_timeout",
        };
        Err(self.answer_status(job, buffers, 503).await)
    }

    /// Waits in the pool's queue for a connection.
    async fn queue(&mut self, job: &mut Job, buffers: &Buffers, pool: &Rc<Pool>) -> Outcome {
        if pool.is_queue_full() {
            self.limit(Limit::QueueFull);
            return Outcome::Full;
        }
        let begun = job.begun;
        let wait = job.waited.get_or_insert_with(|| Waited::new(Wait::new(pool, begun))).wait;
        pool.counters.waiting.add(1);
        let waited = self.stand_in_line(wait.until(pool.params.queue.wait), buffers, pool).await;
        pool.counters.waiting.sub(1);
        match waited {
            Outcome::TooLong => self.limit(Limit::QueueTimeout),
            Outcome::Left => pool.counters.queue_left.one(),
            Outcome::Turn(..) | Outcome::Full | Outcome::Killed => {}
        }
        waited
    }

    /// Is held until there is a leader that can take it. What the client sends meanwhile is not read.
    async fn hold(&mut self, job: &mut Job, buffers: &mut Buffers, pool: &Rc<Pool>) -> Outcome {
        let again = job.waited.is_some();
        let wait = job.waited.get_or_insert_with(|| Waited::new(Wait::new(pool, clock::now()))).wait;
        // One that was held already and lost its leader again keeps its place.
        let held = if again { pool.hold_anyway(self.input.len()) } else { pool.hold(self.input.len()) };
        let Some(held) = held else { return Outcome::Full };
        buffers.tried.clear();
        let waited = self.stand_in_line(wait.until(pool.params.hold.time), buffers, pool).await;
        pool.let_go(held);
        match waited {
            Outcome::Turn(..) => pool.counters.hold_released.one(),
            Outcome::TooLong => pool.counters.hold_timed_out.one(),
            Outcome::Left => pool.counters.hold_left.one(),
            Outcome::Full | Outcome::Killed => {}
        }
        waited
    }

    /// Waits until a node can be picked. A client that leaves meanwhile, or has left when its turn comes, is noticed:
    /// what nobody waits for must not be done.
    async fn stand_in_line(&mut self, wait: Wait, buffers: &Buffers, pool: &Rc<Pool>) -> Outcome {
        let key = if buffers.key.is_empty() { Key::None } else { Key::Bytes(&buffers.key) };
        let tried = &buffers.tried;
        let me = self.slot.raiser();
        pool.enqueue(me.clone(), tried, wait.ticket);
        self.slot.hear(QUEUE | KILL);
        let waited = loop {
            let now = clock::now();
            if let Some((index, guard)) = pool.take_turn(&me, key, tried, now) {
                break if self.stream.has_left() { Outcome::Left } else { Outcome::Turn(index, guard) };
            }
            if now >= wait.end {
                break Outcome::TooLong;
            }
            self.slot.set(wait.end.min(pool.look_again(now)));
            match self.slot.interrupted().await {
                Interrupt::Signal(signals) if signals & KILL != 0 => break Outcome::Killed,
                Interrupt::Signal(_) => self.slot.lower(QUEUE),
                Interrupt::Expired if self.stream.has_left() => break Outcome::Left,
                Interrupt::Expired => {}
            }
        };
        pool.dequeue(&me);
        // The node has its whole time from here on.
        self.now = clock::now();
        waited
    }
}
