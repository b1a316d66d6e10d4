-- The same tables as SQLite's (src/store/sqlite/migrations), in the schema that the search path names. Text is compared
-- byte by byte, whatever the database's locale.

-- Accounts by key. Apart from what an account holds, so that its rows keep their meaning when somebody deletes that.
-- `members` is kept by triggers: the removal guard asks for it in every pass, and counting would cost what the account
-- is large.
CREATE TABLE account_ids (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key     text   COLLATE "C" NOT NULL UNIQUE,
    members bigint NOT NULL DEFAULT 0
);

-- What a row of ranks means: the ladders of a catalog. Accounts of the same catalog share one layout.
CREATE TABLE layouts (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest   bytea  NOT NULL UNIQUE,
    sections bigint NOT NULL
);

CREATE TABLE sections (
    layout_id bigint NOT NULL REFERENCES layouts (id) ON DELETE CASCADE,
    position  bigint NOT NULL,
    name      text   COLLATE "C" NOT NULL,
    PRIMARY KEY (layout_id, position)
);

CREATE TABLE levels (
    layout_id bigint NOT NULL,
    position  bigint NOT NULL,
    rank      bigint NOT NULL,
    name      text   COLLATE "C" NOT NULL,
    PRIMARY KEY (layout_id, position, rank),
    FOREIGN KEY (layout_id, position) REFERENCES sections (layout_id, position) ON DELETE CASCADE
);

CREATE TABLE accounts (
    id           bigint PRIMARY KEY REFERENCES account_ids (id),
    display_name text   NOT NULL,
    catalog      text   COLLATE "C" NOT NULL,
    layout_id    bigint NOT NULL REFERENCES layouts (id),
    owner        text   COLLATE "C",
    parent       text   COLLATE "C"
);

CREATE INDEX accounts_of_layout ON accounts (layout_id);

-- `ranks`: one lower-case hexadecimal digit for each section of the account's layout, in order.
CREATE TABLE roles (
    account_id bigint NOT NULL REFERENCES account_ids (id),
    name       text   COLLATE "C" NOT NULL,
    title      text   NOT NULL,
    ranks      text   COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, name)
);

CREATE TABLE groups (
    account_id bigint NOT NULL REFERENCES account_ids (id),
    name       text   COLLATE "C" NOT NULL,
    title      text   NOT NULL,
    ranks      text   COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, name)
);

-- `groups`: JSON array of names. Times: seconds since 1970. `ended`: why access has ended, by somebody's word.
CREATE TABLE members (
    account_id   bigint NOT NULL REFERENCES account_ids (id),
    email        text   COLLATE "C" NOT NULL,
    display_name text,
    external_id  text   COLLATE "C",
    role         text   COLLATE "C",
    groups       text   COLLATE "C" NOT NULL DEFAULT '[]',
    ranks        text   COLLATE "C" NOT NULL,
    starts_at    bigint,
    expires_at   bigint,
    ended        text   COLLATE "C",
    PRIMARY KEY (account_id, email)
);

-- One person's rows, over all accounts.
CREATE INDEX members_by_email ON members (email);

-- Whose something is (design/api.md "Marks, drift, removal"). Apart from what is marked: a row deleted behind Roster's
-- back leaves its mark, and one that somebody else inserted has none.
CREATE TABLE owners (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cluster text   COLLATE "C" NOT NULL,
    account text   COLLATE "C" NOT NULL,
    uid     text   COLLATE "C" NOT NULL,
    UNIQUE (cluster, account, uid)
);

-- `kind`: account, role, group or member; `name` is empty for the account itself.
CREATE TABLE marks (
    account_id  bigint NOT NULL REFERENCES account_ids (id),
    kind        text   COLLATE "C" NOT NULL,
    name        text   COLLATE "C" NOT NULL,
    owner_id    bigint NOT NULL REFERENCES owners (id),
    fingerprint bytea  NOT NULL,
    PRIMARY KEY (account_id, kind, name)
);

