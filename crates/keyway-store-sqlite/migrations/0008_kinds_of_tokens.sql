-- Of the tokens of the prompt those that were read from a cache, of the completion's those that were
-- thought and not said.
ALTER TABLE generation ADD COLUMN cached_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE generation ADD COLUMN reasoning_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_day ADD COLUMN cached_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_day ADD COLUMN reasoning_tokens INTEGER NOT NULL DEFAULT 0;
