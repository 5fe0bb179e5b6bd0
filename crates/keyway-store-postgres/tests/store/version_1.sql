INSERT INTO installation (one, fingerprint, default_workspace, created_at, keys, epochs)
    VALUES (1, {fingerprint}, {workspace}, {now}, 2, 1);
INSERT INTO node (epoch, name, live, heard_at, applied) VALUES (1, 'contract', TRUE, {now}, 0);
INSERT INTO account (id, kind) VALUES (1, 'key'), (2, 'key');
INSERT INTO api_key (id, account_id, kind, workspace, hash, label, name, limit_nanos, reset,
                     include_byok_in_limit, created_at)
    VALUES (1, 1, 'management', {workspace}, {boss_hash}, {boss_label}, 'boss', NULL, NULL, FALSE, {now}),
           (2, 2, 'inference', {workspace}, {used_hash}, {used_label}, 'used', 5000, 'daily', TRUE, {now});
INSERT INTO key_secret (hash, key_id, tag, label, minted)
    VALUES ({boss_hash}, 1, {boss_tag}, {boss_label}, TRUE),
           ({used_hash}, 2, {used_tag}, {used_label}, TRUE);
INSERT INTO idempotency (actor, key, body, salt, answer, key_id, created_at)
    VALUES (1, {creation_key}, {creation_body}, {creation_salt}, 'as it was', 2, {now});
INSERT INTO account_window (account_id, kind, starts_at, spent_nanos, byok_nanos, last_at)
    VALUES (2, 0, 0, 400, 3, {now}), (2, 1, {day}, 400, 3, {now}), (2, 2, {week}, 400, 3, {now}),
           (2, 3, {month}, 400, 3, {now});
INSERT INTO lease (account_id, kind, starts_at, epoch, outstanding_nanos, seq, granted_nanos, recalled)
    VALUES (2, 1, {day}, 1, 600, 4, 1000, FALSE);
INSERT INTO generation (id, key_id, accounts, window_day, window_week, window_month, model, provider,
                        streamed, admitted_at, epoch, reserved_nanos, authorised_nanos, charge_nanos,
                        byok_nanos, overrun_nanos, absorbed_nanos, prompt_tokens, completion_tokens,
                        ending, estimated, settled_at)
    VALUES ({settled}, 2, {accounts}, {day}, {week}, {month}, 'keyway/echo', 'echo', TRUE, {now}, 1,
            400, 90, 400, 3, 0, 0, 5, 7, 'completed', FALSE, {now}),
           ({cut}, 2, {accounts}, {day}, {week}, {month}, 'keyway/echo', 'echo', TRUE, {now}, 1,
            600, 70, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
