//! Columns that `kubectl get` shows for each kind (docs/runbook.md): first the content, then the state. Used by `crds`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceColumnDefinition;

/// Name, type, path, description.
type Column = (&'static str, &'static str, &'static str, &'static str);

const ACCOUNT: Column = ("Account", "string", ".spec.accountRef.name", "The account.");
const DRIFTED: &str = r#".status.conditions[?(@.type=="Drifted")].status"#;

/// Last columns of all kinds.
const COMMON: [Column; 3] = [
    ("Ready", "string", r#".status.conditions[?(@.type=="Ready")].status"#, "Valid, synced, no reported drift."),
    ("Reason", "string", r#".status.conditions[?(@.type=="Ready")].reason"#, "Why it is ready, or is not."),
    ("Age", "date", ".metadata.creationTimestamp", "Since when it exists."),
];

/// Columns of all kinds that only `-o wide` shows. They tell whether the status is for the present spec.
const WIDE: [Column; 2] = [
    ("Generation", "integer", ".metadata.generation", "How often the spec was changed, from 1."),
    ("Observed", "integer", ".status.observedGeneration", "The generation that the status speaks of."),
];

/// Returns the columns of a kind.
pub(super) fn of(kind: &str) -> Vec<CustomResourceColumnDefinition> {
    let own: &[Column] = match kind {
        "PermissionCatalog" => &[
            ("Accounts", "integer", ".status.accounts", "Accounts that use it."),
            ("Updated", "integer", ".status.updatedAccounts", "Accounts that follow its present generation."),
        ],
        "IdentityStore" => &[
            ("File", "string", ".spec.sqlite.file", "File of the embedded store."),
            ("Accounts", "integer", ".status.accounts", "Accounts kept in it."),
            ("Members", "integer", ".status.members", "Members kept in it."),
        ],
        "Account" => &[
            ("Catalog", "string", ".spec.catalogRef.name", "What can be granted here."),
            ("Store", "string", ".spec.storeRef.name", "Where it is kept."),
            ("Members", "integer", ".status.members", "Members, the owner included."),
            ("Drifted", "string", DRIFTED, "Whether the store differs."),
        ],
        "Role" => &[
            ACCOUNT,
            ("Overrides", "string", ".spec.overrides", "The predefined role it changes."),
            ("Members", "integer", ".status.members", "Members that hold it."),
        ],
        "UserGroup" => &[ACCOUNT, ("Members", "integer", ".status.members", "Members in it.")],
        "Membership" => &[
            ACCOUNT,
            ("User", "string", ".spec.user.email", "Address of the user."),
            ("Access", "string", ".status.access", "Whether the user has access at present, and why not."),
            ("Expires", "string", ".status.accessUntil", "When the access ends by itself, or ended."),
        ],
        "Invitation" => &[
            ACCOUNT,
            ("Email", "string", ".spec.email", "Address of the invited."),
            ("Role", "string", ".spec.roleRef.name", "The role, where one is named."),
            ("Phase", "string", ".status.phase", "Where the invitation stands."),
        ],
        _ => &[],
    };
    let own_wide: &[Column] = match kind {
        "Membership" => &[("Role", "string", ".status.role", "The role in force, be it the catalog's default.")],
        _ => &[],
    };
    let always = own.iter().chain(&COMMON).map(|column| (column, None));
    let wide = own_wide.iter().chain(&WIDE).map(|column| (column, Some(1)));
    always
        .chain(wide)
        .map(|((name, type_, path, description), priority)| CustomResourceColumnDefinition {
            name: (*name).to_owned(),
            type_: (*type_).to_owned(),
            json_path: (*path).to_owned(),
            description: Some((*description).to_owned()),
            priority,
            ..Default::default()
        })
        .collect()
}
