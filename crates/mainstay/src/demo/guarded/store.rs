//! The way to a set's store and to its nodes' database.

use std::sync::Arc;

use mainstay_store::{LeasePlan, LeaseSettings, Location, Settings, Store};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config, NoTls};

use super::files::role;
use super::{GROUP, Mishap, NAMES, TIMEOUT};

/// Opens the drill's own view of the store; a database is set up first.
pub(super) async fn open(url: &str, lease: &str) -> Result<Arc<dyn Store>, Mishap> {
    let at: Location = url.parse().map_err(|error| Mishap::new("could not use --store", error))?;
    let mut settings = Settings::new(at);
    settings.timeout = TIMEOUT;
    if url.starts_with("postgres") {
        let plan = LeasePlan {
            lease: lease.into(),
            group: Some(GROUP.into()),
            roles: NAMES.map(|name| role(name).into()).into(),
            database: None,
        };
        settings.leases.insert(lease.into(), LeaseSettings { role: None, group: Some(GROUP.into()), database: None });
        mainstay_store::init(&settings, &[plan])
            .await
            .map_err(|fault| Mishap::new("could not set the store up", fault))?;
        fresh(url, lease).await?;
    }
    mainstay_store::open(&settings).map_err(|fault| Mishap::new("could not open the store", fault))
}

/// Takes away what an earlier drill wrote.
async fn fresh(url: &str, lease: &str) -> Result<(), Mishap> {
    let failed = |error| Mishap::new("could not make the database ready", error);
    let client = session(url).await.map_err(failed)?;
    let sql = format!(
        "DROP TABLE IF EXISTS writes; DELETE FROM mainstay.history WHERE lease = '{lease}';
         GRANT CREATE, USAGE ON SCHEMA public TO {GROUP}"
    );
    client.batch_execute(&sql).await.map_err(failed)
}

/// `host:port` of a URL, as it stands in it.
pub(super) fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned()
}

pub(super) fn host_of(url: &str) -> Result<String, Mishap> {
    let host = host(url);
    if host.contains(',') || !host.contains(':') {
        return Err(Mishap::new("could not put a relay before the store", "write one host with its port into --store"));
    }
    Ok(host)
}

/// A session with the primary.
pub(super) async fn session(url: &str) -> Result<Client, tokio_postgres::Error> {
    let mut config: Config = url.parse()?;
    config.target_session_attrs(TargetSessionAttrs::ReadWrite).connect_timeout(TIMEOUT);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
