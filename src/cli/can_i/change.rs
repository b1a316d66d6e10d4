//! Answers whether somebody may make a change of access, and what it would do. Called by `can_i::run`;
//! [`crate::authority`] decides.

use std::{fmt::Write as _, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use jiff::Timestamp;

use crate::{
    authority::{Actor, Change, Edit, Place, SERVICE_ACCOUNT, Verdict, judge_change},
    cli::{
        NO, OK,
        input::Input,
        output::{counted, print, wrap},
    },
    cluster::rights::{Rights, User},
    manifests::{AccountObjects, LoadedObjects, ObjectId, Objects, Source},
    model::{AccountKey, Email, KindName, Name, suggest::closest},
};

/// Name for `--as` of somebody who may administer everything.
const ADMINISTRATOR: &str = "administrator";
/// People whose access a change affects that are listed for it.
const EFFECTS: usize = 20;

/// Question about a change
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Check a change")]
pub struct ChangeArgs {
    /// Check whether --as may apply the objects of -f
    #[arg(long, conflicts_with_all = ["level", "section", "account", "store", "sqlite_dir"])]
    change: bool,

    /// Check whether --as may delete them instead
    #[arg(long, requires = "change")]
    delete: bool,

    /// Objects as they are, instead of those of the cluster
    #[arg(long, value_name = "PATH", requires = "change")]
    from: Vec<PathBuf>,

    /// Predefined role that a service account may grant, as CATALOG:ROLE; with --from, where no cluster says it
    #[arg(long, value_name = "CATALOG:ROLE", requires = "from", value_parser = grant)]
    grant: Vec<(String, String)>,

    /// Group of --as in the cluster, besides those that every user has
    #[arg(long, value_name = "GROUP", requires = "change")]
    as_group: Vec<String>,
}

pub(super) async fn run(
    args: &ChangeArgs,
    who: &str,
    input: &Input,
    quiet: bool,
    now: Timestamp,
) -> anyhow::Result<u8> {
    anyhow::ensure!(args.change, "pass a level and a section, or --change");
    anyhow::ensure!(input.is_files(), "--change: pass the objects that would be applied with -f");
    let changed = input.read_valid().await?;
    let base = if args.from.is_empty() {
        let all_namespaces = input.namespace.is_none();
        Input { files: Vec::new(), paths: Vec::new(), all_namespaces, ..input.clone() }
    } else {
        Input { files: args.from.clone(), paths: Vec::new(), ..input.clone() }
    };
    let LoadedObjects { mut objects, source, .. } = base.read_valid().await?;
    let rights = match &source {
        Source::Cluster(cluster) => Some(Rights::new(cluster.client.clone())),
        Source::Files(_) => None,
    };
    let actors = Actors { who, args, rights };
    if actors.rights.is_none() && who != ADMINISTRATOR {
        // Also if nothing changes, the question must be one.
        actors.of_files(&objects, "")?;
    }
    let (mut text, mut allowed, mut unchanged) = (String::new(), true, 0);
    for id in ids(&changed, args.delete) {
        let Some(change) = change_of(&objects, &changed.objects, &id, args.delete) else { continue };
        if change.is_unchanged() {
            anyhow::ensure!(!args.delete, "--delete: {id} does not exist");
            unchanged += 1;
            continue;
        }
        let actor = actors.of(&objects, &change).await?;
        let verdict = judge_change(&objects, &change, &actor, now);
        text += &in_words(&id, change.account(), &verdict);
        if verdict.is_allowed() {
            objects.make(&change);
        } else {
            allowed = false;
        }
    }
    if unchanged > 0 {
        let _ = writeln!(text, "{} unchanged", counted(unchanged, "object"));
    }
    anyhow::ensure!(!text.is_empty(), "--change: the files have no objects of Roster's");
    if !quiet {
        print(&text)?;
    }
    Ok(if allowed { OK } else { NO })
}

/// Returns the objects of the files so that each comes after those that it refers to, for a deletion before them.
fn ids(changed: &LoadedObjects, delete: bool) -> Vec<ObjectId> {
    let Source::Files(files) = &changed.source else { return Vec::new() };
    let mut ids: Vec<ObjectId> = files.documents.iter().map(|document| document.id.clone()).collect();
    ids.sort_by_key(|id| KindName::ALL.iter().position(|kind| id.kind == kind.as_str()));
    if delete {
        ids.reverse();
    }
    ids
}

fn in_words(id: &ObjectId, account: Option<&AccountKey>, verdict: &Verdict) -> String {
    let said = if verdict.is_allowed() { "yes" } else { "no" };
    let mut text = format!("{said:4} {id}\n");
    for violation in &verdict.violations {
        text += &wrap("     ", 5, &violation.to_string());
    }
    for effect in verdict.effects.iter().take(EFFECTS) {
        let would = if verdict.is_allowed() { "" } else { "would be: " };
        let place = if account.is_none() { format!("{}: ", effect.account) } else { String::new() };
        text += &wrap("     ", 5, &format!("{would}{place}{effect}"));
    }
    if let Some(more) = verdict.effects.len().checked_sub(EFFECTS).filter(|more| *more > 0) {
        let _ = writeln!(text, "     … and {more} more");
    }
    text
}

/// Returns the change by which an object becomes what the files say, or is deleted.
fn change_of(before: &Objects, after: &Objects, id: &ObjectId, delete: bool) -> Option<Change> {
    /// Returns the account of an object, and the object on both sides of the change.
    fn edit<F>(
        (before, after): (&Objects, &Objects),
        id: &ObjectId,
        delete: bool,
        find: impl Fn(&AccountObjects) -> Option<Arc<F>>,
    ) -> Option<(AccountKey, Edit<F>)> {
        let mut accounts = after.accounts.iter().filter(|(key, _)| key.namespace == id.namespace);
        let (key, new) = accounts.find_map(|(key, entry)| Some((key.clone(), find(entry)?)))?;
        let old = before.accounts.get(&key).and_then(find);
        Some((key, Edit { before: old, after: (!delete).then_some(new) }))
    }
    let (sides, name) = ((before, after), &id.name);
    let change = match id.kind.as_str() {
        "Membership" => {
            let (key, edit) = edit(sides, id, delete, |entry| entry.members.get(name).cloned().map(Arc::new))?;
            Change::Membership(key, edit)
        }
        "Invitation" => {
            let (key, edit) = edit(sides, id, delete, |entry| entry.invitations.get(name).cloned().map(Arc::new))?;
            Change::Invitation(key, edit)
        }
        "Role" => {
            let (key, edit) = edit(sides, id, delete, |entry| entry.roles.get(name).cloned())?;
            Change::Role(key, edit)
        }
        "UserGroup" => {
            let (key, edit) = edit(sides, id, delete, |entry| entry.groups.get(name).cloned())?;
            Change::Group(key, edit)
        }
        "Account" => {
            let key = AccountKey { namespace: id.namespace.clone(), name: name.clone() };
            let of = |objects: &Objects| {
                let entry = objects.accounts.get(&key)?;
                Some(Arc::new((entry.account.as_deref()?.clone(), entry.annotations.clone())))
            };
            let edit = Edit { before: of(before), after: of(after).filter(|_| !delete) };
            Change::Account(key, edit)
        }
        "PermissionCatalog" => {
            let of = |objects: &Objects| objects.catalogs.get(name).map(|present| present.facts.clone());
            Change::Catalog(Edit { before: of(before), after: of(after).filter(|_| !delete) })
        }
        "IdentityStore" => {
            let of = |objects: &Objects| objects.stores.get(name).cloned();
            Change::Store(Edit { before: of(before), after: of(after).filter(|_| !delete) })
        }
        _ => return None,
    };
    Some(change)
}

/// Determines who `--as` names. Rights depend on the namespaces and the catalog of a change.
struct Actors<'a> {
    who: &'a str,
    args: &'a ChangeArgs,
    /// Rights in the cluster; `None` without one.
    rights: Option<Rights>,
}

