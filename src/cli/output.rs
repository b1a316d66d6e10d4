//! What commands print: tables, colours, JSON. Everything fits [`WIDTH`] columns; colours go where a terminal is, and
//! `NO_COLOR` is honoured.

use std::{
    borrow::Cow,
    io::{self, Write as _},
};

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table as Grid, presets};
use serde::Serialize;

/// Of everything printed as JSON; the shape of a kind changes only with it.
pub const API_VERSION: &str = "cli.roster.dev/v1";
/// Columns that everything fits.
pub const WIDTH: u16 = 100;
/// What is gained, or well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What is lost, or broken.
pub const BAD: Style = AnsiColor::Red.on_default();
/// What changes, or wants attention.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Headings.
pub const BOLD: Style = Style::new().bold();
/// What matters less.
pub const DIM: Style = Style::new().dimmed();

/// `text` in a style; the colours are taken out again where no terminal is.
#[must_use]
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// `1 change`, `3 changes`.
#[must_use]
pub fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// `text` behind `head`, broken at spaces so that it fits; further lines are indented by `indent`, which is how wide
/// `head` shows.
#[must_use]
pub fn wrap(head: &str, indent: usize, text: &str) -> String {
    let mut out = head.to_owned();
    let mut column = indent;
    for (place, word) in text.split(' ').enumerate() {
        let width = anstream::adapter::strip_str(word).to_string().chars().count();
        if place > 0 && column + 1 + width > usize::from(WIDTH) {
            out.truncate(out.trim_end().len());
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if place > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out + "\n"
}

/// Prints to standard output; see [`harmless`]. Whoever reads it may have seen enough: `roster … | head`.
///
/// # Errors
/// When it cannot be written.
pub fn print(text: &str) -> anyhow::Result<()> {
    write(&harmless(text))
}

fn write(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Says a line on standard error; see [`harmless`]. Whoever closed it misses it.
pub fn complain(line: impl std::fmt::Display) {
    let _ = writeln!(anstream::stderr().lock(), "{}", harmless(&line.to_string()));
}

/// The styles of this file, which are all that a terminal is told.
const STYLES: [Style; 6] = [GOOD, BAD, WARN, BOLD, DIM, Style::new()];

/// What is told to a terminal does nothing to it: names and titles, wherever they come from, may hold sequences that move,
/// hide or overwrite what was written before, or turn its direction.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_fine = |letter: char| matches!(letter, '\n' | '\t') || !(letter.is_control() || turns(letter));
    if text.chars().all(is_fine) {
        return text.into();
    }
    let mut styles: Vec<String> = STYLES.iter().map(|style| style.render().to_string()).collect();
    styles.push(GOOD.render_reset().to_string());
    styles.push("\r\n".to_owned());
    styles.retain(|style| !style.is_empty());
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(letter) = rest.chars().next() {
        let style = styles.iter().find(|style| !is_fine(letter) && rest.starts_with(style.as_str()));
        let length = if let Some(style) = style {
            out.push_str(style);
            style.len()
        } else {
            out.push(if is_fine(letter) { letter } else { '\u{fffd}' });
            letter.len_utf8()
        };
        rest = &rest[length..];
    }
    out.into()
}

/// Letters that are not seen, and have what follows shown in another direction.
fn turns(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Prints JSON that people can read, too. It says to the letter what is there.
///
/// # Errors
/// When it cannot be written.
pub fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    write(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// A table as kubectl draws them: a line of headings, no borders; long cells are wrapped.
#[derive(Clone, Debug)]
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
    numbers: Vec<usize>,
    whole: Vec<usize>,
}

impl Table {
    /// A table with these headings.
    #[must_use]
    pub fn new<S: Into<String>>(headings: impl IntoIterator<Item = S>) -> Self {
        Self {
            headings: headings.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
            numbers: Vec::new(),
            whole: Vec::new(),
        }
    }

    /// The same with the columns at these places aligned to the right.
    #[must_use]
    pub fn numbers(mut self, places: &[usize]) -> Self {
        self.numbers = places.to_vec();
        self
    }

    /// The same with no cell of the columns at these places ever broken: names that are to be copied.
    #[must_use]
    pub fn whole(mut self, places: &[usize]) -> Self {
        self.whole = places.to_vec();
        self
    }

    /// Adds a row.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// As text of at most [`WIDTH`] columns.
    #[must_use]
    pub fn text(&self) -> String {
        self.text_within(WIDTH)
    }

    /// As text of at most so many columns.
    #[must_use]
    pub fn text_within(&self, width: u16) -> String {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        grid.set_header(self.headings.iter().map(|heading| heading.to_uppercase()));
        grid.add_rows(&self.rows);
        for (place, column) in grid.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if self.numbers.contains(&place) {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if self.whole.contains(&place) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        grid.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
    }

    /// As a Markdown table.
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

    /// As CSV (RFC 4180).
    #[must_use]
    pub fn csv(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| escape_csv(cell)).collect();
            cells.join(",") + "\r\n"
        };
        self.rows.iter().fold(line(&self.headings), |text, row| text + &line(row))
    }
}

/// What people wrote, as one line that does nothing to a terminal.
#[must_use]
pub fn tame(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Nothing in a cell may become a column, a line, a link, or HTML.
#[must_use]
pub fn escape_markdown(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '|' | '\\' | '`' | '*' | '[' | ']' => out.extend(['\\', letter]),
            '<' => out.push_str("&lt;"),
            '\n' | '\r' => out.push(' '),
            _ => out.push(letter),
        }
    }
    out
}

/// A cell that a spreadsheet would take for a formula is made text (CWE-1236).
fn escape_csv(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text != "-";
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_but_our_styles() {
        let fine = format!("{} – über\n{}\r\n", paint(BAD, "lost"), paint(BOLD, "kept"));
        assert_eq!(harmless(&fine), fine);
        assert_eq!(harmless("a\u{1b}[2Jb\u{1b}]0;x\u{7}c\rd\u{202e}e\u{9b}1mf\u{1b}[8mg"), {
            "a�[2Jb�]0;x�c�d�e�1mf�[8mg"
        });
    }

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
    fn names_that_are_to_be_copied_stay_whole() {
        let name = "a-name-that-would-be-broken-in-the-middle";
        let mut table = Table::new(["account", "message"]).whole(&[0]);
        table.row([name.to_owned(), "word ".repeat(60)]);
        assert!(table.text().contains(name));
        assert!(table.text().lines().all(|line| line.chars().count() <= usize::from(WIDTH)));
    }

    #[test]
    fn long_lines_are_wrapped_behind_their_head() {
        let text = wrap(&format!("  {} ", paint(BAD, "x")), 4, "word ".repeat(30).trim());
        let lines: Vec<String> = text.lines().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("  x word") && lines[1].starts_with("    word"), "{lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= usize::from(WIDTH)), "{lines:?}");
    }

    #[test]
    fn nothing_in_a_cell_is_taken_for_more_than_text() {
        assert_eq!(table().markdown(), "| who | members |\n|---|---:|\n| a\\|b &lt;c> | 12 |\n| =1+1, \"x\" | 3 |\n");
        assert_eq!(table().csv(), "who,members\r\na|b <c>,12\r\n\"'=1+1, \"\"x\"\"\",3\r\n");
    }
}
