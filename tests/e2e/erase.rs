//! Users who are erased: what is deleted, what is left, and what may come in between.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::world::{FIRST_ACCOUNT, World};

/// What names the user who is erased: both ids, and those of the connections.
struct Names(Vec<String>);

impl Names {
    async fn of(world: &World, user: &str) -> Self {
        let mut db = PgConnection::connect(world.database.url()).await.unwrap();
        let ids = format!(
            "SELECT connection_id::text FROM polar_sync.connection WHERE user_id = '{user}'"
        );
        let rows = sqlx::raw_sql(AssertSqlSafe(ids)).fetch_all(&mut db).await;
        let ids = rows.unwrap().into_iter().map(|row| row.get(0));
        let mut names: Vec<String> = ids.collect();
        assert!(!names.is_empty());
        names.push(user.to_owned());
        names.push(FIRST_ACCOUNT.to_string());
        Self(names)
    }

    /// Every row of every table, and everything in Redis, that holds one of the names.
    async fn found(&self, world: &World) -> Vec<String> {
        let mut db = PgConnection::connect(world.database.url()).await.unwrap();
        let tables = "SELECT table_name FROM information_schema.tables
                      WHERE table_schema = 'polar_sync' AND table_type = 'BASE TABLE'";
        let tables = sqlx::raw_sql(tables).fetch_all(&mut db).await.unwrap();
        let mut found = Vec::new();
        for table in tables {
            let table: String = table.get(0);
            let rows = format!("SELECT '{table} ' || t::text FROM polar_sync.{table} t");
            let rows = sqlx::raw_sql(AssertSqlSafe(rows)).fetch_all(&mut db).await;
            found.extend(rows.unwrap().iter().map(|row| row.get::<String, _>(0)));
        }
        found.extend(world.everything_in_redis().await);
        found.retain(|text| self.0.iter().any(|name| text.contains(name)));
        found
    }
}

/// Whether it is part of what tells readers of an erasure.
fn is_notice(text: &str) -> bool {
    text.starts_with("erasure ")
        || (text.starts_with("change ") && text.contains(",user,deleted,1,"))
        || text.contains("connection.erased")
}

/// Waits until the changes have their numbers.
async fn until_numbered(world: &World) {
    let unnumbered = "SELECT count(*) FROM polar_sync.outbox";
    world
        .until("the changes to be numbered", unnumbered, 0)
        .await;
    let unpublished = "SELECT count(*) FROM polar_sync.event";
    world
        .until("the events to be published", unpublished, 0)
        .await;
}

/// Leaves something of the first user wherever something can be left.
async fn leave_traces(world: &World) {
    world
        .execute(
            "UPDATE polar_sync.platform_user SET email = 'a@example.com', first_name = 'A' WHERE user_id = 'user_001';
             INSERT INTO polar_sync.oauth_state (state_hash, user_id, created_at, expires_at)
             VALUES ('\\x01', 'user_001', polar_sync.now(), polar_sync.now() + interval '10 minutes');
             INSERT INTO polar_sync.dead (dead_id, connection_id, user_id, job, error_class, error, attempts, died_at)
             SELECT gen_random_uuid(), connection_id, user_id, '{\"user_id\":\"user_001\"}', 'c', 'e', 1, polar_sync.now()
             FROM polar_sync.connection WHERE user_id = 'user_001';
             INSERT INTO polar_sync.quarantine (connection_id, kind, item, version, part, sha256, reason, quarantined_at)
             SELECT connection_id, kind, item, version, part, sha256, 'r', polar_sync.now()
             FROM polar_sync.raw_item WHERE sha256 IS NOT NULL ORDER BY connection_id, item, part LIMIT 3;
             -- A connection to another account, which ended long ago.
             INSERT INTO polar_sync.connection (connection_id, user_id, polar_user_id, state, state_since, ended_at,
                 connected_at) VALUES (gen_random_uuid(), 'user_001', 7, 'active', 'epoch', 'epoch', 'epoch')",
        )
        .await;
    for job in [
        r#"{"v":1,"user_id":"user_001","kinds":["nonsense"]}"#,
        r#"{"v":1,"user_id":"user_001""#,
        r#"{"v":1,"user_id":"user_002","kinds":["nonsense"]}"#,
    ] {
        world.xadd("event", job).await;
    }
    world
        .until_true("the bad messages to be rejected", async || {
            let rejected: usize = world.redis.command(&["XLEN", "polar-sync:rejected"]).await;
            rejected == 3
        })
        .await;
}

