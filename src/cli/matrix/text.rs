//! Writes the matrix as text, Markdown and CSV. Called by `roster matrix`.

use std::fmt::Write as _;

use super::{
    Rows,
    grid::{AccessMatrix, Cell, MatrixRow, Without},
};
use crate::cli::output::{BOLD, DIM, Table, WARN, escape_markdown, paint, tame, wrap};

/// Maximum length of a note that is printed next to the name.
const SHORT: usize = 10;
/// Maximum number of rows before sections become columns in Markdown and HTML, so that no page gets wider than paper …
const MOST_COLUMNS: usize = 12;
/// … and with more people than this: addresses are long.
const MOST_PEOPLE: usize = 6;
/// Spaces between columns.
const GAP: usize = 2;

/// Levels by name, without marks: rows as asked, sections as columns.
pub(super) fn plain(matrix: &AccessMatrix) -> Table {
    let sections = matrix.sections.iter().map(|section| section.name.clone());
    let mut table = Table::new(std::iter::once(matrix.heading().to_owned()).chain(sections));
    for row in &matrix.rows {
        let cells = row.cells.iter().map(|cell| match cell.without {
            Some(Without::NotApplicable) => "n/a".to_owned(),
            Some(Without::Unknown) => "?".to_owned(),
            None => cell.level.clone().unwrap_or_default(),
        });
        table.row(std::iter::once(row.name.clone()).chain(cells));
    }
    table
}

/// Returns the matrix as text.
pub(super) fn text(matrix: &AccessMatrix) -> String {
    let mut text = paint(BOLD, heading(matrix)) + "\n";
    if !matrix.rows.is_empty() {
        text += "\n";
        text += &Sheet::fitting(matrix).text();
    }
    let legend = matrix.legend();
    if !legend.is_empty() {
        let legend: Vec<String> = legend.iter().map(|(sign, meaning)| format!("{sign} {meaning}")).collect();
        let _ = write!(text, "\n{}", wrap("", 0, &legend.join("   ")));
    }
    text += &below(matrix);
    if !matrix.changes.is_empty() {
        let _ = writeln!(text, "\n{}", paint(BOLD, "Changed from the catalog's defaults"));
        text += &changes(matrix).text();
        text += &reset(matrix);
    }
    text
}

/// Returns the matrix as Markdown.
pub(super) fn markdown(matrix: &AccessMatrix) -> String {
    let mut text = format!("### {}\n\n", escape_markdown(&heading(matrix)));
    // The usual orientation of such tables, unless they get too wide.
    let sheet = if is_upright(matrix) { Sheet::upright(matrix) } else { Sheet::turned(matrix) };
    let categories = sheet.rows.iter().any(|row| row.category.is_some());
    let heads = categories.then(|| "category".to_owned()).into_iter().chain([sheet.corner.clone()]);
    let mut table = Table::new(heads.chain(sheet.columns.iter().map(|column| column.label.clone())));
    for row in &sheet.rows {
        let first = categories.then(|| row.category.clone().unwrap_or_default()).into_iter();
        table.row(first.chain([row.label.clone()]).chain(row.cells.iter().cloned()));
    }
    text += &table.markdown();
    for (sign, meaning) in matrix.legend() {
        let sign = if sign == "*" { "\\*" } else { sign };
        let _ = write!(text, "\n- {sign} {meaning}");
    }
    text += "\n";
    for note in notes(matrix) {
        let _ = writeln!(text, "\n{}", escape_markdown(&note));
    }
    if !matrix.changes.is_empty() {
        let _ = write!(text, "\n#### Changed from the catalog's defaults\n\n{}", changes(matrix).markdown());
    }
    text
}

/// Returns whether Markdown and HTML have the sections as columns.
pub(super) fn is_upright(matrix: &AccessMatrix) -> bool {
    matrix.rows.len() > if matrix.rows_are == Rows::People { MOST_PEOPLE } else { MOST_COLUMNS }
}

pub(super) fn heading(matrix: &AccessMatrix) -> String {
    let rows = match matrix.rows_are {
        Rows::Roles => "Roles",
        Rows::Groups => "Groups",
        Rows::People => "People",
    };
    match (&matrix.account, &matrix.title) {
        (Some(account), Some(title)) => format!("{rows} of {} ({account})", tame(title)),
        (Some(account), None) => format!("{rows} of {account}"),
        (None, _) => format!("{rows} of catalog {}, by default", matrix.catalog),
    }
}

