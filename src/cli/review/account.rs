//! Reviews one account from its objects and, if possible, its store. Called by `roster review`.

use jiff::Timestamp;

use super::{
    Setting, changes, held,
    report::{AccountReview, Counts, EndReason, Ended, Expiring, Lifted, Override, ReviewFinding},
    stored::{self, Stores},
};
use crate::{
    cli::people::{Person, people},
    evaluate::Judged,
    manifests::{AccountObjects, of_invited},
    model::{AccountKey, FindingKind, Findings, Layout, RoleName, Step},
    resolve::{AccountResolution, Definitions, Holder},
    state::MemberFacts,
};

/// Reviews one account; nothing where there is no such Account.
pub async fn review(setting: &Setting<'_>, stores: &mut Stores, key: &AccountKey) -> Option<AccountReview> {
    let loaded = setting.loaded;
    let entry = loaded.objects.accounts.get(key)?;
    let account = entry.account.as_ref()?;
    let resolved = loaded.judge(key, setting.now)?;
    let everybody = people(&resolved, entry);
    let layout = match &resolved.definitions.resolution {
        AccountResolution::Resolved(whole) => whole.catalog.layout.clone(),
        AccountResolution::Unresolvable => Layout::default(),
    };
    let mut review = AccountReview {
        account: key.to_string(),
        display_name: account.spec.display_name.clone().unwrap_or_else(|| account.name.to_string()),
        catalog: account.spec.catalog_ref.name.clone(),
        counts: Counts {
            roles: entry.roles.len(),
            groups: entry.groups.len(),
            invitations: entry.invitations.len(),
            ..Counts::default()
        },
        overrides: overrides(&resolved.definitions, entry),
        lifted: lifted(&resolved.definitions, entry),
        expiring: expiring(entry, setting),
        ended: ended(&everybody, setting.now),
        changes: setting.earlier.map(|earlier| changes::between(earlier, loaded, key, setting.now)),
        ..AccountReview::default()
    };
    findings(&resolved, entry, &everybody, &mut review);
    let from_objects = held::of_objects(&everybody, &review, layout.len(), setting.now);
    review.take(&from_objects, Some(&resolved.definitions), &layout);
    stored::add(setting, stores, key, &mut review).await;
    Some(review)
}

fn overrides(definitions: &Definitions, entry: &AccountObjects) -> Vec<Override> {
    let refs = entry.role_refs();
    let found = definitions.roles.iter().filter_map(|(name, role)| {
        let overrides = role.overrides.as_ref()?;
        Some(Override {
            role: name.to_string(),
            overrides: overrides.to_string(),
            members: definitions.holders(&RoleName::predefined(overrides), &refs),
            changes: role.changes_from_default.clone(),
        })
    });
    found.collect()
}

fn lifted(definitions: &Definitions, entry: &AccountObjects) -> Vec<Lifted> {
    let lifting = entry.members.values().filter(|facts| !facts.lift.is_empty());
    let found = lifting.filter_map(|facts| {
        Some(Lifted {
            email: facts.email.as_ref().ok()?.to_string(),
            membership: facts.name.to_string(),
            restrictions: facts.lift.iter().map(ToString::to_string).collect(),
            equal_to_owner: is_equal_to_owner(definitions, facts),
        })
    });
    found.collect()
}

fn is_equal_to_owner(definitions: &Definitions, facts: &MemberFacts) -> bool {
    let potential = definitions.potential(Holder::Member(facts));
    let sections = potential.map(|potential| potential.sections).unwrap_or_default();
    sections.iter().flat_map(|one| &one.steps).any(|step| matches!(step, Step::EqualToOwner { .. }))
}

fn expiring(entry: &AccountObjects, setting: &Setting<'_>) -> Vec<Expiring> {
    let found = entry.members.values().filter_map(|facts| {
        let expires_at = facts.expires_at?;
        (expires_at <= setting.now + setting.within).then(|| Expiring {
            email: facts.email.as_ref().map_or_else(|_| String::new(), ToString::to_string),
            membership: facts.name.to_string(),
            expires_at,
            expired: expires_at <= setting.now,
        })
    });
    let mut found: Vec<Expiring> = found.collect();
    found.sort_by(|one, other| (one.expires_at, &one.email).cmp(&(other.expires_at, &other.email)));
    found
}

fn ended(everybody: &[Person], now: Timestamp) -> Vec<Ended> {
    let ended = |person: &Person| {
        let (reason, since) = EndReason::of(person.withheld(now)?)?;
        let email = person.email.to_string();
        Some(Ended { email, reason, in_store_only: false, not_in_store_yet: false, absent: false, since })
    };
    everybody.iter().filter_map(ended).collect()
}

/// Adds advice that is not followed, and invalid objects.
fn findings(resolved: &Judged, entry: &AccountObjects, everybody: &[Person], review: &mut AccountReview) {
    let definitions = &resolved.definitions;
    let mut say = |object: String, findings: &Findings| {
        if let Some(reason) = findings.reason() {
            let (reason, message) = (Some(reason), findings.message());
            review.invalid.push(ReviewFinding { object: object.clone(), reason, message });
        }
        // Members whose time ends soon or has ended have their own section.
        let is_of_time = |kind: &FindingKind| matches!(kind, FindingKind::ExpiresSoon(_) | FindingKind::HasExpired(_));
        for advice in findings.advice().filter(|advice| !is_of_time(&advice.kind)) {
            review.advice.push(ReviewFinding { object: object.clone(), reason: None, message: advice.to_string() });
        }
    };
    if let Some(account) = &entry.account {
        let findings = definitions.account_findings(account, &entry.role_refs());
        say(format!("Account {}", account.name), &findings);
    }
    for name in entry.roles.keys() {
        say(format!("Role {name}"), &definitions.role_findings(name));
    }
    for name in entry.groups.keys() {
        say(format!("UserGroup {name}"), &definitions.group_findings(name));
    }
    for person in everybody {
        for (name, findings) in std::iter::zip(&person.memberships, &person.findings) {
            say(format!("Membership {name}"), findings);
        }
    }
    for facts in entry.members.values().filter(|facts| facts.email.is_err()) {
        say(format!("Membership {}", facts.name), &definitions.unaddressed(facts).findings);
    }
    let addresses = entry.addresses();
    for invitation in entry.invitations.values() {
        let findings = definitions.invitation(invitation, of_invited(&addresses, invitation));
        say(format!("Invitation {}", invitation.name), &findings);
    }
}
