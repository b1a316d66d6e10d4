//! Writes drift as sentences: the value in the store, and the value that it should have. Called by `report` for
//! conditions and events, and by the CLI.

use crate::{
    api::DriftEntry,
    model::{agree, counted},
    plan::ABSENT,
    resolve::RevocationReason,
};

/// Returns an entry as a sentence without a full stop: `ada@x.example has the role owner, not viewer`.
#[must_use]
pub fn drift_sentence(entry: &DriftEntry) -> String {
    let who = match entry.object.strip_prefix("member ") {
        Some(email) => email,
        None if entry.object == "account" => "the account",
        None => &entry.object,
    };
    let there = |text: &str| if text == ABSENT || text.is_empty() { None } else { Some(text.to_owned()) };
    let (observed, desired) = (there(&entry.observed), there(&entry.desired));
    if let Some(section) = entry.field.strip_prefix("permissions.") {
        return format!("{who} has the level {} in section {section}, not {}", entry.observed, entry.desired);
    }
    // Somebody else wrote these values, so they may contain any characters.
    let quoted = |noun: &str| has(who, noun, observed.as_ref().map(quote), desired.as_ref().map(quote));
    match entry.field.as_str() {
        "object" if is_unmanaged(entry) => {
            let has = observed.map_or_else(String::new, |has| format!(" ({has})"));
            format!("{who} is an undeclared member{has}")
        }
        "object" => format!("{who} is missing in the store"),
        "displayName" => quoted("display name"),
        "externalId" => quoted("external ID"),
        "title" => quoted("title"),
        "role" | "catalog" | "owner" | "parent" => has(who, &entry.field, observed, desired),
        "groups" if desired.is_none() => format!("{who} is in {}, and should be in none", groups(&entry.observed)),
        "groups" => format!("{who} is in {}, not in {}", groups(&entry.observed), groups(&entry.desired)),
        "startsAt" => time(who, ["starts", "start"], observed, desired),
        "expiresAt" => time(who, ["ends", "end"], observed, desired),
        "ended" => match (observed.map(ended), desired.map(ended)) {
            (Some(is), Some(should)) => format!("{who} is {is}, not {should}"),
            (Some(is), None) => format!("{who} is {is}, and should not be"),
            (None, Some(should)) => format!("{who} is not {should}, and should be"),
            (None, None) => format!("{who} is unchanged"),
        },
        "sections" => format!("{who} has {}, not {}", entry.observed, entry.desired),
        "anomalies" => format!("the entry of {who} in the store is irregular: {}", entry.observed),
        field => format!("the {field} of {who} is {}, not {}", entry.observed, entry.desired),
    }
}

/// Returns the first `shown` entries as sentences, and the number of the others followed by `rest`.
pub(super) fn sentences(entries: &[DriftEntry], shown: usize, rest: &str) -> String {
    let text = entries.iter().take(shown).map(drift_sentence).collect::<Vec<_>>().join("; ");
    match entries.len().saturating_sub(shown) {
        0 => text,
        more => format!("{text}; and {more} more{rest}"),
    }
}

/// Returns how many entries stay uncorrected, and the field of the Account or the store that would have them corrected.
pub(super) fn drift_advice(entries: &[DriftEntry]) -> String {
    let unmanaged = entries.iter().filter(|entry| is_unmanaged(entry)).count();
    let fields = entries.len() - unmanaged;
    let mut parts = Vec::new();
    if fields > 0 || unmanaged == 0 {
        let what = if fields == 0 {
            "the store differs".to_owned()
        } else {
            format!("{} {} in the store", counted(fields, "field"), agree(&fields, "differs", "differ"))
        };
        let them = agree(&fields.max(1), "it", "them");
        parts.push(format!("{what}, and drift.policy is Report; set drift.policy: Correct to have {them} corrected"));
    }
    if unmanaged > 0 {
        parts.push(format!(
            "the store has {}; set drift.unmanaged: Remove to remove {}",
            counted(unmanaged, "undeclared member"),
            agree(&unmanaged, "it", "them")
        ));
    }
    parts.join("; ")
}

/// Returns the address of the undeclared member that an entry is about; `None` if it is about something else.
#[must_use]
pub fn undeclared_member(entry: &DriftEntry) -> Option<&str> {
    entry.object.strip_prefix("member ").filter(|_| is_unmanaged(entry))
}

/// Returns whether an entry is about an undeclared member. For these `drift.unmanaged` decides, not `drift.policy`.
fn is_unmanaged(entry: &DriftEntry) -> bool {
    entry.field == "object" && entry.desired == ABSENT
}

fn has(who: &str, noun: &str, observed: Option<String>, desired: Option<String>) -> String {
    match (observed, desired) {
        (Some(has), Some(should)) => format!("{who} has the {noun} {has}, not {should}"),
        (Some(has), None) => format!("{who} has the {noun} {has}, and should have none"),
        (None, Some(should)) => format!("{who} has no {noun}, and should have {should}"),
        (None, None) => format!("{who} has no {noun}"),
    }
}

