//! What the engine says of every object: what a controller would write into status.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use jiff::Timestamp;

use crate::{
    api::InvalidReason,
    evaluate::Judged,
    manifests::{
        AccountObjects, Diagnostic, Document, Files, LoadedObjects, ObjectId, Severity, Source, SourceSpan,
        path::FieldPath, position::Part, suggest::suggestion,
    },
    model::{AccountKey, Name},
    resolve::{Fault, Finding},
};

/// Everything the engine says.
pub(super) fn judge(loaded: &LoadedObjects, now: Timestamp) -> Vec<Diagnostic> {
    let files = match &loaded.source {
        Source::Files(files) => Some(files),
        Source::Cluster(_) => None,
    };
    let asked: BTreeSet<&AccountKey> = loaded.accounts.iter().collect();
    let mut judge = Judge { loaded, files, account: None, places: None, said: Vec::new() };
    for (name, catalog) in &loaded.objects.catalogs {
        judge.say("PermissionCatalog", "", name, &catalog.facts.finding());
    }
    for (key, entry) in &loaded.objects.accounts {
        judge.account = Some((key, entry));
        if let Some(account) = &entry.account {
            // A parent elsewhere was read only for its children.
            if asked.contains(key)
                && let Some(resolved) = loaded.judge(key, now)
            {
                let refs = entry.role_refs();
                let mut finding = resolved.definitions.finding.clone();
                // What is wrong with the catalog is said of the catalog.
                finding.faults.retain(|fault| fault.reason != InvalidReason::CatalogInvalid);
                finding.advice = resolved.definitions.account_advice(account, &refs);
                judge.say("Account", &key.namespace, &key.name, &finding);
                judge.members(key, entry, &resolved);
            }
        } else {
            let finding = Finding::account_not_found(key);
            for (kind, name) in names(entry) {
                judge.say(kind, &key.namespace, name, &finding);
            }
        }
    }
    judge.said
}

/// Objects that are looked at.
pub(super) fn count(loaded: &LoadedObjects) -> usize {
    match &loaded.source {
        Source::Files(files) => files.documents.len(),
        Source::Cluster(_) => {
            let objects = &loaded.objects;
            let owned =
                objects.accounts.values().map(|entry| names(entry).count() + usize::from(entry.account.is_some()));
            objects.catalogs.len() + objects.stores.len() + owned.sum::<usize>()
        }
    }
}

fn names(entry: &AccountObjects) -> impl Iterator<Item = (&'static str, &Name)> {
    let roles = entry.roles.keys().map(|name| ("Role", name));
    let groups = entry.groups.keys().map(|name| ("UserGroup", name));
    let members = entry.members.keys().map(|name| ("Membership", name));
    let invitations = entry.invitations.keys().map(|name| ("Invitation", name));
    roles.chain(groups).chain(members).chain(invitations)
}

struct Judge<'a> {
    loaded: &'a LoadedObjects,
    files: Option<&'a Files>,
    /// The account that is looked at.
    account: Option<(&'a AccountKey, &'a AccountObjects)>,
    /// Where each object is; made when something is to be said.
    places: Option<HashMap<ObjectId, &'a Document>>,
    said: Vec<Diagnostic>,
}

