//! `cargo xtask tidy`: the rules of the house that no compiler holds.
//!
//! Every rule is a function from a file to its faults, so that its tests can show it a bad sample.

mod arrows;
mod crates;
mod length;
mod links;
mod purity;
mod source;
mod words;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    /// Path from the root of the repository.
    file: String,
    /// From 1.
    line: usize,
    /// What is wrong, and what to do.
    text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// A text file of the repository.
pub(crate) struct File {
    /// Path from the root, with slashes.
    path: String,
    text: String,
}

impl File {
    /// A fault in this file.
    fn fault(&self, line: usize, text: impl Into<String>) -> Fault {
        Fault { file: self.path.clone(), line, text: text.into() }
    }

    /// The folder of the crate this file belongs to, as `crates/NAME`.
    fn crate_folder(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("crates/")?;
        let name = rest.split('/').next()?;
        self.path.get(.."crates/".len() + name.len())
    }
}

/// All faults of the repository, in order of place.
pub(crate) fn faults(root: &Path) -> Result<Vec<Fault>> {
    let mut files = Vec::new();
    collect(root, root, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut faults = Vec::new();
    for file in &files {
        if file.path.ends_with(".rs") {
            faults.extend(length::file(file));
            faults.extend(words::unfinished(file));
            match syn::parse_file(&file.text) {
                Ok(syntax) => {
                    faults.extend(length::functions(file, &syntax));
                    faults.extend(source::check(file, &syntax));
                    faults.extend(purity::check(file, &syntax));
                    faults.extend(crates::root_module(file, &syntax));
                }
                Err(error) => faults.push(file.fault(error.span().start().line, format!("does not parse: {error}"))),
            }
        } else if file.path.ends_with(".md") {
            faults.extend(words::unfinished(file));
            faults.extend(links::check(file, &files));
        } else if file.path.ends_with("Cargo.toml") {
            faults.extend(arrows::check(file));
        }
    }
    faults.sort();
    Ok(faults)
}

/// Prints the faults; an error when there are any.
pub(crate) fn run(root: &Path) -> Result<()> {
    let faults = faults(root)?;
    for fault in &faults {
        println!("{fault}");
    }
    anyhow::ensure!(faults.is_empty(), "{} faults", faults.len());
    Ok(())
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            let skipped = SKIPPED.contains(&name) || (name.starts_with('.') && name != ".ci");
            if !skipped {
                collect(root, &path, files)?;
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            files.push(File { path, text });
        }
    }
    Ok(())
}

/// Folders that hold nothing of ours.
const SKIPPED: &[&str] = &["target", "corpus", "artifacts", "coverage"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let faults: Vec<String> =
            faults(&crate::root()).expect("the repository is readable").iter().map(Fault::to_string).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

/// What the tests of the rules share.
#[cfg(test)]
pub(crate) mod samples {
    use super::{Fault, File};

    pub(crate) fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    /// Lines of faults, and the start of what is said about each.
    pub(crate) fn check(faults: &[Fault], expect: &[(usize, &str)]) {
        let said: Vec<_> = faults.iter().map(|fault| (fault.line, fault.text.as_str())).collect();
        let fits = said.len() == expect.len()
            && said.iter().zip(expect).all(|(said, expect)| said.0 == expect.0 && said.1.contains(expect.1));
        assert!(fits, "said {said:?}\nexpected {expect:?}");
    }
}
