//! Columns for people.

use std::io::{self, Write};

/// Between two columns.
const GAP: &str = "  ";

/// Rows of text under a heading; every column is as wide as its widest cell.
#[derive(Debug)]
pub(super) struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table with its heading.
    pub(super) fn new(heading: [&str; COLUMNS]) -> Self {
        Self {
            rows: vec![heading.map(str::to_owned)],
        }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells);
    }

    /// Writes it, or `empty` where there is no row.
    pub(super) fn write(&self, out: &mut dyn Write, empty: &str) -> io::Result<()> {
        if self.rows.len() == 1 {
            return writeln!(out, "{empty}");
        }
        let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
            let width = |row: &[String; COLUMNS]| row[column].chars().count();
            self.rows.iter().map(width).max().unwrap_or_default()
        });
        for row in &self.rows {
            let padded = row.iter().zip(widths);
            let cells: Vec<_> = padded
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            writeln!(out, "{}", cells.join(GAP).trim_end())?;
        }
        Ok(())
    }
}

/// A cell for a value that may be missing.
pub(super) fn cell<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(table: &Table<2>) -> String {
        let mut out = Vec::new();
        table.write(&mut out, "nothing").unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["user", "state"]);
        assert_eq!(written(&table), "nothing\n");
        table.row(["a-long-user".to_owned(), cell(Some("active"))]);
        table.row(["b".to_owned(), cell::<&str>(None)]);
        let expected = "user         state\na-long-user  active\nb            -\n";
        assert_eq!(written(&table), expected);
    }
}