#[tokio::test]
async fn everything_of_a_user_goes_and_nothing_of_others() {
    let world = World::start(2, "small", &[]).await;
    world.connect(2).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    leave_traces(&world).await;
    world.command("users pause user_001", "").await;
    world.command("users resume user_001", "").await;
    world.until_in_step().await;
    until_numbered(&world).await;
    let names = Names::of(&world, "user_001").await;
    let others =
        "SELECT string_agg(w.workout_id::text || w.revision, ',' ORDER BY w.workout_id) || '+' || (
            SELECT count(*) FROM api_v1.timeseries WHERE user_id = 'user_002') || '+' || (
            SELECT count(*) FROM api_v1.changes WHERE user_id = 'user_002')
        FROM api_v1.workouts w WHERE user_id = 'user_002'";
    let others_before = world.text(others).await;
    let last_seq = "SELECT max(seq) FROM api_v1.changes";
    let last_seq_before = world.number(last_seq).await;

    let erased = world.command("--json users erase user_001 --yes", "").await;
    assert_eq!(erased.code, Some(0), "{erased:?}");
    let erased: Value = serde_json::from_str(&erased.stdout).unwrap();
    let receipt = erased["erasure_id"].as_str().unwrap().to_owned();
    assert!(erased["rows"].as_u64().unwrap() > 100, "{erased}");
    assert_eq!(world.sim.requests("users.delete").await, 1);
    until_numbered(&world).await;
    assert_eq!(world.text(others).await, others_before);

    // What is left until readers have noticed.
    let found = names.found(&world).await;
    assert!(found.iter().all(|text| is_notice(text)), "{found:#?}");
    assert_eq!(found.len(), 3, "{found:#?}");
    let notice = "SELECT count(*) FROM api_v1.changes WHERE user_id = 'user_001' AND kind = 'user'
                  AND change = 'deleted'";
    assert_eq!(world.number(notice).await, 1);
    assert_eq!(world.number(last_seq).await, last_seq_before + 1);
    let again = world.command("users erase user_001", "").await;
    assert!(again.stdout.contains(&receipt), "{again:?}");

    // Messages are refused by their own word, and taken out again with the notice.
    world
        .xadd("interactive", r#"{"v":1,"user_id":"user_001"}"#)
        .await;
    world
        .until_true("the message to be rejected", async || {
            let everything = world.everything_in_redis().await;
            everything
                .iter()
                .any(|text| text.replace('\\', "").contains(r#""reason":"erased""#))
        })
        .await;
    world
        .execute("UPDATE polar_sync.clock SET shift = shift + interval '31 days'")
        .await;
    scheduler.stop().await;
    let scheduler = world.spawn("scheduler");
    let forgotten =
        "SELECT count(*) FROM polar_sync.erasure WHERE user_id IS NULL AND erased_at IS NOT NULL";
    world.until("the notice to end", forgotten, 1).await;
    assert_eq!(names.found(&world).await, Vec::<String>::new());
    assert_eq!(
        world
            .text("SELECT erasure_id::text FROM polar_sync.erasure")
            .await,
        receipt
    );
    let unknown = world.command("users erase user_001 --yes", "").await;
    assert_eq!(unknown.code, Some(16), "{unknown:?}");
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn an_erasure_that_polar_did_not_answer_goes_on_when_it_is_called_again() {
    let world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    let refused = world.command("users erase user_001", "").await;
    assert_eq!(refused.code, Some(17), "{refused:?}");
    let down = json!({ "op": "users.delete", "times": null, "action": { "type": "status", "status": 503 } });
    world.sim.post("/faults", down).await;
    let stopped = world.command("users erase user_001 --yes", "").await;
    assert_eq!(stopped.code, Some(21), "{stopped:?}");
    assert!(
        stopped.stderr.contains("nothing is deleted yet"),
        "{stopped:?}"
    );
    let state = "SELECT state FROM api_v1.connections";
    assert_eq!(world.text(state).await, "erasing");
    let workouts = "SELECT count(*) FROM api_v1.workouts";
    assert!(world.number(workouts).await > 0);

    // Nothing is synced any more, and nobody connects in between.
    world
        .xadd(
            "interactive",
            r#"{"v":1,"user_id":"user_001","request_id":"late"}"#,
        )
        .await;
    let is_refused = "SELECT count(*) FROM polar_sync.sync_request WHERE request_id = 'late' AND state = 'refused'";
    world
        .until("the request to be refused", is_refused, 1)
        .await;
    let import = r#"{"user_id":"user_001","polar_user_id":10000001,"access_token":"t"}"#;
    let refused = world.command("users import -", import).await;
    assert_eq!(refused.code, Some(17), "{refused:?}");
    let explained = world.command("explain user_001", "").await;
    assert!(
        explained.stdout.contains("polar-sync users erase user_001"),
        "{explained:?}"
    );

    let without = world
        .command("users erase user_001 --yes --without-polar", "")
        .await;
    assert_eq!(without.code, Some(0), "{without:?}");
    assert!(without.stdout.contains("Polar was not told"), "{without:?}");
    assert_eq!(world.number(workouts).await, 0);

    // Afterwards the user may connect anew.
    world.sim.delete("/faults").await;
    world.connect_one(0).await;
    world
        .until(
            "a good run",
            "SELECT least(count(*), 1) FROM api_v1.sync_runs WHERE outcome = 'ok'",
            1,
        )
        .await;
    assert_eq!(world.text(state).await, "active");
    worker.stop().await;
    scheduler.stop().await;
}

/// What an erasure comes to after its first batch.
const WORKOUTS: &str = "SELECT 1 FROM polar_sync.workout FOR UPDATE";

/// An operator's statement that waits for somebody's lock.
const BLOCKED: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = 'operator_login' AND wait_event_type = 'Lock'";

#[tokio::test]
async fn an_erasure_that_was_killed_at_a_stage_ends_when_it_is_called_again() {
    let world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    leave_traces(&world).await;
    // Fewer than two batches, and more than one.
    world
        .execute(
            "INSERT INTO polar_sync.dead (dead_id, connection_id, user_id, job, error_class, error, attempts, died_at)
             SELECT gen_random_uuid(), connection_id, user_id, '{}', 'c', 'e', 1, polar_sync.now()
             FROM polar_sync.connection, generate_series(1, 2500) WHERE ended_at IS NULL",
        )
        .await;
    until_numbered(&world).await;
    let names = Names::of(&world, "user_001").await;

    // Between two batches.
    let holder = world.lock(WORKOUTS).await;
    let mut killed = world.begin("users erase user_001 --yes");
    world
        .until("the second batch to stand still", BLOCKED, 1)
        .await;
    killed.kill().await.unwrap();
    // The server would end the statement even so.
    world
        .execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
             WHERE datname = current_database() AND usename = 'operator_login' AND wait_event_type = 'Lock'",
        )
        .await;
    holder.close().await.unwrap();
    let dead = world.number("SELECT count(*) FROM polar_sync.dead").await;
    assert!((1..2_500).contains(&dead), "{dead}");
    let state = "SELECT state FROM api_v1.connections";
    assert_eq!(world.text(state).await, "erasing");
    let receipt = "SELECT string_agg(erasure_id::text, ' ') FROM polar_sync.erasure";
    let began = world.text(receipt).await;
    until_numbered(&world).await;

    // Between the last row and Redis, which carries out nothing that writes for a while.
    let holder = world.lock(WORKOUTS).await;
    let mut killed = world.begin("users erase user_001 --yes");
    world.until("the rows to be deleted", BLOCKED, 1).await;
    let paused: String = world
        .redis
        .command(&["CLIENT", "PAUSE", "600000", "WRITE"])
        .await;
    assert_eq!(paused, "OK");
    holder.close().await.unwrap();
    let ended = "SELECT count(*) FROM polar_sync.erasure WHERE erased_at IS NOT NULL";
    world.until("every row to be gone", ended, 1).await;
    killed.kill().await.unwrap();
    // Nothing that it has sent is carried out afterwards.
    let _: i64 = world
        .redis
        .command(&["CLIENT", "KILL", "TYPE", "normal"])
        .await;
    let _: String = world.redis.command(&["CLIENT", "UNPAUSE"]).await;
    let left: usize = world.redis.command(&["XLEN", "polar-sync:rejected"]).await;
    assert_eq!(left, 3, "Redis is as it was");

    let again = world.command("users erase user_001 --yes", "").await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.stdout.contains("erased already"), "{again:?}");
    assert!(again.stdout.contains(&began), "{again:?}");
    assert_eq!(world.text(receipt).await, began);
    assert_eq!(world.sim.requests("users.delete").await, 1);
    until_numbered(&world).await;
    let found = names.found(&world).await;
    assert!(found.iter().all(|text| is_notice(text)), "{found:#?}");
    assert_eq!(found.len(), 3, "{found:#?}");
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn an_erasure_that_ends_late_leaves_a_new_life_alone() {
    let world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let scheduler = world.spawn("scheduler");
    let hold = json!({ "op": "users.delete", "times": 1, "action": { "type": "hold" } });
    let hold = world.sim.post("/faults", hold).await;
    let hold = hold["id"].as_str().unwrap();
    let late = world.command("users erase user_001 --yes", "");
    let meanwhile = async {
        world
            .sim
            .get(&format!("/faults/{hold}/held?timeout_ms=60000"))
            .await;
        let erased = world
            .command("users erase user_001 --yes --without-polar", "")
            .await;
        assert_eq!(erased.code, Some(0), "{erased:?}");
        world.connect_one(0).await;
        world
            .sim
            .post(&format!("/faults/{hold}/release"), json!({}))
            .await;
    };
    let (late, ()) = futures::join!(late, meanwhile);
    assert_eq!(late.code, Some(0), "{late:?}");
    assert!(late.stdout.contains("erased already"), "{late:?}");
    until_numbered(&world).await;
    let told = "SELECT count(*) FROM api_v1.changes WHERE kind = 'user'";
    assert_eq!(world.number(told).await, 1);
    let known = "SELECT count(*) FROM polar_sync.platform_user WHERE user_id = 'user_001'";
    assert_eq!(world.number(known).await, 1);
    scheduler.stop().await;
}

#[tokio::test]
async fn who_only_began_to_connect_is_erased() {
    let world = World::start(1, "small", &[]).await;
    world
        .execute(
            "INSERT INTO polar_sync.oauth_state (state_hash, user_id, created_at, expires_at)
             VALUES ('\\x01', 'user_001', polar_sync.now(), polar_sync.now() + interval '10 minutes')",
        )
        .await;
    let erased = world.command("users erase user_001 --yes", "").await;
    assert_eq!(erased.code, Some(0), "{erased:?}");
    let states = "SELECT count(*) FROM polar_sync.oauth_state";
    assert_eq!(world.number(states).await, 0);
    let unknown = world.command("users erase user_002 --yes", "").await;
    assert_eq!(unknown.code, Some(16), "{unknown:?}");
}

#[tokio::test]
async fn a_run_under_way_writes_nothing_once_its_user_is_being_erased() {
    let world = World::start(1, "small", &[]).await;
    let hold = json!({ "op": "exercise.zones", "times": 1, "action": { "type": "hold" } });
    let hold = world.sim.post("/faults", hold).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world
        .sim
        .get(&format!("/faults/{hold}/held?timeout_ms=60000"))
        .await;
    let names = Names::of(&world, "user_001").await;
    let erased = world.command("users erase user_001 --yes", "").await;
    assert_eq!(erased.code, Some(0), "{erased:?}");
    world
        .sim
        .post(&format!("/faults/{hold}/release"), json!({}))
        .await;
    // The worker goes on with others, and ends in time.
    assert_eq!(worker.stop().await, Some(0));
    until_numbered(&world).await;
    let found = names.found(&world).await;
    assert_eq!(found.len(), 3, "{found:#?}");
    scheduler.stop().await;
}

#[tokio::test]
async fn every_table_that_names_a_user_is_one_that_an_erasure_knows() {
    let world = World::start(1, "small", &[]).await;
    let by_user_alone =
        "SELECT string_agg(table_name, ' ' ORDER BY table_name) FROM information_schema.tables t
        WHERE table_schema = 'polar_sync' AND table_type = 'BASE TABLE' AND EXISTS (
            SELECT FROM information_schema.columns c WHERE c.table_schema = 'polar_sync'
            AND c.table_name = t.table_name AND c.column_name IN ('user_id', 'polar_user_id'))
        AND table_name NOT IN (SELECT name FROM polar_sync.table_of_connection)";
    assert_eq!(
        world.text(by_user_alone).await,
        "connection erasure oauth_state platform_user"
    );
}
