//! Types of Roster's attributes in Keycloak: owner, fingerprint, and content that Keycloak has no field for. Read and
//! written by the other modules of this store.
//!
//! Reading never fails: an attribute that cannot be parsed counts as no mark, and as content that differs from
//! everything desired.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::names::{CLUSTER, FINGERPRINT, UID};
use crate::{
    contract::hex,
    model::{AccountKey, Email, Ladder, Layout, Name, RoleName},
    plan::{Fingerprint, Mark, RecentRemoval},
    resolve::{AccountContent, MemberContent, RevocationReason, Window},
};

/// Owner of an object, and fingerprint of the content last applied to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Stamp {
    cluster: Option<String>,
    uid: Option<String>,
    fingerprint: Option<String>,
    /// Objects behind the content as they were authorised. Attributes of organizations and groups have no room for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorised: Option<String>,
}

impl Stamp {
    pub(super) fn new(mark: &Mark, fingerprint: &Fingerprint) -> Self {
        Self {
            cluster: Some(mark.cluster.to_string()),
            uid: Some(mark.uid.to_string()),
            fingerprint: Some(hex(&fingerprint.content)),
            authorised: fingerprint.authorised.as_deref().map(str::to_owned),
        }
    }

    /// Returns whether both have the same owner.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        (&self.cluster, &self.uid) == (&other.cluster, &other.uid)
    }

    /// Reads a stamp from the attributes of an organization or a group.
    pub(super) fn of(attributes: &HashMap<String, Vec<String>>) -> Self {
        let one = |key: &str| attributes.get(key).and_then(|values| values.first()).cloned();
        Self { cluster: one(CLUSTER), uid: one(UID), fingerprint: one(FINGERPRINT), authorised: None }
    }

    /// Returns the stamp as attributes of an organization or a group.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (String, Vec<String>)> {
        let pairs = [(CLUSTER, &self.cluster), (UID, &self.uid), (FINGERPRINT, &self.fingerprint)];
        pairs.map(|(key, value)| (key.to_owned(), value.iter().cloned().collect())).into_iter()
    }

    /// Returns the stamp of a group with the authorised objects that the account's client keeps of it.
    pub(super) fn with_authorised_of(self, defined: Option<&Self>) -> Self {
        Self { authorised: defined.and_then(|defined| defined.authorised.clone()), ..self }
    }

    /// Returns the mark; `None` unless cluster and UID are present.
    pub(super) fn mark(&self, account: &AccountKey) -> Option<Mark> {
        let (cluster, uid) = (self.cluster.as_deref()?, self.uid.as_deref()?);
        Some(Mark { cluster: Name::new(cluster), account: account.clone(), uid: Name::new(uid) })
    }

    /// Returns the fingerprint; `None` unless it is 32 hexadecimal digits. Of an unfinished write the authorised objects are
    /// known, with a fingerprint that no content has.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        let unfinished = || Some(Fingerprint::new([0; 16]).with(Some(Arc::from(self.authorised.as_deref()?))));
        self.applied().or_else(unfinished)
    }

    /// Returns the fingerprint of content that has to be written again.
    pub(super) fn outdated(&self) -> Option<Fingerprint> {
        Self { fingerprint: None, ..self.clone() }.fingerprint()
    }

    fn applied(&self) -> Option<Fingerprint> {
        let text = self.fingerprint.as_deref()?;
        let mut bytes = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
        }
        Some(Fingerprint::new(bytes).with(self.authorised.as_deref().map(Arc::from)))
    }
}

/// Content of an account in its client's attribute; the name is the client's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Note {
    #[serde(flatten)]
    pub(super) stamp: Stamp,
    catalog: String,
    owner: Option<String>,
    parent: Option<String>,
    layout: Vec<Ladder>,
    /// Former layouts, oldest first, of which client roles may still exist while an account write is unfinished.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    former: Vec<Vec<Ladder>>,
    #[serde(flatten)]
    pub(super) parts: Parts,
    /// Ids of the portals' clients that have the account's scope, sorted.
    pub(super) portals: Vec<String>,
}

/// Ids of an account's parts, apart from its client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Parts {
    pub(super) organization: String,
    pub(super) scope: String,
    pub(super) group: String,
}

impl Note {
    pub(super) fn new(stamp: Stamp, content: &AccountContent, parts: Parts, portals: Vec<String>) -> Self {
        Self {
            stamp,
            catalog: content.catalog.to_string(),
            owner: content.owner.as_ref().map(ToString::to_string),
            parent: content.parent.as_ref().map(ToString::to_string),
            layout: content.layout.ladders().to_vec(),
            former: Vec::new(),
            parts,
            portals,
        }
    }

    /// Returns the note for a write in progress: without fingerprint, and with the layouts whose client roles may
    /// exist.
    pub(super) fn unfinished(mut self, former: &[Layout]) -> Self {
        self.stamp.fingerprint = None;
        self.former = former.iter().map(|layout| layout.ladders().to_vec()).collect();
        self
    }

