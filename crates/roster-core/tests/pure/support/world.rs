//! Builds objects as in a cluster, and resolves them. Used by the tests.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use roster_core::{
    api::{self, InvalidReason, InvitationPhase},
    evaluate::{Context, judge, prepare},
    model::{AccountKey, Email, Findings, KindName, Name, Scope, Seed},
    resolve::{Definitions, Desired, MemberView},
    state::{
        AccountFacts, Annotations, CatalogFacts, GroupFacts, Index, InvitationFacts, MemberFacts, Meta,
        NamespaceRecord, Object, Record, RoleFacts, Snapshot, SnapshotSource as _, StoreFacts,
    },
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_yaml_ng::Value;

/// All objects there are. An account is named `name` where its namespace is `default`, else `namespace/name`.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub labels: BTreeMap<String, Arc<BTreeMap<String, String>>>,
    pub catalogs: BTreeMap<String, Arc<CatalogFacts>>,
    pub stores: BTreeMap<String, Arc<StoreFacts>>,
    pub accounts: BTreeMap<AccountKey, Arc<AccountFacts>>,
    pub roles: BTreeMap<(AccountKey, Name), Arc<RoleFacts>>,
    pub groups: BTreeMap<(AccountKey, Name), Arc<GroupFacts>>,
    pub members: BTreeMap<(AccountKey, Name), MemberFacts>,
    pub invitations: BTreeMap<(AccountKey, Name), InvitationFacts>,
    /// Stamps, by kind and name; whose the specs are.
    pub stamps: BTreeMap<(KindName, Name), String>,
    /// Annotations of Accounts.
    pub annotations: BTreeMap<AccountKey, Annotations>,
}

/// Result of resolving one account.
pub struct Resolved {
    pub definitions: Arc<Definitions>,
    pub desired: Desired,
    pub views: BTreeMap<Name, MemberView>,
}

pub fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn names(names: &[String]) -> Vec<Name> {
    names.iter().map(Name::from).collect()
}

fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_yaml_ng::from_value(value).unwrap()
}

impl World {
    /// The objects of these YAML documents. A namespace left out is `default`; a store `default` is always there.
    pub fn of(yaml: &str) -> Self {
        let mut world = Self::default();
        world.stores.insert("default".to_owned(), Arc::default());
        world.add(yaml);
        world
    }

    /// Returns the world with more objects, or with other objects of the same names.
    pub fn with(&self, yaml: &str) -> Self {
        let mut world = self.clone();
        world.add(yaml);
        world
    }

    pub fn add(&mut self, yaml: &str) {
        for document in serde_yaml_ng::Deserializer::from_str(yaml) {
            let value = Value::deserialize(document).unwrap();
            if !value.is_null() {
                self.add_one(value);
            }
        }
    }

    pub fn add_one(&mut self, value: Value) {
        let kind = value["kind"].as_str().unwrap().to_owned();
        let metadata = &value["metadata"];
        let name = metadata["name"].as_str().unwrap().to_owned();
        let namespace = metadata["namespace"].as_str().unwrap_or("default").to_owned();
        let generation = metadata["generation"].as_i64().unwrap_or(1);
        let uid = Name::new(metadata["uid"].as_str().unwrap_or("uid-1"));
        let labels: Option<BTreeMap<String, String>> = serde_yaml_ng::from_value(metadata["labels"].clone()).ok();
        let status = value["status"].clone();
        let spec = value.get("spec").cloned().unwrap_or_else(|| Value::Mapping(Default::default()));
        let short = Name::new(&name);
        let in_account = |account: &api::NameRef| (AccountKey::new(&namespace, &account.name), short.clone());
        match kind.as_str() {
            "Namespace" => {
                self.labels.insert(name, Arc::new(labels.unwrap_or_default()));
            }
            "PermissionCatalog" => {
                self.catalogs.insert(name, Arc::new(CatalogFacts::new(short, generation, of(spec))));
            }
            "IdentityStore" => {
                self.stores.insert(name, Arc::new(StoreFacts::new(short, generation, of(spec))));
            }
            "Account" => {
                let facts =
                    AccountFacts { namespace: Name::new(&namespace), name: short, uid, generation, spec: of(spec) };
                self.accounts.insert(facts.key(), Arc::new(facts));
            }
            "Role" => {
                let spec: api::RoleSpec = of(spec);
                let key = in_account(&spec.account_ref);
                self.roles.insert(key, Arc::new(RoleFacts { name: short, generation, spec }));
            }
            "UserGroup" => {
                let spec: api::UserGroupSpec = of(spec);
                let key = in_account(&spec.account_ref);
                self.groups.insert(key, Arc::new(GroupFacts { name: short, generation, spec }));
            }
            "Membership" => {
                let spec: api::MembershipSpec = of(spec);
                let key = in_account(&spec.account_ref);
                self.members.insert(key, member(short, generation, spec));
            }
            "Invitation" => {
                let spec: api::InvitationSpec = of(spec);
                let accepted = status["phase"].as_str() == Some(&format!("{:?}", InvitationPhase::Accepted));
                let key = in_account(&spec.account_ref);
                self.invitations.insert(key, invitation(short, generation, spec, accepted));
            }
            other => panic!("no kind of ours: {other}"),
        }
    }

