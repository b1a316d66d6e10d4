//! What accounts, permissions and everything else of ours are called in a realm.

use crate::model::{AccountKey, Layout, Name, Ranks, RoleName};

/// Attribute of a user: one [`super::note::Entry`] for each account they are a member of.
pub(super) const ENTRIES: &str = "roster";
/// Attribute of a user: the client ids of those accounts, to search by.
pub(super) const ACCOUNTS: &str = "roster-account";
/// Attribute of a user: the address they are pinned to, whatever their address in the realm becomes.
pub(super) const ADDRESS: &str = "roster-address";
/// Attribute of a user: the cluster whose Roster made them; absent where somebody else did.
pub(super) const MADE_BY: &str = "roster-made-by";
/// All of them: declared in the realm's user profile, for administrators only.
pub(super) const USER_ATTRIBUTES: [&str; 4] = [ENTRIES, ACCOUNTS, ADDRESS, MADE_BY];

/// Attribute of a client, as JSON: a [`super::note::Note`].
pub(super) const NOTE: &str = "roster.account";
/// Attribute of a client, as JSON: [`super::note::Definitions`].
pub(super) const DEFINITIONS: &str = "roster.definitions";
/// Attribute of a client, as JSON: [`super::note::Removals`].
pub(super) const REMOVALS: &str = "roster.removals";
/// Attribute of an account's client: how many approvals of removals were used up.
pub(super) const APPROVALS: &str = "roster.approvals";
/// Attributes by which the client of an account is known.
pub(super) const NOTES: [&str; 4] = [NOTE, DEFINITIONS, REMOVALS, APPROVALS];

/// Attribute of an organization: whose it is, so that it is found and known also without its client.
pub(super) const KIND: (&str, &str) = ("roster", "account");
/// Attributes of organizations and groups: the mark.
pub(super) const CLUSTER: &str = "roster.cluster";
/// See [`CLUSTER`].
pub(super) const UID: &str = "roster.uid";
/// Attribute of organizations and groups: of what was last applied.
pub(super) const FINGERPRINT: &str = "roster.fingerprint";
/// Attribute of a group: the role's or group's exact name.
pub(super) const NAME: &str = "roster.name";
/// Attribute of a group: its title.
pub(super) const TITLE: &str = "title";
/// Attribute of a group: what it stands for, as names of client roles.
pub(super) const PERMISSIONS: &str = "permissions";

/// The account of a client id, organization, client scope or top-level group, and back: `<prefix><namespace>/<name>`. A
/// namespace has no slash, so no two accounts share one.
#[derive(Clone, Debug)]
pub(super) struct Prefix(pub(super) String);

impl Prefix {
    pub(super) fn client_id(&self, account: &AccountKey) -> String {
        format!("{}{account}", self.0)
    }

    pub(super) fn account(&self, client_id: &str) -> Option<AccountKey> {
        let account = AccountKey::parse(client_id.strip_prefix(self.0.as_str())?)?;
        // A prefix ends with one of these, and no namespace has any: so it is the account of another Roster.
        (!account.namespace.contains(['.', ':'])).then_some(account)
    }
}

/// The client role of a permission. A section's name has no colon.
pub(super) fn client_role(section: &str, level: &str) -> String {
    format!("{section}:{level}")
}

/// All client roles of a layout.
pub(super) fn client_roles(layout: &Layout) -> impl Iterator<Item = String> + '_ {
    let ladders = layout.ladders().iter();
    ladders.flat_map(|ladder| ladder.levels.iter().skip(1).map(|level| client_role(&ladder.section, level)))
}

/// The client roles of `ranks`.
pub(super) fn granted(layout: &Layout, ranks: &Ranks) -> Vec<String> {
    let mut granted: Vec<String> = layout.named(ranks).map(|(section, level)| client_role(section, level)).collect();
    granted.sort_unstable();
    granted
}

