//! Which crate may use which. A new arrow is a decision about the design, made here, not a line in a Cargo.toml.

use super::{Fault, File};

/// Each crate of ours and those of ours that it may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("mainstay-core", &[]),
    ("mainstay-wire", &[]),
    ("mainstay-pki", &[]),
    ("mainstay-io", &["mainstay-core"]),
    ("mainstay-tls", &[]),
    ("mainstay-proxy", &["mainstay-core", "mainstay-wire", "mainstay-io", "mainstay-tls"]),
    ("mainstay-store", &["mainstay-core", "mainstay-io"]),
    ("mainstay-guard", &["mainstay-core", "mainstay-io"]),
    (
        "mainstay",
        &[
            "mainstay-core",
            "mainstay-wire",
            "mainstay-io",
            "mainstay-pki",
            "mainstay-tls",
            "mainstay-proxy",
            "mainstay-store",
            "mainstay-guard",
        ],
    ),
    ("mainstay-testkit", &["mainstay-core", "mainstay-io"]),
    ("xtask", &["mainstay-wire"]),
];

/// For tests only.
const TESTKIT: &str = "mainstay-testkit";

/// Outside crates that bring a clock, sockets or a log, and the crates of ours that must do without.
const OUTSIDE: &[&str] = &["log", "mio", "rustix", "socket2", "tokio", "tracing"];
const PURE: &[&str] = &["mainstay-core", "mainstay-wire", "mainstay-ledger"];

/// Judges the manifest of a crate in `crates/`, or xtask's.
pub(super) fn check(file: &File) -> Vec<Fault> {
    if !file.path.starts_with("crates/") && !file.path.starts_with("xtask/") {
        return Vec::new();
    }
    let manifest: toml::Table = match toml::from_str(&file.text) {
        Ok(manifest) => manifest,
        Err(error) => return vec![file.fault(1, format!("does not parse: {error}"))],
    };
    let package = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    let Some(name) = package else { return vec![file.fault(1, "no package name: give it one")] };
    let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
        return vec![
            file.fault(1, format!("`{name}` is in no arrow of xtask/src/tidy/arrows.rs: decide what it may use")),
        ];
    };
    let mut faults = Vec::new();
    for (kind, used) in dependencies(&manifest) {
        let test_only = kind == "dev-dependencies";
        let wrong = if used.starts_with("mainstay") {
            let fits = allowed.contains(&used.as_str()) || (test_only && (used == TESTKIT || used == name));
            (!fits)
                .then(|| format!("`{name}` may not use `{used}` in [{kind}]: xtask/src/tidy/arrows.rs has the arrows"))
        } else {
            let impure = PURE.contains(&name) && OUTSIDE.contains(&used.as_str()) && !test_only;
            impure.then(|| format!("`{name}` has no clock, socket or log, and so no `{used}`"))
        };
        if let Some(text) = wrong {
            let line = file.text.lines().position(|line| line.starts_with(used.as_str())).map_or(1, |at| at + 1);
            faults.push(file.fault(line, text));
        }
    }
    faults
}

/// Kind and name of every dependency, also of those for one target.
fn dependencies(manifest: &toml::Table) -> Vec<(&'static str, String)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values);
    let tables = std::iter::once(manifest).chain(targets.filter_map(toml::Value::as_table));
    let mut found = Vec::new();
    for table in tables {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let names = table.get(kind).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
            found.extend(names.map(|name| (kind, name.clone())));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples;

    #[test]
    fn arrows_are_held() {
        let case = |name: &str, rest: &str, expect: &[(usize, &str)]| {
            let text = format!("[package]\nname = \"{name}\"\n{rest}");
            samples::check(&check(&samples::file(&format!("crates/{name}/Cargo.toml"), &text)), expect);
        };
        case("mainstay-proxy", "[dependencies]\nmainstay-core.workspace = true\ntokio = \"1\"", &[]);
        case("mainstay-io", "[dependencies]\nmainstay-proxy.workspace = true", &[(4, "may not use `mainstay-proxy`")]);
        case("mainstay-core", "[build-dependencies]\nmainstay-io = { path = \"x\" }", &[(4, "[build-dependencies]")]);
        case("mainstay-core", "[target.'cfg(unix)'.dependencies]\nmainstay-io.workspace = true", &[(4, "may not use")]);
        case("mainstay", "[dependencies]\nmainstay-testkit.workspace = true", &[(4, "may not use `mainstay-testkit`")]);
        case("mainstay", "[dev-dependencies]\nmainstay-testkit.workspace = true", &[]);
        case("mainstay-wire", "[dependencies]\ntokio.workspace = true", &[(4, "no `tokio`")]);
        case("mainstay-new", "", &[(1, "is in no arrow")]);
    }
}
