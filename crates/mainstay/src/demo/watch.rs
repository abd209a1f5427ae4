//! What the front itself thinks of its nodes, asked of its admin listener as `mainstay status` does.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::scene::{Half, Held, Scene};
use crate::admin::Place;
use crate::admin::client::ask;
use crate::admin::document::{Node, Status};

/// What of a status is about leases.
#[derive(Deserialize)]
struct Followed {
    #[serde(default)]
    leases: Vec<Held>,
}

/// Notes it in the scene for as long as it is polled.
pub(super) async fn watch(admin: &Path, scene: &RefCell<Scene>) {
    let mut turns = tokio::time::interval(EVERY);
    loop {
        turns.tick().await;
        let place = Place::Unix(admin.to_owned());
        let answer = tokio::task::spawn_blocking(move || ask(Some(&place), "GET", "/status")).await;
        // A front that does not answer is what the load finds out.
        let Ok(Ok(answer)) = answer else { continue };
        if scene.borrow().half == Half::Guarded {
            let followed = serde_json::from_str::<Followed>(&answer.body).map(|followed| followed.leases);
            followed.into_iter().flatten().for_each(|held| scene.borrow_mut().held(held));
            continue;
        }
        let Ok(status) = serde_json::from_str::<Status>(&answer.body) else { continue };
        for node in status.pools.iter().flat_map(|pool| &pool.nodes) {
            scene.borrow_mut().seen(&node.name, verdict(node));
        }
    }
}

/// Why a node is not in, in the front's own words; `None` when it is.
fn verdict(node: &Node) -> Option<String> {
    if node.standing == "in" {
        return None;
    }
    Some(match &node.reason {
        Some(reason) => format!("{}: {reason}", node.standing),
        None => node.standing.clone(),
    })
}

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(100);
