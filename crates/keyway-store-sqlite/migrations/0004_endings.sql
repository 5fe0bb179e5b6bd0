-- Two more endings: the key was revoked, or its budget was spent, in the middle of an answer. SQLite
-- alters no CHECK. One that is only widened changes nothing that is stored, so its text is changed
-- in place, as SQLite describes it (lang_altertable.html, 7): copying every generation takes hours.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
    SET sql = replace(sql, '''stopped'', ''crashed'')', '''stopped'', ''revoked'', ''limit_reached'', ''crashed'')')
    WHERE type = 'table' AND name = 'generation';
PRAGMA writable_schema = RESET;
