//! The reference of the configuration, made from the definitions.

use super::defs::{Section, sections};

/// The text of `docs/reference/configuration.md`.
pub fn render() -> String {
    let mut text = HEAD.to_owned();
    for section in sections() {
        render_section(&section, &mut text);
    }
    text
}

fn render_section(section: &Section, text: &mut String) {
    let title = if section.title.starts_with('[') { format!("`{}`", section.title) } else { section.title.to_owned() };
    text.push_str(&format!("\n## {title}\n\n{}\n", section.doc));
    for row in &section.rows {
        text.push_str(&format!("\n### `{}`\n\n{}\n\n", row.key, row.doc));
        text.push_str(&format!("- Value: {}\n- Default: {}\n", row.kind, row.default));
        text.push_str(&format!("- Example: `{} = {}`\n", row.key, row.example));
    }
}

const HEAD: &str = "\
# Reference of the configuration

<!-- Made by `cargo test -p mainstay --lib config::docs` with UPDATE=1 from crates/mainstay/src/config/defs. -->

A configuration is a TOML file of the tables below. Keys that are not listed here are refused, and `mainstay check FILE`
reports everything that is wrong with a file at once. For how it all goes together see
[the guide](../configuration.md).

| A value that is | is written |
|---|---|
| a time | as text with its unit: `\"250ms\"`, `\"1.5s\"`, `\"5m\"`, `\"2h\"`, `\"1d\"` |
| a size | as text with its unit: `\"512B\"`, `\"64KiB\"`, `\"10MB\"` (`KiB`, `MiB`, `GiB` count by 1024; `KB`, `MB`, `GB` by 1000) |
| a template | as text in which these are filled in per request: `${host}`, `${field:NAME}` (a request field), \
`${client_address}`, `${client_port}`, `${forwarded_for}`, `${scheme}`, `${method}`, `${target}`, `${path}`, `${query}`, \
`${pool}`, `${server_address}`, `${server_port}`, `${status}`; `$${` stands for `${` itself |
| a name | with letters, digits, `_`, `-` and `.` |
";

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds the committed reference current; with UPDATE=1 it is written anew.
    #[test]
    fn the_reference_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/configuration.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, render()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == render(),
            "docs/reference/configuration.md is out of date: run `UPDATE=1 cargo test -p mainstay --lib config::docs`"
        );
    }

    #[test]
    fn every_setting_is_documented() {
        for section in sections() {
            for row in section.rows {
                let place = format!("{} of {}", row.key, section.title);
                assert!(row.doc.len() > 15 && row.doc.ends_with('.'), "{place}: {}", row.doc);
                assert!(!row.kind.is_empty() && !row.default.is_empty(), "{place}");
                let example = format!("{} = {}", row.key, row.example);
                assert!(example.parse::<toml::Table>().is_ok(), "{place}: {example}");
            }
        }
    }
}
