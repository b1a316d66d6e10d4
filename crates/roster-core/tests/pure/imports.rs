//! Imports between the files of a crate: which file names what another one defines. Asked by `cycles`.
//!
//! An import points at the file that defines the name, however many files re-export it on the way. A re-export that its
//! file does not use itself is none, and neither are methods: the compiler finds them without an import.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::support::repository;

/// Names that a file takes from another one, by the module paths of both; the root of the crate is "".
pub type Imports = BTreeMap<(String, String), BTreeSet<String>>;

/// Words before the name of something that a file defines.
const DEFINES: [&str; 10] = ["struct", "enum", "trait", "type", "fn", "const", "static", "union", "macro_rules", "mod"];

/// Modules of a crate that are files, by their paths.
#[derive(Default)]
pub struct Crate(BTreeMap<String, Module>);

#[derive(Default)]
struct Module {
    uses: Vec<Use>,
    /// Paths outside of `use`.
    paths: BTreeSet<Vec<String>>,
    defined: BTreeSet<String>,
}

struct Use {
    path: Vec<String>,
    /// Name that it gives; `*` for all.
    name: String,
    is_public: bool,
}

/// Module that a path leads to, and whether the path ends at the module itself.
struct Found {
    module: String,
    is_module: bool,
}

impl Crate {
    /// Reads the sources in a folder, without tests and binaries.
    pub fn read(folder: &str) -> Self {
        let mut read = Self::default();
        let folder = repository(folder);
        read.gather(&folder, &folder);
        read
    }

    fn gather(&mut self, root: &Path, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let inner = path.strip_prefix(root).unwrap().to_str().unwrap();
            if path.is_dir() {
                if inner != "bin" {
                    self.gather(root, &path);
                }
            } else if let Some(inner) = inner.strip_suffix(".rs") {
                let is_test = inner.ends_with("_tests") || inner.ends_with("/tests");
                if inner != "main" && !is_test {
                    let module = inner.strip_suffix("/mod").unwrap_or(if inner == "lib" { "" } else { inner });
                    self.add(&module.replace('/', "::"), &fs::read_to_string(&path).unwrap());
                }
            }
        }
    }

    /// Adds a module with its text.
    pub fn add(&mut self, module: &str, text: &str) {
        self.0.insert(module.to_owned(), Module::parse(text));
    }

    /// Returns which file imports what from which.
    pub fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        let mut note = |from: &String, to: String, name: String| {
            if *from != to {
                imports.entry((from.clone(), to)).or_default().insert(name);
            }
        };
        for (name, module) in &self.0 {
            for used in module.uses.iter().filter(|used| !used.is_public || module.names(&used.name)) {
                // An imported module is used by paths.
                if let Some(found) = self.resolve(name, &used.path, 0).filter(|found| !found.is_module) {
                    note(name, found.module, used.path.last().unwrap().clone());
                }
            }
            for path in module.paths.iter().filter(|path| path.len() > 1) {
                if let Some(found) = self.resolve(name, path, 0) {
                    note(name, found.module, path.last().unwrap().clone());
                }
            }
        }
        imports
    }

    /// Finds the module that defines what a path in a module leads to; `None` if it leads out of the crate.
    fn resolve(&self, from: &str, path: &[String], depth: usize) -> Option<Found> {
        // A name may come by itself: `use clap;`.
        if depth > 16 {
            return None;
        }
        let supers = path.iter().take_while(|part| *part == "super").count();
        match path.first()?.as_str() {
            "crate" => self.walk("", path.get(1..)?, depth),
            "self" => self.walk(from, path.get(1..)?, depth),
            "super" => {
                let parts: Vec<&str> = from.split("::").collect();
                let up = parts.get(..parts.len().checked_sub(supers)?)?.join("::");
                self.walk(&up, path.get(supers..)?, depth)
            }
            head => {
                let module = self.0.get(from)?;
                let imported = || module.uses.iter().any(|used| used.name == head && used.path.len() > 1);
                let known = self.0.contains_key(&below(from, head)) || imported();
                if known { self.walk(from, path, depth) } else { None }
            }
        }
    }

    fn walk(&self, module: &str, path: &[String], depth: usize) -> Option<Found> {
        let here = self.0.get(module)?;
        let Some((name, rest)) = path.split_first() else {
            return Some(Found { module: module.to_owned(), is_module: true });
        };
        if self.0.contains_key(&below(module, name)) {
            return self.walk(&below(module, name), rest, depth);
        }
        let by = |used: &Use| self.resolve(module, &[used.path.as_slice(), rest].concat(), depth + 1);
        if let Some(found) = here.uses.iter().filter(|used| used.name == *name).find_map(by) {
            return Some(found);
        }
        if here.defined.contains(name) {
            return Some(Found { module: module.to_owned(), is_module: false });
        }
        let by = |used: &Use| {
            let all = self.resolve(module, &used.path, depth + 1).filter(|all| all.is_module)?;
            self.walk(&all.module, path, depth + 1)
        };
        here.uses.iter().filter(|used| used.name == "*").find_map(by)
    }
}

