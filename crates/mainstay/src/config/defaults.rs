//! What holds where an operator says nothing, in one place. The reference shows these values.

use std::time::Duration;

use mainstay_proxy::params::Hold;

/// [`super::typed::Run::drain`]: longer than the slowest call of a ledger node, shorter than systemd's patience (90 s).
pub(super) const DRAIN: Duration = Duration::from_secs(30);

/// [`super::typed::Pool::connect`]: a node that does not take a connection in this time will not in ten, and Tessera's
/// peers give a call up after 3.75 s, in which a second node must have had its turn.
pub(super) const CONNECT: Duration = Duration::from_secs(1);
/// [`super::typed::Pool::keep_idle`]
pub(super) const KEEP_IDLE: u32 = 64;
/// [`super::typed::Pool::idle`]: below the 30 s after which Tessera closes idle connections.
pub(super) const NODE_IDLE: Duration = Duration::from_secs(20);
/// [`super::typed::Pool::requests_per_connection`]
pub(super) const NODE_REQUESTS: u64 = 10_000;
/// [`super::typed::Pool::queue`]
pub(super) const QUEUE: u32 = 1_000;
/// [`super::typed::Pool::queue_wait`]
pub(super) const QUEUE_WAIT: Duration = Duration::from_secs(2);
/// What waits while a pool has no leader: more than a takeover lasts, and less than clients' patience with one request.
pub(super) const HOLD: Hold = Hold { requests: 1_000, bytes: 16 * 1024 * 1024, time: Duration::from_secs(30) };
/// [`super::typed::Pool::slow_start`]
pub(super) const SLOW_START: Duration = Duration::ZERO;
/// [`super::typed::Pool::resolve`]
pub(super) const RESOLVE: Duration = Duration::from_secs(10);
/// [`super::typed::Pool::doubt_after`]; half the shortest read timeout of the pool where that is less.
pub(super) const DOUBT_AFTER: Duration = Duration::from_secs(1);
/// [`super::typed::Pool::retry_ratio`]
pub(super) const RETRY_RATIO: f64 = 0.2;
/// [`super::typed::Pool::retry_per_second`]
pub(super) const RETRY_PER_SECOND: u32 = 10;
/// [`super::typed::Eject::After`]: the values of Tessera's own documentation.
pub(super) const EJECT_FAILURES: u32 = 3;
/// [`super::typed::Eject::After`]
pub(super) const EJECT_WITHIN: Duration = Duration::from_secs(5);
/// [`super::typed::Eject::After`]
pub(super) const EJECT_OUT_FOR: Duration = Duration::from_secs(5);

/// [`super::typed::Check::every`]
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(1);
/// [`super::typed::Check::every_in_doubt`]; `every` where that is less.
pub(super) const CHECK_EVERY_IN_DOUBT: Duration = Duration::from_millis(100);
/// [`super::typed::Check::timeout`]; `every` where that is less.
pub(super) const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// [`super::typed::Check::rise`]
pub(super) const CHECK_RISE: u32 = 2;
/// [`super::typed::Check::fall`]
pub(super) const CHECK_FALL: u32 = 3;
/// [`super::typed::Check::status`]
pub(super) const CHECK_STATUS: (u16, u16) = (200, 399);

/// [`super::typed::Listen::backlog`]
pub(super) const BACKLOG: u32 = 1_024;
/// [`super::typed::Listen::idle`]: sessions of ledger nodes are long and quiet.
pub(super) const SESSION_IDLE: Duration = Duration::from_secs(3_600);

/// [`super::typed::Listen::idle`] of a database: connections of a node's pool sleep through a weekend's night.
pub(super) const DATABASE_IDLE: Duration = Duration::from_secs(24 * 3_600);
/// [`super::typed::OfDatabase::hold`]: more than a promotion lasts once it is decided, less than a pool's patience (30 s).
pub(super) const DATABASE_HOLD: Hold = Hold { requests: 1_000, bytes: 16 * 1024 * 1024, time: Duration::from_secs(10) };
/// [`super::typed::OfDatabase::handshake`], and the longest time for a client's TLS handshake.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);
/// [`super::typed::OfDatabase::ask_every`]: how long a primary that nobody told of its successor is written to at most.
pub(super) const ASK_EVERY: Duration = Duration::from_millis(500);
/// [`super::typed::OfDatabase::ask_timeout`]
pub(super) const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// [`super::typed::Act::read_timeout`]
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// [`super::typed::Act::send_timeout`]
pub(super) const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// [`super::typed::Act::body_max`]
pub(super) const BODY_MAX: u64 = 64 << 20;
/// [`super::typed::Act::content_type`]
pub(super) const CONTENT_TYPE: &str = "text/plain";
/// [`super::typed::Mirror::body_max`]
pub(super) const MIRROR_BODY_MAX: u64 = 1 << 20;
/// [`super::typed::Mirror::at_once`]
pub(super) const MIRROR_AT_ONCE: u32 = 16;
/// [`super::typed::Mirror::timeout`]
pub(super) const MIRROR_TIMEOUT: Duration = Duration::from_secs(5);

