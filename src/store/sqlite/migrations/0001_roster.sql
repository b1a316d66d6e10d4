-- Accounts by key. Apart from what an account holds, so that its rows keep their meaning when somebody deletes that.
-- `members` is kept by triggers: the removal guard asks for it in every pass, and counting would cost what the account
-- is large.
CREATE TABLE account_ids (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    key     TEXT    NOT NULL UNIQUE,
    members INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What a row of ranks means: the ladders of a catalog. Accounts of the same catalog share one layout.
CREATE TABLE layouts (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    digest   BLOB    NOT NULL UNIQUE,
    sections INTEGER NOT NULL
) STRICT;

CREATE TABLE sections (
    layout_id INTEGER NOT NULL REFERENCES layouts (id) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    name      TEXT    NOT NULL,
    PRIMARY KEY (layout_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE levels (
    layout_id INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    rank      INTEGER NOT NULL,
    name      TEXT    NOT NULL,
    PRIMARY KEY (layout_id, position, rank),
    FOREIGN KEY (layout_id, position) REFERENCES sections (layout_id, position) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    id           INTEGER PRIMARY KEY REFERENCES account_ids (id),
    display_name TEXT    NOT NULL,
    catalog      TEXT    NOT NULL,
    layout_id    INTEGER NOT NULL REFERENCES layouts (id),
    owner        TEXT,
    parent       TEXT
) STRICT;

CREATE INDEX accounts_of_layout ON accounts (layout_id);

-- `ranks`: one lower-case hexadecimal digit for each section of the account's layout, in order.
CREATE TABLE roles (
    account_id INTEGER NOT NULL REFERENCES account_ids (id),
    name       TEXT    NOT NULL,
    title      TEXT    NOT NULL,
    ranks      TEXT    NOT NULL,
    PRIMARY KEY (account_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE groups (
    account_id INTEGER NOT NULL REFERENCES account_ids (id),
    name       TEXT    NOT NULL,
    title      TEXT    NOT NULL,
    ranks      TEXT    NOT NULL,
    PRIMARY KEY (account_id, name)
) STRICT, WITHOUT ROWID;

-- `groups`: JSON array of names. Times: seconds since 1970. `ended`: why access has ended, by somebody's word.
CREATE TABLE members (
    account_id   INTEGER NOT NULL REFERENCES account_ids (id),
    email        TEXT    NOT NULL,
    display_name TEXT,
    external_id  TEXT,
    role         TEXT,
    groups       TEXT    NOT NULL DEFAULT '[]',
    ranks        TEXT    NOT NULL,
    starts_at    INTEGER,
    expires_at   INTEGER,
    ended        TEXT,
    PRIMARY KEY (account_id, email)
) STRICT, WITHOUT ROWID;

-- One person's rows, over all accounts.
CREATE INDEX members_by_email ON members (email);

CREATE TRIGGER members_counts_inserted AFTER INSERT ON members BEGIN
    UPDATE account_ids SET members = members + 1 WHERE id = NEW.account_id;
END;

CREATE TRIGGER members_counts_deleted AFTER DELETE ON members BEGIN
    UPDATE account_ids SET members = members - 1 WHERE id = OLD.account_id;
END;

CREATE TRIGGER members_counts_moved AFTER UPDATE OF account_id ON members WHEN NEW.account_id <> OLD.account_id BEGIN
    UPDATE account_ids SET members = members - 1 WHERE id = OLD.account_id;
    UPDATE account_ids SET members = members + 1 WHERE id = NEW.account_id;
END;

-- Whose something is (design/api.md "Marks, drift, removal"). Apart from what is marked: a row deleted behind Roster's
-- back leaves its mark, and one that somebody else inserted has none.
CREATE TABLE owners (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    cluster TEXT NOT NULL,
    account TEXT NOT NULL,
    uid     TEXT NOT NULL,
    UNIQUE (cluster, account, uid)
) STRICT;

-- `kind`: account, role, group or member; `name` is empty for the account itself.
CREATE TABLE marks (
    account_id  INTEGER NOT NULL REFERENCES account_ids (id),
    kind        TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    owner_id    INTEGER NOT NULL REFERENCES owners (id),
    fingerprint BLOB    NOT NULL,
    PRIMARY KEY (account_id, kind, name)
) STRICT, WITHOUT ROWID;

-- The highest leader's term that has written here.
CREATE TABLE fence (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL
) STRICT;

-- Every change, in a chain: `hash` covers the record and the hash before it. `at`: microseconds since 1970.
-- `counted`: the removal guard counts it.
CREATE TABLE audit (
    seq      INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    account  TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    cause    TEXT    NOT NULL,
    before   TEXT,
    after    TEXT,
    origin   TEXT,
    epoch    INTEGER NOT NULL,
    counted  INTEGER NOT NULL,
    previous BLOB    NOT NULL,
    hash     BLOB    NOT NULL
) STRICT;

CREATE INDEX audit_counted ON audit (account, at) WHERE counted = 1;

-- The last link, so that a chain cut at its end does not look whole.
CREATE TABLE audit_head (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL,
    hash BLOB    NOT NULL
) STRICT;

INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, zeroblob(32));

-- A BEFORE trigger, since REPLACE would delete the old record without asking the triggers on DELETE.
CREATE TRIGGER audit_links BEFORE INSERT ON audit
WHEN NOT EXISTS (SELECT 1 FROM audit_head WHERE seq + 1 = NEW.seq AND hash = NEW.previous) BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only: a record must follow the last one');
END;

CREATE TRIGGER audit_advances AFTER INSERT ON audit BEGIN
    UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash WHERE id = 1;
END;

CREATE TRIGGER audit_keeps_updated BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;

CREATE TRIGGER audit_keeps_deleted BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;

CREATE TRIGGER audit_head_inserted BEFORE INSERT ON audit_head BEGIN
    SELECT RAISE(ABORT, 'the audit has one head');
END;

CREATE TRIGGER audit_head_deleted BEFORE DELETE ON audit_head BEGIN
    SELECT RAISE(ABORT, 'the audit has one head');
END;

CREATE TRIGGER audit_head_updated BEFORE UPDATE ON audit_head
WHEN NEW.id <> OLD.id OR NEW.seq <> OLD.seq + 1
    OR NOT EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq AND hash = NEW.hash AND previous = OLD.hash) BEGIN
    SELECT RAISE(ABORT, 'the head of the audit moves with its records only');
END;

-- What portals read (design/api.md "What the portal reads"). What cannot be understood grants nothing: ranks of another
-- length count as none, a rank above its ladder as the first. The clock is read once for each query.
CREATE VIEW effective_permissions (account, email, section, level, rank) AS
SELECT
    i.key,
    m.email,
    s.name,
    coalesce(l.name, (SELECT name FROM levels WHERE layout_id = s.layout_id AND position = s.position AND rank = 0)),
    coalesce(l.rank, 0)
FROM accounts a
JOIN account_ids i ON i.id = a.id
JOIN layouts y ON y.id = a.layout_id
JOIN members m ON m.account_id = a.id
JOIN sections s ON s.layout_id = a.layout_id
LEFT JOIN levels l ON l.layout_id = s.layout_id AND l.position = s.position AND l.rank =
    CASE WHEN m.ended IS NULL
            AND length(m.ranks) = y.sections
            AND (m.starts_at IS NULL OR m.starts_at <= (SELECT unixepoch('now')))
            AND (m.expires_at IS NULL OR m.expires_at > (SELECT unixepoch('now')))
        THEN instr('0123456789abcdef', substr(m.ranks, s.position + 1, 1)) - 1
        ELSE 0
    END;
