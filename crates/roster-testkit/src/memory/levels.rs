//! Levels by name. Used by the rows, which hold names and not ranks, so that no change of the layout gives a row
//! another meaning.

use std::collections::BTreeMap;

use roster_core::model::{Ladder, Layout, Name, Ranks};

/// Names of levels by the names of their sections, without sections at their first level.
pub type Levels = BTreeMap<Name, Name>;

/// Returns the names of ranks. Does not use the engine's `Layout::named`, since tests check the engine with it.
pub(super) fn levels_of(ranks: &Ranks, layout: &Layout) -> Levels {
    let ranked = layout.ladders().iter().zip(ranks.as_slice()).filter(|(_, rank)| **rank > 0);
    let named = ranked.filter_map(|(ladder, rank)| Some((&ladder.section, ladder.levels.get(usize::from(*rank))?)));
    named.map(|(section, level)| (section.clone(), level.clone())).collect()
}

/// Returns the ranks of names. If the layout does not know one of them, there is one rank too many, so that the ranks
/// differ from all desired ones.
pub(super) fn ranks_of(levels: &Levels, layout: &Layout) -> Ranks {
    let mut ranks: Vec<u8> = layout.ladders().iter().map(|ladder| rank_in(ladder, levels)).collect();
    if levels.iter().any(|(section, level)| rank(layout, section, level).is_none()) {
        ranks.push(0);
    }
    ranks.into_iter().collect()
}

fn rank_in(ladder: &Ladder, levels: &Levels) -> u8 {
    let index = levels.get(&ladder.section).and_then(|level| index_of(ladder, level));
    index.and_then(|index| u8::try_from(index).ok()).unwrap_or(0)
}

fn index_of(ladder: &Ladder, level: &Name) -> Option<usize> {
    ladder.levels.iter().position(|known| known == level)
}

fn ladder_of<'a>(layout: &'a Layout, section: &Name) -> Option<&'a Ladder> {
    layout.ladders().iter().find(|ladder| ladder.section == *section)
}

fn rank(layout: &Layout, section: &Name, level: &Name) -> Option<usize> {
    ladder_of(layout, section).and_then(|ladder| index_of(ladder, level))
}

/// Returns the levels that the layout knows, without the first levels of their sections.
pub(super) fn known(levels: &Levels, layout: &Layout) -> Levels {
    let known = levels.iter().filter(|(section, level)| rank(layout, section, level).is_some_and(|rank| rank > 0));
    known.map(|(section, level)| (section.clone(), level.clone())).collect()
}

/// Returns the sections of `held`, levels of the layout `from`, that must be lowered so that nothing exceeds `wanted`,
/// levels of the layout `to`. Each has a level that `from` knows, or `None`.
pub(super) fn to_take(held: &Levels, from: &Layout, wanted: &Levels, to: &Layout) -> BTreeMap<Name, Option<Name>> {
    let lowered = held.iter().filter_map(|(section, level)| {
        let goal = wanted.get(section);
        if goal == Some(level) {
            return None;
        }
        let most = goal.and_then(|goal| highest_known(section, goal, from, to));
        let now = rank(from, section, level).unwrap_or(usize::MAX);
        match most {
            Some((rank, _)) if rank >= now => None,
            most => Some((section.clone(), most.map(|(_, level)| level))),
        }
    });
    lowered.collect()
}

/// Finds the highest level at or below `goal`, a level of the layout `to`, that `from` knows above its first level.
fn highest_known(section: &Name, goal: &Name, from: &Layout, to: &Layout) -> Option<(usize, Name)> {
    let (was, is) = (ladder_of(from, section)?, ladder_of(to, section)?);
    let below = is.levels.iter().take(index_of(is, goal)? + 1).skip(1).rev();
    below.filter_map(|level| Some((index_of(was, level)?, level.clone()))).find(|(rank, _)| *rank > 0)
}

/// Returns the levels of `wanted` that `held` does not have.
pub(super) fn to_give(held: &Levels, wanted: &Levels) -> Levels {
    let missing = wanted.iter().filter(|(section, level)| held.get(*section) != Some(*level));
    missing.map(|(section, level)| (section.clone(), level.clone())).collect()
}
