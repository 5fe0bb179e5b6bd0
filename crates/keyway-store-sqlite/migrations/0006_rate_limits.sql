-- How often a key may ask, for how many tokens, and for how much at once; null is what the
-- configuration says of all keys.
ALTER TABLE api_key ADD COLUMN requests_per_minute INTEGER
    CHECK (requests_per_minute BETWEEN 1 AND 1000000000);
ALTER TABLE api_key ADD COLUMN tokens_per_minute INTEGER
    CHECK (tokens_per_minute BETWEEN 1 AND 1000000000);
ALTER TABLE api_key ADD COLUMN max_concurrent_requests INTEGER
    CHECK (max_concurrent_requests BETWEEN 1 AND 1000000000);
-- What becomes of a request that may cost more than is left.
ALTER TABLE api_key ADD COLUMN on_limit TEXT NOT NULL DEFAULT 'refuse'
    CHECK (on_limit IN ('refuse', 'clamp'));
