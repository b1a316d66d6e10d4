//! Desired content of one account, and passes over it. Used by all promises.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use roster_core::{
    api::{Adoption, DriftPolicy, Unmanaged},
    contract::{Batch, Claim, Epoch, Outcome, Slots, Store},
    model::{AccountKey, Email, Ladder, Layout, Name, Ranks, RoleName, Scope},
    plan::{AuthorisedObjects, Change, GuardPolicy, GuardState, Mark, ObjectKey, Observed, Plan, Policy},
    resolve::{
        Access, AccountContent, AccountRevocations, Desired, DesiredDefinitions, DesiredMember, GroupContent,
        MemberContent, Origin, RoleContent,
    },
};

/// Time of all passes.
pub const NOW: Timestamp = Timestamp::constant(1_800_000_000, 123_456_000);
/// Claim of the leader that runs the passes.
pub const CLAIM: Claim = Claim { epoch: Epoch(7), slots: Slots::ALL };

/// Desired state of one account, and the policy of its passes.
#[derive(Clone)]
pub struct World {
    pub policy: Policy,
    pub account: AccountContent,
    pub roles: BTreeMap<RoleName, RoleContent>,
    pub groups: BTreeMap<Name, GroupContent>,
    pub members: BTreeMap<Email, MemberContent>,
}

pub fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub fn ladder(section: &str, levels: &[&str]) -> Ladder {
    Ladder { section: section.into(), levels: levels.iter().map(|level| Name::new(level)).collect() }
}

pub fn ranks(ranks: &[u8]) -> Ranks {
    ranks.iter().copied().collect()
}

pub fn member(ranks: &[u8]) -> MemberContent {
    MemberContent {
        display_name: Some("Somebody".into()),
        role: Some(RoleName::predefined("admin")),
        ranks: self::ranks(ranks),
        ..MemberContent::default()
    }
}

/// Returns the account `shop/<name>` with three sections, two roles, a group and two members.
pub fn world(name: &str) -> World {
    let layout = Layout::new(vec![
        ladder("orders", &["Hide", "View", "Edit"]),
        ladder("payments", &["Denied", "Allowed"]),
        ladder("users", &["Hide", "View", "Edit", "Delete"]),
    ]);
    let mark = Mark {
        cluster: "cluster-a".into(),
        account: AccountKey::new("shop", name),
        uid: "11111111-2222-3333-4444-555555555555".into(),
    };
    World {
        policy: Policy {
            mark,
            adoption: Adoption::IfIdentical,
            is_declared: true,
            drift: DriftPolicy::Correct,
            unmanaged_by: None,
            unmanaged: Unmanaged::Report,
            paused: None,
            authorised: AuthorisedObjects::Unknown,
            guard: GuardPolicy {
                maximum_percent: 100,
                minimum_count: u32::MAX,
                approved: Vec::new(),
                guarded_roles: BTreeSet::new(),
                holding: GuardState::Passes,
            },
            holds_windows: true,
            now: NOW,
        },
        account: AccountContent {
            display_name: "Shop of shops".into(),
            catalog: "portal".into(),
            layout,
            owner: Some(email("owner@shop.example")),
            parent: Some(AccountKey::new("partners", "mother")),
            anomalies: Box::default(),
        },
        roles: BTreeMap::from([
            (RoleName::predefined("admin"), RoleContent { title: "Admin".into(), ranks: ranks(&[2, 1, 3]) }),
            (RoleName::custom("admin"), RoleContent { title: "Ours".into(), ranks: ranks(&[1, 0, 0]) }),
        ]),
        groups: BTreeMap::from([("desk".into(), GroupContent { title: "Desk".into(), ranks: ranks(&[0, 1, 0]) })]),
        members: BTreeMap::from([
            (email("ann@shop.example"), member(&[2, 1, 3])),
            (email("ben@shop.example"), member(&[1, 0, 0])),
        ]),
    }
}

impl World {
    pub fn key(&self) -> &AccountKey {
        &self.policy.mark.account
    }

    pub fn mark(&self) -> &Mark {
        &self.policy.mark
    }

    /// Returns this account as another cluster desires it.
    pub fn of_cluster(&self, cluster: &str) -> Self {
        let mut other = self.clone();
        other.policy.mark.cluster = cluster.into();
        other
    }

    pub fn desired(&self, scope: Scope) -> Desired {
        let origin = |kind, name: &str| Origin::new(kind, name.into(), 3);
        let members = self.members.iter().filter(|(email, _)| match &scope {
            Scope::Account => true,
            Scope::Members(emails) => emails.contains(email),
        });
        let members = members.map(|(email, content)| {
            let access = Access::Exactly(Arc::new(content.clone()));
            (
                email.clone(),
                DesiredMember { access, origin: origin("Membership", email.as_str()), counts_as_holder: true },
            )
        });
        Desired {
            account: self.key().clone(),
            layout: self.account.layout.clone(),
            definitions: Some(Arc::new(DesiredDefinitions {
                account: self.account.clone(),
                owner_may_change: true,
                roles: self.roles.iter().map(|(n, c)| (n.clone(), (c.clone(), origin("Role", &n.name)))).collect(),
                groups: self.groups.iter().map(|(n, c)| (n.clone(), (c.clone(), origin("UserGroup", n)))).collect(),
                origin: origin("Account", &self.key().name),
            })),
            members: members.collect(),
            scope,
            ends: AccountRevocations::default(),
        }
    }

