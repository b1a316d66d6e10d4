//! Reads manifests: files, folders with all below them, standard input. Called by the commands that take `-f`;
//! documents are read and checked on all cores.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use anyhow::Context as _;
use serde_json::Value;

use super::{
    Diagnostic, DiagnosticReason, Document, Files, LoadedObjects, ObjectId, Objects, Severity, Source, decode,
    document::{SourceSpan, place_in},
    kinds::{Sort, sort},
    loaded::TEMPLATES_ARE_READ,
    parse::{self, Chunk},
    path::{DocumentPath, Step},
    position::{Marked, Part, Position},
    schema::{self, KINDS},
    unread::{Digest, UnreadId, unread},
};
use crate::{
    api::IdentityStoreSpec,
    limits::RbacObjects,
    model::Name,
    state::{Object, SnapshotSource as _, StoreFacts},
};

/// File with its text.
struct SourceFile {
    path: Arc<Path>,
    /// Path relative to the given folder.
    below: PathBuf,
    text: String,
}

/// Result of reading one document; a List gives several documents.
#[derive(Default)]
struct Read {
    documents: Vec<(Document, Option<Object>)>,
    diagnostics: Vec<Diagnostic>,
    skipped: Vec<(Arc<Path>, String)>,
    unread: Vec<(UnreadId, Digest)>,
    rbac: RbacObjects,
}

