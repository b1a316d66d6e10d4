//! Tests the rules that every kind of finding keeps: for its sentence, reason and size.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;

use super::*;
use crate::{
    api::{
        AccountType, DriftPolicy, Enforcement, InvalidReason,
        limits::{MAX_EMAIL, MAX_LABEL, MAX_LEVEL_NAME, MAX_NAME},
    },
    model::{AccountKey, Email, Grantor, InvalidEmail, KindName, Name},
};

/// Maximum length of a sentence with names at their bounds, in bytes.
const LONGEST: usize = 300;

/// Names for the samples; long ones are at the bounds of the schemas.
struct Names {
    object: Name,
    label: Name,
    level: Name,
    email: Email,
    text: String,
}

impl Names {
    fn short() -> Self {
        let email = Email::parse("dana@acme.example").unwrap();
        Self { object: "acme".into(), label: "docs".into(), level: "View".into(), email, text: "dana".to_owned() }
    }

    fn longest() -> Self {
        let name = |length: usize| Name::from("x".repeat(length));
        let email = Email::as_stored(&format!("{}@{}.example", "a".repeat(60), "b".repeat(MAX_EMAIL - 69)));
        assert_eq!(email.as_str().len(), MAX_EMAIL);
        let (object, label, level) = (name(MAX_NAME), name(MAX_LABEL), name(MAX_LEVEL_NAME));
        Self { object, label, level, email, text: "y".repeat(MAX_EMAIL) }
    }

