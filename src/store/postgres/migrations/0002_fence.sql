-- Who may write what: for each cluster, the highest leader's term that has claimed these slots (docs/decisions/0022).
-- The table stays, and with it what was granted on it; the one number it held was of no cluster in particular.
DELETE FROM fence;
ALTER TABLE fence
    DROP COLUMN id,
    ADD COLUMN cluster text NOT NULL,
    ADD COLUMN first bigint NOT NULL,
    ADD COLUMN last bigint NOT NULL,
    ADD PRIMARY KEY (cluster, first, last),
    ADD CHECK (0 <= first AND first <= last AND last <= 65535);
