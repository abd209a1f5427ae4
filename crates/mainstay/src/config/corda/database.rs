//! `dataSourceProperties`: where the lease is kept, and who is fenced.

use super::node::Node;
use crate::config::hocon::Data;
use crate::config::typed::{Span, Spanned};

/// The node's database, and how it logs in.
#[derive(Clone, Debug)]
pub(super) struct Database {
    /// The URL of a store in the same server.
    pub(super) store: Spanned<String>,
    /// Its name.
    pub(super) name: Spanned<String>,
    /// The login role of this installation.
    pub(super) role: Spanned<String>,
    /// The role that owns what the installations create.
    pub(super) group: Spanned<String>,
    /// Variables of the environment from which the node takes its user and its password.
    pub(super) user_from: Vec<String>,
    pub(super) password_from: Vec<String>,
}

/// Reads it; `None` where there is none that two machines can share.
pub(super) fn read(node: &mut Node<'_>) -> Option<Database> {
    let Some(url) = url(node) else {
        let span = node.at(&[SOURCE]).map_or(node.start(), |value| value.span);
        if node.at(&[SOURCE]).is_none() && node.at(&["myLegalName"]).is_none() {
            // A fragment, such as the one of Corda's own document: the store is then the file that is the default.
            node.note(span, "there are no `dataSourceProperties`: the lease is kept in a file, for one machine only");
        } else {
            node.fault(
                span,
                "without `dataSourceProperties` a node has a database of its own, which no other can take over",
            )
            .help("give both installations one PostgreSQL database");
        }
        return None;
    };
    let Some(rest) = url.value.strip_prefix("jdbc:postgresql:") else {
        let kind = url.value.split(':').nth(1).unwrap_or_default();
        let message = match kind {
            "h2" => "an H2 database is one machine's own: no other can take over".to_owned(),
            kind => format!("a database of the kind \"{kind}\" cannot shut out a node that has lost its lease"),
        };
        node.fault(url.span, message).help("give both installations one PostgreSQL database");
        return None;
    };
    let Some((hosts, name, sslmode)) = parts(rest) else {
        node.fault(url.span, "this is no URL of a PostgreSQL database").help("jdbc:postgresql://HOST:PORT/DATABASE");
        return None;
    };
    let role = user(node, url.span)?;
    let group = group(&role.value);
    if group == role.value {
        let message = format!("`{}` is the same role for both installations, or looks like it", role.value);
        node.note(role.span, message)
            .help("give each a login role of its own, as partya_1 and partya_2 in group partya");
    }
    own_user(node, url.span, &sslmode);
    let spanned = |value: String| Spanned { value, span: url.span };
    Some(Database {
        store: spanned(format!("postgres://mainstay@{hosts}/mainstay{sslmode}")),
        name: spanned(name),
        group: Spanned { value: if group == role.value { format!("{group}_owner") } else { group }, span: role.span },
        role,
        user_from: from(node, "user"),
        password_from: from(node, "password"),
    })
}

/// The store has a user of its own, of which a node.conf knows nothing.
fn own_user(node: &mut Node<'_>, url: Span, sslmode: &str) {
    node.note(url, "Mainstay logs in to this server as its own user, mainstay, of whom this file says nothing")
        .help("add `password_file = \"FILE\"` to [store], unless the server lets that user in without a password");
    if sslmode.contains("verify") {
        node.note(url, "the server's certificate is verified")
            .help("add `ca = \"FILE\"` to [store], unless it is signed by an authority that the system knows");
    }
}

fn url(node: &mut Node<'_>) -> Option<Spanned<String>> {
    // Both are in use: as of the data source, and as of its pool.
    node.text(&[SOURCE, "dataSource", "url"]).or_else(|| node.text(&[SOURCE, "jdbcUrl"]))
}

fn user(node: &mut Node<'_>, url: Span) -> Option<Spanned<String>> {
    let user =
        [&[SOURCE, "dataSource", "user"][..], &[SOURCE, "username"][..]].into_iter().find_map(|path| node.text(path));
    if user.is_none() && !node.report.has_faults() {
        node.fault(url, "nothing says as whom the node logs in to its database")
            .help("add `dataSource.user`, a login role of this installation's own");
    }
    user
}

/// The variables that take the place of a setting: Corda's own, and what the file itself names.
fn from(node: &Node<'_>, what: &str) -> Vec<String> {
    let mut names = vec![format!("CORDA_{SOURCE}_dataSource_{what}")];
    let named = node.object.at(&[SOURCE, "dataSource", what]).and_then(|value| match &value.data {
        Data::Unset(name) => Some(name.clone()),
        _ => value.variable.clone(),
    });
    names.extend(named);
    names
}

/// Hosts, database and the TLS mode of what follows `jdbc:postgresql:`.
fn parts(rest: &str) -> Option<(String, String, String)> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, name) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_once('/')?,
        None => ("localhost", rest),
    };
    let plain = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || more.contains(letter))
    };
    if !plain(hosts, "-._:,[]") || !plain(name, "-._$") {
        return None;
    }
    let mode = query.split('&').find(|pair| pair.starts_with("sslmode="));
    let mode = mode.filter(|mode| plain(mode, "-=")).map(|mode| format!("?{mode}"));
    Some((hosts.to_owned(), name.to_owned(), mode.unwrap_or_default()))
}

/// The role that those of all installations are members of: `partya` of `partya_1`.
fn group(role: &str) -> String {
    let base = role.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let base = if base.len() < role.len() { base.trim_end_matches(['_', '-']) } else { role };
    if base.is_empty() { role.to_owned() } else { base.to_owned() }
}

pub(super) const SOURCE: &str = "dataSourceProperties";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (rest, expect) in [
            ("//db:5432/partya", Some(("db:5432", "partya", ""))),
            (
                "//db-a,db-b:5433/partya?sslmode=verify-full&x=y",
                Some(("db-a,db-b:5433", "partya", "?sslmode=verify-full")),
            ),
            ("partya", Some(("localhost", "partya", ""))),
            ("//db", None),
            ("//db/", None),
            ("//user@db/x", None),
        ] {
            let expect = expect.map(|(hosts, name, mode)| (hosts.to_owned(), name.to_owned(), mode.to_owned()));
            assert_eq!(parts(rest), expect, "{rest}");
        }
    }

    #[test]
    fn groups() {
        for (role, expect) in
            [("partya_1", "partya"), ("corda-02", "corda"), ("corda1", "corda"), ("corda", "corda"), ("7", "7")]
        {
            assert_eq!(group(role), expect);
        }
    }
}