    /// Returns one finding of every kind; lists have one name.
    #[expect(clippy::too_many_lines, reason = "a table: one line for each kind")]
    fn kinds(&self) -> Vec<FindingKind> {
        use FindingKind as Kind;
        let Self { object, label, level, email, text } = self;
        let (object, label, level, email) = (|| object.clone(), || label.clone(), || level.clone(), || email.clone());
        let account = || AccountKey { namespace: label(), name: object() };
        let unknown =
            || UnknownLevel { section: label(), level: level(), ladder: [level()].into(), near: Some(level()) };
        let other_type = || Unavailable::OtherAccountType {
            role: object(),
            available_in: [AccountType::Partner, AccountType::Managed].into(),
            account_type: AccountType::Standalone,
        };
        let words = || Box::<str>::from("Gone is gone");
        let refusal = ParentRefusal { parent: account(), namespace: label(), catalog: object() };
        let of_role =
            RolePrerequisite { role: object(), section: label(), level: level(), needs: label(), at: level() };
        let of_level = Prerequisite { section: label(), level: level(), needs: label(), at: level(), left: level() };
        let all = [label(), object()].into();
        let first = CatalogFault {
            field: FieldPath::spec("roles").item(&label()),
            kind: CatalogFaultKind::UnknownSection(misspelt(label())),
        };
        let domain = InvalidEmail::Domain(text.clone(), text.clone());
        let mut kinds = vec![
            Kind::AccountMissing(account()),
            Kind::CatalogMissing(object()),
            Kind::StoreMissing(object()),
            Kind::NamespaceNotAdmitted(Box::new(NamespaceRefusal {
                by: KindName::PermissionCatalog,
                name: object(),
                namespace: label(),
                labels: Some(LabelMismatch { selector: object(), has: Some(object()) }),
            })),
            Kind::CatalogBroken { catalog: object(), first: Box::new(first) },
            Kind::ParentRefused(Box::new(refusal)),
            Kind::ApprovalPending(account()),
            Kind::OwnerMissing { role: object() },
            Kind::OwnerStays(email()),
            Kind::OwnerWithoutRole,
            Kind::LooserThanStore {
                own: SettingValue::DriftPolicy(DriftPolicy::Report),
                store: SettingValue::DriftPolicy(DriftPolicy::Correct),
            },
            Kind::EnforcementWithoutEffect(Enforcement::Warn),
            Kind::TooFewHolders { role: object(), holders: u64::MAX, minimum: u32::MAX, message: Some(words()) },
            Kind::TooManyHolders { role: object(), holders: u64::MAX, maximum: u32::MAX, message: None },
            Kind::RoleHeld { role: object(), message: words() },
            Kind::RoleCannotStandAlone(Box::new(of_role)),
            Kind::PortalClientMissing(object()),
            Kind::PortalClientUnscoped(object()),
            Kind::UnknownSection(misspelt(label())),
            Kind::UnknownLevel(Box::new(unknown())),
            Kind::NotApplicable(label()),
            Kind::NotOverridable(object()),
            Kind::OverriddenTwice(object()),
            Kind::CustomRolesForbidden,
            Kind::NameIsPredefined { role: object(), is_override: true },
            Kind::LeftOut { section: label(), role: object() },
            Kind::CannotStandAlone(Box::new(of_level)),
            Kind::Advisory { level: level(), advisory: Arc::new(Advisory { section: label(), message: words() }) },
            Kind::GroupForbidden,
            Kind::PredefinedRoleMissing { role: Unknown::alone(&object()), is_custom: true },
            Kind::RoleMissing { role: misspelt(object()), is_predefined: false },
            Kind::RoleIsOverride { role: object(), overrides: object() },
            Kind::RoleInvalid { role: object(), reason: Some(InvalidReason::DuplicateMembership) },
            Kind::RoleUnavailable(Unavailable::HeldByOwner { role: object() }),
            Kind::DefaultRoleUnavailable(other_type()),
            Kind::RoleRequired,
            Kind::GroupRefsForbidden,
            Kind::GroupMissing(misspelt(object())),
            Kind::RestrictionMissing(misspelt(label())),
            Kind::ConfirmationMissing(label()),
            Kind::ManagedCatalogMissing(misspelt(object())),
            Kind::GrantableRoleMissing(misspelt(label())),
            Kind::ApprovedAccountMissing { account: Box::new(account()), near: None },
            Kind::LiftWithoutEffect(label()),
            Kind::ConfirmsNothing(misspelt(label())),
            Kind::RestrictionsWithoutEffect { lifted: label(), applied: [label()].into() },
            Kind::HeldAtMost(Grantor::Group(object())),
            Kind::OwnerBlocked(object()),
            Kind::AddressInvalid(Box::new(domain)),
            Kind::AddressLocal(email()),
            Kind::Unreadable("invalid type".into()),
            Kind::OwnerIsMember(email()),
            Kind::OwnerIsInvited(email()),
            Kind::DuplicateMembership(Box::new(DuplicateMembership { email: email(), own: label(), all })),
            Kind::InvitationMissing(object()),
            Kind::ExpiresSoon(Timestamp::MAX),
            Kind::HasExpired(Timestamp::MIN),
            Kind::InvitationWithoutEffect,
            Kind::MemberIsInvited(object()),
            Kind::InvitationOnly,
            Kind::PlanNotEligible { feature: label(), account: object() },
            Kind::ChangesHeld { changes: 2, hash: object() },
            Kind::Unauthorized(Box::new(Unauthorized { by: Some(object()), gone: None, why: "spec: this".into() })),
        ];
        let mut of_account = FindingsBuilder::new(KindName::Account, "east", "acme");
        of_account.add("spec.catalogRef", Kind::CatalogMissing("x".into()));
        kinds.push(Kind::Account(Arc::new(of_account.finish())));
        kinds.extend(self.catalog_faults().into_iter().map(Kind::Catalog));
        kinds.extend(self.without_effect().into_iter().map(|part| Kind::WithoutEffect(Box::new(part))));
        kinds
    }

    fn without_effect(&self) -> Vec<WithoutEffect> {
        let (label, level) = (|| self.label.clone(), || self.level.clone());
        vec![
            WithoutEffect::Requires { section: label(), level: level() },
            WithoutEffect::Cap { section: label(), level: level() },
            WithoutEffect::Separation { maximum: u32::MAX, named: 2 },
            WithoutEffect::Block(self.email.clone()),
            WithoutEffect::Override(label()),
            WithoutEffect::Apply(label()),
            WithoutEffect::Confirmation(label()),
        ]
    }

