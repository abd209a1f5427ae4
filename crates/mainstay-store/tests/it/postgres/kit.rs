//! A server with a store in it, and who may use it.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::lease::{Name, Nonce, Request, Row, Version};
use mainstay_store::{LeasePlan, LeaseSettings, Settings, Store, init, open};
use mainstay_testkit::{Installation, Postgres, Trouble, skipped};
use tokio_postgres::{Client, Config, Error, NoTls};

use crate::suite::{HOUR, PLACE, SECOND, answer, done, look, name, row_of};

pub(crate) struct Kit {
    pub(super) server: Postgres,
}

/// The store's user: no superuser.
pub(super) const USER: &str = "mainstay";
pub(super) const LEASE: &str = "bank-a";

impl Kit {
    /// A server whose database `mainstay` holds a store, with two roles for one lease. `None` where there is no PostgreSQL.
    pub(crate) async fn start(test: &str, settings: &[&str]) -> Option<Self> {
        let kit = Self::bare(test, settings).await?;
        let said = init(&kit.settings(None), &[plan()]).await.unwrap();
        assert!(said.iter().any(|text| text.contains("partya_1")), "{said:?}");
        Some(kit)
    }

    /// The same without a store.
    pub(super) async fn bare(test: &str, settings: &[&str]) -> Option<Self> {
        let server = there(test, Postgres::start_with(settings).await)?;
        let kit = Self { server };
        kit.prepare().await;
        Some(kit)
    }

    /// The same, of this major version of PostgreSQL.
    pub(super) async fn of(major: u32, settings: &[&str]) -> Option<Self> {
        let test = format!("PostgreSQL {major}");
        let installation = there(&test, Installation::of(major).await)?;
        let kit = Self { server: there(&test, Postgres::start_as(installation, settings).await)? };
        kit.prepare().await;
        Some(kit)
    }

    /// Makes it as it was at the beginning.
    pub(super) async fn clear(&self) {
        let admin = self.admin("postgres").await;
        for database in ["mainstay", "partya"] {
            admin.batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
        }
        admin.batch_execute("DROP ROLE IF EXISTS partya_1, partya_2, partya, mainstay").await.unwrap();
        self.prepare().await;
    }

    async fn prepare(&self) {
        self.server.create("mainstay").await.unwrap();
        self.server.create("partya").await.unwrap();
        let text = "CREATE ROLE mainstay LOGIN CREATEROLE; GRANT CREATE ON DATABASE mainstay TO mainstay;";
        self.admin("mainstay").await.batch_execute(text).await.unwrap();
    }

    /// A standby of it, which it knows as `east`.
    pub(super) async fn standby(&self, test: &str) -> Option<Postgres> {
        there(test, self.server.standby("east").await)
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/mainstay", self.server.port())
    }

    /// With a role of the lease, or as somebody who only looks.
    pub(super) fn settings(&self, role: Option<&str>) -> Settings {
        settings(&self.url(), role)
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        open(&self.settings(None)).unwrap()
    }

    pub(crate) fn guard(&self, role: &str) -> Arc<dyn Store> {
        open(&self.settings(Some(role))).unwrap()
    }

    pub(crate) async fn admin(&self, database: &str) -> Client {
        self.server.connect(database).await.unwrap()
    }

    /// Logs in to the nodes' database.
    pub(super) async fn login(&self, role: &str, password: &str) -> Result<Client, Error> {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.server.port()).user(role).password(password).dbname("partya");
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// What this machine lacks is skipped.
fn there<T>(test: &str, result: Result<T, Trouble>) -> Option<T> {
    match result {
        Ok(found) => Some(found),
        Err(trouble @ Trouble::Missing(_)) => {
            skipped(test, &trouble);
            None
        }
        Err(trouble) => panic!("{trouble}"),
    }
}

pub(super) fn settings(url: &str, role: Option<&str>) -> Settings {
    let mut settings = Settings::new(url.parse().unwrap());
    let (group, database) = (Some(name("partya")), Some(name("partya")));
    settings.place = PLACE.into();
    settings.leases.insert(name(LEASE), LeaseSettings { role: role.map(name), group, database });
    settings
}

pub(super) fn plan() -> LeasePlan {
    LeasePlan {
        lease: name(LEASE),
        group: Some(name("partya")),
        roles: vec![name("partya_1"), name("partya_2")],
        database: Some(name("partya")),
    }
}

/// Takes the lease from whoever has it.
pub(super) async fn acquire(store: &dyn Store, lease: &Name, nonce: u128, holder: &str) -> Row {
    let seen = row_of(&look(store, lease, nonce).await);
    let request = Request::Acquire {
        seen: Version { epoch: seen.epoch, seq: seen.seq },
        timeline: match answer(store, lease, Request::Look { me: crate::suite::member(nonce) }).await {
            mainstay_core::lease::Answer::Done { timeline, .. }
            | mainstay_core::lease::Answer::Overtaken { timeline, .. } => timeline,
        },
        epoch_at_least: 0,
        nonce: Nonce(nonce),
        holder: name(holder),
        ttl: HOUR,
        early: true,
    };
    done(store, lease, request).await
}

/// Takes it, fences and becomes active. The password of its role.
pub(super) async fn take_over(store: &dyn Store, lease: &Name, nonce: u128, holder: &str) -> String {
    let row = acquire(store, lease, nonce, holder).await;
    fence(store, lease, nonce).await;
    let activate = Request::Activate { nonce: row.nonce, timeline: row.timeline, ttl: HOUR };
    done(store, lease, activate).await;
    store.grant(lease, row.nonce).credential.map(|it| it.password.reveal().to_owned()).unwrap_or_default()
}

pub(super) async fn fence(store: &dyn Store, lease: &Name, nonce: u128) {
    let request = Request::Fence { nonce: Nonce(nonce) };
    let fenced = store.ask(lease, request, Duration::from_secs(15)).await;
    assert!(matches!(fenced, Ok(mainstay_core::lease::Answer::Done { .. })), "{fenced:?}");
    let _limit = SECOND;
}
