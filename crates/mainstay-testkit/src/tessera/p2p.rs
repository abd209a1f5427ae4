//! The server other nodes talk to.

use serde::Deserialize;
use serde_json::json;

use super::node::{Node, hash_bytes};
use super::party::Told;
use super::payload::Encoded;
use super::peer;
use super::reply::Reply;
use super::routes::Asked;
use super::store;

pub(super) async fn answer(node: &Node, method: &str, path: &[&str], asked: &Asked) -> Result<Reply, Reply> {
    match (method, path) {
        ("POST", ["push"]) => node.take(&Encoded::read(&asked.body).ok_or_else(Reply::bad_request)?).await,
        ("POST", ["partyinfo"]) => told(node, asked),
        ("GET", ["partyinfo"]) => Ok(known(node)),
        ("POST", ["partyinfo", "validate"]) => {
            let challenge = Encoded::read(&asked.body).ok_or_else(Reply::bad_request)?;
            Ok(Reply::text(200, challenge.payload))
        }
        ("POST", ["resend"]) => resend(node, asked).await,
        (_, ["push" | "partyinfo" | "resend"]) => Err(Reply::misreported("405 Method Not Allowed")),
        _ => Err(Reply::no_such_path()),
    }
}

/// Learns what a peer says of itself; says nothing of use in return.
fn told(node: &Node, asked: &Asked) -> Result<Reply, Reply> {
    let told = Told::read(&asked.body).ok_or_else(|| Reply::text(500, "Unable to decode party info"))?;
    node.parties().learn(&told, &node.args.address);
    eprintln!("partyinfo from {}", told.address);
    let answer = Told { address: node.args.address.clone(), ..Told::default() };
    Ok(Reply::of(200, "application/octet-stream", answer.write()))
}

/// What this instance knows: the only sign of whether it can reach a peer.
fn known(node: &Node) -> Reply {
    let own = node.args.keys.iter().map(|key| (key, &node.args.address));
    let parties = node.parties();
    let keys: Vec<_> = own.chain(parties.keys()).map(|(key, url)| json!({ "key": key, "url": url })).collect();
    let peers: Vec<_> = parties.peers().into_iter().map(|url| json!({ "url": url })).collect();
    Reply::json(200, &json!({ "url": node.args.address, "peers": peers, "keys": keys }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resend {
    r#type: String,
    public_key: String,
    #[serde(default)]
    key: Option<String>,
}

/// Gives a recipient what it has lost: one payload in the answer, or all of them pushed anew.
async fn resend(node: &Node, asked: &Asked) -> Result<Reply, Reply> {
    let resend: Resend = serde_json::from_slice(&asked.body).map_err(|_| Reply::bad_request())?;
    if resend.r#type == "INDIVIDUAL" {
        let hash = resend.key.unwrap_or_default();
        let found = store::find(node.lend().await?.client()?, &hash_bytes(&hash)?).await?;
        let payload = found.ok_or_else(|| Reply::no_such_payload(&hash))?;
        return Ok(Reply::of(200, "text/plain", payload.only_for(&resend.public_key).write()));
    }
    let all = store::all_for(node.lend().await?.client()?, &resend.public_key).await?;
    let address = node.parties().node_of(&resend.public_key);
    let address = address.ok_or_else(|| Reply::no_such_recipient(&resend.public_key))?;
    for payload in all {
        // A payload the recipient has already is refused by it in one of the versions, and not sent again.
        let _refused =
            peer::post(&address, "/push", payload.only_for(&resend.public_key).write(), node.patience()).await;
    }
    Ok(Reply::text(200, ""))
}