/// Returns the notes, first those that are too long for the table.
pub(super) fn notes(matrix: &AccessMatrix) -> Vec<String> {
    let rows = matrix.rows.iter().filter(|row| row.note.chars().count() > SHORT);
    let mut notes: Vec<String> = rows.map(|row| format!("{}: {}", row.name, row.note)).collect();
    notes.extend(matrix.notes.iter().cloned());
    notes
}

fn below(matrix: &AccessMatrix) -> String {
    let notes = notes(matrix);
    let start = if notes.is_empty() { "" } else { "\n" };
    notes.iter().fold(start.to_owned(), |text, note| text + &wrap("", 0, note))
}

fn changes(matrix: &AccessMatrix) -> Table {
    let mut table = Table::new(["role", "section", "default", "now", "changed by"]);
    for change in &matrix.changes {
        table.row([&change.role, &change.section, &change.default, &change.now, &change.by_in_words()]);
    }
    table
}

fn reset(matrix: &AccessMatrix) -> String {
    let namespace = matrix.account.as_deref().and_then(|account| account.split_once('/')).map_or("", |(ns, _)| ns);
    let mut by: Vec<&str> = matrix.changes.iter().map(|change| change.by.as_str()).collect();
    by.sort_unstable();
    by.dedup();
    let command = format!("kubectl delete accessroles -n {namespace} {}", by.join(" "));
    wrap(&format!("\n{}", paint(DIM, "Reset: ")), 7, &command)
}

/// Lines and columns, whichever way round.
struct Sheet {
    corner: String,
    columns: Vec<Column>,
    rows: Vec<Line>,
}

struct Column {
    category: Option<String>,
    label: String,
}

struct Line {
    category: Option<String>,
    label: String,
    cells: Vec<String>,
}

fn label(row: &MatrixRow) -> String {
    match row.note.as_str() {
        note if note == row.name => row.name.clone(),
        "" => row.name.clone(),
        note if note.chars().count() <= SHORT => format!("{} ({note})", row.name),
        _ => row.name.clone(),
    }
}

fn shown(cell: &Cell) -> String {
    format!("{}{}", cell.word(), cell.marks())
}

impl Sheet {
    /// Sections as columns where that fits, otherwise whichever way round needs fewer tables.
    fn fitting(matrix: &AccessMatrix) -> Self {
        let (upright, turned) = (Self::upright(matrix), Self::turned(matrix));
        let (one, other) = (upright.parts().len(), turned.parts().len());
        if one <= other { upright } else { turned }
    }

    fn upright(matrix: &AccessMatrix) -> Self {
        let columns = matrix
            .sections
            .iter()
            .map(|section| Column { category: section.category.clone(), label: section.name.clone() });
        let rows = matrix.rows.iter().map(|row| Line {
            category: None,
            label: label(row),
            cells: row.cells.iter().map(shown).collect(),
        });
        Self { corner: matrix.heading().to_owned(), columns: columns.collect(), rows: rows.collect() }
    }

    fn turned(matrix: &AccessMatrix) -> Self {
        let columns = matrix.rows.iter().map(|row| Column { category: None, label: label(row) });
        let rows = matrix.sections.iter().enumerate().map(|(place, section)| Line {
            category: section.category.clone(),
            label: section.name.clone(),
            cells: matrix.rows.iter().filter_map(|row| row.cells.get(place)).map(shown).collect(),
        });
        Self { corner: "section".to_owned(), columns: columns.collect(), rows: rows.collect() }
    }

    fn indent(&self) -> usize {
        if self.rows.iter().any(|row| row.category.is_some()) { 2 } else { 0 }
    }

    fn first_width(&self) -> usize {
        let indent = self.indent();
        let labels = self.rows.iter().map(|row| width(&row.label) + indent);
        labels.chain([width(&self.corner)]).max().unwrap_or(0)
    }

    fn column_width(&self, place: usize) -> usize {
        let parts = pieces(&self.columns[place].label).into_iter().map(|piece| width(&piece));
        let category = self.columns[place].category.iter().flat_map(|name| name.split(' ')).map(width);
        let cells = self.rows.iter().filter_map(|row| row.cells.get(place)).map(|cell| width(cell));
        parts.chain(category).chain(cells).max().unwrap_or(0)
    }

    /// Splits the columns into runs that fit next to the first column.
    fn parts(&self) -> Vec<std::ops::Range<usize>> {
        let mut parts: Vec<std::ops::Range<usize>> = Vec::new();
        let first = self.first_width();
        let mut used = usize::MAX;
        for place in 0..self.columns.len() {
            let wide = GAP + self.column_width(place);
            match parts.last_mut() {
                Some(part) if used + wide <= usize::from(crate::cli::output::width()) => {
                    part.end = place + 1;
                    used += wide;
                }
                _ => {
                    parts.push(place..place + 1);
                    used = first + wide;
                }
            }
        }
        parts
    }

