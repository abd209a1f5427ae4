//! Whether something between here and the server hands statements of one connection to several server processes.

use tokio_postgres::{Client, Error};

use crate::postgres::line::{self, Way};

/// Whether there is. With two connections: as long as one is within a transaction it has a server process to itself, so
/// that the other is given another one, if processes are given out by the transaction.
pub(in crate::postgres) async fn is_between(way: &Way, host: &str) -> Result<bool, String> {
    let targets = way.url.targets(way.password.as_ref(), way.limit);
    let Some((_, config)) = targets.into_iter().find(|(name, _)| name == host) else { return Ok(false) };
    let (one, two) = (line::bare(host, &config, way).await?, line::bare(host, &config, way).await?);
    moves(&one, &two).await.map_err(|error| crate::postgres::trouble::sentence(&error, host))
}

async fn moves(one: &Client, two: &Client) -> Result<bool, Error> {
    let (first, second) = (pid(one).await?, pid(two).await?);
    if first == second {
        return Ok(true);
    }
    for (holds, asks, was) in [(one, two, second), (two, one, first)] {
        holds.batch_execute("BEGIN").await?;
        let held = pid(holds).await?;
        let asked = pid(asks).await?;
        holds.batch_execute("ROLLBACK").await?;
        if asked != was || held == was {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn pid(client: &Client) -> Result<i32, Error> {
    // A plain query: a pooler may not know of prepared statements.
    let rows = client.simple_query("SELECT pg_backend_pid()").await?;
    let text = rows.iter().find_map(|row| match row {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
}
