-- Two more endings: the key was revoked, or its budget was spent, in the middle of an answer. What is
-- stored has none of them, so it is not looked through.
ALTER TABLE generation DROP CONSTRAINT generation_ending_check;
ALTER TABLE generation ADD CONSTRAINT generation_ending_known CHECK (ending IN
    ('completed', 'client_left', 'provider_failed', 'stopped', 'revoked', 'limit_reached', 'crashed'))
    NOT VALID;
