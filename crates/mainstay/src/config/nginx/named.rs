//! Tables that several places share: equal ones get one name.

use super::scope::typed;
use crate::config::typed::{Maybe, Span, Spanned};

/// The name of the table that holds where none is named.
pub(super) const DEFAULT: &str = "default";

/// Tables of one kind, each with its name.
#[derive(Debug)]
pub(super) struct Named<T> {
    entries: Vec<(Spanned<String>, T)>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<T: PartialEq> Named<T> {
    /// Makes this the table that holds where none is named.
    pub(super) fn set_default(&mut self, table: T, span: Span) {
        self.entries.push((typed(DEFAULT.to_owned(), span), table));
    }

    /// The table that holds where none is named.
    pub(super) fn default_table(&self) -> Option<&T> {
        self.entries.iter().find(|(name, _)| name.value == DEFAULT).map(|(_, table)| table)
    }

    /// The name to write for a table; `None` where the default is the same. A new one is called as wanted, or nearly.
    pub(super) fn name(&mut self, table: T, wanted: &str, span: Span) -> Maybe<String> {
        if let Some((name, _)) = self.entries.iter().find(|(_, known)| *known == table) {
            return (name.value != DEFAULT).then(|| typed(name.value.clone(), span));
        }
        let name = free_name(wanted, |name| self.entries.iter().any(|(known, _)| known.value == name));
        self.entries.push((typed(name.clone(), span), table));
        Some(typed(name, span))
    }

    /// All of them, in the order they came.
    pub(super) fn into_entries(self) -> Vec<(Spanned<String>, T)> {
        self.entries
    }
}

/// `wanted`, or `wanted-2` and so on when it is taken.
pub(super) fn free_name(wanted: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(wanted) {
        return wanted.to_owned();
    }
    (2_usize..).map(|count| format!("{wanted}-{count}")).find(|name| !taken(name)).unwrap_or_default()
}
