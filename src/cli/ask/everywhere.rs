//! Resolves all accounts for a question without `--account`. Called by `can-i` and `explain`.

use jiff::Timestamp;

use super::{
    Lookup, Subject,
    why::{blocks, invitation, strays},
};
use crate::{
    cli::{input::Input, output::complain},
    manifests::LoadedObjects,
    model::{Email, first_of, suggest::closest_address},
};

/// Maximum number of accounts named in one note.
const NAMED: usize = 3;

/// Selects all namespaces of a cluster if no account and no namespace is named.
pub fn reach_all(input: &mut Input, lookup: &Lookup) {
    *input = input.of_controller(&lookup.store_namespace);
    input.all_namespaces = !input.is_files() && input.namespace.is_none();
}

/// Resolves every account with its people.
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
        let missing = lookup.without_store(loaded, key).filter(|_| loaded.accounts.len() > 1);
        // One account without a store must not keep the others from being answered.
        let subject = match &missing {
            Some(why) => {
                complain(format!("note: {why}; the answer for this account is from the objects"));
                Subject::new(loaded, key.clone(), &Lookup::default(), now).await?
            }
            None => Subject::new(loaded, key.clone(), lookup, now).await?,
        };
        all.push(subject);
    }
    Ok(all)
}

/// Returns a note on the accounts that were not checked because only their stores have their sections; `None` if there
/// are none.
#[must_use]
pub fn not_asked(subjects: &[Subject<'_>]) -> Option<String> {
    let accounts = subjects.iter().filter(|subject| subject.layout.is_empty()).map(|subject| subject.key.to_string());
    let accounts: Vec<String> = accounts.collect();
    let named = first_of(&accounts, NAMED);
    (!accounts.is_empty()).then(|| {
        format!(
            "note: not checked: {named}; the catalog of these accounts cannot be used, and only their store has \
             their sections: pass --store or --sqlite-dir"
        )
    })
}

/// Prints a note to standard error if the statuses of a cluster show that the stores of these accounts may differ from
/// the objects, for one person or for everybody. Prints nothing if the stores were read.
pub async fn note_out_of_sync(loaded: &LoadedObjects, subjects: &[&Subject<'_>], who: Option<&Email>) {
    let unasked = subjects.iter().filter(|subject| subject.stored.is_none());
    let is_concerned = |subject: &&&Subject<'_>| who.is_none_or(|who| subject.person(who).is_some());
    let accounts: Vec<_> = unasked.filter(is_concerned).map(|subject| subject.key.clone()).collect();
    if !accounts.is_empty()
        && let Some(note) = loaded.out_of_sync(&accounts, who).await
    {
        complain(note);
    }
}

/// Returns the sentence that an address is not a member of any of these accounts. Suggests no other address if a store
/// may still have this one. Statuses of a cluster's objects say so; they are not needed if the stores were read.
///
/// The statuses of a cluster's objects tell that; where the stores were asked, they need not be.
pub async fn nobody_anywhere(loaded: &LoadedObjects, subjects: &[Subject<'_>], email: &Email) -> String {
    let invited = subjects.iter().filter_map(|subject| Some((subject, invitation(subject, email)?)));
    let invited: Vec<String> =
        invited.map(|(subject, name)| format!("Invitation {name} of {} is not accepted", subject.key)).collect();
    if !invited.is_empty() {
        return format!("{email} is not a member of any account: {}", invited.join(", "));
    }
    let known = subjects.iter().flat_map(|subject| subject.people.iter().map(|person| person.email.as_str()));
    let was_asked = !subjects.is_empty() && subjects.iter().all(|subject| subject.stored.is_some());
    let left =
        if was_asked { None } else { loaded.left_in_stores().await.and_then(|left| left.warning(email.as_str())) };
    let near = closest_address(email.as_str(), known).map(|near| format!("; did you mean {near}?"));
    let near = strays(loaded, email).or(left).or(near).unwrap_or_default() + &blocks(loaded, email);
    let accounts = match subjects.len() {
        1 => "the only account".to_owned(),
        count => format!("any of {count} accounts"),
    };
    format!("{email} is not a member of {accounts}{near}")
}
