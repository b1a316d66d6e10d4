//! Columns that `kubectl get` shows for each kind (docs/runbook.md): first the content, then the state. Used by `crds`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceColumnDefinition;

/// Name, type, path, description.
type Column = (&'static str, &'static str, &'static str, &'static str);

const ACCOUNT: Column = ("Account", "string", ".spec.accountRef.name", "Name of the account.");
const DRIFTED: &str = r#".status.conditions[?(@.type=="Drifted")].status"#;

/// Last columns of all kinds.
const COMMON: [Column; 3] = [
    (
        "Ready",
        "string",
        r#".status.conditions[?(@.type=="Ready")].status"#,
        "Whether the object is ready: valid, synced, without reported drift.",
    ),
    ("Reason", "string", r#".status.conditions[?(@.type=="Ready")].reason"#, "Reason of the Ready condition."),
    ("Age", "date", ".metadata.creationTimestamp", "Time since the object was created."),
];

/// Columns of all kinds that only `-o wide` shows. They tell whether the status is up to date.
const WIDE: [Column; 2] = [
    ("Generation", "integer", ".metadata.generation", "Generation of the current spec."),
    ("Observed", "integer", ".status.observedGeneration", "Most recent generation observed by the controller."),
];

/// Returns the columns of a kind.
pub(super) fn of(kind: &str) -> Vec<CustomResourceColumnDefinition> {
    let own: &[Column] = match kind {
        "PermissionCatalog" => &[
            ("Accounts", "integer", ".status.accounts", "Number of accounts that use the catalog."),
            ("Updated", "integer", ".status.updatedAccounts", "Number of accounts that follow the current generation."),
        ],
        "IdentityStore" => &[
            ("File", "string", ".spec.sqlite.file", "File of the embedded store."),
            ("Accounts", "integer", ".status.accounts", "Number of accounts in the store."),
            ("Members", "integer", ".status.members", "Number of members in the store."),
        ],
        "Account" => &[
            ("Catalog", "string", ".spec.catalogRef.name", "PermissionCatalog of the account."),
            ("Store", "string", ".spec.storeRef.name", "IdentityStore of the account."),
            ("Members", "integer", ".status.members", "Number of members, including the owner."),
            ("Drifted", "string", DRIFTED, "Whether the store differs from what was applied to it."),
        ],
        "Role" => &[
            ACCOUNT,
            ("Overrides", "string", ".spec.overrides", "Predefined role that it overrides."),
            ("Members", "integer", ".status.members", "Number of members who hold the role."),
        ],
        "UserGroup" => &[ACCOUNT, ("Members", "integer", ".status.members", "Number of members in the group.")],
        "Membership" => &[
            ACCOUNT,
            ("User", "string", ".spec.user.email", "E-mail address of the user."),
            ("Access", "string", ".status.access", "Whether the user has access; otherwise the reason."),
            ("Expires", "string", ".status.accessUntil", "Time at which the access expires or expired."),
        ],
        "Invitation" => &[
            ACCOUNT,
            ("Email", "string", ".spec.email", "E-mail address of the invited person."),
            ("Role", "string", ".spec.roleRef.name", "Role, if the invitation names one."),
            ("Phase", "string", ".status.phase", "Phase of the invitation."),
        ],
        _ => &[],
    };
    let own_wide: &[Column] = match kind {
        "Membership" => &[("Role", "string", ".status.role", "Role in force, which may be the catalog's default.")],
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
