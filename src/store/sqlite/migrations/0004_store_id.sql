-- The store's own id, made with it: tells it from another file in its place (docs/decisions/0037).
CREATE TABLE store_id (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id  TEXT    NOT NULL
) STRICT;

INSERT INTO store_id (one, id) VALUES (1, lower(hex(randomblob(16))));
