//! May this request be tried again? Yes, if nothing was sent or the rule allows it: that is the whole principle.

pub mod canton;

use std::time::Duration;

/// When a request may be tried again; as nginx's `proxy_next_upstream` and its companions have it.
#[derive(Clone, Copy, Debug)]
pub struct RetryRule<'a> {
    /// Most tries of one request, the first included; 0: no bound but the number of nodes.
    pub tries: u32,
    /// No try starts after this time; zero: no bound.
    pub within: Duration,
    /// After a connection that broke.
    pub on_error: bool,
    /// After no answer in time.
    pub on_timeout: bool,
    /// After an answer that breaks the protocol.
    pub on_invalid: bool,
    /// After a call of gRPC whose whole answer is the status `UNAVAILABLE`.
    pub on_unavailable: bool,
    /// After these statuses.
    pub statuses: &'a [u16],
    /// Also for methods that are not safe to repeat.
    pub non_idempotent: bool,
}

/// How a try ended, as far as it was not a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection could be made.
    Connect,
    /// The connection broke before the answer was complete.
    Broken,
    /// No answer came in time.
    Timeout,
    /// What came breaks the protocol.
    Invalid,
    /// The node went out while the request waited on it.
    NodeOut,
    /// A call of gRPC was answered by the status `UNAVAILABLE` and nothing else: it may have been done, or not.
    Unavailable,
    /// An answer came, with this status. It is a failure only where the rule names the status.
    Status(u16),
}

/// How much of a request has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Not a byte was handed to the system for the node.
    Nothing,
    /// The node may have seen some of it.
    Some,
}

/// How much of the answer the client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not a byte: another answer can still take its place.
    NotBegun,
    /// Some of it: what is done is done.
    Begun,
}

/// Whether the request's body can be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none, or all that was sent is kept.
    Kept,
    /// It was longer than what is kept.
    Gone,
}

/// Whether the connection had carried requests before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It was made for this try.
    Fresh,
    /// It had been idle: it may have been closed for that alone, which says nothing about the node.
    Reused,
}

/// What is known when a try has failed.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// How it ended.
    pub failure: Failure,
    /// What the node may have seen.
    pub sent: Sent,
    /// Whether doing it twice is the same as doing it once: by its method ([`repeatable`]), or by what it is to a
    /// participant of Canton ([`canton`]).
    pub repeatable: bool,
    /// What the client has of an answer.
    pub answer: Answer,
    /// Whether the body can be sent again.
    pub body: Body,
    /// What it was tried on.
    pub connection: Connection,
    /// Tries so far, this one included.
    pub tries: u32,
    /// Eligible nodes not tried yet.
    pub nodes_left: u32,
    /// Time since the request's first try began.
    pub elapsed: Duration,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Another node is tried.
    Another,
    /// The same node is tried, over a fresh connection.
    Same,
    /// This try was the last: what it brought is the client's answer.
    Stop(Stop),
}

/// Why a try was the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The client has some of the answer.
    Begun,
    /// The rule does not name this failure.
    Rule,
    /// The method is not safe to repeat, and the node may have seen the request.
    Method,
    /// The body is not kept.
    Body,
    /// No node is left.
    Nodes,
    /// As many tries as allowed were made.
    Tries,
    /// The time for tries is over.
    Time,
}

impl Stop {
    /// A word for logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Begun => "answer_begun",
            Self::Rule => "not_in_rule",
            Self::Method => "method",
            Self::Body => "body_not_kept",
            Self::Nodes => "no_node_left",
            Self::Tries => "tries",
            Self::Time => "time",
        }
    }
}

/// Decides whether a request is tried again. The principle: nothing was sent, or the rule allows it.
///
/// What is not decided here: whether the pool's [`crate::Budget`] grants the retry.
#[must_use]
pub fn decide(rule: &RetryRule<'_>, attempt: &Attempt) -> Decision {
    match may_repeat(rule, attempt) {
        Err(stop) => Decision::Stop(stop),
        Ok(()) if rule.tries != 0 && attempt.tries >= rule.tries => Decision::Stop(Stop::Tries),
        Ok(()) if !rule.within.is_zero() && attempt.elapsed >= rule.within => Decision::Stop(Stop::Time),
        Ok(()) if attempt.nodes_left > 0 => Decision::Another,
        Ok(()) if blames_the_connection(attempt) => Decision::Same,
        Ok(()) => Decision::Stop(Stop::Nodes),
    }
}

