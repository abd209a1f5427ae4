//! Carrying a request to a node, and to another one where that is allowed.

use std::rc::Rc;

use mainstay_core::retry::{self, Decision, RetryRule, Stop};
use mainstay_io::clock;
use mainstay_wire::h1::{self, Parsed};

use super::attempt::{Aim, Attempt, Failed};
use super::job::Job;
use super::log::{Outcome, Tried};
use super::spares::Buffers;
use super::{Conn, Flow};
use crate::counters;
use crate::params::{Forward, HostRule, Kind, Retry};
use crate::pool::{Key, Node, Pool};
use crate::view::{Event, Standing};
use crate::worker::KILL;

impl Conn {
    /// Tries nodes until one has answered, or no further try is allowed.
    pub(super) async fn forward(&mut self, job: &mut Job, buffers: &mut Buffers, forward: &Forward) -> Flow {
        let Some(pool) = job.route.pool.clone() else { return Flow::Abort };
        pool.count_request(job.begun);
        // A node that has failed over a connection that had idled, and one that was waited for.
        let (mut same, mut given) = (None, None);
        let mut in_turn = !pool.is_line();
        let flow = loop {
            let fresh = same.is_some() && given.is_none();
            let key = if buffers.key.is_empty() { Key::None } else { Key::Bytes(&buffers.key) };
            let picked = if in_turn {
                given.take().or_else(|| same.take()).or_else(|| pool.pick(key, &buffers.tried, self.now))
            } else {
                None
            };
            let Some(index) = picked else {
                match Box::pin(self.no_node(job, buffers, &pool)).await {
                    Ok(index) => {
                        in_turn = true;
                        given = Some(index);
                    }
                    Err(flow) => break flow,
                }
                continue;
            };
            let Some(node) = pool.node(index) else { break Flow::Abort };
            let aim = &Aim { forward, pool: &pool, node, index, fresh };
            buffers.tried.push(index);
            if forward.host == HostRule::Node {
                self.rewrite_head(job, buffers, aim);
            }
            let failed = match self.attempt(job, buffers, aim).await {
                Attempt::Ended(flow) => break flow,
                Attempt::Failed(failed) => failed,
            };
            self.now = clock::now();
            if failed.outcome == Outcome::Busy {
                // Another worker has got the last connection meanwhile: the queue is for that.
                buffers.tried.pop();
                continue;
            }
            let decision = failed.decided.unwrap_or_else(|| self.again(job, buffers, aim, &failed));
            self.note_failure(aim, &failed, buffers);
            if self.slot.raised() & KILL != 0 {
                job.account.reason = "killed";
                break Flow::Abort;
            }
            match decision {
                Decision::Another if pool.holds() => {
                    self.make_wait(&pool, node, buffers);
                    in_turn = false;
                }
                Decision::Another => {}
                Decision::Same => {
                    buffers.tried.pop();
                    same = Some(index);
                }
                Decision::Stop(_) => break Box::pin(self.answer_failure(job, buffers, &failed)).await,
            }
            node.counters.retries_away.one();
        };
        if !job.route.mirrors.is_empty() {
            self.mirror(job, buffers, forward);
        }
        flow
    }

    /// The one node that may have the request has failed: it is held, and so is whatever comes behind it. When the node
    /// is still said to lead, it is tried again in a moment.
    fn make_wait(&self, pool: &Pool, node: &Node, buffers: &mut Buffers) {
        buffers.tried.clear();
        if node.standing() == Standing::In {
            pool.stall(self.now);
        }
    }

    /// Writes the head anew for a node that is to see its own name as Host.
    fn rewrite_head(&self, job: &Job, buffers: &mut Buffers, aim: &Aim<'_>) {
        let head = self.input.get(..job.head_len).unwrap_or_default();
        if let Ok(Parsed::Done(request)) = h1::request(head, &job.table.head_limits()) {
            let context = self.context(&request, &job.route);
            job.route.node_head(aim.forward, Some(&aim.node.name), job.upgrade).write(&context, buffers);
        }
    }

