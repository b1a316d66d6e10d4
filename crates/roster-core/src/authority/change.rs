//! Defines a change of one object: what it was before and what it is after. Built by whoever asks for a verdict.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    model::{AccountKey, Email, KindName, Name, Scope},
    state::{
        AccountAnnotations, AccountFacts, CatalogFacts, GroupFacts, InvitationFacts, MemberFacts, Object, RoleFacts,
        StoreFacts,
    },
};

/// Object before and after a change. Without `before` it is created, without `after` it is deleted.
#[derive(Clone, Debug)]
pub struct Edit<F> {
    /// The object as it is; `None` if it does not exist.
    pub before: Option<Arc<F>>,
    /// The object as it shall be; `None` if it is deleted.
    pub after: Option<Arc<F>>,
}

impl<F> Edit<F> {
    /// Returns the object before and after, if the change is neither a creation nor a deletion.
    pub(super) fn both(&self) -> Option<(&F, &F)> {
        Some((self.before.as_deref()?, self.after.as_deref()?))
    }

    /// Returns the object on each side on which it exists.
    pub(super) fn sides(&self) -> impl Iterator<Item = &F> {
        [self.before.as_deref(), self.after.as_deref()].into_iter().flatten()
    }

    /// Returns whether both sides are equal by `is_same`, or the object exists on neither.
    fn is_unchanged(&self, is_same: impl FnOnce(&F, &F) -> bool) -> bool {
        match self.both() {
            Some((before, after)) => is_same(before, after),
            None => self.latest().is_none(),
        }
    }

    /// Returns the object after the change, or the deleted one.
    pub(super) fn latest(&self) -> Option<&F> {
        self.after.as_deref().or(self.before.as_deref())
    }
}

/// Change of one object.
#[derive(Clone, Debug)]
pub enum Change {
    /// Change of a Membership of this account.
    Membership(AccountKey, Edit<MemberFacts>),
    /// Change of an Invitation to this account.
    Invitation(AccountKey, Edit<InvitationFacts>),
    /// Change of a Role of this account.
    Role(AccountKey, Edit<RoleFacts>),
    /// Change of a `UserGroup` of this account.
    Group(AccountKey, Edit<GroupFacts>),
    /// Change of an Account, or of its annotations.
    Account(AccountKey, Edit<(AccountFacts, AccountAnnotations)>),
    /// Change of a `PermissionCatalog`.
    Catalog(Edit<CatalogFacts>),
    /// Change of an `IdentityStore`.
    Store(Edit<StoreFacts>),
}

impl Change {
    /// Returns the change from one version of an object to another one; `None` without any, for kinds that have no say
    /// in access, and for versions of two objects.
    #[must_use]
    pub fn of(before: Option<Object>, after: Option<Object>) -> Option<Self> {
        /// Returns both sides by `read`, and the account of the later one; `None` if a side is another kind of object.
        fn sides<F>(
            (before, after): (Option<Object>, Option<Object>),
            read: impl Fn(Object) -> Option<(AccountKey, Arc<F>)>,
        ) -> Option<(AccountKey, Edit<F>)> {
            let side = |object: Option<Object>| object.map_or(Some(None), |object| read(object).map(Some));
            let (before, after) = (side(before)?, side(after)?);
            let account = after.as_ref().or(before.as_ref())?.0.clone();
            Some((account, Edit { before: before.map(|(_, facts)| facts), after: after.map(|(_, facts)| facts) }))
        }
        macro_rules! of_account {
            ($object:ident, $change:ident) => {{
                let read = |object| match object {
                    Object::$object(record) => Some((record.account_key(), record.facts)),
                    _ => None,
                };
                sides((before, after), read).map(|(account, edit)| Self::$change(account, edit))
            }};
        }
        macro_rules! of_cluster {
            ($object:ident) => {{
                let read = |object| match object {
                    Object::$object(record) => Some((record.account_key(), record.facts)),
                    _ => None,
                };
                sides((before, after), read).map(|(_, edit)| Self::$object(edit))
            }};
        }
        match after.as_ref().or(before.as_ref())? {
            Object::Member(_) => of_account!(Member, Membership),
            Object::Invitation(_) => of_account!(Invitation, Invitation),
            Object::Role(_) => of_account!(Role, Role),
            Object::Group(_) => of_account!(Group, Group),
            Object::Account(_) => {
                let read = |object| {
                    let Object::Account(record) = object else { return None };
                    let annotations = AccountAnnotations::read(|key| record.meta.annotation(key));
                    Some((record.facts.key(), Arc::new(((*record.facts).clone(), annotations))))
                };
                sides((before, after), read).map(|(account, edit)| Self::Account(account, edit))
            }
            Object::Catalog(_) => of_cluster!(Catalog),
            Object::Store(_) => of_cluster!(Store),
            Object::Namespace(_) | Object::CatalogRecord(_) => None,
        }
    }

