//! Reading manifests: files, folders with all below them, standard input.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Diagnostic, Document, Estate, Files, ObjectId, Severity, Source};
use crate::{
    api,
    model::{AccountKey, Name},
    resolve::{AccountFacts, CatalogFacts, GroupFacts, InvitationFacts, MemberFacts, Objects, RoleFacts, StoreFacts},
};

/// Reads all files; `namespace` is that of objects that name none.
pub(super) fn read(paths: &[PathBuf], namespace: &str) -> anyhow::Result<Estate> {
    let mut files = Files::default();
    for path in sources(paths)? {
        let text = load(&path)?;
        let file: Arc<Path> = path.into();
        for (line, text) in documents(&text) {
            take(&mut files, &file, line, text, namespace);
        }
    }
    let mut objects = Objects::default();
    let mut refused = Vec::new();
    for document in &files.documents {
        if let Err(error) = add(&mut objects, document) {
            refused.push(diagnostic(
                &document.file,
                document.line,
                Some(document.id.clone()),
                "Schema",
                error.to_string(),
            ));
        }
    }
    files.diagnostics.extend(refused);
    let accounts = objects.accounts.iter().filter(|(_, entry)| entry.account.is_some());
    let accounts = accounts.map(|(key, _)| key.clone()).collect();
    Ok(Estate { objects, source: Source::Files(files), accounts })
}

/// The files that are meant, folders with all below them, in order.
fn sources(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            gather(path, &mut found)?;
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

fn gather(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut entries: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    entries.sort();
    for path in entries {
        let manifest = path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
        if path.is_dir() {
            gather(&path, found)?;
        } else if manifest {
            found.push(path);
        }
    }
    Ok(())
}

fn load(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        return Ok(text);
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The documents of a text, each with the line on which it begins: `---` at the beginning of a line always ends one.
fn documents(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut found = Vec::new();
    let (mut start, mut first, mut at) = (0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if line.starts_with("---") && line[3..].chars().next().is_none_or(char::is_whitespace) {
            found.push((first, &text[start..at]));
            (start, first) = (at + line.len(), number + 2);
        }
        at += line.len();
    }
    found.push((first, &text[start..]));
    found.into_iter().filter(|(_, text)| !text.trim().is_empty())
}

fn diagnostic(file: &Arc<Path>, line: usize, object: Option<ObjectId>, reason: &str, message: String) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        file: file.clone(),
        line,
        column: 0,
        object,
        field: String::new(),
        reason: reason.to_owned(),
        message,
    }
}

fn take(files: &mut Files, file: &Arc<Path>, line: usize, text: &str, namespace: &str) {
    let value: Value = match serde_yaml_ng::from_str(text) {
        Ok(Value::Null) => return,
        Ok(value) => value,
        Err(error) => {
            files.diagnostics.push(diagnostic(file, line, None, "Syntax", error.to_string()));
            return;
        }
    };
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (word(&value["apiVersion"]), word(&value["kind"]));
    let ours = version.starts_with(&format!("{}/", api::GROUP)) || (version == "v1" && kind == "Namespace");
    if !ours {
        let message = format!("{version} {kind} is not ours; skipped");
        files
            .diagnostics
            .push(Diagnostic { severity: Severity::Note, ..diagnostic(file, line, None, "Skipped", message) });
        return;
    }
    let cluster_scoped = ["PermissionCatalog", "IdentityStore", "Namespace"].contains(&kind.as_str());
    let own = value["metadata"]["namespace"].as_str().unwrap_or(namespace);
    let id = ObjectId {
        kind: kind.into(),
        namespace: if cluster_scoped { Name::default() } else { Name::new(own) },
        name: word(&value["metadata"]["name"]).into(),
    };
    files.documents.push(Document { file: file.clone(), line, text: text.into(), id, value });
}

fn spec<T: DeserializeOwned>(document: &Document) -> anyhow::Result<T> {
    Ok(serde_json::from_value(document.value["spec"].clone())?)
}

/// Adds the object to all there are.
fn add(objects: &mut Objects, document: &Document) -> anyhow::Result<()> {
    let ObjectId { kind, namespace, name } = document.id.clone();
    let generation = 1;
    let key = |account: &api::NameRef| AccountKey::new(&namespace, &account.name);
    let labels = |field: &str| serde_json::from_value(document.value["metadata"][field].clone()).unwrap_or_default();
    match kind.as_str() {
        "Namespace" => {
            objects.namespaces.insert(name, Arc::new(labels("labels")));
        }
        "PermissionCatalog" => {
            let facts = CatalogFacts::new(name.clone(), generation, spec(document)?);
            objects.catalogs.insert(name, Arc::new(facts));
        }
        "IdentityStore" => {
            let facts = StoreFacts::new(name.clone(), generation, spec(document)?);
            objects.stores.insert(name, Arc::new(facts));
        }
        "Account" => {
            let uid = crate::plan::FILES.into();
            let facts = AccountFacts { namespace, name, uid, generation, spec: spec(document)? };
            let annotations = labels("annotations");
            let entry = objects.entry(facts.key());
            (entry.account, entry.annotations) = (Some(Arc::new(facts)), annotations);
        }
        "Role" => {
            let spec: api::RoleSpec = spec(document)?;
            let entry = objects.entry(key(&spec.account_ref));
            entry.roles.insert(name.clone(), Arc::new(RoleFacts { name, generation, spec }));
        }
        "UserGroup" => {
            let spec: api::UserGroupSpec = spec(document)?;
            let entry = objects.entry(key(&spec.account_ref));
            entry.groups.insert(name.clone(), Arc::new(GroupFacts { name, generation, spec }));
        }
        "Membership" => {
            let spec: api::MembershipSpec = spec(document)?;
            let entry = objects.entry(key(&spec.account_ref));
            entry.members.insert(name.clone(), MemberFacts::new(name, generation, &spec));
        }
        "Invitation" => {
            let spec: api::InvitationSpec = spec(document)?;
            let entry = objects.entry(key(&spec.account_ref));
            // Only a cluster mails invitations, so nobody can have accepted one.
            entry.invitations.insert(name.clone(), InvitationFacts::new(name, generation, &spec, false));
        }
        other => anyhow::bail!("{} has no kind {other:?}", api::GROUP),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_begin_where_they_begin() {
        let text = "# first\na: 1\n---\nb: 2\n--- # third\n\nc: |\n  ---\n---\n";
        let found: Vec<(usize, &str)> = documents(text).collect();
        assert_eq!(found, [(1, "# first\na: 1\n"), (4, "b: 2\n"), (6, "\nc: |\n  ---\n")]);
    }
}
