//! Links between the documents lead somewhere.

use super::{Fault, File};

/// Judges the links of a document, given all files.
pub(super) fn check(file: &File, all: &[File]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut in_code = false;
    for (at, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for link in targets(line) {
            if let Some(text) = judge(file, all, link) {
                faults.push(file.fault(at + 1, text));
            }
        }
    }
    faults
}

fn judge(file: &File, all: &[File], link: &str) -> Option<String> {
    if ["http://", "https://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let path = if path.is_empty() { file.path.clone() } else { resolve(&file.path, path) };
    let inside = format!("{path}/");
    let target = all.iter().find(|other| other.path == path);
    if target.is_none() && !all.iter().any(|other| other.path.starts_with(&inside)) {
        return Some(format!("the link to `{link}` leads nowhere: there is no {path}"));
    }
    let (anchor, target) = (anchor?, target?);
    let known = target.text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor);
    (!known).then(|| format!("the link to `{link}` leads nowhere: {path} has no such heading"))
}

/// What stands in the parentheses of `[text](target)`, code spans left out.
fn targets(line: &str) -> Vec<&str> {
    let spans = line.split('`').step_by(2);
    spans
        .flat_map(|text| text.match_indices("](").map(move |(at, _)| &text[at + 2..]))
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .collect()
}

/// `link` as seen from the folder of `from`.
fn resolve(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// The anchor that renderers give a heading.
fn slug(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples;

    #[test]
    fn links_lead_somewhere() {
        let all = [
            samples::file("README.md", "# Mainstay\n## Life of a request\n"),
            samples::file("docs/a.md", "## `[pool]`, the nodes\n"),
        ];
        let check = |path: &str, text: &str, expect: &[(usize, &str)]| {
            samples::check(&check(&samples::file(path, text), &all), expect);
        };
        check("README.md", "[a](docs/a.md) and [b](docs/b.md)", &[(1, "no docs/b.md")]);
        check("README.md", "\n[`a`](docs/missing.md)", &[(2, "no docs/missing.md")]);
        check("docs/a.md", "[up](../README.md#life-of-a-request) [x](../README.md#death)", &[(1, "no such heading")]);
        check("README.md", "[p](docs/a.md#pool-the-nodes), [the folder](docs/), [web](https://example.org)", &[]);
        check("README.md", "```\n[a](b)\n```\n`[a](b)`", &[]);
    }
}
