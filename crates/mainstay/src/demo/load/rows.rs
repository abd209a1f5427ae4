//! What is in the database in the end: the other half of the account.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// The rows of all named writes, in the order in which the database took them.
#[derive(Debug, Default)]
pub struct Rows {
    nodes: HashMap<String, Vec<String>>,
    tokens: Vec<Token>,
}

/// The fencing token of the tenure that a row was written in, as `TIMELINE.EPOCH`.
type Token = (u32, u64);

/// Whether tenures kept apart, as the database's own order of rows says: no clock is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Rows written with a token.
    pub rows: usize,
    /// Tenures that wrote.
    pub tenures: usize,
    /// Rows of a tenure behind a row of a later one.
    pub stale: usize,
    /// How often a tenure wrote on after a later one had begun to.
    pub overlaps: usize,
}

impl Order {
    /// Of the rows that are not counted in `others`.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self {
            rows: self.rows.saturating_sub(others.rows),
            tenures: self.tenures.saturating_sub(others.tenures),
            stale: self.stale.saturating_sub(others.stale),
            overlaps: self.overlaps.saturating_sub(others.overlaps),
        }
    }
}

impl Rows {
    /// Reads the model nodes' database.
    pub fn read(store: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let mut rows = Self::default();
        let mut select =
            connection.prepare("SELECT id, node, token FROM writes WHERE id IS NOT NULL ORDER BY rowid")?;
        let mut found = select.query([])?;
        while let Some(row) = found.next()? {
            rows.add(row.get(0)?, row.get(1)?, &row.get::<_, String>(2)?);
        }
        Ok(rows)
    }

    /// Adds a row behind those before.
    pub(crate) fn add(&mut self, id: String, node: String, token: &str) {
        self.nodes.entry(id).or_default().push(node);
        let parsed = token.split_once('.').and_then(|(line, epoch)| Some((line.parse().ok()?, epoch.parse().ok()?)));
        self.tokens.extend(parsed);
    }

    /// The nodes that wrote it, one for each row.
    pub fn of(&self, id: &str) -> &[String] {
        self.nodes.get(id).map_or(&[], Vec::as_slice)
    }

    /// Whether tenures kept apart.
    #[must_use]
    pub fn order(&self) -> Order {
        let mut order = Order { rows: self.tokens.len(), ..Order::default() };
        let mut newest: Option<Token> = None;
        let mut before_was_stale = false;
        for token in &self.tokens {
            let is_stale = newest.is_some_and(|newest| *token < newest);
            order.stale += usize::from(is_stale);
            order.overlaps += usize::from(is_stale && !before_was_stale);
            if newest.is_none_or(|newest| *token > newest) {
                order.tenures += 1;
                newest = Some(*token);
            }
            before_was_stale = is_stale;
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_s_order_tells_stale_writes() {
        let check = |tokens: &[&str], stale: usize, overlaps: usize, tenures: usize| {
            let mut rows = Rows::default();
            for (at, token) in tokens.iter().enumerate() {
                rows.add(at.to_string(), "a".to_owned(), token);
            }
            assert_eq!(rows.order(), Order { rows: tokens.len(), tenures, stale, overlaps }, "{tokens:?}");
        };
        check(&[], 0, 0, 0);
        check(&["1.1", "1.1", "1.2", "2.2", "2.10"], 0, 0, 4);
        check(&["1.1", "1.2", "1.1", "1.1", "1.2", "1.1"], 3, 2, 2);
        check(&["2.1", "1.9"], 1, 1, 1);
    }
}
