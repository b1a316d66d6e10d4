//! SQL statements of PostgreSQL that are not shared; run by `session`. Rows are passed as one array for each column, and
//! joined again by `unnest`: one statement for any number of rows.

use crate::store::sql::{Dialect, account, named};

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

pub(super) static DIALECT: Dialect = Dialect {
    accounts: ACCOUNTS,
    with_access: WITH_ACCESS,
    account: account!(ladders!(), "SELECT id FROM store_id"),
    named: [
        named!(roles, "role", "name", "unnest($2::text[]) j (name)", "j.name"),
        named!(groups, "group", "name", "unnest($2::text[]) j (name)", "j.name"),
        named!(members, "member", "email", "unnest($2::text[]) j (name)", "j.name"),
    ],
    owners: OWNERS,
    layout: concat!("SELECT y.id, ", ladders!(), " FROM layouts y WHERE y.digest = $1"),
    put: [put!("roles"), put!("groups"), PUT_MEMBERS],
    remove: [remove!("roles", "name"), remove!("groups", "name"), remove!("members", "email")],
    translate: [translate!("roles", "name"), translate!("groups", "name"), translate!("members", "email")],
    mark: MARK,
    unmark: UNMARK,
    put_ladders: PUT_LADDERS,
    append: APPEND,
};

const ACCOUNTS: &str = "
    SELECT o.cluster, o.account, o.uid FROM account_ids i
    JOIN marks k ON k.account_id = i.id AND k.kind = 'account' AND k.name = ''
    JOIN owners o ON o.id = k.owner_id ORDER BY i.key";
/// Selects members with these addresses in all accounts.
const WITH_ACCESS: &str = "
    SELECT i.key, m.email FROM members m JOIN account_ids i ON i.id = m.account_id
    WHERE m.email = ANY ($1::text[])
        AND m.ended IS NULL AND m.ranks ~ '[^0]' AND (m.expires_at IS NULL OR m.expires_at > $2)
    ORDER BY i.key, m.email";
const OWNERS: &str = "SELECT id, cluster, account, uid FROM owners WHERE id = ANY ($1)";
const PUT_LADDERS: [&str; 2] = [
    "INSERT INTO sections (layout_id, position, name)
    SELECT $1, s.place - 1, s.value ->> 'section' FROM json_array_elements($2::json) WITH ORDINALITY s (value, place)",
    "INSERT INTO levels (layout_id, position, rank, name)
    SELECT $1, s.place - 1, l.place - 1, l.value FROM json_array_elements($2::json) WITH ORDINALITY s (value, place),
        json_array_elements_text(s.value -> 'levels') WITH ORDINALITY l (value, place)",
];
/// Takes 13 columns.
const APPEND: &str = "
    INSERT INTO audit (seq, at, account, kind, name, cause, before, after, origin, epoch, counted, previous, hash)
    SELECT r.seq::bigint, r.at::bigint, r.account, r.kind, r.name, r.cause, r.before, r.after, r.origin,
        r.epoch::bigint, r.counted::bigint, decode(r.previous, 'hex'), decode(r.hash, 'hex')
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::text[], $11::text[], $12::text[], $13::text[])
        r (seq, at, account, kind, name, cause, before, after, origin, epoch, counted, previous, hash)";
/// Takes 9 columns.
const PUT_MEMBERS: &str = "
    INSERT INTO members (account_id, email, display_name, external_id, role, groups, ranks, starts_at, expires_at, ended)
    SELECT $1, r.email, r.display_name, r.external_id, r.role, r.groups, r.ranks, r.starts_at::bigint,
        r.expires_at::bigint, r.ended
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::text[]) r (email, display_name, external_id, role, groups, ranks, starts_at, expires_at, ended)
    ON CONFLICT (account_id, email) DO UPDATE SET display_name = excluded.display_name,
        external_id = excluded.external_id, role = excluded.role, groups = excluded.groups, ranks = excluded.ranks,
        starts_at = excluded.starts_at, expires_at = excluded.expires_at, ended = excluded.ended";
/// Takes 3 columns, after the owner.
const MARK: &str = "
    INSERT INTO marks (account_id, owner_id, kind, name, fingerprint)
    SELECT $1, $2, r.kind, r.name, decode(r.fingerprint, 'hex')
    FROM unnest($3::text[], $4::text[], $5::text[]) r (kind, name, fingerprint)
    ON CONFLICT (account_id, kind, name)
        DO UPDATE SET owner_id = excluded.owner_id, fingerprint = excluded.fingerprint";
/// Takes 2 columns.
const UNMARK: &str = "
    DELETE FROM marks k USING unnest($2::text[], $3::text[]) r (kind, name)
    WHERE k.account_id = $1 AND k.kind = r.kind AND k.name = r.name";
