//! Parses questions of the form `LEVEL SECTION`. Called by `can-i`, `who-can` and `explain`.

use crate::model::suggest::closest;
use crate::model::{Layout, Name, Ranks};

/// Question for a minimum level in a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Index of the section.
    pub section: usize,
    /// Rank of the level; at least 1.
    pub rank: u8,
}

impl Question {
    /// Looks up level and section; `whose` names the catalog or account for the error.
    ///
    /// # Errors
    /// When there is no such section or level, with what may have been meant and what there is; and when the level is
    /// the one that means no access, which nobody needs to be given.
    pub fn parse(layout: &Layout, whose: &str, level: &str, section: &str) -> anyhow::Result<Self> {
        let ladders = layout.ladders();
        let names = || ladders.iter().map(|ladder| ladder.section.as_str());
        if names().any(|name| name == level) && !names().any(|name| name == section) {
            anyhow::bail!("write the level first: {section} {level}");
        }
        let index = section_of(layout, whose, section)?;
        let levels = &ladders[index].levels;
        let ladder = levels.join(" < ");
        let Some(rank) = levels.iter().position(|known| known == level) else {
            let tip = closest(level, levels.iter().map(Name::as_str));
            anyhow::bail!("section {section:?} has no level {level:?}{} Its levels: {ladder}", hint(tip));
        };
        anyhow::ensure!(rank > 0, "{level:?} means no access to section {section:?}; ask for a higher level: {ladder}");
        Ok(Self { section: index, rank: u8::try_from(rank)? })
    }

    /// Returns the level of `ranks` in the section; empty if the layout has no such section.
    #[must_use]
    pub fn level(&self, layout: &Layout, ranks: &Ranks) -> String {
        let rank = ranks.as_slice().get(self.section).copied().unwrap_or(0);
        let ladder = layout.ladders().get(self.section);
        ladder.and_then(|ladder| ladder.levels.get(usize::from(rank))).map_or_else(String::new, ToString::to_string)
    }

    /// Returns whether `ranks` meet the minimum level.
    #[must_use]
    pub fn is_met(&self, ranks: &Ranks) -> bool {
        ranks.as_slice().get(self.section).is_some_and(|rank| *rank >= self.rank)
    }
}

/// Returns the index of the named section; `whose` names the catalog or account for the error.
///
/// # Errors
/// When there is none, with what may have been meant and what there is.
pub fn section_of(layout: &Layout, whose: &str, section: &str) -> anyhow::Result<usize> {
    let names = || layout.ladders().iter().map(|ladder| ladder.section.as_str());
    names().position(|name| name == section).ok_or_else(|| {
        let known = names().collect::<Vec<_>>().join(", ");
        anyhow::anyhow!("{whose} has no section {section:?}{} It has: {known}", hint(closest(section, names())))
    })
}

fn hint(near: Option<&str>) -> String {
    near.map_or_else(|| ".".to_owned(), |near| format!("; did you mean {near:?}?"))
}
