//! Records of the last catalog revision that reached all of its accounts: ConfigMaps in the controller's own namespace
//! (docs/decisions/0020-catalog-rollouts.md). The holder of shard 0 writes them through `controller::shell`; all replicas
//! read them through `watch`.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams, Preconditions},
};
use sha2::{Digest as _, Sha256};

use crate::{
    api::{CATALOG_ANNOTATION, MANAGER, PermissionCatalogSpec},
    cluster::{api_error::is_gone, leases::LeaseCheck},
    control::RecordWrite,
    model::{AccountKey, KindName, Name},
    state::{CatalogFacts, CatalogRecord, LastRevision, Meta, Object, Record, StatusDigest, WatchEvent},
};

/// Label selector of Roster's ConfigMaps.
pub const SELECTOR: &str = "app.kubernetes.io/managed-by=roster";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Longest name that the API server accepts.
const LONGEST_NAME: usize = 253;

/// Returns the name of a catalog's record.
fn name(catalog: &str) -> String {
    let name = format!("roster-catalog-{catalog}");
    if name.len() <= LONGEST_NAME { name } else { format!("roster-catalog-{:x}", Sha256::digest(catalog)) }
}

/// Converts a watched ConfigMap.
pub fn object(config_map: ConfigMap) -> Object {
    let ConfigMap { data, metadata, .. } = config_map;
    let named = metadata.annotations.as_ref().and_then(|annotations| annotations.get(CATALOG_ANNOTATION));
    let catalog = named.filter(|catalog| metadata.name.as_ref() == Some(&name(catalog))).map(Name::new);
    let last = catalog.as_ref().and_then(|catalog| {
        let last = read(catalog, &data.unwrap_or_default());
        if last.is_none() {
            tracing::warn!(%catalog, "the record of the catalog's last revision cannot be read; it is written again");
        }
        last
    });
    Object::CatalogRecord(Record {
        namespace: metadata.namespace.as_deref().unwrap_or_default().into(),
        name: metadata.name.as_deref().unwrap_or_default().into(),
        account: Name::default(),
        meta: Meta::new(KindName::CatalogRecord, &metadata, StatusDigest::default()),
        facts: Arc::new(CatalogRecord { catalog, last }),
    })
}

/// Parses a record; `None` unless it contains a valid catalog, and a valid account key if there is one.
fn read(catalog: &Name, data: &BTreeMap<String, String>) -> Option<LastRevision> {
    let spec: PermissionCatalogSpec = serde_json::from_str(data.get("spec")?).ok()?;
    let facts = CatalogFacts::new(catalog.clone(), data.get("generation")?.parse().ok()?, spec);
    facts.compiled.as_ref().ok()?;
    let up_to = match data.get("upTo") {
        Some(key) => Some(AccountKey::parse(key)?),
        None => None,
    };
    let held_before = data.get("heldBefore").map(String::as_str).unwrap_or_default();
    let held_before = held_before.split_whitespace().filter_map(AccountKey::parse).collect();
    Some(LastRevision { uid: Name::new(data.get("uid")?), facts: Arc::new(facts), up_to, held_before })
}

/// Writes a record, with the known version as precondition and only while `lease` is held. Returns the written record, or
/// `None` if nothing was written or it was deleted.
///
/// # Errors
/// When the API server refuses or cannot be reached; a conflict if somebody wrote first.
pub async fn write(
    client: &Client,
    namespace: &Name,
    catalog: &Name,
    write: RecordWrite,
    lease: &LeaseCheck,
) -> Result<Option<WatchEvent>, kube::Error> {
    if !lease.is_held() {
        return Ok(None);
    }
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let name = name(catalog);
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let event = match write {
        RecordWrite::Put { last, resource_version: version } => {
            let config_map = config_map(name.clone(), catalog, &last, version.as_deref())?;
            let written = match version {
                Some(_) => api.replace(&name, &params, &config_map).await?,
                None => api.create(&params, &config_map).await?,
            };
            WatchEvent::Object(object(written))
        }
        RecordWrite::Delete { uid, resource_version: version } => {
            let only = Preconditions { uid: Some(uid.to_string()), resource_version: Some(version.to_string()) };
            // The watch reports the deletion, in order with later events of this name.
            return match api.delete(&name, &DeleteParams::default().preconditions(only)).await {
                Ok(_) => Ok(None),
                Err(error) if is_gone(&error) => Ok(None),
                Err(error) => Err(error),
            };
        }
    };
    Ok(Some(event))
}