    fn text(&self) -> String {
        let parts = self.parts().into_iter().map(|part| self.part(part));
        parts.collect::<Vec<_>>().join("\n")
    }

    fn part(&self, part: std::ops::Range<usize>) -> String {
        let first = self.first_width();
        let widths: Vec<usize> = part.clone().map(|place| self.column_width(place)).collect();
        let mut text = self.categories(part.clone(), first, &widths);
        // Headings end on one line, with the first column's.
        let heads: Vec<Vec<String>> =
            part.clone().zip(&widths).map(|(place, wide)| filled(&pieces(&self.columns[place].label), *wide)).collect();
        let height = heads.iter().map(Vec::len).max().unwrap_or(1);
        for line in 0..height {
            let corner = if line + 1 == height { self.corner.as_str() } else { "" };
            let cells = heads.iter().map(|head| {
                let skipped = height - head.len();
                line.checked_sub(skipped).and_then(|line| head.get(line)).map_or("", String::as_str)
            });
            text += &joined(&corner.to_uppercase(), first, cells, &widths, |cell| paint(BOLD, cell.to_uppercase()));
        }
        let indent = self.indent();
        let mut last: Option<&str> = None;
        for row in &self.rows {
            let category = row.category.as_deref();
            if indent > 0 && category != last {
                let _ = writeln!(text, "{}", paint(DIM, category.unwrap_or("–")));
            }
            last = category;
            let label = format!("{:indent$}{}", "", row.label);
            let cells = row.cells[part.clone()].iter().map(String::as_str);
            text += &joined(&label, first, cells, &widths, coloured);
        }
        text
    }

    /// Returns the categories above the columns.
    fn categories(&self, part: std::ops::Range<usize>, first: usize, widths: &[usize]) -> String {
        let mut runs: Vec<(&str, usize)> = Vec::new();
        let mut last = None;
        for (place, wide) in part.zip(widths) {
            let category = self.columns[place].category.as_deref();
            match runs.last_mut() {
                Some((_, span)) if last == Some(category) => *span += GAP + wide,
                _ => runs.push((category.unwrap_or(""), *wide)),
            }
            last = Some(category);
        }
        if runs.iter().all(|(name, _)| name.is_empty()) {
            return String::new();
        }
        let words = |name: &str| name.split(' ').map(|word| format!("{word} ")).collect::<Vec<_>>();
        let heads: Vec<Vec<String>> = runs.iter().map(|(name, span)| filled(&words(name), *span)).collect();
        let spans: Vec<usize> = runs.iter().map(|(_, span)| *span).collect();
        let height = heads.iter().map(Vec::len).max().unwrap_or(1);
        let lines = (0..height).map(|line| {
            let cells = heads.iter().map(|head| head.get(line).map_or("", String::as_str));
            joined("", first, cells, &spans, |cell| paint(DIM, cell))
        });
        lines.collect()
    }
}

fn coloured(cell: &str) -> String {
    match cell {
        "–" | "n/a" => paint(DIM, cell),
        cell if cell.ends_with(['*', '!', '↓', '?']) => paint(WARN, cell),
        cell => cell.to_owned(),
    }
}

fn joined<'a>(
    label: &str,
    first: usize,
    cells: impl Iterator<Item = &'a str>,
    widths: &[usize],
    style: impl Fn(&str) -> String,
) -> String {
    let label = format!("{}{:pad$}", label, "", pad = first.saturating_sub(width(label)));
    let label = if widths.is_empty() { label.trim_end().to_owned() } else { label };
    let mut line = label;
    let mut pending = 0;
    for (cell, wide) in cells.zip(widths) {
        pending += GAP;
        if cell.is_empty() {
            pending += wide;
            continue;
        }
        line.extend(std::iter::repeat_n(' ', pending));
        line += &style(cell);
        pending = wide.saturating_sub(width(cell));
    }
    line.truncate(line.trim_end().len());
    line + "\n"
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// Splits a heading where it may be broken: after a hyphen or a space, before an @.
fn pieces(label: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for letter in label.chars() {
        let broken = pieces.last().is_some_and(|piece| piece.ends_with(['-', ' ']) || letter == '@');
        if broken {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(letter);
        }
    }
    pieces
}

/// Pieces put together as far as a line holds them.
fn filled(pieces: &[String], wide: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if width(line) + width(piece.trim_end()) <= wide => line.push_str(piece),
            _ => lines.push(piece.clone()),
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}
