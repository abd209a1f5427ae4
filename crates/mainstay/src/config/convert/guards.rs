//! `[guard.NAME]`.

use std::path::PathBuf;
use std::time::Duration;

use mainstay_guard::Template;

use super::{Cx, or};
use crate::config::defaults;
use crate::config::fault::did_you_mean;
use crate::config::leases::{Cgroup, Guard, Hook, Probe, Progress, Ready, Restart, StopSignal};
use crate::config::typed::{self, Maybe, Span, Spanned};

/// Converts a guard; `None` when there is nothing for it to run.
pub(super) fn convert(
    cx: &mut Cx<'_>,
    name: &Spanned<String>,
    typed: &typed::Guard,
    on_one_machine: bool,
    lease: &typed::Lease,
) -> Option<Guard> {
    role(cx, typed, on_one_machine, lease);
    times(cx, typed);
    holder(cx, typed);
    let guard = Guard {
        name: name.value.clone(),
        run: words(cx, &typed.run),
        dir: typed.dir.as_ref().map(|dir| PathBuf::from(&dir.value)),
        env: env(cx, typed),
        role: typed.role.as_ref().map(|role| role.value.clone()),
        password_file: typed.password_file.as_ref().map(|path| PathBuf::from(&path.value)),
        ready: typed.ready.as_ref().and_then(|typed| ready(cx, typed)),
        unwell_after: typed.unwell_after.map(|typed| cx.positive(Some(typed), "a time", "\"1s\"", typed.value)),
        progress: typed.progress.as_ref().and_then(|typed| progress(cx, typed)),
        prepare: hook(cx, &typed.prepare),
        before: hook(cx, &typed.before),
        after: hook(cx, &typed.after),
        stop_signal: word(cx, &typed.stop_signal, ("a signal that ends a program", "SIG"), &SIGNALS, StopSignal::Term),
        stop_within: cx.positive(typed.stop_within, "a time to end", "\"1s\"", defaults::STOP_WITHIN),
        restart: Some(restart(cx, typed.restart.as_ref())),
        freeze: or(typed.freeze, true),
        cgroup: word(cx, &typed.cgroup, ("a way with control groups", ""), &CGROUPS, Cgroup::Auto),
    };
    if guard.run.is_empty() {
        if !cx.broken.table(name.span) {
            cx.fault(name.span, format!("[guard.{}] runs nothing", name.value))
                .help("add `run = [\"PROGRAM\", \"ARGUMENT\", ...]`");
        }
        return None;
    }
    Some(guard)
}

/// Who goes first.
pub(super) fn priority(cx: &mut Cx<'_>, guard: &typed::Guard) -> u32 {
    let Some(typed) = &guard.priority else { return defaults::PRIORITY };
    match (typed.value.parse(), typed.value.as_str()) {
        (Ok(number), _) => number,
        (_, "never") => 0,
        (_, "preferred") => defaults::PREFERRED,
        (_, other) => {
            let help = match did_you_mean(other, ["never", "preferred"]) {
                Some(guess) => format!("did you mean \"{guess}\"?"),
                None => "write a number, \"never\" or \"preferred\"".to_owned(),
            };
            cx.fault(typed.span, format!("there is no priority \"{other}\"")).help(help);
            defaults::PRIORITY
        }
    }
}

/// How long a successor may make ready: its own hook, and a moment for word of it to come around.
pub(super) fn prepare_within(guard: &typed::Guard) -> Option<Duration> {
    let hook = guard.prepare.as_ref()?;
    Some(or(hook.value.within, defaults::HOOK_WITHIN) + AROUND)
}

fn role(cx: &mut Cx<'_>, typed: &typed::Guard, on_one_machine: bool, lease: &typed::Lease) {
    match &typed.role {
        Some(role) if on_one_machine => {
            cx.fault(role.span, "`role` does nothing with a store in a file")
                .help("leave it out, or write url = \"postgres://...\" into [store]");
        }
        Some(role) if lease.database.is_none() => {
            cx.fault(role.span, format!("nothing says which database the role \"{}\" works in", role.value))
                .help("add `database = \"NAME\"` to the lease");
        }
        Some(role) if lease.group.is_none() => {
            cx.fault(role.span, format!("nothing says who owns what the role \"{}\" creates", role.value)).help(
                "add `group = \"NAME\"` to the lease, a role that all holders act as: the next one could not use it else",
            );
        }
        Some(_) => {}
        None => {
            let places = typed.env.iter().find(|(_, text)| has_place(&text.value)).map(|(_, text)| text.span);
            let file = typed.password_file.as_ref().map(|path| path.span);
            if let Some(span) = places.or(file) {
                cx.fault(span, "this guard has no role, so there is no password")
                    .help("add `role = \"NAME\"`, the child's login role in PostgreSQL");
            }
        }
    }
}

