//! Judges the objects of an account as they are, whoever admitted them: what was changed since they were last authorised, by
//! whom, and whether they may. The controller calls it in each pass of an account that enforces authority.
//!
//! ```text
//!  objects ─┐                ┌─ authorised ──► Known ─┐
//!           ├─► Pending::of ─┤                        ├─ judge_change, one after another ──► Authorised
//!  store ───┘                └─ changes, by whom ─────┘
//! ```
//!
//! A store keeps the authorised objects with each entry. So nobody loses what was authorised because a grantor leaves, and what
//! was changed while no webhook answered is found. A change that gives nobody more needs no authority. All others wait, each
//! by itself, until whoever made them has the authority: the order in which they were made does not matter.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use sha2::{Digest as _, Sha256};

use super::{
    Actor, Capacity, Change, Stamp, Verdict, Violation,
    judge::judge_prepared,
    pending::{Author, Pending, PendingChange, SERVICE_ACCOUNT, address_of},
    texts,
};
use crate::{
    evaluate::{Authorised, Context, MemberLimit, judge, prepare},
    model::{Email, FieldPath, Finding, FindingKind, Name, Scope, Unauthorized},
    plan::{Mark, ObjectKey},
    state::{RoleFacts, Snapshot, SnapshotSource as _},
};