-- The highest leader's term that has written here.
CREATE TABLE fence (
    id    bigint PRIMARY KEY CHECK (id = 1),
    epoch bigint NOT NULL
);

-- Every change, in a chain: `hash` covers the record and the hash before it. `at`: microseconds since 1970.
-- `counted`: the removal guard counts it.
CREATE TABLE audit (
    seq      bigint PRIMARY KEY,
    at       bigint NOT NULL,
    account  text   COLLATE "C" NOT NULL,
    kind     text   COLLATE "C" NOT NULL,
    name     text   COLLATE "C" NOT NULL,
    cause    text   COLLATE "C" NOT NULL,
    before   text   COLLATE "C",
    after    text   COLLATE "C",
    origin   text   COLLATE "C",
    epoch    bigint NOT NULL,
    counted  bigint NOT NULL,
    previous bytea  NOT NULL,
    hash     bytea  NOT NULL
);

CREATE INDEX audit_counted ON audit (account, at) WHERE counted = 1;

-- The last link, so that a chain cut at its end does not look whole.
CREATE TABLE audit_head (
    id   bigint PRIMARY KEY CHECK (id = 1),
    seq  bigint NOT NULL,
    hash bytea  NOT NULL
);

INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, decode(repeat('00', 32), 'hex'));

-- Which rows a role sees, and may write: those of these accounts, or of all (`*`). The owner sees all.
CREATE TABLE visible_to (
    role    name NOT NULL,
    account text COLLATE "C" NOT NULL,
    PRIMARY KEY (role, account)
);

--
-- Row-level security. `roster.account`, where a session sets it, narrows what it sees to one account; the owner, as whom
-- triggers run, always sees all.
--

CREATE FUNCTION asked_account() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('roster.account', true), '');

-- Whoever asks is an argument: inside, these run as the owner, so that no role needs to read `visible_to`.
CREATE FUNCTION owns(who name) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT who = pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'members'::regclass
$$;

CREATE FUNCTION sees_all(who name) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT owns(who)
        OR (asked_account() IS NULL AND EXISTS (SELECT FROM visible_to WHERE role = who AND account = '*'))
$$;

CREATE FUNCTION sees(who name) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT ARRAY(SELECT CASE account WHEN '*' THEN asked_account() ELSE account END FROM visible_to
        WHERE role = who AND (account = '*' OR account = coalesce(asked_account(), account)))
$$;

ALTER TABLE account_ids ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE accounts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE roles ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE groups ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE members ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE marks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE audit ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- A query without a row of its own is asked once, whatever the number of rows.
CREATE POLICY visible ON account_ids
    USING ((SELECT sees_all(current_user)) OR key = ANY ((SELECT sees(current_user))::text[]));
CREATE POLICY visible ON audit
    USING ((SELECT sees_all(current_user)) OR account = ANY ((SELECT sees(current_user))::text[]));
CREATE POLICY visible ON accounts
    USING ((SELECT sees_all(current_user)) OR id IN (SELECT id FROM account_ids));
CREATE POLICY visible ON roles
    USING ((SELECT sees_all(current_user)) OR account_id IN (SELECT id FROM account_ids));
CREATE POLICY visible ON groups
    USING ((SELECT sees_all(current_user)) OR account_id IN (SELECT id FROM account_ids));
CREATE POLICY visible ON members
    USING ((SELECT sees_all(current_user)) OR account_id IN (SELECT id FROM account_ids));
CREATE POLICY visible ON marks
    USING ((SELECT sees_all(current_user)) OR account_id IN (SELECT id FROM account_ids));

--
-- Numbers of members.
--

