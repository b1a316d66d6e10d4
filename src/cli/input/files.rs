//! Reading manifests: files, folders with all below them, standard input.

use std::{
    collections::HashMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use anyhow::Context as _;
use serde_json::Value;

use super::{
    Diagnostic, Document, Estate, Files, ObjectId, Severity, Source,
    document::{Piece, Strict},
    plain,
    schema::{self, Step},
    typed,
};
use crate::{api, cli::suggest::suggestion, model::Name, resolve::Objects};

/// Reads all files; `namespace` is that of objects that name none.
pub(super) fn read(paths: &[PathBuf], namespace: &str, may_be_empty: bool) -> anyhow::Result<Estate> {
    let mut pieces = Vec::new();
    let mut files = Files::default();
    for path in sources(paths, may_be_empty)? {
        let text = load(&path)?;
        let file: Arc<Path> = path.into();
        let parts = documents(&text);
        pieces.extend(parts.map(|(line, text)| Piece { file: file.clone(), line, text: text.into() }));
        files.count += 1;
    }
    let mut objects = Objects::default();
    let mut places: HashMap<ObjectId, (Arc<Path>, usize)> = HashMap::new();
    for found in parse_all(&pieces, namespace) {
        files.diagnostics.extend(found.diagnostics);
        for (document, refused) in found.documents {
            let place = (document.piece.file.clone(), document.piece.line);
            if let Some((file, line)) = places.insert(document.id.clone(), place) {
                let message = format!("is there already, in {} from line {line} on", file.display());
                files.diagnostics.push(document.diagnostic(Severity::Error, &[], "Duplicate", message));
            }
            if !refused && let Err(error) = typed::add(&mut objects, &document) {
                files.diagnostics.push(document.diagnostic(Severity::Error, &[], "Schema", error.to_string()));
            }
            files.documents.push(document);
        }
    }
    assume_store(&mut objects, &mut files);
    let accounts = objects.accounts.iter().filter(|(_, entry)| entry.account.is_some());
    let accounts = accounts.map(|(key, _)| key.clone()).collect();
    Ok(Estate { objects, source: Source::Files(files), accounts })
}

/// Stores are often the platform's, and not in a tenant's files: where there are none at all, accounts get one as it is
/// by default.
fn assume_store(objects: &mut Objects, files: &mut Files) {
    if !objects.stores.is_empty() {
        return;
    }
    let names: Vec<Name> = objects
        .accounts
        .values()
        .filter_map(|entry| Some(Name::new(&entry.account.as_ref()?.spec.store_ref.name)))
        .collect();
    for name in names {
        objects.stores.entry(name.clone()).or_insert_with(|| {
            files.assumed.push(name.clone());
            typed::default_store(name)
        });
    }
}

/// The files that are meant, folders with all below them, in order.
fn sources(paths: &[PathBuf], may_be_empty: bool) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = found.len();
            gather(path, &mut Vec::new(), &mut found)?;
            // Nobody must take the wrong folder for one in which nothing is wrong.
            let empty = found.len() == before && !may_be_empty;
            anyhow::ensure!(!empty, "{}: there is no .yaml, .yml or .json file in it", path.display());
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

/// Adds the manifests of a folder. `within` are the folders that it is in, so that a link to one of them does not lead
/// round and round.
fn gather(folder: &Path, within: &mut Vec<PathBuf>, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let real = folder.canonicalize().with_context(|| format!("cannot read the folder {}", folder.display()))?;
    if within.contains(&real) {
        return Ok(());
    }
    within.push(real);
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut entries: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    entries.sort();
    for path in entries {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let manifest = path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
        if hidden || (path.is_dir() && is_chart(&path)) {
            continue;
        }
        if path.is_dir() {
            gather(&path, within, found)?;
        } else if manifest {
            found.push(path);
        }
    }
    within.pop();
    Ok(())
}

/// A Helm chart is a program that writes manifests: what it writes can be read, it cannot.
fn is_chart(folder: &Path) -> bool {
    folder.join("Chart.yaml").exists() && folder.join("templates").is_dir()
}

fn load(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        return Ok(text);
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    // What some editors put before the first letter is not part of it.
    Ok(text.strip_prefix('\u{feff}').map(ToOwned::to_owned).unwrap_or(text))
}

/// The documents of a text, each with the line on which it begins: `---` at the beginning of a line always ends one.
fn documents(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut found = Vec::new();
    let (mut start, mut first, mut at) = (0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if line.starts_with("---") && line[3..].chars().next().is_none_or(char::is_whitespace) {
            found.push((first, &text[start..at]));
            let rest = line[3..].trim();
            // What begins on the same line is the document's; a comment may as well be nobody's.
            let bare = rest.is_empty() || rest.starts_with('#');
            (start, first) = if bare { (at + line.len(), number + 2) } else { (at, number + 1) };
        }
        at += line.len();
    }
    found.push((first, &text[start..]));
    found.into_iter().filter(|(_, text)| !text.trim().is_empty())
}

/// What one piece came to.
#[derive(Default)]
struct Found {
    diagnostics: Vec<Diagnostic>,
    /// Objects of ours, and whether the server would refuse each.
    documents: Vec<(Document, bool)>,
}

/// Parses and checks all pieces, on every processor there is; the order stays.
fn parse_all(pieces: &[Piece], namespace: &str) -> Vec<Found> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = pieces.len().div_ceil(threads).max(1);
    let parse = |pieces: &[Piece]| pieces.iter().map(|piece| parse(piece, namespace)).collect::<Vec<_>>();
    if share >= pieces.len() {
        return parse(pieces);
    }
    thread::scope(|scope| {
        let parts: Vec<_> = pieces.chunks(share).map(|part| (part, scope.spawn(move || parse(part)))).collect();
        // A thread that ended badly is asked again here, where its failure is seen.
        let done = parts.into_iter().map(|(part, thread)| thread.join().unwrap_or_else(|_| parse(part)));
        done.flatten().collect()
    })
}