fn has_place(text: &str) -> bool {
    ["{role}", "{password}"].iter().any(|place| {
        let doubled = format!("{{{place}}}");
        text.replace(&doubled, "").contains(place)
    })
}

/// Times that do nothing, or do not go together.
fn times(cx: &mut Cx<'_>, typed: &typed::Guard) {
    if let (None, Some(unwell)) = (&typed.ready, typed.unwell_after) {
        cx.fault(unwell.span, "`unwell_after` does nothing without a ready check")
            .help("add `ready = { tcp = \"127.0.0.1:PORT\" }`, or leave it out");
    }
    if let (Some(freeze), Some(after)) = (typed.freeze.filter(|freeze| !freeze.value), typed.kill_after) {
        cx.fault(after.span, "`kill_after` does nothing for a child that is not frozen")
            .help("leave it out, or write freeze = true")
            .see(freeze.span, "`freeze`");
    }
    cx.positive(typed.kill_after, "a time", "\"1s\"; `freeze = false` kills at once", defaults::KILL_AFTER);
}

/// Whatever goes into the store as a name, and is compared with the hosts of nodes.
fn holder(cx: &mut Cx<'_>, typed: &typed::Guard) {
    let Some(name) = &typed.name else { return };
    let good = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    if name.value.is_empty() || name.value.len() > LONGEST_NAME || !name.value.chars().all(good) {
        cx.fault(name.span, format!("\"{}\" is no name for a holder", name.value))
            .help(format!("names are made of letters, digits, `_`, `-` and `.`, at most {LONGEST_NAME}"));
    }
}

fn words(cx: &mut Cx<'_>, typed: &[Spanned<String>]) -> Vec<String> {
    for (at, word) in typed.iter().enumerate() {
        if word.value.contains('\0') {
            cx.fault(word.span, "an argument cannot have a NUL in it").help("leave it out");
        } else if at == 0 && word.value.is_empty() {
            cx.fault(word.span, "this program has no name").help("write its path, or a name that is found in PATH");
        }
    }
    typed.iter().map(|word| word.value.clone()).collect()
}

fn env(cx: &mut Cx<'_>, typed: &typed::Guard) -> Vec<(String, String)> {
    for (name, text) in &typed.env {
        if name.value.is_empty() || name.value.contains(['=', '\0']) {
            cx.fault(name.span, format!("\"{}\" is no name for a variable", name.value))
                .help("write a name of letters, digits and `_`");
        }
        if text.value.contains('\0') {
            cx.fault(text.span, "a variable cannot have a NUL in it").help("leave it out");
        }
        if let Err(wrong) = Template::parse(&text.value) {
            cx.fault(text.span, format!("there is no place \"{{{}}}\" to be filled in", wrong.word)).help(format!(
                "write {{role}}, {{password}}, {{epoch}} or {{token}}; {{{{{}}}}} for the text itself",
                wrong.word
            ));
        }
    }
    typed.env.iter().map(|(name, text)| (name.value.clone(), text.value.clone())).collect()
}

fn ready(cx: &mut Cx<'_>, typed: &Spanned<typed::Ready>) -> Option<Ready> {
    let (it, span) = (&typed.value, typed.span);
    let probes = [
        it.tcp.as_ref().map(|tcp| tcp.span),
        it.http.as_ref().map(|http| http.span),
        it.run.first().map(|run| run.span),
    ];
    let mut given = probes.into_iter().flatten();
    let (first, second) = (given.next(), given.next());
    if let (Some(first), Some(second)) = (first, second) {
        cx.fault(second, "a ready check is one of `tcp`, `http` and `run`")
            .help("leave the others out")
            .see(first, "the first one");
    } else if first.is_none() && !cx.broken.around(span) {
        cx.fault(span, "this check asks nothing").help(
            "write { tcp = \"127.0.0.1:PORT\" }, { http = \"http://127.0.0.1:PORT/path\" } or { run = [\"PROGRAM\"] }",
        );
    }
    if let (None, Some(status)) = (&it.http, it.status) {
        cx.fault(status.span, "`status` is for `http`").help("leave it out");
    }
    let probe = probe(cx, it)?;
    Some(Ready {
        probe,
        every: cx.positive(it.every, "checks with a pause", "\"10ms\"", defaults::READY_EVERY),
        timeout: cx.positive(it.timeout, "a timeout", "\"10ms\"", defaults::READY_TIMEOUT),
        within: it.within.map(|within| cx.positive(Some(within), "a time to get ready", "\"1s\"", within.value)),
    })
}

