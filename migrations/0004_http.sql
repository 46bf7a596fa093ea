-- What the HTTP interface keeps: keys, the platform's users, authorizations under way, triggers that may
-- be repeated, and Polar's webhook.

-- Keys to the HTTP interface. A key is 256 random bits, so its hash needs no salt and no stretching.
CREATE TABLE polar_sync.api_key (
    key_id uuid PRIMARY KEY,
    name text NOT NULL,
    -- SHA-256 of the whole key.
    key_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    -- To the minute.
    last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE UNIQUE INDEX api_key_name ON polar_sync.api_key (name) WHERE revoked_at IS NULL;

-- Everybody whom a platform has told us of, connected or not.
CREATE TABLE polar_sync.platform_user (
    user_id text PRIMARY KEY,
    email text,
    first_name text,
    last_name text,
    created_at timestamptz NOT NULL
);
CREATE INDEX platform_user_email ON polar_sync.platform_user (email, user_id) WHERE email IS NOT NULL;
INSERT INTO polar_sync.platform_user (user_id, created_at)
SELECT user_id, min(connected_at) FROM polar_sync.connection GROUP BY user_id;

-- Users on their way to the consent page and back. Only hashes: who reads this table can neither come
-- back in a user's place nor use a code.
CREATE TABLE polar_sync.oauth_state (
    -- SHA-256.
    state_hash bytea PRIMARY KEY,
    user_id text NOT NULL,
    -- Where the platform wants its user back; null for our own page.
    redirect_uri text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- A state is taken once, and a code is exchanged once, whatever state it comes with: Polar deletes
    -- the tokens of a code that is used twice.
    taken_at timestamptz,
    code_hash bytea
);
CREATE UNIQUE INDEX oauth_state_code ON polar_sync.oauth_state (code_hash) WHERE code_hash IS NOT NULL;
CREATE INDEX oauth_state_expires ON polar_sync.oauth_state (expires_at);

-- The same trigger, sent again because its answer was lost, is not a second request.
ALTER TABLE polar_sync.sync_request ADD COLUMN idempotency_key text;
CREATE UNIQUE INDEX sync_request_idempotency ON polar_sync.sync_request (connection_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
-- How the requests of a user are listed.
CREATE INDEX sync_request_created ON polar_sync.sync_request (connection_id, created_at, task_id);

-- Our webhook at Polar, and those before it whose last events may still be on their way.
CREATE TABLE polar_sync.webhook (
    -- Polar's id.
    webhook_id text PRIMARY KEY,
    url text NOT NULL,
    events text[] NOT NULL,
    -- The secret that signs events, sealed with AES-256-GCM; the associated data binds it to this row.
    secret bytea NOT NULL,
    key_id text NOT NULL,
    created_at timestamptz NOT NULL,
    -- When it was deleted at Polar.
    ended_at timestamptz,
    -- When an event with a right signature last came that was not of long ago.
    last_event_at timestamptz,
    -- Since when notifications show data that no event told of; null again with the next event.
    unannounced_since timestamptz,
    -- Since when it counts as silent.
    silent_since timestamptz,
    -- When it was last activated again.
    activated_at timestamptz
);
CREATE UNIQUE INDEX webhook_live ON polar_sync.webhook ((true)) WHERE ended_at IS NULL;

-- Events that came lately, so that one that comes twice makes one request.
CREATE TABLE polar_sync.webhook_event (
    -- SHA-256 of the body.
    body_hash bytea PRIMARY KEY,
    -- SHA-256 of what the event is about: its name, the user, and the entity, date or range.
    subject_hash bytea NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE INDEX webhook_event_subject ON polar_sync.webhook_event (subject_hash, received_at);
CREATE INDEX webhook_event_received ON polar_sync.webhook_event (received_at);

-- When a webhook's event last told of the kind.
ALTER TABLE polar_sync.kind_state ADD COLUMN webhook_at timestamptz;

-- When the notifications were last read: while the webhook works, that is seldom.
ALTER TABLE polar_sync.pace ADD COLUMN notifications_read_at timestamptz;

-- How nights are listed.
CREATE INDEX sleep_start ON polar_sync.sleep (connection_id, start_at);
