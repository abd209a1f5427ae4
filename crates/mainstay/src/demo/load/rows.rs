//! What is in the database in the end: the other half of the account.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// The rows of all named writes.
#[derive(Debug, Default)]
pub struct Rows(HashMap<String, Vec<String>>);

impl Rows {
    /// Reads the model nodes' database.
    pub fn read(store: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let mut rows: HashMap<String, Vec<String>> = HashMap::new();
        let mut select = connection.prepare("SELECT id, node FROM writes WHERE id IS NOT NULL")?;
        let mut found = select.query([])?;
        while let Some(row) = found.next()? {
            rows.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        Ok(Self(rows))
    }

    /// The nodes that wrote it, one for each row.
    pub fn of(&self, id: &str) -> &[String] {
        self.0.get(id).map_or(&[], Vec::as_slice)
    }
}
