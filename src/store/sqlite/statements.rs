//! SQL statements of SQLite that are not shared; run by `session`. Rows are passed as JSON: one statement takes
//! thousands of them as one text.

use crate::store::sql::{Dialect, account, named};

/// Selects the sections of layout `y` with their levels as one JSON text: 256 sections of 16 levels would be 4,096
/// rows.
macro_rules! ladders {
    () => {
        "y.sections,
        (SELECT json_group_array(json_array(s.position, s.name, json((
            SELECT json_group_array(json_array(l.rank, l.name) ORDER BY l.rank)
            FROM levels l WHERE l.layout_id = s.layout_id AND l.position = s.position))) ORDER BY s.position)
         FROM sections s WHERE s.layout_id = y.id)"
    };
}

pub(super) static DIALECT: Dialect = Dialect {
    accounts: ACCOUNTS,
    with_access: WITH_ACCESS,
    account: ACCOUNT,
    named: NAMED,
    owners: OWNERS,
    layout: LAYOUT,
    put: PUT,
    remove: REMOVE,
    translate: TRANSLATE,
    mark: MARK,
    unmark: UNMARK,
    put_ladders: PUT_LADDERS,
    append: APPEND,
};

const ACCOUNT: &str = account!(ladders!(), "SELECT id FROM store_id WHERE one = 1");
const LAYOUT: &str = concat!("SELECT y.id, ", ladders!(), " FROM layouts y WHERE y.digest = $1");
const NAMED: [&str; 3] = [
    named!(roles, "role", "name", "json_each($2) j", "j.value"),
    named!(groups, "group", "name", "json_each($2) j", "j.value"),
    named!(members, "member", "email", "json_each($2) j", "j.value"),
];
const OWNERS: &str = "
    SELECT o.id, o.cluster, o.account, o.uid FROM json_each($1) j CROSS JOIN owners o ON o.id = j.value";

/// Selects members with these addresses in all accounts.
const WITH_ACCESS: &str = "
    SELECT i.key, m.email FROM json_each($1) j
    CROSS JOIN members m ON m.email = j.value
    JOIN account_ids i ON i.id = m.account_id
    WHERE m.ended IS NULL AND m.ranks GLOB '*[^0]*' AND (m.expires_at IS NULL OR m.expires_at > $2)
    ORDER BY i.key, m.email";

/// Selects the marks of all accounts. Starts from the accounts, since most marks are members'.
const ACCOUNTS: &str = "
    SELECT o.cluster, o.account, o.uid FROM account_ids i
    CROSS JOIN marks k ON k.account_id = i.id AND k.kind = 'account' AND k.name = ''
    JOIN owners o ON o.id = k.owner_id ORDER BY i.key";
const PUT_LADDERS: [&str; 2] = [
    "INSERT INTO sections (layout_id, position, name)
    SELECT $1, key, value ->> '$.section' FROM json_each($2)",
    "INSERT INTO levels (layout_id, position, rank, name)
    SELECT $1, s.key, l.key, l.value FROM json_each($2) s, json_each(s.value, '$.levels') l",
];
const APPEND: &str = "
    INSERT INTO audit (seq, at, account, kind, name, cause, before, after, origin, epoch, counted, previous, hash)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8, value ->> 9, value ->> 10, unhex(value ->> 11), unhex(value ->> 12) FROM json_each($1)";

macro_rules! put_definitions {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (account_id, name, title, ranks) ",
            "SELECT $1, value ->> 0, value ->> 1, value ->> 2 FROM json_each($2) WHERE true ",
            "ON CONFLICT DO UPDATE SET title = excluded.title, ranks = excluded.ranks"
        )
    };
}

macro_rules! remove {
    ($table:literal, $name:literal) => {
        concat!("DELETE FROM ", $table, " WHERE account_id = $1 AND ", $name, " IN (SELECT value FROM json_each($2))")
    };
}

macro_rules! translate {
    ($table:literal, $name:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET ranks = j.value ->> 1 FROM json_each($2) j ",
            "WHERE account_id = $1 AND ",
            $table,
            ".",
            $name,
            " = j.value ->> 0 AND ranks <> j.value ->> 1"
        )
    };
}

const PUT: [&str; 3] = [put_definitions!("roles"), put_definitions!("groups"), PUT_MEMBERS];
const PUT_MEMBERS: &str = "
    INSERT INTO members (account_id, email, display_name, external_id, role, groups, ranks, starts_at, expires_at, ended)
    SELECT $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8 FROM json_each($2) WHERE true
    ON CONFLICT DO UPDATE SET display_name = excluded.display_name, external_id = excluded.external_id,
        role = excluded.role, groups = excluded.groups, ranks = excluded.ranks, starts_at = excluded.starts_at,
        expires_at = excluded.expires_at, ended = excluded.ended";
const MARK: &str = "
    INSERT INTO marks (account_id, owner_id, kind, name, fingerprint)
    SELECT $1, $2, value ->> 0, value ->> 1, unhex(value ->> 2) FROM json_each($3) WHERE true
    ON CONFLICT DO UPDATE SET owner_id = excluded.owner_id, fingerprint = excluded.fingerprint";
const UNMARK: &str = "
    DELETE FROM marks WHERE account_id = $1 AND (kind, name) IN (SELECT value ->> 0, value ->> 1 FROM json_each($2))";
const REMOVE: [&str; 3] = [remove!("roles", "name"), remove!("groups", "name"), remove!("members", "email")];
const TRANSLATE: [&str; 3] =
    [translate!("roles", "name"), translate!("groups", "name"), translate!("members", "email")];

/// Statements whose cost must depend only on the rows read or written; see `query_plans`.
#[cfg(test)]
pub(super) fn indexed_statements() -> impl Iterator<Item = &'static str> {
    let single = [ACCOUNT, crate::store::sql::REMOVALS, OWNERS, WITH_ACCESS, MARK, UNMARK];
    single.into_iter().chain([NAMED, PUT, REMOVE, TRANSLATE].into_iter().flatten())
}
