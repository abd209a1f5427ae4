//! The statements, each one autocommit message.

use tokio_postgres::{Client, Error, Statement};

/// The prepared statements of one connection.
pub(super) struct Statements {
    pub(super) acquire: Statement,
    pub(super) activate: Statement,
    pub(super) renew: Statement,
    pub(super) carry: Statement,
    pub(super) transfer: Statement,
    pub(super) switch: Statement,
    pub(super) settle: Statement,
    pub(super) pause: Statement,
    pub(super) read: Statement,
    pub(super) make: Statement,
    pub(super) note: Statement,
    pub(super) presences: Statement,
    pub(super) free_keys: Statement,
    pub(super) notify: Statement,
    pub(super) record: Statement,
    pub(super) history: Statement,
}

impl Statements {
    /// Prepares them.
    pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
        let texts = texts();
        let [acquire, activate, renew, carry, transfer, switch, settle, pause, rest @ ..] = &texts;
        let [read, make, note, presences, keys, notify, record, history] = rest;
        // Sent together: the server answers in order.
        let (acquire, activate, renew, carry, transfer, switch, settle, pause) = tokio::try_join!(
            client.prepare(acquire),
            client.prepare(activate),
            client.prepare(renew),
            client.prepare(carry),
            client.prepare(transfer),
            client.prepare(switch),
            client.prepare(settle),
            client.prepare(pause),
        )?;
        let (read, make, note, presences, free_keys, notify, record, history) = tokio::try_join!(
            client.prepare(read),
            client.prepare(make),
            client.prepare(note),
            client.prepare(presences),
            client.prepare(keys),
            client.prepare(notify),
            client.prepare(record),
            client.prepare(history),
        )?;
        let some = Self {
            acquire,
            activate,
            renew,
            carry,
            transfer,
            switch,
            settle,
            pause,
            read,
            make,
            note,
            presences,
            free_keys,
            notify,
            record,
            history,
        };
        Ok(some)
    }
}

/// Their texts, in the order of the fields.
fn texts() -> [String; 16] {
    let update = |set: &str, only: &str| {
        format!("UPDATE mainstay.lease l SET {set} FROM {NOW} t WHERE l.name = $1 AND {only} RETURNING {}", columns())
    };
    [
        update(ACQUIRE.0, ACQUIRE.1),
        update(&format!("state = 'active', {}", extended("$4")), HELD_IN),
        renew(),
        update(&format!("tli = t.tli, {}", extended("$6")), CARRIED),
        update(&format!("state = 'free', serving = 'starting', next = $3, {}", extended("$4")), HELD),
        update(SWITCH.0, SWITCH.1),
        update(SETTLE.0, SETTLE.1),
        update("paused = $2::text", "true"),
        read(),
        MAKE.to_owned(),
        NOTE.to_owned(),
        PRESENCES.to_owned(),
        FREE_KEYS.to_owned(),
        NOTIFY.to_owned(),
        RECORD.to_owned(),
        HISTORY.to_owned(),
    ]
}

/// The history that the database is in, as a number. `pg_control_checkpoint()` would lag behind a promotion.
pub(super) const TIMELINE: &str = "('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint";

/// That, as a table `t` of one row.
const NOW: &str =
    "(SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint AS tli OFFSET 0)";

/// What `super::rows` reads, of the lease `l`.
fn columns() -> String {
    let micros = |what: &str| format!("(extract(epoch FROM {what}) * 1000000)::bigint");
    format!(
        "l.epoch, l.seq, l.holder, l.nonce::text, l.state, l.tli, l.serving, l.next, l.paused, {}, l.ttl,
         l.switch::text, l.switch_to, {}, l.settled::text, l.outcome, l.reason, l.session,
         t.tli, {}, pg_backend_pid(), l.name",
        micros("l.expires_at"),
        micros("l.switch_due"),
        micros("clock_timestamp()"),
    )
}

/// One step of a tenure, whose `ttl` in microseconds is this parameter.
fn extended(ttl: &str) -> String {
    format!(
        "seq = l.seq + 1, ttl = {ttl}::bigint,
         expires_at = clock_timestamp() + {ttl}::bigint * interval '1 microsecond'"
    )
}

