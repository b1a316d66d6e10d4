//! Collects the findings that a controller would write into status. Called by `roster validate`.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use jiff::Timestamp;

use super::in_schema::InSchema;
use crate::{
    api::InvalidReason,
    evaluate::Judged,
    manifests::{
        AccountObjects, Addresses, Diagnostic, DiagnosticReason, Document, Files, LoadedObjects, ObjectId, Severity,
        Source, SourceSpan, of_invited, path::DocumentPath, position::Part,
    },
    model::{
        AccountKey, Finding, FindingKind, Findings, KindName, Name, ParentRefusal,
        suggest::{did_you_mean, suggestion},
    },
    resolve,
    state::AccountFacts,
};

/// Returns all findings of the engine, and which of them the schema of the API server reports, too.
pub(super) fn judge(loaded: &LoadedObjects, now: Timestamp) -> (Vec<Diagnostic>, Vec<InSchema>) {
    let files = match &loaded.source {
        Source::Files(files) => Some(files),
        Source::Cluster(_) => None,
    };
    let asked: BTreeSet<&AccountKey> = loaded.accounts.iter().collect();
    let mut judge =
        Judge { loaded, files, account: None, places: None, diagnostics: Vec::new(), in_schema: Vec::new() };
    // An assumed store, which no file describes, has generation 0.
    for store in loaded.objects.stores.values().filter(|store| store.generation > 0) {
        judge.say(&store.findings());
    }
    for catalog in loaded.objects.catalogs.values() {
        judge.say(&catalog.facts.findings());
    }
    for (key, entry) in &loaded.objects.accounts {
        judge.account = Some((key, entry));
        if let Some(account) = &entry.account {
            // A parent in another namespace was read only for its children.
            if asked.contains(key)
                && let Some(resolved) = loaded.judge(key, now)
            {
                let mut findings = resolved.definitions.account_findings(account, &entry.role_refs());
                // Faults of the catalog are reported on the catalog.
                findings.retain(|finding| !matches!(finding.kind, FindingKind::CatalogBroken { .. }));
                judge.say(&findings);
                judge.managed_accounts(key, account);
                judge.members(entry, &resolved);
            }
        } else {
            for (kind, name) in names(entry) {
                judge.say(&Findings::account_missing(kind, name, key));
            }
        }
    }
    (judge.diagnostics, judge.in_schema)
}

/// Objects that are checked.
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

/// Returns whether the selected namespaces of a cluster have no objects. Catalogs and stores, which are in no namespace,
/// count only if all namespaces are selected.
pub(super) fn is_empty(loaded: &LoadedObjects) -> bool {
    match &loaded.source {
        Source::Files(_) => false,
        Source::Cluster(cluster) => {
            let selected = |key: &AccountKey| cluster.namespace.as_ref().is_none_or(|name| key.namespace == *name);
            let mut accounts = loaded.objects.accounts.iter().filter(|(key, _)| selected(key));
            let is_there = accounts.any(|(_, entry)| entry.account.is_some() || names(entry).next().is_some());
            !is_there && (cluster.namespace.is_some() || count(loaded) == 0)
        }
    }
}

fn names(entry: &AccountObjects) -> impl Iterator<Item = (KindName, &Name)> {
    let roles = entry.roles.keys().map(|name| (KindName::Role, name));
    let groups = entry.groups.keys().map(|name| (KindName::UserGroup, name));
    let members = entry.members.keys().map(|name| (KindName::Membership, name));
    let invitations = entry.invitations.keys().map(|name| (KindName::Invitation, name));
    roles.chain(groups).chain(members).chain(invitations)
}

struct Judge<'a> {
    loaded: &'a LoadedObjects,
    files: Option<&'a Files>,
    /// The account that is checked.
    account: Option<(&'a AccountKey, &'a AccountObjects)>,
    /// Document of each object; created for the first finding.
    places: Option<HashMap<ObjectId, &'a Document>>,
    diagnostics: Vec<Diagnostic>,
    in_schema: Vec<InSchema>,
}

