//! Checks a PermissionCatalog against its own rules and compiles it. Called for each catalog object when its facts are
//! built.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Advisory, Caps, Catalog, CatalogFault, CatalogFaultKind as Fault, FieldPath, Ladder, Layout, Name, PredefinedRole,
    Ranks, Restriction, Rule, Section, Unknown,
};
use crate::api::{self, HeldBy, PermissionCatalogSpec, limits::MAX_LEVELS};

/// Ladder of a section for which the catalog names no levels (docs/concepts.md "Seven kinds").
const DEFAULT_LADDER: [&str; 2] = ["Denied", "Allowed"];

const SECTIONS: FieldPath = FieldPath::new("spec.sections");
const ROLES: FieldPath = FieldPath::new("spec.roles");

impl Catalog {
    /// Checks the catalog and compiles it.
    ///
    /// # Errors
    /// All faults found, in the order of the fields; never an empty list.
    pub fn compile(spec: &PermissionCatalogSpec) -> Result<Self, Vec<CatalogFault>> {
        let mut compiler = Compiler::default();
        compiler.sections(spec);
        compiler.requirements(spec);
        compiler.restrictions(spec);
        compiler.roles(spec);
        compiler.defaults(spec);
        compiler.administration(spec);
        compiler.separation(spec);
        if compiler.faults.is_empty() { Ok(compiler.catalog) } else { Err(compiler.faults) }
    }
}

#[derive(Default)]
struct Compiler {
    catalog: Catalog,
    faults: Vec<CatalogFault>,
}

impl Compiler {
    fn fault(&mut self, field: &FieldPath, kind: Fault) {
        self.faults.push(CatalogFault { field: field.clone(), kind });
    }

    fn unknown_role(&mut self, field: &FieldPath, name: &str) {
        let role = Unknown::among(name, self.catalog.role_names());
        self.fault(field, Fault::UnknownRole(role));
    }

    fn section(&mut self, field: &FieldPath, name: &str) -> Option<usize> {
        let index = self.catalog.section(name);
        if index.is_none() {
            let section = Unknown::among(name, self.catalog.section_names());
            self.fault(field, Fault::UnknownSection(section));
        }
        index
    }

    fn rank(&mut self, field: &FieldPath, section: usize, level: &str) -> Option<u8> {
        let rank = self.catalog.rank(section, level);
        if rank.is_none() {
            self.fault(field, Fault::UnknownLevel(self.catalog.unknown_level(section, level)));
        }
        rank
    }

    fn sections(&mut self, spec: &PermissionCatalogSpec) {
        let mut ladders = Vec::with_capacity(spec.sections.len());
        for (index, section) in spec.sections.iter().enumerate() {
            let levels: Vec<Name> = match &section.levels {
                Some(levels) => levels.iter().map(Name::from).collect(),
                None => DEFAULT_LADDER.into_iter().map(Name::from).collect(),
            };
            let field = SECTIONS.item(&section.name);
            if levels.len() < 2 || levels.len() > MAX_LEVELS {
                self.fault(&field.field("levels"), Fault::LevelCount);
            }
            if levels.iter().collect::<BTreeSet<_>>().len() != levels.len() {
                self.fault(&field.field("levels"), Fault::RepeatedLevel);
            }
            ladders.push(Ladder { section: Name::from(&section.name), levels });
            if self.catalog.section_indexes.insert(Name::from(&section.name), index).is_some() {
                self.fault(&field, Fault::Repeated);
            }
        }
        self.catalog.layout = Layout::new(ladders);
        for (index, section) in spec.sections.iter().enumerate() {
            let advisories = section
                .advisories
                .iter()
                .filter_map(|advisory| {
                    let field = SECTIONS.item(&section.name).field("advisories");
                    let above = self.rank(&field, index, &advisory.above)?;
                    let (section, message) = (Name::new(&section.name), advisory.message.as_str().into());
                    Some((above, Arc::new(Advisory { section, message })))
                })
                .collect();
            self.catalog.sections.push(Section {
                title: section.title.clone().unwrap_or_else(|| section.name.clone()),
                category: section.category.clone(),
                advisories,
            });
        }
    }