    pub async fn observe(&self, store: &dyn Store) -> Observed {
        store.observe(self.key(), &Scope::Account, NOW).await.unwrap()
    }

    /// Asserts that the store holds nothing of the account.
    pub async fn assert_nothing(&self, store: &dyn Store) {
        let nothing = Observed { store: store.id().await.unwrap(), ..Observed::default() };
        assert_eq!(self.observe(store).await, nothing);
    }

    pub async fn plan(&self, store: &dyn Store, scope: Scope) -> Plan {
        let observed = store.observe(self.key(), &scope, NOW).await.unwrap();
        self.plan_from(&observed, store, scope)
    }

    /// Plans from what was observed before.
    pub fn plan_from(&self, observed: &Observed, store: &dyn Store, scope: Scope) -> Plan {
        let mut policy = self.policy.clone();
        policy.holds_windows = store.capabilities().time_windows;
        roster_core::testing::plan(&self.desired(scope), observed, &policy)
    }

    pub async fn apply(&self, store: &dyn Store, plan: &Plan) -> Vec<Outcome> {
        self.apply_changes(store, &plan.layout, &plan.changes).await
    }

    pub async fn apply_changes(&self, store: &dyn Store, layout: &Layout, changes: &[Change]) -> Vec<Outcome> {
        store.apply(&Batch { mark: self.mark(), layout, store: None, changes, now: self.policy.now }, CLAIM).await
    }

    /// Runs a pass over the whole account, and asserts that every change is made.
    pub async fn converge(&self, store: &dyn Store) -> Plan {
        self.converge_in(store, Scope::Account).await
    }

    pub async fn converge_in(&self, store: &dyn Store, scope: Scope) -> Plan {
        let plan = self.plan(store, scope).await;
        let outcomes = self.apply(store, &plan).await;
        assert_eq!(outcomes, vec![Ok(()); plan.changes.len()]);
        plan
    }

    /// Reaches the desired content within two passes, beginning with what the store was observed to hold; returns what
    /// it holds then, without a change left to make.
    pub async fn settle(&self, store: &dyn Store, mut seen: Observed) -> Observed {
        for pass in 0.. {
            let plan = self.plan_from(&seen, store, Scope::Account);
            if plan.changes.is_empty() {
                break;
            }
            assert!(pass < 2, "after {pass} passes: {:?}", plan.changes);
            assert_eq!(self.apply(store, &plan).await, vec![Ok(()); plan.changes.len()]);
            seen = self.observe(store).await;
        }
        self.assert_held(&seen);
        seen
    }

    /// Asserts that the store holds exactly the desired content, with our mark.
    pub fn assert_held(&self, observed: &Observed) {
        let contents = |observed: &Observed| {
            (
                observed.account.as_ref().and_then(|existing| existing.content.clone()),
                observed.roles.iter().map(|(n, s)| (n.clone(), s.content.clone())).collect::<BTreeMap<_, _>>(),
                observed.groups.iter().map(|(n, s)| (n.clone(), s.content.clone())).collect::<BTreeMap<_, _>>(),
                observed.members.iter().map(|(n, s)| (n.clone(), s.content.clone())).collect::<BTreeMap<_, _>>(),
            )
        };
        let wanted = (
            Some(self.account.clone()),
            self.roles.iter().map(|(n, c)| (n.clone(), Some(c.clone()))).collect(),
            self.groups.iter().map(|(n, c)| (n.clone(), Some(c.clone()))).collect(),
            self.members.iter().map(|(n, c)| (n.clone(), Some(c.clone()))).collect(),
        );
        assert_eq!(contents(observed), wanted);
        assert_eq!(observed.layout, self.account.layout);
        assert_eq!(observed.member_count, self.members.len() as u64);
        for mark in marks(observed) {
            assert_eq!(mark.as_ref(), Some(self.mark()));
        }
    }
}

/// Returns the marks of all objects.
pub fn marks(observed: &Observed) -> Vec<Option<Mark>> {
    let account = observed.account.iter().map(|existing| &existing.mark);
    let roles = observed.roles.values().map(|existing| &existing.mark);
    let groups = observed.groups.values().map(|existing| &existing.mark);
    let members = observed.members.values().map(|existing| &existing.mark);
    account.chain(roles).chain(groups).chain(members).cloned().collect()
}

pub fn members(emails: &[&Email]) -> Scope {
    let mut emails: Vec<Email> = emails.iter().copied().cloned().collect();
    emails.sort();
    Scope::Members(emails.into())
}

pub fn member_key(email: &Email) -> ObjectKey {
    ObjectKey::Member(email.clone())
}
