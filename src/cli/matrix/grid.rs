//! Types of the matrix, as printed with `-o json`. Filled by `matrix::build`; text, Markdown and HTML are written from
//! them.

use schemars::JsonSchema;
use serde::Serialize;

use super::Rows;

/// Roles, groups or people against sections.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessMatrix {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    /// The account, `namespace/name`; absent where a catalog was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    /// Name for people, of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<String>,
    /// The catalog.
    pub(super) catalog: String,
    /// Kind of the rows: `roles`, `groups`, `people`.
    #[schemars(with = "String")]
    pub(super) rows_are: Rows,
    /// The sections, those of one category side by side.
    pub(super) sections: Vec<MatrixSection>,
    /// The rows.
    pub(super) rows: Vec<MatrixRow>,
    /// Differences of predefined roles from the catalog's defaults in this account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) changes: Vec<MatrixChange>,
    /// Notes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
}

/// Section.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatrixSection {
    /// Name.
    pub(super) name: String,
    /// Title, or the name where there is none.
    pub(super) title: String,
    /// Category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) category: Option<String>,
    /// Levels, least permissive first.
    pub(super) levels: Vec<String>,
}

/// Role, group or person.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatrixRow {
    /// Name, or address.
    pub(super) name: String,
    /// Title, or name for people; the name where there is none.
    pub(super) title: String,
    /// Note on the row: `custom`, `owner`, `suspended by …`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
    /// Cells, one for each section, in the order of `sections`.
    pub(super) cells: Vec<Cell>,
}

/// Cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cell {
    /// The level; absent where it is not applicable or not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) level: Option<String>,
    /// Rank on the ladder; 0 is no access.
    pub(super) rank: u8,
    /// Reason why there is no level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) without: Option<Without>,
    /// The catalog's level, where the account changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) default: Option<String>,
    /// The restriction that lowers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restricted_by: Option<String>,
    /// The prerequisite that lowers it, or, of a role or group, that it does not bring itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) needs: Option<String>,
}

/// Reason why a cell has no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Without {
    /// The section cannot be configured for the role.
    NotApplicable,
    /// Only the store has it.
    Unknown,
}

/// Difference of a predefined role from the catalog's default.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatrixChange {
    /// The predefined role.
    pub(super) role: String,
    /// The section.
    pub(super) section: String,
    /// The catalog's level: what deleting the Role resets it to.
    pub(super) default: String,
    /// The level in force.
    pub(super) now: String,
    /// Name of the Role that has a level for it.
    pub(super) by: String,
    /// Level of that Role, if it is not in force: another Role overrides the same role, and the lower level counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outweighed: Option<String>,
}

impl MatrixChange {
    /// Returns the Role in words, and why its level is not in force.
    pub(super) fn by_in_words(&self) -> String {
        let Self { role, by, .. } = self;
        self.outweighed.as_ref().map_or_else(
            || format!("Role {by}"),
            |level| {
                format!("not by Role {by}: its {level} has no effect, since another Role overrides {role} with less")
            },
        )
    }
}

impl Cell {
    pub(super) fn level(levels: &[crate::model::Name], rank: u8) -> Self {
        let level = levels.get(usize::from(rank)).map(ToString::to_string);
        Self { level, rank, without: None, default: None, restricted_by: None, needs: None }
    }

    pub(super) fn without(why: Without) -> Self {
        Self { level: None, rank: 0, without: Some(why), default: None, restricted_by: None, needs: None }
    }

    /// Returns the text of the cell without marks.
    pub(super) fn word(&self) -> &str {
        match (self.without, &self.level) {
            (Some(Without::NotApplicable), _) => "n/a",
            (Some(Without::Unknown), _) | (None, None) => "?",
            (None, Some(_)) if self.rank == 0 => "–",
            (None, Some(level)) => level,
        }
    }

    fn is_no_access(&self) -> bool {
        self.without.is_none() && self.level.is_some() && self.rank == 0
    }

    fn is_unknown(&self) -> bool {
        self.without == Some(Without::Unknown) || (self.without.is_none() && self.level.is_none())
    }

    /// Returns the marks of the cell.
    pub(super) fn marks(&self) -> String {
        let marks = [(&self.default, '*'), (&self.restricted_by, '!'), (&self.needs, '↓')];
        marks.into_iter().filter(|(why, _)| why.is_some()).map(|(_, mark)| mark).collect()
    }
}

impl AccessMatrix {
    /// Returns the heading of the rows.
    pub(super) fn heading(&self) -> &'static str {
        match self.rows_are {
            Rows::Roles => "role",
            Rows::Groups => "group",
            Rows::People => "person",
        }
    }

    /// Returns the marks that occur, with their meaning.
    pub(super) fn legend(&self) -> Vec<(&'static str, &'static str)> {
        let cells = || self.rows.iter().flat_map(|row| &row.cells);
        let people = self.rows_are == Rows::People;
        let needs =
            if people { "lowered by a prerequisite that is not met" } else { "needs another section, see below" };
        let all = [
            ("–", "no access", cells().any(Cell::is_no_access)),
            (
                "n/a",
                "cannot be configured for this role",
                cells().any(|cell| cell.without == Some(Without::NotApplicable)),
            ),
            ("?", "only the store has it", cells().any(Cell::is_unknown)),
            ("*", "changed in this account", cells().any(|cell| cell.default.is_some())),
            ("!", "limited by a restriction", cells().any(|cell| cell.restricted_by.is_some())),
            ("↓", needs, cells().any(|cell| cell.needs.is_some())),
        ];
        all.into_iter().filter(|(.., occurs)| *occurs).map(|(sign, meaning, _)| (sign, meaning)).collect()
    }

    /// Sections by category: runs of them, with the category's name.
    pub(super) fn categories(&self) -> Vec<(Option<&str>, std::ops::Range<usize>)> {
        let mut runs: Vec<(Option<&str>, std::ops::Range<usize>)> = Vec::new();
        for (place, section) in self.sections.iter().enumerate() {
            let category = section.category.as_deref();
            match runs.last_mut() {
                Some((last, run)) if *last == category => run.end = place + 1,
                _ => runs.push((category, place..place + 1)),
            }
        }
        runs
    }

    /// Returns whether any section has a category.
    pub(super) fn has_categories(&self) -> bool {
        self.sections.iter().any(|section| section.category.is_some())
    }
}