CREATE FUNCTION count_members() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        UPDATE account_ids SET members = 0;
    ELSIF TG_OP = 'INSERT' THEN
        UPDATE account_ids i SET members = i.members + n.count
        FROM (SELECT account_id, count(*) FROM added GROUP BY 1) n WHERE i.id = n.account_id;
    ELSIF TG_OP = 'DELETE' THEN
        UPDATE account_ids i SET members = i.members - n.count
        FROM (SELECT account_id, count(*) FROM gone GROUP BY 1) n WHERE i.id = n.account_id;
    ELSE
        UPDATE account_ids i SET members = i.members + n.sum
        FROM (
            SELECT account_id, sum(by) FROM (
                SELECT account_id, 1 AS by FROM added UNION ALL SELECT account_id, -1 FROM gone
            ) moved GROUP BY 1 HAVING sum(by) <> 0
        ) n WHERE i.id = n.account_id;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER members_counts_inserted AFTER INSERT ON members REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_members();
CREATE TRIGGER members_counts_deleted AFTER DELETE ON members REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION count_members();
CREATE TRIGGER members_counts_moved AFTER UPDATE ON members REFERENCING OLD TABLE AS gone NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_members();
CREATE TRIGGER members_counts_truncated AFTER TRUNCATE ON members
    FOR EACH STATEMENT EXECUTE FUNCTION count_members();

--
-- The audit only grows.
--

CREATE FUNCTION audit_links() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    head audit_head;
    tail record;
BEGIN
    IF NOT EXISTS (SELECT FROM added) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO head FROM audit_head WHERE id = 1;
    IF head IS NULL OR EXISTS (
        SELECT FROM (
            SELECT seq, previous, coalesce(lag(seq) OVER link, head.seq) AS seq_before,
                coalesce(lag(hash) OVER link, head.hash) AS hash_before
            FROM added WINDOW link AS (ORDER BY seq)
        ) links WHERE seq <> seq_before + 1 OR previous <> hash_before
    ) THEN
        RAISE EXCEPTION 'the audit is append-only: a record must follow the last one' USING ERRCODE = '23514';
    END IF;
    SELECT seq, hash INTO tail FROM added ORDER BY seq DESC LIMIT 1;
    UPDATE audit_head SET seq = tail.seq, hash = tail.hash WHERE id = 1;
    RETURN NULL;
END $$;

CREATE FUNCTION audit_keeps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = '23514';
END $$;

-- The head moves when records are added, by the trigger above, and by nobody else: not further, not back.
CREATE FUNCTION audit_head_moves() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.id <> OLD.id OR NEW.seq <= OLD.seq
        OR NOT EXISTS (SELECT FROM audit WHERE seq = NEW.seq AND hash = NEW.hash)
        OR NOT EXISTS (SELECT FROM audit WHERE seq = OLD.seq + 1 AND previous = OLD.hash)
    THEN
        RAISE EXCEPTION 'the head of the audit moves with its records only' USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER audit_links AFTER INSERT ON audit REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION audit_links();
CREATE TRIGGER audit_keeps BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_keeps();
CREATE TRIGGER audit_head_moves BEFORE UPDATE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION audit_head_moves();
CREATE TRIGGER audit_head_keeps BEFORE INSERT OR DELETE OR TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION audit_keeps();

--
-- Changes by others are announced at once: on the channel named like the schema, with the account's key. Roster's own
-- sessions say so by `roster.writer`, and are not announced; whoever else says so is found by the next check.
--