impl Judge<'_> {
    fn members(&mut self, key: &AccountKey, entry: &AccountObjects, resolved: &Judged) {
        let definitions = &resolved.definitions;
        // What is wrong with the account is said once, of the account.
        let shared = definitions.shared_fault.as_ref();
        let own = |mut finding: Finding| {
            finding.faults.retain(|fault| Some(fault) != shared);
            finding
        };
        for name in entry.roles.keys() {
            self.say("Role", &key.namespace, name, &own(definitions.role_finding(name)));
        }
        for name in entry.groups.keys() {
            self.say("UserGroup", &key.namespace, name, &own(definitions.group_finding(name)));
        }
        for (facts, member) in std::iter::zip(entry.addresses().values(), &resolved.members) {
            for (facts, view) in std::iter::zip(facts, &member.views) {
                let silent = view.finding.faults.iter().all(|fault| Some(fault) == shared);
                if !silent || !view.finding.advice.is_empty() {
                    self.say("Membership", &key.namespace, &facts.name, &own(view.finding.clone()));
                }
            }
        }
        for facts in entry.members.values().filter(|facts| facts.email.is_err()) {
            self.say("Membership", &key.namespace, &facts.name, &own(definitions.unaddressed(facts).finding));
        }
        for (name, facts) in &entry.invitations {
            self.say("Invitation", &key.namespace, name, &own(definitions.invitation(facts)));
        }
    }

    fn say(&mut self, kind: &str, namespace: &str, name: &Name, finding: &Finding) {
        if finding.faults.is_empty() && finding.advice.is_empty() {
            return;
        }
        let object = ObjectId { kind: kind.into(), namespace: namespace.into(), name: name.clone() };
        for fault in &finding.faults {
            if self.follows(fault) {
                continue;
            }
            // Waiting for somebody's word is as it should be.
            let waits = fault.reason == InvalidReason::ApprovalPending;
            let severity = if waits { Severity::Note } else { Severity::Error };
            self.add(severity, &object, &fault.reason.to_string(), &self.worded(fault, name));
        }
        for advice in &finding.advice {
            self.add(Severity::Advice, &object, "Advice", advice);
        }
    }

    /// Whether a fault only follows from another: the object it refers to is in the files, and broken.
    fn follows(&self, fault: &Fault) -> bool {
        let Some(kind) = missing(fault) else { return false };
        let name = quoted(&fault.message).unwrap_or_default();
        self.files.is_some_and(|files| files.broken.iter().any(|id| id.kind == kind && id.name == name))
    }

    /// A fault in the words for whoever can mend it: files are not all there is, and a name is often only misspelt.
    fn worded(&self, fault: &Fault, object: &Name) -> String {
        if fault.message.contains("; ") {
            return fault.message.clone();
        }
        let mut nearby = suggestion(quoted(&fault.message).unwrap_or_default(), self.known(fault, object));
        if fault.reason == InvalidReason::AccountNotFound
            && let Some((key, _)) = self.account
            && let Some(other) = self.loaded.accounts.iter().find(|other| other.name == key.name)
        {
            nearby = format!("; there is one in namespace {:?}", other.namespace.as_str());
        }
        let files = if self.files.is_some() && missing(fault).is_some() { " in these files" } else { "" };
        format!("{}{files}{nearby}", fault.message)
    }

    /// Names that a fault's could have been.
    fn known(&self, fault: &Fault, object: &Name) -> Vec<&str> {
        let objects = &self.loaded.objects;
        if fault.reason == InvalidReason::CatalogInvalid {
            let spec = objects.catalogs.get(object).map(|catalog| &catalog.facts.spec);
            return match spec {
                Some(spec) if fault.message.ends_with("among spec.sections") => {
                    spec.sections.iter().map(|one| one.name.as_str()).collect()
                }
                Some(spec) if fault.message.ends_with("among spec.roles") => {
                    spec.roles.iter().map(|one| one.name.as_str()).collect()
                }
                _ => Vec::new(),
            };
        }
        let Some((key, entry)) = self.account else { return Vec::new() };
        let catalog = entry.account.as_ref().and_then(|account| {
            let catalog = objects.catalogs.get(account.spec.catalog_ref.name.as_str())?;
            Some(&catalog.facts.spec)
        });
        let named = catalog.into_iter();
        match fault.reason {
            InvalidReason::UnknownSection => {
                named.flat_map(|spec| &spec.sections).map(|one| one.name.as_str()).collect()
            }
            InvalidReason::RestrictionNotFound => {
                named.flat_map(|spec| &spec.restrictions).map(|one| one.name.as_str()).collect()
            }
            InvalidReason::RoleNotFound if missing(fault).is_some() => entry.roles.keys().map(Name::as_str).collect(),
            InvalidReason::RoleNotFound => named.flat_map(|spec| &spec.roles).map(|one| one.name.as_str()).collect(),
            InvalidReason::GroupNotFound => entry.groups.keys().map(Name::as_str).collect(),
            InvalidReason::CatalogNotFound => objects.catalogs.keys().map(Name::as_str).collect(),
            InvalidReason::StoreNotFound => objects.stores.keys().map(Name::as_str).collect(),
            InvalidReason::AccountNotFound => {
                let here = self.loaded.accounts.iter().filter(|other| other.namespace == key.namespace);
                here.map(|other| other.name.as_str()).collect()
            }
            _ => Vec::new(),
        }
    }

    fn add(&mut self, severity: Severity, object: &ObjectId, reason: &str, message: &str) {
        let (field, rest) = FieldPath::split_message(message);
        let nowhere: Arc<Path> = Path::new("").into();
        let document = self.files.and_then(|files| {
            let index = || files.documents.iter().map(|document| (document.id.clone(), document)).collect();
            self.places.get_or_insert_with(index).get(object).copied()
        });
        let (file, place) = match document {
            Some(document) => (&document.file, place(document, field, rest)),
            None => (&nowhere, SourceSpan::default()),
        };
        self.said.push(Diagnostic::new(severity, file, place, reason, rest).about(object, field));
    }
}

/// The kind of the object that a fault misses.
fn missing(fault: &Fault) -> Option<&'static str> {
    Some(match fault.reason {
        InvalidReason::AccountNotFound => "Account",
        InvalidReason::GroupNotFound => "UserGroup",
        InvalidReason::CatalogNotFound => "PermissionCatalog",
        InvalidReason::StoreNotFound => "IdentityStore",
        InvalidReason::RoleNotFound if fault.message.contains("this account has no Role") => "Role",
        _ => return None,
    })
}

/// Where a finding belongs: the word its message quotes, else its field, else the object's name.
fn place(document: &Document, field: &str, message: &str) -> SourceSpan {
    if !field.is_empty() {
        return document.place(&FieldPath::parse(field), Part::Value, quoted(message));
    }
    // Advice begins with the section it is about, or with `role` and its name.
    let word = message.split([' ', ':']).find(|word| *word != "role");
    let spec = FieldPath::parse("spec");
    let found = document.place(&spec, Part::Value, word);
    if found == document.place(&spec, Part::Value, None) {
        return document.place(&FieldPath::parse("metadata.name"), Part::Value, None);
    }
    found
}

/// The first word in double quotes.
fn quoted(message: &str) -> Option<&str> {
    message.split('"').nth(1)
}
