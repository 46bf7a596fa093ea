//! What each role must not do. The owner does the same, so that a misspelt statement does not count as denied.

use rstest::rstest;
use sqlx::{Connection as _, PgConnection};

use super::logins::{Home, ROLES, execute, sqlstate};

/// SQLSTATE of a missing privilege.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// What nobody does but whoever migrates.
const EVERYBODY: &[&str] = &[
    "CREATE TABLE polar_sync.own (a int)",
    "CREATE TABLE api_v1.own (a int)",
    "CREATE SCHEMA own",
    "ALTER TABLE polar_sync.pace ADD COLUMN own int",
    "ALTER TABLE polar_sync.api_key OWNER TO postgres",
    "ALTER FUNCTION polar_sync.now RENAME TO later",
    "ALTER VIEW api_v1.changes RENAME COLUMN at TO instant",
    "DROP TABLE polar_sync.pace",
    "DROP VIEW api_v1.changes",
    "TRUNCATE polar_sync.event",
    "CREATE INDEX own ON polar_sync.workout (type)",
    "CREATE TRIGGER own BEFORE INSERT ON polar_sync.event
         EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "GRANT polar_sync_worker TO reader_login",
    "SET ROLE postgres",
    "UPDATE polar_sync.clock SET shift = '1 day'",
    "UPDATE polar_sync.schema_migration SET success = false",
    "DELETE FROM polar_sync.schema_migration",
    "DELETE FROM polar_sync.encryption_key",
    "UPDATE polar_sync.encryption_key SET proof = ''",
    "UPDATE polar_sync.operator_log SET operator = 'somebody else'",
    "UPDATE polar_sync.connection SET user_id = 'somebody-else'",
    "UPDATE polar_sync.connection SET polar_user_id = 7",
];

const WORKER: &[&str] = &[
    "SELECT operator FROM polar_sync.operator_log",
    "SELECT FROM polar_sync.api_key",
    "SELECT key_hash FROM polar_sync.api_key",
    "UPDATE polar_sync.api_key SET revoked_at = now()",
    "SELECT email FROM polar_sync.platform_user",
    "SELECT FROM polar_sync.oauth_state",
    "SELECT secret FROM polar_sync.webhook",
    "UPDATE polar_sync.webhook SET silent_since = NULL",
    "SELECT FROM polar_sync.change",
    "SELECT FROM polar_sync.outbox",
    "DELETE FROM polar_sync.outbox",
    "SELECT FROM polar_sync.dead",
    "SELECT FROM polar_sync.leader",
    "UPDATE polar_sync.pace SET stretch = 2",
    "UPDATE polar_sync.connection SET ended_at = now()",
    "DELETE FROM polar_sync.connection",
    "DELETE FROM polar_sync.workout",
    "DELETE FROM polar_sync.sleep",
    "DELETE FROM polar_sync.raw_body",
    "UPDATE polar_sync.raw_body SET body = ''",
    "DELETE FROM polar_sync.sync_run",
    "UPDATE polar_sync.erasure SET erased_at = NULL",
    "SELECT polar_sync.erase_rows('{}', 1)",
    "SELECT polar_sync.count_rows('{}')",
    "SELECT polar_sync.erase_stragglers(gen_random_uuid())",
    "SELECT FROM api_v1.workouts",
    "INSERT INTO polar_sync.operator_log (entry_id, operator, command, detail, logged_at)
         VALUES (gen_random_uuid(), 'o', 'c', 'd', now())",
];

