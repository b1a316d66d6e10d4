//! Objects that were delivered to one replica, as the reference model reads them. Filled by `deliver`, and read by the
//! invariants.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use roster_core::{
    api::ROLLOUT_ANNOTATION,
    model::{AccountKey, KindName, Name, ObjectRef},
    state::LastRevision,
};
use roster_reference::{AccountAnswer, Kind, ObjectId, World, status_of_catalog};

use super::{
    cluster::{Change, Cluster, Stored},
    objects::Body,
};

/// Objects that are known at one moment.
#[derive(Clone, Debug, Default)]
pub struct DeliveredObjects {
    /// Objects as the model reads them.
    pub world: World,
    /// Last revisions of catalogs, by catalog.
    last: BTreeMap<String, LastRevision>,
    /// UID and generation of each catalog, and whether a change reaches all accounts at once.
    catalogs: BTreeMap<String, (String, i64, bool)>,
    /// Accounts that are being deleted.
    pub deleting: BTreeSet<AccountKey>,
    /// Annotations of accounts.
    pub annotations: BTreeMap<AccountKey, BTreeMap<String, String>>,
}

fn pair(object: &ObjectRef) -> (String, String) {
    (object.namespace.to_string(), object.name.to_string())
}

fn account_key(object: &ObjectRef) -> AccountKey {
    AccountKey { namespace: object.namespace.clone(), name: object.name.clone() }
}

