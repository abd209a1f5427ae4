//! What a plan is made of: ports, sites, checks and defaults.

use std::time::Duration;

use mainstay_proxy::params::{Action, Forward, HostName, PathMatch, Plan, Role, Service, Site};

use super::config::load_text;

fn plan(text: &str) -> Plan {
    load_text("a.toml", text, None, &[]).map_err(|faults| faults.to_string()).unwrap().plan
}

fn sites(plan: &Plan, listener: usize) -> &[Site] {
    match &plan.listeners[listener].service {
        Service::Http(http) => &http.sites,
        Service::Tcp(_) => panic!("no HTTP"),
    }
}

fn forward(site: &Site, route: usize) -> &Forward {
    match &site.routes[route].action {
        Action::Forward(forward) => forward,
        Action::Reply(_) => panic!("a reply"),
    }
}

#[test]
fn a_pool_is_there_once_for_each_port_and_a_check_once_for_each_address() {
    let plan = plan(include_str!("../../../../examples/goquorum.toml"));
    let names: Vec<&str> = plan.pools.iter().map(|pool| &*pool.name).collect();
    assert_eq!(names, ["tessera:9101", "tessera:9080", "tessera:9000", "quorum"]);
    let checks: Vec<&str> = plan.checkers.iter().map(|checker| &*checker.name).collect();
    let expect = [
        "http://10.0.1.11:9000/upcheck",
        "http://10.0.1.12:9000/upcheck",
        "tcp://10.0.1.21:8545",
        "tcp://10.0.1.22:8545",
    ];
    assert_eq!(checks, expect);
    assert_eq!(plan.pools[0].nodes[0].checks, plan.pools[2].nodes[0].checks);
    assert_eq!(&*plan.pools[1].nodes[1].name, "10.0.1.12:9080");
    // A node is in doubt well before a request to it is given up.
    let read = forward(&sites(&plan, 0)[0], 0).read_timeout;
    assert_eq!((read, plan.pools[0].doubt_after), (Duration::from_secs(5), Duration::from_secs(1)));
}

#[test]
fn listeners_of_one_address_become_one_with_sites() {
    let plan = plan(
        r#"
        [pool.a]
        nodes = ["a:1"]
        [listen.named]
        at = [":80", "unix:/tmp/s"]
        names = ["*.Example.com", "www.*", "a"]
        to = "http://a/x"
        [listen.rest]
        at = ":80"
        to = "http://a"
        "#,
    );
    let names: Vec<&str> = plan.listeners.iter().map(|listener| &*listener.name).collect();
    assert_eq!(names, ["named@0.0.0.0:80", "named@unix:/tmp/s"]);
    let sites = sites(&plan, 0);
    assert!(sites[0].names.is_empty(), "the one without names answers for all others");
    let expect =
        [HostName::Suffix(".example.com".into()), HostName::Prefix("www.".into()), HostName::Exact("a".into())];
    assert_eq!(sites[1].names, expect);
    assert_eq!(forward(&sites[1], 0).prefix.as_deref(), Some("/x"));
}

#[test]
fn a_lone_node_is_not_ejected_unless_told() {
    let text = |pool: &str| format!("[pool.a]\n{pool}\n[listen.a]\nat = \":1\"\nto = \"http://a\"");
    let eject =
        |pool: &str| plan(&text(pool)).pools[0].nodes.iter().map(|node| node.eject.is_some()).collect::<Vec<_>>();
    assert_eq!(eject(r#"nodes = ["a:1"]"#), [false]);
    assert_eq!(eject(r#"nodes = ["a:1", { at = "b:1", down = true }]"#), [false, false]);
    assert_eq!(eject(r#"nodes = ["a:1", { at = "b:1", eject = "off" }]"#), [true, false]);
    assert_eq!(eject("nodes = [\"a:1\"]\neject = {}"), [true]);
}

#[test]
fn routes_keep_their_order_and_the_listener_comes_last() {
    let plan = plan(
        r#"
        [pool.a]
        nodes = [{ at = "a:1", backup = true }, "b:1"]
        [listen.a]
        at = ":1"
        to = "http://a"
        routes = [{ path = "=/x", reply = 204 }, { path = "/y", to = "http://a", read_timeout = "300ms" }]
        "#,
    );
    let paths: Vec<PathMatch> = sites(&plan, 0)[0].routes.iter().map(|route| route.path.clone()).collect();
    let expect =
        [PathMatch::Exact(b"/x".to_vec()), PathMatch::Prefix(b"/y".to_vec()), PathMatch::Prefix(b"/".to_vec())];
    assert_eq!(paths, expect);
    assert_eq!(plan.pools[0].nodes[0].role, Role::Backup);
    assert_eq!(plan.pools[0].doubt_after, Duration::from_millis(150));
}