    pub fn key(account: &str) -> AccountKey {
        AccountKey::parse(account).unwrap_or_else(|| AccountKey::new("default", account))
    }

    /// The index of a controller that has seen these objects.
    pub fn index(&self) -> Index {
        let mut index = Index::new(Seed::default());
        let cluster = Name::default;
        let labels = self
            .labels
            .iter()
            .map(|(name, labels)| Object::Namespace(NamespaceRecord { name: Name::new(name), labels: labels.clone() }));
        let catalogs = self.catalogs.iter().map(|(name, facts)| {
            Object::Catalog(record(cluster(), Name::new(name), cluster(), facts.generation, facts.clone()))
        });
        let stores = self.stores.iter().map(|(name, facts)| {
            Object::Store(record(cluster(), Name::new(name), cluster(), facts.generation, facts.clone()))
        });
        let accounts = self.accounts.iter().map(|(key, facts)| {
            let (namespace, name) = (key.namespace.clone(), key.name.clone());
            let mut one = record(namespace, name.clone(), name, facts.generation, facts.clone());
            one.meta.annotations = self.annotations.get(key).cloned().map(Box::new);
            Object::Account(self.stamped(KindName::Account, one))
        });
        let roles = self.roles.iter().map(|(key, facts)| {
            Object::Role(self.stamped(KindName::Role, owned(key, facts.generation, facts.clone())))
        });
        let groups = self.groups.iter().map(|(key, facts)| {
            Object::Group(self.stamped(KindName::UserGroup, owned(key, facts.generation, facts.clone())))
        });
        let members = self.members.iter().map(|(key, facts)| {
            Object::Member(self.stamped(KindName::Membership, owned(key, facts.generation, Arc::new(facts.clone()))))
        });
        let invitations = self
            .invitations
            .iter()
            .map(|(key, facts)| Object::Invitation(owned(key, facts.generation, Arc::new(facts.clone()))));
        let all = labels.chain(catalogs).chain(stores).chain(accounts).chain(roles).chain(groups).chain(members);
        for object in all.chain(invitations) {
            index.apply(object, |_| None);
        }
        index
    }

    fn stamped<F>(&self, kind: KindName, mut record: Record<F>) -> Record<F> {
        record.meta.stamp = self.stamps.get(&(kind, record.name.clone())).map(|stamp| stamp.as_str().into());
        record
    }

    pub fn snapshot(&self, account: &str) -> Snapshot {
        self.index().snapshot(&Self::key(account)).unwrap()
    }

    pub fn definitions(&self, account: &str) -> Arc<Definitions> {
        prepare(&self.snapshot(account)).definitions
    }

    pub fn resolve(&self, account: &str) -> Resolved {
        self.resolve_within(account, Scope::Account)
    }

    pub fn resolve_within(&self, account: &str, scope: Scope) -> Resolved {
        let (key, index) = (Self::key(account), self.index());
        let members = index.members(&key, &scope).unwrap();
        let context = Context::new(super::passes::mark(&key), Timestamp::UNIX_EPOCH);
        let judged = judge(&prepare(&index.snapshot(&key).unwrap()), &members, &context);
        let mut views = BTreeMap::new();
        for ((_, facts), member) in std::iter::zip(&members.addresses, judged.members) {
            views.extend(facts.iter().map(|one| one.name.clone()).zip(member.views));
        }
        for ((_, name), facts) in self.members.iter().filter(|((account, _), _)| *account == key) {
            if facts.email.is_err() {
                views.insert(name.clone(), judged.definitions.unaddressed(facts));
            }
        }
        Resolved { desired: judged.desired, definitions: judged.definitions, views }
    }

