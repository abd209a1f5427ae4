//! Configurations made up from a seed: every setting is there or not, with any value it can have.

use std::time::Duration;

use mainstay_proxy::params::Http2;

use super::config::typed::{
    Act, Admin, Check, Config, Eject, ErrorPage, Guard, Hold, Hook, Lease, Limit, Listen, Log, Maybe, Mirror, Node,
    OfDatabase, Policy, Pool, Progress, Ready, Restart, Retry, Route, Run, Span, Spanned, Store, Tls,
};

/// A source of configurations.
pub(crate) struct Made(fastrand::Rng);

impl Made {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub(crate) fn config(&mut self) -> Config {
        Config {
            run: Run { workers: self.count(), drain: self.time() },
            admin: Admin { at: self.text() },
            log: Log { level: self.text(), format: self.text(), to: self.text(), access: self.text() },
            pools: self.tables(Self::pool),
            listens: self.tables(Self::listen),
            retries: self.tables(Self::retry),
            limits: self.tables(Self::limit),
            tls: self.tables(Self::tls),
            store: Store { url: self.text(), password_file: self.text(), ca: self.text(), timeout: self.time() },
            leases: self.tables(Self::lease),
            guards: self.tables(Self::guard),
        }
    }

    fn pool(&mut self) -> Pool {
        Pool {
            nodes: self.list(Self::node),
            kind: self.text(),
            policy: self.maybe(Self::policy),
            checks: self.list(Self::check),
            eject: self.maybe(Self::eject),
            tls: self.text(),
            connect: self.time(),
            keep_idle: self.count(),
            idle: self.time(),
            requests_per_connection: self.big_count(),
            max_connections: self.count(),
            queue: self.count(),
            queue_wait: self.time(),
            hold: self.maybe(|made| Hold { requests: made.count(), bytes: made.size(), time: made.time() }),
            all_out: self.text(),
            slow_start: self.time(),
            resolve: self.time(),
            doubt_after: self.time(),
            retry_ratio: self.maybe(|made| f64::from(made.0.u32(..)) / 1_000.0),
            retry_per_second: self.count(),
        }
    }

    fn node(&mut self) -> Node {
        let at = some(self.word());
        if self.0.bool() {
            return Node { at, ..Node::default() };
        }
        Node {
            at,
            weight: self.count(),
            backup: self.flag(),
            down: self.flag(),
            max_connections: self.count(),
            eject: self.maybe(Self::eject),
            holder: self.text(),
        }
    }

    fn policy(&mut self) -> Policy {
        match self.0.u8(..6) {
            0 => Policy::Spread,
            1 => Policy::Least,
            2 => Policy::Primary(None),
            3 => Policy::Primary(Some(some(self.word()))),
            4 => Policy::Leader(some(self.word())),
            _ => Policy::Hash(some(self.word())),
        }
    }

    fn eject(&mut self) -> Eject {
        if self.0.bool() {
            return Eject::Off;
        }
        Eject::After { failures: self.count(), within: self.time(), out_for: self.time() }
    }

    fn check(&mut self) -> Check {
        Check {
            http: self.text(),
            grpc: self.text(),
            watch: self.flag(),
            tcp: self.flag(),
            port: self.maybe(|made| made.0.u16(..)),
            tls: self.text(),
            method: self.text(),
            host: self.text(),
            status: self.list(Self::status_or_word),
            body: self.text(),
            fields: self.list(Self::word),
            send: self.text(),
            expect: self.text(),
            every: self.time(),
            every_in_doubt: self.time(),
            timeout: self.time(),
            rise: self.count(),
            fall: self.count(),
        }
    }

    fn listen(&mut self) -> Listen {
        Listen {
            at: self.list(Self::word),
            tls: self.text(),
            names: self.list(Self::word),
            default: self.flag(),
            action: self.act(),
            routes: self.list(Self::route),
            limit: self.text(),
            backlog: self.count(),
            mode: self.text(),
            owner: self.text(),
            access_log: self.flag(),
            http2: self.http2(),
            idle: self.time(),
            database: self.of_database(),
        }
    }

    fn of_database(&mut self) -> OfDatabase {
        OfDatabase {
            lease: self.text(),
            hold: self.maybe(|made| Hold { requests: made.count(), bytes: made.size(), time: made.time() }),
            handshake: self.time(),
            password_file: self.text(),
            ca: self.text(),
            ask_every: self.time(),
            ask_timeout: self.time(),
        }
    }

    fn tls(&mut self) -> Tls {
        Tls {
            cert: self.list(Self::word),
            key: self.list(Self::word),
            client_ca: self.list(Self::word),
            client: self.text(),
            client_names: self.list(Self::word),
            identity: self.text(),
            handshake: self.time(),
            ca: self.list(Self::word),
            verify: self.text(),
            name: self.text(),
            sni: self.flag(),
            crl: self.list(Self::word),
            versions: self.list(Self::word),
        }
    }

    fn route(&mut self) -> Route {
        Route { path: some(self.word()), internal: self.flag(), action: self.act() }
    }

    fn act(&mut self) -> Act {
        Act {
            to: self.text(),
            reply: self.maybe(|made| made.0.u16(..)),
            body: self.text(),
            location: self.text(),
            content_type: self.text(),
            retry: self.text(),
            host: self.text(),
            forwarded: self.text(),
            set: self.list(Self::word),
            add: self.list(Self::word),
            mirror: self.list(Self::mirror),
            read_timeout: self.time(),
            send_timeout: self.time(),
            upgrade: self.flag(),
            body_max: self.size(),
            error_pages: self.list(Self::error_page),
            intercept: self.flag(),
        }
    }

