//! SQL statements that SQLite and PostgreSQL share, and the list of those that each writes in its own SQL. Run by the
//! sessions; both databases number parameters as `$1`.

/// Statements that each SQL store writes in its own SQL. Arrays are by [`Table`](super::session::Table).
pub(in crate::store) struct Dialect {
    pub(in crate::store) accounts: &'static str,
    pub(in crate::store) with_access: &'static str,
    pub(in crate::store) account: &'static str,
    pub(in crate::store) named: [&'static str; 3],
    pub(in crate::store) owners: &'static str,
    pub(in crate::store) layout: &'static str,
    pub(in crate::store) put: [&'static str; 3],
    pub(in crate::store) remove: [&'static str; 3],
    pub(in crate::store) translate: [&'static str; 3],
    pub(in crate::store) mark: &'static str,
    pub(in crate::store) unmark: &'static str,
    pub(in crate::store) put_ladders: [&'static str; 2],
    pub(in crate::store) append: &'static str,
}

/// Selects an account by key, with its sections as `$ladders` selects them and the store's id as `$store` does.
macro_rules! account {
    ($ladders:expr, $store:literal) => {
        concat!(
            "SELECT i.id, i.members, a.display_name, a.catalog, a.owner, a.parent, ",
            $ladders,
            ", k.owner_id, k.fingerprint, i.approvals, o.store
    FROM (SELECT (",
            $store,
            ") AS store) o
    LEFT JOIN account_ids i ON i.key = $1
    LEFT JOIN accounts a ON a.id = i.id
    LEFT JOIN layouts y ON y.id = a.layout_id
    LEFT JOIN marks k ON k.account_id = i.id AND k.kind = 'account' AND k.name = ''"
        )
    };
}

/// Columns of a table after the mark; the same number of nulls stands for a mark without a row.
macro_rules! columns {
    (members) => {
        "m.ranks, m.display_name, m.external_id, m.role, m.groups, m.starts_at, m.expires_at, m.ended"
    };
    ($definitions:ident) => {
        "m.ranks, m.title"
    };
}

/// Selects all rows of an account, and then the marks without a row.
macro_rules! whole {
    ($table:ident, $kind:literal, $name:literal, $nulls:literal) => {
        concat!(
            "SELECT m.",
            $name,
            ", k.owner_id, k.fingerprint, ",
            columns!($table),
            " FROM ",
            stringify!($table),
            " m LEFT JOIN marks k ON k.account_id = m.account_id AND k.kind = '",
            $kind,
            "' AND k.name = m.",
            $name,
            " WHERE m.account_id = $1 UNION ALL SELECT k.name, k.owner_id, k.fingerprint, ",
            $nulls,
            " FROM marks k WHERE k.account_id = $1 AND k.kind = '",
            $kind,
            "' AND NOT EXISTS (SELECT 1 FROM ",
            stringify!($table),
            " m WHERE m.account_id = $1 AND m.",
            $name,
            " = k.name)"
        )
    };
}

/// Selects rows and marks with given names, which `$names` lists as `$each`. The order of the joins is fixed in SQLite:
/// names find rows, never the other way around.
macro_rules! named {
    ($table:ident, $kind:literal, $name:literal, $names:literal, $each:literal) => {
        concat!(
            "SELECT ",
            $each,
            ", k.owner_id, k.fingerprint, ",
            $crate::store::sql::columns!($table),
            " FROM ",
            $names,
            " LEFT JOIN ",
            stringify!($table),
            " m ON m.account_id = $1 AND m.",
            $name,
            " = ",
            $each,
            " LEFT JOIN marks k ON k.account_id = $1 AND k.kind = '",
            $kind,
            "' AND k.name = ",
            $each,
            " WHERE m.",
            $name,
            " IS NOT NULL OR k.name IS NOT NULL"
        )
    };
}

pub(in crate::store) use {account, columns, named};

pub(super) const WHOLE: [&str; 3] = [
    whole!(roles, "role", "name", "NULL, NULL"),
    whole!(groups, "group", "name", "NULL, NULL"),
    whole!(members, "member", "email", "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"),
];
pub(super) const FENCE: &str = "SELECT max(epoch) FROM fence WHERE cluster = $1 AND $2 BETWEEN first AND last";
pub(super) const STORE_ID: &str = "SELECT id FROM store_id";
pub(super) const KEYS: &str = "
    SELECT i.key FROM account_ids i
    WHERE EXISTS (SELECT 1 FROM accounts a WHERE a.id = i.id)
        OR EXISTS (SELECT 1 FROM marks k WHERE k.account_id = i.id AND k.kind = 'account' AND k.name = '')
    ORDER BY i.key";
pub(super) const TOTALS: &str =
    "SELECT (SELECT count(*) FROM accounts), (SELECT CAST(coalesce(sum(members), 0) AS bigint) FROM account_ids)";
pub(in crate::store) const REMOVALS: &str = "
    SELECT name, at FROM audit WHERE account = $1 AND at >= $2 AND counted = 1 AND kind = 'member' ORDER BY seq";
pub(super) const OWNER: &str = "SELECT id FROM owners WHERE cluster = $1 AND account = $2 AND uid = $3";
pub(super) const LEFT: &str = "
    SELECT 'a role' FROM roles WHERE account_id = $1
    UNION ALL SELECT 'a group' FROM groups WHERE account_id = $1
    UNION ALL SELECT 'a member' FROM members WHERE account_id = $1
    UNION ALL SELECT 'a mark on a ' || kind FROM marks WHERE account_id = $1 AND kind <> 'account' LIMIT 1";
pub(super) const AUDIT_HEAD: &str = "SELECT seq, hash FROM audit_head";
pub(super) const AUDIT: &str = "
    SELECT seq, at, account, kind, name, cause, before, after, origin, epoch, counted, previous, hash
    FROM audit ORDER BY seq";

macro_rules! asked {
    ($order:literal) => {
        concat!(
            "
    SELECT seq, at, account, kind, name, cause, before, after, origin, epoch, counted, previous, hash FROM audit
    WHERE seq > $1 AND (CAST($2 AS text) IS NULL OR account = $2)
        AND (CAST($3 AS text) IS NULL OR (kind = 'member' AND name = $3))
        AND (CAST($4 AS text) IS NULL OR kind = $4) AND (CAST($5 AS text) IS NULL OR cause = $5)
        AND (CAST($6 AS bigint) IS NULL OR at >= $6) AND (CAST($7 AS bigint) IS NULL OR at < $7)
    ORDER BY seq ",
            $order,
            " LIMIT $8"
        )
    };
}

/// Audit queries: oldest first, and newest first.
pub(super) const ASKED: [&str; 2] = [asked!("ASC"), asked!("DESC")];

/// Deletes earlier claims within these slots, since the new one replaces them, and inserts the new claim.
pub(super) const PUT_FENCE: [&str; 2] = [
    "DELETE FROM fence WHERE cluster = $1 AND first >= $2 AND last <= $3 AND epoch <= $4",
    "INSERT INTO fence (cluster, first, last, epoch) VALUES ($1, $2, $3, $4)",
];
pub(super) const NEW_ACCOUNT: &str = "INSERT INTO account_ids (key) VALUES ($1) RETURNING id";
pub(super) const NEW_OWNER: &str = "INSERT INTO owners (cluster, account, uid) VALUES ($1, $2, $3) RETURNING id";
pub(super) const PUT_ACCOUNT: &str = "
    INSERT INTO accounts (id, display_name, catalog, layout_id, owner, parent) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (id) DO UPDATE SET display_name = excluded.display_name, catalog = excluded.catalog,
        layout_id = excluded.layout_id, owner = excluded.owner, parent = excluded.parent";
pub(super) const PUT_LAYOUT: &str = "
    INSERT INTO layouts (digest, sections) VALUES ($1, $2)
    ON CONFLICT (digest) DO UPDATE SET sections = excluded.sections RETURNING id";
pub(super) const REMOVE_LADDERS: [&str; 2] =
    ["DELETE FROM levels WHERE layout_id = $1", "DELETE FROM sections WHERE layout_id = $1"];
pub(super) const REMOVE_UNUSED_LAYOUTS: &str = "
    DELETE FROM layouts WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE layout_id = layouts.id)";
pub(super) const USE_UP_APPROVAL: &str = "UPDATE account_ids SET approvals = approvals + 1 WHERE id = $1";
pub(super) const REMOVE_ACCOUNT: [&str; 3] = [
    "DELETE FROM accounts WHERE id = $1",
    "DELETE FROM marks WHERE account_id = $1",
    "DELETE FROM account_ids WHERE id = $1",
];
