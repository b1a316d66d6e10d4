//! Compares the objects of an account with what was authorised of them: which changes wait for a judgement, and who made each.
//! Called by `control::reconcile`, and judged by `authority::settle`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{Capacity, Change, Edit, Stamp, known::Known, texts};
use crate::{
    api::{AccountSpec, Owner, Permissions, RoleSpec, UserGroupSpec},
    model::{Email, KindName, Ladder, Name, ObjectRef, Ranks, RoleName, Scope},
    plan::{Existing, Mark, ObjectKey, Observed, UNKNOWN},
    resolve::{MemberContent, RevocationReason, Window},
    state::{AccountFacts, GroupFacts, MemberFacts, Meta, ObjectsInScope, Record, RoleFacts, Snapshot},
};

/// Beginning of the name of every service account.
pub const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Whose the present spec of an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Author {
    /// Its stamp says so.
    Known(Stamp),
    /// It has no stamp of its generation, or it is gone.
    Unrecorded,
}

impl Author {
    /// Returns the author of an object, by its metadata; nobody is known to have deleted one that is gone.
    fn of(meta: Option<&Meta>) -> Self {
        let Some(meta) = meta else { return Self::Unrecorded };
        // A deletion raises the generation by one.
        let generation = meta.generation - i64::from(meta.deleting);
        let stamp = meta.stamp.as_deref().and_then(Stamp::parse);
        let is_present = |stamp: &Stamp| stamp.generation == meta.generation || stamp.generation == generation;
        stamp.filter(is_present).map_or(Self::Unrecorded, Self::Known)
    }
}

/// Returns the address of the member who is the user of this name, if any. `prefix` begins the names of all members.
#[must_use]
pub fn address_of(user: &str, prefix: Option<&str>) -> Option<Email> {
    let name = user.strip_prefix(prefix?)?;
    // Two users whose names differ by look-alike characters must not be one member.
    if user.starts_with("system:") || !name.is_ascii() { None } else { Email::parse(name).ok() }
}

/// Returns the members who wrote objects, from the stamps of these.
#[must_use]
pub fn authors<'a>(metas: impl IntoIterator<Item = &'a Meta>, prefix: Option<&str>) -> BTreeSet<Email> {
    let member = |meta: &Meta| match Author::of(Some(meta)) {
        Author::Known(Stamp { capacity: Capacity::Own, user, .. }) => address_of(&user, prefix),
        Author::Known(Stamp { capacity: Capacity::For(address), .. }) => Email::parse(&address).ok(),
        Author::Known(_) | Author::Unrecorded => None,
    };
    metas.into_iter().filter_map(member).collect()
}

/// Returns the Account as it was authorised last, if the store says so.
#[must_use]
pub fn authorised_account(objects: &ObjectsInScope, observed: &Observed, mark: &Mark) -> Option<AccountFacts> {
    match stored(observed.account.as_ref(), mark) {
        Stored::Authorised(text) => Some(texts::account(&objects.snapshot.account, text)?.0),
        Stored::Applied | Stored::Unknown | Stored::Missing => None,
    }
}

/// Change of one object since it was authorised.
pub(super) struct PendingChange {
    pub(super) entry: ObjectKey,
    pub(super) object: ObjectRef,
    pub(super) change: Change,
    pub(super) author: Author,
    /// UID and generation of the object; empty for one that is gone.
    pub(super) version: String,
    /// Text of the objects behind the entry, with this change.
    pub(super) text: Arc<str>,
}

impl PendingChange {
    /// Returns a change of an object with this metadata; without any, the object is gone.
    fn new(entry: ObjectKey, object: ObjectRef, change: Change, meta: Option<&Meta>, text: Arc<str>) -> Self {
        let version = meta.map(|meta| format!("{}/{}", meta.uid, meta.generation)).unwrap_or_default();
        Self { entry, object, change, author: Author::of(meta), version, text }
    }
}