    /// Returns the other layouts whose client roles may exist while the account gets `layout`; the oldest first.
    pub(super) fn former(&self, layout: &Layout) -> Vec<Layout> {
        let mut former: Vec<Layout> = Vec::new();
        for ladders in self.former.iter().chain([&self.layout]) {
            let one = Layout::new(ladders.clone());
            former.retain(|other| *other != one);
            if one != *layout && !one.is_empty() {
                former.push(one);
            }
        }
        former
    }

    pub(super) fn content(&self, display_name: &str, anomalies: Vec<Name>) -> AccountContent {
        AccountContent {
            display_name: display_name.into(),
            catalog: self.catalog.as_str().into(),
            layout: Layout::new(self.layout.clone()),
            owner: self.owner.as_deref().map(Email::as_stored),
            parent: self.parent.as_deref().and_then(AccountKey::parse),
            anomalies: anomalies.into(),
        }
    }
}

/// Roles and groups of an account, by the names of their realm groups. They distinguish a group that somebody removed
/// from one that never existed.
pub(super) type Definitions = BTreeMap<String, Defined>;

/// Role or group as it was last written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Defined {
    #[serde(flatten)]
    pub(super) stamp: Stamp,
    /// Id of its group in the realm.
    pub(super) id: String,
}

/// Removals that the guard counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Removals(Vec<(String, Timestamp)>);

impl Removals {
    /// Returns the removals not older than `since`.
    pub(super) fn recent(&self, since: Timestamp) -> Vec<RecentRemoval> {
        let recent = self.0.iter().filter(|(_, at)| *at >= since);
        recent.map(|(email, at)| RecentRemoval { email: Email::as_stored(email), at: *at }).collect()
    }

    /// Returns the removals together with new ones at `now`, without those older than `since`.
    pub(super) fn with<'a>(
        &self,
        emails: impl IntoIterator<Item = &'a Email>,
        now: Timestamp,
        since: Timestamp,
    ) -> Self {
        let new: Vec<_> = emails.into_iter().map(|email| (email.to_string(), now)).collect();
        let kept = self.0.iter().filter(|old| old.1 >= since && !new.contains(old));
        Self(kept.cloned().chain(new.iter().cloned()).collect())
    }
}

/// Reads a JSON attribute of a client; `None` if it is missing or cannot be parsed.
pub(super) fn read<T: serde::de::DeserializeOwned + Default>(
    attributes: Option<&HashMap<String, String>>,
    key: &str,
) -> Option<T> {
    serde_json::from_str(attributes?.get(key)?).ok()
}

/// Entry of a user for one account: owner, fingerprint, and content that Keycloak has no field for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Entry {
    /// Client id of the account.
    pub(super) account: String,
    #[serde(flatten)]
    pub(super) stamp: Stamp,
    /// Address by which the member is declared, and to which the user is pinned.
    pub(super) address: String,
    display_name: Option<String>,
    external_id: Option<String>,
    role: Option<String>,
    pub(super) groups: Vec<Name>,
    starts_at: Option<i64>,
    expires_at: Option<i64>,
    ended: Option<String>,
    /// Digests of the client roles that were granted, separated by commas. An earlier version kept one digest of all
    /// roles.
    granted: String,
    /// Proof that Roster wrote the entry for this user ([`super::seal`]); empty if that is not certain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) seal: String,
}

impl Entry {
    pub(super) fn new(account: &str, stamp: Stamp, email: &Email, content: &MemberContent, granted: &[String]) -> Self {
        let second = |at: Option<Timestamp>| at.map(Timestamp::as_second);
        Self {
            account: account.to_owned(),
            stamp,
            address: email.to_string(),
            display_name: content.display_name.as_deref().map(str::to_owned),
            external_id: content.external_id.as_deref().map(str::to_owned),
            role: content.role.as_ref().map(ToString::to_string),
            groups: content.groups.to_vec(),
            starts_at: second(content.window.starts_at),
            expires_at: second(content.window.expires_at),
            ended: content.ended.map(|end| end.as_str().to_owned()),
            granted: digests(granted.iter().map(String::as_str)),
            seal: String::new(),
        }
    }

    /// Returns the entry of a former member, with what is still known of it.
    pub(super) fn recalled(account: &str, stamp: &Stamp, address: &Email) -> Self {
        let stamp = Stamp { fingerprint: None, ..stamp.clone() };
        Self { account: account.to_owned(), stamp, address: address.to_string(), ..Self::default() }
    }

    /// Returns whether no client role was granted: access was revoked, or outside its time window.
    pub(super) fn granted_nothing(&self) -> bool {
        self.granted(std::iter::empty())
    }

