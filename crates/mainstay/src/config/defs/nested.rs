//! Kinds of values that are tables themselves: nodes, policies, checks, routes and the like.

use ::toml::de::{DeTable as Table, DeValue};

use super::kinds::{array, list, quoted};
use super::pool::EjectAfter;
use super::{ACT, CHECK, EJECT, ERROR_PAGE, Kind, MIRROR, NODE, ROUTE, Setting, Value};
use crate::config::read::{Decoder, Part};
use crate::config::typed::{Act, Check, Eject, ErrorPage, Maybe, Mirror, Node, Policy, Route, Spanned};

/// The nodes of a pool.
pub(super) struct Nodes;

impl Kind for Nodes {
    type Slot = Vec<Spanned<Node>>;

    fn name(&self) -> String {
        "a list of texts and tables, see [nodes](#an-entry-of-nodes)".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        for entry in cx.entries(value) {
            match entry.get_ref() {
                DeValue::Table(table) => slot.push(required(NODE, table, entry, cx, (|node: &Node| &node.at, "at"))),
                _ => {
                    if let Some(at) = cx.text(entry, "texts or tables such as { at = \"host:port\" }") {
                        slot.push(cx.spanned(Node { at, ..Node::default() }, entry));
                    }
                }
            }
        }
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        let entry = |node: &Spanned<Node>| {
            let simple = Node { at: node.value.at.clone(), ..Node::default() };
            if simple == node.value { quoted(&node.value.at.value) } else { inline(NODE, &node.value) }
        };
        (!slot.is_empty()).then(|| array(&slot.iter().map(entry).collect::<Vec<_>>()))
    }
}

/// How a pool picks.
pub(super) struct PolicyKind;

impl Kind for PolicyKind {
    type Slot = Maybe<Policy>;

    fn name(&self) -> String {
        "`\"spread\"`, `\"least\"`, `\"primary\"`, `{ primary = ... }`, `{ hash = ... }` or `{ leader = ... }`"
            .to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        let policy = match value.get_ref() {
            DeValue::String(text) => match text.as_ref() {
                "spread" => Some(Policy::Spread),
                "least" => Some(Policy::Least),
                "primary" => Some(Policy::Primary(None)),
                other => {
                    let what = format!("there is no policy \"{other}\"");
                    let words = ["spread", "least", "primary", "hash", "leader"];
                    let help = match crate::config::fault::did_you_mean(other, words) {
                        Some("hash") => "write { hash = \"client\" }, \"target\" or \"field:NAME\"".to_owned(),
                        Some("leader") => "write { leader = \"LEASE\" }".to_owned(),
                        Some(guess) => format!("did you mean \"{guess}\"?"),
                        None => "write \"spread\", \"least\", \"primary\" or { hash = \"client\" }".to_owned(),
                    };
                    cx.bad(value, &what).help(help);
                    None
                }
            },
            DeValue::Table(table) => policy_table(table, value, cx),
            _ => {
                cx.wrong(value, "text or a table")
                    .help("write \"spread\", \"least\", \"primary\" or { hash = \"client\" }");
                None
            }
        };
        *slot = policy.map(|policy| cx.spanned(policy, value));
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        Some(match &slot.as_ref()?.value {
            Policy::Spread => quoted("spread"),
            Policy::Least => quoted("least"),
            Policy::Primary(None) => quoted("primary"),
            Policy::Primary(Some(failback)) => format!("{{ primary = {} }}", quoted(&failback.value)),
            Policy::Hash(key) => format!("{{ hash = {} }}", quoted(&key.value)),
            Policy::Leader(lease) => format!("{{ leader = {} }}", quoted(&lease.value)),
        })
    }
}

fn policy_table(table: &Table<'_>, value: &Value<'_>, cx: &mut Decoder<'_>) -> Option<Policy> {
    let mut entries = table.iter();
    match (entries.next(), entries.next()) {
        (Some((key, inner)), None) => match key.get_ref().as_ref() {
            "primary" => return Some(Policy::Primary(cx.text(inner, "a time or \"never\" behind \"primary\""))),
            "hash" => return cx.text(inner, "text behind \"hash\"").map(Policy::Hash),
            "leader" => return cx.text(inner, "the name of a lease behind \"leader\"").map(Policy::Leader),
            other => cx.bad(value, &format!("there is no policy \"{other}\" with a value")),
        },
        _ => cx.bad(value, "a policy is a table with one key"),
    }
    .help("write { primary = \"30s\" }, { hash = \"client\" } or { leader = \"LEASE\" }");
    None
}

/// Passive removal.
pub(super) struct Ejection;

impl Kind for Ejection {
    type Slot = Maybe<Eject>;

    fn name(&self) -> String {
        "`\"off\"` or a table, see [eject](#eject)".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        match value.get_ref() {
            DeValue::String(text) if text == "off" => *slot = Some(cx.spanned(Eject::Off, value)),
            DeValue::Table(table) => {
                let mut after = EjectAfter::default();
                cx.inner(table, &mut [&mut Part { settings: EJECT, into: &mut after }]);
                let EjectAfter { failures, within, out_for } = after;
                *slot = Some(cx.spanned(Eject::After { failures, within, out_for }, value));
            }
            _ => {
                cx.wrong(value, "\"off\" or a table")
                    .help("write \"off\" or { failures = 3, within = \"5s\", out_for = \"5s\" }");
            }
        }
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        Some(match &slot.as_ref()?.value {
            Eject::Off => quoted("off"),
            Eject::After { failures, within, out_for } => {
                inline(EJECT, &EjectAfter { failures: *failures, within: *within, out_for: *out_for })
            }
        })
    }
}

/// The checks of a pool.
pub(super) struct Checks;

