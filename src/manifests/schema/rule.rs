//! CEL rules, compiled with the functions of Kubernetes that they need. Made by `compile`; evaluated by `cel`.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, LazyLock, OnceLock},
};

use ::cel::{
    Env, ExecutionError, Program,
    common::types::{CelBool, CelString},
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;
use regex::Regex;
use url::Url;

use crate::manifests::path::DocumentPath;

pub(super) static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Fails only if the function exists already, which is as good.
    let _ = ::cel::add_member_overload!(env, fn matches: (CelString, CelString) -> Result<CelBool>);
    // Only those of Kubernetes' own functions that our rules need. A URL stays a text.
    let _ = ::cel::add_member_overload!(env, fn lower_ascii: (CelString) -> CelString);
    let _ = ::cel::add_overload!(env, fn is_url: (CelString) -> CelBool, name = "isURL");
    let _ = ::cel::add_overload!(env, fn url: (CelString) -> CelString);
    let _ = ::cel::add_member_overload!(env, fn get_scheme: (CelString) -> CelString);
    let _ = ::cel::add_member_overload!(env, fn get_hostname: (CelString) -> CelString);
    Arc::new(env)
});

thread_local! {
    static PATTERNS: RefCell<HashMap<String, Option<Regex>>> = RefCell::new(HashMap::new());
}

/// Implements `matches`. Rules call it for every key of a map, so each pattern is compiled once.
fn matches(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    PATTERNS.with_borrow_mut(|patterns| {
        if !patterns.contains_key(pattern.inner()) {
            patterns.insert(pattern.inner().to_owned(), Regex::new(pattern.inner()).ok());
        }
        match patterns.get(pattern.inner()) {
            Some(Some(compiled)) => Ok(CelBool::from(compiled.is_match(text.inner()))),
            _ => {
                Err(ExecutionError::function_error("matches", format!("{:?} is not a valid pattern", pattern.inner())))
            }
        }
    })
}

fn lower_ascii(text: &CelString<'_>) -> CelString<'static> {
    CelString::from(text.inner().to_ascii_lowercase())
}

fn is_url(text: &CelString<'_>) -> CelBool {
    CelBool::from(Url::parse(text.inner()).is_ok())
}

fn url(text: &CelString<'_>) -> CelString<'static> {
    CelString::from(text.inner().to_owned())
}

fn get_scheme(url: &CelString<'_>) -> CelString<'static> {
    CelString::from(Url::parse(url.inner()).map(|url| url.scheme().to_owned()).unwrap_or_default())
}

fn get_hostname(url: &CelString<'_>) -> CelString<'static> {
    let url = Url::parse(url.inner()).ok();
    CelString::from(url.and_then(|url| url.host_str().map(ToOwned::to_owned)).unwrap_or_default())
}

/// CEL rule, compiled when it is first needed: the parser is slow.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) text: String,
    /// Message of the rule.
    pub(super) message: String,
    /// Field at fault, relative to the rule's field.
    pub(super) field: Option<DocumentPath>,
    compiled: OnceLock<Result<Program, String>>,
}

impl Rule {
    pub(super) fn new(rule: &ValidationRule) -> Self {
        let message = rule.message.clone().unwrap_or_else(|| format!("breaks the rule {}", rule.rule));
        let field = rule.field_path.as_deref().map(DocumentPath::parse);
        Self { text: rule.rule.clone(), message, field, compiled: OnceLock::new() }
    }

    pub(super) fn compiled(&self) -> &Result<Program, String> {
        self.compiled.get_or_init(|| ENVIRONMENT.compile(&self.text).map_err(|error| format!("{}: {error}", self.text)))
    }
}
