-- The last change, which the log itself does not tell any more when it is pruned.
ALTER TABLE installation ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;
UPDATE installation SET changes = (SELECT coalesce(max(seq), 0) FROM change_log);

-- Those that were made before are older than anything.
ALTER TABLE change_log ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;

-- No lease call up to this number is made anew where there is no lease.
ALTER TABLE node ADD COLUMN lease_floor INTEGER NOT NULL DEFAULT 0;
