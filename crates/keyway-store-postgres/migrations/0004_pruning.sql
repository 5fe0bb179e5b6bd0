-- Those that were made before are older than anything.
ALTER TABLE change_log ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0;

-- No lease call up to this number is made anew where there is no lease.
ALTER TABLE node ADD COLUMN lease_floor BIGINT NOT NULL DEFAULT 0;
