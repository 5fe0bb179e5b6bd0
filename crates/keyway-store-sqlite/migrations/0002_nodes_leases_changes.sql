-- One run of a node. Numbers are never used again.
CREATE TABLE node (
    epoch INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    live INTEGER NOT NULL CHECK (live IN (0, 1)),
    heard_at INTEGER NOT NULL,
    -- The last change that is in force on it.
    applied INTEGER NOT NULL
) STRICT;

CREATE INDEX node_live ON node (name) WHERE live = 1;

-- What of an account's remaining budget is in a node's hands.
CREATE TABLE lease (
    account_id INTEGER NOT NULL REFERENCES account (id),
    kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 3),
    starts_at INTEGER NOT NULL,
    epoch INTEGER NOT NULL REFERENCES node (epoch),
    outstanding_nanos INTEGER NOT NULL CHECK (outstanding_nanos >= 0),
    -- Of the last call, and what it was granted.
    seq INTEGER NOT NULL,
    granted_nanos INTEGER NOT NULL CHECK (granted_nanos >= 0),
    recalled INTEGER NOT NULL CHECK (recalled IN (0, 1)),
    PRIMARY KEY (account_id, kind, starts_at, epoch)
) STRICT, WITHOUT ROWID;

CREATE INDEX lease_of_node ON lease (epoch);

-- Changes to keys, in the order of their commits.
CREATE TABLE change_log (
    seq INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (id)
) STRICT;

ALTER TABLE generation ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
-- What the request holds.
ALTER TABLE generation ADD COLUMN reserved_nanos INTEGER NOT NULL DEFAULT 9223372036854775807
    CHECK (authorised_nanos <= reserved_nanos AND coalesce(charge_nanos, 0) <= reserved_nanos);
