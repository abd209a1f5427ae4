//! A front on the way to one node, with or without TLS on either side.

use std::net::SocketAddr;
use std::path::PathBuf;

use mainstay::demo::stage::{Dir, Front};

use crate::kit::exe;

/// TLS on either side.
#[derive(Default)]
pub(crate) struct Secured {
    /// The certificate that clients are shown, and its key.
    pub(crate) edge: Option<[PathBuf; 2]>,
    /// The authority and the name of the node's certificate.
    pub(crate) node: Option<(PathBuf, &'static str)>,
}

/// A front before `node`, spoken to as `scheme` says.
pub(crate) async fn between(dir: &Dir, node: &str, scheme: &str, secured: &Secured) -> Front {
    let (mut tables, mut pool, mut listen) = (String::new(), "", "");
    if let Some([cert, key]) = &secured.edge {
        tables += &format!("[tls.edge]\ncert = \"{}\"\nkey = \"{}\"\n", cert.display(), key.display());
        listen = "tls = \"edge\"";
    }
    if let Some((ca, name)) = &secured.node {
        tables += &format!("[tls.node]\nca = \"{}\"\nname = \"{name}\"\n", ca.display());
        pool = "tls = \"node\"";
    }
    let text = |at: SocketAddr| {
        format!(
            "[admin]\nat = \"unix:{}\"\n{tables}[pool.nodes]\nnodes = [\"{node}\"]\n{pool}\n\
             [listen.front]\nat = \"{at}\"\n{listen}\nto = \"{scheme}://nodes\"\n",
            dir.file(Front::ADMIN).display(),
        )
    };
    Front::start(exe(), dir, text).await.expect("a front starts")
}
