//! Tables, for people and for machines.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table as Grid, Width, presets};

use super::{escape_markdown, width, wrap_within};

/// Spaces between columns.
const GAP: u16 = 2;

/// A table as kubectl draws them: a line of headings, no borders; long cells are wrapped.
#[derive(Clone, Debug)]
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
    numbers: Vec<usize>,
    whole: Vec<usize>,
}

impl Table {
    /// Creates a table with these headings.
    #[must_use]
    pub fn new<S: Into<String>>(headings: impl IntoIterator<Item = S>) -> Self {
        Self {
            headings: headings.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
            numbers: Vec::new(),
            whole: Vec::new(),
        }
    }

    /// Aligns the columns at these indexes to the right.
    #[must_use]
    pub fn numbers(mut self, places: &[usize]) -> Self {
        self.numbers = places.to_vec();
        self
    }

    /// Never breaks cells of the columns at these indexes: names that users copy.
    #[must_use]
    pub fn whole(mut self, places: &[usize]) -> Self {
        self.whole = places.to_vec();
        self
    }

    /// Adds a row.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Returns the headings.
    #[must_use]
    pub fn headings(&self) -> &[String] {
        &self.headings
    }

    /// Returns the rows in the order in which they were added.
    #[must_use]
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// Returns whether the column at this index is aligned to the right.
    #[must_use]
    pub fn is_number(&self, place: usize) -> bool {
        self.numbers.contains(&place)
    }

    /// Returns whether the table has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the table as text for the terminal.
    #[must_use]
    pub fn text(&self) -> String {
        self.text_within(width())
    }

    /// Returns the table as text of at most `columns` columns, without broken words. If the longest words do not fit
    /// side by side, each row is a paragraph.
    #[must_use]
    pub fn text_within(&self, columns: u16) -> String {
        let Some(widths) = self.widths(usize::from(columns)) else { return self.paragraphs(columns) };
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        grid.set_header(self.headings.iter().map(|heading| heading.to_uppercase()));
        grid.add_rows(&self.rows);
        let last = widths.len().saturating_sub(1);
        for ((place, column), width) in grid.column_iter_mut().enumerate().zip(widths) {
            let padding = if place == last { 0 } else { GAP };
            column.set_padding((0, padding));
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(
                u16::try_from(width).unwrap_or(u16::MAX).saturating_add(padding),
            )));
            if self.numbers.contains(&place) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        grid.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
    }

    /// Returns the width of each column: at most what it needs, and at least its longest word. `None` if the words do
    /// not fit.
    fn widths(&self, columns: usize) -> Option<Vec<usize>> {
        let gaps = usize::from(GAP) * self.headings.len().saturating_sub(1);
        let room = columns.checked_sub(gaps)?;
        let bounds: Vec<(usize, usize)> = (0..self.headings.len()).map(|place| self.bounds(place)).collect();
        let at = |level: usize| bounds.iter().map(|(least, most)| level.clamp(*least, *most)).collect::<Vec<_>>();
        let fits = |widths: &Vec<usize>| widths.iter().sum::<usize>() <= room;
        let mut widths = Some(at(0)).filter(fits)?;
        for level in 1..=room {
            match Some(at(level)).filter(fits) {
                Some(wider) => widths = wider,
                None => break,
            }
        }
        // Space that a column does not use, because its words do not fill the line, goes to the longest other column.
        for (place, width) in widths.iter_mut().enumerate() {
            *width = self.used(place, *width).max(bounds[place].0);
        }
        let mut spare = room - widths.iter().sum::<usize>();
        let mut longest: Vec<usize> = (0..widths.len()).collect();
        longest.sort_by_key(|place| std::cmp::Reverse(bounds[*place].1));
        for place in longest {
            let more = spare.min(bounds[place].1.saturating_sub(widths[place]));
            widths[place] += more;
            spare -= more;
        }
        Some(widths)
    }

    /// Returns the longest line of a column whose cells are wrapped to `width`.
    fn used(&self, place: usize, width: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(place)).chain(self.headings.get(place));
        let used = |line: &str| {
            let (mut longest, mut column) = (0, 0);
            for word in line.split(' ').map(columns_of) {
                column = if column > 0 && column + 1 + word <= width { column + 1 + word } else { word };
                longest = longest.max(column);
            }
            longest
        };
        cells.flat_map(|cell| cell.lines()).map(used).max().unwrap_or(0)
    }

    /// Returns the widths that a column needs for its longest word, and for its longest line.
    fn bounds(&self, place: usize) -> (usize, usize) {
        let cells = self.rows.iter().filter_map(|row| row.get(place)).chain(self.headings.get(place));
        let lines: Vec<&str> = cells.flat_map(|cell| cell.lines()).collect();
        let longest = |texts: &mut dyn Iterator<Item = &str>| texts.map(columns_of).max().unwrap_or(0);
        let most = longest(&mut lines.iter().copied());
        let least = if self.whole.contains(&place) {
            most
        } else {
            longest(&mut lines.iter().flat_map(|line| line.split(' ')))
        };
        (least, most)
    }

    /// Returns each row as a paragraph: a line with the heading for each cell that is not empty.
    fn paragraphs(&self, columns: u16) -> String {
        let indent = self.headings.iter().map(|heading| columns_of(heading)).max().unwrap_or(0) + usize::from(GAP);
        let paragraph = |row: &Vec<String>| {
            let cells = self.headings.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
            cells.fold(String::new(), |text, (heading, cell)| {
                let head = format!("{:indent$}", heading.to_uppercase());
                text + &wrap_within(&head, indent, &cell.replace('\n', ", "), columns)
            })
        };
        self.rows.iter().map(paragraph).collect::<Vec<_>>().join("\n")
    }

    /// Returns the table as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| escape_markdown(cell)).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rules = (0..self.headings.len()).map(|place| if self.numbers.contains(&place) { "---:" } else { "---" });
        let rule = format!("|{}|\n", rules.collect::<Vec<_>>().join("|"));
        self.rows.iter().fold(line(&self.headings) + &rule, |text, row| text + &line(row))
    }

    /// Returns the table as CSV (RFC 4180).
    #[must_use]
    pub fn csv(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| escape_csv(cell)).collect();
            cells.join(",") + "\r\n"
        };
        self.rows.iter().fold(line(&self.headings), |text, row| text + &line(row))
    }
}

