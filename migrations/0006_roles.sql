-- Database roles: what each part of polar-sync may do with each table, and nothing beside it.
--
-- The roles are groups without a login; operators make login users and grant them one. Whoever migrates owns
-- everything, and alone alters it. A table that comes later is granted to nobody until its migration says so.
--
-- Whoever may not make roles can migrate once somebody else has made them.

DO $$
DECLARE
    missing name;
BEGIN
    FOR missing IN
        SELECT wanted FROM unnest(ARRAY['polar_sync_worker', 'polar_sync_scheduler', 'polar_sync_api',
            'polar_sync_operator']::name[]) AS wanted
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted)
    LOOP
        -- Roles belong to the whole cluster, where another database may be creating this one now.
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', missing);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE insufficient_privilege USING
                    MESSAGE = format('the role %s is missing, and %s may not make roles', missing, current_user),
                    HINT = format('Have an administrator run: CREATE ROLE %s NOLOGIN', missing);
        END;
    END LOOP;
END $$;

-- What is left of an erasure that has ended goes, with the rights of the owner: the scheduler deletes what a straggler
-- wrote of users who are erased, and nothing of others.
CREATE FUNCTION polar_sync.erase_stragglers(ended uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    erased uuid[] := (SELECT connections FROM polar_sync.erasure
        WHERE erasure_id = ended AND erased_at IS NOT NULL);
BEGIN
    PERFORM polar_sync.erase_rows(erased, 9223372036854775807);
    DELETE FROM polar_sync.connection WHERE connection_id = ANY (erased);
END $$;
REVOKE ALL ON FUNCTION polar_sync.erase_stragglers FROM PUBLIC;

-- What every role needs to start.

GRANT USAGE ON SCHEMA polar_sync
    TO polar_sync_worker, polar_sync_scheduler, polar_sync_api, polar_sync_operator;
GRANT EXECUTE ON FUNCTION polar_sync.now
    TO polar_sync_worker, polar_sync_scheduler, polar_sync_api, polar_sync_operator;
GRANT SELECT ON polar_sync.clock, polar_sync.pace
    TO polar_sync_worker, polar_sync_scheduler, polar_sync_api, polar_sync_operator;
GRANT SELECT (ended_at, last_event_at, silent_since) ON polar_sync.webhook
    TO polar_sync_worker, polar_sync_scheduler, polar_sync_api, polar_sync_operator;
DO $$
BEGIN
    -- The list of migrations is the migrator's, which may be another program than ours.
    IF to_regclass('polar_sync.schema_migration') IS NOT NULL THEN
        GRANT SELECT ON polar_sync.schema_migration
            TO polar_sync_worker, polar_sync_scheduler, polar_sync_api, polar_sync_operator;
    END IF;
END $$;

-- The worker: runs, tokens, and everything that is stored of users. It ends no connection, and reads neither keys to
-- the HTTP interface nor whom a platform has told us of.

GRANT SELECT ON polar_sync.connection TO polar_sync_worker;
GRANT UPDATE (state, state_reason, state_since, registered_at, access_token, refresh_token, key_id, token_generation,
    token_expires_at, suspect_since, recheck_at, refresh_claim, refresh_generation, refresh_until)
    ON polar_sync.connection TO polar_sync_worker;
GRANT SELECT, INSERT ON polar_sync.encryption_key TO polar_sync_worker;
GRANT SELECT, UPDATE ON polar_sync.sync_state, polar_sync.kind_state TO polar_sync_worker;
GRANT SELECT, INSERT, UPDATE ON polar_sync.sync_request, polar_sync.sync_run TO polar_sync_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON polar_sync.remote_transaction, polar_sync.quarantine TO polar_sync_worker;
GRANT SELECT, INSERT ON polar_sync.raw_body TO polar_sync_worker;
GRANT SELECT, INSERT, UPDATE ON polar_sync.raw_item, polar_sync.workout, polar_sync.route, polar_sync.sleep,
    polar_sync.nightly_recharge, polar_sync.daily_activity, polar_sync.activity_zone_sample,
    polar_sync.physical_information TO polar_sync_worker;
-- Their rows come and go with a revision of their record.
GRANT SELECT, INSERT, UPDATE, DELETE ON polar_sync.workout_zone, polar_sync.series, polar_sync.sleep_stage
    TO polar_sync_worker;
GRANT INSERT ON polar_sync.dead, polar_sync.outbox TO polar_sync_worker;
GRANT SELECT, INSERT, DELETE ON polar_sync.event TO polar_sync_worker;
GRANT SELECT ON polar_sync.erasure TO polar_sync_worker;
GRANT SELECT (checkpoint) ON polar_sync.quota TO polar_sync_worker;

-- The scheduler: times, leases, feeds and sweeps. It sees neither tokens nor secrets nor health data.

GRANT SELECT (connection_id, user_id, polar_user_id, state, ended_at, recheck_at) ON polar_sync.connection
    TO polar_sync_scheduler;
GRANT SELECT ON polar_sync.sync_state, polar_sync.kind_state TO polar_sync_scheduler;
GRANT UPDATE (queued_lane, queued_entry, queued_at) ON polar_sync.sync_state TO polar_sync_scheduler;
GRANT UPDATE (next_due_at, due_cause, notified_at, notified_run_at) ON polar_sync.kind_state TO polar_sync_scheduler;
GRANT SELECT, INSERT, DELETE ON polar_sync.sync_request TO polar_sync_scheduler;
GRANT UPDATE (not_before) ON polar_sync.sync_request TO polar_sync_scheduler;
GRANT SELECT, DELETE ON polar_sync.sync_run, polar_sync.event, polar_sync.outbox TO polar_sync_scheduler;
GRANT SELECT, INSERT, DELETE ON polar_sync.change TO polar_sync_scheduler;
GRANT SELECT, UPDATE ON polar_sync.leader TO polar_sync_scheduler;
GRANT UPDATE ON polar_sync.pace TO polar_sync_scheduler;
GRANT SELECT, INSERT, UPDATE ON polar_sync.quota TO polar_sync_scheduler;
GRANT SELECT ON polar_sync.raw_item_disposable TO polar_sync_scheduler;
GRANT SELECT, DELETE ON polar_sync.raw_item TO polar_sync_scheduler;
GRANT SELECT (connection_id, sha256), DELETE ON polar_sync.raw_body TO polar_sync_scheduler;
GRANT SELECT (connection_id, kind, item, version, sha256) ON polar_sync.quarantine TO polar_sync_scheduler;
GRANT SELECT (state_hash, expires_at), DELETE ON polar_sync.oauth_state TO polar_sync_scheduler;
GRANT SELECT (body_hash, received_at), DELETE ON polar_sync.webhook_event TO polar_sync_scheduler;
GRANT SELECT (webhook_id, url, created_at, unannounced_since, activated_at) ON polar_sync.webhook
    TO polar_sync_scheduler;
GRANT UPDATE (unannounced_since, silent_since, activated_at) ON polar_sync.webhook TO polar_sync_scheduler;
GRANT SELECT (user_id) ON polar_sync.platform_user TO polar_sync_scheduler;
GRANT SELECT ON polar_sync.erasure TO polar_sync_scheduler;
GRANT UPDATE (user_id, connections) ON polar_sync.erasure TO polar_sync_scheduler;
GRANT EXECUTE ON FUNCTION polar_sync.erase_stragglers TO polar_sync_scheduler;

-- The api: connects users and reads their data. It writes no data of theirs, and makes no key to itself.

GRANT SELECT, INSERT ON polar_sync.connection TO polar_sync_api;
GRANT UPDATE (state, state_reason, state_since, ended_at, registered_at, access_token, refresh_token, key_id,
    token_generation, token_expires_at, suspect_since, recheck_at, refresh_claim, refresh_generation, refresh_until)
    ON polar_sync.connection TO polar_sync_api;
GRANT SELECT, INSERT ON polar_sync.encryption_key TO polar_sync_api;
GRANT SELECT, INSERT, UPDATE ON polar_sync.sync_state, polar_sync.kind_state, polar_sync.sync_request
    TO polar_sync_api;
GRANT SELECT ON polar_sync.sync_run, polar_sync.change TO polar_sync_api;
GRANT SELECT ON polar_sync.workout, polar_sync.workout_zone, polar_sync.route, polar_sync.series, polar_sync.sleep,
    polar_sync.sleep_stage, polar_sync.nightly_recharge, polar_sync.daily_activity, polar_sync.activity_zone_sample,
    polar_sync.physical_information TO polar_sync_api;
GRANT SELECT, INSERT ON polar_sync.platform_user TO polar_sync_api;
GRANT SELECT, INSERT ON polar_sync.oauth_state TO polar_sync_api;
GRANT UPDATE (taken_at, code_hash) ON polar_sync.oauth_state TO polar_sync_api;
GRANT SELECT ON polar_sync.api_key TO polar_sync_api;
GRANT UPDATE (last_used_at) ON polar_sync.api_key TO polar_sync_api;
GRANT SELECT (webhook_id, secret, key_id, created_at, unannounced_since) ON polar_sync.webhook TO polar_sync_api;
GRANT UPDATE (last_event_at, unannounced_since, silent_since) ON polar_sync.webhook TO polar_sync_api;
GRANT SELECT, INSERT ON polar_sync.webhook_event TO polar_sync_api;
GRANT SELECT (event_id, body), INSERT ON polar_sync.event TO polar_sync_api;

-- Operators' commands: connections and their standing, keys, and what is stored of a user, to export, audit and erase
-- it. They write no record, and no number of the feed.

GRANT SELECT, INSERT, DELETE ON polar_sync.connection TO polar_sync_operator;
GRANT UPDATE (state, state_reason, state_since, ended_at, registered_at, access_token, refresh_token, key_id,
    token_generation, token_expires_at, suspect_since, recheck_at, refresh_claim, refresh_generation, refresh_until)
    ON polar_sync.connection TO polar_sync_operator;
GRANT SELECT, INSERT ON polar_sync.encryption_key TO polar_sync_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON polar_sync.sync_state, polar_sync.kind_state, polar_sync.sync_request
    TO polar_sync_operator;
GRANT SELECT, DELETE ON polar_sync.sync_run, polar_sync.quarantine, polar_sync.remote_transaction
    TO polar_sync_operator;
GRANT UPDATE (accepted_loss) ON polar_sync.remote_transaction TO polar_sync_operator;
-- UPDATE of one column is what it takes to lock a row.
GRANT SELECT, DELETE, UPDATE (attempts) ON polar_sync.dead TO polar_sync_operator;
GRANT SELECT, DELETE ON polar_sync.raw_body, polar_sync.raw_item, polar_sync.workout, polar_sync.workout_zone,
    polar_sync.route, polar_sync.series, polar_sync.sleep, polar_sync.sleep_stage,
    polar_sync.nightly_recharge, polar_sync.daily_activity, polar_sync.activity_zone_sample,
    polar_sync.physical_information, polar_sync.change TO polar_sync_operator;
GRANT SELECT, INSERT, DELETE ON polar_sync.outbox TO polar_sync_operator;
GRANT SELECT ON polar_sync.series_type TO polar_sync_operator;
GRANT USAGE ON SCHEMA api_v1 TO polar_sync_operator;
GRANT SELECT ON ALL TABLES IN SCHEMA api_v1 TO polar_sync_operator;
GRANT SELECT (event_id, body), INSERT, DELETE ON polar_sync.event TO polar_sync_operator;
GRANT SELECT, INSERT, UPDATE ON polar_sync.erasure TO polar_sync_operator;
GRANT SELECT ON polar_sync.table_of_connection TO polar_sync_operator;
GRANT EXECUTE ON FUNCTION polar_sync.erase_rows, polar_sync.count_rows TO polar_sync_operator;
GRANT SELECT (user_id, redirect_uri, created_at, expires_at, taken_at), DELETE ON polar_sync.oauth_state
    TO polar_sync_operator;
GRANT SELECT, INSERT, DELETE ON polar_sync.platform_user TO polar_sync_operator;
GRANT SELECT (key_id, name, scopes, created_at, last_used_at, revoked_at), INSERT ON polar_sync.api_key
    TO polar_sync_operator;
GRANT UPDATE (revoked_at) ON polar_sync.api_key TO polar_sync_operator;
GRANT SELECT, INSERT ON polar_sync.webhook TO polar_sync_operator;
GRANT UPDATE (ended_at, secret, key_id) ON polar_sync.webhook TO polar_sync_operator;
-- A log is written, and deleted only with the user whom it names.
GRANT SELECT, INSERT, DELETE ON polar_sync.operator_log TO polar_sync_operator;
GRANT SELECT ON polar_sync.leader, polar_sync.quota TO polar_sync_operator;
