//! What reading any table takes: keys by their definitions, values by their types, and the words for what is wrong.

use ::toml::Spanned as TomlSpanned;
use ::toml::de::{DeString, DeTable, DeValue};

use super::span_of;
use crate::config::defs::{Setting, Value};
use crate::config::fault::{Fault, Report, did_you_mean};
use crate::config::typed::{Span, Spanned};

/// Where faults go, and which table and key is being read.
pub(in crate::config) struct Decoder<'r> {
    file: u16,
    /// Where faults go.
    pub(in crate::config) report: &'r mut Report,
    /// The table, as an operator would call it, e.g. `[pool.tessera]`.
    pub(in crate::config) place: String,
    key: String,
}

/// The settings of a table that become one value.
pub(in crate::config) struct Part<'t, T: 'static> {
    /// Their definitions.
    pub(in crate::config) settings: &'static [Setting<T>],
    /// The value.
    pub(in crate::config) into: &'t mut T,
}

/// Something that takes keys of a table.
pub(in crate::config) trait Keys {
    /// Reads the value of `key`; false when it is not one of its keys.
    fn take(&mut self, key: &str, value: &Value<'_>, cx: &mut Decoder<'_>) -> bool;
    /// Its keys.
    fn keys(&self) -> Vec<&'static str>;
}

impl<T> Keys for Part<'_, T> {
    fn take(&mut self, key: &str, value: &Value<'_>, cx: &mut Decoder<'_>) -> bool {
        let Some(setting) = self.settings.iter().find(|setting| setting.key == key) else { return false };
        setting.field.read(self.into, value, cx);
        true
    }

    fn keys(&self) -> Vec<&'static str> {
        self.settings.iter().map(|setting| setting.key).collect()
    }
}

impl<'r> Decoder<'r> {
    pub(super) fn new(file: u16, report: &'r mut Report) -> Self {
        Self { file, report, place: String::new(), key: String::new() }
    }

    /// A range of the file.
    pub(in crate::config) fn span(&self, range: std::ops::Range<usize>) -> Span {
        span_of(self.file, range)
    }

    /// A value with its place.
    pub(in crate::config) fn spanned<T>(&self, value: T, at: &Value<'_>) -> Spanned<T> {
        Spanned { value, span: self.span(at.span()) }
    }

    /// Reads every key of a table into the part that knows it.
    pub(in crate::config) fn table(&mut self, table: &DeTable<'_>, parts: &mut [&mut dyn Keys]) {
        for (key, value) in in_order(table) {
            let name: &str = key.get_ref();
            let outer = std::mem::replace(&mut self.key, name.to_owned());
            let taken = parts.iter_mut().any(|part| part.take(name, value, self));
            self.key = outer;
            if !taken {
                let known: Vec<&str> = parts.iter().flat_map(|part| part.keys()).collect();
                self.unknown_key(name, self.span(key.span()), &known);
            }
        }
    }

    /// Reads a table that is a value, such as an entry of `nodes`.
    pub(in crate::config) fn inner(&mut self, table: &DeTable<'_>, parts: &mut [&mut dyn Keys]) {
        let inside = format!("\"{}\" of {}", self.key, self.place);
        let outer = std::mem::replace(&mut self.place, inside);
        self.table(table, parts);
        self.place = outer;
    }

    /// Says that the value is not of the kind its key takes.
    pub(in crate::config) fn wrong(&mut self, value: &Value<'_>, takes: &str) -> &mut Fault {
        let found = match value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a plain number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let message = format!("\"{}\" in {} takes {takes}, not {found}", self.key, self.place);
        let span = self.span(value.span());
        self.report.fault(span, message)
    }

    /// Says what is wrong with the value, as a clause.
    pub(in crate::config) fn bad(&mut self, value: &Value<'_>, what: &str) -> &mut Fault {
        let message = format!("\"{}\" in {}: {what}", self.key, self.place);
        let span = self.span(value.span());
        self.report.fault(span, message)
    }

    /// A text.
    pub(in crate::config) fn text(&mut self, value: &Value<'_>, takes: &str) -> Option<Spanned<String>> {
        if let DeValue::String(text) = value.get_ref() {
            return Some(self.spanned(text.to_string(), value));
        }
        let help = match value.get_ref() {
            DeValue::Integer(number) => Some(format!("write it in quotes: \"{number}\"")),
            DeValue::Boolean(_) => Some("write text in quotes".to_owned()),
            _ => None,
        };
        let fault = self.wrong(value, takes);
        if let Some(help) = help {
            fault.help(help);
        }
        None
    }

    /// A whole number from 0 to `most`.
    pub(in crate::config) fn number(&mut self, value: &Value<'_>, most: u64) -> Option<Spanned<u64>> {
        match value.get_ref() {
            DeValue::Integer(typed) => {
                let parsed = i128::from_str_radix(typed.as_str(), typed.radix()).ok();
                let fits = parsed.and_then(|number| u64::try_from(number).ok()).filter(|number| *number <= most);
                if fits.is_none() {
                    let what = format!("{typed} is out of range");
                    self.bad(value, &what).help(format!("write a number from 0 to {most}"));
                }
                fits.map(|number| self.spanned(number, value))
            }
            DeValue::String(text) if text.parse::<u64>().is_ok() => {
                let help = format!("write it without quotes: {text}");
                self.wrong(value, "a whole number").help(help);
                None
            }
            _ => {
                self.wrong(value, "a whole number");
                None
            }
        }
    }

    /// The entries of a list, or the one value that stands for a list of one.
    pub(in crate::config) fn entries<'v, 'i>(&mut self, value: &'v Value<'i>) -> Vec<&'v Value<'i>> {
        match value.get_ref() {
            DeValue::Array(entries) => {
                if entries.is_empty() {
                    self.bad(value, "the list is empty").help("write what belongs there, or leave the key out");
                }
                entries.iter().collect()
            }
            _ => vec![value],
        }
    }

    fn unknown_key(&mut self, name: &str, span: Span, known: &[&str]) {
        let place = &self.place;
        let fault = self.report.fault(span, format!("{place} has no key \"{name}\""));
        match did_you_mean(name, known.iter().copied()) {
            Some(guess) => fault.help(format!("did you mean \"{guess}\"?")),
            None => fault.help(format!("its keys are {}", known.join(", "))),
        };
    }
}

/// The entries of a table in the order of the file.
pub(in crate::config) fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t TomlSpanned<DeString<'i>>, &'t TomlSpanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}
