//! `--map FROM=TO`.

use mainstay_proxy::params::{Address, At};

use super::config::load_text;

const FILE: &str = r#"
[pool.a]
nodes = ["one:9101", "two"]
check = { http = "/upcheck", port = 9000 }
[pool.b]
nodes = ["url1:port1"]
[listen.a]
at = ":9101"
to = "http://a"
[listen.b]
at = "unix:/home/tm.ipc"
to = "http://b"
"#;

/// Nodes by pool, checks and listeners after the maps, or the faults.
fn check(file: &str, maps: &[&str], expect: &[&str]) {
    let maps: Vec<String> = maps.iter().map(|map| (*map).to_owned()).collect();
    let shown = match load_text("a.toml", file, None, &maps) {
        Err(faults) => faults.to_string().lines().map(|line| line.trim().to_owned()).collect(),
        Ok(loaded) => {
            let nodes = loaded.plan.pools.iter().flat_map(|pool| &pool.nodes);
            let mut shown: Vec<String> =
                nodes.map(|node| format!("{} {}", node.name, address(&node.address))).collect();
            shown.extend(loaded.plan.checkers.iter().map(|checker| format!("check {}", address(&checker.address))));
            shown.extend(loaded.plan.listeners.iter().map(|listener| match &listener.at {
                At::Tcp(address) => format!("at {address}"),
                At::Unix { path, .. } => format!("at {}", path.display()),
            }));
            shown
        }
    };
    for line in expect {
        assert!(shown.iter().any(|shown| shown == line), "{line}\nis not in\n{shown:#?}");
    }
}

fn address(address: &Address) -> String {
    match address {
        Address::Ip(address) => address.to_string(),
        Address::Name { host, port } => format!("{host}:{port}"),
        Address::Unix(path) => path.display().to_string(),
    }
}

fn ports() -> String {
    FILE.replace("\"two\"", "\"two:9101\"")
}

#[test]
fn nodes_and_listeners_are_mapped() {
    check(
        &ports(),
        &[
            "one:9101=127.0.0.1:1",
            "url1:port1=unix:/tmp/n",
            "listen::9101=127.0.0.1:2",
            "listen:unix:/home/tm.ipc=unix:/tmp/t",
        ],
        &["one:9101 127.0.0.1:1", "two:9101 two:9101", "unix:/tmp/n /tmp/n", "at 127.0.0.1:2", "at /tmp/t"],
    );
}

#[test]
fn checks_follow_their_node() {
    check(&ports(), &["one:9101=10.9.9.9:1", "url1:port1=h:1"], &["check 10.9.9.9:9000", "check two:9000"]);
    let maps = ["one:9101=10.9.9.9:1", "one:9000=10.9.9.9:2", "url1:port1=h:1"];
    check(&ports(), &maps, &["one:9101 10.9.9.9:1", "check 10.9.9.9:2"]);
}

#[test]
fn a_node_without_a_port_is_known_with_the_one_it_is_used_with() {
    let file = FILE.replace("\"one:9101\", ", "").replace("http://a", "http://a:9101");
    check(&file, &["two:9101=10.9.9.9:1", "url1:port1=h:1"], &["two:9101 10.9.9.9:1"]);
    check(&file, &["two=10.9.9.9", "url1:port1=h:1"], &["two:9101 10.9.9.9:9101"]);
}

#[test]
fn a_pool_can_stand_in_front() {
    let file = ports().replace("one:9101", "url1:port1");
    check(&file, &["a/url1:port1=h:1", "url1:port1=h:2"], &["h:1 h:1", "h:2 h:2"]);
}

#[test]
fn what_cannot_be_mapped_is_told() {
    let expect = ["a.toml: --map three:1=h:1: the file has no such address"];
    check(&ports(), &["three:1=h:1", "url1:port1=h:1"], &expect);
    check(&ports(), &["one:9101", "url1:port1=h:1"], &["a.toml: --map one:9101: this is not FROM=TO"]);
    let twice = ["a.toml: --map one:9101=h:2: one:9101 is mapped twice"];
    check(&ports(), &["one:9101=h:1", "one:9101=h:2", "url1:port1=h:1"], &twice);
    let bad = ["a.toml: --map ...=a:b: \"a:b\" is a placeholder: \"b\" is no port"];
    check(&ports(), &["one:9101=a:b", "url1:port1=h:1"], &bad);
}
