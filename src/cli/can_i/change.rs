//! Answers whether somebody may make a change of access, and what it would do. Called by `can_i::run`;
//! [`crate::authority`] decides.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};

use crate::{
    api::GROUP,
    authority::{Actor, Change, Edit, Verdict, judge_change},
    cli::{
        NO, OK,
        input::Input,
        output::{print, wrap},
    },
    manifests::{AccountObjects, LoadedObjects, ObjectId, Objects, Source},
    model::{AccountKey, Email, Name},
};

/// Name for `--as` of somebody who may administer everything.
const ADMINISTRATOR: &str = "administrator";
/// Beginning of the name of every service account.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
/// People whose access a change affects that are listed for it.
const EFFECTS: usize = 20;
/// Verb on `accounts/authority` that makes an administrator.
const ADMINISTER: &str = "administer";

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
    #[arg(long, value_name = "CATALOG:ROLE", requires = "from")]
    grant: Vec<String>,
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
    let mut actors = Actors { who, grants: &args.grant, source: &source };
    let (mut text, mut allowed) = (String::new(), true);
    for id in ids(&changed) {
        let Some(change) = change_of(&objects, &changed.objects, &id, args.delete) else { continue };
        let actor = actors.of(&objects, &change).await?;
        let verdict = judge_change(&objects, &change, &actor, now);
        text += &in_words(&id, &verdict);
        if verdict.is_allowed() {
            objects.make(&change);
        } else {
            allowed = false;
        }
    }
    anyhow::ensure!(!text.is_empty(), "--change: the files have no objects of Roster's");
    if !quiet {
        print(&text)?;
    }
    Ok(if allowed { OK } else { NO })
}

/// Returns the objects of the files, in their order.
fn ids(changed: &LoadedObjects) -> Vec<ObjectId> {
    match &changed.source {
        Source::Files(files) => files.documents.iter().map(|document| document.id.clone()).collect(),
        Source::Cluster(_) => Vec::new(),
    }
}

fn in_words(id: &ObjectId, verdict: &Verdict) -> String {
    let said = if verdict.is_allowed() { "yes" } else { "no" };
    let mut text = format!("{said:4} {id}\n");
    for violation in &verdict.violations {
        text += &wrap("     ", 5, &violation.to_string());
    }
    for effect in verdict.effects.iter().take(EFFECTS) {
        let would = if verdict.is_allowed() { "" } else { "would be: " };
        text += &wrap("     ", 5, &format!("{would}{effect}"));
    }
    if let Some(more) = verdict.effects.len().checked_sub(EFFECTS).filter(|more| *more > 0) {
        text += &format!("     … and {more} more\n");
    }
    text
}