/// Objects of an account in the scope of a pass, compared with what was authorised of them.
pub struct Pending<'a> {
    pub(super) objects: &'a ObjectsInScope,
    pub(super) known: Known<'a>,
    pub(super) texts: HashMap<ObjectKey, Arc<str>>,
    /// People who have an entry of which the store does not say what was authorised.
    pub(super) unknown: BTreeSet<Email>,
    /// Hash of the changes that were let pass last.
    pub(super) approved: Option<String>,
    /// Whether the Account as it was authorised resolves: it has the same catalog and parent.
    pub(super) resolves_as_before: bool,
    pub(super) changes: Vec<PendingChange>,
}

/// What a pass that only revokes took: it leaves what was authorised as it is.
#[derive(Default)]
struct Revoked {
    is_suspended: bool,
    window: Window,
}

impl Revoked {
    fn of(content: &MemberContent) -> Self {
        Self { is_suspended: content.ended == Some(RevocationReason::Suspended), window: content.window }
    }

    /// Returns whether the entry has a shorter time than these Memberships give.
    fn shortens<'f>(&self, facts: impl IntoIterator<Item = &'f MemberFacts>) -> bool {
        let whole = facts.into_iter().fold(Window::default(), |all, one| all.intersection(&one.window()));
        self.window != whole && self.window.is_within(&whole)
    }

    /// Takes it from Memberships as they were authorised.
    fn apply<'f>(&self, facts: impl Iterator<Item = &'f mut MemberFacts>) {
        let all: Vec<&mut MemberFacts> = facts.collect();
        let shortens = self.shortens(all.iter().map(|one| &**one));
        for one in all {
            one.suspended |= self.is_suspended;
            if shortens {
                (one.starts_at, one.expires_at) = (self.window.starts_at, self.window.expires_at);
            }
        }
    }
}

/// What a store says about the objects behind an entry.
enum Stored<'a> {
    /// They were authorised as this text says.
    Authorised(&'a str),
    /// They were applied before anybody asked for authority.
    Applied,
    /// The entry is there, and it does not say.
    Unknown,
    /// There is no entry of ours.
    Missing,
}

impl<'a> Pending<'a> {
    /// Compares the objects in scope with what the store says was authorised of them. In a scope of members, roles, groups
    /// and the Account must have been authorised by an earlier pass. `parent` has the managing account, and in it the people
    /// who wrote objects of this one.
    #[must_use]
    pub fn of(
        objects: &'a ObjectsInScope,
        observed: &Observed,
        mark: &Mark,
        parent: Option<&'a ObjectsInScope>,
    ) -> Self {
        let known = Known::new(objects, parent);
        let mut pending = Self {
            objects,
            known,
            texts: HashMap::new(),
            unknown: BTreeSet::new(),
            approved: None,
            resolves_as_before: true,
            changes: Vec::new(),
        };
        if objects.scope == Scope::Account {
            pending.compare_account(observed, mark);
            pending.compare_roles(observed, mark);
            pending.compare_groups(observed, mark);
        } else {
            let Snapshot { roles, groups, .. } = &objects.snapshot;
            pending.known.snapshot.roles.clone_from(roles);
            pending.known.snapshot.groups.clone_from(groups);
        }
        for (email, records) in &objects.members {
            pending.compare_member(email, records, observed.members.get(email), mark);
        }
        // The owner has no Membership; the Account says who it is.
        if let Some(owner) = objects.snapshot.account.owner().filter(|owner| objects.scope.contains(owner)) {
            pending.texts.entry(ObjectKey::Member(owner)).or_insert_with(|| texts::of_memberships([]));
        }
        pending
    }

