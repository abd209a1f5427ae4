//! The crates that decide or parse do not know what time it is, and reach nothing outside themselves.

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::{Fault, File};

/// The crates this holds for.
const PURE: &[&str] = &["crates/mainstay-core/src", "crates/mainstay-wire/src", "crates/mainstay-ledger/src"];

/// Names that no path in them may contain.
const NAMES: &[&str] = &[
    "Instant",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
    "UnixDatagram",
    "UnixListener",
    "UnixStream",
    "mio",
    "rustix",
    "socket2",
    "tokio",
    "tracing",
];

/// Paths that no path in them may start with.
const PREFIXES: &[&[&str]] =
    &[&["log"], &["std", "env"], &["std", "fs"], &["std", "process"], &["std", "thread"], &["std", "os"]];

const MACROS: &[&str] = &["dbg", "eprint", "eprintln", "print", "println"];

pub(super) fn check(file: &File, syntax: &syn::File) -> Vec<Fault> {
    if !PURE.iter().any(|folder| file.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))) {
        return Vec::new();
    }
    let mut visitor = Purity { file, faults: Vec::new() };
    visitor.visit_file(syntax);
    visitor.faults
}

struct Purity<'f> {
    file: &'f File,
    faults: Vec<Fault>,
}

impl Purity<'_> {
    fn judge(&mut self, path: &[String], span: proc_macro2::Span) {
        let named = path.iter().any(|segment| NAMES.contains(&segment.as_str()));
        let starts = |prefix: &&[&str]| path.len() >= prefix.len() && path.iter().zip(*prefix).all(|(a, b)| a == b);
        if named || PREFIXES.iter().any(starts) {
            let text =
                format!("`{}` in a crate without clock, socket, file or log: take it as an argument", path.join("::"));
            self.faults.push(self.file.fault(span.start().line, text));
        }
    }

    fn tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let mut path = before.to_vec();
        match tree {
            syn::UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.tree(&path, &part.tree);
            }
            syn::UseTree::Name(part) => {
                path.push(part.ident.to_string());
                self.judge(&path, part.span());
            }
            syn::UseTree::Rename(part) => {
                path.push(part.ident.to_string());
                self.judge(&path, part.span());
            }
            syn::UseTree::Glob(part) => self.judge(&path, part.span()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(before, tree)),
        }
    }
}

impl<'a> Visit<'a> for Purity<'_> {
    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.judge(&segments, path.span());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'a syn::Macro) {
        if let Some(name) = called.path.get_ident().map(ToString::to_string)
            && MACROS.contains(&name.as_str())
        {
            self.faults
                .push(self.file.fault(called.span().start().line, format!("`{name}!` in a crate that never prints")));
        }
        visit::visit_macro(self, called);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples;

    fn case(path: &str, text: &str, expect: &[(usize, &str)]) {
        let file = samples::file(path, text);
        let syntax = syn::parse_file(&file.text).expect("a sample that parses");
        samples::check(&check(&file, &syntax), expect);
    }

    #[test]
    fn clocks_sockets_files_and_logs_are_found() {
        let core = "crates/mainstay-core/src/a.rs";
        case(core, "use std::time::Instant;", &[(1, "std::time::Instant")]);
        case(core, "use std::time::{Duration,\n SystemTime as Now};", &[(2, "std::time::SystemTime")]);
        case(core, "use std::{fs,\n collections::HashMap};", &[(1, "std::fs")]);
        case(core, "use std::fs::*;", &[(1, "std::fs")]);
        case(core, "fn f() {\n std::time::Instant::now();\n}", &[(2, "Instant::now")]);
        case(core, "fn f(s: std::net::TcpStream) {}", &[(1, "TcpStream")]);
        case(core, "fn f() {\n tokio::spawn(g());\n}", &[(2, "tokio::spawn")]);
        case(core, "fn f() {\n println!(\"x\");\n}", &[(2, "`println!`")]);
        case(core, "fn f() {\n tracing::info!(\"x\");\n}", &[(2, "tracing::info")]);
        case("crates/mainstay-wire/src/h1/a.rs", "fn f() {\n log::info!(\"x\");\n}", &[(2, "log::info")]);
    }

    #[test]
    fn durations_addresses_and_other_crates_pass() {
        case("crates/mainstay-core/src/a.rs", "use std::time::Duration;\nuse std::net::IpAddr;", &[]);
        case("crates/mainstay-io/src/a.rs", "use std::time::Instant;", &[]);
        case("crates/mainstay-core/tests/a.rs", "use std::time::Instant;", &[]);
    }
}
