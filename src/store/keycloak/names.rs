//! Names of Roster's attributes, clients, client roles and groups in a realm. Used by all other modules of this store.

use crate::model::{AccountKey, Layout, Name, Ranks, RoleName};

/// User attribute: one [`super::note::Entry`] for each account of which the user is a member.
pub(super) const ENTRIES: &str = "roster";
/// User attribute: client ids of those accounts, for searching.
pub(super) const ACCOUNTS: &str = "roster-account";
/// User attribute: address to which the user is pinned, even if the address in the realm changes.
pub(super) const ADDRESS: &str = "roster-address";
/// User attribute: cluster whose Roster created the user; absent for users created by somebody else.
pub(super) const MADE_BY: &str = "roster-made-by";
/// All user attributes. The realm's user profile declares them for administrators only.
pub(super) const USER_ATTRIBUTES: [&str; 4] = [ENTRIES, ACCOUNTS, ADDRESS, MADE_BY];

/// Client attribute: a [`super::note::Note`] as JSON.
pub(super) const NOTE: &str = "roster.account";
/// Client attribute: [`super::note::Definitions`] as JSON.
pub(super) const DEFINITIONS: &str = "roster.definitions";
/// Client attribute: [`super::note::Removals`] as JSON.
pub(super) const REMOVALS: &str = "roster.removals";
/// Client attribute: number of used approvals of removals.
pub(super) const APPROVALS: &str = "roster.approvals";
/// Attributes that identify the client of an account.
pub(super) const NOTES: [&str; 4] = [NOTE, DEFINITIONS, REMOVALS, APPROVALS];

/// Organization attribute that identifies Roster's organizations, also if the client is missing.
pub(super) const KIND: (&str, &str) = ("roster", "account");
/// Attribute of organizations and groups: cluster of the mark.
pub(super) const CLUSTER: &str = "roster.cluster";
/// Attribute of organizations and groups: UID of the Account of the mark.
pub(super) const UID: &str = "roster.uid";
/// Attribute of organizations and groups: fingerprint of the content that was last applied.
pub(super) const FINGERPRINT: &str = "roster.fingerprint";
/// Group attribute: exact name of the role or group.
pub(super) const NAME: &str = "roster.name";
/// Group attribute: title.
pub(super) const TITLE: &str = "title";
/// Group attribute: permissions of the role or group, as names of client roles.
pub(super) const PERMISSIONS: &str = "permissions";

/// Prefix of names in the realm. Converts between accounts and the name of their client, organization, client scope and
/// top-level group: `<prefix><namespace>/<name>`. A namespace has no slash, so no two accounts share a name.
#[derive(Clone, Debug)]
pub(super) struct Prefix(pub(super) String);

impl Prefix {
    pub(super) fn client_id(&self, account: &AccountKey) -> String {
        format!("{}{account}", self.0)
    }

    pub(super) fn account(&self, client_id: &str) -> Option<AccountKey> {
        let account = AccountKey::parse(client_id.strip_prefix(self.0.as_str())?)?;
        // A prefix ends with one of these characters, and no namespace has any: the account is of another Roster.
        (!account.namespace.contains(['.', ':'])).then_some(account)
    }
}

/// Returns the client role of a permission. A section's name has no colon.
pub(super) fn client_role(section: &str, level: &str) -> String {
    format!("{section}:{level}")
}

/// Returns all client roles of a layout.
pub(super) fn client_roles(layout: &Layout) -> impl Iterator<Item = String> + '_ {
    let ladders = layout.ladders().iter();
    ladders.flat_map(|ladder| ladder.levels.iter().skip(1).map(|level| client_role(&ladder.section, level)))
}

/// Returns the client roles of `ranks`, sorted.
pub(super) fn granted(layout: &Layout, ranks: &Ranks) -> Vec<String> {
    let mut granted: Vec<String> = layout.named(ranks).map(|(section, level)| client_role(section, level)).collect();
    granted.sort_unstable();
    granted
}

/// Returns the highest rank of each section among client roles, and the client roles that add nothing: lower ones and
/// unknown ones.
pub(super) fn ranks(layout: &Layout, roles: impl IntoIterator<Item = impl AsRef<str>>) -> (Ranks, Vec<String>) {
    let mut ranks = Ranks::none(layout.len());
    let mut other_roles = Vec::new();
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
                other_roles.extend(level.map(|(ladder, level)| client_role(&ladder.section, level)));
            }
            None => other_roles.push(role.to_owned()),
        }
    }
    (ranks, other_roles)
}

/// Returns the ranks that replace the client role of a removed level, by the last of the former layouts that has it;
/// `None` if the current layout has this role, or no former one had it.
pub(super) fn becomes(layout: &Layout, former: &[Layout], role: &str) -> Option<Ranks> {
    let has = |layout: &Layout| client_roles(layout).any(|one| one == role);
    let from = former.iter().rfind(|from| has(from)).filter(|_| !has(layout))?;
    Some(layout.translate(&ranks(from, [role]).0, from))
}

/// Like [`ranks`], but accepts client roles of former layouts and replaces each by its successor.
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
    let (mut ranks, other_roles) = ranks(layout, staying.collect::<Vec<_>>());
    ranks.raise_to(becoming.as_slice());
    (ranks, other_roles)
}

/// Returns whether a client role grants more than `ranks`, or is unknown in the layout.
pub(super) fn exceeds(layout: &Layout, role: &str, ranks: &Ranks) -> bool {
    let (alone, other_roles) = self::ranks(layout, [role]);
    let of = |section: usize| ranks.as_slice().get(section).copied().unwrap_or(0);
    !other_roles.is_empty() || alone.as_slice().iter().enumerate().any(|(section, rank)| *rank > of(section))
}

/// Role or group of an account that a realm group stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Definition {
    Role(RoleName),
    Group(Name),
}

impl Definition {
    /// Returns the name of its group in the realm.
    pub(super) fn group_name(&self) -> String {
        match self {
            Self::Role(name) => format!("role:{name}"),
            Self::Group(name) => format!("group:{name}"),
        }
    }

    /// Parses the name of a realm group; `None` if it is neither a role's nor a group's.
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

    /// Keycloak grants the union of roles: the highest one counts, and the others are reported.
    #[test]
    fn several_roles_of_one_section_count_as_the_highest_and_are_reported() {
        for roles in [["orders:View", "orders:Edit", "x:y"], ["orders:Edit", "orders:View", "x:y"]] {
            let (ranks, other_roles) = ranks(&layout(), roles);
            assert_eq!(ranks.as_slice(), [2, 0]);
            assert_eq!(other_roles, ["orders:View", "x:y"]);
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
