-- The terms of a budget stand at its account, whatever it is the budget of.
ALTER TABLE account DROP CONSTRAINT account_kind_check;
ALTER TABLE account ADD CONSTRAINT account_kind_check
    CHECK (kind IN ('installation', 'workspace', 'guardrail', 'key'));
ALTER TABLE account ADD COLUMN limit_nanos BIGINT CHECK (limit_nanos >= 0);
ALTER TABLE account ADD COLUMN reset TEXT CHECK (reset IN ('daily', 'weekly', 'monthly'));
ALTER TABLE account ADD COLUMN include_byok_in_limit BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE account SET limit_nanos = k.limit_nanos, reset = k.reset,
                   include_byok_in_limit = k.include_byok_in_limit
    FROM api_key AS k WHERE k.account_id = account.id;
ALTER TABLE api_key DROP COLUMN limit_nanos;
ALTER TABLE api_key DROP COLUMN reset;
ALTER TABLE api_key DROP COLUMN include_byok_in_limit;

-- The whole installation's: on the path of every request, those that are in the middle of an answer
-- among them.
INSERT INTO account (id, kind) VALUES (0, 'installation');
INSERT INTO account_window (account_id, kind, starts_at, spent_nanos, byok_nanos, last_at)
    SELECT 0, kind, starts_at, sum(spent_nanos), sum(byok_nanos), max(last_at)
    FROM account_window GROUP BY kind, starts_at;
UPDATE generation SET accounts = '\x0000000000000000'::BYTEA || accounts
    WHERE charge_nanos IS NULL;

-- What an account used, by day of admission, model and provider: settled requests, summed up.
CREATE TABLE usage_day (
    account_id BIGINT NOT NULL REFERENCES account (id),
    day BIGINT NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    requests BIGINT NOT NULL CHECK (requests > 0),
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    spent_nanos BIGINT NOT NULL CHECK (spent_nanos >= 0),
    byok_nanos BIGINT NOT NULL CHECK (byok_nanos >= 0),
    PRIMARY KEY (account_id, day, model, provider)
);

INSERT INTO usage_day
    SELECT k.account_id, g.window_day, g.model, g.provider, count(*), sum(g.prompt_tokens),
           sum(g.completion_tokens), sum(g.charge_nanos), sum(g.byok_nanos)
    FROM generation AS g JOIN api_key AS k ON k.id = g.key_id
    WHERE g.charge_nanos IS NOT NULL
    GROUP BY k.account_id, g.window_day, g.model, g.provider;
INSERT INTO usage_day
    SELECT 0, day, model, provider, sum(requests), sum(prompt_tokens), sum(completion_tokens),
           sum(spent_nanos), sum(byok_nanos)
    FROM usage_day GROUP BY day, model, provider;
