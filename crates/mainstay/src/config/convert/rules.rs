//! `[retry.NAME]` and `[limit.NAME]`.

use mainstay_proxy::params::{ClientLimits, Retry};

use super::{Cx, or};
use crate::config::defaults;
use crate::config::fault::did_you_mean;
use crate::config::typed::{self, Maybe, Spanned};

/// The rules by name, and which of them are used.
pub(super) struct Rules {
    retries: Vec<Named<Retry>>,
    limits: Vec<Named<(ClientLimits, u32)>>,
}

struct Named<T> {
    name: Spanned<String>,
    rule: T,
    used: bool,
}

impl Rules {
    pub(super) fn new(cx: &mut Cx<'_>) -> Self {
        let config = cx.config;
        let named = |name: &Spanned<String>| name.clone();
        let retries =
            config.retries.iter().map(|(name, typed)| Named { name: named(name), rule: retry(cx, typed), used: false });
        let retries = retries.collect();
        let limits =
            config.limits.iter().map(|(name, typed)| Named { name: named(name), rule: limit(cx, typed), used: false });
        Self { retries, limits: limits.collect() }
    }

    /// The rule of retries that is named, or the default one.
    pub(super) fn retry(&mut self, cx: &mut Cx<'_>, name: &Maybe<String>) -> Retry {
        let found = find(cx, &mut self.retries, "retry", name);
        found.cloned().unwrap_or_else(|| retry(cx, &typed::Retry::default()))
    }

    /// The limits that are named, or the default ones; with the most connections.
    pub(super) fn limit(&mut self, cx: &mut Cx<'_>, name: &Maybe<String>) -> (ClientLimits, u32) {
        let found = find(cx, &mut self.limits, "limit", name);
        found.cloned().unwrap_or_else(|| limit(cx, &typed::Limit::default()))
    }

    /// Tables that nothing refers to, as `[kind.NAME]`.
    pub(super) fn unused(&self) -> Vec<(&'static str, &Spanned<String>)> {
        let retries = self.retries.iter().filter(|named| !named.used).map(|named| ("retry", &named.name));
        let limits = self.limits.iter().filter(|named| !named.used).map(|named| ("limit", &named.name));
        retries.chain(limits).filter(|(_, name)| name.value != "default").collect()
    }
}

fn find<'r, T>(cx: &mut Cx<'_>, rules: &'r mut [Named<T>], kind: &str, name: &Maybe<String>) -> Option<&'r T> {
    let wanted = name.as_ref().map_or("default", |name| name.value.as_str());
    if let Some(at) = rules.iter().position(|named| named.name.value == wanted) {
        let named = rules.get_mut(at)?;
        named.used = true;
        return Some(&named.rule);
    }
    if let Some(name) = name.as_ref().filter(|name| name.value != "default") {
        let names: Vec<&str> = rules.iter().map(|named| named.name.value.as_str()).collect();
        let help = match did_you_mean(wanted, names) {
            Some(guess) => format!("did you mean \"{guess}\"?"),
            None => format!("add [{kind}.{wanted}], or leave the key out"),
        };
        cx.fault(name.span, format!("there is no [{kind}.{wanted}]")).help(help);
        cx.unsure = true;
    }
    None
}