const SCHEDULER: &[&str] = &[
    "SELECT operator FROM polar_sync.operator_log",
    "SELECT * FROM polar_sync.connection",
    "SELECT access_token FROM polar_sync.connection",
    "SELECT refresh_token FROM polar_sync.connection",
    "UPDATE polar_sync.connection SET state = 'active'",
    "DELETE FROM polar_sync.connection",
    "SELECT secret FROM polar_sync.webhook",
    "UPDATE polar_sync.webhook SET secret = ''",
    "SELECT proof FROM polar_sync.encryption_key",
    "SELECT FROM polar_sync.api_key",
    "SELECT email FROM polar_sync.platform_user",
    "SELECT code_hash FROM polar_sync.oauth_state",
    "SELECT body FROM polar_sync.raw_body",
    "SELECT FROM polar_sync.workout",
    "SELECT FROM polar_sync.workout_zone",
    "SELECT FROM polar_sync.route",
    "SELECT FROM polar_sync.series",
    "SELECT FROM polar_sync.sleep",
    "SELECT FROM polar_sync.sleep_stage",
    "SELECT FROM polar_sync.nightly_recharge",
    "SELECT FROM polar_sync.daily_activity",
    "SELECT FROM polar_sync.activity_zone_sample",
    "SELECT FROM polar_sync.physical_information",
    "DELETE FROM polar_sync.workout",
    "SELECT FROM api_v1.workouts",
    "SELECT FROM polar_sync.dead",
    "SELECT FROM polar_sync.remote_transaction",
    "UPDATE polar_sync.sync_state SET lease_token = lease_token + 1",
    "UPDATE polar_sync.sync_request SET state = 'done'",
    "SELECT polar_sync.erase_rows('{}', 1)",
    "UPDATE polar_sync.erasure SET erased_at = now()",
];

const API: &[&str] = &[
    "SELECT operator FROM polar_sync.operator_log",
    "INSERT INTO polar_sync.workout SELECT * FROM polar_sync.workout",
    "UPDATE polar_sync.workout SET type = 'running'",
    "DELETE FROM polar_sync.workout",
    "UPDATE polar_sync.workout_zone SET in_zone_s = 0",
    "UPDATE polar_sync.route SET offsets_ms = '{}'",
    "UPDATE polar_sync.series SET divisor = 1",
    "UPDATE polar_sync.sleep SET date = now()",
    "UPDATE polar_sync.sleep_stage SET stage = 'rem'",
    "UPDATE polar_sync.nightly_recharge SET date = now()",
    "UPDATE polar_sync.daily_activity SET date = now()",
    "UPDATE polar_sync.activity_zone_sample SET zones = '{}'",
    "UPDATE polar_sync.physical_information SET weight_kg = 1",
    "INSERT INTO polar_sync.api_key (key_id, name, key_hash, scopes, created_at)
         VALUES (gen_random_uuid(), 'own', '', '{admin}', now())",
    "UPDATE polar_sync.api_key SET revoked_at = NULL",
    "UPDATE polar_sync.api_key SET scopes = '{admin}'",
    "DELETE FROM polar_sync.api_key",
    "DELETE FROM polar_sync.connection",
    "DELETE FROM polar_sync.platform_user",
    "SELECT FROM polar_sync.raw_body",
    "SELECT FROM polar_sync.raw_item",
    "SELECT FROM polar_sync.quarantine",
    "SELECT FROM polar_sync.dead",
    "SELECT FROM polar_sync.outbox",
    "INSERT INTO polar_sync.change SELECT * FROM polar_sync.change",
    "UPDATE polar_sync.webhook SET secret = ''",
    "INSERT INTO polar_sync.webhook SELECT * FROM polar_sync.webhook",
    "SELECT FROM polar_sync.remote_transaction",
    "SELECT FROM polar_sync.erasure",
    "SELECT FROM polar_sync.leader",
    "UPDATE polar_sync.pace SET stretch = 2",
    "SELECT polar_sync.erase_rows('{}', 1)",
    "INSERT INTO polar_sync.operator_log (entry_id, operator, command, detail, logged_at)
         VALUES (gen_random_uuid(), 'o', 'c', 'd', now())",
];

const OPERATOR: &[&str] = &[
    "UPDATE polar_sync.workout SET type = 'running'",
    "INSERT INTO polar_sync.workout SELECT * FROM polar_sync.workout",
    "UPDATE polar_sync.series SET divisor = 1",
    "UPDATE polar_sync.sleep SET date = now()",
    "UPDATE polar_sync.raw_body SET length_bytes = 0",
    "SELECT state_hash FROM polar_sync.oauth_state",
    "INSERT INTO polar_sync.change SELECT * FROM polar_sync.change",
    "SELECT key_hash FROM polar_sync.api_key",
    "UPDATE polar_sync.api_key SET key_hash = ''",
    "DELETE FROM polar_sync.api_key",
    "UPDATE polar_sync.leader SET token = token + 1",
    "UPDATE polar_sync.pace SET stretch = 2",
    "UPDATE polar_sync.quota SET checkpoint = '{}'",
    "DELETE FROM polar_sync.erasure",
    "DELETE FROM polar_sync.webhook",
    "UPDATE polar_sync.remote_transaction SET phase = 'committed'",
    "SELECT polar_sync.erase_stragglers(gen_random_uuid())",
];

