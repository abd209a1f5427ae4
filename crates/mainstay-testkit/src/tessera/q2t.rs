//! The server GoQuorum talks to.

use hyper::header::HOST;
use serde::Deserialize;
use serde_json::json;

use super::args::Behaviour;
use super::node::{Node, hash_bytes};
use super::payload::{Encoded, base64, from_base64};
use super::reply::Reply;
use super::routes::Asked;
use super::store;

pub(super) async fn answer(node: &Node, method: &str, path: &[&str], asked: &Asked) -> Result<Reply, Reply> {
    match (method, path) {
        ("POST", ["send"]) => send(node, asked).await,
        ("POST", ["sendraw"]) => send_raw(node, asked).await,
        ("POST", ["sendsignedtx"]) => send_signed(node, asked).await,
        ("POST", ["storeraw"]) => store_raw(node, asked).await,
        ("GET", ["transaction", hash]) => receive(node, hash, asked).await,
        ("DELETE", ["transaction", hash]) => delete(node, hash).await,
        ("GET", ["transaction", hash, "isSender"]) => {
            let payload = node.find(hash).await?;
            Ok(Reply::text(200, node.args.keys.contains(&payload.sender).to_string()))
        }
        ("GET", ["transaction", hash, "participants"]) => {
            Ok(Reply::text(200, node.find(hash).await?.recipients.join(",")))
        }
        ("GET", ["receiveraw"]) => receive_raw(node, asked).await,
        (_, ["send" | "sendraw" | "sendsignedtx" | "storeraw" | "receiveraw"] | ["transaction", _]) => {
            Err(Reply::misreported("405 Method Not Allowed"))
        }
        _ => Err(Reply::no_such_path()),
    }
}

#[derive(Debug, Deserialize)]
struct Send {
    payload: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    to: Vec<String>,
}

async fn send(node: &Node, asked: &Asked) -> Result<Reply, Reply> {
    asked.is_json()?;
    let send: Send = serde_json::from_slice(&asked.body).map_err(|_| Reply::bad_request())?;
    let payload = from_base64(&send.payload).map_err(|_| Reply::bad_request())?;
    let payload = encode(node, &payload, send.from.as_deref().unwrap_or_default(), send.to)?;
    node.send(&payload).await?;
    let key = base64(&payload.hash());
    let path = key.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
    let location = format!("http://{}/transaction/{path}", asked.header(HOST.as_str()));
    let kind = asked.json_kind(node);
    let body = if kind == "application/json" {
        json!({ "key": key })
    } else {
        json!({ "key": key, "managedParties": node.args.keys, "senderKey": payload.sender })
    };
    Ok(Reply::json(201, &body).kind(kind).location(location))
}

async fn send_raw(node: &Node, asked: &Asked) -> Result<Reply, Reply> {
    let payload = encode(node, &asked.body, asked.header("c11n-from"), listed(asked.header("c11n-to")))?;
    node.send(&payload).await?;
    Ok(Reply::text(200, base64(&payload.hash())))
}

#[derive(Debug, Deserialize)]
struct SendSigned {
    hash: String,
    #[serde(default)]
    to: Vec<String>,
}

/// Sends what was stored raw, under the hash it has: a second time, the hash is there already.
async fn send_signed(node: &Node, asked: &Asked) -> Result<Reply, Reply> {
    let signed = if asked.is_json().is_ok() {
        serde_json::from_slice(&asked.body).map_err(|_| Reply::bad_request())?
    } else {
        SendSigned { hash: base64(&asked.body), to: listed(asked.header("c11n-to")) }
    };
    let hash = hash_bytes(&signed.hash)?;
    let raw = store::find_raw(node.lend().await?.client()?, &hash).await?;
    let mut payload = raw.ok_or_else(|| Reply::no_such_payload(&signed.hash))?;
    payload.recipients = checked(signed.to)?;
    node.send(&payload).await?;
    if asked.is_json().is_ok() && node.behaves(Behaviour::Q100) {
        return Ok(Reply::json(201, &json!({ "key": signed.hash })).kind(asked.json_kind(node)));
    }
    Ok(Reply::text(200, signed.hash))
}

/// Stores a payload that is to be sent later.
pub(super) async fn store_raw(node: &Node, asked: &Asked) -> Result<Reply, Reply> {
    asked.is_json()?;
    let store: Send = serde_json::from_slice(&asked.body).map_err(|_| Reply::bad_request())?;
    let payload = from_base64(&store.payload).map_err(|_| Reply::bad_request())?;
    let payload = encode(node, &payload, store.from.as_deref().unwrap_or_default(), Vec::new())?;
    store::insert_raw(node.lend().await?.client()?, &payload).await?;
    Ok(Reply::json(200, &json!({ "key": base64(&payload.hash()) })))
}

async fn receive(node: &Node, hash: &str, asked: &Asked) -> Result<Reply, Reply> {
    let payload = node.receive(hash).await?;
    let body = if node.behaves(Behaviour::T011) {
        json!({ "payload": payload.payload })
    } else {
        json!({ "payload": payload.payload, "senderKey": payload.sender, "privacyFlag": 0,
                "affectedContractTransactions": [], "managedParties": node.args.keys })
    };
    Ok(Reply::json(200, &body).kind(asked.json_kind(node)))
}

async fn receive_raw(node: &Node, asked: &Asked) -> Result<Reply, Reply> {
    let hash = asked.header("c11n-key");
    if hash.is_empty() {
        return Err(Reply::bad_request());
    }
    let payload = node.receive(hash).await?;
    Ok(Reply::of(200, "application/octet-stream", from_base64(&payload.payload).unwrap_or_default()))
}

async fn delete(node: &Node, hash: &str) -> Result<Reply, Reply> {
    let bytes = hash_bytes(hash)?;
    let gone = store::delete(node.lend().await?.client()?, &bytes).await?;
    if gone { Ok(Reply::text(204, "")) } else { Err(Reply::no_such_payload(hash)) }
}

/// A payload from one of our keys to some.
fn encode(node: &Node, payload: &[u8], from: &str, to: Vec<String>) -> Result<Encoded, Reply> {
    let sender = if from.is_empty() { node.default_key() } else { from.to_owned() };
    if !node.args.keys.contains(&sender) {
        return Err(Reply::text(404, "Private key not found for public key"));
    }
    Ok(Encoded::new(payload, &sender, checked(to)?))
}

/// Keys are 32 bytes.
fn checked(keys: Vec<String>) -> Result<Vec<String>, Reply> {
    for key in &keys {
        let length = from_base64(key).map_or(0, |bytes| bytes.len());
        if length != 32 {
            return Err(Reply::text(500, format!("Index {length} out of bounds for length {length}")));
        }
    }
    Ok(keys)
}

fn listed(header: &str) -> Vec<String> {
    header.split(',').filter(|key| !key.is_empty()).map(|key| key.trim().to_owned()).collect()
}