fn parse(piece: &Piece, namespace: &str) -> Found {
    let mut found = Found::default();
    match serde_yaml_ng::from_str::<Strict>(&piece.text) {
        Ok(Strict(Value::Null)) => {}
        Ok(Strict(mut value)) => {
            plain::as_kubectl_reads(&mut value, &piece.text);
            take(&mut found, piece, Vec::new(), value, namespace);
        }
        Err(error) => {
            let place = error.location().map_or((1, 1), |place| (place.line(), place.column()));
            let text = error.to_string();
            // The place is said apart, counted from the beginning of the file.
            let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
            let said = piece.diagnostic(Severity::Error, &[], "Syntax", message);
            found.diagnostics.push(Diagnostic { line: piece.line + place.0 - 1, column: place.1, ..said });
        }
    }
    found
}

fn take(found: &mut Found, piece: &Piece, inside: Vec<Step>, value: Value, namespace: &str) {
    let mut say = |severity, path: &[Step], reason, message| {
        let path = [inside.as_slice(), path].concat();
        found.diagnostics.push(piece.diagnostic(severity, &path, reason, message));
    };
    let word = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind) = (word("apiVersion"), word("kind"));
    let field = |name: &str| vec![Step::Key(name.to_owned())];
    let known = schema::kind(&kind);
    if version == "v1" && kind == "List" {
        for (place, item) in value.get("items").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let inside = [inside.clone(), vec![Step::Key("items".to_owned()), Step::Item(place)]].concat();
            take(found, piece, inside, item.clone(), namespace);
        }
        return;
    }
    let is_namespace = version == "v1" && kind == "Namespace";
    let (group, number) = version.split_once('/').unwrap_or(("", &version));
    if group != api::GROUP && !is_namespace {
        if version.is_empty() && known.is_some() {
            let message = format!("is required: {}/{}", api::GROUP, api::VERSION);
            say(Severity::Error, &field("apiVersion"), "UnknownVersion", message);
            return;
        }
        let what = match (version.as_str(), kind.as_str()) {
            ("", "") => "no Kubernetes object".to_owned(),
            (version, kind) => format!("{kind} of {version} is not ours").trim_start().to_owned(),
        };
        say(Severity::Note, &[], "Skipped", format!("{what}; skipped"));
        return;
    }
    if !is_namespace && number != api::VERSION {
        let message =
            format!("there is no version {number:?} of {}; write {}/{}", api::GROUP, api::GROUP, api::VERSION);
        say(Severity::Error, &field("apiVersion"), "UnknownVersion", message);
        return;
    }
    if known.is_none() && !is_namespace {
        let meant = suggestion(&kind, schema::kinds());
        let message = format!("{} has no kind {kind:?}{meant}", api::GROUP);
        say(Severity::Error, &field("kind"), "UnknownKind", message);
        return;
    }
    let metadata = |field: &str| value.get("metadata").and_then(|metadata| metadata.get(field)?.as_str());
    let own = metadata("namespace").unwrap_or(namespace);
    let namespaced = known.is_some_and(|kind| kind.namespaced);
    let id = ObjectId {
        namespace: if namespaced { Name::new(own) } else { Name::default() },
        name: metadata("name").unwrap_or_default().into(),
        kind: kind.into(),
    };
    let mut document = Document { piece: piece.clone(), inside, id, value };
    let problems = known.map(|kind| kind.check(&mut document.value)).unwrap_or_default();
    let said = problems
        .iter()
        .map(|problem| document.diagnostic(Severity::Error, &problem.path, problem.reason, problem.message.clone()));
    found.diagnostics.extend(said);
    found.documents.push((document, !problems.is_empty()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_begin_where_they_begin() {
        let text = "# first\na: 1\n---\nb: 2\n--- # third\n\nc: |\n  ---\n---\n";
        let found: Vec<(usize, &str)> = documents(text).collect();
        assert_eq!(found, [(1, "# first\na: 1\n"), (4, "b: 2\n"), (6, "\nc: |\n  ---\n")]);
        let found: Vec<(usize, &str)> = documents("a: 1\n--- {b: 2}\n---\nc: 3\n").collect();
        assert_eq!(found, [(1, "a: 1\n"), (2, "--- {b: 2}\n"), (4, "c: 3\n")]);
    }
}
