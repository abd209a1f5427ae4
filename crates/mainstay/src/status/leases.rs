//! Leases on the screen: a row for each, its members below.

use super::span;
use super::table::{Cell, Table};
use crate::admin::document::{Lease, Member};

pub(super) fn table(leases: &[Lease]) -> Table {
    let mut table = Table::new(&["LEASE", "HOLDER", "PHASE", "TOKEN", "TIER", "CHILD", "FOR", "LEFT", "WHY"]);
    for lease in leases {
        table.row(head(lease));
        lease.members.iter().for_each(|one| table.row(member(one)));
    }
    table
}

fn head(lease: &Lease) -> Vec<Cell> {
    let phase = Cell::left(&lease.phase);
    let phase = match lease.phase.as_str() {
        _ if !lease.fresh => phase.bad(),
        "ready" => phase.good(),
        "vacant" => phase.bad(),
        _ => phase.fair(),
    };
    let tier = Cell::left(&lease.tier);
    let child = lease.child.as_ref().map_or_else(
        || [Cell::left("-"), Cell::left("")],
        |child| {
            let state = Cell::left(&child.state);
            let state = match child.state.as_str() {
                "ready" => state.good(),
                "gone" => state,
                "unwell" | "unknown" => state.bad(),
                _ => state.fair(),
            };
            [state, Cell::left(&span(child.for_s))]
        },
    );
    let mut cells = vec![
        Cell::left(&lease.name),
        Cell::left(lease.holder.as_deref().unwrap_or("nobody")),
        phase,
        Cell::left(&lease.token),
        if lease.tier == "advisory" { tier.fair() } else { tier },
    ];
    cells.extend(child);
    cells.push(Cell::right(lease.left_s.map_or_else(|| "-".to_owned(), span)));
    cells.push(Cell::left(&why(lease).join(", ")));
    cells
}

fn why(lease: &Lease) -> Vec<String> {
    let mut why: Vec<String> = lease.waits.iter().cloned().collect();
    let has_begun = why.is_empty();
    if !lease.fresh {
        why.push(format!("the store does not answer ({}): this is the last that was known", lease.store));
    }
    why.extend(lease.paused_by.as_ref().map(|by| match lease.phase.as_str() {
        "vacant" => {
            format!("PAUSED by {by}, so nobody takes it over: `mainstay resume {}` ends that", lease.name)
        }
        _ => format!("paused by {by}"),
    }));
    why.extend(lease.switchover.as_ref().map(|it| match &it.to {
        Some(to) => format!("switch-over to {to}"),
        None => "switch-over".to_owned(),
    }));
    if lease.standing == "frozen" {
        why.push("the child is frozen until the lease is confirmed".to_owned());
    }
    let guards = |member: &Member| member.priority > 0 && member.state != "gone";
    if !lease.members.iter().any(guards) && lease.fresh && has_begun {
        why.push("nobody guards it".to_owned());
    }
    if has_begun && lease.members.iter().any(|it| it.name == lease.me && !it.own && it.state != "gone") {
        why.push(format!("ANOTHER MEMBER IS CALLED {} AS WELL: give each a name of its own", lease.me));
    }
    if let Some(child) = &lease.child {
        why.extend(child.reason.clone());
        why.extend(child.trouble.clone());
    }
    why
}

fn member(one: &Member) -> Vec<Cell> {
    let state = Cell::left(&one.state);
    let state = match one.state.as_str() {
        "holder" => state.good(),
        "gone" => state.bad(),
        "unfit" if one.priority > 0 => state.fair(),
        _ => state,
    };
    let own = match one.state.as_str() {
        "gone" => format!("last seen {} ago", span(one.ago_s)),
        _ if one.own => "this one".to_owned(),
        _ => format!("seen {} ago", span(one.ago_s)),
    };
    let priority = match one.priority {
        0 => "never takes over".to_owned(),
        priority => format!("priority {priority}"),
    };
    let mut cells = vec![Cell::left(&format!("  {}", one.name)), Cell::left(""), state];
    cells.extend((0..5).map(|_| Cell::left("")));
    cells.push(Cell::left(&format!("{priority}, {own}")));
    cells
}
