-- Keys that data keys are wrapped under lie outside of the store; here is how they are told apart. There
-- are two while one takes the place of the other.
CREATE TABLE key_encryption_key (
    version BIGINT PRIMARY KEY,
    fingerprint BYTEA NOT NULL CHECK (length(fingerprint) = 32),
    created_at BIGINT NOT NULL
);

-- Keys that operators have with providers.
CREATE TABLE credential (
    -- In the order of creation.
    id BYTEA PRIMARY KEY CHECK (length(id) = 16),
    workspace BYTEA NOT NULL CHECK (length(workspace) = 16),
    provider TEXT COLLATE "C" NOT NULL,
    label TEXT NOT NULL,
    name TEXT,
    disabled BOOLEAN NOT NULL,
    is_fallback BOOLEAN NOT NULL,
    is_required BOOLEAN NOT NULL,
    is_byok_only BOOLEAN NOT NULL,
    -- One a line; null is all.
    allowed_models TEXT,
    allowed_users TEXT,
    -- Ids of inference keys, eight bytes each, big-endian; null is all.
    allowed_keys BYTEA CHECK (length(allowed_keys) % 8 = 0),
    sort_order BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    kek_version BIGINT NOT NULL REFERENCES key_encryption_key (version),
    -- Under the key-encryption key of that version,
    data_key BYTEA NOT NULL CHECK (length(data_key) = 72),
    -- and this under the data key.
    material BYTEA NOT NULL
);

-- The default workspace's: what a change to a credential is a change to.
INSERT INTO account (id, kind) VALUES (-1, 'workspace');
