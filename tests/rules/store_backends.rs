//! Tests the rules of the IdentityStore's backends that need secrets.

use super::table::{Accepted, Refused, Table};

const POSTGRES: &str = "
apiVersion: roster.dev/v1alpha1
kind: IdentityStore
metadata: {name: rules}
spec: {postgres: {connectionSecretRef: {name: pg, key: uri}}}
";

const KEYCLOAK: &str = "
apiVersion: roster.dev/v1alpha1
kind: IdentityStore
metadata: {name: rules}
spec:
  keycloak:
    url: https://keycloak.example
    realm: portal
    clientId: roster
    clientSecretRef: {name: kc, key: secret}
";

#[tokio::test]
async fn a_postgres_store_names_its_secret_and_a_schema() {
    let schema = "spec.postgres.schema: Invalid value … must be";
    let own = "the schema is PostgreSQL's own";
    let name = "spec.postgres.connectionSecretRef.name";
    let table = Table::new(POSTGRES).await;
    table
        .on_create(&[
            ("", Accepted),
            ("spec: {postgres: {caSecretRef: {name: pg, key: ca.crt}}}", Accepted),
            ("spec: {postgres: {schema: _access_2}}", Accepted),
            ("spec: {sqlite: {file: a.db}}", Refused("exactly one backend must be set: sqlite, postgres, keycloak")),
            ("spec: {postgres: null}", Refused("exactly one backend must be set")),
            ("spec: {postgres: {connectionSecretRef: null}}", Refused("connectionSecretRef: Required value")),
            (
                "spec: {postgres: {connectionSecretRef: {key: null}}}",
                Refused("connectionSecretRef.key: Required value"),
            ),
            ("spec: {postgres: {connectionSecretRef: {name: ns/pg}}}", Refused(name)),
            ("spec: {postgres: {connectionSecretRef: {name: Pg}}}", Refused(name)),
            ("spec: {postgres: {connectionSecretRef: {key: 'a/b'}}}", Refused("connectionSecretRef.key")),
            ("spec: {postgres: {connectionSecretRef: {key: ''}}}", Refused("connectionSecretRef.key")),
            ("spec: {postgres: {caSecretRef: {name: pg}}}", Refused("caSecretRef.key: Required value")),
            ("spec: {postgres: {schema: ''}}", Refused("spec.postgres.schema")),
            ("spec: {postgres: {schema: Roster}}", Refused(schema)),
            ("spec: {postgres: {schema: 'a;drop'}}", Refused(schema)),
            ("spec: {postgres: {schema: 'a\"'}}", Refused(schema)),
            ("spec: {postgres: {schema: 1a}}", Refused(schema)),
            ("spec: {postgres: {schema: pg_catalog}}", Refused(own)),
            ("spec: {postgres: {schema: information_schema}}", Refused(own)),
        ])
        .await;
    table
        .on_update(
            "",
            &[
                ("spec: {postgres: {connectionSecretRef: {name: other, key: url}}}", Accepted),
                ("spec: {postgres: {caSecretRef: {name: other, key: ca}}}", Accepted),
                ("spec: {postgres: {schema: other}}", Refused("postgres (schema) cannot be changed")),
                ("spec: {postgres: null, sqlite: {file: a.db}}", Refused("cannot be changed")),
                ("spec: {paused: true}", Accepted),
            ],
        )
        .await;
}

#[tokio::test]
async fn a_keycloak_store_is_reached_safely() {
    let url = "spec.keycloak.url: Invalid value … must be";
    let plain = "must begin with https://; http:// is for this machine only";
    let local = "link-local addresses are refused";
    let master = "the realm master must not be a store";
    let table = Table::new(KEYCLOAK).await;
    table
        .on_create(&[
            ("", Accepted),
            ("spec: {keycloak: {url: 'https://keycloak.example:8443/auth'}}", Accepted),
            ("spec: {keycloak: {url: 'http://localhost:8080'}}", Accepted),
            ("spec: {keycloak: {url: 'http://127.0.0.1:8080'}}", Accepted),
            ("spec: {keycloak: {url: 'http://[::1]:8080'}}", Accepted),
            ("spec: {keycloak: {url: 'http://keycloak.example'}}", Refused(plain)),
            ("spec: {keycloak: {url: 'http://localhost.example'}}", Refused(plain)),
            ("spec: {keycloak: {url: 'https://169.254.169.254'}}", Refused(local)),
            ("spec: {keycloak: {url: 'https://[fe80::1]'}}", Refused(local)),
            ("spec: {keycloak: {url: 'https://user@keycloak.example'}}", Refused(url)),
            ("spec: {keycloak: {url: 'https://keycloak.example?a=b'}}", Refused(url)),
            ("spec: {keycloak: {url: 'https://keycloak.example#a'}}", Refused(url)),
            ("spec: {keycloak: {url: 'ftp://keycloak.example'}}", Refused(url)),
            ("spec: {keycloak: {url: keycloak.example}}", Refused(url)),
            ("spec: {keycloak: {url: 'https://'}}", Refused(url)),
            ("spec: {keycloak: {realm: master}}", Refused(master)),
            ("spec: {keycloak: {realm: Master}}", Refused(master)),
            ("spec: {keycloak: {realm: 'a/b'}}", Refused("spec.keycloak.realm: Invalid value … must be")),
            ("spec: {keycloak: {clientIdPrefix: 'prod.eu:'}}", Accepted),
            (
                "spec: {keycloak: {clientIdPrefix: prod}}",
                Refused("spec.keycloak.clientIdPrefix: Invalid value … must be"),
            ),
            (
                "spec: {keycloak: {clientIdPrefix: 'a/b.'}}",
                Refused("spec.keycloak.clientIdPrefix: Invalid value … must be"),
            ),
            ("spec: {keycloak: {portalClients: [portal, desk]}}", Accepted),
            ("spec: {keycloak: {portalClients: [portal, portal]}}", Refused("Duplicate value")),
            ("spec: {keycloak: {portalClients: ['']}}", Refused("spec.keycloak.portalClients[0]")),
            ("spec: {keycloak: {clientId: ''}}", Refused("spec.keycloak.clientId")),
            ("spec: {keycloak: {clientId: null}}", Refused("spec.keycloak.clientId: Required value")),
            ("spec: {keycloak: {clientSecretRef: null}}", Refused("clientSecretRef: Required value")),
        ])
        .await;
    table
        .on_update(
            "",
            &[
                ("spec: {keycloak: {clientId: other, clientSecretRef: {name: other}}}", Accepted),
                (
                    "spec: {keycloak: {url: 'https://other.example'}}",
                    Refused("keycloak (url, realm, clientIdPrefix) cannot be changed"),
                ),
                ("spec: {keycloak: {clientIdPrefix: 'prod.'}}", Refused("clientIdPrefix) cannot be changed")),
                ("spec: {keycloak: {portalClients: [other]}}", Accepted),
                (
                    "spec: {keycloak: {realm: other}}",
                    Refused("keycloak (url, realm, clientIdPrefix) cannot be changed"),
                ),
                ("spec: {keycloak: null, sqlite: {file: a.db}}", Refused("cannot be changed")),
            ],
        )
        .await;
}
