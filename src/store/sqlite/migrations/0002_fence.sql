-- Who may write what: for each cluster, the highest leader's term that has claimed these slots (docs/decisions/0022).
-- The one number that was here before was of no cluster in particular.
DROP TABLE fence;

CREATE TABLE fence (
    cluster TEXT    NOT NULL,
    first   INTEGER NOT NULL CHECK (first BETWEEN 0 AND last),
    last    INTEGER NOT NULL CHECK (last <= 65535),
    epoch   INTEGER NOT NULL,
    PRIMARY KEY (cluster, first, last)
) STRICT, WITHOUT ROWID;
