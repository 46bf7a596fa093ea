-- The ledger: who is connected, what is due, who works on it, and what was asked of Polar.
-- Private to polar-sync; readers use the schema api_v1. Every key begins with connection_id, so that
-- tables can be partitioned or distributed by it unchanged.

CREATE SCHEMA IF NOT EXISTS polar_sync;

-- Every deadline in SQL reads this clock, so that tests can move time for all processes at once.
CREATE TABLE polar_sync.clock (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    shift interval NOT NULL DEFAULT '0'
);
INSERT INTO polar_sync.clock DEFAULT VALUES;

CREATE FUNCTION polar_sync.now() RETURNS timestamptz
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$ SELECT clock_timestamp() + (SELECT shift FROM polar_sync.clock) $$;

CREATE TABLE polar_sync.connection (
    connection_id uuid PRIMARY KEY,
    user_id text NOT NULL,
    polar_user_id bigint NOT NULL,
    state text NOT NULL CHECK (state IN
        ('active', 'suspect', 'revoked', 'consent_required', 'expired', 'paused', 'erasing', 'erased')),
    state_reason text,
    state_since timestamptz NOT NULL,
    -- Set when another connection took this one's place; such a row is history.
    ended_at timestamptz,
    connected_at timestamptz NOT NULL,
    registered_at timestamptz,
    -- Tokens are sealed with AES-256-GCM; the associated data binds them to this row.
    access_token bytea,
    refresh_token bytea,
    key_id text,
    token_generation bigint NOT NULL DEFAULT 1,
    token_expires_at timestamptz,
    suspect_since timestamptz,
    -- When the state is looked at again: confirmation of a revocation, re-check of a consent.
    recheck_at timestamptz
);
CREATE UNIQUE INDEX connection_user ON polar_sync.connection (user_id)
    WHERE ended_at IS NULL AND state <> 'erased';
CREATE UNIQUE INDEX connection_polar_user ON polar_sync.connection (polar_user_id)
    WHERE ended_at IS NULL AND state <> 'erased';
CREATE INDEX connection_recheck ON polar_sync.connection (recheck_at) WHERE recheck_at IS NOT NULL;
CREATE INDEX connection_suspect ON polar_sync.connection (suspect_since) WHERE suspect_since IS NOT NULL;

