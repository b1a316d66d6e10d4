//! Computes the potential permissions of one member: granted, equal to owner, capped, reduced (docs/concepts.md
//! "Effective permissions", steps 1 to 4). Called by the `resolve` module, which knows the account's state and applies
//! step 5: suspension, blocks, time and approval.

use super::{Caps, Catalog, Name, Ranks, Rule};

/// Permissions from one source.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// Role or group that grants them.
    pub source: Source<'a>,
    /// Rank in each section.
    pub ranks: &'a Ranks,
}

/// Source of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// Owner role of the catalog, held by the account's owner.
    Owner(&'a Name),
    /// Predefined role of the catalog.
    PredefinedRole(&'a Name),
    /// A Role of the account.
    Role(&'a Name),
    /// Group, its roles included.
    Group(&'a Name),
}

/// Inputs that decide one member's permissions.
#[derive(Clone, Copy, Debug)]
pub struct MemberInputs<'a> {
    /// Permissions from the role and the groups.
    pub grants: &'a [Grant<'a>],
    /// Restriction whose confirmed lifting makes the member equal to the owner, and the owner role's ranks.
    pub equal_to_owner: Option<(&'a Name, &'a Ranks)>,
    /// Effective restrictions, each with the ranks that it leaves.
    pub restrictions: &'a [(&'a Name, &'a Caps)],
}

/// Receives each step that decides a section. [`NoTrace`] costs nothing; [`super::explain()`] records the steps of this
/// same computation, so that an explanation cannot differ from the result.
pub trait Trace {
    /// Records that a source raises a section to `rank`.
    fn granted(&mut self, _section: usize, _rank: u8, _source: Source<'_>) {}
    /// Records that a member is equal to the owner; called for each section, with the owner's `rank`.
    fn equal_to_owner(&mut self, _section: usize, _rank: u8, _restriction: &Name) {}
    /// Records that a restriction lowers a section to `rank`.
    fn capped(&mut self, _section: usize, _rank: u8, _restriction: &Name) {}
    /// Records that an unmet prerequisite lowers a section to `rank`.
    fn reduced(&mut self, _rule: &Rule, _rank: u8) {}
    /// Whether the steps are recorded; if not, the computation works on all sections at once.
    const LISTENS: bool = true;
}

/// Trace that ignores all steps.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl Trace for NoTrace {
    const LISTENS: bool = false;
}

/// Writes the potential permissions to `out`, whose former content does not matter. Allocates nothing if `out` already
/// has the length of the catalog.
pub fn potential<T: Trace>(catalog: &Catalog, inputs: &MemberInputs<'_>, out: &mut Ranks, trace: &mut T) {
    if out.as_slice().len() == catalog.layout.len() {
        out.clear();
    } else {
        *out = catalog.no_access();
    }
    for grant in inputs.grants {
        if T::LISTENS {
            for (section, rank) in grant.ranks.as_slice().iter().enumerate() {
                if *rank > out.as_slice()[section] {
                    trace.granted(section, *rank, grant.source);
                }
            }
        }
        out.raise_to(grant.ranks.as_slice());
    }
    if let Some((restriction, owner)) = inputs.equal_to_owner {
        if T::LISTENS {
            for (section, rank) in owner.as_slice().iter().enumerate() {
                trace.equal_to_owner(section, *rank, restriction);
            }
        }
        out.as_mut_slice().copy_from_slice(owner.as_slice());
    } else {
        for (name, caps) in inputs.restrictions {
            if T::LISTENS {
                for (section, cap) in caps.as_slice().iter().enumerate() {
                    if *cap < out.as_slice()[section] {
                        trace.capped(section, *cap, name);
                    }
                }
            }
            out.lower_to(caps.as_slice());
        }
    }
    reduce(&catalog.rules, out, trace);
}

/// Lowers ranks until every prerequisite is met. Each step only lowers, so that the result is the one greatest fixed
/// point, whatever the order. In the order of [`Catalog::rules`] one round is enough: the level that a rule needs is
/// lowered only by rules before it.
fn reduce<T: Trace>(rules: &[Rule], ranks: &mut Ranks, trace: &mut T) {
    let ranks = ranks.as_mut_slice();
    for rule in rules {
        if ranks[rule.section] >= rule.from && ranks[rule.needs] < rule.level {
            ranks[rule.section] = rule.from - 1;
            trace.reduced(rule, rule.from - 1);
        }
    }
}