fn time(who: &str, [verb, noun]: [&str; 2], observed: Option<String>, desired: Option<String>) -> String {
    match (observed, desired) {
        (Some(at), Some(should)) => format!("access of {who} {verb} at {at}, not at {should}"),
        (Some(at), None) => format!("access of {who} {verb} at {at}, and should have no {noun}"),
        (None, Some(should)) => format!("access of {who} has no {noun}, and should {noun} at {should}"),
        (None, None) => format!("access of {who} has no {noun}"),
    }
}

fn groups(names: &str) -> String {
    match names {
        "" => "no group".to_owned(),
        names if names.contains([' ', ',']) => format!("the groups {names}"),
        name => format!("the group {name}"),
    }
}

fn ended(word: String) -> String {
    match RevocationReason::parse(&word) {
        Some(RevocationReason::Blocked) => "blocked".to_owned(),
        Some(RevocationReason::AccountSuspended) => "suspended with the account".to_owned(),
        Some(RevocationReason::NotApproved) => "without access until the account is approved".to_owned(),
        Some(RevocationReason::Suspended) => "suspended".to_owned(),
        None => word,
    }
}

fn quote(text: &String) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(object: &str, field: &str, desired: &str, observed: &str) -> DriftEntry {
        let [object, field, desired, observed] = [object, field, desired, observed].map(str::to_owned);
        DriftEntry { object, field, desired, observed }
    }

    #[test]
    fn every_field_has_a_sentence() {
        let dana = "member dana@acme.example";
        for (object, field, desired, observed, sentence) in [
            (dana, "role", "viewer", "owner", "dana@acme.example has the role owner, not viewer"),
            (dana, "role", "viewer", ABSENT, "dana@acme.example has no role, and should have viewer"),
            (dana, "role", ABSENT, "owner", "dana@acme.example has the role owner, and should have none"),
            (
                dana,
                "permissions.docs",
                "View",
                "Edit",
                "dana@acme.example has the level Edit in section docs, not View",
            ),
            (dana, "object", ABSENT, "", "dana@acme.example is an undeclared member"),
            (
                dana,
                "object",
                ABSENT,
                "role admin, docs=Edit",
                "dana@acme.example is an undeclared member (role admin, docs=Edit)",
            ),
            (dana, "object", "present", ABSENT, "dana@acme.example is missing in the store"),
            (
                dana,
                "groups",
                "",
                "desk, night",
                "dana@acme.example is in the groups desk, night, and should be in none",
            ),
            (dana, "groups", "desk", "", "dana@acme.example is in no group, not in the group desk"),
            (dana, "groups", "desk", "night", "dana@acme.example is in the group night, not in the group desk"),
            (dana, "ended", "Suspended", ABSENT, "dana@acme.example is not suspended, and should be"),
            (dana, "ended", ABSENT, "Blocked", "dana@acme.example is blocked, and should not be"),
            (dana, "startsAt", "T1", "T2", "access of dana@acme.example starts at T2, not at T1"),
            (dana, "expiresAt", "T1", ABSENT, "access of dana@acme.example has no end, and should end at T1"),
            (dana, "expiresAt", ABSENT, "T2", "access of dana@acme.example ends at T2, and should have no end"),
            (dana, "externalId", "7", "8\n", "dana@acme.example has the external ID \"8\\n\", not \"7\""),
            ("account", "displayName", "Acme", "Emca", "the account has the display name \"Emca\", not \"Acme\""),
            ("account", "owner", "a@x.example", ABSENT, "the account has no owner, and should have a@x.example"),
            ("role custom:night", "title", "Night", "Day", "role custom:night has the title \"Day\", not \"Night\""),
            ("group desk", "object", "present", ABSENT, "group desk is missing in the store"),
            (
                "account",
                "anomalies",
                ABSENT,
                "x is not ours",
                "the entry of the account in the store is irregular: x is not ours",
            ),
            ("account", "colour", "red", "blue", "the colour of the account is blue, not red"),
        ] {
            assert_eq!(drift_sentence(&entry(object, field, desired, observed)), sentence);
        }
    }

    #[test]
    fn the_advice_names_the_field_that_helps() {
        let field = || entry("role night", "title", "Night", "Day");
        let stranger = || entry("member eve@x.example", "object", ABSENT, "no permission");
        let policy = "in the store, and drift.policy is Report; set drift.policy: Correct to have it corrected";
        let of = |entries: &[DriftEntry]| drift_advice(entries);
        assert_eq!(of(&[field()]), format!("1 field differs {policy}"));
        let policies = policy.replace("have it", "have them");
        assert_eq!(of(&[field(), field()]), format!("2 fields differ {policies}"));
        let one = "the store has 1 undeclared member; set drift.unmanaged: Remove to remove it";
        assert_eq!(of(&[stranger()]), one);
        assert_eq!(of(&[field(), stranger()]), format!("1 field differs {policy}; {one}"));
        let two = "the store has 2 undeclared members; set drift.unmanaged: Remove to remove them";
        assert_eq!(of(&[stranger(), stranger()]), two);
        assert!(!of(&[]).contains("unmanaged"), "of what no entry tells");
    }
}