/// Decides whether a request may wait and be sent again where only one node may have it: to that node, or to the one that
/// follows it. How long it waits is not decided here; `tries` counts the tries of which something was sent.
///
/// # Errors
/// Why it may not.
pub fn again_later(rule: &RetryRule<'_>, attempt: &Attempt) -> Result<(), Stop> {
    may_repeat(rule, attempt)?;
    let bounded = rule.tries != 0 && attempt.sent == Sent::Some;
    if bounded && attempt.tries >= rule.tries { Err(Stop::Tries) } else { Ok(()) }
}

/// Whether doing a request twice is the same as doing it once (RFC 9110 section 9.2.2). Methods are case-sensitive,
/// and one that is not known may do anything.
#[must_use]
pub fn repeatable(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE")
}

fn may_repeat(rule: &RetryRule<'_>, attempt: &Attempt) -> Result<(), Stop> {
    if attempt.answer == Answer::Begun {
        return Err(Stop::Begun);
    }
    if attempt.sent == Sent::Nothing {
        return Ok(());
    }
    let named = match attempt.failure {
        Failure::Connect => true,
        Failure::Broken => rule.on_error,
        Failure::Timeout => rule.on_timeout,
        Failure::Invalid => rule.on_invalid,
        Failure::Unavailable => rule.on_unavailable,
        // Waiting on would end as an error or as no answer in time; either word covers ending it sooner.
        Failure::NodeOut => rule.on_error || rule.on_timeout,
        Failure::Status(status) => rule.statuses.contains(&status),
    };
    if !named {
        return Err(Stop::Rule);
    }
    if !attempt.repeatable && !rule.non_idempotent {
        return Err(Stop::Method);
    }
    if attempt.body == Body::Gone {
        return Err(Stop::Body);
    }
    Ok(())
}

