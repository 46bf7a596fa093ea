//! `users export` after a sync: everything of the user, nothing of another, and no secret.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::world::World;

/// Every table that holds something of a user, with the `type` of its lines.
const TABLES: [(&str, &str); 26] = [
    ("activity_zone_sample", "activity_zones"),
    ("change", "change"),
    ("connection", "connection"),
    ("daily_activity", "daily_activity"),
    ("dead", "dead"),
    ("erasure", "erasure"),
    ("kind_state", "kind_state"),
    ("nightly_recharge", "nightly_recharge"),
    ("oauth_state", "authorization"),
    ("operator_log", "operator_deed"),
    ("outbox", "unnumbered_change"),
    ("physical_information", "physical_information"),
    ("platform_user", "user"),
    ("quarantine", "quarantine"),
    ("raw_body", "raw_body"),
    ("raw_item", "raw_item"),
    ("remote_transaction", "transaction"),
    ("route", "workout_route"),
    ("series", "timeseries"),
    ("sleep", "sleep"),
    ("sleep_stage", "sleep_stage"),
    ("sync_request", "sync_request"),
    ("sync_run", "sync_run"),
    ("sync_state", "sync_state"),
    ("workout", "workout"),
    ("workout_zone", "workout_zone"),
];

/// Views that readers see a record through, each with the `type` of lines that must be the same.
const VIEWS: [(&str, &str); 8] = [
    ("workouts", "workout"),
    ("workout_zones", "workout_zone"),
    ("sleeps", "sleep"),
    ("sleep_stages", "sleep_stage"),
    ("nightly_recharges", "nightly_recharge"),
    ("daily_activities", "daily_activity"),
    ("physical_information", "physical_information"),
    ("changes", "change"),
];

/// What no sync of a healthy user leaves behind, for everybody; and an earlier connection of `user_001`.
const ODD_ROWS: &str = "
    UPDATE polar_sync.platform_user SET email = user_id || '@example.org';
    INSERT INTO polar_sync.connection (connection_id, user_id, polar_user_id, state, state_since, ended_at,
        connected_at, access_token)
    VALUES (gen_random_uuid(), 'user_001', 7, 'revoked', polar_sync.now(), polar_sync.now(), polar_sync.now(),
        'token of old');
    INSERT INTO polar_sync.erasure (erasure_id, user_id, connections, began_at, erased_at)
    SELECT gen_random_uuid(), user_id, '{}', 'epoch', 'epoch' FROM polar_sync.platform_user;
    INSERT INTO polar_sync.oauth_state (state_hash, user_id, created_at, expires_at, code_hash)
    SELECT sha256(user_id::bytea), user_id, polar_sync.now(), polar_sync.now(), sha256(('c' || user_id)::bytea)
    FROM polar_sync.platform_user;
    INSERT INTO polar_sync.operator_log (entry_id, operator, command, connection_id, detail, logged_at)
    SELECT gen_random_uuid(), 'anna', 'users resume', connection_id, 'was paused', polar_sync.now()
    FROM polar_sync.connection;
    INSERT INTO polar_sync.dead (dead_id, connection_id, user_id, error_class, error, attempts, died_at)
    SELECT gen_random_uuid(), connection_id, user_id, 'server_failed', 'it failed', 8, polar_sync.now()
    FROM polar_sync.connection;
    INSERT INTO polar_sync.quarantine (connection_id, kind, item, version, part, sha256, reason, quarantined_at)
    SELECT connection_id, kind, item, version, part, sha256, 'odd', polar_sync.now()
    FROM polar_sync.raw_item WHERE kind = 'sleep' AND sha256 IS NOT NULL;
    INSERT INTO polar_sync.outbox (connection_id, user_id, record_id, kind, change, revision, changed_at)
    SELECT connection_id, user_id, gen_random_uuid(), 'exercise', 'deleted', 2, polar_sync.now()
    FROM polar_sync.connection;
    INSERT INTO polar_sync.raw_body (connection_id, sha256, body, length_bytes)
    SELECT connection_id, '\\x00', '\\x28b52ffd2002110000ff00', 2 FROM polar_sync.connection";

/// An export by type.
struct Exported {
    text: String,
    lines: BTreeMap<String, Vec<Value>>,
}

