//! Potential permissions of one member: granted, equal to owner, capped, reduced (docs/concepts.md "Effective permissions",
//! steps 1 to 4). They become the effective permissions by step 5, the ends, which is decided where the account's state is
//! known: in `resolve`.

use super::{Caps, Catalog, Name, Ranks, Rule};

/// Permissions from one source.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// Where it comes from.
    pub source: Source<'a>,
    /// Levels by section.
    pub ranks: &'a Ranks,
}

/// Where a grant comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// The catalog's owner role, held by the account's owner.
    Owner(&'a Name),
    /// A predefined role.
    PredefinedRole(&'a Name),
    /// A Role of the account.
    Role(&'a Name),
    /// A group, its roles included.
    Group(&'a Name),
}

/// Inputs that decide one member's permissions.
#[derive(Clone, Copy, Debug)]
pub struct MemberInputs<'a> {
    /// Permissions from role and groups.
    pub grants: &'a [Grant<'a>],
    /// The restriction whose confirmed lifting makes the member equal to the owner, and the owner role's levels.
    pub equal_to_owner: Option<(&'a Name, &'a Ranks)>,
    /// Restrictions in force.
    pub restrictions: &'a [(&'a Name, &'a Caps)],
}

/// Is told each step that decides a section. [`NoTrace`] costs nothing; [`super::explain()`] keeps what it hears, so that
/// the explanation can never differ from the result.
pub trait Trace {
    /// A source raises a section to `rank`.
    fn granted(&mut self, _section: usize, _rank: u8, _source: Source<'_>) {}
    /// The member is equal to the owner, and the section therefore at `rank`.
    fn equal_to_owner(&mut self, _section: usize, _rank: u8, _restriction: &Name) {}
    /// A restriction lowers a section to `rank`.
    fn capped(&mut self, _section: usize, _rank: u8, _restriction: &Name) {}
    /// An unmet prerequisite lowers a section to `rank`.
    fn reduced(&mut self, _rule: &Rule, _rank: u8) {}
    /// Whether anybody listens; where nobody does, whole rows are worked on at once.
    const LISTENS: bool = true;
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl Trace for NoTrace {
    const LISTENS: bool = false;
}

/// Writes the potential permissions to `out`, which may hold anything before. Allocates nothing once `out` is as long as
/// the catalog.
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

/// Lowers until every prerequisite holds. Each step only lowers, so that the end is the one greatest fixed point
/// whatever the order; in the order in which the catalog keeps the rules, one round reaches it: what a rule needs is only
/// ever taken away by rules before it.
fn reduce<T: Trace>(rules: &[Rule], ranks: &mut Ranks, trace: &mut T) {
    let ranks = ranks.as_mut_slice();
    for rule in rules {
        if ranks[rule.section] >= rule.from && ranks[rule.needs] < rule.level {
            ranks[rule.section] = rule.from - 1;
            trace.reduced(rule, rule.from - 1);
        }
    }
}