/// An idle connection may die of its age, so its death is no reason to pass by the only node there is.
fn blames_the_connection(attempt: &Attempt) -> bool {
    attempt.connection == Connection::Reused && attempt.failure == Failure::Broken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: RetryRule<'_> = RetryRule {
        tries: 3,
        within: Duration::from_secs(10),
        on_error: true,
        on_timeout: false,
        on_invalid: false,
        on_unavailable: false,
        statuses: &[404, 503],
        non_idempotent: false,
    };

    const GET: Attempt = Attempt {
        failure: Failure::Broken,
        sent: Sent::Some,
        repeatable: true,
        answer: Answer::NotBegun,
        body: Body::Kept,
        connection: Connection::Fresh,
        tries: 1,
        nodes_left: 1,
        elapsed: Duration::ZERO,
    };
    const POST: Attempt = Attempt { repeatable: false, ..GET };

    fn check(rule: RetryRule<'_>, attempt: Attempt, expect: Decision) {
        assert_eq!(decide(&rule, &attempt), expect, "{attempt:?} under {rule:?}");
    }

    #[test]
    fn safe_requests_go_on_where_the_rule_says_so() {
        use Decision::{Another, Stop as End};
        check(RULE, GET, Another);
        check(RULE, Attempt { failure: Failure::NodeOut, ..GET }, Another);
        check(RULE, Attempt { failure: Failure::Status(404), ..GET }, Another);
        for failure in [Failure::Timeout, Failure::Invalid, Failure::Status(500)] {
            check(RULE, Attempt { failure, ..GET }, End(Stop::Rule));
        }
        check(RetryRule { on_timeout: true, ..RULE }, Attempt { failure: Failure::Timeout, ..GET }, Another);
        check(RetryRule { on_invalid: true, ..RULE }, Attempt { failure: Failure::Invalid, ..GET }, Another);
        let replicas = RetryRule { on_unavailable: true, ..RULE };
        check(RULE, Attempt { failure: Failure::Unavailable, ..GET }, End(Stop::Rule));
        check(replicas, Attempt { failure: Failure::Unavailable, ..GET }, Another);
        check(replicas, Attempt { failure: Failure::Unavailable, ..POST }, End(Stop::Method));
        let silent = RetryRule { on_error: false, ..RULE };
        check(silent, GET, End(Stop::Rule));
        check(silent, Attempt { failure: Failure::NodeOut, ..GET }, End(Stop::Rule));
    }

    #[test]
    fn unsafe_requests_go_on_only_while_nothing_was_sent() {
        use Decision::{Another, Stop as End};
        check(RULE, POST, End(Stop::Method));
        check(RULE, Attempt { failure: Failure::NodeOut, ..POST }, End(Stop::Method));
        check(RULE, Attempt { failure: Failure::Status(404), ..POST }, End(Stop::Method));
        check(RULE, Attempt { failure: Failure::Connect, sent: Sent::Nothing, ..POST }, Another);
        check(RULE, Attempt { failure: Failure::NodeOut, sent: Sent::Nothing, ..POST }, Another);
        let allowed = RetryRule { non_idempotent: true, ..RULE };
        check(allowed, POST, Another);
        check(allowed, Attempt { failure: Failure::Status(404), ..POST }, Another);
        check(allowed, Attempt { failure: Failure::Status(500), ..POST }, End(Stop::Rule));
        check(allowed, Attempt { body: Body::Gone, ..POST }, End(Stop::Body));
        check(RULE, Attempt { body: Body::Gone, sent: Sent::Nothing, ..POST }, Another);
    }

    #[test]
    fn bounds_hold() {
        use Decision::{Another, Same, Stop as End};
        check(RULE, Attempt { tries: 2, nodes_left: 5, ..GET }, Another);
        check(RULE, Attempt { tries: 3, nodes_left: 5, ..GET }, End(Stop::Tries));
        check(RetryRule { tries: 0, ..RULE }, Attempt { tries: 99, nodes_left: 5, ..GET }, Another);
        check(RULE, Attempt { elapsed: Duration::from_secs(10), ..GET }, End(Stop::Time));
        check(RetryRule { within: Duration::ZERO, ..RULE }, Attempt { elapsed: Duration::MAX, ..GET }, Another);
        check(RULE, Attempt { nodes_left: 0, ..GET }, End(Stop::Nodes));
        check(RULE, Attempt { nodes_left: 0, failure: Failure::Status(404), ..GET }, End(Stop::Nodes));
        check(RULE, Attempt { nodes_left: 0, connection: Connection::Reused, ..GET }, Same);
        check(RULE, Attempt { nodes_left: 0, connection: Connection::Reused, ..POST }, End(Stop::Method));
    }

    #[test]
    fn what_may_wait_for_the_one_node_is_sent_again_later() {
        for (attempt, expect) in [
            (GET, Ok(())),
            (Attempt { failure: Failure::NodeOut, nodes_left: 0, elapsed: Duration::MAX, ..GET }, Ok(())),
            (Attempt { tries: 3, ..GET }, Err(Stop::Tries)),
            (Attempt { failure: Failure::Timeout, ..GET }, Err(Stop::Rule)),
            (POST, Err(Stop::Method)),
            (Attempt { failure: Failure::NodeOut, ..POST }, Err(Stop::Method)),
            (Attempt { sent: Sent::Nothing, failure: Failure::Connect, tries: 99, ..POST }, Ok(())),
            (Attempt { body: Body::Gone, ..GET }, Err(Stop::Body)),
            (Attempt { answer: Answer::Begun, ..GET }, Err(Stop::Begun)),
        ] {
            assert_eq!(again_later(&RULE, &attempt), expect, "{attempt:?}");
        }
    }

    #[test]
    fn only_known_methods_are_repeatable() {
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
            assert!(repeatable(method.as_bytes()), "{method}");
        }
        for method in ["POST", "PATCH", "LOCK", "CONNECT", "get", "", "GETX"] {
            assert!(!repeatable(method.as_bytes()), "{method}");
        }
    }

    proptest! {
        /// The promise: no request is done twice behind the client's back.
        #[test]
        fn nothing_unsafe_is_ever_repeated_unasked(
            failure in prop_oneof![
                Just(Failure::Broken), Just(Failure::Timeout), Just(Failure::Invalid), Just(Failure::NodeOut),
                Just(Failure::Unavailable), (100u16..600).prop_map(Failure::Status),
            ],
            reused in any::<bool>(), on_error in any::<bool>(), on_timeout in any::<bool>(), on_invalid in any::<bool>(),
            on_unavailable in any::<bool>(),
            statuses in prop::collection::vec(100u16..600, 0..9), nodes_left in 0u32..4,
        ) {
            let rule = RetryRule { on_error, on_timeout, on_invalid, on_unavailable, statuses: &statuses, ..RULE };
            let connection = if reused { Connection::Reused } else { Connection::Fresh };
            let decision = decide(&rule, &Attempt { failure, connection, nodes_left, ..POST });
            prop_assert!(matches!(decision, Decision::Stop(_)));
        }
    }
}
