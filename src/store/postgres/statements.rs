//! SQL statements of PostgreSQL; run by `session`. Rows are passed as one array for each column, and joined again by
//! `unnest`: one statement for any number of rows.

/// Selects the sections of layout `y` with their levels as one JSON text: 256 sections of 16 levels would be 4,096
/// rows.
macro_rules! ladders {
    () => {
        "y.sections,
        (SELECT json_agg(json_build_array(s.position, s.name, coalesce((
            SELECT json_agg(json_build_array(l.rank, l.name) ORDER BY l.rank)
            FROM levels l WHERE l.layout_id = s.layout_id AND l.position = s.position), '[]')) ORDER BY s.position)
         FROM sections s WHERE s.layout_id = y.id)::text"
    };
}

pub(super) const FENCE: &str = "SELECT max(epoch) FROM fence WHERE cluster = $1 AND $2 BETWEEN first AND last";
pub(super) const ACCOUNTS: &str = "
    SELECT o.cluster, o.account, o.uid FROM account_ids i
    JOIN marks k ON k.account_id = i.id AND k.kind = 'account' AND k.name = ''
    JOIN owners o ON o.id = k.owner_id ORDER BY i.key";
pub(super) const KEYS: &str = "
    SELECT i.key FROM account_ids i
    WHERE EXISTS (SELECT 1 FROM accounts a WHERE a.id = i.id)
        OR EXISTS (SELECT 1 FROM marks k WHERE k.account_id = i.id AND k.kind = 'account' AND k.name = '')
    ORDER BY i.key";
/// Selects members with these addresses in all accounts.
pub(super) const WITH_ACCESS: &str = "
    SELECT i.key, m.email FROM members m JOIN account_ids i ON i.id = m.account_id
    WHERE m.email = ANY ($1::text[])
        AND m.ended IS NULL AND m.ranks ~ '[^0]' AND (m.expires_at IS NULL OR m.expires_at > $2)
    ORDER BY i.key, m.email";
pub(super) const TOTALS: &str =
    "SELECT (SELECT count(*) FROM accounts), (SELECT coalesce(sum(members), 0)::bigint FROM account_ids)";
pub(super) const ACCOUNT: &str = concat!(
    "SELECT i.id, i.members, a.display_name, a.catalog, a.owner, a.parent, ",
    ladders!(),
    ", k.owner_id, k.fingerprint, i.approvals, o.store
    FROM (SELECT (SELECT id FROM store_id) AS store) o
    LEFT JOIN account_ids i ON i.key = $1
    LEFT JOIN accounts a ON a.id = i.id
    LEFT JOIN layouts y ON y.id = a.layout_id
    LEFT JOIN marks k ON k.account_id = i.id AND k.kind = 'account' AND k.name = ''"
);
pub(super) const STORE_ID: &str = "SELECT id FROM store_id";

/// Builds two statements for a table. The first selects all rows of an account, and then the marks without a row. The
/// second selects rows and marks with given names.
macro_rules! select {
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
                " WHERE m.account_id = $1 UNION ALL SELECT k.name, k.owner_id, k.fingerprint, ",
                $nulls,
                " FROM marks k WHERE k.account_id = $1 AND k.kind = '",
                $kind,
                "' AND NOT EXISTS (SELECT 1 FROM ",
                $table,
                " m WHERE m.account_id = $1 AND m.",
                $name,
                " = k.name)"
            ),
            concat!(
                "SELECT j.name, k.owner_id, k.fingerprint, ",
                $columns,
                " FROM unnest($2::text[]) j (name) LEFT JOIN ",
                $table,
                " m ON m.account_id = $1 AND m.",
                $name,
                " = j.name",
                " LEFT JOIN marks k ON k.account_id = $1 AND k.kind = '",
                $kind,
                "' AND k.name = j.name",
                " WHERE m.",
                $name,
                " IS NOT NULL OR k.name IS NOT NULL"
            ),
        )
    };
}

pub(super) type Statements = (&'static str, &'static str);

pub(super) const ROLES: Statements = select!("roles", "role", "name", "m.ranks, m.title", "NULL, NULL");
pub(super) const GROUPS: Statements = select!("groups", "group", "name", "m.ranks, m.title", "NULL, NULL");
pub(super) const MEMBERS: Statements = select!(
    "members",
    "member",
    "email",
    "m.ranks, m.display_name, m.external_id, m.role, m.groups, m.starts_at, m.expires_at, m.ended",
    "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
);

pub(super) const REMOVALS: &str = "
    SELECT name, at FROM audit WHERE account = $1 AND at >= $2 AND counted = 1 AND kind = 'member' ORDER BY seq";
