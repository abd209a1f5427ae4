//! What is told once when it begins, not with every answer that shows it.

use super::core::Core;
use crate::Moment;
use crate::lease::happening::Happening;
use crate::lease::row::{Name, Nonce, Row, RowState, Timeline};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Notices {
    away: Option<Moment>,
    blocked: bool,
    twin: Option<Nonce>,
    old: Option<Timeline>,
    ttl_differs: bool,
}

impl Notices {
    /// The store, last heard at `heard`, does not answer; whether that is news.
    pub(super) fn store_away(&mut self, heard: Moment) -> bool {
        let news = self.away.is_none();
        self.away.get_or_insert(heard);
        news
    }

    /// It answered; if it had not, since when.
    pub(super) fn store_back(&mut self) -> Option<Moment> {
        self.away.take()
    }

    /// The child is in the way; whether that is news.
    pub(super) fn blocked(&mut self) -> bool {
        !std::mem::replace(&mut self.blocked, true)
    }

    /// It is not any more.
    pub(super) fn child_gone(&mut self) {
        self.blocked = false;
    }

    /// A replaced database answered; whether that is news.
    pub(super) fn old_database(&mut self, timeline: Timeline) -> bool {
        self.old.replace(timeline) != Some(timeline)
    }
}

impl Core {
    /// Tells of another program that has this member's name: it looked after this one had started.
    pub(super) fn notice_twins(&mut self, now: Moment) {
        let own_age = now.since(self.started);
        let lived = own_age.saturating_sub(self.terms.timeout);
        let me = &self.terms.me;
        let is_twin = |name: &Name, instance: Nonce| *name == me.name && instance != me.instance;
        let twin =
            self.sight.members.iter().find(|member| is_twin(&member.name, member.instance) && member.age < lived);
        let twin = twin.map(|member| member.instance);
        if twin != self.notices.twin {
            self.notices.twin = twin;
            if let Some(other) = twin {
                self.tell(Happening::NameTwice { other });
            }
        }
    }

    /// Tells what changed from one row to the next.
    pub(super) fn notice_row(&mut self, before: Option<&Row>, row: &Row) {
        let holder = |row: &Row| (row.state == RowState::Active).then(|| row.holder.clone());
        if before.map(holder) != Some(holder(row)) && row.state != RowState::Fencing {
            self.tell(Happening::HolderIs { holder: holder(row) });
        }
        let was_paused = before.and_then(|before| before.paused.as_ref());
        match (&row.paused, was_paused) {
            (Some(by), was) if Some(by) != was => self.tell(Happening::Paused(by.clone())),
            (None, Some(_)) => self.tell(Happening::Resumed),
            _ => (),
        }
        let asked = |row: &Row| row.switch.as_ref().map(|switch| switch.id);
        if let Some(switch) = &row.switch
            && before.and_then(asked) != Some(switch.id)
        {
            self.tell(Happening::SwitchAsked { id: switch.id, to: switch.to.clone() });
        }
        let settled = |row: &Row| row.settled.as_ref().map(|settled| settled.id);
        if let (Some(before), Some(now)) = (before, &row.settled)
            && settled(before) != Some(now.id)
        {
            self.tell(Happening::Settled { id: now.id, outcome: now.outcome.clone() });
        }
        let differs = row.state != RowState::Free && row.ttl != self.terms.ttl;
        if differs && !self.notices.ttl_differs {
            self.tell(Happening::TtlDiffers { row: row.ttl, own: self.terms.ttl });
        }
        self.notices.ttl_differs = differs;
    }
}
