-- Who sent a request, and the course that it took; null is what nobody said, or what was not kept yet. Of
-- rows that are older `byok_nanos` says as well whether another credential paid.
ALTER TABLE generation ADD COLUMN is_byok BOOLEAN;
ALTER TABLE generation ADD COLUMN catalogue_version TEXT;
ALTER TABLE generation ADD COLUMN api_type TEXT;
ALTER TABLE generation ADD COLUMN http_referer TEXT;
ALTER TABLE generation ADD COLUMN user_agent TEXT;
ALTER TABLE generation ADD COLUMN external_user TEXT;
ALTER TABLE generation ADD COLUMN session_id TEXT;
-- How many images, files and videos the prompt had, and pieces of audio.
ALTER TABLE generation ADD COLUMN media_prompt BIGINT;
ALTER TABLE generation ADD COLUMN audio_prompt BIGINT;
-- From here on null until it is settled.
ALTER TABLE generation ADD COLUMN endpoint TEXT;
ALTER TABLE generation ADD COLUMN upstream_id TEXT;
ALTER TABLE generation ADD COLUMN finish_reason TEXT;
ALTER TABLE generation ADD COLUMN native_finish_reason TEXT;
ALTER TABLE generation ADD COLUMN service_tier TEXT;
ALTER TABLE generation ADD COLUMN first_ms BIGINT;
ALTER TABLE generation ADD COLUMN generation_ms BIGINT;
ALTER TABLE generation ADD COLUMN media_completion BIGINT;
-- Of the completion's tokens those that are images.
ALTER TABLE generation ADD COLUMN image_output_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE generation ADD COLUMN cache_discount_nanos BIGINT;
-- The endpoints that failed before, one a line.
ALTER TABLE generation ADD COLUMN tried TEXT;

-- Whether what is said with the key is kept.
ALTER TABLE api_key ADD COLUMN log_content BOOLEAN NOT NULL DEFAULT FALSE;

-- What was said in requests of keys for which it is kept.
CREATE TABLE content (
    -- Of the request: in the order of their admission.
    generation BYTEA PRIMARY KEY CHECK (length(generation) = 16),
    key_id BIGINT NOT NULL REFERENCES api_key (id),
    -- Sealed under a key that is derived from the installation's secret.
    sealed BYTEA NOT NULL
);

CREATE INDEX content_key ON content (key_id);
