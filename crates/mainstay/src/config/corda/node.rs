//! A node.conf's values, asked for one by one.

use std::path::Path;

use crate::config::fault::{Fault, Report};
use crate::config::hocon::{Data, Object, Value};
use crate::config::typed::{Maybe, Span, Spanned};

/// A node.conf, and where faults go.
pub(super) struct Node<'a> {
    pub(super) object: &'a Object,
    pub(super) report: &'a mut Report,
    /// Where the node runs.
    pub(super) folder: Option<&'a Path>,
}

/// `host:port`
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) span: Span,
}

impl<'a> Node<'a> {
    /// The value at a path, unless it is `null`.
    pub(super) fn at(&self, path: &[&str]) -> Option<&'a Value> {
        self.object.at(path).filter(|value| value.data != Data::Null)
    }

    /// A text that is there.
    pub(super) fn text(&mut self, path: &[&str]) -> Maybe<String> {
        let value = self.at(path)?;
        match (value.text(), &value.data) {
            (Some(text), _) => Some(Spanned { value: text, span: value.span }),
            (None, Data::Unset(name)) => {
                self.unset(name, value.span);
                None
            }
            _ => {
                self.wrong(path, value.span, "a text");
                None
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, path: &[&str]) -> Maybe<bool> {
        let text = self.text(path)?;
        // The words that Corda's own reader takes.
        let value = match text.value.as_str() {
            "true" | "yes" | "on" => true,
            "false" | "no" | "off" => false,
            _ => {
                self.wrong(path, text.span, "true or false");
                return None;
            }
        };
        Some(Spanned { value, span: text.span })
    }

    /// A host and a port.
    pub(super) fn address(&mut self, path: &[&str]) -> Option<Address> {
        let text = self.text(path)?;
        let (host, port) = text.value.rsplit_once(':').unwrap_or_default();
        match port.parse() {
            Ok(port) if port > 0 && !host.is_empty() => Some(Address { host: host.to_owned(), port, span: text.span }),
            _ => {
                let message = format!("`{}`: \"{}\" is no host and port", path.join("."), text.value);
                self.report.fault(text.span, message).help("write \"HOST:PORT\"");
                None
            }
        }
    }

    pub(super) fn note(&mut self, span: Span, message: impl Into<String>) -> &mut Fault {
        self.report.note(span, message)
    }

    pub(super) fn fault(&mut self, span: Span, message: impl Into<String>) -> &mut Fault {
        self.report.fault(span, message)
    }

    /// Where what concerns the whole file is shown.
    pub(super) fn start(&self) -> Span {
        let first = self.object.fields.iter().map(|entry| entry.span).min_by_key(|span| (span.file, span.start));
        first.unwrap_or_default()
    }

    fn unset(&mut self, name: &str, span: Span) {
        let message = format!("neither this file nor the environment says what `{name}` is");
        self.report.fault(span, message).help(format!("set it before the command: {name}=..."));
    }

    fn wrong(&mut self, path: &[&str], span: Span, takes: &str) {
        self.report.fault(span, format!("`{}` takes {takes}", path.join(".")));
    }
}

/// The machine's name, as the system has it.
pub(super) fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