    fn compare_account(&mut self, observed: &Observed, mark: &Mark) {
        let (facts, annotations) = (&self.objects.snapshot.account, &self.objects.snapshot.annotations);
        let existing = observed.account.as_ref();
        let before = match stored(existing, mark) {
            Stored::Authorised(text) => texts::account(facts, text),
            Stored::Applied => Some(((**facts).clone(), None)),
            Stored::Unknown | Stored::Missing => None,
        };
        let before = match (before, existing.and_then(|existing| existing.content.as_ref())) {
            (Some((before, approved)), _) => {
                self.approved = approved;
                Some(before)
            }
            // Of the owner, the entry itself says who it was.
            (None, Some(content)) if !matches!(stored(existing, mark), Stored::Missing) => {
                let mut spec = facts.spec.clone();
                let owner = content.owner.as_ref().map(|owner| Owner { email: owner.to_string(), display_name: None });
                if content.owner != facts.owner() {
                    spec.owner = owner;
                }
                Some(AccountFacts { spec, ..(**facts).clone() })
            }
            _ => None,
        };
        let text = texts::of_account(before.as_ref().unwrap_or(facts), self.approved.as_deref());
        self.texts.insert(ObjectKey::Account, text);
        if before.as_ref().is_some_and(|before| before.spec == facts.spec) {
            return;
        }
        let refers =
            |facts: &AccountFacts| (facts.spec.catalog_ref.clone(), facts.parent(), facts.spec.store_ref.clone());
        self.resolves_as_before = before.as_ref().is_some_and(|before| refers(before) == refers(facts));
        // Nobody is an owner who is not authorised; whatever revokes counts.
        let known = before.clone().filter(|_| self.resolves_as_before);
        let mut known = known.unwrap_or_else(|| AccountFacts {
            spec: AccountSpec { owner: None, ..facts.spec.clone() },
            ..(**facts).clone()
        });
        known.spec.suspended |= facts.spec.suspended;
        known.generation = facts.generation;
        self.known.snapshot.account = Arc::new(known);
        let revision = |facts: &AccountFacts| Arc::new((facts.clone(), annotations.clone()));
        let edit = Edit { before: before.as_ref().map(revision), after: Some(revision(facts)) };
        let (key, text) = (&self.objects.key, texts::of_account(facts, self.approved.as_deref()));
        let (change, meta) = (Change::Account(key.clone(), edit), Some(&self.objects.account.meta));
        self.changes.push(PendingChange::new(ObjectKey::Account, key.object(), change, meta, text));
    }

    fn compare_roles(&mut self, observed: &Observed, mark: &Mark) {
        let mut behind: BTreeMap<RoleName, Vec<&Arc<RoleFacts>>> = BTreeMap::new();
        let catalog = self.objects.snapshot.catalog.iter().flat_map(|catalog| &catalog.spec.roles);
        behind.extend(catalog.map(|role| (RoleName::predefined(&role.name), Vec::new())));
        for role in &self.objects.snapshot.roles {
            behind.entry(role.role_name()).or_default().push(role);
        }
        for (name, now) in behind {
            let text = texts::of_roles(now.iter().copied().map(AsRef::as_ref));
            let before = match stored(observed.roles.get(&name), mark) {
                Stored::Authorised(stored) if *stored != *text => {
                    texts::roles(stored).unwrap_or_else(|| as_stored(observed, &name, &now))
                }
                Stored::Unknown => as_stored(observed, &name, &now),
                Stored::Authorised(_) | Stored::Applied => {
                    self.known.snapshot.roles.extend(now.into_iter().cloned());
                    self.texts.insert(ObjectKey::Role(name), text);
                    continue;
                }
                Stored::Missing => Vec::new(),
            };
            let before: Vec<Arc<RoleFacts>> = before.into_iter().map(Arc::new).collect();
            let key = self.objects.key.clone();
            let changes = changes(
                &before,
                &now.into_iter().cloned().collect::<Vec<_>>(),
                |facts| &facts.name,
                |a, b| a.spec == b.spec,
            );
            for (of, edit) in changes {
                let record = self.objects.roles.iter().find(|record| record.name == of && edit.after.is_some());
                let (object, change) = (self.object(KindName::Role, &of), Change::Role(key.clone(), edit));
                let (entry, meta) = (ObjectKey::Role(name.clone()), record.map(|record| &record.meta));
                self.changes.push(PendingChange::new(entry, object, change, meta, text.clone()));
            }
            self.known.snapshot.roles.extend(before.iter().cloned());
            self.texts.insert(ObjectKey::Role(name), texts::of_roles(before.iter().map(Arc::as_ref)));
        }
        self.known.snapshot.roles.sort_by(|one, other| one.name.cmp(&other.name));
    }