impl Kind for Checks {
    type Slot = Vec<Spanned<Check>>;

    fn name(&self) -> String {
        "a table or a list of tables, see [check](#an-entry-of-check)".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        for entry in cx.entries(value) {
            match entry.get_ref() {
                DeValue::Table(table) => slot.push(plain(CHECK, table, entry, cx)),
                _ => {
                    cx.wrong(entry, "a table").help("write { http = \"/path\" } or { tcp = true }");
                }
            }
        }
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        list(slot.iter().map(|check| inline(CHECK, &check.value)).collect())
    }
}

/// The routes of a listener.
pub(super) struct Routes;

impl Kind for Routes {
    type Slot = Vec<Spanned<Route>>;

    fn name(&self) -> String {
        "a list of tables, see [routes](#an-entry-of-routes)".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        for entry in cx.entries(value) {
            let DeValue::Table(table) = entry.get_ref() else {
                cx.wrong(entry, "a table").help("write { path = \"/path\", to = \"http://POOL\" }");
                continue;
            };
            let (mut route, mut action) = (Route::default(), Act::default());
            let mut parts = (Part { settings: ROUTE, into: &mut route }, Part { settings: ACT, into: &mut action });
            cx.inner(table, &mut [&mut parts.0, &mut parts.1]);
            if route.path.value.is_empty() {
                missing(entry, "path", table, cx);
            }
            route.action = action;
            slot.push(cx.spanned(route, entry));
        }
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        let entry = |route: &Spanned<Route>| {
            let (mut route, mut pairs) = (route.value.clone(), Vec::new());
            pairs_of(ROUTE, &mut route, &mut pairs);
            pairs_of(ACT, &mut route.action, &mut pairs);
            format!("{{ {} }}", pairs.join(", "))
        };
        (!slot.is_empty()).then(|| array(&slot.iter().map(entry).collect::<Vec<_>>()))
    }
}

/// Copies of a request.
pub(super) struct Mirrors;

impl Kind for Mirrors {
    type Slot = Vec<Spanned<Mirror>>;

    fn name(&self) -> String {
        "a text or a table, or a list of them, see [mirror](#an-entry-of-mirror)".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        for entry in cx.entries(value) {
            match entry.get_ref() {
                DeValue::Table(table) => {
                    slot.push(required(MIRROR, table, entry, cx, (|mirror: &Mirror| &mirror.to, "to")))
                }
                _ => {
                    if let Some(to) = cx.text(entry, "text or a table such as { to = \"http://POOL\" }") {
                        slot.push(cx.spanned(Mirror { to, ..Mirror::default() }, entry));
                    }
                }
            }
        }
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        let entry = |mirror: &Spanned<Mirror>| {
            let simple = Mirror { to: mirror.value.to.clone(), ..Mirror::default() };
            if simple == mirror.value { quoted(&mirror.value.to.value) } else { inline(MIRROR, &mirror.value) }
        };
        list(slot.iter().map(entry).collect())
    }
}

/// Other answers for some statuses.
pub(super) struct ErrorPages;

impl Kind for ErrorPages {
    type Slot = Vec<Spanned<ErrorPage>>;

    fn name(&self) -> String {
        "a table or a list of tables, see [error_pages](#an-entry-of-error_pages)".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        for entry in cx.entries(value) {
            match entry.get_ref() {
                DeValue::Table(table) => {
                    let page = required(ERROR_PAGE, table, entry, cx, (|page: &ErrorPage| &page.to, "to"));
                    if page.value.status.is_empty() {
                        missing(entry, "status", table, cx);
                    }
                    slot.push(page);
                }
                _ => {
                    cx.wrong(entry, "a table").help("write { status = 503, to = \"/path\" }");
                }
            }
        }
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        list(slot.iter().map(|page| inline(ERROR_PAGE, &page.value)).collect())
    }
}

pub(super) fn plain<T: Default>(
    settings: &'static [Setting<T>],
    table: &Table<'_>,
    entry: &Value<'_>,
    cx: &mut Decoder<'_>,
) -> Spanned<T> {
    let mut into = T::default();
    cx.inner(table, &mut [&mut Part { settings, into: &mut into }]);
    cx.spanned(into, entry)
}

fn required<T: Default>(
    settings: &'static [Setting<T>],
    table: &Table<'_>,
    entry: &Value<'_>,
    cx: &mut Decoder<'_>,
    (slot, key): (fn(&T) -> &Spanned<String>, &str),
) -> Spanned<T> {
    let read = plain(settings, table, entry, cx);
    if slot(&read.value).value.is_empty() {
        missing(entry, key, table, cx);
    }
    read
}

/// Says that a key is missing, unless it is there with a value that was refused.
pub(super) fn missing(entry: &Value<'_>, key: &str, table: &Table<'_>, cx: &mut Decoder<'_>) {
    match table.get(key) {
        None => cx.bad(entry, &format!("this entry has no \"{key}\"")).help(format!("add `{key} = ...`")),
        Some(typed) if typed.get_ref().as_str() == Some("") => {
            cx.bad(typed, &format!("\"{key}\" is empty")).help("write what belongs there")
        }
        Some(_) => return,
    };
}

/// A table as an inline table.
pub(super) fn inline<T: Clone>(settings: &'static [Setting<T>], from: &T) -> String {
    let mut pairs = Vec::new();
    pairs_of(settings, &mut from.clone(), &mut pairs);
    if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
}

/// `key = value` for everything that was typed; lists in it stay on one line.
fn pairs_of<T>(settings: &'static [Setting<T>], from: &mut T, pairs: &mut Vec<String>) {
    for setting in settings {
        if let Some(value) = setting.field.print(from) {
            pairs.push(format!("{} = {value}", setting.key));
        }
    }
}
