//! All accounts at once.

use jiff::Timestamp;

use super::{Lookup, Subject, invitation};
use crate::{
    cli::input::Input,
    manifests::LoadedObjects,
    model::{Email, suggest::closest_address},
};

/// Has a cluster asked about all namespaces, where no account and no namespace is named.
pub fn reach_all(input: &mut Input, lookup: &Lookup) {
    *input = input.of_controller(&lookup.store_namespace);
    input.all_namespaces = !input.is_files() && input.namespace.is_none();
}

/// Every account, with everybody in it.
///
/// # Errors
/// As [`Subject::new`].
pub async fn subjects<'a>(
    loaded: &'a LoadedObjects,
    lookup: &Lookup,
    now: Timestamp,
) -> anyhow::Result<Vec<Subject<'a>>> {
    let mut all = Vec::with_capacity(loaded.accounts.len());
    for key in &loaded.accounts {
        all.push(Subject::new(loaded, key.clone(), lookup, now).await?);
    }
    Ok(all)
}

/// Why an address is nobody's in any of these accounts.
#[must_use]
pub fn nobody_anywhere(subjects: &[Subject<'_>], email: &Email) -> String {
    let invited = subjects.iter().filter_map(|subject| Some((subject, invitation(subject, email)?)));
    let invited: Vec<String> =
        invited.map(|(subject, name)| format!("Invitation {name} of {} is not accepted", subject.key)).collect();
    if !invited.is_empty() {
        return format!("{email} is no member of any account: {}", invited.join(", "));
    }
    let known = subjects.iter().flat_map(|subject| subject.people.iter().map(|person| person.email.as_str()));
    let near =
        closest_address(email.as_str(), known).map_or_else(String::new, |near| format!("; did you mean {near}?"));
    let accounts = match subjects.len() {
        1 => "the only account there is".to_owned(),
        count => format!("any of {count} accounts"),
    };
    format!("{email} is no member of {accounts}{near}")
}