impl Exported {
    async fn of(world: &World, user: &str) -> Self {
        let said = world.command(&format!("users export {user}"), "").await;
        assert_eq!(said.code, Some(0), "{said:?}");
        let mut lines = BTreeMap::<String, Vec<Value>>::new();
        for line in said.stdout.lines() {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let kind = line.as_object_mut().unwrap().remove("type").unwrap();
            let kind = kind.as_str().unwrap().to_owned();
            lines.entry(kind).or_default().push(line);
        }
        let last: Value = serde_json::from_str(said.stdout.lines().last().unwrap()).unwrap();
        assert_eq!(last["type"], "end");
        let [end] = lines.remove("end").unwrap().try_into().unwrap();
        let counts = end["counts"].as_object().unwrap();
        for (kind, count) in counts {
            let found = lines.get(kind).map_or(0, Vec::len);
            assert_eq!(*count, json!(found), "{kind}");
        }
        let total: usize = lines.values().map(Vec::len).sum();
        assert_eq!(end["lines"], json!(total));
        let text = said.stdout;
        Self { text, lines }
    }

    fn lines(&self, kind: &str) -> &[Value] {
        self.lines.get(kind).map_or(&[], Vec::as_slice)
    }
}

/// A world with two users in step, and nothing that works in it.
async fn world() -> World {
    let world = World::start(2, "small", &[]).await;
    world.connect(2).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    worker.stop().await;
    scheduler.stop().await;
    world.execute(ODD_ROWS).await;
    world
}

/// What a query gives, as JSON.
async fn rows(world: &World, sql: &str) -> Value {
    let sql = format!("SELECT coalesce(json_agg(found), '[]')::text FROM ({sql}) AS found");
    serde_json::from_str(&world.text(sql.leak()).await).unwrap()
}

/// Rows in an order of their own, whatever that of their columns is.
fn sorted(rows: &[Value]) -> Vec<String> {
    let columns = |row: &Value| match row {
        Value::Object(columns) => format!("{:?}", columns.iter().collect::<BTreeMap<_, _>>()),
        other => other.to_string(),
    };
    let mut rows: Vec<_> = rows.iter().map(columns).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn every_row_of_the_user_is_exported_and_none_of_another() {
    let world = world().await;
    let exported = Exported::of(&world, "user_001").await;
    let tables = rows(
        &world,
        "SELECT c.table_name, bool_or(c.column_name = 'user_id') AS by_user
         FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
         WHERE c.table_schema = 'polar_sync' AND t.table_type = 'BASE TABLE'
             AND c.column_name IN ('connection_id', 'user_id')
         GROUP BY c.table_name ORDER BY c.table_name",
    )
    .await;
    let mut found = 0;
    for table in tables.as_array().unwrap() {
        let name = table["table_name"].as_str().unwrap();
        let owner = if table["by_user"] == true {
            "user_id = 'user_001'"
        } else {
            "connection_id IN (SELECT connection_id FROM polar_sync.connection WHERE user_id = 'user_001')"
        };
        let counted = rows(
            &world,
            &format!("SELECT count(*) AS n FROM polar_sync.{name} WHERE {owner}"),
        )
        .await;
        let rows = usize::try_from(counted[0]["n"].as_u64().unwrap()).unwrap();
        let section = TABLES.iter().find(|(known, _)| *known == name);
        let (_, kind) = section
            .unwrap_or_else(|| panic!("{name} holds something of a user and is not exported"));
        assert!(rows > 0, "{name} has no row of the user to look for");
        assert_eq!(exported.lines(kind).len(), rows, "{name}");
        found += 1;
    }
    assert_eq!(found, TABLES.len());

    assert!(exported.text.contains("user_001@example.org"));
    let other = rows(
        &world,
        "SELECT connection_id FROM polar_sync.connection WHERE user_id = 'user_002'",
    )
    .await;
    for foreign in [
        "user_002",
        "10000002",
        other[0]["connection_id"].as_str().unwrap(),
    ] {
        assert!(!exported.text.contains(foreign), "{foreign}");
    }
}

#[tokio::test]
async fn an_export_says_what_readers_see() {
    let world = world().await;
    let exported = Exported::of(&world, "user_001").await;
    for (view, kind) in VIEWS {
        let sql = format!("SELECT * FROM api_v1.{view} WHERE user_id = 'user_001'");
        let mut seen = rows(&world, &sql).await;
        let seen = seen.as_array_mut().unwrap();
        assert!(!seen.is_empty(), "{view}");
        let mut lines = exported.lines(kind).to_vec();
        for line in &mut lines {
            // The feed's lines are the table's.
            let line = line.as_object_mut().unwrap();
            line.remove("connection_id");
            for (column, name) in [("changed_at", "at"), ("workout_type", "type")] {
                if let Some(value) = line.remove(column) {
                    line.insert(name.to_owned(), value);
                }
            }
        }
        assert_eq!(sorted(&lines), sorted(seen), "{view}");
    }
    let samples = rows(
        &world,
        "SELECT json_build_array(record_id, type, unit, round(extract(epoch FROM at) * 1000)::bigint, value) AS it
         FROM api_v1.timeseries WHERE user_id = 'user_001'",
    )
    .await;
    let seen: Vec<_> = samples
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["it"].clone())
        .collect();
    assert!(!seen.is_empty());
    assert!(
        sorted(&samples_of(exported.lines("timeseries"))) == sorted(&seen),
        "the samples are not those of the view"
    );
    let points = rows(
        &world,
        "SELECT json_build_array(workout_id, seq, round(extract(epoch FROM at) * 1000)::bigint, latitude, longitude,
            altitude_m) AS it
         FROM api_v1.workout_route WHERE user_id = 'user_001'",
    )
    .await;
    let seen: Vec<_> = points
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["it"].clone())
        .collect();
    assert!(!seen.is_empty());
    assert_eq!(
        sorted(&points_of(exported.lines("workout_route"))),
        sorted(&seen)
    );
}