    fn requirements(&mut self, spec: &PermissionCatalogSpec) {
        let mut rules = Vec::new();
        for (index, section) in spec.sections.iter().enumerate() {
            let field = SECTIONS.item(&section.name).field("requires");
            for requirement in &section.requires {
                let from = self.rank(&field, index, &requirement.from);
                let needs = self.section(&field, &requirement.section);
                let level = needs.and_then(|needs| self.rank(&field, needs, &requirement.level));
                let (Some(from), Some(needs), Some(level)) = (from, needs, level) else { continue };
                if needs == index {
                    self.fault(&field, Fault::RequiresItself);
                } else if from == 0 {
                    self.fault(&field, Fault::FirstLevelRequires(Name::new(&requirement.from)));
                } else {
                    rules.push(Rule { section: index, from, needs, level });
                }
            }
        }
        match order_rules(&rules, spec.sections.len()) {
            Ok(rules) => self.catalog.rules = rules,
            Err(cycle) => {
                let name = |rule: &Rule| {
                    let level = self.catalog.level(rule.section, rule.from);
                    (Name::new(self.catalog.section_name(rule.section)), Name::new(level))
                };
                let circle = cycle.iter().map(name).collect();
                self.fault(&SECTIONS, Fault::Circle(circle));
            }
        }
    }

    fn restrictions(&mut self, spec: &PermissionCatalogSpec) {
        for (index, restriction) in spec.restrictions.iter().enumerate() {
            let field = FieldPath::new("spec.restrictions").item(&restriction.name);
            let mut caps: Caps = std::iter::repeat_n(u8::MAX, self.catalog.layout.len()).collect();
            for (name, level) in &restriction.caps {
                let caps_field = field.field("caps");
                let Some(section) = self.section(&caps_field, name) else { continue };
                if let Some(rank) = self.rank(&caps_field, section, level) {
                    caps.as_mut_slice()[section] = rank;
                }
            }
            if restriction.lifting.grants_owner_access && spec.owner_role.is_none() {
                self.fault(&field.field("lifting"), Fault::NoOwnerRole);
            }
            if self.catalog.restriction_indexes.insert(Name::from(&restriction.name), index).is_some() {
                self.fault(&field, Fault::Repeated);
            }
            self.catalog.restrictions.push(Restriction {
                name: Name::from(&restriction.name),
                caps,
                applied_by_default: restriction.applied_by_default,
                grants_owner_access: restriction.lifting.grants_owner_access,
                needs_confirmation: restriction.lifting.needs_confirmation,
            });
        }
    }

    fn roles(&mut self, spec: &PermissionCatalogSpec) {
        for (index, role) in spec.roles.iter().enumerate() {
            let field = ROLES.item(&role.name);
            let not_applicable = self.section_set(&field.field("notApplicable"), &role.not_applicable);
            let ranks = self.role_ranks(&field, role, &not_applicable);
            if let Some(api::RoleAdvice { minimum_holders: Some(min), maximum_holders: Some(max), .. }) = &role.advice
                && min > max
            {
                self.fault(&field.field("advice.maximumHolders"), Fault::HolderLimits { minimum: *min, maximum: *max });
            }
            if self.catalog.role_indexes.insert(Name::from(&role.name), index).is_some() {
                self.fault(&field, Fault::Repeated);
            }
            self.catalog.roles.push(PredefinedRole {
                name: Name::from(&role.name),
                title: role.title.clone().unwrap_or_else(|| role.name.clone()),
                ranks,
                not_applicable,
                held_by: role.held_by,
                overridable: role.overridable,
                available_in: role.available_in.iter().copied().collect(),
                advice: role.advice.clone(),
            });
        }
        let field = FieldPath::new("spec.customRoles.notApplicable");
        self.catalog.custom_not_applicable = self.section_set(&field, &spec.custom_roles.not_applicable);
    }

    fn role_ranks(&mut self, field: &FieldPath, role: &api::PredefinedRole, not_applicable: &BTreeSet<usize>) -> Ranks {
        if role.all_permissions {
            if !role.permissions.is_empty() {
                self.fault(&field.field("permissions"), Fault::AllAndSome);
            }
            let ladders = self.catalog.layout.ladders().iter().enumerate();
            return ladders
                .map(|(index, ladder)| {
                    let top = u8::try_from(ladder.levels.len().saturating_sub(1)).unwrap_or(0);
                    if not_applicable.contains(&index) { 0 } else { top }
                })
                .collect();
        }
        let mut ranks = self.catalog.no_access();
        for (name, level) in &role.permissions {
            let field = field.field("permissions");
            let Some(section) = self.section(&field, name) else { continue };
            let Some(rank) = self.rank(&field, section, level) else { continue };
            if not_applicable.contains(&section) && rank > 0 {
                let (section, level) = (Name::new(name), Name::new(level));
                self.fault(&field, Fault::NotApplicable { section, level });
            }
            ranks.as_mut_slice()[section] = rank;
        }
        ranks
    }