/// The highest rank of each section among client roles, and the client roles that say nothing beside them.
pub(super) fn ranks(layout: &Layout, roles: impl IntoIterator<Item = impl AsRef<str>>) -> (Ranks, Vec<String>) {
    let mut ranks = Ranks::none(layout.len());
    let mut beside = Vec::new();
    for role in roles {
        let role = role.as_ref();
        let place = role.split_once(':').and_then(|(section, level)| {
            let place = layout.ladders().iter().position(|ladder| ladder.section == section)?;
            let rank = layout.ladders().get(place)?.levels.iter().position(|name| name == level)?;
            Some((place, u8::try_from(rank).ok().filter(|rank| *rank > 0)?))
        });
        let slot = place.and_then(|(place, rank)| Some((ranks.as_mut_slice().get_mut(place)?, place, rank)));
        match slot {
            Some((slot, ..)) if *slot == 0 => *slot = place.map_or(0, |(_, rank)| rank),
            Some((slot, place, rank)) => {
                let lower = rank.min(*slot);
                *slot = rank.max(*slot);
                let ladder = layout.ladders().get(place);
                let level = ladder.and_then(|ladder| Some((ladder, ladder.levels.get(usize::from(lower))?)));
                beside.extend(level.map(|(ladder, level)| client_role(&ladder.section, level)));
            }
            None => beside.push(role.to_owned()),
        }
    }
    (ranks, beside)
}

/// Returns the ranks that a client role becomes whose level goes, by the last of the former layouts that knows it; `None` where the
/// layout has this role, or no former one had.
pub(super) fn becomes(layout: &Layout, former: &[Layout], role: &str) -> Option<Ranks> {
    let has = |layout: &Layout| client_roles(layout).any(|one| one == role);
    let from = former.iter().rfind(|from| has(from)).filter(|_| !has(layout))?;
    Some(layout.translate(&ranks(from, [role]).0, from))
}

/// Like [`ranks`], but client roles may still be those of former layouts: each is taken for what it becomes.
pub(super) fn ranks_becoming<'r>(
    layout: &Layout,
    former: &[Layout],
    roles: impl Iterator<Item = &'r str>,
) -> (Ranks, Vec<String>) {
    let mut becoming = Ranks::none(layout.len());
    let staying = roles.filter(|role| match becomes(layout, former, role) {
        Some(ranks) => {
            becoming.raise_to(ranks.as_slice());
            false
        }
        None => true,
    });
    let (mut ranks, beside) = ranks(layout, staying.collect::<Vec<_>>());
    ranks.raise_to(becoming.as_slice());
    (ranks, beside)
}

/// Whether a client role gives more than `ranks`, or something that the layout does not know.
pub(super) fn exceeds(layout: &Layout, role: &str, ranks: &Ranks) -> bool {
    let (alone, beside) = self::ranks(layout, [role]);
    let of = |section: usize| ranks.as_slice().get(section).copied().unwrap_or(0);
    !beside.is_empty() || alone.as_slice().iter().enumerate().any(|(section, rank)| *rank > of(section))
}

/// What a group of an account stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Definition {
    Role(RoleName),
    Group(Name),
}

impl Definition {
    /// The name of its group in the realm.
    pub(super) fn group_name(&self) -> String {
        match self {
            Self::Role(name) => format!("role:{name}"),
            Self::Group(name) => format!("group:{name}"),
        }
    }

