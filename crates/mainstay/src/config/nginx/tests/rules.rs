//! Every directive, as accepted and as refused; what nginx itself says of them is compared where it is installed.

use std::path::Path;
use std::process::Command;

use super::super::directives::KNOWN;
use super::super::read;
use super::rows::{ROWS, Row};
use super::rows_proxy;
use crate::config::fault::{Report, Severity};
use crate::config::source::Sources;

fn all() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().chain(rows_proxy::ROWS)
}

#[test]
fn every_form_is_judged() {
    let mut wrong = Vec::new();
    for (place, text, expect) in all() {
        let (fault, note) = judge(&wrap(place.trim_start_matches(['!', '+']), text));
        let found = fault.map(|fault| format!("fault: {fault}")).or(note.map(|note| format!("note: {note}")));
        if found.clone().unwrap_or_default() != *expect {
            wrong.push(format!("{place}: {text}\n  expected {expect}\n  found    {}", found.unwrap_or_default()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_directive_has_a_row() {
    let missing: Vec<&str> = KNOWN
        .iter()
        .map(|known| known.name)
        .filter(|name| !all().any(|(place, text, _)| words(&wrap(place, text)).any(|word| word == *name)))
        .filter(|name| *name != "load_module")
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn nginx_judges_alike() {
    if !Path::new(NGINX).exists() {
        eprintln!("{NGINX} is not installed: nothing is compared");
        return;
    }
    let folder = std::env::temp_dir().join(format!("mainstay-nginx-t-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut wrong = Vec::new();
    for (place, text, expect) in all().filter(|(place, ..)| !place.starts_with('+')) {
        let refused = place.starts_with('!');
        let path = folder.join("nginx.conf");
        std::fs::write(&path, format!("{MODULES}{}", wrap(place.trim_start_matches('!'), text))).unwrap();
        let output = Command::new(NGINX).arg("-t").arg("-p").arg(&folder).arg("-c").arg(&path).output().unwrap();
        if output.status.success() == refused || (refused && !expect.starts_with("fault")) {
            wrong.push(format!("{place}: {text}\n{}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first fault and the first note of a file.
fn judge(text: &str) -> (Option<String>, Option<String>) {
    let (mut sources, mut report) = (Sources::default(), Report::default());
    let file = sources.add("nginx.conf", text);
    read(&mut sources, file, None, &mut report);
    let found = report.into_found();
    let first = |severity| found.iter().find(|fault| fault.severity == severity).map(|fault| fault.message.clone());
    (first(Severity::Fault), first(Severity::Note))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| letter.is_whitespace() || letter == ';').filter(|word| !word.is_empty())
}

/// A whole file with these directives in that place.
fn wrap(place: &str, text: &str) -> String {
    let at = |wanted: &str| if place.trim_start_matches(['!', '+']) == wanted { text } else { "" };
    let (main, events, http, server) = (at("main"), at("events"), at("http"), at("server"));
    let (location, upstream) = (at("location"), at("upstream"));
    let (stream, stream_server, stream_upstream) = (at("stream"), at("stream server"), at("stream upstream"));
    format!(
        "{main} events {{ {events} }}
        http {{ {http}
          upstream u {{ server 127.0.0.1:1; server 127.0.0.1:2; {upstream} }}
          server {{ listen 127.0.0.1:8080; {server} }}
          server {{ listen 127.0.0.1:8079; location / {{ proxy_pass http://u; {location} }} }}
        }}
        stream {{ {stream}
          upstream s {{ server 127.0.0.1:1; server 127.0.0.1:2; {stream_upstream} }}
          server {{ listen 127.0.0.1:8084; proxy_pass s; {stream_server} }}
        }}"
    )
}

const NGINX: &str = "/usr/sbin/nginx";
/// Where Debian has the part of nginx that is not built in.
const MODULES: &str = "load_module /usr/lib/nginx/modules/ngx_stream_module.so; error_log stderr; pid nginx.pid;";
