//! The server for third parties.

use serde_json::json;

use super::node::Node;
use super::q2t;
use super::reply::Reply;
use super::routes::Asked;

pub(super) async fn answer(node: &Node, method: &str, path: &[&str], asked: &Asked) -> Result<Reply, Reply> {
    match (method, path) {
        ("POST", ["storeraw"]) => q2t::store_raw(node, asked).await,
        ("GET", ["keys"]) => Ok(keys(node.args.keys.iter())),
        ("GET", ["partyinfo", "keys"]) => {
            let parties = node.parties();
            Ok(keys(node.args.keys.iter().chain(parties.keys().map(|(key, _)| key))))
        }
        (_, ["storeraw" | "keys"] | ["partyinfo", "keys"]) => Err(Reply::misreported("405 Method Not Allowed")),
        _ => Err(Reply::no_such_path()),
    }
}

fn keys<'k>(keys: impl Iterator<Item = &'k String>) -> Reply {
    let keys: Vec<_> = keys.map(|key| json!({ "key": key })).collect();
    Reply::json(200, &json!({ "keys": keys }))
}
