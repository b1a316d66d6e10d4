-- The store's own id, made with it: tells it from another database or schema in its place (docs/decisions/0037).
CREATE TABLE store_id (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id  text    NOT NULL
);

INSERT INTO store_id (id) VALUES (replace(gen_random_uuid()::text, '-', ''));

-- It is no secret, and a controller's role that was given the tables that were there before must read it.
GRANT SELECT ON store_id TO PUBLIC;