/// $2 epoch, $3 seq, $4 timeline, $5 least epoch, $6 nonce, $7 holder, $8 ttl, $9 early, $10 session.
const ACQUIRE: (&str, &str) = (
    "epoch = GREATEST(l.epoch + 1, $5::bigint), seq = l.seq + 1, holder = $7::text, nonce = $6::text::uuid,
     state = 'fencing', tli = t.tli, serving = 'starting', next = NULL, session = $10::bigint, ttl = $8::bigint,
     expires_at = clock_timestamp() + $8::bigint * interval '1 microsecond'",
    "l.epoch = $2::bigint AND l.seq = $3::bigint AND t.tli = $4::bigint
     AND ($9::boolean OR l.expires_at < clock_timestamp() OR l.state = 'free' AND (l.next IS NULL OR l.next = $7))
     AND (l.paused IS NULL OR l.holder = $7 OR l.state = 'free' AND l.next = $7)",
);

/// $2 nonce.
const HELD: &str = "l.nonce = $2::text::uuid AND l.state <> 'free' AND l.epoch > 0";

/// $2 nonce, $3 timeline.
const HELD_IN: &str =
    "l.nonce = $2::text::uuid AND l.state <> 'free' AND l.epoch > 0 AND l.tli = t.tli AND t.tli = $3::bigint";

/// $2 nonce, $3 from, $4 to, $5 least seq, $6 ttl.
const CARRIED: &str = "l.nonce = $2::text::uuid AND l.state = 'active' AND l.epoch > 0
    AND l.tli = $3::bigint AND t.tli = $4::bigint AND l.seq >= $5::bigint";

/// $2 id, $3 to whom, $4 in how many microseconds.
const SWITCH: (&str, &str) = (
    "switch = $2::text::uuid, switch_to = $3::text,
     switch_due = clock_timestamp() + $4::bigint * interval '1 microsecond'",
    "l.switch IS NULL",
);

/// $2 id, $3 outcome, $4 reason.
const SETTLE: (&str, &str) = (
    "switch = NULL, switch_to = NULL, switch_due = NULL, settled = $2::text::uuid, outcome = $3::text, reason = $4::text",
    "l.switch = $2::text::uuid",
);

/// Many renewals at once: arrays of $1 name, $2 nonce, $3 timeline, $4 ttl, $5 serving, $6 next; and $7 session. A row
/// that somebody else has locked is left out rather than waited for: the others must not wait with it.
fn renew() -> String {
    format!(
        "WITH t AS MATERIALIZED (SELECT * FROM {NOW} t), a AS MATERIALIZED (
             SELECT name, nonce::uuid AS nonce, tli, ttl, serving, next
             FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[])
                 AS a (name, nonce, tli, ttl, serving, next)
         ), r AS MATERIALIZED (
             SELECT l.name FROM mainstay.lease l JOIN a ON a.name = l.name WHERE l.nonce = a.nonce
             FOR UPDATE OF l SKIP LOCKED
         )
         UPDATE mainstay.lease l SET serving = a.serving, next = a.next, session = $7::bigint, {}
         FROM a, r, t
         WHERE l.name = a.name AND r.name = a.name AND l.nonce = a.nonce AND l.state <> 'free' AND l.epoch > 0
           AND l.tli = t.tli AND a.tli = t.tli
         RETURNING {}",
        extended("a.ttl"),
        columns()
    )
}

/// The rows of all $1, once for each member that looked within $2 microseconds; and whether the lease has roles.
fn read() -> String {
    format!(
        "SELECT {}, EXISTS (SELECT FROM mainstay.role r WHERE r.lease = l.name),
             m.name, m.instance::text, m.priority, m.state, m.switch::text, m.quiet,
             (extract(epoch FROM clock_timestamp() - m.seen) * 1000000)::bigint
         FROM {NOW} t, mainstay.lease l LEFT JOIN LATERAL (
             SELECT * FROM mainstay.member m
             WHERE m.lease = l.name AND m.seen > clock_timestamp() - $2::bigint * interval '1 microsecond'
             ORDER BY m.instance LIMIT 64
         ) m ON true
         WHERE l.name = ANY ($1::text[])",
        columns()
    )
}

/// Makes the rows of all $1 that are not there.
const MAKE: &str = "INSERT INTO mainstay.lease (name, tli)
    SELECT DISTINCT name, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
    FROM unnest($1::text[]) AS name ORDER BY name
    ON CONFLICT DO NOTHING";

