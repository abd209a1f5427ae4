//! What is printed reads back as the same.

use super::check::typed;
use super::config::print::print;
use super::made::Made;

#[test]
fn what_is_printed_reads_back() {
    for seed in 0..2_000 {
        let config = Made::new(seed).config();
        let printed = print(&config);
        assert_eq!(typed(&printed).as_ref(), Some(&config), "seed {seed}:\n{printed}");
    }
}

#[test]
fn what_is_short_is_printed_short() {
    let text = r#"[pool.tessera]
nodes = ["10.0.1.11", { at = "10.0.1.12", weight = 2 }]
policy = { primary = "30s" }
check = { http = "/upcheck", port = 9000, status = 200, every = "1s" }
eject = "off"

[listen.p2p]
at = ":9001"
to = "http://tessera:9001"
mirror = "http://tessera:9002"
body_max = "1MiB"
routes = [{ path = "=/upcheck", reply = 204 }]

[retry.default]
on = ["error", 404]
"#;
    assert_eq!(print(&typed(text).unwrap()), text);
}
