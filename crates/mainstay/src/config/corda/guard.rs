//! What runs the node.

use std::time::Duration;

use super::database::Database;
use super::node::Node;
use crate::config::typed::{Guard, Hook, Ready, Span, Spanned};

/// The guard's name.
pub(super) fn name(node: &Node<'_>) -> Spanned<String> {
    Spanned { value: "corda".to_owned(), span: node.start() }
}

/// The guard of the node.
pub(super) fn read(
    node: &mut Node<'_>,
    machine: Spanned<String>,
    lease: &Spanned<String>,
    database: Option<&Database>,
) -> Guard {
    let here = machine.span;
    let spanned = |value: &str| Spanned { value: value.to_owned(), span: here };
    journal(node, here);
    let mut guard = Guard {
        lease: Some(lease.clone()),
        name: Some(machine),
        run: ["java", "-jar", "corda.jar"].map(spanned).to_vec(),
        dir: node
            .folder
            .and_then(|folder| std::path::absolute(folder).ok())
            .map(|dir| spanned(&dir.display().to_string())),
        ready: ready(node),
        stop_within: Some(Spanned { value: STOP_WITHIN, span: here }),
        ..Guard::default()
    };
    guard.before = guard.ready.as_ref().map(|ready| {
        let run = words(ready.span, &FORGET);
        Spanned { value: Hook { run, within: None }, span: ready.span }
    });
    if let Some(database) = database {
        guard.role = Some(database.role.clone());
        let users = database.user_from.iter().map(|name| (name, "{role}"));
        let passwords = database.password_from.iter().map(|name| (name, "{password}"));
        guard.env = users.chain(passwords).map(|(name, text)| (spanned(name), spanned(text))).collect();
    }
    guard
}

/// When it is ready: the port for its clients is open, and its log says that it serves. The port alone is open too early.
fn ready(node: &mut Node<'_>) -> Option<Spanned<Ready>> {
    let address = ["rpcSettings.address", "rpcAddress", "messagingServerAddress", "p2pAddress"]
        .into_iter()
        .find_map(|name| node.address(&name.split('.').collect::<Vec<_>>()));
    let Some(address) = address else {
        let start = node.start();
        node.note(start, "no address of the node is known, so that it counts as ready as soon as it runs")
            .help("add `rpcSettings { address = \"HOST:PORT\" }`");
        return None;
    };
    let host = if WILDCARDS.contains(&address.host.as_str()) { "127.0.0.1" } else { address.host.as_str() };
    let (span, port) = (address.span, address.port.to_string());
    let run = words(span, &["bash", "-c", READY, host, &port]);
    let within = Some(Spanned { value: START_WITHIN, span });
    Some(Spanned { value: Ready { run, within, ..Ready::default() }, span })
}

fn words(span: Span, words: &[&str]) -> Vec<Spanned<String>> {
    words.iter().map(|word| Spanned { value: (*word).to_owned(), span }).collect()
}

/// Messages on their way are in files, which must go where the lease goes.
fn journal(node: &mut Node<'_>, span: Span) {
    let folder = node.folder.map(|folder| folder.join("artemis"));
    let shared = folder.as_ref().is_some_and(|folder| folder.is_symlink());
    if shared {
        return;
    }
    let place = folder.map_or_else(|| "artemis".to_owned(), |folder| folder.display().to_string());
    let message = format!("`{place}` must be one folder for both installations, on storage that both can reach");
    node.note(span, message)
        .help("with one each, messages on their way were lost for good; `certificates` must be the same in both, too");
}

/// Addresses that stand for all of a machine's.
pub(super) const WILDCARDS: [&str; 3] = ["0.0.0.0", "[::]", "::"];

/// Whether the node at host `$0`, port `$1` serves. Its log is read until it does; `logs/ready` says so from then on.
const READY: &str = r#"exec 3<>"/dev/tcp/$0/$1" && { [ -e logs/ready ] || { tac "logs/node-$(hostname).log" | grep -m1 -e ' - Vendor: ' -e '- Running P2PMessaging loop' | grep -q P2P && : > logs/ready; }; }"#;
/// Takes back what an earlier start has said of itself.
const FORGET: [&str; 3] = ["rm", "-f", "logs/ready"];

/// A node has been seen to take half a minute on a busy machine; migrations take longer.
pub(super) const START_WITHIN: Duration = Duration::from_secs(300);

/// It takes 5 s to stop when it is well.
const STOP_WITHIN: Duration = Duration::from_secs(30);