    /// Whether the request is tried again after this try, which is not among the buffers' `tries` yet.
    pub(super) fn again(&self, job: &Job, buffers: &Buffers, aim: &Aim<'_>, failed: &Failed) -> Decision {
        let now = self.now;
        let mut rule = core_rule(&aim.forward.retry, aim.pool.params.kind);
        let repeated = self.repeated(job, aim);
        let mut attempt = retry::Attempt {
            failure: failed.failure,
            // What is not at hand any more cannot go elsewhere, whatever became of it.
            sent: if job.kept == retry::Body::Kept { failed.sent } else { retry::Sent::Some },
            repeatable: job.method.is_idempotent() || repeated.is_some(),
            answer: retry::Answer::NotBegun,
            body: job.kept,
            connection: failed.connection,
            tries: u32::try_from(buffers.tries.len() + 1).unwrap_or(u32::MAX),
            nodes_left: 0,
            elapsed: now.since(job.begun),
        };
        let decision = if aim.pool.holds() {
            let sent = buffers.tries.iter().filter(|tried| tried.outcome.was_sent()).count() + 1;
            attempt.tries = u32::try_from(sent).unwrap_or(u32::MAX);
            if rule.tries == 0 {
                rule.tries = u32::try_from(aim.pool.nodes.len()).unwrap_or(u32::MAX).max(LEAST_TRIES);
            }
            match retry::again_later(&rule, &attempt) {
                Ok(()) if failed.sent == retry::Sent::Nothing => return Decision::Another,
                Ok(()) => Decision::Another,
                Err(stop) => Decision::Stop(stop),
            }
        } else {
            attempt.nodes_left = aim.pool.left(&buffers.tried);
            retry::decide(&rule, &attempt)
        };
        if matches!(decision, Decision::Stop(_)) {
            return decision;
        }
        if !aim.pool.take_retry(now) {
            return Decision::Stop(Stop::Rule);
        }
        if let Some(what) = repeated.filter(|_| attempt.sent == retry::Sent::Some) {
            aim.pool.counters.repeated.one(what);
        }
        decision
    }

    /// Tells whom it concerns that a node has failed, and notes it for the log.
    fn note_failure(&self, aim: &Aim<'_>, failed: &Failed, buffers: &mut Buffers) {
        let &Aim { pool, index, node, .. } = aim;
        // A leader that is away is tried again and again while the request is held: that is one line in the log.
        let again = |last: &Tried| last.node == index && last.outcome == failed.outcome && !last.outcome.was_sent();
        if !(pool.holds() && buffers.tries.last().is_some_and(again)) {
            buffers.tries.push(Tried { pool: Rc::clone(pool), node: index, outcome: failed.outcome });
        }
        match failed.outcome {
            Outcome::Answered(_) => node.counters.failures.one(counters::Failure::Status),
            outcome => outcome.failure().into_iter().for_each(|failure| node.counters.failures.one(failure)),
        }
        // An idle connection may end of its age, and a busy node is no broken one: neither speaks against the node.
        let event = match failed.failure {
            retry::Failure::Broken if failed.connection == retry::Connection::Reused => return,
            retry::Failure::Connect if failed.outcome.is_local() => return,
            retry::Failure::Connect | retry::Failure::Broken | retry::Failure::Invalid => Event::Failed,
            retry::Failure::Timeout => Event::TimedOut,
            retry::Failure::Status(500..) => Event::Failed,
            retry::Failure::Status(_) | retry::Failure::NodeOut | retry::Failure::Unavailable => return,
        };
        self.worker.report(pool, index, event);
    }
}

fn core_rule(rule: &Retry, kind: Kind) -> RetryRule<'_> {
    RetryRule {
        tries: rule.tries,
        within: rule.within,
        on_error: rule.on_error,
        on_timeout: rule.on_timeout,
        on_invalid: rule.on_invalid,
        on_unavailable: kind == Kind::Canton,
        statuses: &rule.statuses,
        non_idempotent: rule.non_idempotent,
    }
}

/// Tries of a request that was sent to a leader and lost, where the rule for retries counts nodes: a second one is what
/// comes after a takeover.
const LEAST_TRIES: u32 = 2;