    fn catalog_faults(&self) -> Vec<CatalogFaultKind> {
        use CatalogFaultKind as Kind;
        let (label, level, role) = (|| self.label.clone(), || self.level.clone(), || self.object.clone());
        vec![
            Kind::UnknownSection(misspelt(label())),
            Kind::UnknownLevel(Box::new(UnknownLevel {
                section: label(),
                level: level(),
                ladder: [level()].into(),
                near: None,
            })),
            Kind::UnknownRole(misspelt(role())),
            Kind::LevelCount,
            Kind::RepeatedLevel,
            Kind::Repeated,
            Kind::RequiresItself,
            Kind::FirstLevelRequires(level()),
            Kind::Circle([(label(), level())].into()),
            Kind::NoOwnerRole,
            Kind::HolderLimits { minimum: u32::MAX, maximum: 0 },
            Kind::AllAndSome,
            Kind::NotApplicable { section: label(), level: level() },
            Kind::OwnerRoleOverridable,
            Kind::DefaultRoleHeldByOwner(role()),
        ]
    }
}

/// Returns a name that does not exist, with a suggestion of the same length.
fn misspelt(near: Name) -> Unknown {
    Unknown { name: near.clone(), near: Some(near) }
}

/// Returns the variants of an enum, as its source lists them.
fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let (_, body) = source.split_once(&format!("pub enum {name} {{\n")).unwrap();
    let (body, _) = body.split_once("\n}\n").unwrap();
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let starts = lines.filter(|line| line.starts_with(char::is_uppercase));
    starts.map(|line| line.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned()).collect()
}

fn variant(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned()
}

#[test]
fn every_kind_is_among_the_samples() {
    let names = Names::short();
    let found: BTreeSet<String> = names.kinds().iter().map(variant).collect();
    assert_eq!(found, variants(include_str!("kinds.rs"), "FindingKind"));
    let found: BTreeSet<String> = names.catalog_faults().iter().map(variant).collect();
    assert_eq!(found, variants(include_str!("catalog.rs"), "CatalogFaultKind"));
    let found: BTreeSet<String> = names.without_effect().iter().map(variant).collect();
    assert_eq!(found, variants(include_str!("without_effect.rs"), "WithoutEffect"));
}

#[test]
fn every_sentence_is_whole_and_of_bounded_length() {
    for names in [Names::short(), Names::longest()] {
        for kind in names.kinds() {
            let sentence = kind.to_string();
            assert!(!sentence.is_empty() && !sentence.ends_with(['.', ' ', ':']), "{sentence}");
            for leftover in ["%", "{", "}", "  ", "()", "\n"] {
                assert!(!sentence.contains(leftover), "{leftover:?} in {sentence}");
            }
            assert!(sentence.len() <= LONGEST, "{} bytes: {sentence}", sentence.len());
        }
    }
}

#[test]
fn every_reason_is_given_by_some_kind() {
    let given: BTreeSet<InvalidReason> = Names::short().kinds().iter().filter_map(FindingKind::reason).collect();
    let missing: Vec<InvalidReason> = InvalidReason::ALL.into_iter().filter(|one| !given.contains(one)).collect();
    assert_eq!(missing, []);
}

/// An account may have very many members, each with findings.
#[test]
fn findings_are_small_and_those_of_the_account_are_shared() {
    assert!(size_of::<FindingKind>() <= 64, "{}", size_of::<FindingKind>());
    assert!(size_of::<Findings>() <= 24, "{}", size_of::<Findings>());
    let mut of_account = FindingsBuilder::new(KindName::Account, "east", "acme");
    of_account.add("spec.catalogRef", FindingKind::CatalogMissing("x".into()));
    of_account.add_whole(FindingKind::ApprovalPending(AccountKey::new("west", "parent")));
    let shared = Arc::new(of_account.finish());
    let mut of_member = FindingsBuilder::new(KindName::Membership, "east", "dana");
    of_member.add_whole(FindingKind::Account(shared.clone()));
    let found = of_member.finish();
    assert_eq!((Arc::strong_count(&shared), found.clone().reason()), (2, Some(InvalidReason::CatalogNotFound)));
    assert_eq!(
        found.message(),
        "account \"acme\": spec.catalogRef: there is no PermissionCatalog \"x\"; ApprovalPending: waits for approval: \
         Account west/parent must list this account in spec.managedAccounts.approved"
    );
}

