//! Whether something between here and the server hands statements of one connection to several server processes.

use tokio_postgres::{Client, Error};

use crate::postgres::line::{self, Way};

/// Whether there is, as two connections see it.
pub(in crate::postgres) async fn is_between(way: &Way, host: &str) -> Result<bool, String> {
    let targets = way.url.targets(way.password.as_ref(), way.limit);
    let Some((_, config)) = targets.into_iter().find(|(name, _)| name == host) else { return Ok(false) };
    let (one, two) = (line::bare(host, &config, way).await?, line::bare(host, &config, way).await?);
    moves(&one, &two).await.map_err(|error| crate::postgres::trouble::sentence(&error, host))
}

/// Each has a process to itself while it is within a transaction. Once both are free, whichever way processes are given
/// out, the one that asks again and again gets the other's.
async fn moves(one: &Client, two: &Client) -> Result<bool, Error> {
    one.batch_execute("BEGIN").await?;
    two.batch_execute("BEGIN").await?;
    let (first, second) = (pid(one).await?, pid(two).await?);
    one.batch_execute("ROLLBACK").await?;
    two.batch_execute("ROLLBACK").await?;
    for _ in 0..ROUNDS {
        if pid(one).await? != first {
            return Ok(true);
        }
    }
    Ok(first == second || pid(two).await? != second)
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

/// How often one asks.
const ROUNDS: usize = 3;