/// That members looked: arrays of $1 lease, $2 instance, $3 name, $4 priority, $5 state, $6 switch, $7 quiet; and $8 where
/// their program runs. Losing it
/// costs nothing, so nobody waits for disks and standbys, nor for who has one of the rows locked.
const NOTE: &str = "WITH c AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS c),
    a AS MATERIALIZED (
        SELECT lease, instance::uuid AS instance, name, priority, state, switch::uuid AS switch, quiet
        FROM c, unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::boolean[])
            AS a (lease, instance, name, priority, state, switch, quiet)
    ), r AS MATERIALIZED (
        SELECT m.lease, m.instance FROM mainstay.member m JOIN a ON a.lease = m.lease AND a.instance = m.instance
        FOR UPDATE OF m SKIP LOCKED
    ), u AS (
        UPDATE mainstay.member m SET name = a.name, priority = a.priority, state = a.state, switch = a.switch,
            quiet = a.quiet, place = $8::text, seen = clock_timestamp()
        FROM a, r
        WHERE m.lease = a.lease AND m.instance = a.instance AND r.lease = m.lease AND r.instance = m.instance
    )
    INSERT INTO mainstay.member (lease, instance, name, priority, state, switch, quiet, place, seen)
    SELECT lease, instance, name, priority, state, switch, quiet, $8::text, clock_timestamp() FROM a
    WHERE NOT EXISTS (SELECT FROM mainstay.member m WHERE m.lease = a.lease AND m.instance = a.instance)
    ON CONFLICT DO NOTHING";

/// The records of members of lease $1, the last first.
const PRESENCES: &str = "SELECT name, instance::text, place, state, (extract(epoch FROM seen) * 1000000)::bigint,
        (extract(epoch FROM clock_timestamp() - seen) * 1000000)::bigint
    FROM mainstay.member WHERE lease = $1 ORDER BY seen DESC LIMIT 64";

/// Which of the advisory locks $1 nobody holds. They are taken for a moment, shared: two who look do not disturb.
const FREE_KEYS: &str = "SELECT key FROM unnest($1::bigint[]) AS key
    WHERE CASE WHEN pg_try_advisory_lock_shared(key) THEN pg_advisory_unlock_shared(key) ELSE false END";

const NOTIFY: &str = "SELECT pg_notify('mainstay', name) FROM unnest($1::text[]) AS name";

/// $7: how many are kept of each lease.
const RECORD: &str = "WITH old AS (DELETE FROM mainstay.history WHERE lease = $2
        AND id <= (SELECT id FROM mainstay.history WHERE lease = $2 ORDER BY id DESC LIMIT 1 OFFSET $7::bigint))
    INSERT INTO mainstay.history (at, lease, by, epoch, what, text)
    VALUES (timestamptz 'epoch' + $1::bigint * interval '1 microsecond', $2, $3, $4::bigint, $5, $6)";

const HISTORY: &str = "SELECT (extract(epoch FROM at) * 1000000)::bigint, lease, by, epoch, what, text
    FROM mainstay.history WHERE $1::text IS NULL OR lease = $1 ORDER BY id DESC LIMIT $2::bigint";

/// Makes the schema; what is there stays.
pub(super) const SCHEMA: &str = "
CREATE SCHEMA IF NOT EXISTS mainstay;
CREATE TABLE IF NOT EXISTS mainstay.version (version integer NOT NULL);
CREATE TABLE IF NOT EXISTS mainstay.lease (
    name text PRIMARY KEY, epoch bigint NOT NULL DEFAULT 0, seq bigint NOT NULL DEFAULT 0,
    holder text NOT NULL DEFAULT '', nonce uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    state text NOT NULL DEFAULT 'free', tli bigint NOT NULL, serving text NOT NULL DEFAULT 'starting',
    next text, paused text, expires_at timestamptz NOT NULL DEFAULT clock_timestamp(), ttl bigint NOT NULL DEFAULT 0,
    switch uuid, switch_to text, switch_due timestamptz, settled uuid, outcome text, reason text,
    session bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE TABLE IF NOT EXISTS mainstay.member (
    lease text NOT NULL, instance uuid NOT NULL, name text NOT NULL, priority bigint NOT NULL, state text NOT NULL,
    switch uuid, quiet boolean NOT NULL, seen timestamptz NOT NULL, PRIMARY KEY (lease, instance)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
DO $place$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('mainstay.member') AND attname = 'place') THEN
        ALTER TABLE mainstay.member ADD COLUMN place text NOT NULL DEFAULT '';
    END IF;
END $place$;
CREATE TABLE IF NOT EXISTS mainstay.role (
    lease text NOT NULL, role text NOT NULL, PRIMARY KEY (lease, role)
);
CREATE TABLE IF NOT EXISTS mainstay.history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL, lease text NOT NULL, by text NOT NULL,
    epoch bigint NOT NULL, what text NOT NULL, text text NOT NULL
);
CREATE INDEX IF NOT EXISTS history_of_lease ON mainstay.history (lease, id);
INSERT INTO mainstay.version (version) SELECT 1 WHERE NOT EXISTS (SELECT FROM mainstay.version);
";

/// The schema that this program knows.
pub(super) const SCHEMA_VERSION: i32 = 1;