/// Returns the change by which an object becomes what the files say, or is deleted.
fn change_of(before: &Objects, after: &Objects, id: &ObjectId, delete: bool) -> Option<Change> {
    let in_account = |objects: &Objects| {
        let all = objects.accounts.iter().filter(|(key, _)| key.namespace == id.namespace);
        all.map(|(key, entry)| (key.clone(), entry.clone())).collect::<Vec<_>>()
    };
    /// The change of an object that `find` finds in either account.
    fn edit<F>(
        (before, after): (&[(AccountKey, AccountObjects)], &[(AccountKey, AccountObjects)]),
        delete: bool,
        find: impl Fn(&AccountObjects) -> Option<Arc<F>>,
    ) -> Option<(AccountKey, Edit<F>)> {
        let (key, new) = after.iter().find_map(|(key, entry)| Some((key.clone(), find(entry)?)))?;
        let old = before.iter().find(|(other, _)| *other == key).and_then(|(_, entry)| find(entry));
        Some((key, Edit { before: old, after: (!delete).then_some(new) }))
    }
    let (old, new) = (in_account(before), in_account(after));
    let sides = (old.as_slice(), new.as_slice());
    let name = &id.name;
    let change = match id.kind.as_str() {
        "Membership" => {
            let (key, edit) = edit(sides, delete, |entry| entry.members.get(name).cloned().map(Arc::new))?;
            Change::Membership(key, edit)
        }
        "Invitation" => {
            let (key, edit) = edit(sides, delete, |entry| entry.invitations.get(name).cloned().map(Arc::new))?;
            Change::Invitation(key, edit)
        }
        "Role" => {
            let (key, edit) = edit(sides, delete, |entry| entry.roles.get(name).cloned())?;
            Change::Role(key, edit)
        }
        "UserGroup" => {
            let (key, edit) = edit(sides, delete, |entry| entry.groups.get(name).cloned())?;
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

/// Determines who `--as` names, for each change anew: rights depend on the namespace.
struct Actors<'a> {
    who: &'a str,
    grants: &'a [String],
    source: &'a Source,
}

impl Actors<'_> {
    async fn of(&mut self, objects: &Objects, change: &Change) -> anyhow::Result<Actor> {
        if self.who == ADMINISTRATOR {
            return Ok(Actor::Administrator);
        }
        let namespace = change.account().map(|key| key.namespace.clone());
        let catalog = change.account().and_then(|key| objects.accounts.get(key)?.account.as_ref());
        let catalog = catalog.map(|account| account.spec.catalog_ref.name.clone()).unwrap_or_default();
        let is_address = self.who.contains('@');
        if let Source::Cluster(cluster) = self.source
            && !is_address
        {
            let review = Review { client: &cluster.client, who: self.who, namespace: namespace.as_deref() };
            if review.may(ADMINISTER, "accounts", "authority", None).await? {
                return Ok(Actor::Administrator);
            }
            anyhow::ensure!(
                self.who.starts_with(SERVICE_ACCOUNT),
                "--as: {} may not administer here and is no address; pass the address of a member",
                self.who
            );
            let mut roles = BTreeSet::new();
            let present = objects.catalogs.get(catalog.as_str());
            for role in present.into_iter().flat_map(|present| &present.facts.spec.roles) {
                let name = format!("{catalog}:{}", role.name);
                if review.may("grant", "permissioncatalogs", "roles", Some(&name)).await? {
                    roles.insert(Name::new(&role.name));
                }
            }
            return Ok(Actor::Pipeline(roles));
        }
        if self.who.starts_with(SERVICE_ACCOUNT) {
            let of_catalog = self.grants.iter().filter_map(|grant| grant.split_once(':'));
            let of_catalog = of_catalog.filter(|(name, _)| *name == catalog).map(|(_, role)| Name::new(role));
            return Ok(Actor::Pipeline(of_catalog.collect()));
        }
        let hint = format!("--as: pass an address, {SERVICE_ACCOUNT}NAMESPACE:NAME, or {ADMINISTRATOR}");
        Ok(Actor::Member(Email::parse(self.who).context(hint)?))
    }
}

/// Asks a cluster what a user may do.
struct Review<'a> {
    client: &'a Client,
    who: &'a str,
    namespace: Option<&'a str>,
}

impl Review<'_> {
    async fn may(&self, verb: &str, resource: &str, subresource: &str, name: Option<&str>) -> anyhow::Result<bool> {
        let mut groups = vec!["system:authenticated".to_owned()];
        if let Some(account) = self.who.strip_prefix(SERVICE_ACCOUNT) {
            let namespace = account.split(':').next().unwrap_or_default();
            groups.extend(["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]);
        }
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(self.who.to_owned()),
                groups: Some(groups),
                resource_attributes: Some(ResourceAttributes {
                    group: Some(GROUP.to_owned()),
                    resource: Some(resource.to_owned()),
                    subresource: Some(subresource.to_owned()),
                    verb: Some(verb.to_owned()),
                    namespace: self.namespace.map(ToOwned::to_owned),
                    name: name.map(ToOwned::to_owned),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await;
        let answer =
            answer.context("cannot ask the cluster what --as may do (needs create on subjectaccessreviews)")?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}
