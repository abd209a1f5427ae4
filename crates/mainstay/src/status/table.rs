//! Columns of text.

/// Rows below a head. A column stands to the right when its first row does.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<Cell>>,
}

/// A piece of text in a table.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    right: bool,
    colour: Option<u8>,
}

impl Cell {
    /// Text.
    pub(super) fn left(text: &str) -> Self {
        Self { text: clean(text), right: false, colour: None }
    }

    /// A number.
    pub(super) fn right(text: impl ToString) -> Self {
        Self { text: clean(&text.to_string()), right: true, colour: None }
    }

    /// As it should be.
    pub(super) fn good(self) -> Self {
        Self { colour: Some(32), ..self }
    }

    /// Worth a look.
    pub(super) fn fair(self) -> Self {
        Self { colour: Some(33), ..self }
    }

    /// Not as it should be.
    pub(super) fn bad(self) -> Self {
        Self { colour: Some(31), ..self }
    }

    fn render(&self, width: usize, colours: bool, right: bool) -> String {
        let text = match self.colour {
            Some(colour) if colours => format!("\u{1b}[{colour}m{}\u{1b}[0m", self.text),
            _ => self.text.clone(),
        };
        let room = " ".repeat(width.saturating_sub(self.width()));
        if right { format!("{room}{text}") } else { format!("{text}{room}") }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|name| Cell::left(name)).collect()] }
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    pub(super) fn render(&self, colours: bool) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let column = |index: usize| self.rows.iter().filter_map(move |row| row.get(index));
        let layout: Vec<_> = (0..columns)
            .map(|index| (column(index).map(Cell::width).max().unwrap_or(0), column(index).any(|cell| cell.right)))
            .collect();
        let line = |row: &Vec<Cell>| {
            let cells = row.iter().zip(&layout).map(|(cell, (width, right))| cell.render(*width, colours, *right));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        self.rows.iter().map(line).collect()
    }
}

/// Text without what could steer a terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}