/// Columns that a text takes in a terminal.
fn columns_of(text: &str) -> usize {
    text.chars().count()
}

/// Escapes a cell that a spreadsheet would take for a formula (CWE-1236).
fn escape_csv(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text != "-";
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::WIDTH;

    fn table() -> Table {
        let mut table = Table::new(["who", "members"]).numbers(&[1]);
        table.row(["a|b <c>", "12"]);
        table.row(["=1+1, \"x\"", "3"]);
        table
    }

    #[test]
    fn a_table_reads_like_kubectls() {
        assert_eq!(table().text(), "WHO        MEMBERS\na|b <c>         12\n=1+1, \"x\"        3\n");
    }

    #[test]
    fn a_table_fits_and_wraps() {
        let mut table = Table::new(["object", "message"]);
        table.row(["membership".to_owned(), "word ".repeat(60)]);
        assert!(table.text().lines().count() > 3);
        assert!(table.text().lines().all(|line| line.chars().count() <= usize::from(WIDTH)));
    }

    #[test]
    fn names_for_copying_are_not_cut() {
        let name = "a-name-that-would-be-broken-in-the-middle";
        let mut table = Table::new(["account", "message"]).whole(&[0]);
        table.row([name.to_owned(), "word ".repeat(60)]);
        assert!(table.text().contains(name));
        assert!(table.text().lines().all(|line| line.chars().count() <= usize::from(WIDTH)));
    }

    #[test]
    fn cells_are_plain_text() {
        assert_eq!(table().markdown(), "| who | members |\n|---|---:|\n| a\\|b &lt;c> | 12 |\n| =1+1, \"x\" | 3 |\n");
        assert_eq!(table().csv(), "who,members\r\na|b <c>,12\r\n\"'=1+1, \"\"x\"\"\",3\r\n");
    }

    #[test]
    fn no_word_is_broken_in_two() {
        let mut table = Table::new(["account", "user", "note"]);
        table.row([
            "developer-platform/acme-direct",
            "sven@acme.example",
            "expires 2026-12-31, as Membership sven says it",
        ]);
        for columns in 20..120 {
            let text = table.text_within(columns);
            for word in ["developer-platform/acme-direct", "sven@acme.example", "2026-12-31,", "Membership"] {
                assert!(text.contains(word), "{columns}: {text}");
            }
            let fits = text.lines().all(|line| line.chars().count() <= usize::from(columns));
            assert!(fits || columns < 40, "{columns}: {text}");
        }
        assert!(table.text_within(60).starts_with("ACCOUNT  developer-platform/acme-direct\nUSER "), "as a paragraph");
        assert!(table.text_within(80).starts_with("ACCOUNT                         USER "), "as a table");
    }
}
