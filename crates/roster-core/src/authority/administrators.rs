//! Judges changes of Accounts, catalogs and stores, most of which are left to administrators. Called by
//! `authority::judge`.

use jiff::Timestamp;

use super::{
    Actor, Edit, Violation,
    actor::Holdings,
    permit::{Permit, permit},
    view::View,
};
use crate::{
    api::{AccountSpec, AdministrationAction as Action, IdentityStoreSpec, ManagedAccounts, NameRef},
    limits::{AccountRevision, Direction, of_account},
    model::{AccountKey, Email},
    resolve::admits_as_account,
    state::{AccountAnnotations, AccountFacts, SnapshotSource},
};

/// Name of the store that an Account uses by default, and whoever is no administrator may use.
const DEFAULT_STORE: &str = "default";

/// Returns the rules that a change of a catalog or store breaks.
pub(super) fn of_cluster(actor: &Actor) -> Vec<Violation> {
    match actor {
        Actor::Administrator => Vec::new(),
        Actor::Member(_) | Actor::Pipeline(_) | Actor::Unknown(_) => vec![only_administrators("spec", true)],
    }
}

fn only_administrators(field: impl Into<String>, widens: bool) -> Violation {
    Violation::OnlyAdministrators { field: field.into(), widens }
}

/// An Account with its annotations.
type Revision = (AccountFacts, AccountAnnotations);

/// Returns the rules that a change of an Account breaks.
pub(super) fn of_account_change<S: SnapshotSource>(
    source: &S,
    key: &AccountKey,
    edit: &Edit<Revision>,
    actor: &Actor,
    now: Timestamp,
) -> Vec<Violation> {
    match actor {
        Actor::Administrator | Actor::Unknown(_) => Vec::new(),
        Actor::Pipeline(_) => by_pipeline(source, key, edit),
        Actor::Member(email) => match (edit.before.as_deref(), edit.after.as_deref()) {
            (None, Some((account, annotations))) => created(source, account, annotations, email, now),
            (Some(before), Some(after)) => edited(source, key, before, after, email, now),
            _ => vec![only_administrators("metadata", false)],
        },
    }
}

/// Judges a change by a pipeline, which holds no person's rights. It may change what is no limit, and tighten limits;
/// whatever is an administrator's at creation is so later, too, since an Account can be deleted and created again.
fn by_pipeline<S: SnapshotSource>(source: &S, key: &AccountKey, edit: &Edit<Revision>) -> Vec<Violation> {
    let Some((account, annotations)) = edit.after.as_deref() else {
        return vec![only_administrators("metadata", true)];
    };
    let before = edit.before.as_deref();
    let mut fields = loosened(source, before, account, annotations);
    let mut violations = Vec::new();
    if let Some((former, _)) = before {
        fields.extend(reserved(&former.spec, &account.spec));
    } else {
        let default = AccountSpec {
            catalog_ref: account.spec.catalog_ref.clone(),
            store_ref: NameRef { name: DEFAULT_STORE.to_owned() },
            ..AccountSpec::default()
        };
        fields.extend(reserved(&default, &account.spec));
        violations.extend(objects_before(source, key));
    }
    fields.sort();
    fields.dedup();
    violations.extend(fields.into_iter().map(|field| only_administrators(field, true)));
    violations
}

/// Returns the violation if objects of a new Account exist already: nobody has judged what they grant.
fn objects_before<S: SnapshotSource>(source: &S, key: &AccountKey) -> Option<Violation> {
    source.is_named(key).then(|| Violation::ObjectsBeforeAccount { account: key.clone() })
}

/// Returns the fields whose change alone can change what people hold, or where it is kept.
fn reserved(before: &AccountSpec, after: &AccountSpec) -> Vec<String> {
    let owner = |spec: &AccountSpec| spec.owner.as_ref().map(|owner| owner.email.clone());
    let fields = [
        ("spec.owner", owner(before) != owner(after)),
        ("spec.catalogRef", before.catalog_ref != after.catalog_ref),
        ("spec.storeRef", before.store_ref != after.store_ref),
        ("spec.parentRef", before.parent_ref != after.parent_ref),
        ("spec.partner", before.partner != after.partner),
        ("spec.plan", before.plan != after.plan),
        ("spec.suspended", before.suspended && !after.suspended),
    ];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field.to_owned()).collect()
}

/// Returns the fields that limit people, or Roster itself, less than before; for a new Account, less than by default.
fn loosened<S: SnapshotSource>(
    source: &S,
    before: Option<&Revision>,
    account: &AccountFacts,
    annotations: &AccountAnnotations,
) -> Vec<String> {
    let of_account_store = source.snapshot(&account.key()).and_then(|snapshot| snapshot.store.clone());
    let defaults = IdentityStoreSpec::default();
    let store = of_account_store.as_ref().map_or(&defaults, |store| &store.spec);
    let (none, no_annotations) = (
        AccountSpec { catalog_ref: account.spec.catalog_ref.clone(), ..AccountSpec::default() },
        AccountAnnotations::default(),
    );
    let (spec, former) = before.map_or((&none, &no_annotations), |(facts, annotations)| (&facts.spec, annotations));
    let one = AccountRevision { spec, annotations: former, store };
    let other = AccountRevision { spec: &account.spec, annotations, store };
    let changed = of_account(one, other, false).changed.into_iter();
    changed.filter(|limit| limit.direction != Direction::Tightened).map(|limit| limit.field).collect()
}

