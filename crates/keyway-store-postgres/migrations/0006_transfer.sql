-- An installation that is on its way here from another store: until all of it has arrived there is no
-- row in installation, and no node opens this one.
CREATE TABLE transfer (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    fingerprint BYTEA NOT NULL CHECK (length(fingerprint) = 32),
    created_at BIGINT NOT NULL,
    -- Of the source: it grows when that is served again.
    epochs BIGINT NOT NULL,
    -- All before this row of this table has arrived.
    table_name TEXT NOT NULL,
    behind TEXT NOT NULL
);
