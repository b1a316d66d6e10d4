//! SQL statements of SQLite; run by `session`. Rows are passed as JSON: one statement takes thousands of them as one
//! text.

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

pub(super) const ACCOUNT: &str = concat!(
    "
    SELECT i.id, i.members, a.display_name, a.catalog, a.owner, a.parent,
        ",
    ladders!(),
    ",
        k.owner_id, k.fingerprint, i.approvals, o.store
    FROM (SELECT (SELECT id FROM store_id WHERE one = 1) AS store) o
    LEFT JOIN account_ids i ON i.key = ?1
    LEFT JOIN accounts a ON a.id = i.id
    LEFT JOIN layouts y ON y.id = a.layout_id
    LEFT JOIN marks k ON k.account_id = i.id AND k.kind = 'account' AND k.name = ''"
);

pub(super) const STORE_ID: &str = "SELECT id FROM store_id WHERE one = 1";

/// Builds two statements for a table. The first selects all rows of an account, and then the marks without a row. The
/// second selects rows and marks with given names. The order of its joins is fixed: names find rows, never the other
/// way around.
macro_rules! statements {
    ($table:literal, $kind:literal, $name:literal, $columns:literal, $nulls:literal) => {
        (
            concat!(
                "SELECT m.",
                $name,
                ", k.owner_id, k.fingerprint, ",
                $columns,
                " FROM ",
                $table,
                " m LEFT JOIN marks k ON k.account_id = m.account_id AND k.kind = '",
                $kind,
                "' AND k.name = m.",
                $name,
                " WHERE m.account_id = ?1 UNION ALL SELECT k.name, k.owner_id, k.fingerprint, ",
                $nulls,
                " FROM marks k WHERE k.account_id = ?1 AND k.kind = '",
                $kind,
                "' AND NOT EXISTS (SELECT 1 FROM ",
                $table,
                " m WHERE m.account_id = ?1 AND m.",
                $name,
                " = k.name)"
            ),
            concat!(
                "SELECT j.value, k.owner_id, k.fingerprint, ",
                $columns,
                " FROM json_each(?2) j LEFT JOIN ",
                $table,
                " m ON m.account_id = ?1 AND m.",
                $name,
                " = j.value",
                " LEFT JOIN marks k ON k.account_id = ?1 AND k.kind = '",
                $kind,
                "' AND k.name = j.value",
                " WHERE m.",
                $name,
                " IS NOT NULL OR k.name IS NOT NULL"
            ),
        )
    };
}

pub(super) type Statements = (&'static str, &'static str);

pub(super) const ROLES: Statements = statements!("roles", "role", "name", "m.ranks, m.title", "NULL, NULL");
pub(super) const GROUPS: Statements = statements!("groups", "group", "name", "m.ranks, m.title", "NULL, NULL");
pub(super) const MEMBERS: Statements = statements!(
    "members",
    "member",
    "email",
    "m.ranks, m.display_name, m.external_id, m.role, m.groups, m.starts_at, m.expires_at, m.ended",
    "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
);

pub(super) const REMOVALS: &str = "
    SELECT name, at FROM audit WHERE account = ?1 AND at >= ?2 AND counted = 1 AND kind = 'member' ORDER BY seq";

pub(super) const OWNERS: &str = "
    SELECT o.id, o.cluster, o.account, o.uid FROM json_each(?1) j CROSS JOIN owners o ON o.id = j.value";

/// Selects members with these addresses in all accounts.
pub(super) const WITH_ACCESS: &str = "
    SELECT i.key, m.email FROM json_each(?1) j
    CROSS JOIN members m ON m.email = j.value
    JOIN account_ids i ON i.id = m.account_id
    WHERE m.ended IS NULL AND m.ranks GLOB '*[^0]*' AND (m.expires_at IS NULL OR m.expires_at > ?2)
    ORDER BY i.key, m.email";

/// Statements whose cost must depend only on the rows read; see `query_plans`.
#[cfg(test)]
pub(super) const READS_OF_A_FEW: &[&str] = &[ACCOUNT, ROLES.1, GROUPS.1, MEMBERS.1, REMOVALS, OWNERS, WITH_ACCESS];