/// Judges a new Account. Members create only managed accounts, of their own, with every setting at its default.
fn created<S: SnapshotSource>(
    source: &S,
    account: &AccountFacts,
    annotations: &AccountAnnotations,
    actor: &Email,
    now: Timestamp,
) -> Vec<Violation> {
    let Some(parent) = account.parent() else { return vec![only_administrators("metadata", true)] };
    let mut violations = Vec::new();
    let view = View::of(source, &parent);
    let holdings = view.as_ref().map(|view| Holdings::of(view, actor, now)).unwrap_or_default();
    violations.extend(permit(&Permit {
        field: "spec.parentRef",
        action: Action::CreateManagedAccounts,
        account: &parent,
        catalog: view.as_ref().and_then(View::whole),
        holdings: &holdings,
        actor,
        widens: true,
    }));
    violations.extend(objects_before(source, &account.key()));
    if let Some(view) = &view {
        let parent = &view.snapshot.account;
        if parent.approves(account) {
            violations.push(Violation::ObjectsBeforeAccount { account: account.key() });
        }
        if !admits_as_account(parent, account) {
            violations.push(only_administrators("spec.catalogRef", true));
        }
    }
    if account.owner().is_some_and(|owner| owner != *actor) {
        violations.push(Violation::ForeignOwner { actor: actor.clone() });
    }
    let mut fields = loosened(source, None, account, annotations);
    if account.spec.plan.is_some() {
        fields.push("spec.plan".to_owned());
    }
    if account.spec.store_ref.name != DEFAULT_STORE {
        fields.push("spec.storeRef".to_owned());
    }
    fields.sort();
    // A whole block stands for its fields.
    fields.dedup_by(|one, other| one.starts_with(other.as_str()));
    violations.extend(fields.into_iter().map(|field| only_administrators(field, true)));
    violations
}

/// Judges a change by a member, who may change nothing but the list of approved managed accounts.
fn edited<S: SnapshotSource>(
    source: &S,
    key: &AccountKey,
    before: &Revision,
    after: &Revision,
    actor: &Email,
    now: Timestamp,
) -> Vec<Violation> {
    let approved = |spec: &AccountSpec| spec.managed_accounts.as_ref().map(|managed| managed.approved.clone());
    let without = |spec: &AccountSpec| {
        let managed = spec.managed_accounts.clone().map(|managed| ManagedAccounts { approved: Vec::new(), ..managed });
        AccountSpec { managed_accounts: managed, ..spec.clone() }
    };
    let mut violations = Vec::new();
    if before.1 != after.1 {
        let is_loosened =
            loosened(source, Some(before), &before.0, &after.1).iter().any(|field| field.starts_with("metadata"));
        violations.push(only_administrators("metadata.annotations", is_loosened));
    }
    if without(&before.0.spec) != without(&after.0.spec) {
        let loosened = loosened(source, Some(before), &after.0, &after.1);
        let reserved = reserved(&before.0.spec, &after.0.spec);
        let mut fields: Vec<String> = loosened.into_iter().chain(reserved).collect();
        fields.retain(|field| !field.starts_with("spec.managedAccounts.approved"));
        fields.sort();
        fields.dedup();
        if fields.is_empty() {
            violations.push(only_administrators("spec", false));
        }
        violations.extend(fields.into_iter().map(|field| only_administrators(field, true)));
    }
    let (was, is) = (approved(&before.0.spec), approved(&after.0.spec));
    if was != is {
        let view = View::of(source, key);
        let holdings = view.as_ref().map(|view| Holdings::of(view, actor, now)).unwrap_or_default();
        let was = was.unwrap_or_default();
        let added = is.iter().flatten().filter(|one| !was.contains(one));
        // Whoever asks for an account must not approve it, too.
        let own = added.filter(|one| {
            let child = View::of(source, &AccountKey::new(&one.namespace, &one.name));
            child.is_some_and(|child| {
                let owner = child.snapshot.account.owner();
                owner.as_ref() == Some(actor) || child.member(actor).is_some()
            })
        });
        if own.count() > 0 {
            violations.push(Violation::OwnAccess { actor: actor.clone() });
        }
        violations.extend(permit(&Permit {
            field: "spec.managedAccounts.approved",
            action: Action::ApproveAccounts,
            account: key,
            catalog: view.as_ref().and_then(View::whole),
            holdings: &holdings,
            actor,
            widens: is.unwrap_or_default().iter().any(|one| !was.contains(one)),
        }));
    }
    violations
}