    fn compare_groups(&mut self, observed: &Observed, mark: &Mark) {
        for group in &self.objects.snapshot.groups {
            let (entry, text) = (ObjectKey::Group(group.name.clone()), texts::of_group(group));
            let before = match stored(observed.groups.get(&group.name), mark) {
                Stored::Authorised(stored) if *stored != *text => {
                    texts::group(stored).or_else(|| group_as_stored(observed, group))
                }
                Stored::Unknown => group_as_stored(observed, group),
                Stored::Authorised(_) | Stored::Applied => {
                    self.known.snapshot.groups.push(group.clone());
                    self.texts.insert(entry, text);
                    continue;
                }
                Stored::Missing => None,
            };
            let before = before.map(Arc::new);
            let record = self.objects.groups.iter().find(|record| record.name == group.name);
            let edit = Edit { before: before.clone(), after: Some(group.clone()) };
            let (object, meta) = (self.object(KindName::UserGroup, &group.name), record.map(|record| &record.meta));
            let change = Change::Group(self.objects.key.clone(), edit);
            self.changes.push(PendingChange::new(entry.clone(), object, change, meta, text));
            self.texts.extend(before.as_deref().map(|before| (entry, texts::of_group(before))));
            self.known.snapshot.groups.extend(before);
        }
    }

    fn compare_member(
        &mut self,
        email: &Email,
        records: &[Arc<Record<MemberFacts>>],
        existing: Option<&Existing<MemberContent>>,
        mark: &Mark,
    ) {
        let entry = ObjectKey::Member(email.clone());
        let now = texts::of_memberships(records.iter().map(|record| record.facts.as_ref()));
        let stored = stored(existing, mark);
        let content = existing.and_then(|existing| existing.content.as_ref());
        let revoked = content.map(Revoked::of).unwrap_or_default();
        let mut before = match &stored {
            Stored::Authorised(text) if **text != *now || revoked.is_suspended => texts::memberships(email, text),
            Stored::Authorised(text) if revoked.shortens(records.iter().map(|record| record.facts.as_ref())) => {
                texts::memberships(email, text)
            }
            Stored::Authorised(_) | Stored::Applied => {
                for record in records {
                    self.known.add(email, record.facts.clone());
                }
                self.texts.insert(entry, now);
                return;
            }
            Stored::Unknown | Stored::Missing => None,
        };
        if before.is_none() && content.is_some() {
            self.unknown.insert(email.clone());
        }
        revoked.apply(before.iter_mut().flatten());
        let before = before.unwrap_or_default();
        let before: Vec<Arc<MemberFacts>> = before.into_iter().map(Arc::new).collect();
        let after: Vec<Arc<MemberFacts>> = records.iter().map(|record| record.facts.clone()).collect();
        let is_same =
            |one: &MemberFacts, other: &MemberFacts| texts::of_memberships([one]) == texts::of_memberships([other]);
        for (of, edit) in changes(&before, &after, |facts| &facts.name, is_same) {
            let record = records.iter().find(|record| record.name == of);
            let (object, meta) = (self.object(KindName::Membership, &of), record.map(|record| &record.meta));
            let change = Change::Membership(self.objects.key.clone(), edit);
            self.changes.push(PendingChange::new(entry.clone(), object, change, meta, now.clone()));
        }
        if self.unknown.contains(email) {
            self.texts.insert(entry, UNKNOWN.into());
        } else if !matches!(stored, Stored::Missing) {
            self.texts.insert(entry, texts::of_memberships(before.iter().map(Arc::as_ref)));
        }
        for facts in before {
            self.known.add(email, facts);
        }
    }

