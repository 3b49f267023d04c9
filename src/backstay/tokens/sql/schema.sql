-- What the token store keeps. Every statement may be run again.

CREATE TABLE IF NOT EXISTS backstay_token_sessions (
    family     text PRIMARY KEY,
    user_id    text NOT NULL,
    client_id  text NOT NULL,
    kid        text NOT NULL,
    device     text NOT NULL,
    scope      text NOT NULL,
    jkt        text NOT NULL,
    context    text NOT NULL,
    generation bigint NOT NULL DEFAULT 0,
    created    timestamptz NOT NULL,
    rotated    timestamptz NOT NULL,
    idle_end   timestamptz NOT NULL,
    ends       timestamptz NOT NULL,
    revoked    boolean NOT NULL DEFAULT false,
    -- What the last presented token was told: lets one UPDATE both judge and answer.
    verdict    text NOT NULL DEFAULT 'opened'
) WITH (fillfactor = 80);
CREATE INDEX IF NOT EXISTS backstay_token_sessions_user ON backstay_token_sessions (user_id);
CREATE INDEX IF NOT EXISTS backstay_token_sessions_ends ON backstay_token_sessions (ends);

CREATE TABLE IF NOT EXISTS backstay_token_epochs (
    user_id    text PRIMARY KEY,
    epoch      bigint NOT NULL,
    keep       text NOT NULL,
    keep_epoch bigint NOT NULL
);

-- The log. Read by transaction and not by number: a lower number may be committed after a higher one was read.
CREATE TABLE IF NOT EXISTS backstay_token_revocations (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    kind       text NOT NULL,
    id         text NOT NULL,
    expires    timestamptz NOT NULL,
    epoch      bigint NOT NULL DEFAULT 0,
    keep       text NOT NULL DEFAULT '',
    keep_epoch bigint NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS backstay_token_revocations_xid ON backstay_token_revocations (xid);
CREATE INDEX IF NOT EXISTS backstay_token_revocations_id ON backstay_token_revocations (id) WHERE kind = 'token';
CREATE INDEX IF NOT EXISTS backstay_token_revocations_expires ON backstay_token_revocations (expires);

CREATE TABLE IF NOT EXISTS backstay_token_once (
    key     text PRIMARY KEY,
    expires timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS backstay_token_once_expires ON backstay_token_once (expires);

CREATE TABLE IF NOT EXISTS backstay_token_opaque (
    digest  bytea PRIMARY KEY,
    claims  bytea NOT NULL,
    expires timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS backstay_token_opaque_expires ON backstay_token_opaque (expires);
