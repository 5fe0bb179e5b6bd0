-- Times are microseconds since 1970 UTC, money is nano-dollars.

CREATE TABLE installation (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    -- Of the secret that this store belongs to.
    fingerprint BYTEA NOT NULL CHECK (length(fingerprint) = 32),
    default_workspace BYTEA NOT NULL CHECK (length(default_workspace) = 16),
    created_at BIGINT NOT NULL,
    -- The last numbers that were given out; each without a gap, in the order of the commits.
    keys BIGINT NOT NULL DEFAULT 0,
    changes BIGINT NOT NULL DEFAULT 0,
    epochs BIGINT NOT NULL DEFAULT 0
);

-- Anything that carries a budget.
CREATE TABLE account (
    id BIGINT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('key'))
);

CREATE TABLE api_key (
    -- In the order of creation.
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL UNIQUE REFERENCES account (id),
    kind TEXT NOT NULL CHECK (kind IN ('management', 'inference')),
    workspace BYTEA NOT NULL CHECK (length(workspace) = 16),
    -- Of the newest secret.
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    label TEXT NOT NULL,
    name TEXT COLLATE "C" NOT NULL CHECK (length(name) > 0),
    disabled BOOLEAN NOT NULL DEFAULT FALSE,
    limit_nanos BIGINT CHECK (limit_nanos >= 0),
    reset TEXT CHECK (reset IN ('daily', 'weekly', 'monthly')),
    include_byok_in_limit BOOLEAN NOT NULL DEFAULT FALSE,
    creator_user_id TEXT,
    external_user TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    expires_at BIGINT,
    deleted_at BIGINT
);

CREATE INDEX api_key_list ON api_key (kind, workspace, id)
    WHERE deleted_at IS NULL;
-- The same for a list by name.
CREATE INDEX api_key_name
    ON api_key (kind, workspace, name, id DESC)
    WHERE deleted_at IS NULL;

-- Rows stay when a key is deleted, so that a cursor on it still has a place.
CREATE TABLE key_secret (
    hash BYTEA PRIMARY KEY CHECK (length(hash) = 32),
    key_id BIGINT NOT NULL REFERENCES api_key (id),
    tag BYTEA NOT NULL CHECK (length(tag) = 32),
    label TEXT NOT NULL,
    minted BOOLEAN NOT NULL,
    valid_until BIGINT
);

CREATE INDEX key_secret_key ON key_secret (key_id);
CREATE INDEX key_secret_brought ON key_secret (key_id) WHERE minted = FALSE;

CREATE TABLE idempotency (
    actor BIGINT NOT NULL,
    key BYTEA NOT NULL CHECK (length(key) = 32),
    body BYTEA NOT NULL CHECK (length(body) = 32),
    salt BYTEA NOT NULL CHECK (length(salt) = 16),
    -- As it was given, without the key string.
    answer TEXT NOT NULL,
    key_id BIGINT NOT NULL REFERENCES api_key (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (actor, key)
);

CREATE INDEX idempotency_age ON idempotency (created_at);

-- What an account was charged in a window. Nothing is set back to zero: a new row opens.
CREATE TABLE account_window (
    account_id BIGINT NOT NULL REFERENCES account (id),
    -- 0 all time, 1 day, 2 week, 3 month.
    kind BIGINT NOT NULL CHECK (kind BETWEEN 0 AND 3),
    starts_at BIGINT NOT NULL,
    spent_nanos BIGINT NOT NULL CHECK (spent_nanos >= 0),
    byok_nanos BIGINT NOT NULL CHECK (byok_nanos >= 0),
    last_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, kind, starts_at)
);

-- One row a metered request, from its first byte or its charge on.
CREATE TABLE generation (
    id BYTEA PRIMARY KEY CHECK (length(id) = 16),
    key_id BIGINT NOT NULL REFERENCES api_key (id),
    -- Eight bytes each, big-endian.
    accounts BYTEA NOT NULL,
    -- The windows of its admission, in which it is charged whenever it ends.
    window_day BIGINT NOT NULL,
    window_week BIGINT NOT NULL,
    window_month BIGINT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    streamed BOOLEAN NOT NULL,
    admitted_at BIGINT NOT NULL,
    -- Up to where it was marked as being answered.
    epoch BIGINT NOT NULL,
    reserved_nanos BIGINT NOT NULL,
    authorised_nanos BIGINT NOT NULL CHECK (authorised_nanos >= 0),
    -- From here on null until it is settled.
    charge_nanos BIGINT CHECK (charge_nanos >= 0),
    byok_nanos BIGINT CHECK (byok_nanos >= 0),
    overrun_nanos BIGINT CHECK (overrun_nanos >= 0),
    absorbed_nanos BIGINT CHECK (absorbed_nanos >= 0),
    prompt_tokens BIGINT,
    completion_tokens BIGINT,
    ending TEXT CHECK (ending IN ('completed', 'client_left', 'provider_failed', 'stopped', 'crashed')),
    estimated BOOLEAN,
    settled_at BIGINT,
    CHECK (authorised_nanos <= reserved_nanos AND coalesce(charge_nanos, 0) <= reserved_nanos),
    CHECK (
        (charge_nanos IS NULL) = (byok_nanos IS NULL)
        AND (charge_nanos IS NULL) = (overrun_nanos IS NULL)
        AND (charge_nanos IS NULL) = (absorbed_nanos IS NULL)
        AND (charge_nanos IS NULL) = (prompt_tokens IS NULL)
        AND (charge_nanos IS NULL) = (completion_tokens IS NULL)
        AND (charge_nanos IS NULL) = (ending IS NULL)
        AND (charge_nanos IS NULL) = (estimated IS NULL)
        AND (charge_nanos IS NULL) = (settled_at IS NULL)
    )
);

CREATE INDEX generation_unsettled ON generation (epoch) WHERE charge_nanos IS NULL;

-- One run of a node. Numbers are never used again.
CREATE TABLE node (
    epoch BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    heard_at BIGINT NOT NULL,
    -- The last change that is in force on it.
    applied BIGINT NOT NULL
);

CREATE INDEX node_live ON node (name) WHERE live;

-- What of an account's remaining budget is in a node's hands.
CREATE TABLE lease (
    account_id BIGINT NOT NULL REFERENCES account (id),
    kind BIGINT NOT NULL CHECK (kind BETWEEN 0 AND 3),
    starts_at BIGINT NOT NULL,
    epoch BIGINT NOT NULL REFERENCES node (epoch),
    outstanding_nanos BIGINT NOT NULL CHECK (outstanding_nanos >= 0),
    -- Of the last call, and what it was granted.
    seq BIGINT NOT NULL,
    granted_nanos BIGINT NOT NULL CHECK (granted_nanos >= 0),
    recalled BOOLEAN NOT NULL,
    PRIMARY KEY (account_id, kind, starts_at, epoch)
);

CREATE INDEX lease_of_node ON lease (epoch);

-- Changes to keys, in the order of their commits.
CREATE TABLE change_log (
    seq BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id)
);

-- Written to see whether anything can be.
CREATE TABLE probe (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    probes BIGINT NOT NULL
);
