use mainstay_core::lease::Part;
use mainstay_core::{EjectRule, Ejected, Ejection, Moment, Others};

use super::prober::Key;
use crate::params;
use crate::view::{Endpoint, Event, NodeView, OutReason, Standing};

/// What control knows of a node of the plan.
pub(super) struct Node {
    /// Its checks; all must be good.
    pub(super) checks: Vec<Key>,
    /// What probes it while in doubt, if it has no checks.
    pub(super) doubt: Option<Key>,
    /// Its passive removal, if that is switched on.
    pub(super) ejection: Option<Ejection>,
    /// Whether its time out is over, but a probe must find life before one request may try it.
    pub(super) awaits_life: bool,
    /// Whether an operator drains it.
    pub(super) drained: bool,
    /// How live traffic last failed on it.
    pub(super) last_failure: Option<Event>,
    /// How the workers see it.
    pub(super) view: NodeView,
    /// How often its standing has changed.
    pub(super) transitions: u64,
    /// How often live traffic has put it out.
    pub(super) ejections: u64,
}

impl Node {
    /// A node nothing is known of but where it is.
    pub(super) fn new(params: &params::Node, endpoints: Vec<Endpoint>, now: Moment) -> Self {
        let view = NodeView {
            standing: Standing::In,
            since: now,
            suspect: false,
            endpoints: endpoints.into(),
            tenure: None,
            until: None,
        };
        let mut node = Self {
            checks: Vec::new(),
            doubt: None,
            ejection: None,
            awaits_life: false,
            drained: false,
            last_failure: None,
            view,
            transitions: 0,
            ejections: 0,
        };
        node.view.standing = node.judge(params.role, &node.view.endpoints, None, None);
        node
    }

    /// What speaks for this node whatever its checks.
    pub(super) fn probers(&self) -> impl Iterator<Item = Key> {
        self.checks.iter().copied().chain(self.doubt)
    }

    /// Whether it gets new work.
    pub(super) fn is_in(&self) -> bool {
        self.view.standing == Standing::In
    }

    /// How it stands, strongest reason first, given what its checks have `found` against it and which `part` it has in the
    /// lease that its pool follows. What a check finds outweighs an operator's drain, so that nothing waits
    /// for a dead node to finish; a drain outweighs what live traffic says.
    pub(super) fn judge(
        &self,
        role: params::Role,
        endpoints: &[Endpoint],
        found: Option<OutReason>,
        part: Option<Part>,
    ) -> Standing {
        if role == params::Role::Off {
            return Standing::Out(OutReason::Off);
        }
        if endpoints.is_empty() {
            return Standing::Out(OutReason::Unresolved);
        }
        if part == Some(Part::Stranger) {
            return Standing::Out(OutReason::NotLeader);
        }
        if let Some(reason) = found {
            return Standing::Out(reason);
        }
        if let Some(Part::Waits(_)) = part {
            return Standing::Out(OutReason::NotReady);
        }
        if self.drained {
            return Standing::Draining;
        }
        match self.ejection.as_ref().map(Ejection::state) {
            None | Some(Ejected::No) => Standing::In,
            Some(Ejected::Trial) => Standing::Trial,
            Some(Ejected::Yes) => Standing::Out(OutReason::Ejected),
        }
    }

    /// A request failed on it.
    pub(super) fn failed(&mut self, now: Moment, others: Others, event: Event) {
        self.last_failure = Some(event);
        if let Some(ejection) = &mut self.ejection {
            ejection.failed(now, others);
            self.ejections += u64::from(ejection.state() == Ejected::Yes);
        }
    }

    /// It answered a request.
    pub(super) fn answered(&mut self, now: Moment) {
        if let Some(ejection) = &mut self.ejection {
            ejection.answered(now);
        }
    }

    /// It answered a check or a probe: if its time out is over, one request may try it.
    pub(super) fn shows_life(&mut self, now: Moment) {
        if let Some(ejection) = self.ejection.as_mut().filter(|_| self.awaits_life) {
            ejection.tick(now);
        }
        self.awaits_life = false;
    }

    /// What live traffic had against it no longer counts: a check saw it go and come back, or an operator knows better.
    pub(super) fn forgive(&mut self) {
        if let Some(ejection) = &mut self.ejection {
            ejection.reset();
        }
        self.awaits_life = false;
    }

    /// Why live traffic put it out, as a phrase.
    pub(super) fn traffic_complaint(&self) -> &'static str {
        match self.last_failure {
            Some(Event::TimedOut) => "live traffic failed on it, last with no answer in time",
            _ => "live traffic failed on it, last with a broken connection or answer",
        }
    }
}

/// The rule of passive removal as it is decided by.
pub(super) const fn rule(eject: params::Eject) -> EjectRule {
    EjectRule { failures: eject.failures, within: eject.within, out_for: eject.out_for }
}