/// Selects the marks of all accounts. Starts from the accounts, since most marks are members'.
pub(super) const ACCOUNTS: &str = "
    SELECT o.cluster, o.account, o.uid FROM account_ids i
    CROSS JOIN marks k ON k.account_id = i.id AND k.kind = 'account' AND k.name = ''
    JOIN owners o ON o.id = k.owner_id ORDER BY i.key";
pub(super) const KEYS: &str = "
    SELECT i.key FROM account_ids i
    WHERE EXISTS (SELECT 1 FROM accounts a WHERE a.id = i.id)
        OR EXISTS (SELECT 1 FROM marks k WHERE k.account_id = i.id AND k.kind = 'account' AND k.name = '')
    ORDER BY i.key";
pub(super) const TOTALS: &str =
    "SELECT (SELECT count(*) FROM accounts), (SELECT coalesce(sum(members), 0) FROM account_ids)";
pub(super) const LAYOUT: &str = concat!("SELECT y.id, ", ladders!(), " FROM layouts y WHERE y.digest = ?1");
pub(super) const OWNER: &str = "SELECT id FROM owners WHERE cluster = ?1 AND account = ?2 AND uid = ?3";
pub(super) const LEFT: &str = "
    SELECT 'a role' FROM roles WHERE account_id = ?1
    UNION ALL SELECT 'a group' FROM groups WHERE account_id = ?1
    UNION ALL SELECT 'a member' FROM members WHERE account_id = ?1
    UNION ALL SELECT 'a mark on a ' || kind FROM marks WHERE account_id = ?1 AND kind <> 'account' LIMIT 1";
pub(super) const AUDIT: &str = "
    SELECT seq, at, account, kind, name, cause, before, after, origin, epoch, counted, previous, hash
    FROM audit ORDER BY seq";

macro_rules! asked {
    ($order:literal) => {
        concat!(
            "
    SELECT seq, at, account, kind, name, cause, before, after, origin, epoch, counted, previous, hash FROM audit
    WHERE seq > ?1 AND (?2 IS NULL OR account = ?2)
        AND (?3 IS NULL OR (kind = 'member' AND name = ?3)) AND (?4 IS NULL OR kind = ?4)
        AND (?5 IS NULL OR cause = ?5) AND (?6 IS NULL OR at >= ?6) AND (?7 IS NULL OR at < ?7)
    ORDER BY seq ",
            $order,
            " LIMIT ?8"
        )
    };
}

/// Audit queries: oldest first, and newest first.
pub(super) const ASKED: [&str; 2] = [asked!("ASC"), asked!("DESC")];

pub(super) const FENCE: &str = "SELECT max(epoch) FROM fence WHERE cluster = ?1 AND ?2 BETWEEN first AND last";
/// Deletes earlier claims within these slots, since the new one replaces them, and inserts the new claim.
pub(super) const PUT_FENCE: [&str; 2] = [
    "DELETE FROM fence WHERE cluster = ?1 AND first >= ?2 AND last <= ?3 AND epoch <= ?4",
    "INSERT INTO fence (cluster, first, last, epoch) VALUES (?1, ?2, ?3, ?4)",
];
pub(super) const NEW_ACCOUNT: &str = "INSERT INTO account_ids (key) VALUES (?1) RETURNING id";
pub(super) const NEW_OWNER: &str = "INSERT INTO owners (cluster, account, uid) VALUES (?1, ?2, ?3) RETURNING id";
pub(super) const PUT_ACCOUNT: &str = "
    INSERT INTO accounts (id, display_name, catalog, layout_id, owner, parent) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT DO UPDATE SET display_name = excluded.display_name, catalog = excluded.catalog,
        layout_id = excluded.layout_id, owner = excluded.owner, parent = excluded.parent";
pub(super) const PUT_LAYOUT: &str = "
    INSERT INTO layouts (digest, sections) VALUES (?1, ?2)
    ON CONFLICT DO UPDATE SET sections = excluded.sections RETURNING id";
pub(super) const REMOVE_LADDERS: [&str; 2] =
    ["DELETE FROM levels WHERE layout_id = ?1", "DELETE FROM sections WHERE layout_id = ?1"];
