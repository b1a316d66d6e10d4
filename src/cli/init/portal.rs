//! Fills the templates in `portal/` with names. Called by `roster init`.

use crate::cli::import::is_ambiguous;

/// Names in the files.
pub(super) struct Portal<'a> {
    /// Name of the account and the catalog; a DNS label.
    pub name: &'a str,
    /// Namespace of the account and its people; a DNS label.
    pub namespace: &'a str,
    /// The owner's address.
    pub owner: String,
}

/// A file to write.
pub(super) struct File {
    pub name: &'static str,
    /// Description of the file.
    pub about: &'static str,
    pub text: String,
}

/// Name, what is in it, and the text with `<name>`, `<namespace>`, …
const FILES: [(&str, &str, &str); 7] = [
    ("catalog.yaml", "what your portal can grant: sections, levels, roles", include_str!("portal/catalog.yaml")),
    ("store.yaml", "where Roster keeps the result, and your portal reads it", include_str!("portal/store.yaml")),
    ("00-namespace.yaml", "the account's namespace", include_str!("portal/00-namespace.yaml")),
    ("account.yaml", "the account: a customer of the portal, with its owner", include_str!("portal/account.yaml")),
    ("roles.yaml", "a role that only this account has", include_str!("portal/roles.yaml")),
    ("groups.yaml", "a group", include_str!("portal/groups.yaml")),
    ("people.yaml", "two people", include_str!("portal/people.yaml")),
];

impl Portal<'_> {
    /// Returns all files.
    pub(super) fn files(&self) -> Vec<File> {
        let [dana, sam] = self.people();
        let values = [
            ("<name>", in_yaml(self.name)),
            ("<namespace>", in_yaml(self.namespace)),
            ("<title>", in_yaml(&self.title())),
            ("<owner>", in_yaml(&self.owner)),
            ("<dana>", in_yaml(&dana)),
            ("<sam>", in_yaml(&sam)),
        ];
        let fill = |text: &str| values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
        FILES.iter().map(|(name, about, text)| File { name, about, text: fill(text) }).collect()
    }

    /// Returns the name as a title.
    fn title(&self) -> String {
        let mut letters = self.name.replace('-', " ");
        if let Some(first) = letters.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        letters
    }

    /// Returns two invented addresses in the reserved domain `.example`. Neither is the owner's: a Membership of the owner
    /// grants nothing.
    fn people(&self) -> [String; 2] {
        let at = |domain: &str| ["dana", "sam"].map(|who| format!("{who}@{domain}"));
        let usual = at(&format!("{}.example", self.name));
        if usual.contains(&self.owner) { at(&format!("people.{}.example", self.name)) } else { usual }
    }
}

/// Quotes a text for YAML, also inside of `{}`.
fn in_yaml(text: &str) -> String {
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || " ._-@+".contains(letter))
        && !is_ambiguous(text);
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Deserialize as _;
    use serde_json::Value;

    use super::*;
    use crate::manifests::schema;

    fn portal<'a>(name: &'a str, owner: &str) -> Portal<'a> {
        Portal { name, namespace: name, owner: owner.to_owned() }
    }

    /// Returns each object as the API server would receive it.
    fn objects(portal: &Portal<'_>) -> Vec<Value> {
        let read = |file: File| {
            serde_yaml_ng::Deserializer::from_str(&file.text)
                .map(|one| Value::deserialize(one).unwrap())
                .collect::<Vec<_>>()
        };
        portal.files().into_iter().flat_map(read).collect()
    }

    #[test]
    fn whatever_the_names_are_the_api_server_takes_the_objects() {
        let longest = "a".repeat(63);
        for name in ["acme", "no", "y", "12", "1e3", "0x10", "my-shop", "dana", &longest] {
            for owner in ["olivia@acme.example", "o'brien@acme.example", "#1@acme.example", "{a}@acme.example", "1@b"] {
                let objects = objects(&portal(name, owner));
                let kinds: BTreeSet<&str> = objects.iter().map(|one| one["kind"].as_str().unwrap()).collect();
                assert_eq!(kinds.len(), 7, "{kinds:?}");
                for object in &objects {
                    let mut problems = if object["kind"] == "Namespace" {
                        schema::check_namespace(object)
                    } else {
                        schema::check(object)
                    };
                    // `tests/cli` checks the quoting.
                    problems.retain(|problem| !problem.if_plain);
                    assert_eq!(problems, [], "{name} {owner}: {object:#}");
                }
                let account = objects.iter().find(|one| one["kind"] == "Account").unwrap();
                assert_eq!(
                    (&account["metadata"]["name"], &account["spec"]["owner"]["email"]),
                    (&name.into(), &owner.into())
                );
            }
        }
    }

    #[test]
    fn none_of_the_two_members_is_the_owner() {
        for owner in ["dana@acme.example", "sam@acme.example", "olivia@acme.example"] {
            assert!(!portal("acme", owner).people().contains(&owner.to_owned()));
        }
    }

    #[test]
    fn the_title_is_the_name_as_people_write_it() {
        assert_eq!(portal("my-shop", "a@b.example").title(), "My shop");
        assert_eq!(portal("7", "a@b.example").title(), "7");
    }

    #[test]
    fn every_name_is_filled_in() {
        for file in portal("acme", "olivia@acme.example").files() {
            assert!(!file.text.contains(['<', '>']), "{}", file.name);
            assert!(file.text.lines().all(|line| line.len() <= 120), "{}", file.name);
        }
    }
}