    /// What a group with this name stands for.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name.split_once(':')? {
            ("role", name) => Some(Self::Role(RoleName::parse(name))),
            ("group", name) => Some(Self::Group(name.into())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Ladder;

    fn layout() -> Layout {
        let ladder = |section: &str, levels: &[&str]| Ladder {
            section: section.into(),
            levels: levels.iter().map(|level| Name::new(level)).collect(),
        };
        Layout::new(vec![ladder("orders", &["Hide", "View", "Edit"]), ladder("pay", &["Denied", "Allowed: all"])])
    }

    #[test]
    fn permissions_are_client_roles_and_back() {
        let layout = layout();
        assert_eq!(client_roles(&layout).collect::<Vec<_>>(), ["orders:View", "orders:Edit", "pay:Allowed: all"]);
        let some: Ranks = [2, 1].into_iter().collect();
        assert_eq!(granted(&layout, &some), ["orders:Edit", "pay:Allowed: all"]);
        assert_eq!(ranks(&layout, granted(&layout, &some)), (some, vec![]));
        assert_eq!(ranks(&layout, [] as [&str; 0]), (Ranks::none(2), vec![]));
    }

    /// Grants are unions in Keycloak: the highest counts, and what else is there is told.
    #[test]
    fn several_roles_of_one_section_are_the_highest_and_told() {
        for roles in [["orders:View", "orders:Edit", "x:y"], ["orders:Edit", "orders:View", "x:y"]] {
            let (ranks, beside) = ranks(&layout(), roles);
            assert_eq!(ranks.as_slice(), [2, 0]);
            assert_eq!(beside, ["orders:View", "x:y"]);
        }
        assert_eq!(ranks(&layout(), ["orders:Hide", "nothing"]).1, ["orders:Hide", "nothing"]);
    }

    #[test]
    fn a_role_exceeds_what_is_below_it_in_its_section_only() {
        let some: Ranks = [1, 1].into_iter().collect();
        for (role, more) in [
            ("orders:View", false),
            ("orders:Edit", true),
            ("pay:Allowed: all", false),
            ("orders:Gone", true),
            ("x:y", true),
            ("z", true),
        ] {
            assert_eq!(exceeds(&layout(), role, &some), more, "{role}");
        }
        assert!(exceeds(&layout(), "orders:View", &Ranks::none(2)));
    }

    #[test]
    fn a_level_that_goes_is_what_it_becomes_by_the_last_layout_that_had_it() {
        let ladder = |levels: &[&str]| Ladder {
            section: "orders".into(),
            levels: levels.iter().map(|level| Name::new(level)).collect(),
        };
        let of = |levels| Layout::new(vec![ladder(levels)]);
        let former = [of(&["Hide", "View", "Edit", "Own"]), of(&["Hide", "Own", "View", "Edit"])];
        let now = of(&["Hide", "View", "Edit"]);
        let becomes = |role| becomes(&now, &former, role).map(|ranks| ranks.as_slice()[0]);
        assert_eq!((becomes("orders:Own"), becomes("orders:Edit"), becomes("x:y")), (Some(0), None, None));
        let former = &former[..1];
        let of = |roles: &[&str]| ranks_becoming(&now, former, roles.iter().copied());
        assert_eq!(of(&["orders:Own"]), ([2].into_iter().collect(), vec![]));
        assert_eq!(of(&["orders:Own", "orders:Edit"]), ([2].into_iter().collect(), vec![]));
        assert_eq!(of(&["orders:Own", "x:y"]), ([2].into_iter().collect(), vec!["x:y".to_owned()]));
        assert_eq!(ranks_becoming(&now, &[], ["orders:Own"].into_iter()).0, Ranks::none(1));
    }

    #[test]
    fn accounts_have_client_ids_and_back() {
        for prefix in ["", "prod."] {
            let prefix = Prefix(prefix.to_owned());
            let key = AccountKey::new("shop", "acme");
            assert_eq!(prefix.account(&prefix.client_id(&key)), Some(key));
            assert_eq!(prefix.account("account-console"), None);
        }
        for (prefix, other) in
            [("prod.", "shop/acme"), ("", "prod.shop/acme"), ("", "prod:shop/acme"), ("prod.", "prod.eu.shop/acme")]
        {
            assert_eq!(Prefix(prefix.to_owned()).account(other), None, "{prefix} {other}");
        }
    }

    #[test]
    fn definitions_have_groups_and_back() {
        for definition in [
            Definition::Role(RoleName::predefined("admin")),
            Definition::Role(RoleName::custom("admin")),
            Definition::Group("desk".into()),
        ] {
            assert_eq!(Definition::parse(&definition.group_name()), Some(definition));
        }
        assert_eq!(Definition::parse("desk"), None);
    }
}
