//! A configuration as TOML, in its shortest form. What it prints reads back as the same.

use super::defs::{ACT, ADMIN, GUARD, LEASE, LIMIT, LISTEN, LOG, POOL, RETRY, RUN, STORE, Setting, TLS};
use super::typed::{Config, Spanned};

/// The TOML of `config`. Names must be such that the conversion takes them; others are quoted.
pub fn print(config: &Config) -> String {
    let mut config = config.clone();
    let mut text = String::new();
    single("run", RUN, &mut config.run, &mut text);
    single("admin", ADMIN, &mut config.admin, &mut text);
    single("log", LOG, &mut config.log, &mut text);
    named("pool", &mut config.pools, &mut text, |pool, text| keys(POOL, pool, text));
    named("listen", &mut config.listens, &mut text, |listen, text| {
        keys(&LISTEN[..FIRST], listen, text);
        keys(ACT, &mut listen.action, text);
        keys(&LISTEN[FIRST..], listen, text);
    });
    named("retry", &mut config.retries, &mut text, |retry, text| keys(RETRY, retry, text));
    named("limit", &mut config.limits, &mut text, |limit, text| keys(LIMIT, limit, text));
    named("tls", &mut config.tls, &mut text, |tls, text| keys(TLS, tls, text));
    single("store", STORE, &mut config.store, &mut text);
    named("lease", &mut config.leases, &mut text, |lease, text| keys(LEASE, lease, text));
    named("guard", &mut config.guards, &mut text, |guard, text| keys(GUARD, guard, text));
    text
}

fn single<T>(name: &str, settings: &'static [Setting<T>], from: &mut T, text: &mut String) {
    let mut body = String::new();
    keys(settings, from, &mut body);
    if !body.is_empty() {
        section(&format!("[{name}]"), &body, text);
    }
}

fn named<T>(kind: &str, tables: &mut [(Spanned<String>, T)], text: &mut String, print: impl Fn(&mut T, &mut String)) {
    for (name, table) in tables {
        let mut body = String::new();
        print(table, &mut body);
        section(&format!("[{kind}.{}]", key(&name.value)), &body, text);
    }
}

fn section(header: &str, body: &str, text: &mut String) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(header);
    text.push('\n');
    text.push_str(body);
}

fn keys<T>(settings: &'static [Setting<T>], from: &mut T, text: &mut String) {
    for setting in settings {
        if let Some(value) = setting.field.print(from) {
            text.push_str(&format!("{} = {value}\n", setting.key));
        }
    }
}

/// A key of a table, in quotes where it needs them.
pub(super) fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare { name.to_owned() } else { super::defs::quoted(name) }
}

/// So many keys of a listener come before what it does.
const FIRST: usize = 4;
