-- Times are microseconds since 1970 UTC, money is nano-dollars.

CREATE TABLE installation (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- Of the secret that this store belongs to.
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    default_workspace BLOB NOT NULL CHECK (length(default_workspace) = 16),
    created_at INTEGER NOT NULL,
    -- Whether the last run closed the store.
    clean INTEGER NOT NULL CHECK (clean IN (0, 1)),
    -- Written to see whether anything can be.
    probes INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Anything that carries a budget.
CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('key'))
) STRICT;

CREATE TABLE api_key (
    -- In the order of creation.
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL UNIQUE REFERENCES account (id),
    kind TEXT NOT NULL CHECK (kind IN ('management', 'inference')),
    workspace BLOB NOT NULL CHECK (length(workspace) = 16),
    -- Of the newest secret.
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    label TEXT NOT NULL,
    name TEXT NOT NULL CHECK (length(name) > 0),
    disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    limit_nanos INTEGER CHECK (limit_nanos >= 0),
    reset TEXT CHECK (reset IN ('daily', 'weekly', 'monthly')),
    include_byok_in_limit INTEGER NOT NULL DEFAULT 0 CHECK (include_byok_in_limit IN (0, 1)),
    creator_user_id TEXT,
    external_user TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER,
    expires_at INTEGER,
    deleted_at INTEGER
) STRICT;

-- All that a list in its usual order has to look at to skip a row. `deleted_at` is always null in
-- them; without it SQLite does not see that they cover the question.
CREATE INDEX api_key_list ON api_key (kind, workspace, id, disabled, expires_at, deleted_at)
    WHERE deleted_at IS NULL;
-- The same for a list by name.
CREATE INDEX api_key_name
    ON api_key (kind, workspace, name, id DESC, disabled, expires_at, deleted_at)
    WHERE deleted_at IS NULL;

-- Rows stay when a key is deleted, so that a cursor on it still has a place.
CREATE TABLE key_secret (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    key_id INTEGER NOT NULL REFERENCES api_key (id),
    tag BLOB NOT NULL CHECK (length(tag) = 32),
    label TEXT NOT NULL,
    minted INTEGER NOT NULL CHECK (minted IN (0, 1)),
    valid_until INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX key_secret_key ON key_secret (key_id);
CREATE INDEX key_secret_brought ON key_secret (key_id) WHERE minted = 0;

CREATE TABLE idempotency (
    actor INTEGER NOT NULL,
    key BLOB NOT NULL CHECK (length(key) = 32),
    body BLOB NOT NULL CHECK (length(body) = 32),
    salt BLOB NOT NULL CHECK (length(salt) = 16),
    -- As it was given, without the key string.
    answer TEXT NOT NULL,
    key_id INTEGER NOT NULL REFERENCES api_key (id),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_age ON idempotency (created_at);

-- What an account was charged in a window. Nothing is set back to zero: a new row opens.
CREATE TABLE account_window (
    account_id INTEGER NOT NULL REFERENCES account (id),
    -- 0 all time, 1 day, 2 week, 3 month.
    kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 3),
    starts_at INTEGER NOT NULL,
    spent_nanos INTEGER NOT NULL CHECK (spent_nanos >= 0),
    byok_nanos INTEGER NOT NULL CHECK (byok_nanos >= 0),
    last_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, kind, starts_at)
) STRICT, WITHOUT ROWID;

-- One row a metered request, from its first byte or its charge on.
CREATE TABLE generation (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    key_id INTEGER NOT NULL REFERENCES api_key (id),
    -- Eight bytes each, big-endian.
    accounts BLOB NOT NULL,
    -- The windows of its admission, in which it is charged whenever it ends.
    window_day INTEGER NOT NULL,
    window_week INTEGER NOT NULL,
    window_month INTEGER NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    streamed INTEGER NOT NULL CHECK (streamed IN (0, 1)),
    admitted_at INTEGER NOT NULL,
    -- Up to where it was marked as being answered.
    authorised_nanos INTEGER NOT NULL CHECK (authorised_nanos >= 0),
    -- From here on null until it is settled.
    charge_nanos INTEGER CHECK (charge_nanos >= 0),
    byok_nanos INTEGER CHECK (byok_nanos >= 0),
    overrun_nanos INTEGER CHECK (overrun_nanos >= 0),
    absorbed_nanos INTEGER CHECK (absorbed_nanos >= 0),
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    ending TEXT CHECK (ending IN ('completed', 'client_left', 'provider_failed', 'stopped', 'crashed')),
    estimated INTEGER CHECK (estimated IN (0, 1)),
    settled_at INTEGER,
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
) STRICT, WITHOUT ROWID;

CREATE INDEX generation_unsettled ON generation (id) WHERE charge_nanos IS NULL;