    /// Returns whether exactly these client roles were granted; they must be sorted.
    pub(super) fn granted<'a>(&self, roles: impl Iterator<Item = &'a str> + Clone) -> bool {
        self.granted == digests(roles.clone()) || self.granted == former_digest(roles)
    }

    /// Returns whether a client role was granted that is not among `kept`. Returns `false` for entries of an earlier
    /// version, which do not tell.
    pub(super) fn granted_beyond(&self, kept: impl Iterator<Item = String>) -> bool {
        let kept: HashSet<String> = kept.map(|role| digest(&role)).collect();
        let granted = self.granted.split(',').filter(|one| one.len() == DIGEST);
        granted.into_iter().any(|one| !kept.contains(one))
    }

    /// Returns the entry for a write in progress: without fingerprint.
    pub(super) fn unfinished(mut self) -> Self {
        self.stamp.fingerprint = None;
        self
    }

    /// Returns the entry of this account among a user's values.
    pub(super) fn find(values: &[String], account: &str) -> Option<Self> {
        values.iter().filter_map(|value| Self::parse(value)).find(|entry| entry.account == account)
    }

    pub(super) fn parse(value: &str) -> Option<Self> {
        serde_json::from_str(value).ok()
    }

    /// Returns the member's content without permissions.
    pub(super) fn content(&self) -> MemberContent {
        let instant =
            |second: Option<i64>| second.map(|second| Timestamp::from_second(second).unwrap_or(Timestamp::MIN));
        let ended =
            self.ended.as_deref().map(|ended| RevocationReason::parse(ended).unwrap_or(RevocationReason::Suspended));
        MemberContent {
            display_name: self.display_name.as_deref().map(Into::into),
            external_id: self.external_id.as_deref().map(Into::into),
            role: self.role.as_deref().map(RoleName::parse),
            groups: self.groups.clone().into(),
            window: Window { starts_at: instant(self.starts_at), expires_at: instant(self.expires_at) },
            ended,
            ..MemberContent::default()
        }
    }
}

/// Length of the digest of one client role in hexadecimal digits; enough to distinguish the roles of one account.
const DIGEST: usize = 8;

fn digests<'a>(roles: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<String> = roles.map(digest).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(",") }
}

fn digest(role: &str) -> String {
    hex(&Sha256::digest(role)[..DIGEST / 2])
}

fn former_digest<'a>(roles: impl Iterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for role in roles {
        hash.update(role);
        hash.update([0]);
    }
    hex(&hash.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_and_an_invalid_one_is_ignored() {
        let mark = Mark { cluster: "c".into(), account: AccountKey::new("shop", "acme"), uid: "u".into() };
        let stamp = Stamp::new(&mark, &Fingerprint::new([0xa5; 16]));
        let attributes: HashMap<_, _> = stamp.attributes().collect();
        assert_eq!(Stamp::of(&attributes), stamp);
        assert_eq!(stamp.mark(&mark.account), Some(mark.clone()));
        assert_eq!(stamp.fingerprint(), Some(Fingerprint::new([0xa5; 16])));
        for text in ["", "a5", "zz", "éééééééééééééééé", &"g".repeat(32)] {
            assert_eq!(Stamp { fingerprint: Some(text.to_owned()), ..stamp.clone() }.fingerprint(), None, "{text}");
        }
        assert_eq!(Stamp::default().mark(&mark.account), None);
    }

    #[test]
    fn removals_are_kept_as_long_as_they_count() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let (ann, ben) = (Email::as_stored("ann@x.example"), Email::as_stored("ben@x.example"));
        let first = Removals::default().with([&ann], at(100), at(0));
        let again = first.with([&ann, &ben], at(100), at(0));
        assert_eq!(again.recent(at(100)).len(), 2, "the same removal is not counted twice");
        assert_eq!(again.recent(at(101)), []);
        assert_eq!(again.with([], at(700), at(101)), Removals::default());
    }

    #[test]
    fn an_entry_knows_what_was_granted_also_by_a_former_version() {
        let granted = |roles: &[&str]| Entry { granted: digests(roles.iter().copied()), ..Entry::default() };
        let both = granted(&["orders:Edit", "users:View"]);
        let former = Entry { granted: former_digest(["orders:Edit", "users:View"].into_iter()), ..Entry::default() };
        for entry in [&both, &former] {
            assert!(entry.granted(["orders:Edit", "users:View"].into_iter()) && !entry.granted_nothing());
            assert!(!entry.granted(["orders:Edit"].into_iter()));
        }
        let beyond = |entry: &Entry, kept: &[&str]| entry.granted_beyond(kept.iter().map(|&role| role.to_owned()));
        assert!(!beyond(&both, &["orders:View", "orders:Edit", "users:View"]));
        assert!(beyond(&both, &["orders:View", "users:View"]) && beyond(&both, &[]));
        assert!(!beyond(&former, &[]), "nobody knows");
        for nothing in [granted(&[]), Entry { granted: former_digest(std::iter::empty()), ..Entry::default() }] {
            assert!(nothing.granted_nothing() && !beyond(&nothing, &[]));
        }
    }
}