impl Judge<'_> {
    /// Adds advice on names in a partner's `managedAccounts` that no object has.
    fn managed_accounts(&mut self, key: &AccountKey, account: &AccountFacts) {
        if account.spec.managed_accounts.is_none() {
            return;
        }
        let objects = &self.loaded.objects;
        let catalogs = objects.catalogs.iter().map(|(name, catalog)| (name.as_str(), &catalog.facts.spec)).collect();
        let accounts = objects.accounts.iter().filter_map(|(child, entry)| Some((child, entry.account.as_ref()?)));
        let managed = accounts.filter(|(_, child)| child.parent().as_ref() == Some(key));
        let managed: Vec<AccountKey> = managed.map(|(child, _)| child.clone()).collect();
        self.say(&resolve::unknown_in_managed_accounts(account, &catalogs, &managed));
    }

    fn members(&mut self, entry: &AccountObjects, resolved: &Judged) {
        let definitions = &resolved.definitions;
        for name in entry.roles.keys() {
            self.say(&definitions.role_findings(name));
        }
        for name in entry.groups.keys() {
            self.say(&definitions.group_findings(name));
        }
        for member in &resolved.members {
            for view in &member.views {
                self.say(&view.findings);
            }
        }
        for facts in entry.members.values().filter(|facts| facts.email.is_err()) {
            self.say(&definitions.unaddressed(facts).findings);
        }
        let addresses = if entry.invitations.is_empty() { Addresses::new() } else { entry.addresses() };
        for facts in entry.invitations.values() {
            self.say(&definitions.invitation(facts, of_invited(&addresses, facts)));
        }
    }

    /// Adds all findings of an object, except those that are reported once, on its Account.
    fn say(&mut self, findings: &Findings) {
        for finding in findings.faults().filter(|finding| !finding.is_of_account()) {
            let is_told = self.follows(&finding.kind) || (self.files.is_some() && InSchema::says_more(&finding.kind));
            let Some(reason) = finding.reason().filter(|_| !is_told) else { continue };
            // Waiting for an approval is a valid state.
            let waits = reason == InvalidReason::ApprovalPending;
            let severity = if waits { Severity::Note } else { Severity::Error };
            let message = self.worded(finding);
            self.in_schema.extend(self.files.and_then(|_| InSchema::of(finding)));
            self.add(severity, finding, DiagnosticReason::Invalid(reason), message);
        }
        for advice in findings.advice() {
            self.add(Severity::Advice, advice, DiagnosticReason::Advice, advice.kind.to_string());
        }
    }

    /// Returns whether a fault only follows from another one: the referenced object is in the files and broken.
    fn follows(&self, fault: &FindingKind) -> bool {
        let Some((kind, name)) = missing(fault) else { return false };
        self.files.is_some_and(|files| files.broken.iter().any(|id| id.kind == kind.as_str() && id.name == name))
    }

    /// Returns a fault with hints for files: they may be incomplete, and a name may be misspelt.
    fn worded(&self, fault: &Finding) -> String {
        let mut nearby = match fault.kind.near() {
            Some(near) => did_you_mean(near),
            None => suggestion(fault.kind.subject().unwrap_or_default(), self.known(fault)),
        };
        if matches!(fault.kind, FindingKind::AccountMissing(_))
            && let Some((key, _)) = self.account
            && let Some(other) = self.loaded.accounts.iter().find(|other| other.name == key.name)
        {
            nearby = format!("; one exists in namespace {:?}", other.namespace.as_str());
        }
        match &fault.kind {
            FindingKind::ParentRefused(refusal) => nearby = self.parent_fault(refusal),
            FindingKind::NamespaceNotAdmitted(refusal) => nearby = self.namespace_left_out(&refusal.namespace),
            _ => {}
        }
        let is_missing = missing(&fault.kind).is_some() && !names_another_kind(&fault.kind);
        let files = if self.files.is_some() && is_missing { " in these files" } else { "" };
        format!("{:#}{files}{nearby}", fault.kind)
    }

    /// Returns why the parent does not admit the account. A status does not say it; see `ParentFault`.
    fn parent_fault(&self, refusal: &ParentRefusal) -> String {
        let accounts = &self.loaded.objects.accounts;
        let child = self.account.and_then(|(_, entry)| entry.account.as_ref());
        let parent = accounts.get(&refusal.parent).and_then(|entry| entry.account.as_ref());
        let fault = match (parent, child) {
            (Some(parent), Some(child)) => {
                let labels = self.loaded.objects.namespaces.get(&child.namespace);
                resolve::parent_fault(parent, child, labels.map(|labels| &**labels)).map(|fault| format!("; {fault}"))
            }
            (None, _) if self.files.is_some() => {
                let known = accounts.iter().filter(|(_, entry)| entry.account.is_some());
                let known: Vec<String> = known.map(|(key, _)| key.to_string()).collect();
                let parent = refusal.parent.to_string();
                let near = suggestion(&parent, known.iter().map(String::as_str));
                Some(format!("; these files contain no Account {parent}{near}"))
            }
            _ => None,
        };
        fault.unwrap_or_default()
    }

    /// Returns the hint that the files do not contain a namespace, so that its labels may be others.
    fn namespace_left_out(&self, name: &Name) -> String {
        let is_left_out = self.files.is_some_and(|files| {
            let is_it = |document: &Document| document.id.kind == "Namespace" && document.id.name == *name;
            !files.documents.iter().any(is_it)
        });
        if is_left_out { format!("; these files contain no Namespace {:?}", name.as_str()) } else { String::new() }
    }

    /// Returns names outside of the finding's account. The engine does not suggest them, since a status would reveal
    /// names of the platform or of other tenants; a user who has the files can read them anyway.
    fn known(&self, fault: &Finding) -> Vec<&str> {
        let objects = &self.loaded.objects;
        match &fault.kind {
            FindingKind::CatalogMissing(_) => objects.catalogs.keys().map(Name::as_str).collect(),
            FindingKind::StoreMissing(_) => objects.stores.keys().map(Name::as_str).collect(),
            FindingKind::AccountMissing(key) => {
                let here = self.loaded.accounts.iter().filter(|other| other.namespace == key.namespace);
                here.map(|other| other.name.as_str()).collect()
            }
            _ => Vec::new(),
        }
    }

    fn add(&mut self, severity: Severity, finding: &Finding, reason: DiagnosticReason, message: String) {
        let object = ObjectId::from(&finding.object);
        let nowhere: Arc<Path> = Path::new("").into();
        let document = self.files.and_then(|files| {
            let index = || files.documents.iter().map(|document| (document.id.clone(), document)).collect();
            self.places.get_or_insert_with(index).get(&object).copied()
        });
        let (file, place) = match document {
            Some(document) => (&document.file, place(document, finding)),
            None => (&nowhere, SourceSpan::default()),
        };
        let field = finding.field.as_str();
        self.diagnostics.push(Diagnostic::new(severity, file, place, reason, message).about(&object, field));
    }
}