fn probe(cx: &mut Cx<'_>, it: &typed::Ready) -> Option<Probe> {
    if let Some(tcp) = &it.tcp {
        return address(cx, &tcp.value, tcp.span, "\"127.0.0.1:10002\"").map(Probe::Tcp);
    }
    if let Some(http) = &it.http {
        let Some(rest) = http.value.strip_prefix("http://") else {
            cx.fault(http.span, "this is no http:// URL").help("write \"http://127.0.0.1:PORT/path\"");
            return None;
        };
        let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let at = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let at = address(cx, &at, http.span, "\"http://127.0.0.1:8080/health\"")?;
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            cx.fault(http.span, "a path has no spaces and none but ASCII characters").help("encode them, as `%20`");
        }
        return Some(Probe::Http { at, path: path.to_owned(), status: it.status.map(|status| status.value) });
    }
    let run = words(cx, &it.run);
    (!run.is_empty()).then_some(Probe::Run(run))
}

/// A host and a port.
fn address(cx: &mut Cx<'_>, text: &str, span: Span, example: &str) -> Option<String> {
    let port =
        text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_none_or(|port| port == 0) {
        cx.fault(span, format!("\"{text}\" is no host with a port")).help(format!("write {example}"));
        return None;
    }
    Some(text.to_owned())
}

fn progress(cx: &mut Cx<'_>, typed: &Spanned<typed::Progress>) -> Option<Progress> {
    let (it, span) = (&typed.value, typed.span);
    let (Some(within), false) = (it.within, it.run.is_empty()) else {
        if !cx.broken.around(span) {
            cx.fault(span, "a progress check takes a command, and how long its output may stay the same")
                .help("write { run = [\"PROGRAM\"], within = \"5m\" }");
        }
        return None;
    };
    let every = cx.positive(it.every, "checks with a pause", "\"1s\"", defaults::PROGRESS_EVERY.min(within.value / 3));
    if within.value < every * 2 {
        cx.fault(within.span, "within this time the output is looked at only once")
            .help(format!("write \"{}\" or more", crate::config::units::show_time(every * 2)));
    }
    Some(Progress {
        run: words(cx, &it.run),
        every,
        timeout: cx.positive(it.timeout, "a timeout", "\"100ms\"", defaults::PROGRESS_TIMEOUT),
        within: within.value,
    })
}

fn hook(cx: &mut Cx<'_>, typed: &Maybe<typed::Hook>) -> Option<Hook> {
    let typed = typed.as_ref()?;
    let within = cx.positive(typed.value.within, "a time", "\"1s\"", defaults::HOOK_WITHIN);
    let run = words(cx, &typed.value.run);
    (!run.is_empty()).then_some(Hook { run, within })
}

fn restart(cx: &mut Cx<'_>, typed: Option<&Spanned<typed::Restart>>) -> Restart {
    let typed = typed.map(|typed| &typed.value);
    let within = typed.and_then(|typed| typed.within);
    let backoff = typed.and_then(|typed| typed.backoff);
    Restart {
        times: or(typed.and_then(|typed| typed.times), defaults::RESTART_TIMES),
        within: cx.positive(within, "a time", "\"1m\"", defaults::RESTART_WITHIN),
        backoff: or(backoff, defaults::RESTART_BACKOFF),
    }
}

/// One of some words, before which `prefix` may stand.
fn word<T: Copy>(
    cx: &mut Cx<'_>,
    typed: &Maybe<String>,
    (what, prefix): (&str, &str),
    words: &[(&str, T)],
    default: T,
) -> T {
    let Some(typed) = typed else { return default };
    let text = typed.value.strip_prefix(prefix).unwrap_or(&typed.value);
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return *value;
    }
    let names: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    let help = match did_you_mean(text, words.iter().map(|(word, _)| *word)) {
        Some(guess) => format!("did you mean \"{guess}\"?"),
        None => format!("write {}", names.join(", ")),
    };
    cx.fault(typed.span, format!("\"{}\" is not {what}", typed.value)).help(help);
    default
}

const SIGNALS: [(&str, StopSignal); 6] = [
    ("TERM", StopSignal::Term),
    ("INT", StopSignal::Int),
    ("QUIT", StopSignal::Quit),
    ("HUP", StopSignal::Hup),
    ("USR1", StopSignal::Usr1),
    ("USR2", StopSignal::Usr2),
];

const CGROUPS: [(&str, Cgroup); 3] = [("auto", Cgroup::Auto), ("never", Cgroup::Never), ("required", Cgroup::Required)];

/// As long as a host name may be.
const LONGEST_NAME: usize = 64;

/// Word of a successor that is ready takes two looks at the store.
const AROUND: Duration = Duration::from_secs(10);
