-- name: open
-- A new session at generation 0; answers with the user's epoch and the server's time.
INSERT INTO backstay_token_sessions
    (family, user_id, client_id, kid, device, scope, jkt, context, created, rotated, idle_end, ends)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, t.now, t.now,
       t.now + least($9::interval, $10::interval), t.now + $10::interval
FROM (SELECT clock_timestamp() AS now) t
RETURNING coalesce((SELECT epoch FROM backstay_token_epochs WHERE user_id = $2), 0) AS epoch, created AS now;

-- name: rotate
-- Judge a presented generation and move on if it is current; the rule is sessions.judge. One UPDATE of one
-- row: whoever waits for the row is judged by what the one before left, and nobody reads before writing.
WITH judged AS (
    UPDATE backstay_token_sessions s
    SET (verdict, generation, kid, rotated, idle_end, revoked) = (
        SELECT v.verdict,
               CASE v.verdict WHEN 'rotated' THEN $2 + 1 ELSE s.generation END,
               CASE v.verdict WHEN 'rotated' THEN $5 ELSE s.kid END,
               CASE v.verdict WHEN 'rotated' THEN v.now ELSE s.rotated END,
               CASE v.verdict WHEN 'rotated' THEN least(v.now + $7::interval, s.ends) ELSE s.idle_end END,
               s.revoked OR v.verdict = 'reused'
        FROM (
            SELECT t.now,
                   CASE
                       WHEN s.client_id <> $3 THEN 'wrong_client'
                       WHEN s.jkt <> $4 THEN 'wrong_key'
                       WHEN s.revoked THEN 'revoked'
                       WHEN $2 < s.generation
                            AND NOT ($2 = s.generation - 1 AND t.now - s.rotated <= $6::interval) THEN 'reused'
                       WHEN t.now >= s.idle_end THEN 'expired'
                       WHEN $2 < s.generation THEN 'replayed'
                       ELSE 'rotated'
                   END AS verdict
            FROM (SELECT clock_timestamp() AS now) t
        ) v
    )
    WHERE s.family = $1
    RETURNING s.*
), logged AS (
    INSERT INTO backstay_token_revocations (kind, id, expires)
    SELECT 'session', family, clock_timestamp() + $8::interval FROM judged WHERE verdict = 'reused'
    RETURNING pg_notify('backstay_tokens', '')
)
SELECT j.verdict, j.generation, j.kid, j.user_id, j.scope, j.jkt, j.context, j.ends,
       coalesce((SELECT epoch FROM backstay_token_epochs e WHERE e.user_id = j.user_id), 0) AS epoch,
       (SELECT count(*) FROM logged) AS told
FROM judged j;

-- name: end_session
-- Revoke one session, if it is live, and that user's and that client's where these are given.
WITH ended AS (
    UPDATE backstay_token_sessions SET revoked = true
    WHERE family = $1 AND NOT revoked
      AND ($2::text IS NULL OR user_id = $2) AND ($3::text IS NULL OR client_id = $3)
    RETURNING family
), logged AS (
    INSERT INTO backstay_token_revocations (kind, id, expires)
    SELECT 'session', family, clock_timestamp() + $4::interval FROM ended
    RETURNING pg_notify('backstay_tokens', '')
)
SELECT count(*) FROM logged;

-- name: end_user
-- Raise the user's epoch, revoke all their sessions but one, and tell the log.
WITH raised AS (
    INSERT INTO backstay_token_epochs AS e (user_id, epoch, keep, keep_epoch)
    VALUES ($1, 1, $2, CASE WHEN $2 = '' THEN 1 ELSE 0 END)
    ON CONFLICT (user_id) DO UPDATE SET
        epoch = e.epoch + 1,
        keep = $2,
        keep_epoch = CASE WHEN $2 = '' THEN e.epoch + 1 WHEN e.keep = $2 THEN e.keep_epoch ELSE e.epoch END
    RETURNING *
), ended AS (
    UPDATE backstay_token_sessions SET revoked = true
    WHERE user_id = $1 AND NOT revoked AND family <> $2 AND ends > now()
    RETURNING family
), logged AS (
    INSERT INTO backstay_token_revocations (kind, id, expires, epoch, keep, keep_epoch)
    SELECT 'epoch', user_id, clock_timestamp() + $3::interval, epoch, keep, keep_epoch FROM raised
    RETURNING pg_notify('backstay_tokens', '')
)
SELECT (SELECT count(*) FROM ended) AS ended, (SELECT count(*) FROM logged) AS told;

-- name: sessions
-- The user's live sessions, newest first.
SELECT family, user_id, client_id, device, scope, created, rotated, idle_end, ends
FROM backstay_token_sessions
WHERE user_id = $1 AND NOT revoked AND idle_end > now()
ORDER BY created DESC
LIMIT 1000;

-- name: deny
-- Deny one token until it expires.
WITH logged AS (
    INSERT INTO backstay_token_revocations (kind, id, expires)
    SELECT 'token', $1, $2 WHERE $2 > now()
    RETURNING pg_notify('backstay_tokens', '')
)
SELECT count(*) FROM logged;

-- name: read
-- Entries of transactions that had not ended when the cursor was taken, and the next cursor. An entry may
-- come again while an older transaction is open; it does no harm.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS cursor,
       r.kind, r.id, r.expires, r.epoch, r.keep, r.keep_epoch
FROM (SELECT 1) one
LEFT JOIN backstay_token_revocations r ON r.xid >= $1::text::xid8 AND r.expires > now()
ORDER BY r.number;

-- name: is_revoked
-- Whether anything on record revokes a token with these identifiers.
SELECT EXISTS (
        SELECT FROM backstay_token_revocations WHERE kind = 'token' AND id = $1 AND expires > now()
    ) OR EXISTS (
        SELECT FROM backstay_token_sessions WHERE family = $2 AND revoked
    ) OR EXISTS (
        SELECT FROM backstay_token_epochs
        WHERE user_id = $3 AND $4 < CASE WHEN keep <> '' AND keep = $2 THEN keep_epoch ELSE epoch END
    );

-- name: first_use
-- Whether this key is new, or its last use is over.
INSERT INTO backstay_token_once AS o (key, expires) VALUES ($1, clock_timestamp() + $2::interval)
ON CONFLICT (key) DO UPDATE SET expires = excluded.expires WHERE o.expires <= clock_timestamp()
RETURNING true;

-- name: save
-- Keep claims under a digest.
INSERT INTO backstay_token_opaque (digest, claims, expires) VALUES ($1, $2, now() + $3::interval)
ON CONFLICT (digest) DO UPDATE SET claims = excluded.claims, expires = excluded.expires;

-- name: find
-- The claims of an opaque token.
SELECT claims FROM backstay_token_opaque WHERE digest = $1 AND expires > now();

-- name: remove
-- Forget an opaque token.
DELETE FROM backstay_token_opaque WHERE digest = $1 RETURNING true;

-- name: prune
-- Drop what has ended.
WITH sessions AS (DELETE FROM backstay_token_sessions WHERE ends < now() RETURNING 1),
     log AS (DELETE FROM backstay_token_revocations WHERE expires < now() RETURNING 1),
     once AS (DELETE FROM backstay_token_once WHERE expires < now() RETURNING 1),
     opaque AS (DELETE FROM backstay_token_opaque WHERE expires < now() RETURNING 1)
SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM log)
     + (SELECT count(*) FROM once) + (SELECT count(*) FROM opaque);
