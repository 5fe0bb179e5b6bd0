-- Which history of the database this is. A standby that is promoted begins another, without what it had
-- not received.
ALTER TABLE installation ADD COLUMN history TEXT NOT NULL DEFAULT '';
-- All numbers that are given out in it are larger than this one, which no other history has.
ALTER TABLE installation ADD COLUMN timeline BIGINT NOT NULL DEFAULT 0;
-- When a node noticed that it began.
ALTER TABLE installation ADD COLUMN timeline_at BIGINT NOT NULL DEFAULT 0;
-- The one that the run joined in.
ALTER TABLE node ADD COLUMN timeline BIGINT NOT NULL DEFAULT 0;
