-- The terms of a budget stand at its account, whatever it is the budget of.
ALTER TABLE account DROP COLUMN kind;
ALTER TABLE account ADD COLUMN kind TEXT NOT NULL DEFAULT 'key'
    CHECK (kind IN ('installation', 'workspace', 'guardrail', 'key'));
ALTER TABLE account ADD COLUMN limit_nanos INTEGER CHECK (limit_nanos >= 0);
ALTER TABLE account ADD COLUMN reset TEXT CHECK (reset IN ('daily', 'weekly', 'monthly'));
ALTER TABLE account ADD COLUMN include_byok_in_limit INTEGER NOT NULL DEFAULT 0
    CHECK (include_byok_in_limit IN (0, 1));
UPDATE account SET (limit_nanos, reset, include_byok_in_limit) =
    (SELECT k.limit_nanos, k.reset, k.include_byok_in_limit FROM api_key AS k
     WHERE k.account_id = account.id);
ALTER TABLE api_key DROP COLUMN limit_nanos;
ALTER TABLE api_key DROP COLUMN reset;
ALTER TABLE api_key DROP COLUMN include_byok_in_limit;

-- The whole installation's: on the path of every request, those that are in the middle of an answer
-- among them.
INSERT INTO account (id, kind) VALUES (0, 'installation');
INSERT INTO account_window (account_id, kind, starts_at, spent_nanos, byok_nanos, last_at)
    SELECT 0, kind, starts_at, sum(spent_nanos), sum(byok_nanos), max(last_at)
    FROM account_window GROUP BY kind, starts_at;
UPDATE generation SET accounts = CAST(X'0000000000000000' || accounts AS BLOB)
    WHERE charge_nanos IS NULL;

-- What an account used, by day of admission, model and provider: settled requests, summed up.
CREATE TABLE usage_day (
    account_id INTEGER NOT NULL REFERENCES account (id),
    day INTEGER NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    requests INTEGER NOT NULL CHECK (requests > 0),
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    spent_nanos INTEGER NOT NULL CHECK (spent_nanos >= 0),
    byok_nanos INTEGER NOT NULL CHECK (byok_nanos >= 0),
    PRIMARY KEY (account_id, day, model, provider)
) STRICT, WITHOUT ROWID;

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
