//! Defines ladders, the layout of a catalog's ladders, and ranks, one for each section. Used by all modules that
//! compute, store or compare permissions.

use std::{collections::HashMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use super::Name;

/// Ladder of one section as a store keeps it: the section's name and its levels, least permissive first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ladder {
    /// Name of the section.
    pub section: Name,
    /// Names of its levels, 2 to 16; the first one means no access.
    pub levels: Vec<Name>,
}

/// All ladders of a catalog in their order. A row of ranks has a meaning only together with its layout.
#[derive(Clone)]
pub struct Layout(Arc<LayoutInner>);

struct LayoutInner {
    ladders: Vec<Ladder>,
    /// Digest of all names, to compare layouts at once; part of every fingerprint of ranks.
    digest: [u8; 16],
}

impl Layout {
    /// Returns the layout of these ladders.
    #[must_use]
    pub fn new(ladders: Vec<Ladder>) -> Self {
        let mut hash = Sha256::new();
        for text in ladders.iter().flat_map(|ladder| std::iter::once(&ladder.section).chain(&ladder.levels)) {
            hash.update(text.as_bytes());
            hash.update([0]);
        }
        for ladder in &ladders {
            hash.update((ladder.levels.len() as u64).to_le_bytes());
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.finalize()[..16]);
        Self(Arc::new(LayoutInner { ladders, digest }))
    }

    /// Returns the ladders, in the catalog's order.
    #[must_use]
    pub fn ladders(&self) -> &[Ladder] {
        &self.0.ladders
    }

    /// Returns the digest of all names in their order.
    #[must_use]
    pub fn digest(&self) -> &[u8; 16] {
        &self.0.digest
    }

    /// Returns the number of sections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.ladders.len()
    }

    /// Returns whether there is no section.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.ladders.is_empty()
    }

    /// Translates `ranks` from the layout `from` to this layout, by the names of sections and levels. A section that
    /// only one layout has becomes no access. A level that this layout does not have becomes the highest known level
    /// below it. No access stays no access, whatever its name. So a translation never widens access.
    #[must_use]
    pub fn translate(&self, ranks: &Ranks, from: &Self) -> Ranks {
        if self == from {
            return ranks.clone();
        }
        let known: HashMap<&str, (&Ladder, u8)> = from
            .ladders()
            .iter()
            .zip(ranks.as_slice())
            .map(|(ladder, rank)| (ladder.section.as_str(), (ladder, *rank)))
            .collect();
        self.ladders()
            .iter()
            .map(|ladder| {
                let Some((was, rank)) = known.get(ladder.section.as_str()) else { return 0 };
                // A member who holds a level also holds those below it.
                let mut held = was.levels.iter().take(usize::from(*rank) + 1).skip(1).rev();
                let index = held.find_map(|level| ladder.levels.iter().position(|l| l == level));
                index.and_then(|index| u8::try_from(index).ok()).unwrap_or(0)
            })
            .collect()
    }

    /// Returns the sections above their first level, as names of section and level.
    pub fn named<'a>(&'a self, ranks: &'a Ranks) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        self.ladders().iter().zip(ranks.as_slice()).filter(|(_, rank)| **rank > 0).filter_map(|(ladder, rank)| {
            Some((ladder.section.as_str(), ladder.levels.get(usize::from(*rank))?.as_str()))
        })
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl PartialEq for Layout {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for Layout {}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ladders()).finish()
    }
}

/// Ranks, one for each section of a catalog, in the catalog's order. Up to 16 sections need no allocation.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ranks(SmallVec<[u8; 16]>);

impl Ranks {
    /// Returns no access in each of `sections` sections.
    #[must_use]
    pub fn none(sections: usize) -> Self {
        Self(SmallVec::from_elem(0, sections))
    }

    /// Returns the ranks, in the catalog's order.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Returns the ranks, to change them in place.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Returns whether there is no access in any section.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.iter().all(|rank| *rank == 0)
    }

    /// Sets no access in all sections; keeps the number of sections.
    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Returns the ranks with exactly `sections` entries; added ones are without access. An entry in a store may have
    /// any length.
    #[must_use]
    pub fn fitted(mut self, sections: usize) -> Self {
        self.0.resize(sections, 0);
        self
    }

    /// Raises each rank to that of `other` if it is lower.
    pub fn raise_to(&mut self, other: &[u8]) {
        for (mine, other) in self.0.iter_mut().zip(other) {
            *mine = (*mine).max(*other);
        }
    }

    /// Lowers each rank to that of `other` if it is higher.
    pub fn lower_to(&mut self, other: &[u8]) {
        for (mine, other) in self.0.iter_mut().zip(other) {
            *mine = (*mine).min(*other);
        }
    }

    /// Returns whether no rank is above that of `other`; `false` if their lengths differ.
    #[must_use]
    pub fn is_at_most(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(mine, other)| mine <= other)
    }
}

impl FromIterator<u8> for Ranks {
    fn from_iter<I: IntoIterator<Item = u8>>(ranks: I) -> Self {
        Self(ranks.into_iter().collect())
    }
}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}
