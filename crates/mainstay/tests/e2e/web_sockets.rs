//! WebSocket with a library of others as client and as server.

use std::time::Duration;

use mainstay::demo::stage::until;
use mainstay_testkit::WebSockets;

use crate::between::{Secured, between};
use crate::kit::{dir, had, run};
use crate::secure::certificates;
use crate::two::perform_long;

#[test]
fn messages_of_every_kind_pass_both_ways() {
    let fetched = perform_long(WebSockets::scripts());
    let Some(sockets) = had("messages_of_every_kind_pass_both_ways", fetched) else { return };
    for is_secure in [false, true] {
        run(async {
            let dir = dir();
            let _ca = certificates(&dir);
            let pair = [dir.file("node.crt"), dir.file("node.key")];
            let pair = is_secure.then_some([pair[0].as_path(), pair[1].as_path()]);
            let (server, node) = sockets.serve(dir.path(), pair).await.expect("a server");
            let secured = Secured {
                edge: is_secure.then(|| ["edge.crt", "edge.key"].map(|name| dir.file(name))),
                node: is_secure.then(|| (dir.file("ca.crt"), "localhost")),
            };
            let front = between(&dir, &format!("127.0.0.1:{node}"), "http", &secured).await;
            let (scheme, ca) = if is_secure { ("wss", Some(dir.file("ca.crt"))) } else { ("ws", None) };
            let url = format!("{scheme}://localhost:{}/", front.at().port());
            sockets.play(dir.path(), &url, ca.as_deref()).await.expect("all comes back");
            // What clients said at the end has reached the server, each of the two for each kind of compression.
            for ending in ["closed: 4001 it is enough\n", "closed: 4001 as it was asked for\n"] {
                let told = async || server.said().matches(ending).count() == 2;
                let waited = until("the server does not know of an end", Duration::from_secs(20), told).await;
                waited.unwrap_or_else(|mishap| panic!("{mishap}: {ending}{}", server.said()));
            }
        });
    }
}