fn retry(cx: &mut Cx<'_>, typed: &typed::Retry) -> Retry {
    let mut rule = Retry {
        tries: or(typed.tries, defaults::RETRY_TRIES),
        within: or(typed.within, defaults::RETRY_WITHIN),
        buffer: usize::try_from(or(typed.buffer, defaults::RETRY_BUFFER)).unwrap_or(usize::MAX),
        on_error: false,
        on_timeout: false,
        on_invalid: false,
        statuses: Vec::new(),
        non_idempotent: or(typed.non_idempotent, false),
        commands: or(typed.commands, false),
    };
    let is_canton = |pool: &typed::Pool| pool.kind.as_ref().is_some_and(|kind| kind.value == "canton");
    if let Some(commands) = typed.commands.filter(|_| !cx.config.pools.iter().any(|(_, pool)| is_canton(pool))) {
        cx.fault(commands.span, "`commands` does nothing, since no pool is of `kind = \"canton\"`")
            .help("write that into the pool of the participant, or leave it out");
    }
    if let Some(buffer) = typed.buffer.filter(|buffer| buffer.value > LARGEST_BUFFER) {
        cx.fault(buffer.span, "a buffer this large, for each request, is more memory than there is")
            .help("write \"1GiB\" or less");
    }
    match &typed.on {
        None => (rule.on_error, rule.on_timeout, rule.on_invalid) = (true, true, true),
        Some(reasons) => reasons.iter().for_each(|reason| retry_on(cx, &mut rule, reason)),
    }
    if rule.non_idempotent && !rule.on_error && !rule.on_timeout && !rule.on_invalid && rule.statuses.is_empty() {
        let span = typed.non_idempotent.map(|flag| flag.span).unwrap_or_default();
        cx.fault(span, "nothing that was sent is ever repeated, since `on` is empty")
            .help("leave `non_idempotent` out, or write what calls for another try into `on`");
    }
    rule
}

fn retry_on(cx: &mut Cx<'_>, rule: &mut Retry, reason: &Spanned<String>) {
    let text = reason.value.as_str();
    match text {
        "error" => rule.on_error = true,
        "timeout" => rule.on_timeout = true,
        "invalid" => rule.on_invalid = true,
        _ => match text.strip_prefix("http_").unwrap_or(text).parse::<u16>() {
            Ok(status @ 400..=599) => rule.statuses.push(status),
            Ok(status) => {
                cx.fault(reason.span, format!("an answer of status {status} is no reason to try again"))
                    .help("write a status from 400 to 599");
            }
            Err(_) => {
                let help = match did_you_mean(text, ["error", "timeout", "invalid"]) {
                    Some(guess) => format!("did you mean \"{guess}\"?"),
                    None => "write \"error\", \"timeout\", \"invalid\" or a status such as 404".to_owned(),
                };
                cx.fault(reason.span, format!("\"{text}\" is no reason to try again")).help(help);
            }
        },
    }
}

fn limit(cx: &mut Cx<'_>, typed: &typed::Limit) -> (ClientLimits, u32) {
    let request_line = cx.positive(typed.request_line, "a request line", "\"1KiB\"", defaults::REQUEST_LINE);
    let head = cx.positive(typed.head, "a head", "\"1KiB\"", defaults::HEAD.max(request_line.min(LARGEST_HEAD)));
    if let Some(large) = typed.head.filter(|head| head.value > LARGEST_HEAD) {
        cx.fault(large.span, "a head larger than a worker's buffer cannot be read").help("write \"64KiB\" or less");
    }
    if let Some(line) = typed.request_line.filter(|line| line.value > head) {
        cx.fault(line.span, "the request line is a part of the head and cannot be longer than it")
            .help("write a larger `head` or a smaller `request_line`");
    }
    let small = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    let limits = ClientLimits {
        request_line: small(request_line.min(head)),
        head: small(head),
        fields: small(u64::from(cx.positive(typed.fields, "a number of fields", "1", defaults::FIELDS))),
        head_timeout: cx.positive(typed.head_timeout, "a time", "\"1s\"", defaults::HEAD_TIMEOUT),
        body_timeout: cx.positive(typed.body_timeout, "a time", "\"1s\"", defaults::BODY_TIMEOUT),
        send_timeout: cx.positive(typed.send_timeout, "a time", "\"1s\"", defaults::CLIENT_SEND_TIMEOUT),
        idle_timeout: or(typed.idle, defaults::CLIENT_IDLE),
        requests: cx.positive(typed.requests, "a number of requests", "1", defaults::CLIENT_REQUESTS),
        streams: cx.positive(typed.streams, "a number of requests", "1", defaults::CLIENT_STREAMS),
    };
    (limits, cx.positive(typed.connections, "a number of connections", "1", defaults::CONNECTIONS))
}

/// A gigabyte.
const LARGEST_BUFFER: u64 = 1 << 30;

/// What a worker reads into at once.
const LARGEST_HEAD: u64 = 64 << 10;
