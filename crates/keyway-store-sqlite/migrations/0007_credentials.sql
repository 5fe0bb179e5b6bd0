-- Keys that data keys are wrapped under lie outside of the store; here is how they are told apart. There
-- are two while one takes the place of the other.
CREATE TABLE key_encryption_key (
    version INTEGER PRIMARY KEY,
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    created_at INTEGER NOT NULL
) STRICT;

-- Keys that operators have with providers.
CREATE TABLE credential (
    -- In the order of creation.
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    workspace BLOB NOT NULL CHECK (length(workspace) = 16),
    provider TEXT NOT NULL,
    label TEXT NOT NULL,
    name TEXT,
    disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    is_fallback INTEGER NOT NULL CHECK (is_fallback IN (0, 1)),
    is_required INTEGER NOT NULL CHECK (is_required IN (0, 1)),
    is_byok_only INTEGER NOT NULL CHECK (is_byok_only IN (0, 1)),
    -- One a line; null is all.
    allowed_models TEXT,
    allowed_users TEXT,
    -- Ids of inference keys, eight bytes each, big-endian; null is all.
    allowed_keys BLOB CHECK (length(allowed_keys) % 8 = 0),
    sort_order INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    kek_version INTEGER NOT NULL REFERENCES key_encryption_key (version),
    -- Under the key-encryption key of that version,
    data_key BLOB NOT NULL CHECK (length(data_key) = 72),
    -- and this under the data key.
    material BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The default workspace's: what a change to a credential is a change to.
INSERT INTO account (id, kind) VALUES (-1, 'workspace');
