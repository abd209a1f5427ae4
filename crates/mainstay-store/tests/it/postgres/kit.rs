//! A server with a store in it, and who may use it.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::lease::{Name, Nonce, Request, Row, Version};
use mainstay_store::{LeasePlan, LeaseSettings, Settings, Store, init, open};
use mainstay_testkit::{Postgres, Trouble, skipped};
use tokio_postgres::{Client, Config, Error, NoTls};

use crate::suite::{HOUR, SECOND, answer, done, look, name, row_of};

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
        let server = match Postgres::start_with(settings).await {
            Ok(server) => server,
            Err(trouble @ Trouble::Missing(_)) => {
                skipped(test, &trouble);
                return None;
            }
            Err(trouble) => panic!("{trouble}"),
        };
        server.create("mainstay").await.unwrap();
        server.create("partya").await.unwrap();
        let kit = Self { server };
        kit.admin("mainstay")
            .await
            .batch_execute("CREATE ROLE mainstay LOGIN CREATEROLE; GRANT CREATE ON DATABASE mainstay TO mainstay;")
            .await
            .unwrap();
        Some(kit)
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

    pub(super) async fn admin(&self, database: &str) -> Client {
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

pub(super) fn settings(url: &str, role: Option<&str>) -> Settings {
    let mut settings = Settings::new(url.parse().unwrap());
    let (group, database) = (Some(name("partya")), Some(name("partya")));
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
