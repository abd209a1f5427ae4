//! The configuration files of a set.

use std::net::SocketAddr;
use std::path::Path;

use super::{Dir, Front, GROUP, NAMES, Node, Own, Plan};

/// Of a Mainstay that guards a model node.
pub(super) fn guard_file(plan: &Plan, exe: &Path, dir: &Dir, name: &str, at: SocketAddr, url: &str) -> String {
    let (lease, renew, ttl) = (plan.lease, plan.renew.as_millis(), plan.renew.as_millis() * 3);
    let data = plan.store.as_ref().map_or_else(|| dir.file(Node::STORE).display().to_string(), |url| anonymous(url));
    let synchronous = plan.own == Some(Own::Synchronous);
    let (of_lease, of_guard, env) = if plan.store.is_some() {
        let all = NAMES.map(|name| format!("\"{}\"", role(name))).join(", ");
        (
            format!(
                "early = true\nsynchronous = {synchronous}\ndatabase = \"{}\"\ngroup = \"{GROUP}\"\nroles = [{all}]\n",
                database(url)
            ),
            format!("role = \"{}\"\n", role(name)),
            ", PGUSER = \"{role}\", PGPASSWORD = \"{password}\"",
        )
    } else {
        // On one machine a child that is only frozen keeps the lock which its successor waits for.
        (String::new(), "freeze = false\n".to_owned(), "")
    };
    format!(
        r#"# Written by Mainstay, for a rehearsal.
[admin]
at = "unix:{admin}"
[store]
url = "{url}"
[lease.{lease}]
renew = "{renew}ms"
ttl = "{ttl}ms"
drain = "1s"
{of_lease}
[guard.{lease}-{name}-{own}]
lease = "{lease}"
name = "{name}"
run = ["{exe}", "model-node", "--at", "{at}", "--store", "{data}", "--name", "{name}", "--think-ms", "{think}", "--grace-ms", "0"]
env = {{ TOKEN = "{{token}}"{env} }}
ready = {{ http = "http://{at}/health", every = "10ms", timeout = "1s" }}
stop_within = "3s"
restart = {{ times = 0 }}
{of_guard}"#,
        admin = dir.file(&format!("guard-{name}.sock")).display(),
        // Two rehearsals on one machine must not take each other's guards for a second start.
        own = std::process::id(),
        exe = exe.display(),
        think = plan.think.as_millis(),
    )
}

/// Of the Mainstay that follows the lease.
pub(super) fn front_file(plan: &Plan, dir: &Dir, at: SocketAddr, [a, b]: [SocketAddr; 2], url: &str) -> String {
    let (lease, renew, ttl) = (plan.lease, plan.renew.as_millis(), plan.renew.as_millis() * 3);
    format!(
        r#"# Written by Mainstay, for a rehearsal.
[admin]
at = "unix:{admin}"
[store]
url = "{url}"
[lease.{lease}]
renew = "{renew}ms"
ttl = "{ttl}ms"
[pool.ledger]
policy = {{ leader = "{lease}" }}
nodes = [{{ at = "{a}", holder = "a" }}, {{ at = "{b}", holder = "b" }}]
check = {{ http = "/health", every = "200ms", every_in_doubt = "50ms", timeout = "1s", rise = 1, fall = 2 }}
hold = {{ requests = 10000, time = "30s" }}
[listen.front]
at = "{at}"
to = "http://ledger"
"#,
        admin = dir.file(Front::ADMIN).display(),
    )
}

/// A URL without its user, and so without a password: everybody can read what a command is started with.
fn anonymous(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (rest, query) = rest.split_once('?').map_or((rest, String::new()), |(rest, it)| (rest, format!("?{it}")));
    let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    format!("{scheme}://{hosts}/{}{query}", database(url))
}

/// The login role of a guard's child, where the store is a database.
pub(super) fn role(name: &str) -> String {
    format!("{GROUP}_{name}")
}

/// The database that a URL names; as everywhere, the user's own when it names none.
fn database(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let user = authority.rsplit_once('@').map_or("postgres", |(user, _)| user);
    let name = path.split('?').next().unwrap_or_default();
    if name.is_empty() { user.split(':').next().unwrap_or_default() } else { name }
}

#[cfg(test)]
mod tests {
    use super::anonymous;

    #[test]
    fn a_url_loses_its_user_and_nothing_else() {
        for (url, expect) in [
            ("postgres://postgres:se@cret@127.0.0.1:1,127.0.0.1:2/base", "postgres://127.0.0.1:1,127.0.0.1:2/base"),
            ("postgres://host/base?application_name=a@b", "postgres://host/base?application_name=a@b"),
            ("postgres://user@host", "postgres://host/user"),
        ] {
            assert_eq!(anonymous(url), expect);
        }
    }
}
