//! Prints findings as text, and as annotations of a workflow run. Called by `roster validate`.

use std::fmt::Write as _;

use anstyle::Style;

use crate::{
    cli::output::{BAD, BOLD, DIM, GOOD, WARN, counted, fill, paint, prose_width, width},
    manifests::{Diagnostic, Severity},
};

/// Counts of findings.
pub(super) struct Sum {
    pub objects: usize,
    pub files: usize,
    pub errors: usize,
    pub advice: usize,
    pub notes: usize,
    /// Whether advice is treated as an error.
    pub strict: bool,
}

/// Returns the findings like a compiler: message, position, and the line of the file with a mark.
pub(super) fn text(diagnostics: &[Diagnostic], sum: &Sum) -> String {
    let mut out = String::new();
    let mut rest = diagnostics;
    while let Some((one, _)) = rest.split_first() {
        if one.severity == Severity::Note {
            let _ = writeln!(out, "{}", wrapped(&note(one), 2));
            rest = &rest[1..];
            continue;
        }
        // There may be much advice, so advice on one line of an object is printed together.
        let together = |other: &&Diagnostic| {
            let same = (&other.file, other.line, &other.object) == (&one.file, one.line, &one.object);
            same && other.severity == Severity::Advice
        };
        let count = if one.severity == Severity::Advice { rest.iter().take_while(together).count() } else { 1 };
        let style = style(one.severity);
        let reason = if one.severity == Severity::Advice { String::new() } else { format!("[{}]", one.reason) };
        let _ = write!(out, "{}", paint(style.bold(), format_args!("{}{reason}", one.severity.word())));
        if let Some(object) = &one.object {
            let _ = write!(out, " {}", paint(BOLD, object));
        }
        out.push('\n');
        for one in &rest[..count] {
            let field = if one.field.is_empty() { String::new() } else { format!("{}: ", one.field) };
            let _ = writeln!(out, "{}", wrapped(&format!("  {field}{}", one.message), 4));
        }
        if one.line > 0 {
            frame(&mut out, one, style);
        }
        out.push('\n');
        rest = &rest[count..];
    }
    if sum.notes > 0 && !out.is_empty() {
        out.push('\n');
    }
    out + &summary(sum)
}

/// Annotations as GitHub reads them from the output of a step.
pub(super) fn github(diagnostics: &[Diagnostic], sum: &Sum) -> String {
    let mut out = String::new();
    for one in diagnostics {
        let command = match one.severity {
            Severity::Error => "error",
            Severity::Advice => "warning",
            Severity::Note => "notice",
        };
        let mut properties = Vec::new();
        let file = one.file.display().to_string();
        if !file.is_empty() && file != "-" {
            properties.push(format!("file={}", property(&file)));
            if one.line > 0 {
                properties.push(format!("line={},col={}", one.line, one.column));
            }
        }
        let object = one.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
        let field = if one.field.is_empty() { String::new() } else { format!("{}: ", one.field) };
        properties.push(format!("title={}", property(&one.reason.to_string())));
        let message = data(&format!("{object}{field}{}", one.message));
        let _ = writeln!(out, "::{command} {}::{message}", properties.join(","));
    }
    out + &summary(sum)
}

fn summary(sum: &Sum) -> String {
    let what = counted(sum.objects, "object");
    let what = if sum.files > 0 { format!("{what} in {}", counted(sum.files, "file")) } else { what };
    let mut parts = Vec::new();
    if sum.errors > 0 {
        parts.push(paint(BAD.bold(), counted(sum.errors, "error")));
    }
    if sum.advice > 0 {
        let counts = if sum.strict { ", which --strict treats as an error" } else { "" };
        parts.push(paint(WARN, format_args!("{} of advice{counts}", counted(sum.advice, "piece"))));
    }
    if sum.notes > 0 {
        parts.push(counted(sum.notes, "note"));
    }
    if sum.errors == 0 && !(sum.strict && sum.advice > 0) {
        parts.insert(0, paint(GOOD, if sum.objects == 0 { "nothing to check" } else { "valid" }));
    }
    format!("{what}: {}\n", parts.join(", "))
}

const fn style(severity: Severity) -> Style {
    match severity {
        Severity::Error => BAD,
        Severity::Advice => WARN,
        Severity::Note => DIM,
    }
}

fn note(one: &Diagnostic) -> String {
    let file = file(one);
    let line = if one.line > 0 { format!(":{}", one.line) } else { String::new() };
    let file = if file.is_empty() { file } else { format!(" {file}{line}:") };
    let object = one.object.as_ref().map(|object| format!(" {object}:")).unwrap_or_default();
    format!("{}{file}{object} {}", paint(DIM, "note:"), one.message)
}

fn file(one: &Diagnostic) -> String {
    let file = one.file.display().to_string();
    if file == "-" { "standard input".to_owned() } else { file }
}

/// Writes the line of the file, and marks the position in it.
fn frame(out: &mut String, one: &Diagnostic, style: Style) {
    let number = one.line.to_string();
    let indent = " ".repeat(number.len() + 1);
    let room = usize::from(width()).saturating_sub(indent.len() + 5);
    let letters: Vec<char> = one.excerpt.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let column = one.column.max(1) - 1;
    // A long line is shown from shortly before the position.
    let start = if column + 8 > room { column.saturating_sub(20) } else { 0 };
    let cut = letters.len() > start + room;
    let shown: String = letters.iter().skip(start).take(room).collect();
    let bar = |text: &str| paint(DIM, text);
    let file = file(one);
    let _ = writeln!(out, "{indent}{} {file}:{}:{}", bar("-->"), one.line, one.column);
    let (before, after) = (if start > 0 { "…" } else { "" }, if cut { "…" } else { "" });
    let _ = writeln!(out, " {} {} {before}{}{after}", bar(&number), bar("|"), shown.trim_end());
    let width = one.width.clamp(1, room.saturating_sub(column - start).max(1));
    let blank = " ".repeat(column - start + before.chars().count());
    let _ = writeln!(out, "{indent} {} {blank}{}", bar("|"), paint(style, "^".repeat(width)));
}

/// Wraps text at spaces, ignoring colours; later lines are indented.
fn wrapped(text: &str, indent: usize) -> String {
    fill("", 0, indent, text, prose_width())
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_wrapped_and_colours_do_not_count() {
        let text = wrapped(&format!("{} {}", paint(BAD, "error"), "word ".repeat(40)), 2);
        assert!(text.lines().count() > 1);
        let widest = text.lines().map(|line| anstream::adapter::strip_str(line).to_string().chars().count()).max();
        assert!(widest <= Some(100) && widest > Some(90), "{widest:?}");
    }

    #[test]
    fn an_annotation_cannot_become_another() {
        assert_eq!(data("a\n::error::b%"), "a%0A::error::b%25");
        assert_eq!(property("a,b:c"), "a%2Cb%3Ac");
    }
}