    /// Findings of one object of an account: `account`, `role x`, `group x`, `membership x`, `invitation x`.
    pub fn findings(&self, account: &str, object: &str) -> Findings {
        let resolved = self.resolve(account);
        let (kind, name) = object.split_once(' ').unwrap_or((object, ""));
        match kind {
            "account" => resolved.definitions.findings.clone(),
            "role" => resolved.definitions.roles[name].findings.clone(),
            "group" => resolved.definitions.groups[name].findings.clone(),
            "membership" => resolved.views[name].findings.clone(),
            "invitation" => {
                let invitation = &self.invitations[&(Self::key(account), Name::new(name))];
                resolved.definitions.invitation(invitation, &[])
            }
            other => panic!("{other}"),
        }
    }

    /// Object, reason and message, as status shows them.
    #[track_caller]
    pub fn says(&self, account: &str, object: &str, reason: InvalidReason, message: &str) {
        let finding = self.findings(account, object);
        assert_eq!(finding.reason(), Some(reason), "{object}: {}", finding.message());
        assert_eq!(finding.message(), message, "{object}");
    }

    #[track_caller]
    pub fn is_valid(&self, account: &str, object: &str) {
        let finding = self.findings(account, object);
        assert!(finding.is_valid(), "{object}: {}", finding.message());
    }
}

fn record<F>(namespace: Name, name: Name, account: Name, generation: i64, facts: Arc<F>) -> Record<F> {
    let meta = Meta { uid: "uid-1".into(), generation, ..Meta::default() };
    Record { namespace, name, account, meta, facts }
}

fn owned<F>((account, name): &(AccountKey, Name), generation: i64, facts: Arc<F>) -> Record<F> {
    record(account.namespace.clone(), name.clone(), account.name.clone(), generation, facts)
}

/// Advice among these findings, as status shows it.
pub fn advice(findings: &Findings) -> Vec<String> {
    findings.advice().map(ToString::to_string).collect()
}

fn member(name: Name, generation: i64, spec: api::MembershipSpec) -> MemberFacts {
    let restrictions = spec.restrictions.unwrap_or_default();
    MemberFacts {
        name,
        generation,
        email: Email::parse(&spec.user.email).map_err(Box::new),
        display_name: spec.user.display_name.map(Into::into),
        external_id: spec.user.external_id.map(Into::into),
        role: spec.role_ref.map(Box::new),
        groups: spec.group_refs.iter().map(|group| Name::from(&group.name)).collect(),
        apply: names(&restrictions.apply).into(),
        lift: names(&restrictions.lift).into(),
        acknowledge: names(&spec.acknowledge).into(),
        suspended: spec.suspended,
        starts_at: spec.starts_at.map(|at| at.0),
        expires_at: spec.expires_at.map(|at| at.0),
        invitation: spec.invitation_ref.map(|invitation| Name::from(invitation.name)),
    }
}

fn invitation(name: Name, generation: i64, spec: api::InvitationSpec, accepted: bool) -> InvitationFacts {
    let restrictions = spec.restrictions.unwrap_or_default();
    InvitationFacts {
        name,
        generation,
        email: Email::parse(&spec.email).map_err(Box::new),
        role: spec.role_ref,
        groups: spec.group_refs.iter().map(|group| Name::from(&group.name)).collect(),
        apply: names(&restrictions.apply),
        lift: names(&restrictions.lift),
        accepted,
    }
}

impl Resolved {
    /// Returns what one member is granted: sections above the first level as `section: level`, in the catalog's order.
    #[track_caller]
    pub fn access(&self, address: &str) -> String {
        use roster_core::resolve::Access;
        let Some(desired) = self.desired.members.get(&email(address)) else { return "nobody".to_owned() };
        match &desired.access {
            Access::Exactly(content) => self.named(content),
            Access::AtMost(content) => format!("at most {}", self.named(content)),
            Access::Kept => "kept".to_owned(),
            Access::KeptWithin(window) => format!("kept within {}", super::memory::window(window)),
            Access::Revoked(end) => format!("ended: {}", end.as_str()),
        }
    }

    fn named(&self, content: &roster_core::resolve::MemberContent) -> String {
        super::memory::describe(content, &self.desired.layout)
    }
}
