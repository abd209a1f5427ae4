//! A connection that has become a tunnel of another protocol (WebSocket and the like).

use mainstay_io::clock;
use mainstay_io::pump::{Lent, Pump};
use mainstay_io::timer::Interrupt;

use super::job::Job;
use super::spares::Buffers;
use super::{Conn, Flow};
use crate::params::Action;
use crate::pool::Connection;
use crate::worker::{DEMOTED, ON_NODE};

impl Conn {
    /// Carries bytes both ways until both sides have ended, one breaks, or nothing has moved for the read time-out.
    pub(super) async fn tunnel(&mut self, job: &mut Job, buffers: &mut Buffers, up: &mut Connection) -> Flow {
        if let Err(flow) = self.push_down(job, buffers).await {
            return flow;
        }
        let Action::Forward(forward) = &job.route.params.action else { return Flow::Abort };
        let behind = self.input.get(job.head_len + job.body_here..).unwrap_or_default();
        let patience = || clock::now() + forward.send_timeout;
        let early = super::write::write_rest(&up.stream, &self.slot, (behind, &[]), 0, patience).await;
        self.input.truncate(job.head_len);
        if early.is_err() {
            return Flow::Abort;
        }
        self.slot.hear(ON_NODE);
        let mut pump = Pump::default();
        let mut moved = 0;
        loop {
            self.slot.set(clock::now() + forward.read_timeout);
            let (worker, stream, node) = (&self.worker, &mut self.stream, &mut up.stream);
            let pumped = self.slot.wait(|cx| {
                let mut buffer = worker.lent.borrow_mut();
                pump.poll(cx, stream, node, &mut Lent { buffer: &mut buffer, pipes: &worker.pipes })
            });
            let ended = pumped.await;
            let so_far = pump.forth.went() + pump.back.went();
            match ended {
                Err(Interrupt::Expired) if so_far > moved => moved = so_far,
                other => {
                    job.account.bytes_out += pump.back.went();
                    job.body_seen += pump.forth.went();
                    if matches!(other, Err(Interrupt::Signal(signals)) if signals & DEMOTED != 0) {
                        job.account.reason = "demoted";
                    }
                    return if other.is_ok() { Flow::Close } else { Flow::Abort };
                }
            }
        }
    }
}