    fn mirror(&mut self) -> Mirror {
        let to = some(self.word());
        if self.0.bool() {
            return Mirror { to, ..Mirror::default() };
        }
        Mirror {
            to,
            host: self.text(),
            set: self.list(Self::word),
            body_max: self.size(),
            at_once: self.count(),
            timeout: self.time(),
        }
    }

    fn error_page(&mut self) -> ErrorPage {
        let mut status = self.list(|made| made.0.u16(..));
        status.push(some(self.0.u16(..)));
        ErrorPage { status, answer: self.maybe(|made| made.0.u16(..)), to: some(self.word()) }
    }

    fn retry(&mut self) -> Retry {
        let on = self.list(Self::status_or_word);
        Retry {
            tries: self.count(),
            within: self.time(),
            buffer: self.size(),
            on: self.0.bool().then_some(on),
            non_idempotent: self.flag(),
            commands: self.flag(),
        }
    }

    fn limit(&mut self) -> Limit {
        Limit {
            request_line: self.size(),
            head: self.size(),
            fields: self.count(),
            head_timeout: self.time(),
            body_timeout: self.time(),
            send_timeout: self.time(),
            idle: self.time(),
            requests: self.big_count(),
            streams: self.count(),
            connections: self.count(),
        }
    }

    fn lease(&mut self) -> Lease {
        Lease {
            renew: self.time(),
            ttl: self.time(),
            early: self.flag(),
            takeover_unfenced: self.flag(),
            synchronous: self.flag(),
            drain: self.time(),
            fence_within: self.time(),
            database: self.text(),
            group: self.text(),
            roles: self.list(Self::word),
        }
    }

    fn guard(&mut self) -> Guard {
        Guard {
            lease: self.text(),
            name: self.text(),
            role: self.text(),
            run: self.list(Self::argument),
            dir: self.text(),
            env: (0..self.0.usize(..3)).map(|at| (some(format!("{at}{}", self.word())), some(self.word()))).collect(),
            password_file: self.text(),
            ready: self.maybe(Self::ready),
            progress: self.maybe(|made| Progress {
                run: made.list(Self::argument),
                every: made.time(),
                timeout: made.time(),
                within: made.time(),
            }),
            unwell_after: self.time(),
            prepare: self.maybe(Self::hook),
            before: self.maybe(Self::hook),
            after: self.maybe(Self::hook),
            stop_signal: self.text(),
            stop_within: self.time(),
            restart: self.maybe(|made| Restart { times: made.count(), within: made.time(), backoff: made.time() }),
            freeze: self.flag(),
            kill_after: self.time(),
            priority: self.maybe(|made| if made.0.bool() { made.0.u32(..).to_string() } else { made.word() }),
            cgroup: self.text(),
        }
    }

    fn ready(&mut self) -> Ready {
        Ready {
            tcp: self.text(),
            http: self.text(),
            run: self.list(Self::argument),
            status: self.maybe(|made| made.0.u16(..)),
            every: self.time(),
            timeout: self.time(),
            within: self.time(),
        }
    }

    fn hook(&mut self) -> Hook {
        let mut run = self.list(Self::argument);
        run.push(some(self.argument()));
        Hook { run, within: self.time() }
    }

    /// Text without white space: with it, a single one is taken for a whole command line.
    fn argument(&mut self) -> String {
        self.word().replace(char::is_whitespace, "_")
    }

    fn tables<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<(Spanned<String>, T)> {
        let count = self.0.usize(..3);
        (0..count).map(|at| (some(format!("{at}{}", self.word())), make(self))).collect()
    }

    fn list<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<Spanned<T>> {
        let count = self.0.usize(..8).saturating_sub(4);
        (0..count).map(|_| some(make(self))).collect()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Maybe<T> {
        (self.0.u8(..4) == 0).then(|| some(make(self)))
    }

    fn text(&mut self) -> Maybe<String> {
        self.maybe(|made| if made.0.u8(..8) == 0 { String::new() } else { made.word() })
    }

    fn flag(&mut self) -> Maybe<bool> {
        self.maybe(|made| made.0.bool())
    }

    fn http2(&mut self) -> Maybe<Http2> {
        self.maybe(|made| [Http2::Refused, Http2::Taken, Http2::Only][made.0.usize(..3)])
    }

    fn count(&mut self) -> Maybe<u32> {
        self.maybe(|made| made.0.u32(..))
    }

    fn big_count(&mut self) -> Maybe<u64> {
        self.maybe(|made| made.0.u64(..i64::MAX as u64))
    }

    fn size(&mut self) -> Maybe<u64> {
        self.maybe(|made| made.0.u64(..) >> made.0.u32(..64) << 5 >> 5)
    }

    fn time(&mut self) -> Maybe<Duration> {
        self.maybe(|made| match made.0.u8(..3) {
            0 => Duration::from_millis(made.0.u64(..10_000)),
            1 => Duration::from_secs(made.0.u64(..86_400) / 60 * 60),
            _ => Duration::from_nanos(made.0.u64(..366 * 86_400 * 1_000_000_000)),
        })
    }

    fn status_or_word(&mut self) -> String {
        if self.0.bool() { self.0.u16(..).to_string() } else { self.word() }
    }

    /// Text that is not empty, with whatever may need an escape.
    fn word(&mut self) -> String {
        let letters =
            ['a', 'B', '7', '0', ' ', '.', ':', '/', '-', '"', '\'', '\\', '\n', '\t', '\u{1}', '\u{7f}', 'é', '🌕'];
        (0..self.0.usize(1..9)).map(|_| self.0.choice(letters).unwrap_or('x')).collect()
    }
}

fn some<T>(value: T) -> Spanned<T> {
    Spanned { value, span: Span::default() }
}
