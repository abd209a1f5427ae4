//! The tokens that an operator's own nodes wrote, in their database's order.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use tokio_postgres::NoTls;

use crate::demo::load::{Order, Rows};
use crate::demo::stage::Mishap;

/// Where they are. `Debug` shows no password.
#[derive(Clone)]
pub(super) enum Audit {
    File(String),
    Postgres(String),
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "sqlite:{path}"),
            Self::Postgres(_) => f.write_str("postgres://..."),
        }
    }
}

impl Audit {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            return Ok(Self::File(path.to_owned()));
        }
        let is_postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let read = text.parse::<tokio_postgres::Config>();
        match read {
            Ok(_) if is_postgres => Ok(Self::Postgres(text.to_owned())),
            Err(error) if is_postgres => Err(error.to_string()),
            _ => Err("write postgres://USER@HOST/DATABASE or sqlite:FILE".to_owned()),
        }
    }

    /// Whether the tokens are in order.
    pub(super) async fn order(&self, query: &str) -> Result<Order, Mishap> {
        let failed = |why: String| Mishap::new("could not read the nodes' database", why);
        let tokens = match self {
            Self::File(path) => from_file(Path::new(path), query).map_err(|error| failed(error.to_string()))?,
            Self::Postgres(url) => from_server(url, query).await.map_err(|error| failed(error.to_string()))?,
        };
        let mut rows = Rows::default();
        for token in tokens {
            rows.add(String::new(), String::new(), &token);
        }
        Ok(rows.order())
    }
}

fn from_file(path: &Path, query: &str) -> rusqlite::Result<Vec<String>> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "query_only", true)?;
    let mut select = connection.prepare(query)?;
    let tokens = select.query_map([], |row| row.get(0))?;
    tokens.collect()
}

async fn from_server(url: &str, query: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let mut config: tokio_postgres::Config = url.parse()?;
    if let (None, Ok(password)) = (config.get_password(), std::env::var("PGPASSWORD")) {
        config.password(password);
    }
    let (client, connection) = config.connect(NoTls).await?;
    let reading = tokio::spawn(connection);
    client.batch_execute("SET default_transaction_read_only = on").await?;
    let found = client.query(query, &[]).await;
    reading.abort();
    found?.iter().map(|row| row.try_get(0)).collect()
}
