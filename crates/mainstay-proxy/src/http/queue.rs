//! Waiting for a connection, where a pool's or node's limit is used up.

use std::rc::Rc;
use std::time::Duration;

use mainstay_core::Moment;
use mainstay_io::clock;
use mainstay_io::timer::Interrupt;

use super::job::Job;
use super::spares::Buffers;
use super::{Conn, Flow};
use crate::counters::Limit;
use crate::pool::Pool;
use crate::worker::{KILL, QUEUE};

impl Conn {
    /// No node could be picked, or others wait for one already. Waits for a connection if that is all that is missing; else the client gets an answer.
    pub(super) async fn no_node(&mut self, job: &mut Job, buffers: &mut Buffers, pool: &Rc<Pool>) -> Result<(), Flow> {
        let reason = if pool.is_line() || pool.is_busy(&buffers.tried) {
            match self.queue(pool, job.begun, &buffers.tried).await {
                Ok(()) => return Ok(()),
                Err(Limit::QueueFull) => "queue_full",
                Err(_) => "queue_timeout",
            }
        } else {
            pool.counters.no_node.one();
            "no_node"
        };
        job.account.reason = reason;
        Err(self.answer_status(job, buffers, 503).await)
    }

    /// Waits in the pool's queue until a node can be picked.
    async fn queue(&mut self, pool: &Rc<Pool>, begun: Moment, tried: &[u32]) -> Result<(), Limit> {
        let me = self.slot.raiser();
        if !pool.enqueue(me.clone(), tried) {
            self.limit(Limit::QueueFull);
            return Err(Limit::QueueFull);
        }
        pool.counters.waiting.add(1);
        self.slot.hear(QUEUE | KILL);
        let end = begun + pool.params.queue.wait;
        let waited = loop {
            if pool.is_turn(&me, tried) {
                break Ok(());
            }
            if clock::now() >= end {
                self.limit(Limit::QueueTimeout);
                break Err(Limit::QueueTimeout);
            }
            // A connection another worker gives back wakes nobody here, so this is looked at again and again.
            self.slot.set(end.min(clock::now() + LOOK_AGAIN));
            match self.slot.interrupted().await {
                Interrupt::Signal(signals) if signals & KILL != 0 => break Err(Limit::QueueTimeout),
                _ => self.slot.lower(QUEUE),
            }
        };
        pool.counters.waiting.sub(1);
        pool.dequeue(&me);
        // The node has its whole time from here on.
        self.now = clock::now();
        waited
    }
}

const LOOK_AGAIN: Duration = Duration::from_millis(10);
