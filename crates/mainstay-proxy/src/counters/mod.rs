//! What the workers count. Each worker writes counters of its own, so that counting costs a load and a store; a reader
//! sums over the workers ([`Registry::read`]). Counters are found by name and live across reloads.

mod cell;
mod histogram;
mod registry;

use mainstay_tls::Refusal;

pub use cell::{Counter, Family, Gauge, Kind, Latest, NAMES, Named};
pub use histogram::{Durations, Histogram};
pub use registry::{Reading, Registry};

/// Declares a closed set of kinds.
macro_rules! kinds {
    ($(#[$doc:meta])* $kind:ident { $($(#[$of:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $kind { $($(#[$of])* $variant,)* }

        impl Kind for $kind {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];
            fn index(self) -> usize { self as usize }
            fn name(self) -> &'static str { match self { $(Self::$variant => $name,)* } }
        }
    };
}

/// Declares counters that can be summed.
macro_rules! counters {
    ($(#[$doc:meta])* $set:ident { $($(#[$of:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct $set { $($(#[$of])* pub $field: $type,)* }

        impl $set {
            /// Adds what `other` has counted.
            fn absorb(&self, other: &Self) { $(self.$field.absorb(&other.$field);)* }
        }
    };
}

counters! {
    /// What one worker counts that belongs to no listener and no node.
    WorkerCounters {
        /// Copies of requests under way.
        mirrors: Gauge,
        /// Copies that were answered, whatever the status.
        mirrors_done: Counter,
        /// Copies that failed or took too long.
        mirrors_failed: Counter,
        /// Copies not made because too many were under way, or the body was too large.
        mirrors_dropped: Counter,
        /// Records that went to the access log's writer.
        access_written: Counter,
        /// Records lost because the access log's writer did not keep up.
        access_dropped: Counter,
        /// Reports about nodes lost because the control side did not keep up.
        reports_dropped: Counter,
        /// Bytes held in buffers of connections: heads, bodies kept for a retry, what a slow reader has yet to take.
        buffered: Gauge,
        /// Pipes in use to carry bytes from socket to socket, at most [`mainstay_io::Pipes::AT_ONCE`].
        pipes: Gauge,
        /// Number of the last snapshot taken up.
        snapshot: Gauge,
        /// Turns of the worker's timer; one that does not turn is stuck.
        ticks: Counter,
    }
}

counters! {
    /// What one worker counts for one listener.
    ListenerCounters {
        /// Client connections accepted.
        accepted: Counter,
        /// Client connections open.
        active: Gauge,
        /// Client connections closed, by what ended them.
        closed: Family<Close, { Close::ALL.len() }>,
        /// Connections that could not be accepted (out of file descriptors and the like).
        accept_failed: Counter,
        /// Requests whose head came whole; on a TCP listener: sessions.
        requests: Counter,
        /// Requests under way.
        in_flight: Gauge,
        /// Requests ended, by the class of their answer.
        answers: Family<Class, { Class::ALL.len() }>,
        /// Refusals of what broke the protocol, by the name of the fault.
        faults: Named,
        /// TLS handshakes that clients got through.
        handshakes: Counter,
        /// Those of them that went on with an earlier session.
        resumed: Counter,
        /// TLS handshakes that came to nothing, by why.
        handshakes_failed: Family<Refusal, { Refusal::ALL.len() }>,
        /// Time for a TLS handshake.
        handshake: Histogram,
        /// Limits that were reached.
        limits: Family<Limit, { Limit::ALL.len() }>,
        /// Bytes from clients.
        bytes_in: Counter,
        /// Bytes to clients.
        bytes_out: Counter,
        /// From the first byte of a request to the last of its answer; on a TCP listener: of a session.
        duration: Histogram,
    }
}

counters! {
    /// What one worker counts for one pool.
    PoolCounters {
        /// Requests waiting for a connection.
        waiting: Gauge,
        /// Requests that found every node out.
        no_node: Counter,
        /// Retries not made because the pool's budget was spent.
        budget_spent: Counter,
        /// Calls to participants of Canton that were repeated although they may have been done, by what makes that safe.
        repeated: Family<Repeated, { Repeated::ALL.len() }>,
        /// Requests and connections held while there is no leader, or it has no connection free.
        held: Gauge,
        /// Bytes of them that are kept in memory.
        held_bytes: Gauge,
        /// All that were ever held.
        held_total: Counter,
        /// Those of them that went to a leader.
        hold_released: Counter,
        /// Those of them that were held for too long (503; a connection was reset).
        hold_timed_out: Counter,
        /// Those of them whose client left first; they were never sent.
        hold_left: Counter,
        /// Requests refused because as much was held as may be (503).
        hold_refused: Counter,
        /// Clients that left while they waited for a connection in the queue; their requests were never sent.
        queue_left: Counter,
        /// How often a listener was closed, so that connections are refused.
        hold_closed: Counter,
    }
}

counters! {
    /// What one worker counts for one node of one pool.
    NodeCounters {
        /// Requests sent to it; on a TCP listener: sessions.
        requests: Counter,
        /// Requests (sessions) under way on it.
        in_flight: Gauge,
        /// Tries that failed on it, by kind.
        failures: Family<Failure, { Failure::ALL.len() }>,
        /// Requests that were tried on another node after it.
        retries_away: Counter,
        /// Connections opened to it.
        connects: Counter,
        /// Requests sent over a connection that was idle.
        reused: Counter,
        /// Idle connections kept to it.
        idle: Gauge,
        /// TLS handshakes with it that went on with an earlier session.
        resumed: Counter,
        /// TLS handshakes with it that came to nothing, by why.
        handshakes_failed: Family<Refusal, { Refusal::ALL.len() }>,
        /// Time to open a connection.
        connect: Histogram,
        /// From the request sent to the first byte of the answer.
        first_byte: Histogram,
        /// Bytes sent to it.
        bytes_sent: Counter,
        /// Bytes received from it.
        bytes_received: Counter,
        /// When it last gave live traffic a good answer (on a TCP listener: any byte).
        answered: Latest,
    }
}

kinds! {
    /// What ended a client connection.
    Close {
        /// The client closed it.
        Client = "client",
        /// It was idle for too long.
        Idle = "idle",
        /// It had as many requests as it may have, or the client asked for no more.
        Finished = "finished",
        /// The listener drains.
        Drain = "drain",
        /// The client broke the protocol or a limit.
        Refused = "refused",
        /// The client was too slow.
        Slow = "slow",
        /// The node's side was lost in the middle of an answer.
        Node = "node",
        /// The connection failed.
        Failed = "failed",
    }
}

kinds! {
    /// Class of an answer.
    Class {
        /// The connection ended without an answer.
        None = "none",
        /// 1xx (an upgrade).
        Informational = "1xx",
        /// 2xx.
        Success = "2xx",
        /// 3xx.
        Redirection = "3xx",
        /// 4xx.
        ClientError = "4xx",
        /// 5xx.
        ServerError = "5xx",
    }
}

impl Class {
    /// The class of a status; 0 stands for no answer.
    #[must_use]
    pub const fn of(status: u16) -> Self {
        match status / 100 {
            1 => Self::Informational,
            2 => Self::Success,
            3 => Self::Redirection,
            4 => Self::ClientError,
            5.. => Self::ServerError,
            _ => Self::None,
        }
    }
}

kinds! {
    /// A limit that was reached.
    Limit {
        /// Request line or head too large, or too many fields (414, 431).
        HeadTooLarge = "head_too_large",
        /// The head took too long (408).
        HeadSlow = "head_slow",
        /// The body is too large (413).
        BodyTooLarge = "body_too_large",
        /// The body took too long (408).
        BodySlow = "body_slow",
        /// A connection was idle for too long.
        Idle = "idle",
        /// The client did not take its answer in time.
        SendTimeout = "send_timeout",
        /// As many requests as one connection may have.
        Requests = "requests",
        /// Clients that had to wait because the listener had as many connections as it may have.
        Connections = "connections",
        /// No place in the queue for a connection to a node (503).
        QueueFull = "queue_full",
        /// Too long in that queue (503).
        QueueTimeout = "queue_timeout",
        /// A client that was to speak first said nothing in time.
        Handshake = "handshake",
        /// A client that speaks HTTP/2 waited for answers and did not say that it is there.
        PingTimeout = "ping_timeout",
    }
}

kinds! {
    /// How a try on a node failed.
    Failure {
        /// It could not be connected to.
        Connect = "connect",
        /// It was connected to, but there is no encrypted connection.
        Tls = "tls",
        /// Connecting took too long.
        ConnectTimeout = "connect_timeout",
        /// It closed or broke the connection before its answer was complete.
        Broken = "broken",
        /// It gave no answer in time.
        Timeout = "timeout",
        /// It did not take the request in time.
        SendTimeout = "send_timeout",
        /// Its answer breaks the protocol.
        Invalid = "invalid",
        /// It went out while the request waited on it.
        WentOut = "went_out",
        /// It lost the lease that its pool follows.
        Demoted = "demoted",
        /// It answered with a status that the retry rule does not take for an answer.
        Status = "status",
        /// It answered a call by UNAVAILABLE and nothing else, and the call was repeated.
        Unavailable = "unavailable",
        /// The same, because it is the passive one of its replicas.
        Passive = "passive",
    }
}

kinds! {
    /// What made it safe to repeat a call that a participant of Canton may have done.
    Repeated {
        /// It changes nothing.
        Read = "read",
        /// The participant recognises it by its command id.
        Command = "command",
    }
}

impl Kind for Refusal {
    const ALL: &'static [Self] = Self::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn name(self) -> &'static str {
        Self::name(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_their_class() {
        for (status, name) in [(0, "none"), (101, "1xx"), (204, "2xx"), (304, "3xx"), (499, "4xx"), (503, "5xx")] {
            assert_eq!(Class::of(status).name(), name);
        }
    }

    #[test]
    fn a_sum_has_what_each_worker_counted() {
        let (one, two, sum) = (ListenerCounters::default(), ListenerCounters::default(), ListenerCounters::default());
        for counters in [&one, &two] {
            counters.requests.one();
            counters.active.add(3);
            counters.active.sub(1);
            counters.answers.one(Class::of(200));
            counters.faults.one("bare_lf");
            counters.duration.record(std::time::Duration::from_millis(2));
            sum.absorb(counters);
        }
        assert_eq!((sum.requests.get(), sum.active.get()), (2, 4));
        assert_eq!((sum.answers.get(Class::Success), sum.answers.total()), (2, 2));
        assert_eq!(sum.faults.each().collect::<Vec<_>>(), [("bare_lf", 2)]);
        assert_eq!(sum.duration.read().count(), 2);
    }
}