/// Returns the object that a fault reports as missing.
fn missing(fault: &FindingKind) -> Option<(KindName, &Name)> {
    Some(match fault {
        FindingKind::AccountMissing(account) => (KindName::Account, &account.name),
        FindingKind::GroupMissing(unknown) => (KindName::UserGroup, &unknown.name),
        FindingKind::CatalogMissing(name) => (KindName::PermissionCatalog, name),
        FindingKind::StoreMissing(name) => (KindName::IdentityStore, name),
        FindingKind::RoleMissing { role, .. } => (KindName::Role, &role.name),
        _ => return None,
    })
}

/// Returns whether the object exists with another kind.
const fn names_another_kind(fault: &FindingKind) -> bool {
    matches!(fault, FindingKind::RoleMissing { is_predefined: true, .. })
}

/// Returns the position of a finding: the name it is about, its field, or the object's name.
fn place(document: &Document, finding: &Finding) -> SourceSpan {
    let subject = finding.kind.subject();
    if !finding.field.is_whole() {
        return document.place(&DocumentPath::parse(finding.field.as_str()), Part::Value, subject);
    }
    let spec = DocumentPath::parse("spec");
    let found = document.place(&spec, Part::Value, subject);
    if found == document.place(&spec, Part::Value, None) {
        return document.place(&DocumentPath::parse("metadata.name"), Part::Value, None);
    }
    found
}