pub(super) const OWNERS: &str = "SELECT id, cluster, account, uid FROM owners WHERE id = ANY ($1)";
pub(super) const OWNER: &str = "SELECT id FROM owners WHERE cluster = $1 AND account = $2 AND uid = $3";
pub(super) const LAYOUT: &str = concat!("SELECT y.id, ", ladders!(), " FROM layouts y WHERE y.digest = $1");
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
    WHERE seq > $1 AND ($2::text IS NULL OR account = $2)
        AND ($3::text IS NULL OR (kind = 'member' AND name = $3)) AND ($4::text IS NULL OR kind = $4)
        AND ($5::text IS NULL OR cause = $5) AND ($6::bigint IS NULL OR at >= $6) AND ($7::bigint IS NULL OR at < $7)
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
pub(super) const PUT_LADDERS: [&str; 2] = [
    "INSERT INTO sections (layout_id, position, name)
    SELECT $1, s.place - 1, s.value ->> 'section' FROM json_array_elements($2::json) WITH ORDINALITY s (value, place)",
    "INSERT INTO levels (layout_id, position, rank, name)
    SELECT $1, s.place - 1, l.place - 1, l.value FROM json_array_elements($2::json) WITH ORDINALITY s (value, place),
        json_array_elements_text(s.value -> 'levels') WITH ORDINALITY l (value, place)",
];
pub(super) const REMOVE_UNUSED_LAYOUTS: &str = "
    DELETE FROM layouts y WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE layout_id = y.id)";
pub(super) const USE_UP_APPROVAL: &str = "UPDATE account_ids SET approvals = approvals + 1 WHERE id = $1";
pub(super) const REMOVE_ACCOUNT: [&str; 3] = [
    "DELETE FROM accounts WHERE id = $1",
    "DELETE FROM marks WHERE account_id = $1",
    "DELETE FROM account_ids WHERE id = $1",
];
/// Takes 13 columns.
pub(super) const APPEND: &str = "
    INSERT INTO audit (seq, at, account, kind, name, cause, before, after, origin, epoch, counted, previous, hash)
    SELECT r.seq::bigint, r.at::bigint, r.account, r.kind, r.name, r.cause, r.before, r.after, r.origin,
        r.epoch::bigint, r.counted::bigint, decode(r.previous, 'hex'), decode(r.hash, 'hex')
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::text[], $11::text[], $12::text[], $13::text[])
        r (seq, at, account, kind, name, cause, before, after, origin, epoch, counted, previous, hash)";

macro_rules! put {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (account_id, name, title, ranks) ",
            "SELECT $1, r.* FROM unnest($2::text[], $3::text[], $4::text[]) r ",
            "ON CONFLICT (account_id, name) DO UPDATE SET title = excluded.title, ranks = excluded.ranks"
        )
    };
}

macro_rules! remove {
    ($table:literal, $name:literal) => {
        concat!("DELETE FROM ", $table, " WHERE account_id = $1 AND ", $name, " = ANY ($2::text[])")
    };
}

macro_rules! translate {
    ($table:literal, $name:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " t SET ranks = r.ranks FROM unnest($2::text[], $3::text[]) r (name, ranks) ",
            "WHERE t.account_id = $1 AND t.",
            $name,
            " = r.name AND t.ranks <> r.ranks"
        )
    };
}

/// Takes 3 columns.
pub(super) const PUT_ROLES: &str = put!("roles");
/// Takes 3 columns.
pub(super) const PUT_GROUPS: &str = put!("groups");
/// Takes 9 columns.
pub(super) const PUT_MEMBERS: &str = "
    INSERT INTO members (account_id, email, display_name, external_id, role, groups, ranks, starts_at, expires_at, ended)
    SELECT $1, r.email, r.display_name, r.external_id, r.role, r.groups, r.ranks, r.starts_at::bigint,
        r.expires_at::bigint, r.ended
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::text[]) r (email, display_name, external_id, role, groups, ranks, starts_at, expires_at, ended)
    ON CONFLICT (account_id, email) DO UPDATE SET display_name = excluded.display_name,
        external_id = excluded.external_id, role = excluded.role, groups = excluded.groups, ranks = excluded.ranks,
        starts_at = excluded.starts_at, expires_at = excluded.expires_at, ended = excluded.ended";
/// Takes 3 columns, after the owner.
pub(super) const MARK: &str = "
    INSERT INTO marks (account_id, owner_id, kind, name, fingerprint)
    SELECT $1, $2, r.kind, r.name, decode(r.fingerprint, 'hex')
    FROM unnest($3::text[], $4::text[], $5::text[]) r (kind, name, fingerprint)
    ON CONFLICT (account_id, kind, name)
        DO UPDATE SET owner_id = excluded.owner_id, fingerprint = excluded.fingerprint";
/// Takes 2 columns.
pub(super) const UNMARK: &str = "
    DELETE FROM marks k USING unnest($2::text[], $3::text[]) r (kind, name)
    WHERE k.account_id = $1 AND k.kind = r.kind AND k.name = r.name";
/// Takes 1 column.
pub(super) const REMOVE_ROLES: &str = remove!("roles", "name");
/// Takes 1 column.
pub(super) const REMOVE_GROUPS: &str = remove!("groups", "name");
/// Takes 1 column.
pub(super) const REMOVE_MEMBERS: &str = remove!("members", "email");
/// Takes 2 columns.
pub(super) const TRANSLATE_ROLES: &str = translate!("roles", "name");
/// Takes 2 columns.
pub(super) const TRANSLATE_GROUPS: &str = translate!("groups", "name");
/// Takes 2 columns.
pub(super) const TRANSLATE_MEMBERS: &str = translate!("members", "email");