fn at_ms(instant: &Value) -> i64 {
    let instant: jiff::Timestamp = instant.as_str().unwrap().parse().unwrap();
    instant.as_millisecond()
}

/// The samples of exported chunks, one a row.
fn samples_of(chunks: &[Value]) -> Vec<Value> {
    let mut samples = Vec::new();
    for chunk in chunks {
        let started_ms = at_ms(&chunk["started_at"]);
        for (place, value) in chunk["values"].as_array().unwrap().iter().enumerate() {
            if value.is_null() {
                continue;
            }
            let offset_ms = match chunk["interval_ms"].as_i64() {
                Some(interval_ms) => interval_ms * i64::try_from(place).unwrap(),
                None => chunk["offsets_ms"][place].as_i64().unwrap(),
            };
            samples.push(json!([
                chunk["record_id"],
                chunk["series"],
                chunk["unit"],
                started_ms + offset_ms,
                value
            ]));
        }
    }
    samples
}

/// The points of exported routes, one a row.
fn points_of(routes: &[Value]) -> Vec<Value> {
    let mut points = Vec::new();
    for route in routes {
        for (place, latitude) in route["latitudes"].as_array().unwrap().iter().enumerate() {
            let at = route["offsets_ms"][place]
                .as_i64()
                .map(|offset_ms| at_ms(&route["started_at"]) + offset_ms);
            points.push(json!([
                route["workout_id"],
                place + 1,
                at,
                latitude,
                route["longitudes"][place],
                route["altitudes_m"][place]
            ]));
        }
    }
    points
}

#[tokio::test]
async fn an_export_holds_bodies_as_they_came_and_no_secret() {
    let world = World::start(1, "small", &[]).await;
    let token = world.connect_one(0).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    worker.stop().await;
    scheduler.stop().await;
    world.execute(ODD_ROWS).await;
    // Whatever the state of the connection.
    world
        .execute("UPDATE polar_sync.connection SET state = 'revoked' WHERE ended_at IS NULL")
        .await;
    let exported = Exported::of(&world, "user_001").await;
    let kept = rows(
        &world,
        "SELECT encode(sha256, 'hex') AS sha256 FROM polar_sync.raw_item WHERE sha256 IS NOT NULL",
    )
    .await;
    let bodies = exported.lines("raw_body");
    for row in kept.as_array().unwrap() {
        let body = bodies.iter().find(|body| body["sha256"] == row["sha256"]);
        let text = body.unwrap()["text"].as_str().unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        assert_eq!(row["sha256"], hex::encode(digest));
    }
    let odd = bodies.iter().find(|body| body["sha256"] == "00").unwrap();
    assert_eq!(odd["base64"], "/wA=");
    let secrets = rows(
        &world,
        "SELECT unnest(ARRAY[encode(access_token, 'hex'), encode(access_token, 'base64'), 'token of old', key_id])
             AS secret FROM polar_sync.connection
         UNION ALL SELECT unnest(ARRAY[encode(state_hash, 'hex'), encode(code_hash, 'hex'),
             encode(state_hash, 'base64')]) FROM polar_sync.oauth_state",
    )
    .await;
    let named = |name: &str| secrets_of(&secrets).iter().any(|secret| secret == name);
    assert!(named("k1") && named("token of old"));
    for secret in secrets_of(&secrets).into_iter().chain([token]) {
        let quoted = format!("\"{secret}\"");
        let hidden = !exported.text.contains(&quoted)
            && (secret.len() < 8 || !exported.text.contains(&secret));
        assert!(hidden, "{secret}");
    }
}

fn secrets_of(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().unwrap().iter();
    rows.filter_map(|row| row["secret"].as_str().map(str::to_owned))
        .collect()
}