    /// Returns the account that the changed object belongs to; `None` for a catalog or store.
    #[must_use]
    pub const fn account(&self) -> Option<&AccountKey> {
        match self {
            Self::Membership(key, _)
            | Self::Invitation(key, _)
            | Self::Role(key, _)
            | Self::Group(key, _)
            | Self::Account(key, _) => Some(key),
            Self::Catalog(_) | Self::Store(_) => None,
        }
    }

    /// Returns kind and name of the changed object.
    #[must_use]
    pub fn object(&self) -> (KindName, Name) {
        let named = |name: Option<&Name>| name.cloned().unwrap_or_default();
        match self {
            Self::Membership(_, edit) => (KindName::Membership, named(edit.latest().map(|facts| &facts.name))),
            Self::Invitation(_, edit) => (KindName::Invitation, named(edit.latest().map(|facts| &facts.name))),
            Self::Role(_, edit) => (KindName::Role, named(edit.latest().map(|facts| &facts.name))),
            Self::Group(_, edit) => (KindName::UserGroup, named(edit.latest().map(|facts| &facts.name))),
            Self::Account(key, _) => (KindName::Account, key.name.clone()),
            Self::Catalog(edit) => (KindName::PermissionCatalog, named(edit.latest().map(|facts| &facts.name))),
            Self::Store(edit) => (KindName::IdentityStore, named(edit.latest().map(|facts| &facts.name))),
        }
    }

    /// Returns whether the object stays as it is, apart from its generation, or exists neither before nor after.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        fn same<F: Clone + PartialEq>(edit: &Edit<F>, generation: impl Fn(&mut F) -> &mut i64) -> bool {
            edit.is_unchanged(|before, after| {
                let (mut one, mut other) = (before.clone(), after.clone());
                *generation(&mut one) = 0;
                *generation(&mut other) = 0;
                one == other
            })
        }
        match self {
            Self::Membership(_, edit) => same(edit, |facts| &mut facts.generation),
            Self::Invitation(_, edit) => same(edit, |facts| &mut facts.generation),
            Self::Role(_, edit) => same(edit, |facts| &mut facts.generation),
            Self::Group(_, edit) => same(edit, |facts| &mut facts.generation),
            Self::Catalog(edit) => same(edit, |facts| &mut facts.generation),
            Self::Store(edit) => same(edit, |facts| &mut facts.generation),
            Self::Account(_, edit) => {
                edit.is_unchanged(|before, after| (&before.0.spec, &before.1) == (&after.0.spec, &after.1))
            }
        }
    }

    /// Returns the members whose access the change can affect. A Membership affects one address; everything else may
    /// affect all.
    pub(super) fn scope(&self) -> Scope {
        let addresses: BTreeSet<Email> = match self {
            Self::Membership(_, edit) => edit.sides().filter_map(|facts| facts.email.clone().ok()).collect(),
            Self::Invitation(_, edit) => edit.sides().filter_map(|facts| facts.email.clone().ok()).collect(),
            _ => return Scope::Account,
        };
        Scope::Members(addresses.into_iter().collect())
    }
}