fn config_map(
    name: String,
    catalog: &Name,
    last: &LastRevision,
    version: Option<&str>,
) -> Result<ConfigMap, kube::Error> {
    let mut data = BTreeMap::from([
        ("uid".to_owned(), last.uid.to_string()),
        ("generation".to_owned(), last.facts.generation.to_string()),
        ("spec".to_owned(), serde_json::to_string(&last.facts.spec).map_err(kube::Error::SerdeError)?),
    ]);
    if let Some(up_to) = &last.up_to {
        data.insert("upTo".to_owned(), up_to.to_string());
    }
    if !last.held_before.is_empty() {
        let keys: Vec<String> = last.held_before.iter().map(ToString::to_string).collect();
        data.insert("heldBefore".to_owned(), keys.join(" "));
    }
    let metadata = ObjectMeta {
        name: Some(name),
        resource_version: version.map(str::to_owned),
        labels: Some(BTreeMap::from([(MANAGED_BY.to_owned(), MANAGER.to_owned())])),
        annotations: Some(BTreeMap::from([(CATALOG_ANNOTATION.to_owned(), catalog.to_string())])),
        ..ObjectMeta::default()
    };
    Ok(ConfigMap { metadata, data: Some(data), ..ConfigMap::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{PermissionCatalog, PredefinedRole, Section};
    use crate::state::PresentRevision;

    fn last(up_to: Option<&str>) -> LastRevision {
        let spec = PermissionCatalogSpec {
            sections: vec![Section { name: "orders".to_owned(), ..Section::default() }],
            roles: vec![PredefinedRole { name: "clerk".to_owned(), ..PredefinedRole::default() }],
            ..PermissionCatalog::new("", serde_json::from_str("{\"sections\": []}").unwrap()).spec
        };
        LastRevision {
            uid: Name::new("0-1"),
            facts: Arc::new(CatalogFacts::new(Name::new("portal"), 7, spec)),
            up_to: up_to.and_then(AccountKey::parse),
            held_before: up_to.and_then(AccountKey::parse).into_iter().collect(),
        }
    }

    fn reread(config_map: ConfigMap) -> CatalogRecord {
        let Object::CatalogRecord(record) = object(config_map) else { panic!("a record") };
        (*record.facts).clone()
    }

    #[test]
    fn a_record_parses_to_what_was_written() {
        for up_to in [None, Some("acme/shop")] {
            let last = last(up_to);
            let portal = Name::new("portal");
            let read = reread(config_map(name("portal"), &portal, &last, Some("12")).unwrap());
            assert_eq!(read.catalog, Some(portal));
            let read = read.last.unwrap();
            assert_eq!((read.uid, read.up_to, read.held_before), (last.uid, last.up_to, last.held_before));
            assert_eq!((read.facts.generation, &read.facts.spec), (7, &last.facts.spec));
        }
    }

    #[test]
    fn an_incomplete_record_counts_as_missing() {
        let portal = Name::new("portal");
        let whole = config_map(name("portal"), &portal, &last(Some("acme/shop")), None).unwrap();
        for (key, value) in [
            ("spec", "{}"),
            ("spec", "{\"sections\": [{\"name\": \"orders\"}], \"defaultRole\": \"nobody\"}"),
            ("generation", "x"),
            ("upTo", "acme"),
        ] {
            let mut broken = whole.clone();
            broken.data.as_mut().unwrap().insert(key.to_owned(), value.to_owned());
            let read = reread(broken);
            assert!(read.last.is_none(), "{key}={value}");
            assert_eq!(read.catalog, Some(portal.clone()), "it is to be replaced");
        }
        let mut other = whole;
        other.metadata.name = Some("somebody-elses".to_owned());
        assert_eq!(reread(other).catalog, None);
    }

    #[test]
    fn a_catalog_that_is_too_large_has_no_record() {
        let mut spec = last(None).facts.spec.clone();
        let present = |spec| PresentRevision {
            uid: Name::new("0-1"),
            facts: Arc::new(CatalogFacts::new(Name::new("portal"), 8, spec)),
            deleting: false,
            all_at_once: false,
        };
        let portal = config_map(name("portal"), &Name::new("portal"), &last(None), Some("12")).unwrap();
        let Object::CatalogRecord(known) = object(portal) else { panic!("a record") };
        assert!(matches!(RecordWrite::present(&present(spec.clone()), Some(&known)), Some(RecordWrite::Put { .. })));
        spec.sections[0].title = Some("x".repeat(1_000_000));
        assert!(matches!(RecordWrite::present(&present(spec.clone()), Some(&known)), Some(RecordWrite::Delete { .. })));
        assert!(RecordWrite::present(&present(spec), None).is_none());
    }

    #[test]
    fn a_long_name_has_a_record_too() {
        let long = "a".repeat(253);
        assert!(name(&long).len() <= LONGEST_NAME);
        assert_ne!(name(&long), name(&"b".repeat(253)));
    }
}