fn below(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

impl Module {
    fn parse(text: &str) -> Self {
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let tokens = tokens(text);
        let mut module = Self::default();
        // Depths of braces at which modules within the file begin.
        let (mut depth, mut inner) = (0_usize, Vec::new());
        let mut is_public = false;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token.as_str() {
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    inner.pop_if(|opened| *opened == depth);
                }
                "pub" => {
                    is_public = true;
                    if tokens.get(at).is_some_and(|next| next == "(") {
                        at += tokens[at..].iter().position(|token| token == ")").unwrap();
                    }
                    continue;
                }
                ")" => continue,
                "use" if tokens.get(at).is_none_or(|next| next != "<") => {
                    let end = at + tokens[at..].iter().position(|token| token == ";").unwrap();
                    for (path, name) in tree(&tokens[at..end]) {
                        module.uses.push(Use { path: out_of(path, inner.len()), name, is_public });
                    }
                    at = end;
                }
                word if DEFINES.contains(&word) => {
                    let name = tokens.get(at).filter(|next| next.as_str() == "!").map_or(at, |_| at + 1);
                    if word == "mod" {
                        inner.extend(tokens.get(at + 1).filter(|next| *next == "{").map(|_| depth));
                        at += 1;
                    } else {
                        module.defined.extend(tokens.get(name).cloned());
                    }
                }
                word if is_word(word) => {
                    let mut path = vec![word.to_owned()];
                    while tokens.get(at).is_some_and(|next| next == "::")
                        && tokens.get(at + 1).is_some_and(|next| is_word(next))
                    {
                        path.push(tokens[at + 1].clone());
                        at += 2;
                    }
                    module.paths.insert(out_of(path, inner.len()));
                }
                _ => {}
            }
            is_public = false;
        }
        module
    }

    /// Returns whether the file names this outside of its imports.
    fn names(&self, name: &str) -> bool {
        self.paths.iter().any(|path| path.first().is_some_and(|first| first == name))
    }
}

/// Writes a path as seen from the file, not from a module within it at some depth.
fn out_of(mut path: Vec<String>, depth: usize) -> Vec<String> {
    let supers = path.iter().take_while(|part| *part == "super").count();
    if depth > 0 && supers > 0 {
        path.drain(..supers.min(depth));
        if supers <= depth {
            path.insert(0, "self".to_owned());
        }
    }
    path
}

/// Returns the paths of a `use`, each with the name that it gives.
fn tree(tokens: &[String]) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    let mut path: Vec<String> = Vec::new();
    // Lengths of the paths that braces belong to.
    let mut prefixes = vec![0];
    let mut alias = None;
    let end = ",".to_owned();
    let mut tokens = tokens.iter().chain([&end]);
    while let Some(token) = tokens.next() {
        match token.as_str() {
            "::" => {}
            "{" => prefixes.push(path.len()),
            "as" => alias = tokens.next().cloned(),
            "," | "}" => {
                let prefix = *prefixes.last().unwrap();
                if path.len() > prefix {
                    let last = path.last().unwrap().clone();
                    let ends_in = if last == "self" { path[path.len() - 2].clone() } else { last.clone() };
                    let length = path.len() - usize::from(last == "self" || last == "*");
                    found.push((path[..length].to_vec(), alias.take().unwrap_or(ends_in)));
                }
                path.truncate(prefix);
                if token == "}" {
                    prefixes.pop();
                    path.truncate(*prefixes.last().unwrap());
                }
            }
            word => path.push(word.to_owned()),
        }
    }
    found
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Cuts a text into words, `::` and single characters, without comments, texts and characters in quotes.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        if rest.starts_with("//") {
            length = rest.find('\n').unwrap_or(rest.len());
        } else if let Some(raw) = raw(rest) {
            length = raw;
        } else if first == '"' {
            length = quoted(rest);
        } else if first == '\'' {
            length = character(rest);
        } else if first.is_alphanumeric() || first == '_' {
            length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
        } else if rest.starts_with("::") {
            length = 2;
            tokens.push("::".to_owned());
        } else if !first.is_whitespace() {
            tokens.push(first.to_string());
        }
        rest = &rest[length..];
    }
    tokens
}

/// Returns the length of a raw text such as `r#"…"#`.
fn raw(rest: &str) -> Option<usize> {
    let marks = rest.strip_prefix('r')?.chars().take_while(|c| *c == '#').count();
    let begin = 2 + marks;
    rest[1 + marks..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    Some(begin + rest[begin..].find(&end)? + end.len())
}

/// Returns the length of a text in quotes.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Returns the length of a character in quotes, or of the quote of a lifetime.
fn character(rest: &str) -> usize {
    let mut inner = rest[1..].chars();
    match inner.next() {
        Some('\\') => 3 + rest[3..].find('\'').map_or(0, |at| at + 1),
        Some(one) if rest[1 + one.len_utf8()..].starts_with('\'') => 2 + one.len_utf8(),
        _ => 1,
    }
}