/// Reads all files. `namespace` is the namespace of objects that name none. A folder without manifests is an error
/// unless it `may_be_empty`. Faults of single objects are in the diagnostics.
///
/// # Errors
/// When a file cannot be read.
pub fn read(paths: &[PathBuf], namespace: &str, may_be_empty: bool) -> anyhow::Result<LoadedObjects> {
    let mut texts = Vec::new();
    for path in sources(paths, may_be_empty)? {
        texts.push(SourceFile { text: parse::load(&path)?, below: below(paths, &path), path: path.into() });
    }
    let mut files = Files { count: texts.len(), ..Files::default() };
    let mut chunks: Vec<(&SourceFile, Chunk<'_>)> = Vec::new();
    let mut skipped = Vec::new();
    for file in &texts {
        let SourceFile { path, text, .. } = file;
        if is_template(path, text) {
            files.templates.push(path.clone());
            skipped.push((path.clone(), format!("a Helm template ({TEMPLATES_ARE_READ} it)")));
            continue;
        }
        let is_json = path.extension().is_some_and(|end| end == "json") || text.trim_start().starts_with('{');
        chunks.extend(parse::chunks(text, is_json).into_iter().map(|chunk| (file, chunk)));
    }
    let mut objects = Objects::default();
    let mut seen: HashMap<ObjectId, usize> = HashMap::new();
    for read in in_parallel(&chunks, namespace) {
        files.diagnostics.extend(read.diagnostics);
        skipped.extend(read.skipped);
        files.rbac.append(read.rbac);
        for (id, digest) in read.unread {
            files.unread.entry(id).or_default().push(digest);
        }
        for (document, object) in read.documents {
            if let Some(first) = seen.get(&document.id) {
                files.diagnostics.push(there_twice(&document, &files.documents[*first]));
                continue;
            }
            seen.insert(document.id.clone(), files.documents.len());
            match object {
                Some(object) => objects.add(object),
                None => files.broken.push(document.id.clone()),
            }
            files.documents.push(document);
        }
    }
    files.diagnostics.extend(passed_over(skipped));
    assume_stores(&mut objects, &mut files);
    objects.assume_namespaces();
    let accounts = objects.accounts().cloned().collect();
    Ok(LoadedObjects { objects, source: Source::Files(files), accounts })
}

/// Returns the path of a file relative to the given folder; for a file that was given itself, its name.
fn below(given: &[PathBuf], file: &Path) -> PathBuf {
    let mut below = given.iter().filter_map(|folder| file.strip_prefix(folder).ok());
    let below = below.find(|below| !below.as_os_str().is_empty());
    below.map_or_else(|| file.file_name().unwrap_or_default().into(), Path::to_owned)
}

/// Returns the files to read, each once: folders with all below them, in order.
fn sources(paths: &[PathBuf], may_be_empty: bool) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = found.len();
            gather(path, &mut found)?;
            // An empty folder is probably the wrong one, and must not pass as valid.
            let empty = found.len() == before && !may_be_empty;
            anyhow::ensure!(!empty, "{}: the folder contains no .yaml, .yml or .json file", path.display());
        } else if !found.contains(path) {
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
        // Like kubectl, which reads a hidden file by its extension. Files in hidden folders, such as `.git`, are not
        // meant.
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let manifest = path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
        if path.is_dir() && !path.is_symlink() && !hidden {
            gather(&path, found)?;
        } else if manifest && path.is_file() && !found.contains(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// Returns whether the file is a template of a Helm chart, which is not YAML yet.
fn is_template(path: &Path, text: &str) -> bool {
    let mut folders = path.ancestors().skip(1);
    let chart = folders
        .find(|folder| folder.file_name().is_some_and(|name| name == "templates"))
        .and_then(Path::parent)
        .is_some_and(|chart| chart.join("Chart.yaml").is_file());
    chart && text.contains("{{")
}

/// Smallest number of documents for which another thread is started.
const WORTH_A_THREAD: usize = 64;

fn in_parallel(chunks: &[(&SourceFile, Chunk<'_>)], namespace: &str) -> Vec<Read> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = chunks.len().div_ceil(cores).max(WORTH_A_THREAD);
    let one = |(file, chunk): &(&SourceFile, Chunk<'_>)| take(file, chunk, namespace);
    if chunks.len() <= share {
        return chunks.iter().map(one).collect();
    }
    thread::scope(|scope| {
        let parts: Vec<_> = chunks
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(|one| take(one.0, &one.1, namespace)).collect::<Vec<_>>()))
            .collect();
        // Continues the panic of a thread here.
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Reads and checks one document.
fn take(file: &SourceFile, chunk: &Chunk<'_>, namespace: &str) -> Read {
    let mut read = Read::default();
    match parse::value(chunk) {
        Ok(Value::Null) => {}
        Ok(value) => object(file, chunk, value, DocumentPath::default(), namespace, &mut read),
        Err(broken) => {
            let place = place_in(chunk.text, chunk.line, broken.position);
            let message = broken.message;
            read.diagnostics.push(Diagnostic::new(Severity::Error, &file.path, place, broken.reason, message));
        }
    }
    read
}

fn object(file: &SourceFile, chunk: &Chunk<'_>, value: Value, inside: DocumentPath, namespace: &str, read: &mut Read) {
    match sort(&value) {
        Sort::Other(what) => {
            read.unread.extend(unread(&file.below, &value, namespace));
            read.skipped.push((file.path.clone(), what));
            read.rbac.add(&value, namespace);
        }
        Sort::List => {
            let Value::Object(mut list) = value else { return };
            let Some(Value::Array(items)) = list.remove("items") else { return };
            for (place, item) in items.into_iter().enumerate() {
                let mut inside = inside.clone().field("items");
                inside.0.push(Step::Item(place));
                object(file, chunk, item, inside, namespace, read);
            }
        }
        Sort::Mistaken(path, reason, message) => {
            let whole = DocumentPath(inside.0.iter().chain(&path.0).cloned().collect());
            let found = Marked::read(chunk.text).map(|marked| marked.find(&whole, Part::Value, None));
            let place = place_in(chunk.text, chunk.line, found);
            let mut diagnostic = Diagnostic::new(Severity::Error, &file.path, place, reason, message);
            diagnostic.field = path.to_string();
            // Like all others, it names the object, as far as that is known.
            let id = id_of(&value, namespace);
            diagnostic.object = (!id.name.is_empty() && !id.kind.is_empty()).then_some(id);
            read.diagnostics.push(diagnostic);
        }
        Sort::Ours => {
            let id = id_of(&value, namespace);
            let (line, text) = (chunk.line, chunk.text.into());
            let document = Document { file: file.path.clone(), line, text, inside, id };
            check(&document, &value, &mut read.diagnostics);
            let found = decode::object(&document.id, &value);
            if let Err(error) = &found
                && !read.diagnostics.iter().any(|other| other.object.as_ref() == Some(&document.id))
            {
                let place = document.place(&DocumentPath::default().field("spec"), Part::Value, None);
                let diagnostic =
                    Diagnostic::new(Severity::Error, &file.path, place, DiagnosticReason::Schema, error.to_string());
                read.diagnostics.push(diagnostic.about(&document.id, "spec"));
            }
            read.documents.push((document, found.ok()));
        }
    }
}

fn id_of(value: &Value, namespace: &str) -> ObjectId {
    let kind = value["kind"].as_str().unwrap_or_default();
    let own = value["metadata"]["namespace"].as_str().filter(|own| !own.is_empty());
    let is_namespaced = KINDS.get(kind).map_or(own.is_some(), |kind| kind.is_namespaced);
    let own = own.unwrap_or(namespace);
    ObjectId {
        kind: kind.into(),
        namespace: if is_namespaced { Name::new(own) } else { Name::default() },
        name: value["metadata"]["name"].as_str().unwrap_or_default().into(),
    }
}

fn check(document: &Document, value: &Value, diagnostics: &mut Vec<Diagnostic>) {
    let problems = match document.id.kind.as_str() {
        "Namespace" => schema::check_namespace(value),
        _ => schema::check(value),
    };
    for problem in problems {
        let part = if problem.is_key { Part::Key } else { Part::Value };
        let written = || document.plain(&problem.path, part);
        if problem.if_plain && written().is_none() {
            continue;
        }
        let as_written = if problem.unquoted { written() } else { None };
        let message = as_written.map_or(problem.message, |written| schema::needs_quotes(&written));
        let place = document.place(&problem.path, part, None);
        let is_advice = problem.reason == DiagnosticReason::Advice;
        let severity = if is_advice { Severity::Advice } else { Severity::Error };
        let diagnostic = Diagnostic::new(severity, &document.file, place, problem.reason, message);
        diagnostics.push(diagnostic.about(&document.id, problem.path.to_string()));
    }
}

fn there_twice(document: &Document, first: &Document) -> Diagnostic {
    let path = DocumentPath::default().field("metadata").field("name");
    let earlier = first.place(&path, Part::Value, None).position.line;
    let message = format!("exists twice; the first is at {}:{earlier}. Keep one", first.file.display());
    let place = document.place(&path, Part::Value, None);
    Diagnostic::new(Severity::Error, &document.file, place, DiagnosticReason::DuplicateObject, message)
        .about(&document.id, path.to_string())
}

/// Returns one note for each file with documents of other kinds.
fn passed_over(skipped: Vec<(Arc<Path>, String)>) -> Vec<Diagnostic> {
    let mut kinds: BTreeMap<Arc<Path>, BTreeMap<String, usize>> = BTreeMap::new();
    for (file, what) in skipped {
        *kinds.entry(file).or_default().entry(what).or_default() += 1;
    }
    let note = |(file, kinds): (Arc<Path>, BTreeMap<String, usize>)| {
        let kinds = kinds.into_iter().map(|(what, count)| if count > 1 { format!("{what} ({count})") } else { what });
        let message = format!("skipped, not kinds of Roster: {}", kinds.collect::<Vec<_>>().join(", "));
        Diagnostic::new(Severity::Note, &file, SourceSpan::default(), DiagnosticReason::Skipped, message)
    };
    kinds.into_iter().map(note).collect()
}

/// Assumes stores with all defaults if the files contain no IdentityStore. Stores belong to the platform team, and are
/// often in other files.
fn assume_stores(objects: &mut Objects, files: &mut Files) {
    if files.documents.iter().any(|document| document.id.kind == "IdentityStore") {
        return;
    }
    let accounts: Vec<_> = objects.accounts.values().filter_map(|entry| entry.account.clone()).collect();
    for account in accounts {
        let name = Name::new(&account.spec.store_ref.name);
        if objects.stores.contains_key(&name) {
            continue;
        }
        let store = StoreFacts::new(name.clone(), 0, IdentityStoreSpec::default());
        objects.stores.insert(name.clone(), Arc::new(store));
        let id = ObjectId { kind: "Account".into(), namespace: account.namespace.clone(), name: account.name.clone() };
        let Some(document) = files.documents.iter().find(|document| document.id == id) else { continue };
        let message = format!("these files contain no IdentityStore {name:?}; defaults are assumed for it");
        let path = DocumentPath::parse("spec.storeRef");
        let place = SourceSpan { position: Position::default(), text: String::new() };
        let note = Diagnostic::new(Severity::Note, &document.file, place, DiagnosticReason::StoreAssumed, message);
        files.diagnostics.push(note.about(&document.id, path.to_string()));
    }
}