impl DeliveredObjects {
    /// Returns everything that is in the cluster now.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        let mut delivered = Self::default();
        cluster.all().for_each(|stored| delivered.put(stored));
        delivered
    }

    /// Adds or replaces an object.
    pub fn put(&mut self, stored: &Stored) {
        let (object, world) = (&stored.object, &mut self.world);
        let (key, name) = (pair(object), object.name.to_string());
        match &stored.body {
            Body::Namespace(labels) => drop(world.namespaces.insert(name, labels.as_ref().clone())),
            Body::Catalog(catalog) => {
                let metadata = &stored.metadata;
                let annotation = metadata.annotations.as_ref().and_then(|all| all.get(ROLLOUT_ANNOTATION));
                let at_once = annotation.is_some_and(|value| value == "AllAtOnce");
                let uid = metadata.uid.clone().unwrap_or_default();
                self.catalogs.insert(name.clone(), (uid, metadata.generation.unwrap_or(0), at_once));
                world.catalogs.insert(name, catalog.clone());
            }
            Body::Store(store) => drop(world.stores.insert(name, store.clone())),
            Body::Account(account) => {
                let key = account_key(object);
                if stored.metadata.deletion_timestamp.is_some() {
                    self.deleting.insert(key.clone());
                } else {
                    self.deleting.remove(&key);
                }
                self.annotations.insert(key, stored.metadata.annotations.clone().unwrap_or_default());
                world.accounts.insert(pair(object), account.clone());
            }
            Body::Role(role) => drop(world.roles.insert(key, role.clone())),
            Body::Group(group) => drop(world.groups.insert(key, group.clone())),
            Body::Member(member) => drop(world.memberships.insert(key, member.clone())),
            Body::Record(record) => match &record.1 {
                Some(last) => drop(self.last.insert(record.0.to_string(), last.clone())),
                None => drop(self.last.remove(record.0.as_str())),
            },
        }
    }

    /// Removes an object. Returns whether it was known.
    pub fn remove(&mut self, object: &ObjectRef) -> bool {
        let (key, name, world) = (pair(object), object.name.as_str(), &mut self.world);
        match object.kind {
            KindName::Namespace => world.namespaces.remove(name).is_some(),
            KindName::PermissionCatalog => {
                self.catalogs.remove(name);
                world.catalogs.remove(name).is_some()
            }
            KindName::IdentityStore => world.stores.remove(name).is_some(),
            KindName::Account => {
                self.deleting.remove(&account_key(object));
                self.annotations.remove(&account_key(object));
                world.accounts.remove(&key).is_some()
            }
            KindName::Role => world.roles.remove(&key).is_some(),
            KindName::UserGroup => world.groups.remove(&key).is_some(),
            KindName::Membership => world.memberships.remove(&key).is_some(),
            KindName::Invitation => world.invitations.remove(&key).is_some(),
            KindName::CatalogRecord => {
                let catalog = name.strip_prefix("roster-catalog-").unwrap_or_default();
                self.last.remove(catalog).is_some()
            }
        }
    }

    /// Returns the known objects of a kind.
    #[must_use]
    pub fn known(&self, kind: KindName) -> Vec<ObjectRef> {
        fn cluster_scoped<V>(kind: KindName, of: &BTreeMap<String, V>) -> Vec<ObjectRef> {
            of.keys().map(|name| ObjectRef { kind, namespace: Name::default(), name: Name::new(name) }).collect()
        }
        fn namespaced<V>(kind: KindName, of: &BTreeMap<(String, String), V>) -> Vec<ObjectRef> {
            let reference = |(namespace, name): &(String, String)| ObjectRef {
                kind,
                namespace: Name::new(namespace),
                name: Name::new(name),
            };
            of.keys().map(reference).collect()
        }
        let world = &self.world;
        match kind {
            KindName::Namespace => cluster_scoped(kind, &world.namespaces),
            KindName::PermissionCatalog => cluster_scoped(kind, &world.catalogs),
            KindName::IdentityStore => cluster_scoped(kind, &world.stores),
            KindName::Account => namespaced(kind, &world.accounts),
            KindName::Role => namespaced(kind, &world.roles),
            KindName::UserGroup => namespaced(kind, &world.groups),
            KindName::Membership => namespaced(kind, &world.memberships),
            KindName::Invitation => namespaced(kind, &world.invitations),
            KindName::CatalogRecord => {
                let names = self.last.keys().map(|catalog| format!("roster-catalog-{catalog}"));
                let system = Name::new("roster-system");
                names.map(|name| ObjectRef { kind, namespace: system.clone(), name: name.into() }).collect()
            }
        }
    }

    /// Returns the earlier catalog revision that an account follows, as described in docs/concepts.md "Changing a
    /// catalog"; `None` if it follows the present one.
    fn followed(&self, account: &AccountKey) -> Option<(&str, &LastRevision)> {
        let key = (account.namespace.to_string(), account.name.to_string());
        let name = &self.world.accounts.get(&key)?.spec.catalog_ref.name;
        let ((uid, generation, at_once), last) = (self.catalogs.get(name)?, self.last.get(name)?);
        if last.uid != uid.as_str() || last.facts.generation == *generation {
            return None;
        }
        let is_ahead = last.facts.generation > *generation;
        let is_sound = status_of_catalog(&self.world.catalogs.get(name)?.spec).is_empty();
        let waits = last.up_to.as_ref().is_none_or(|up_to| account > up_to);
        (is_ahead || is_sound && !at_once && waits).then_some((name, last))
    }

    /// Returns the last revision of an account's catalog if the account follows it and not the present one.
    #[must_use]
    pub fn behind(&self, account: &AccountKey) -> Option<&LastRevision> {
        self.followed(account).map(|(_, last)| last)
    }

    /// Returns the objects that apply to one account, with the earlier revision of its catalog; `None` if it follows
    /// the present one.
    fn as_seen_by(&self, account: &AccountKey, world: &World) -> Option<World> {
        let (name, last) = self.followed(account)?;
        let mut world = world.clone();
        let catalog = world.catalogs.get_mut(name)?;
        Arc::make_mut(catalog).spec = last.facts.spec.clone();
        Some(world)
    }

    /// Returns the model's answer about an account.
    #[must_use]
    pub fn answer(&self, account: &AccountKey, now: Timestamp) -> Option<AccountAnswer> {
        let other = self.as_seen_by(account, &self.world);
        other.as_ref().unwrap_or(&self.world).account(&account.namespace, &account.name, now)
    }

    /// Returns the model's answer with deleted objects put back from earlier states.
    #[must_use]
    pub fn answer_with<'a>(
        &self,
        back: impl Iterator<Item = (&'a ObjectRef, &'a Self)>,
        account: &AccountKey,
        now: Timestamp,
    ) -> Option<AccountAnswer> {
        let mut world = self.world.clone();
        for (object, before) in back {
            world = world.with_object_of(&before.world, &id(object)?);
        }
        let other = self.as_seen_by(account, &world);
        other.unwrap_or(world).account(&account.namespace, &account.name, now)
    }

    /// Returns the rank of a level on the ladder that an account has for a section; `None` if there is none.
    #[must_use]
    pub fn rank(&self, account: &AccountKey, section: &str, level: &str) -> Option<usize> {
        let key = (account.namespace.to_string(), account.name.to_string());
        let name = &self.world.accounts.get(&key)?.spec.catalog_ref.name;
        let followed = self.followed(account).map(|(_, last)| &last.facts.spec);
        let spec = followed.or_else(|| self.world.catalogs.get(name).map(|catalog| &catalog.spec))?;
        let section = spec.sections.iter().find(|known| known.name == section)?;
        match &section.levels {
            Some(levels) => levels.iter().position(|known| known == level),
            None => ["Denied", "Allowed"].iter().position(|known| *known == level),
        }
    }
}

