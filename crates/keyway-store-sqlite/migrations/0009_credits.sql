-- What was added to the installation's credits: from the first on they are the limit of its account,
-- unless the configuration sets one. The row of sixteen zeros is what was spent before it.
CREATE TABLE credit (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    amount_nanos INTEGER NOT NULL CHECK (amount_nanos >= 0),
    added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
