//! Judges changes of Accounts, catalogs and stores, most of which are left to administrators. Called by
//! `authority::judge`.

use jiff::Timestamp;

use super::{
    Actor, Edit, Violation,
    actor::Holdings,
    judge::{Permit, permit},
    view::View,
};
use crate::{
    api::{AccountSpec, AdministrationAction as Action, IdentityStoreSpec, ManagedAccounts},
    limits::{AccountRevision, Direction, of_account},
    model::{AccountKey, Email},
    state::{AccountAnnotations, AccountFacts, SnapshotSource},
};

/// Name of the store that an Account uses by default, and whoever is no administrator may use.
const DEFAULT_STORE: &str = "default";

/// Returns the rules that a change of a catalog or store breaks.
pub(super) fn of_cluster(actor: &Actor) -> Vec<Violation> {
    match actor {
        Actor::Administrator => Vec::new(),
        Actor::Member(_) | Actor::Pipeline(_) => vec![only_administrators("spec", true)],
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
        Actor::Administrator => Vec::new(),
        Actor::Pipeline(_) => by_pipeline(source, edit),
        Actor::Member(email) => match (edit.before.as_deref(), edit.after.as_deref()) {
            (None, Some((account, annotations))) => created(source, account, annotations, email, now),
            (Some(before), Some(after)) => edited(source, key, before, after, email, now),
            _ => vec![only_administrators("metadata", false)],
        },
    }
}

/// A pipeline may do what limits nobody less: it holds no person's rights.
fn by_pipeline<S: SnapshotSource>(source: &S, edit: &Edit<Revision>) -> Vec<Violation> {
    let Some((account, annotations)) = edit.after.as_deref() else { return Vec::new() };
    let before = edit.before.as_deref();
    let mut fields = loosened(source, before, account, annotations);
    if let Some((former, _)) = before {
        fields.extend(reserved(&former.spec, &account.spec));
    }
    fields.sort();
    fields.dedup();
    fields.into_iter().map(|field| only_administrators(field, true)).collect()
}

/// Returns the fields whose change alone can change what people hold, or where it is kept.
fn reserved(before: &AccountSpec, after: &AccountSpec) -> Vec<String> {
    let fields = [
        (
            "spec.owner",
            before.owner.as_ref().map(|owner| &owner.email) != after.owner.as_ref().map(|owner| &owner.email),
        ),
        ("spec.catalogRef", before.catalog_ref != after.catalog_ref),
        ("spec.storeRef", before.store_ref != after.store_ref),
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

/// Whoever is no administrator creates only managed accounts, of their own, with every setting at its default.
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
    fields.dedup_by(|one, other| one.starts_with(other.as_str()));
    violations.extend(fields.into_iter().map(|field| only_administrators(field, true)));
    violations
}

/// The only field that somebody who is no administrator changes is the list of approved managed accounts.
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
        violations.push(only_administrators("metadata.annotations", true));
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