CREATE FUNCTION announce(accounts bigint[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT pg_notify(current_schema()::text, left(key, 1000)) FROM account_ids WHERE id = ANY (accounts)
$$;

CREATE FUNCTION announce_rows() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN PERFORM announce(ARRAY(SELECT DISTINCT account_id FROM added));
        WHEN 'DELETE' THEN PERFORM announce(ARRAY(SELECT DISTINCT account_id FROM gone));
        WHEN 'UPDATE' THEN
            PERFORM announce(ARRAY(SELECT account_id FROM added UNION SELECT account_id FROM gone));
        ELSE PERFORM announce(ARRAY(SELECT id FROM account_ids));
    END CASE;
    RETURN NULL;
END $$;

CREATE FUNCTION announce_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM announce(ARRAY[CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END]);
    RETURN NULL;
END $$;

CREATE FUNCTION announce_all() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM announce(ARRAY(SELECT id FROM account_ids));
    RETURN NULL;
END $$;

DO $$
DECLARE
    named text;
    unless_ours text := $w$ WHEN (current_setting('roster.writer', true) IS DISTINCT FROM 'on') $w$;
BEGIN
    FOREACH named IN ARRAY ARRAY['roles', 'groups', 'members', 'marks'] LOOP
        EXECUTE format('CREATE TRIGGER announce_inserted AFTER INSERT ON %I REFERENCING NEW TABLE AS added
            FOR EACH STATEMENT %s EXECUTE FUNCTION announce_rows()', named, unless_ours);
        EXECUTE format('CREATE TRIGGER announce_deleted AFTER DELETE ON %I REFERENCING OLD TABLE AS gone
            FOR EACH STATEMENT %s EXECUTE FUNCTION announce_rows()', named, unless_ours);
        EXECUTE format('CREATE TRIGGER announce_updated AFTER UPDATE ON %I
            REFERENCING OLD TABLE AS gone NEW TABLE AS added
            FOR EACH STATEMENT %s EXECUTE FUNCTION announce_rows()', named, unless_ours);
        EXECUTE format('CREATE TRIGGER announce_truncated AFTER TRUNCATE ON %I
            FOR EACH STATEMENT %s EXECUTE FUNCTION announce_all()', named, unless_ours);
    END LOOP;
    EXECUTE format('CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON accounts
        FOR EACH ROW %s EXECUTE FUNCTION announce_account()', unless_ours);
    FOREACH named IN ARRAY ARRAY['layouts', 'sections', 'levels', 'owners'] LOOP
        EXECUTE format('CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %I
            FOR EACH STATEMENT %s EXECUTE FUNCTION announce_all()', named, unless_ours);
    END LOOP;
    EXECUTE format('CREATE TRIGGER announce_truncated AFTER TRUNCATE ON accounts
        FOR EACH STATEMENT %s EXECUTE FUNCTION announce_all()', unless_ours);
END $$;

-- What portals read (design/api.md "What the portal reads"), with the rights and the rows of who asks. What cannot be
-- understood grants nothing: ranks of another length count as none, a rank above its ladder as the first. The clock is
-- read once for each query.
CREATE VIEW effective_permissions (account, email, section, level, rank) WITH (security_invoker = true) AS
SELECT
    i.key,
    m.email,
    s.name,
    coalesce(l.name,
        (SELECT f.name FROM levels f WHERE f.layout_id = s.layout_id AND f.position = s.position AND f.rank = 0)),
    coalesce(l.rank, 0)::integer
FROM accounts a
JOIN account_ids i ON i.id = a.id
JOIN layouts y ON y.id = a.layout_id
JOIN members m ON m.account_id = a.id
JOIN sections s ON s.layout_id = a.layout_id
LEFT JOIN levels l ON l.layout_id = s.layout_id AND l.position = s.position AND l.rank =
    CASE WHEN m.ended IS NULL
            AND length(m.ranks) = y.sections
            AND (m.starts_at IS NULL OR m.starts_at <= floor(extract(epoch FROM statement_timestamp())))
            AND (m.expires_at IS NULL OR m.expires_at > floor(extract(epoch FROM statement_timestamp())))
        THEN strpos('0123456789abcdef', substr(m.ranks, least(greatest(s.position, -1), 4096)::integer + 1, 1)) - 1
        ELSE 0
    END;

-- Nobody but who is granted it.
REVOKE ALL ON FUNCTION asked_account(), owns(name), sees_all(name), sees(name), announce(bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION asked_account(), sees_all(name), sees(name) TO PUBLIC;