const READER: &[&str] = &[
    "SELECT operator FROM polar_sync.operator_log",
    "SELECT polar_sync.now()",
    "SELECT FROM polar_sync.workout",
    "SELECT FROM polar_sync.connection",
    "SELECT FROM polar_sync.webhook",
    "SELECT FROM polar_sync.schema_migration",
    "DELETE FROM api_v1.changes",
    "SELECT polar_sync.erase_rows('{}', 1)",
];

async fn as_owner(owner: &mut PgConnection, statement: &str) {
    let mut tx = owner.begin().await.unwrap();
    let done = execute(&mut tx, statement).await;
    done.unwrap_or_else(|error| panic!("the owner cannot {statement}: {error}"));
    tx.rollback().await.unwrap();
}

#[rstest]
#[case::worker("worker", WORKER)]
#[case::scheduler("scheduler", SCHEDULER)]
#[case::api("api", API)]
#[case::operator("operator", OPERATOR)]
#[case::reader("reader", READER)]
#[tokio::test]
async fn what_a_role_must_not_do_is_denied(#[case] role: &str, #[case] own: &[&str]) {
    let home = Home::new().await;
    let (mut owner, mut login) = (home.owner().await, home.login(role).await);
    for statement in EVERYBODY.iter().chain(own) {
        as_owner(&mut owner, statement).await;
        let mut tx = login.begin().await.unwrap();
        let done = execute(&mut tx, statement).await;
        let code = done.as_ref().err().and_then(|error| sqlstate(error));
        assert_eq!(
            code.as_deref(),
            Some(INSUFFICIENT_PRIVILEGE),
            "{role}: {statement}: {done:?}"
        );
        tx.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn a_table_that_comes_later_is_granted_to_nobody() {
    let home = Home::new().await;
    let later = "CREATE TABLE polar_sync.later (a int); CREATE TABLE api_v1.later (a int)";
    execute(&mut home.owner().await, later).await.unwrap();
    for role in ROLES {
        let mut login = home.login(role).await;
        for statement in [
            "SELECT FROM polar_sync.later",
            "SELECT FROM api_v1.later",
            "INSERT INTO polar_sync.later VALUES (1)",
        ] {
            let error = execute(&mut login, statement).await.unwrap_err();
            assert_eq!(
                sqlstate(&error).as_deref(),
                Some(INSUFFICIENT_PRIVILEGE),
                "{role}: {statement}"
            );
        }
    }
}

/// Of whom the scheduler may delete everything: users whose erasure has ended.
#[tokio::test]
async fn a_scheduler_erases_only_what_is_left_of_an_erased_user() {
    let home = Home::new().await;
    let mut owner = home.owner().await;
    let two_users = "INSERT INTO polar_sync.connection
             (connection_id, user_id, polar_user_id, state, state_since, connected_at)
         SELECT gen_random_uuid(), user_id, length(user_id), 'active', now(), now()
         FROM unnest(ARRAY['erased', 'erasing', 'x']) AS user_id;
         INSERT INTO polar_sync.sync_state (connection_id) SELECT connection_id FROM polar_sync.connection;
         INSERT INTO polar_sync.erasure (erasure_id, user_id, connections, began_at, erased_at)
         SELECT connection_id, user_id, ARRAY[connection_id], now(), CASE WHEN user_id = 'erased' THEN now() END
         FROM polar_sync.connection WHERE user_id <> 'x'";
    execute(&mut owner, two_users).await.unwrap();
    let erase = "SELECT polar_sync.erase_stragglers(erasure_id) FROM polar_sync.erasure;
                 SELECT polar_sync.erase_stragglers(gen_random_uuid())";
    execute(&mut home.login("scheduler").await, erase)
        .await
        .unwrap();
    let left = "SELECT user_id FROM polar_sync.connection JOIN polar_sync.sync_state USING (connection_id) ORDER BY 1";
    assert_eq!(
        super::logins::texts(&mut owner, left).await,
        ["erasing", "x"]
    );
    let rows = "SELECT count(*)::text FROM polar_sync.sync_state";
    assert_eq!(super::logins::texts(&mut owner, rows).await, ["2"]);
}
