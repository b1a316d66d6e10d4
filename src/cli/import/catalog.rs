//! Reconstructs catalogs from a store: sections, and predefined roles as most accounts have them. Called by `roster
//! import`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Manifests, StoredAccount, object};
use crate::{
    api::RoleRefKind,
    model::{Email, Layout, Name, Ranks, RoleName},
    resolve::RoleContent,
};

/// Name of the restriction whose lifting makes somebody equal to the owner.
const LIKE_OWNER: &str = "imported-like-owner";

/// Catalogs by name.
pub(super) struct Catalogs(BTreeMap<Name, Found>);

/// Reconstructed catalog.
pub(super) struct Found {
    /// Sections.
    pub(super) layout: Layout,
    /// Roles, as most accounts have them.
    pub(super) roles: BTreeMap<Name, RoleContent>,
    /// The role of owners.
    pub(super) owner_role: Option<Name>,
    /// Roles that some account means otherwise.
    overridden: Vec<Name>,
    /// Caps of restrictions, by name.
    restrictions: BTreeMap<String, Map<String, Value>>,
    /// Whether a member is equal to the owner.
    like_owner: bool,
}

impl Catalogs {
    /// Returns the catalogs of these accounts.
    pub(super) fn of(taken: &[StoredAccount], notes: &mut Vec<String>) -> Self {
        let mut found: BTreeMap<Name, Found> = BTreeMap::new();
        let mut meanings: BTreeMap<(Name, Name), Vec<&RoleContent>> = BTreeMap::new();
        for one in taken {
            let Some(content) = one.observed.account.as_ref().and_then(|existing| existing.content.as_ref()) else {
                continue;
            };
            let catalog = found.entry(content.catalog.clone()).or_insert_with(|| Found::new(&one.observed.layout));
            if catalog.layout != one.observed.layout {
                notes.push(format!("account {}: catalog {} has other sections elsewhere", one.key, content.catalog));
                continue;
            }
            if catalog.owner_role.is_none() {
                catalog.owner_role = content.owner.as_ref().and_then(|owner| role_of(one, owner));
            }
            for (name, existing) in
                one.observed.roles.iter().filter(|(name, _)| name.kind == RoleRefKind::PredefinedRole)
            {
                if let Some(role) = &existing.content {
                    meanings.entry((content.catalog.clone(), name.name.clone())).or_default().push(role);
                }
            }
        }
        for ((catalog, role), contents) in meanings {
            let Some(catalog) = found.get_mut(&catalog) else { continue };
            let votes = |ranks: &Ranks| contents.iter().filter(|content| content.ranks == *ranks).count();
            // If several have the same number of votes, the first account's counts.
            let most = contents.iter().rev().max_by_key(|content| votes(&content.ranks));
            if let Some(most) = most {
                if votes(&most.ranks) < contents.len() {
                    catalog.overridden.push(role.clone());
                }
                catalog.roles.insert(role, (*most).clone());
            }
        }
        Self(found)
    }

    pub(super) fn get(&mut self, name: &str) -> Option<&mut Found> {
        self.0.get_mut(name)
    }

    /// Writes them.
    pub(super) fn add(&self, out: &mut Manifests, notes: &mut Vec<String>) {
        for (name, catalog) in &self.0 {
            if !super::is_name(name) {
                notes.push(format!("catalog {name:?}: no object can have this name; omitted"));
                continue;
            }
            let comment = "Sections and roles as in the store, which has no section titles and no prerequisites.";
            let value = object("PermissionCatalog", &json!({"name": name}), &catalog.spec());
            out.add(format!("catalogs/{name}.yaml"), Some(comment.to_owned()), value);
        }
    }
}

fn role_of(one: &StoredAccount, owner: &Email) -> Option<Name> {
    let content = one.observed.members.get(owner)?.content.as_ref()?;
    content.role.as_ref().filter(|role| role.kind == RoleRefKind::PredefinedRole).map(|role| role.name.clone())
}

impl Found {
    fn new(layout: &Layout) -> Self {
        Self {
            layout: layout.clone(),
            roles: BTreeMap::new(),
            owner_role: None,
            overridden: Vec::new(),
            restrictions: BTreeMap::new(),
            like_owner: false,
        }
    }