#[test]
fn a_message_begins_with_the_reason_shown_and_advice_stands_apart() {
    let mut builder = FindingsBuilder::new(KindName::Membership, "east", "dana");
    builder.add("spec.restrictions", FindingKind::RestrictionMissing(Unknown::alone("r")));
    builder.add_whole(FindingKind::RoleHeld { role: "admin".into(), message: "Enough".into() });
    builder.add("spec.roleRef", FindingKind::RoleMissing { role: Unknown::alone("x"), is_predefined: false });
    let mut found = builder.finish();
    assert_eq!(found.reason(), Some(InvalidReason::RoleNotFound));
    let message = "spec.roleRef: this account has no Role \"x\"; \
                   RestrictionNotFound: spec.restrictions: the catalog has no restriction \"r\"";
    assert_eq!(found.message(), message);
    assert_eq!(found.advice_message(), "role admin: Enough");
    assert!(!found.clone().set_advice(found.clone()), "as it was");
    assert!(found.set_advice(Findings::default()));
    assert_eq!((found.message().as_str(), found.advice_message().as_str()), (message, ""));
    assert!(!Findings::default().set_advice(found), "faults are no advice");
}

#[test]
fn a_path_is_written_as_it_is_built() {
    let path = FieldPath::spec("sections").item("docs").field("levels");
    assert_eq!(path.to_string(), "spec.sections[docs].levels");
    assert_eq!(serde_json::to_value(&path).unwrap(), "spec.sections[docs].levels");
    assert!(FieldPath::WHOLE.is_whole() && !path.is_whole());
}

/// Any number of faults, advice or duplicates must give a message of readable length.
#[test]
fn at_most_five_findings_are_listed_and_the_rest_counted() {
    let mut builder = FindingsBuilder::new(KindName::Role, "east", "cells");
    for number in 0..7 {
        builder.add("spec.permissions", FindingKind::UnknownSection(Unknown::alone(&format!("s{number}"))));
        let advisory = Arc::new(Advisory { section: format!("s{number}").into(), message: "Gone".into() });
        builder.add_whole(FindingKind::Advisory { level: "Edit".into(), advisory });
    }
    builder.add("spec.overrides", FindingKind::NotOverridable("clerk".into()));
    let found = builder.finish();
    let message = found.message();
    assert!(message.contains("section \"s4\"; and 2 more of UnknownSection; NotApplicable: "), "{message}");
    assert!(!message.contains("s5"), "{message}");
    let advice = found.advice_message();
    assert!(advice.contains("s4") && !advice.contains("s5") && advice.ends_with("; and 2 more"), "{advice}");

    let all: Arc<[Name]> = (0..10_000).map(|number| format!("m{number}").into()).collect();
    let sentence_of = |own: &str| {
        let duplicate = DuplicateMembership { email: Names::short().email, own: own.into(), all: all.clone() };
        FindingKind::DuplicateMembership(Box::new(duplicate)).to_string()
    };
    assert!(sentence_of("m0").contains("(also m1, m2, m3, m4, m5 and 9994 more)"), "{}", sentence_of("m0"));
    assert!(sentence_of("m9").contains("(also m0, m1, m2, m3, m4 and 9994 more)"), "{}", sentence_of("m9"));
}

#[test]
fn a_name_that_nothing_has_comes_with_the_one_that_is_near() {
    let section = |name: &str| FindingKind::UnknownSection(Unknown::among(name, ["orders", "settings"]));
    assert_eq!(section("order").to_string(), "the catalog has no section \"order\"; did you mean \"orders\"?");
    assert_eq!(format!("{:#}", section("order")), "the catalog has no section \"order\"", "for who has more to say");
    assert_eq!(section("order").near(), Some("orders"));
    assert_eq!(section("billing").to_string(), "the catalog has no section \"billing\"", "nothing is near");
    assert_eq!(section("billing").near(), None);
    let role = CatalogFaultKind::UnknownRole(Unknown::among("clrek", ["clerk"]));
    assert_eq!(
        FindingKind::Catalog(role).to_string(),
        "role \"clrek\" is not among spec.roles; did you mean \"clerk\"?"
    );
}