impl Pending<'_> {
    /// Judges the changes, and returns whether that of the Account is held. `grants` has the predefined roles that each
    /// service account may grant here, and `prefix` begins the names of all members.
    #[must_use]
    pub fn settle(mut self, grants: &BTreeMap<String, BTreeSet<Name>>, prefix: Option<&str>) -> (Authorised, bool) {
        let actor = |author: &Author| match author {
            Author::Known(Stamp { capacity: Capacity::Administrator, .. }) => Actor::Administrator,
            Author::Known(Stamp { capacity: Capacity::For(address), .. }) => {
                Email::parse(address).map_or_else(|_| Actor::Pipeline(BTreeSet::new()), Actor::Member)
            }
            Author::Known(Stamp { capacity: Capacity::Own, user, .. }) => match address_of(user, prefix) {
                Some(email) => Actor::Member(email),
                None => Actor::Pipeline(grants.get(user).cloned().unwrap_or_default()),
            },
            Author::Unrecorded => Actor::Pipeline(BTreeSet::new()),
        };
        let mut held = self.judge_all(&actor);
        let hash = (!held.is_empty()).then(|| hash(&held, self.approved.as_deref()));
        if hash.is_some() && hash.as_deref() == self.objects.snapshot.annotations.approved_change.as_deref() {
            self.approved = hash;
            for (change, _) in std::mem::take(&mut held) {
                self.accept(&change);
            }
            let text = texts::of_account(&self.objects.snapshot.account, self.approved.as_deref());
            self.texts.insert(ObjectKey::Account, text);
            return (self.authorised(&[], None), false);
        }
        let is_account_held = held.iter().any(|(change, _)| change.entry == ObjectKey::Account);
        (self.authorised(&held, hash), is_account_held)
    }

    /// Judges all changes, each against what is authorised by then. What one change gives somebody, they may need for another
    /// one: after a change of a person, those that the person made are judged again; after all others, everything is.
    fn judge_all(&mut self, actor: &impl Fn(&Author) -> Actor) -> Vec<(PendingChange, Verdict)> {
        let changes = std::mem::take(&mut self.changes);
        let mut waiting: BTreeMap<usize, PendingChange> = changes.into_iter().enumerate().collect();
        let mut held: BTreeMap<usize, Verdict> = BTreeMap::new();
        let mut by_member: HashMap<Email, Vec<usize>> = HashMap::new();
        for (index, change) in &waiting {
            if let Actor::Member(email) = actor(&change.author) {
                by_member.entry(email).or_default().push(*index);
            }
        }
        let mut next: VecDeque<usize> = waiting.keys().copied().collect();
        let mut prepared = None;
        while let Some(index) = next.pop_front() {
            let Some(change) = waiting.get(&index) else { continue };
            let definitions = prepared.get_or_insert_with(|| prepare(&self.known.snapshot));
            let actor = actor(&change.author);
            let verdict = judge_prepared(&self.known, &change.change, &actor, self.objects.now, Some(definitions));
            if verdict.is_held() {
                held.insert(index, verdict);
                continue;
            }
            held.remove(&index);
            let Some(change) = waiting.remove(&index) else { continue };
            self.accept(&change);
            if let ObjectKey::Member(email) = &change.entry {
                next.extend(by_member.get(email).into_iter().flatten().filter(|index| held.contains_key(*index)));
            } else {
                prepared = None;
                next.extend(held.keys());
            }
        }
        waiting.into_iter().filter_map(|(index, change)| Some((change, held.remove(&index)?))).collect()
    }

    fn accept(&mut self, change: &PendingChange) {
        self.known.make(&change.change);
        match &change.entry {
            ObjectKey::Account => {
                self.known.snapshot.account = self.objects.snapshot.account.clone();
                self.resolves_as_before = true;
                self.texts.insert(ObjectKey::Account, change.text.clone());
            }
            ObjectKey::Member(email) => {
                self.unknown.remove(email);
                let text = texts::of_memberships(self.known.memberships(email));
                self.texts.insert(change.entry.clone(), text);
            }
            ObjectKey::Role(name) => {
                let behind = |facts: &&Arc<RoleFacts>| facts.role_name() == *name;
                let text = texts::of_roles(self.known.snapshot.roles.iter().filter(behind).map(Arc::as_ref));
                self.texts.insert(change.entry.clone(), text);
            }
            ObjectKey::Group(name) => {
                let group = self.known.snapshot.groups.iter().find(|group| group.name == *name);
                let text = group.map(|group| texts::of_group(group));
                self.texts.extend(text.map(|text| (change.entry.clone(), text)));
            }
        }
    }

    fn authorised(self, held: &[(PendingChange, Verdict)], hash: Option<String>) -> Authorised {
        let mut limited = Authorised { hash, ..Authorised::default() };
        let mut people = BTreeSet::new();
        let (mut is_defined_anew, mut is_account_held) = (false, false);
        for (change, verdict) in held {
            match &change.entry {
                ObjectKey::Account => is_account_held = true,
                ObjectKey::Role(_) | ObjectKey::Group(_) => is_defined_anew = true,
                ObjectKey::Member(email) => drop(people.insert(email.clone())),
            }
            limited.findings.push(self.finding(change, verdict));
        }
        limited.account_waits = is_account_held && !self.resolves_as_before;
        if is_account_held && self.resolves_as_before {
            let account = self.known.snapshot.account.clone();
            limited.prepared = Some(prepare(&Snapshot { account, ..self.objects.snapshot.clone() }));
        }
        if is_defined_anew || !people.is_empty() {
            let scope =
                if is_defined_anew { self.objects.scope.clone() } else { Scope::Members(people.into_iter().collect()) };
            let prepared = prepare(&self.known.snapshot);
            let members = self.known.members(&self.objects.key, &scope);
            let context = Context::new(
                Mark { cluster: Name::default(), account: self.objects.key.clone(), uid: Name::default() },
                self.objects.now,
            );
            let desired = members.map(|members| judge(&prepared, &members, &context).desired);
            if let Some(mut desired) = desired {
                limited.definitions = desired.definitions.clone().filter(|_| is_defined_anew);
                let concerned = self.objects.members.iter().filter(|(email, _)| scope.contains(email));
                for (email, _) in concerned {
                    let limit = match desired.members.remove(email) {
                        _ if self.unknown.contains(email) => MemberLimit::AsStored,
                        Some(member) => MemberLimit::AtMost(Box::new(member)),
                        None => MemberLimit::Nothing,
                    };
                    limited.members.insert(email.clone(), limit);
                }
            }
        }
        limited.objects = Arc::new(self.texts);
        limited
    }

    /// Returns the fault of an object that was changed without authority. If it is gone, the Account has the fault.
    fn finding(&self, change: &PendingChange, verdict: &Verdict) -> Finding {
        let why = verdict.violations.iter().find(|violation| violation.widens());
        let by = match &change.author {
            Author::Known(stamp) => Some(match &stamp.capacity {
                Capacity::For(address) => Name::from(format!("{} for {address}", stamp.user)),
                Capacity::Own | Capacity::Administrator => Name::new(&stamp.user),
            }),
            Author::Unrecorded => None,
        };
        let is_member = why.is_some_and(|why| matches!(why, Violation::MoreThanHeld { actor: Some(_), .. }));
        let is_gone = match &change.change {
            Change::Role(_, edit) => edit.after.is_none(),
            Change::Membership(_, edit) => edit.after.is_none(),
            _ => false,
        };
        // Whoever is neither member nor pipeline has no limit that could be named.
        let has_limit = match &change.author {
            Author::Known(stamp) => {
                stamp.capacity != Capacity::Own || stamp.user.starts_with(SERVICE_ACCOUNT) || is_member
            }
            Author::Unrecorded => false,
        };
        let given = || why.and_then(Violation::given).filter(|_| !has_limit);
        let why = given().or_else(|| why.map(ToString::to_string)).unwrap_or_default();
        let gone = is_gone.then(|| change.object.clone());
        let kind = FindingKind::Unauthorized(Box::new(Unauthorized { by, gone, why: why.into() }));
        let object = if is_gone { self.objects.key.object() } else { change.object.clone() };
        Finding { object, field: FieldPath::WHOLE, kind }
    }
}

/// Returns the hash that lets these changes pass: of the objects, and of what they are now.
fn hash(held: &[(PendingChange, Verdict)], approved: Option<&str>) -> String {
    let mut parts: Vec<String> =
        held.iter().map(|(change, _)| format!("{}\0{}\0{}\0", change.entry, change.version, change.text)).collect();
    parts.sort();
    // An approval counts once.
    parts.extend(approved.map(|last| format!("\0{last}")));
    let digest = Sha256::digest(parts.concat());
    digest[..16].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
