//! The tables of the real one, and what is read from and written to them.

use std::time::Duration;

use tokio_postgres::{GenericClient, Transaction};

use super::args::Behaviour;
use super::payload::Encoded;
use super::pool::Pool;
use super::reply::Reply;

/// Makes the tables. Two instances that start at once race, as they do in the real one: what the other has made is
/// there, and its error is of no use to anybody.
pub(super) async fn create_tables(pool: &Pool, behaves: Behaviour) -> Result<(), Reply> {
    let mut lent = pool.lend().await?;
    let client = lent.client()?;
    for table in TABLES {
        // A race lost means that the table is there.
        let _raced = client.batch_execute(&format!("CREATE TABLE IF NOT EXISTS {table}")).await;
    }
    if behaves == Behaviour::Q100 {
        let _raced = client.batch_execute(STAGING).await;
    }
    client.query("SELECT 1 FROM encrypted_transaction LIMIT 1", &[]).await?;
    Ok(())
}

/// What /upcheck asks of the database, in the version that asks it. `None`: nothing came within `bound`.
pub(super) async fn counts(pool: &Pool, bound: Duration) -> bool {
    let ask = async {
        let mut lent = pool.lend_within(bound).await?;
        let client = lent.client()?;
        for table in ["encrypted_transaction", "encrypted_raw_transaction"] {
            client.query(&format!("SELECT count(*) FROM {table}"), &[]).await?;
        }
        Ok::<(), Reply>(())
    };
    ask.await.is_ok()
}

/// A stored payload.
pub(super) async fn find(client: &impl GenericClient, hash: &[u8]) -> Result<Option<Encoded>, Reply> {
    let rows = client.query("SELECT encoded_payload FROM encrypted_transaction WHERE hash = $1", &[&hash]).await?;
    Ok(rows.first().and_then(|row| Encoded::read(row.get(0))))
}

/// Every stored payload that a recipient can read.
pub(super) async fn all_for(client: &impl GenericClient, recipient: &str) -> Result<Vec<Encoded>, Reply> {
    let rows = client.query("SELECT encoded_payload FROM encrypted_transaction", &[]).await?;
    let all = rows.iter().filter_map(|row| Encoded::read(row.get(0)));
    Ok(all.filter(|payload| payload.recipients.iter().any(|key| key == recipient)).collect())
}

pub(super) async fn insert(client: &impl GenericClient, payload: &Encoded) -> Result<(), Reply> {
    let sql = "INSERT INTO encrypted_transaction (encoded_payload, payload_codec, hash, timestamp) \
               VALUES ($1, NULL, $2, floor(extract(epoch FROM clock_timestamp()) * 1000))";
    client.execute(sql, &[&payload.write(), &payload.hash()]).await?;
    Ok(())
}

pub(super) async fn update(client: &impl GenericClient, payload: &Encoded) -> Result<(), Reply> {
    let sql = "UPDATE encrypted_transaction SET encoded_payload = $1 WHERE hash = $2";
    client.execute(sql, &[&payload.write(), &payload.hash()]).await?;
    Ok(())
}

/// Removes a payload; whether there was one.
pub(super) async fn delete(client: &impl GenericClient, hash: &[u8]) -> Result<bool, Reply> {
    Ok(client.execute("DELETE FROM encrypted_transaction WHERE hash = $1", &[&hash]).await? > 0)
}

/// Stores a raw payload, to be sent later under its hash.
pub(super) async fn insert_raw(client: &impl GenericClient, payload: &Encoded) -> Result<(), Reply> {
    let sql = "INSERT INTO encrypted_raw_transaction (encrypted_key, encrypted_payload, nonce, sender, timestamp, hash) \
               VALUES ('', $1, $2, $3, floor(extract(epoch FROM clock_timestamp()) * 1000), $4)";
    let (nonce, sender) = (payload.nonce.as_bytes(), payload.sender.as_bytes());
    client.execute(sql, &[&payload.write(), &nonce, &sender, &payload.hash()]).await?;
    Ok(())
}

pub(super) async fn find_raw(client: &impl GenericClient, hash: &[u8]) -> Result<Option<Encoded>, Reply> {
    let sql = "SELECT encrypted_payload FROM encrypted_raw_transaction WHERE hash = $1";
    let rows = client.query(sql, &[&hash]).await?;
    Ok(rows.first().and_then(|row| Encoded::read(row.get(0))))
}

pub(super) async fn commit(transaction: Transaction<'_>) -> Result<(), Reply> {
    Ok(transaction.commit().await?)
}

const TABLES: &[&str] = &[
    "encrypted_transaction (encoded_payload bytea NOT NULL, payload_codec varchar(50), hash bytea NOT NULL, \
     timestamp decimal(19), PRIMARY KEY (hash))",
    "encrypted_raw_transaction (encrypted_key bytea NOT NULL, encrypted_payload bytea NOT NULL, \
     nonce bytea NOT NULL, sender bytea NOT NULL, timestamp decimal(19), hash bytea NOT NULL, PRIMARY KEY (hash))",
    "privacy_group (id bytea NOT NULL, lookup_id bytea NOT NULL, data bytea NOT NULL, timestamp decimal(19), \
     PRIMARY KEY (id))",
];

/// Dropped and made anew at each start, in a database that other instances use.
const STAGING: &str = "DROP TABLE IF EXISTS st_affected_transaction; DROP TABLE IF EXISTS st_transaction; \
    CREATE TABLE st_transaction (id bigint NOT NULL, payload_codec varchar(50), hash varchar(255), payload bytea, \
    privacy_mode int, timestamp bigint, validation_stage bigint, PRIMARY KEY (id)); \
    CREATE TABLE st_affected_transaction (id bigint NOT NULL, affected_hash varchar(255), \
    txn_id bigint REFERENCES st_transaction (id), PRIMARY KEY (id))";
