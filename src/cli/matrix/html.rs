//! Writes the matrix as one page of HTML without external resources; the template escapes everything. Called by `roster
//! matrix -o html`.

use anyhow::Context as _;
use askama::Template;
use jiff::Timestamp;

use super::{
    grid::{AccessMatrix, Cell, MatrixChange, Without},
    text,
};
use crate::cli::ask::day;

/// Maximum number of section columns with horizontal headings.
const MOST_LYING: usize = 7;

#[derive(Template)]
#[template(path = "matrix.html")]
struct Page<'a> {
    heading: String,
    catalog: &'a str,
    date: String,
    corner: &'static str,
    /// Whether headings are vertical.
    tall: bool,
    column_groups: Vec<ColumnGroup>,
    columns: Vec<Label>,
    groups: Vec<Group>,
    legend: Vec<(&'static str, &'static str)>,
    notes: Vec<String>,
    changes: &'a [MatrixChange],
    reset: String,
}

struct ColumnGroup {
    name: String,
    span: usize,
}

struct Label {
    title: String,
    name: String,
    note: String,
    /// The first of its category.
    first: bool,
}

struct Group {
    name: Option<String>,
    rows: Vec<Row>,
}

struct Row {
    label: Label,
    cells: Vec<Shown>,
}

struct Shown {
    word: String,
    marks: String,
    class: String,
    tip: String,
    first: bool,
}

/// Returns the page.
pub(super) fn page(matrix: &AccessMatrix, now: Timestamp) -> anyhow::Result<String> {
    let upright = text::is_upright(matrix);
    let sections: Vec<Label> = matrix
        .sections
        .iter()
        .enumerate()
        .map(|(place, section)| {
            let before = place.checked_sub(1).and_then(|before| matrix.sections.get(before));
            let first = before.is_none_or(|before| before.category != section.category);
            label(&section.title, &section.name, "", first)
        })
        .collect();
    let rows = || matrix.rows.iter().map(|row| label(&row.title, &row.name, &row.note, false));
    let shown = |row: usize, section: usize| {
        let (ladder, cell) = (&matrix.sections[section].levels, &matrix.rows[row].cells[section]);
        let of = format!("{}, {}", matrix.rows[row].title, matrix.sections[section].title);
        show(cell, ladder.len(), &of, upright && sections[section].first)
    };
    let (columns, column_groups, groups) = if upright {
        let all = rows().enumerate().map(|(row, label)| Row {
            label,
            cells: (0..matrix.sections.len()).map(|section| shown(row, section)).collect(),
        });
        let groups = vec![Group { name: None, rows: all.collect() }];
        let column_groups = matrix
            .categories()
            .into_iter()
            .map(|(name, run)| ColumnGroup { name: name.unwrap_or_default().to_owned(), span: run.len() });
        let column_groups = if matrix.has_categories() { column_groups.collect() } else { Vec::new() };
        let columns = matrix.sections.iter().zip(&sections);
        let columns = columns.map(|(section, one)| label(&section.title, &section.name, "", one.first));
        (columns.collect(), column_groups, groups)
    } else {
        let groups = matrix.categories().into_iter().map(|(name, run)| Group {
            name: matrix.has_categories().then(|| name.unwrap_or("Other").to_owned()),
            rows: run
                .map(|section| Row {
                    label: label(&matrix.sections[section].title, &matrix.sections[section].name, "", false),
                    cells: (0..matrix.rows.len()).map(|row| shown(row, section)).collect(),
                })
                .collect(),
        });
        (rows().collect(), Vec::new(), groups.collect())
    };
    let mut by: Vec<&str> = matrix.changes.iter().map(|change| change.by.as_str()).collect();
    by.sort_unstable();
    by.dedup();
    let page = Page {
        heading: text::heading(matrix),
        catalog: &matrix.catalog,
        date: day(now),
        corner: if upright { matrix.heading() } else { "section" },
        tall: upright && matrix.sections.len() > MOST_LYING,
        column_groups,
        columns,
        groups,
        legend: matrix.legend(),
        notes: matrix.notes.clone(),
        changes: &matrix.changes,
        reset: by.join(", "),
    };
    page.render().context("cannot write the page")
}

fn label(title: &str, name: &str, note: &str, first: bool) -> Label {
    let name = if title == name { String::new() } else { name.to_owned() };
    Label { title: title.to_owned(), name, note: note.to_owned(), first }
}

fn show(cell: &Cell, levels: usize, of: &str, first: bool) -> Shown {
    let class = match cell.without {
        Some(Without::NotApplicable) => "na".to_owned(),
        Some(Without::Unknown) => "unknown".to_owned(),
        None if cell.rank == 0 => "none".to_owned(),
        // Four shades, by position on the ladder.
        None => format!("l{}", (usize::from(cell.rank) * 4).div_ceil(levels.saturating_sub(1).max(1)).min(4)),
    };
    let mut tip = format!("{of}: {}", cell.level.as_deref().unwrap_or(cell.word()));
    if cell.without.is_none() {
        tip = format!("{tip} ({} of {levels})", usize::from(cell.rank) + 1);
    }
    for (why, text) in [
        (&cell.default, "changed here, by default"),
        (&cell.restricted_by, "limited by restriction"),
        (&cell.needs, "needs"),
    ] {
        if let Some(why) = why {
            tip = format!("{tip}; {text} {why}");
        }
    }
    let class = if cell.marks().is_empty() { class } else { format!("{class} marked") };
    Shown { word: cell.word().to_owned(), marks: cell.marks(), class, tip, first }
}
