//! Retry rules and limits on clients, with nginx's defaults where a file says nothing.

use std::time::Duration;

use super::ast::Directive;
use super::scope::{Scope, number, size, typed};
use crate::config::fault::Report;
use crate::config::typed::{Limit, Maybe, Retry, Span, Spanned};

/// `proxy_next_upstream` or `grpc_next_upstream` and what belongs to it, as it holds in a place of `http`. Where no number
/// of tries is said, Mainstay's default is nginx's: each node once.
pub(super) fn retry(family: &str, scope: &Scope<'_>, span: Span, report: &mut Report) -> Retry {
    let is_grpc = family == "grpc";
    let own = format!("{family}_next_upstream");
    // A call goes on as it comes, so that nothing of it is there to be sent once more.
    let buffer = if is_grpc { 0 } else { replay_buffer(scope, span, report) };
    let mut retry = Retry {
        tries: scope.number(&format!("{own}_tries"), report),
        within: scope.time(&format!("{own}_timeout"), report).or(Some(typed(Duration::ZERO, span))),
        buffer: Some(typed(buffer, span)),
        on: Some(vec![typed("error".to_owned(), span), typed("timeout".to_owned(), span)]),
        non_idempotent: None,
        commands: None,
    };
    let Some(directive) = scope.one(&own) else { return retry };
    let mut on = Vec::new();
    for word in &directive.args {
        match word.text.as_str() {
            "error" | "timeout" => on.push(typed(word.text.clone(), word.span)),
            "invalid_header" => on.push(typed("invalid".to_owned(), word.span)),
            "http_500" | "http_502" | "http_503" | "http_504" | "http_403" | "http_404" | "http_429" => {
                on.push(typed(word.text.trim_start_matches("http_").to_owned(), word.span));
            }
            "non_idempotent" if is_grpc => {
                report
                    .note(word.span, "a call that was sent is not repeated, by nginx neither: its body is not kept")
                    .help("`kind = \"canton\"` of a `[pool]` repeats calls to Canton where that is safe");
            }
            "non_idempotent" => retry.non_idempotent = Some(typed(true, word.span)),
            "off" => retry.tries = Some(typed(1, word.span)),
            "updating" | "denied" => {
                report.fault(word.span, format!("`{}` is not supported: answers are not kept", word.text));
            }
            _ => super::upstream::unknown(word, &word.text, &NEXT_UPSTREAM, report),
        }
    }
    // Alone it calls for nothing.
    retry.non_idempotent = retry.non_idempotent.filter(|_| !on.is_empty());
    retry.on = Some(on);
    retry
}

/// Bytes of a body kept for a second try: nginx takes in a whole body before it sends any, unless it is told not to.
fn replay_buffer(scope: &Scope<'_>, span: Span, report: &mut Report) -> u64 {
    if scope.switch("proxy_request_buffering", report).is_some_and(|on| !on.value) {
        return 0;
    }
    match body_max(scope, span, report).value {
        0 => BUFFER_MAX,
        max => max.min(BUFFER_MAX),
    }
}

/// `client_max_body_size`; 0 is no bound.
pub(super) fn body_max(scope: &Scope<'_>, span: Span, report: &mut Report) -> Spanned<u64> {
    scope.size("client_max_body_size", report).unwrap_or(typed(BODY_MAX, span))
}

/// What clients may do, as it holds in a `server` or in `http`. Mainstay's own `idle` is nginx's.
pub(super) fn limit(scope: &Scope<'_>, span: Span, report: &mut Report) -> Limit {
    let (request_line, head) = match scope.one("large_client_header_buffers") {
        None => (Some(typed(HEADER_BUFFER, span)), Some(typed(4 * HEADER_BUFFER, span))),
        Some(directive) => header_buffers(directive, report),
    };
    let or = |time: Maybe<Duration>, seconds: u64| time.or(Some(typed(Duration::from_secs(seconds), span)));
    Limit {
        request_line,
        head,
        head_timeout: or(scope.time("client_header_timeout", report), 60),
        body_timeout: or(scope.time("client_body_timeout", report), 60),
        send_timeout: or(scope.time("send_timeout", report), 60),
        idle: scope.time("keepalive_timeout", report),
        requests: scope.number("keepalive_requests", report).or(Some(typed(1_000, span))),
        ..Limit::default()
    }
}

/// A number of buffers and the size of one, which is the longest request line.
fn header_buffers(directive: &Directive, report: &mut Report) -> (Maybe<u64>, Maybe<u64>) {
    let (count, one) = (number::<u64>(directive, 0, report), size(directive, 1, report));
    let head = count.zip(one).map(|(count, one)| typed(count.value.saturating_mul(one.value), directive.span()));
    if head.is_some_and(|head| head.value > HEAD_MAX) {
        report.note(directive.span(), "heads are bounded to 64k");
    }
    let bounded = |size: Maybe<u64>| size.map(|size| typed(size.value.min(HEAD_MAX), size.span));
    (bounded(one), bounded(head))
}

/// Tries of one session, as they hold in a `server` of `stream`.
pub(super) fn stream_retry(scope: &Scope<'_>, span: Span, report: &mut Report) -> Retry {
    let on = scope.switch("proxy_next_upstream", report).is_none_or(|on| on.value);
    let tries = scope.number("proxy_next_upstream_tries", report).filter(|_| on);
    Retry {
        tries: if on { tries } else { Some(typed(1, span)) },
        within: scope.time("proxy_next_upstream_timeout", report).or(Some(typed(Duration::ZERO, span))),
        ..Retry::default()
    }
}

const NEXT_UPSTREAM: [&str; 12] = [
    "error",
    "timeout",
    "invalid_header",
    "http_500",
    "http_502",
    "http_503",
    "http_504",
    "http_403",
    "http_404",
    "http_429",
    "non_idempotent",
    "off",
];
/// nginx's `client_max_body_size` where a file says none.
const BODY_MAX: u64 = 1 << 20;
/// Most of a body that is kept for a second try, also where bodies have no bound.
pub(super) const BUFFER_MAX: u64 = 16 << 20;
/// Longest head: what a worker reads at once.
const HEAD_MAX: u64 = 64 << 10;
/// nginx's `large_client_header_buffers` are four of these.
const HEADER_BUFFER: u64 = 8 << 10;