/// [`super::typed::Retry::tries`]: as many as the pool has nodes.
pub(super) const RETRY_TRIES: u32 = 0;
/// [`super::typed::Retry::within`]
pub(super) const RETRY_WITHIN: Duration = Duration::from_secs(10);
/// [`super::typed::Retry::buffer`]
pub(super) const RETRY_BUFFER: u64 = 64 << 10;
/// [`super::typed::Limit::request_line`]
pub(super) const REQUEST_LINE: u64 = 16 << 10;
/// [`super::typed::Limit::head`]
pub(super) const HEAD: u64 = 32 << 10;
/// [`super::typed::Limit::fields`]
pub(super) const FIELDS: u32 = 100;
/// [`super::typed::Limit::head_timeout`]
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// [`super::typed::Limit::body_timeout`]
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// [`super::typed::Limit::send_timeout`]
pub(super) const CLIENT_SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// [`super::typed::Limit::idle`]
pub(super) const CLIENT_IDLE: Duration = Duration::from_secs(75);
/// [`super::typed::Limit::requests`]
pub(super) const CLIENT_REQUESTS: u64 = 100_000;
/// [`super::typed::Limit::streams`]
pub(super) const CLIENT_STREAMS: u32 = 128;
/// [`super::typed::Limit::connections`]
pub(super) const CONNECTIONS: u32 = 10_000;

/// [`super::typed::Store::timeout`]; a lease's `renew` where that is less.
pub(super) const STORE_TIMEOUT: Duration = Duration::from_secs(1);
/// [`super::typed::Lease::renew`]
pub(super) const RENEW: Duration = Duration::from_secs(1);
/// [`super::typed::Lease::ttl`], in renewals: one may be lost, and a second be late.
pub(super) const TTL_RENEWALS: u32 = 3;
/// How long after the end of the holder's session a lease is taken early; half of `ttl` where that is less.
pub(super) const EARLY: Duration = Duration::from_millis(500);
/// [`super::typed::Lease::drain`]
pub(super) const LEASE_DRAIN: Duration = Duration::from_secs(5);
/// [`super::typed::Lease::fence_within`]
pub(super) const FENCE_WITHIN: Duration = Duration::from_secs(15);
/// [`super::typed::Guard::stop_within`]
pub(super) const STOP_WITHIN: Duration = Duration::from_secs(30);
/// [`super::typed::Guard::kill_after`]: a store that is restarted is back by then.
pub(super) const KILL_AFTER: Duration = Duration::from_secs(60);
/// [`super::typed::Guard::priority`]
pub(super) const PRIORITY: u32 = 100;
/// [`super::typed::Guard::priority`] as "preferred".
pub(super) const PREFERRED: u32 = 200;
/// [`super::typed::Ready::every`]: while the child starts, this is what clients wait for too long.
pub(super) const READY_EVERY: Duration = Duration::from_millis(100);
/// [`super::typed::Ready::timeout`]
pub(super) const READY_TIMEOUT: Duration = Duration::from_secs(1);
/// [`super::typed::Progress::every`]
pub(super) const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// [`super::typed::Progress::timeout`]
pub(super) const PROGRESS_TIMEOUT: Duration = Duration::from_secs(5);
/// [`super::typed::Hook::within`]
pub(super) const HOOK_WITHIN: Duration = Duration::from_secs(30);
/// [`super::typed::Restart::times`]
pub(super) const RESTART_TIMES: u32 = 3;
/// [`super::typed::Restart::within`]
pub(super) const RESTART_WITHIN: Duration = Duration::from_secs(60);
/// [`super::typed::Restart::backoff`]
pub(super) const RESTART_BACKOFF: Duration = Duration::from_secs(1);