    /// Returns the restriction that limits `granted` to `ranks`.
    pub(super) fn capped(&mut self, ranks: &Ranks, granted: &Ranks) -> String {
        let ladders = self.layout.ladders().iter().zip(std::iter::zip(ranks.as_slice(), granted.as_slice()));
        let caps: Map<String, Value> = ladders
            .filter(|(_, (rank, granted))| rank < granted)
            .map(|(ladder, (rank, _))| {
                let level = ladder.levels.get(usize::from(*rank)).map(Name::as_str).unwrap_or_default();
                (ladder.section.to_string(), level.into())
            })
            .collect();
        if let Some((name, _)) = self.restrictions.iter().find(|(_, known)| **known == caps) {
            return name.clone();
        }
        let name = format!("imported-{}", self.restrictions.len() + 1);
        self.restrictions.insert(name.clone(), caps);
        name
    }

    /// Returns the restriction whose lift makes a member equal to the owner.
    pub(super) fn like_owner(&mut self) -> &'static str {
        self.like_owner = true;
        LIKE_OWNER
    }

    fn spec(&self) -> Value {
        let sections = self.layout.ladders().iter().map(|ladder| {
            let mut section = json!({"name": ladder.section});
            if ladder.levels != ["Denied", "Allowed"] {
                section["levels"] = json!(ladder.levels);
            }
            section
        });
        let mut spec = json!({"sections": sections.collect::<Vec<_>>()});
        let roles: Vec<Value> = self.roles.iter().map(|(name, content)| self.role(name, content)).collect();
        if !roles.is_empty() {
            spec["roles"] = roles.into();
        }
        if let Some(role) = &self.owner_role {
            spec["ownerRole"] = json!(role);
        }
        let mut restrictions: Vec<Value> = self
            .restrictions
            .iter()
            .map(|(name, caps)| json!({"name": name, "title": title(caps), "caps": caps}))
            .collect();
        if let (true, Some(ladder)) = (self.like_owner, self.layout.ladders().first()) {
            // A restriction must have a cap; a cap at the highest level has no effect.
            let caps = json!({ladder.section.as_str(): ladder.levels.last()});
            restrictions.push(json!({"name": LIKE_OWNER, "title": "Not equal to the owner", "caps": caps, "lifting": {"grantsOwnerAccess": true}}));
        }
        if !restrictions.is_empty() {
            spec["restrictions"] = restrictions.into();
        }
        spec
    }

    fn role(&self, name: &Name, content: &RoleContent) -> Value {
        let mut role = json!({"name": name});
        if content.title != *name {
            role["title"] = json!(content.title);
        }
        let permissions = permissions(&self.layout, &content.ranks);
        if !permissions.is_empty() {
            role["permissions"] = permissions.into();
        }
        if self.overridden.contains(name) {
            role["overridable"] = true.into();
        }
        role
    }

    /// Returns the changes of an account's role against the catalog's.
    pub(super) fn overrides(&self, name: &RoleName, content: &RoleContent) -> Option<Map<String, Value>> {
        let default = self.roles.get(&name.name).filter(|_| name.kind == RoleRefKind::PredefinedRole)?;
        let ranks = std::iter::zip(default.ranks.as_slice(), content.ranks.as_slice());
        let cells = self.layout.ladders().iter().zip(ranks).filter(|(_, (default, here))| default != here);
        let cells = cells.filter_map(|(ladder, (_, rank))| {
            Some((ladder.section.to_string(), ladder.levels.get(usize::from(*rank))?.as_str().into()))
        });
        let cells: Map<String, Value> = cells.collect();
        (!cells.is_empty()).then_some(cells)
    }
}

/// Returns the title of a restriction.
fn title(caps: &Map<String, Value>) -> String {
    let caps: Vec<String> =
        caps.iter().map(|(section, level)| format!("{section} {}", level.as_str().unwrap_or_default())).collect();
    let title = format!("At most {}", caps.join(", "));
    // Maximum length of a title, in Unicode characters.
    if title.chars().count() > 120 { format!("At most these levels in {} sections", caps.len()) } else { title }
}

/// Levels above the first, by section.
pub(super) fn permissions(layout: &Layout, ranks: &Ranks) -> Map<String, Value> {
    layout.named(ranks).map(|(section, level)| (section.to_owned(), level.into())).collect()
}