/// Returns the model's id of an object.
fn id(object: &ObjectRef) -> Option<ObjectId> {
    let kind = match object.kind {
        KindName::PermissionCatalog => Kind::PermissionCatalog,
        KindName::IdentityStore => Kind::IdentityStore,
        KindName::Account => Kind::Account,
        KindName::Role => Kind::Role,
        KindName::UserGroup => Kind::UserGroup,
        KindName::Membership => Kind::Membership,
        KindName::Invitation => Kind::Invitation,
        KindName::Namespace | KindName::CatalogRecord => return None,
    };
    Some(ObjectId::new(kind, &object.namespace, &object.name))
}

/// Object that was deleted while others stayed.
#[derive(Clone, Debug)]
pub struct Vanished {
    /// Time when the replica received the event.
    pub at: u64,
    /// Deleted object.
    pub object: ObjectRef,
    /// Objects before the deletion.
    pub before: Arc<DeliveredObjects>,
    /// Whether another object has the same name now.
    pub replaced: bool,
}

/// Objects that are delivered to one replica, tracked like in the index.
#[derive(Debug, Default)]
pub struct View {
    /// Objects that are known now.
    pub delivered: Arc<DeliveredObjects>,
    /// Objects that were deleted.
    pub vanished: Vec<Vanished>,
    versions: BTreeMap<ObjectRef, (String, u64)>,
    listing: BTreeMap<KindName, BTreeSet<ObjectRef>>,
}

impl View {
    /// Starts a list of a kind.
    pub fn begin_list(&mut self, kind: KindName) {
        self.listing.insert(kind, BTreeSet::new());
    }

    /// Ends a list of a kind: known objects that it did not contain are deleted.
    pub fn end_list(&mut self, kind: KindName, at: u64) {
        let Some(named) = self.listing.remove(&kind) else { return };
        for object in self.delivered.known(kind) {
            if !named.contains(&object) {
                self.gone(&object, at);
            }
        }
    }

    /// Applies an entry of a log.
    pub fn take(&mut self, change: &Change, at: u64) {
        match change {
            Change::Put(stored) => self.put(stored, at),
            Change::Gone(object) => self.gone(object, at),
        }
    }

    fn put(&mut self, stored: &Stored, at: u64) {
        let listed = self.listing.get_mut(&stored.object.kind).map(|named| named.insert(stored.object.clone()));
        let uid = stored.metadata.uid.clone().unwrap_or_default();
        let version = stored.metadata.resource_version.as_ref().and_then(|text| text.parse().ok()).unwrap_or(0);
        let known = self.versions.get(&stored.object).filter(|known| known.0 == uid).map(|known| known.1);
        let same = |delivered: &DeliveredObjects| delivered.knows(stored);
        if listed.is_none() && known.is_some_and(|known| version < known) {
            return;
        }
        let before = self.versions.insert(stored.object.clone(), (uid.clone(), version));
        if before.is_some_and(|(before, _)| before != uid) {
            // The object that had this name was deleted, although no event reported it.
            let (object, before) = (stored.object.clone(), self.delivered.clone());
            self.vanished.push(Vanished { at, object, before, replaced: true });
        }
        if !same(&self.delivered) {
            Arc::make_mut(&mut self.delivered).put(stored);
        }
    }

    fn gone(&mut self, object: &ObjectRef, at: u64) {
        let before = self.delivered.clone();
        self.versions.remove(object);
        if Arc::make_mut(&mut self.delivered).remove(object) {
            self.vanished.push(Vanished { at, object: object.clone(), before, replaced: false });
        }
    }
}

impl DeliveredObjects {
    /// Returns whether exactly this version of an object is known, apart from its status.
    fn knows(&self, stored: &Stored) -> bool {
        let key = pair(&stored.object);
        let world = &self.world;
        match &stored.body {
            Body::Role(role) => world.roles.get(&key).is_some_and(|known| Arc::ptr_eq(known, role)),
            Body::Group(group) => world.groups.get(&key).is_some_and(|known| Arc::ptr_eq(known, group)),
            Body::Member(member) => world.memberships.get(&key).is_some_and(|known| Arc::ptr_eq(known, member)),
            Body::Account(account) => {
                let annotations = self.annotations.get(&account_key(&stored.object));
                let none = BTreeMap::new();
                world.accounts.get(&key).is_some_and(|known| Arc::ptr_eq(known, account))
                    && annotations == Some(stored.metadata.annotations.as_ref().unwrap_or(&none))
            }
            Body::Store(store) => world.stores.get(&key.1).is_some_and(|known| Arc::ptr_eq(known, store)),
            Body::Namespace(_) | Body::Catalog(_) | Body::Record(_) => false,
        }
    }
}