pub(super) const PUT_LADDERS: [&str; 2] = [
    "INSERT INTO sections (layout_id, position, name)
    SELECT ?1, key, value ->> '$.section' FROM json_each(?2)",
    "INSERT INTO levels (layout_id, position, rank, name)
    SELECT ?1, s.key, l.key, l.value FROM json_each(?2) s, json_each(s.value, '$.levels') l",
];
pub(super) const REMOVE_UNUSED_LAYOUTS: &str = "
    DELETE FROM layouts WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE layout_id = layouts.id)";
pub(super) const USE_UP_APPROVAL: &str = "UPDATE account_ids SET approvals = approvals + 1 WHERE id = ?1";
pub(super) const REMOVE_ACCOUNT: [&str; 3] = [
    "DELETE FROM accounts WHERE id = ?1",
    "DELETE FROM marks WHERE account_id = ?1",
    "DELETE FROM account_ids WHERE id = ?1",
];
pub(super) const APPEND: &str = "
    INSERT INTO audit (seq, at, account, kind, name, cause, before, after, origin, epoch, counted, previous, hash)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8, value ->> 9, value ->> 10, unhex(value ->> 11), unhex(value ->> 12) FROM json_each(?1)";

macro_rules! put_definitions {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (account_id, name, title, ranks) ",
            "SELECT ?1, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?2) WHERE true ",
            "ON CONFLICT DO UPDATE SET title = excluded.title, ranks = excluded.ranks"
        )
    };
}

macro_rules! remove {
    ($table:literal, $name:literal) => {
        concat!("DELETE FROM ", $table, " WHERE account_id = ?1 AND ", $name, " IN (SELECT value FROM json_each(?2))")
    };
}

macro_rules! translate {
    ($table:literal, $name:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET ranks = j.value ->> 1 FROM json_each(?2) j ",
            "WHERE account_id = ?1 AND ",
            $table,
            ".",
            $name,
            " = j.value ->> 0 AND ranks <> j.value ->> 1"
        )
    };
}

pub(super) const PUT_ROLES: &str = put_definitions!("roles");
pub(super) const PUT_GROUPS: &str = put_definitions!("groups");
pub(super) const PUT_MEMBERS: &str = "
    INSERT INTO members (account_id, email, display_name, external_id, role, groups, ranks, starts_at, expires_at, ended)
    SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8 FROM json_each(?2) WHERE true
    ON CONFLICT DO UPDATE SET display_name = excluded.display_name, external_id = excluded.external_id,
        role = excluded.role, groups = excluded.groups, ranks = excluded.ranks, starts_at = excluded.starts_at,
        expires_at = excluded.expires_at, ended = excluded.ended";
pub(super) const MARK: &str = "
    INSERT INTO marks (account_id, owner_id, kind, name, fingerprint)
    SELECT ?1, ?3, value ->> 0, value ->> 1, unhex(value ->> 2) FROM json_each(?2) WHERE true
    ON CONFLICT DO UPDATE SET owner_id = excluded.owner_id, fingerprint = excluded.fingerprint";
pub(super) const UNMARK: &str = "
    DELETE FROM marks WHERE account_id = ?1 AND (kind, name) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?2))";
pub(super) const REMOVE_ROLES: &str = remove!("roles", "name");
pub(super) const REMOVE_GROUPS: &str = remove!("groups", "name");
pub(super) const REMOVE_MEMBERS: &str = remove!("members", "email");
pub(super) const TRANSLATE_ROLES: &str = translate!("roles", "name");
pub(super) const TRANSLATE_GROUPS: &str = translate!("groups", "name");
pub(super) const TRANSLATE_MEMBERS: &str = translate!("members", "email");

/// Statements whose cost must depend only on the rows written; see `query_plans`.
#[cfg(test)]
pub(super) const WRITES_OF_A_FEW: &[&str] = &[
    PUT_ROLES,
    PUT_GROUPS,
    PUT_MEMBERS,
    MARK,
    UNMARK,
    REMOVE_ROLES,
    REMOVE_GROUPS,
    REMOVE_MEMBERS,
    TRANSLATE_ROLES,
    TRANSLATE_GROUPS,
    TRANSLATE_MEMBERS,
];
