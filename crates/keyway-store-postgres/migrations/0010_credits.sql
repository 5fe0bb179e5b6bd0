-- What was added to the installation's credits: from the first on they are the limit of its account,
-- unless the configuration sets one. The row of sixteen zeros is what was spent before it.
CREATE TABLE credit (
    id BYTEA PRIMARY KEY CHECK (length(id) = 16),
    amount_nanos BIGINT NOT NULL CHECK (amount_nanos >= 0),
    added_at BIGINT NOT NULL
);