    fn section_set(&mut self, field: &FieldPath, names: &[String]) -> BTreeSet<usize> {
        names.iter().filter_map(|name| self.section(field, name)).collect()
    }

    fn defaults(&mut self, spec: &PermissionCatalogSpec) {
        if let Some(name) = &spec.owner_role {
            self.catalog.owner_role = self.catalog.role(name);
            match self.catalog.owner_role.map(|index| &self.catalog.roles[index]) {
                None => self.unknown_role(&FieldPath::new("spec.ownerRole"), name),
                Some(role) if role.overridable => {
                    self.fault(&ROLES.item(name).field("overridable"), Fault::OwnerRoleOverridable);
                }
                Some(_) => {}
            }
        }
        if let Some(name) = &spec.default_role {
            let field = FieldPath::new("spec.defaultRole");
            self.catalog.default_role = self.catalog.role(name);
            match self.catalog.default_role.map(|index| &self.catalog.roles[index]) {
                None => self.unknown_role(&field, name),
                Some(role) if role.held_by == HeldBy::AccountOwner => {
                    self.fault(&field, Fault::DefaultRoleHeldByOwner(Name::new(name)));
                }
                Some(_) => {}
            }
        }
    }

    fn administration(&mut self, spec: &PermissionCatalogSpec) {
        for rule in &spec.administration {
            let field = FieldPath::new("spec.administration").item(&format!("{:?}", rule.action));
            if let Some(name) = &rule.section
                && let Some(section) = self.section(&field, name)
                && let Some(level) = &rule.level
            {
                self.rank(&field, section, level);
            }
            for name in rule.roles.iter().filter(|name| self.catalog.role(name).is_none()).collect::<Vec<_>>() {
                self.unknown_role(&field, name);
            }
        }
    }

    fn separation(&mut self, spec: &PermissionCatalogSpec) {
        for (index, rule) in spec.separation.iter().enumerate() {
            let field = FieldPath::new("spec.separation").item(&index.to_string());
            for one in &rule.sections {
                if let Some(section) = self.section(&field, &one.name) {
                    self.rank(&field, section, &one.level);
                }
            }
            for name in rule.roles.iter().filter(|name| self.catalog.role(name).is_none()).collect::<Vec<_>>() {
                self.unknown_role(&field, name);
            }
        }
    }
}

/// Returns the rules, sorted so that a rule comes after those that it depends on; or, as the error, the rules of a
/// cycle. In a cycle a level would need itself: it could only be granted together with all the others, and no first
/// step would be possible.
///
/// The engine relies on this order. A rule that is met when it is evaluated stays met after all later rules, because
/// the rules that can lower the level it needs come before it.
fn order_rules(rules: &[Rule], sections: usize) -> Result<Vec<Rule>, Vec<Rule>> {
    let mut of_section: Vec<Vec<usize>> = vec![Vec::new(); sections];
    for (index, rule) in rules.iter().enumerate() {
        of_section[rule.section].push(index);
    }
    // A rule depends on the rules that apply at the level it needs.
    let next_built_on = |rule: &Rule, from: usize| {
        let others = of_section[rule.needs].iter().enumerate().skip(from);
        others.map(|(turn, other)| (turn, *other)).find(|(_, other)| rules[*other].from <= rule.level)
    };
    let mut state = vec![Visit::Not; rules.len()];
    let mut ordered = Vec::with_capacity(rules.len());
    for start in 0..rules.len() {
        if state[start] == Visit::Done {
            continue;
        }
        state[start] = Visit::Open;
        let mut path = vec![(start, 0)];
        while let Some((at, turn)) = path.last_mut() {
            let at = *at;
            let Some((found, other)) = next_built_on(&rules[at], *turn) else {
                state[at] = Visit::Done;
                ordered.push(rules[at]);
                path.pop();
                continue;
            };
            *turn = found + 1;
            match state[other] {
                Visit::Open => {
                    let from = path.iter().position(|(index, _)| *index == other).unwrap_or(0);
                    return Err(path[from..].iter().map(|(index, _)| rules[*index]).collect());
                }
                Visit::Not => {
                    state[other] = Visit::Open;
                    path.push((other, 0));
                }
                Visit::Done => {}
            }
        }
    }
    Ok(ordered)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Not,
    Open,
    Done,
}