impl Actors<'_> {
    async fn of(&self, objects: &Objects, change: &Change) -> anyhow::Result<Actor> {
        if self.who == ADMINISTRATOR {
            return Ok(Actor::Administrator);
        }
        let place = Place::of(objects, change);
        let catalog = place.catalog.as_ref().map(|catalog| catalog.name.clone()).unwrap_or_default();
        let Some(rights) = &self.rights else { return self.of_files(objects, &catalog) };
        let user = User::named(self.who, &self.args.as_group);
        let address = Email::parse(self.who).ok();
        let actor = rights.actor(&user, &place, address).await;
        match actor.context("cannot ask the cluster what --as may do (needs create on subjectaccessreviews)")? {
            Actor::Unknown(_) => self.member(),
            actor => Ok(actor),
        }
    }

    fn of_files(&self, objects: &Objects, catalog: &str) -> anyhow::Result<Actor> {
        if !self.who.starts_with(SERVICE_ACCOUNT) {
            anyhow::ensure!(self.args.grant.is_empty(), "--grant: only for a service account");
            return self.member();
        }
        for (catalog, role) in &self.args.grant {
            let facts = objects.catalogs.get(catalog.as_str()).map(|present| &present.facts.spec);
            let facts = facts.with_context(|| format!("--grant: there is no PermissionCatalog {catalog:?}"))?;
            let names = || facts.roles.iter().map(|role| role.name.as_str());
            if !names().any(|name| name == role) {
                let near = closest(role, names()).map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
                anyhow::bail!("--grant: PermissionCatalog {catalog} has no predefined role {role:?}{near}");
            }
        }
        let of_catalog = self.args.grant.iter().filter(|(name, _)| name == catalog);
        Ok(Actor::Pipeline(of_catalog.map(|(_, role)| Name::new(role)).collect()))
    }

    fn member(&self) -> anyhow::Result<Actor> {
        let hint = format!(
            "--as: may not administer here; pass an address, {SERVICE_ACCOUNT}NAMESPACE:NAME, or {ADMINISTRATOR}, and groups \
             with --as-group"
        );
        Ok(Actor::Member(Email::parse(self.who).context(hint)?))
    }
}

/// Parses the argument of `--grant`.
fn grant(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once(':').filter(|(catalog, role)| !catalog.is_empty() && !role.is_empty());
    let (catalog, role) = parts.ok_or_else(|| "must be CATALOG:ROLE, such as portal:developer".to_owned())?;
    Ok((catalog.to_owned(), role.to_owned()))
}