    fn object(&self, kind: KindName, name: &Name) -> ObjectRef {
        ObjectRef { kind, namespace: self.objects.key.namespace.clone(), name: name.clone() }
    }

    /// Returns whether nothing was changed since it was authorised.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns the service accounts whose rights decide about changes.
    pub fn pipelines(&self) -> BTreeSet<&str> {
        fn user_of(change: &PendingChange) -> Option<&str> {
            match &change.author {
                Author::Known(Stamp { capacity: Capacity::Own, user, .. }) => Some(user.as_str()),
                Author::Known(_) | Author::Unrecorded => None,
            }
        }
        let users = self.changes.iter().filter_map(user_of);
        users.filter(|user| user.starts_with(SERVICE_ACCOUNT)).collect()
    }
}

/// Returns what a store says about the objects behind an entry.
fn stored<'o, C>(existing: Option<&'o Existing<C>>, mark: &Mark) -> Stored<'o> {
    let ours = existing.filter(|existing| existing.mark.as_ref() == Some(mark));
    match ours.map(|existing| existing.fingerprint.as_ref()) {
        None => Stored::Missing,
        Some(None) => Stored::Unknown,
        Some(Some(fingerprint)) => fingerprint.authorised.as_deref().map_or(Stored::Applied, Stored::Authorised),
    }
}

/// Returns a role as the store has it, instead of the Roles behind it of which nobody knows whether they were authorised.
fn as_stored(observed: &Observed, name: &RoleName, now: &[&Arc<RoleFacts>]) -> Vec<RoleFacts> {
    let content = observed.roles.get(name).and_then(|existing| existing.content.as_ref());
    let (Some(content), Some(first)) = (content, now.first()) else { return Vec::new() };
    let permissions = permissions(observed, &content.ranks);
    let spec = RoleSpec { permissions, based_on: None, ..first.spec.clone() };
    vec![RoleFacts { spec, ..(***first).clone() }]
}

/// Returns a group as the store has it, like [`as_stored`].
fn group_as_stored(observed: &Observed, now: &GroupFacts) -> Option<GroupFacts> {
    let content = observed.groups.get(&now.name)?.content.as_ref()?;
    let permissions = permissions(observed, &content.ranks);
    let spec = UserGroupSpec { permissions, role_refs: Vec::new(), ..now.spec.clone() };
    Some(GroupFacts { spec, ..now.clone() })
}

fn permissions(observed: &Observed, ranks: &Ranks) -> Permissions {
    let ladders = observed.layout.ladders().iter().zip(ranks.as_slice());
    let level = |(ladder, rank): (&Ladder, &u8)| {
        Some((ladder.section.to_string(), ladder.levels.get(usize::from(*rank))?.to_string()))
    };
    ladders.filter_map(level).collect()
}

/// Returns the objects that differ between two lists, by name.
fn changes<F: Clone>(
    before: &[Arc<F>],
    after: &[Arc<F>],
    name: impl Fn(&F) -> &Name,
    is_same: impl Fn(&F, &F) -> bool,
) -> Vec<(Name, Edit<F>)> {
    let names: BTreeSet<&Name> = before.iter().chain(after).map(|facts| name(facts)).collect();
    let find = |all: &[Arc<F>], wanted: &Name| all.iter().find(|facts| name(facts) == wanted).cloned();
    let edits = names.into_iter().map(|of| (of.clone(), Edit { before: find(before, of), after: find(after, of) }));
    edits.filter(|(_, edit)| edit.both().is_none_or(|(one, other)| !is_same(one, other))).collect()
}
