//! Prints results: formats, tables, colours, JSON. Used by all commands; output fits the terminal, and `NO_COLOR` is
//! respected.

mod format;
mod table;
mod width;

use std::{
    borrow::Cow,
    collections::BTreeSet,
    io::{self, IsTerminal as _, Write as _},
};

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use serde::Serialize;

use crate::api::APPROVE_REMOVAL_ANNOTATION;

pub use self::{
    format::{Format, formats},
    table::Table,
    width::{WIDTH, prose_width, width},
};
pub use crate::model::counted;

/// API version of everything printed as JSON; the shape of a kind changes only with it.
pub const API_VERSION: &str = "cli.roster.dev/v1";
/// Style for gains and success.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Style for losses and errors.
pub const BAD: Style = AnsiColor::Red.on_default();
/// Style for changes and warnings.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Headings.
pub const BOLD: Style = Style::new().bold();
/// Style for less important text.
pub const DIM: Style = Style::new().dimmed();

/// Returns `text` in a style; colours are removed later if there is no terminal.
#[must_use]
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Returns `text` after `head`, wrapped at spaces; further lines are indented by `indent`, the visible width of `head`.
#[must_use]
pub fn wrap(head: &str, indent: usize, text: &str) -> String {
    wrap_within(head, indent, text, prose_width())
}

/// Like [`wrap`], for a given width.
#[must_use]
pub fn wrap_within(head: &str, indent: usize, text: &str, columns: u16) -> String {
    fill(head, indent, indent, text, columns) + "\n"
}

/// Like [`wrap_within`], without the end of the last line, and with the first line starting at `column`.
#[must_use]
pub fn fill(head: &str, mut column: usize, indent: usize, text: &str, columns: u16) -> String {
    let mut out = head.to_owned();
    for (place, word) in text.split(' ').enumerate() {
        let width = anstream::adapter::strip_str(word).to_string().chars().count();
        if place > 0 && column + 1 + width > usize::from(columns) {
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
    out
}

/// Returns the command that lets the held removals of this hash pass on a cluster.
#[must_use]
pub fn approve_command(namespace: &str, account: &str, hash: &str) -> String {
    format!("kubectl annotate -n {namespace} acct {account} --overwrite {APPROVE_REMOVAL_ANNOTATION}={hash}")
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

/// Clears the terminal, where standard output is one, and begins at its top.
///
/// # Errors
/// When it cannot be written.
pub fn clear() -> anyhow::Result<()> {
    if io::stdout().is_terminal() { write("\u{1b}[H\u{1b}[2J") } else { Ok(()) }
}

/// Says a line on standard error; see [`harmless`]. Whoever closed it misses it.
pub fn complain(line: impl std::fmt::Display) {
    let _ = writeln!(anstream::stderr().lock(), "{}", harmless(&line.to_string()));
}

/// All styles that are sent to a terminal.
const STYLES: [Style; 6] = [GOOD, BAD, WARN, BOLD, DIM, Style::new()];

/// Removes control sequences from text: names and titles may contain sequences that move the cursor, hide or overwrite
/// text, or change its direction.
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

/// Prints data as YAML where that is asked for, and as JSON otherwise.
///
/// # Errors
/// When it cannot be written.
pub fn print_data(format: Format, value: &impl Serialize) -> anyhow::Result<()> {
    if format == Format::Yaml { write(&serde_yaml_ng::to_string(value)?) } else { print_json(value) }
}

/// Prints names, each once and on a line of its own, in order.
///
/// # Errors
/// When they cannot be written.
pub fn print_names<'a>(names: impl IntoIterator<Item = &'a str>) -> anyhow::Result<()> {
    let names: BTreeSet<&str> = names.into_iter().collect();
    print(&names.into_iter().fold(String::new(), |text, name| text + name + "\n"))
}

/// Returns text of users as one line without control sequences.
#[must_use]
pub fn tame(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Escapes text for a cell of a Markdown table, so that it becomes no column, line, link or HTML.
#[must_use]
pub fn escape_markdown(text: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    for letter in text.chars() {
        match letter {
            // A name in an object must not notify a user (`@name`). An address is no such name.
            '@' if !before.is_alphanumeric() => out.push_str("@\u{2060}"),
            '|' | '\\' | '`' | '*' | '[' | ']' => out.extend(['\\', letter]),
            '<' => out.push_str("&lt;"),
            '\n' | '\r' => out.push(' '),
            _ => out.push(letter),
        }
        before = letter;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_styles_reach_a_terminal() {
        let fine = format!("{} – über\n{}\r\n", paint(BAD, "lost"), paint(BOLD, "kept"));
        assert_eq!(harmless(&fine), fine);
        assert_eq!(harmless("a\u{1b}[2Jb\u{1b}]0;x\u{7}c\rd\u{202e}e\u{9b}1mf\u{1b}[8mg"), {
            "a�[2Jb�]0;x�c�d�e�1mf�[8mg"
        });
    }

    #[test]
    fn long_lines_are_wrapped_behind_their_head() {
        let text = wrap(&format!("  {} ", paint(BAD, "x")), 4, "word ".repeat(30).trim());
        let lines: Vec<String> = text.lines().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("  x word") && lines[1].starts_with("    word"), "{lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= usize::from(WIDTH)), "{lines:?}");
    }
}