-- One row a connection: the lease that makes runs exclusive, and the wake-up that is on a lane.
CREATE TABLE polar_sync.sync_state (
    connection_id uuid PRIMARY KEY,
    -- The token decides who may write, not the time: taking over increments it.
    lease_token bigint NOT NULL DEFAULT 0,
    lease_owner text,
    lease_until timestamptz,
    queued_lane text,
    queued_entry text,
    queued_at timestamptz,
    last_success_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX sync_state_queued ON polar_sync.sync_state (queued_at) WHERE queued_at IS NOT NULL;
CREATE INDEX sync_state_leased ON polar_sync.sync_state (lease_until) WHERE lease_until IS NOT NULL;

-- One row a connection and kind: when it is due, and how it fared.
CREATE TABLE polar_sync.kind_state (
    connection_id uuid NOT NULL,
    kind text NOT NULL,
    next_due_at timestamptz,
    -- Why it is due then: schedule, retry, snooze, consent, blocked, confirm.
    due_cause text NOT NULL DEFAULT 'schedule',
    attempts integer NOT NULL DEFAULT 0,
    last_run_at timestamptz,
    last_success_at timestamptz,
    -- When a run last found something new or changed.
    last_found_at timestamptz,
    error_class text,
    error text,
    consent boolean NOT NULL DEFAULT true,
    -- When Polar's notifications last listed it, and when that last led to a request.
    notified_at timestamptz,
    notified_run_at timestamptz,
    -- An empty answer to a create is not believed before this instant: an older transaction of
    -- ours may still be open at Polar and hide data.
    distrust_empty_until timestamptz,
    PRIMARY KEY (connection_id, kind)
) WITH (fillfactor = 80);
CREATE INDEX kind_state_due ON polar_sync.kind_state (next_due_at) WHERE next_due_at IS NOT NULL;

-- Somebody's wish for a sync.
CREATE TABLE polar_sync.sync_request (
    connection_id uuid NOT NULL,
    task_id uuid NOT NULL,
    request_id text,
    include text[] NOT NULL DEFAULT '{}',
    kinds text[] NOT NULL DEFAULT '{}',
    lane text NOT NULL,
    cause text NOT NULL,
    reason text,
    traceparent text,
    -- The entry that brought it, so that a redelivered entry is not a second request.
    entry text,
    state text NOT NULL DEFAULT 'open' CHECK (state IN
        ('open', 'running', 'done', 'failed', 'refused')),
    run_id uuid,
    created_at timestamptz NOT NULL,
    -- Set while it waits for quota or for an outage to end.
    not_before timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (connection_id, task_id)
);
CREATE UNIQUE INDEX sync_request_entry ON polar_sync.sync_request (connection_id, entry) WHERE entry IS NOT NULL;
CREATE INDEX sync_request_open ON polar_sync.sync_request (connection_id, created_at)
    WHERE state IN ('open', 'running');
CREATE INDEX sync_request_finished ON polar_sync.sync_request (finished_at) WHERE finished_at IS NOT NULL;

-- One execution, serving all open requests of a connection.
CREATE TABLE polar_sync.sync_run (
    connection_id uuid NOT NULL,
    run_id uuid NOT NULL,
    lease_token bigint NOT NULL,
    worker text NOT NULL,
    lane text NOT NULL,
    cause text NOT NULL,
    request_ids text[] NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    outcome text CHECK (outcome IN ('ok', 'partial', 'snoozed', 'failed', 'refused')),
    error_class text,
    error text,
    items_new integer NOT NULL DEFAULT 0,
    items_changed integer NOT NULL DEFAULT 0,
    items_same integer NOT NULL DEFAULT 0,
    PRIMARY KEY (connection_id, run_id)
);
CREATE INDEX sync_run_started ON polar_sync.sync_run (started_at);

-- One AccessLink transaction; see the life in src/sync/lifecycle.rs.
CREATE TABLE polar_sync.remote_transaction (
    connection_id uuid NOT NULL,
    remote_id uuid NOT NULL,
    kind text NOT NULL,
    phase text NOT NULL CHECK (phase IN
        ('opening', 'open', 'durable', 'committing', 'blocked', 'lapsed', 'committed', 'unconfirmed', 'empty')),
    polar_transaction_id bigint,
    -- When the first create that can have opened it was sent: its life cannot have begun earlier.
    created_at timestamptz NOT NULL,
    -- When the last create was sent: its life cannot have begun later.
    last_create_at timestamptz NOT NULL,
    items text[] NOT NULL DEFAULT '{}',
    accepted_loss text[] NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (connection_id, remote_id)
);
CREATE UNIQUE INDEX remote_transaction_current ON polar_sync.remote_transaction (connection_id, kind)
    WHERE phase IN ('opening', 'open', 'durable', 'committing', 'blocked');

-- What Polar sent, byte for byte, addressed by its hash and compressed.
CREATE TABLE polar_sync.raw_body (
    connection_id uuid NOT NULL,
    sha256 bytea NOT NULL,
    -- zstd
    body bytea NOT NULL,
    length_bytes integer NOT NULL,
    PRIMARY KEY (connection_id, sha256)
);
-- Stored as it is: Postgres would only try in vain to compress it again.
ALTER TABLE polar_sync.raw_body ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE polar_sync.raw_item (
    connection_id uuid NOT NULL,
    kind text NOT NULL,
    item text NOT NULL,
    version text NOT NULL,
    part text NOT NULL,
    -- NULL: Polar answered that there is none.
    sha256 bytea,
    fetched_at timestamptz NOT NULL,
    PRIMARY KEY (connection_id, kind, item, version, part)
);
CREATE INDEX raw_item_fetched ON polar_sync.raw_item (fetched_at);

-- Complete bodies that could not be understood: kept, and normalized again by a later version.
CREATE TABLE polar_sync.quarantine (
    connection_id uuid NOT NULL,
    kind text NOT NULL,
    item text NOT NULL,
    version text NOT NULL,
    part text NOT NULL,
    sha256 bytea NOT NULL,
    reason text NOT NULL,
    quarantined_at timestamptz NOT NULL,
    PRIMARY KEY (connection_id, kind, item, version, part)
);

-- What was given up for now, for an operator to look at.
CREATE TABLE polar_sync.dead (
    dead_id uuid PRIMARY KEY,
    connection_id uuid,
    user_id text,
    kind text,
    lane text,
    entry text,
    job text,
    error_class text NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL,
    died_at timestamptz NOT NULL
);

-- Logical changes, unnumbered until the sequencer numbers them in commit order.
CREATE TABLE polar_sync.outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id uuid NOT NULL,
    user_id text NOT NULL,
    record_id uuid NOT NULL,
    kind text NOT NULL,
    change text NOT NULL CHECK (change IN ('added', 'updated', 'deleted')),
    revision integer NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE TABLE polar_sync.change (
    seq bigint PRIMARY KEY,
    connection_id uuid NOT NULL,
    user_id text NOT NULL,
    record_id uuid NOT NULL,
    kind text NOT NULL,
    change text NOT NULL,
    revision integer NOT NULL,
    changed_at timestamptz NOT NULL
);

-- Events on their way to Redis.
CREATE TABLE polar_sync.event (
    event_id uuid PRIMARY KEY,
    body text NOT NULL,
    created_at timestamptz NOT NULL
);

-- Leases of the single leaders, fenced by a token like those of connections.
CREATE TABLE polar_sync.leader (
    name text PRIMARY KEY,
    token bigint NOT NULL DEFAULT 0,
    owner text,
    until timestamptz,
    -- The sequencer's last number.
    seq bigint NOT NULL DEFAULT 0
);
INSERT INTO polar_sync.leader (name) VALUES ('scheduler'), ('sequencer');

-- How far the scheduler stretches the safety intervals, so that polls without a finding leave quota
-- for data.
CREATE TABLE polar_sync.pace (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    stretch double precision NOT NULL DEFAULT 1 CHECK (stretch >= 1)
);
INSERT INTO polar_sync.pace DEFAULT VALUES;

-- The last known use of Polar's two windows, so that a wipe of Redis cannot spend them twice.
CREATE TABLE polar_sync.quota (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    checkpoint jsonb NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE polar_sync.encryption_key (
    key_id text PRIMARY KEY,
    -- A sealed known text: proves that a configured key is the one that the id stands for.
    proof bytea NOT NULL,
    added_at timestamptz NOT NULL
);

CREATE TABLE polar_sync.operator_log (
    entry_id uuid PRIMARY KEY,
    operator text NOT NULL,
    command text NOT NULL,
    connection_id uuid,
    detail text NOT NULL,
    logged_at timestamptz NOT NULL
);
