//! `audit`, table by table: whatever rows are deleted of what is stored of a user, they are back afterwards,
//! or it is said that nobody can tell.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Row as _};

use super::{
    audit::{assert_whole, audit, numbers, world},
    world::World,
};

/// What readers see of a user.
const RECORDS: [&str; 10] = [
    "workout",
    "workout_zone",
    "route",
    "series",
    "sleep",
    "sleep_stage",
    "nightly_recharge",
    "daily_activity",
    "activity_zone_sample",
    "physical_information",
];

/// What Polar sent.
const RAW: [&str; 2] = ["raw_item", "raw_body"];

/// Tables of the ledger: nothing of them is read out of Polar's answers.
const LEDGER: [&str; 11] = [
    "change",
    "connection",
    "dead",
    "kind_state",
    "operator_log",
    "outbox",
    "quarantine",
    "remote_transaction",
    "sync_request",
    "sync_run",
    "sync_state",
];

/// What may differ between a row and the same row that was stored again.
const BOOKKEEPING: [&str; 4] = ["record_id", "revision", "updated_at", "fetched_at"];

/// The kinds that open requests ask for.
pub(crate) const ASKED: &str =
    "SELECT string_agg(array_to_string(kinds, ','), ' ') FROM polar_sync.sync_request
    WHERE state = 'open'";

/// Executes a statement that is put together.
pub(crate) async fn execute(world: &World, sql: String) -> u64 {
    let mut db = PgConnection::connect(world.database.url()).await.unwrap();
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut db);
    done.await.unwrap().rows_affected()
}

/// The texts that a query gives.
async fn texts(world: &World, sql: String) -> Vec<String> {
    let mut db = PgConnection::connect(world.database.url()).await.unwrap();
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(&mut db);
    rows.await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Every row of a table, without the bookkeeping.
pub(crate) async fn rows(world: &World, table: &str) -> Vec<String> {
    let without = BOOKKEEPING.map(|column| format!("- '{column}'")).join(" ");
    let sql = format!("SELECT (to_jsonb(t) {without})::text FROM polar_sync.{table} t ORDER BY 1");
    texts(world, sql).await
}

/// Every row that readers see.
async fn records(world: &World) -> Vec<(&'static str, Vec<String>)> {
    let mut records = Vec::new();
    for table in RECORDS {
        records.push((table, rows(world, table).await));
    }
    records
}

fn assert_same(
    what: &str,
    before: &[(&'static str, Vec<String>)],
    after: &[(&'static str, Vec<String>)],
) {
    for ((table, before), (_, after)) in before.iter().zip(after) {
        let lacks: Vec<_> = before.iter().filter(|row| !after.contains(row)).collect();
        let others: Vec<_> = after.iter().filter(|row| !before.contains(row)).collect();
        assert!(
            lacks.is_empty(),
            "{what}: {table} lacks {lacks:#?} and has {others:#?}"
        );
        assert_eq!(before.len(), after.len(), "{what}: {table}");
    }
}

/// The tables with rows of connections.
async fn tables(world: &World) -> BTreeSet<String> {
    let sql = "SELECT table_name::text FROM information_schema.columns
        WHERE table_schema = 'polar_sync' AND column_name = 'connection_id' AND table_name IN (
            SELECT table_name FROM information_schema.tables
            WHERE table_schema = 'polar_sync' AND table_type = 'BASE TABLE')";
    texts(world, sql.to_owned()).await.into_iter().collect()
}

/// An audit that finds something missing, and brings all of it back.
async fn assert_brought_back(world: &World, what: &str) {
    let (code, said) = audit(world, "user_001").await;
    assert_eq!(code, 20, "{what}: {said}");
    let [_, _, new, missing, refetched] = numbers(&said);
    assert!(
        new == 0 && missing > 0 && missing == refetched,
        "{what}: {said}"
    );
    assert_eq!(said["cannot_tell"], json!([]), "{what}");
}

/// Of which kinds nobody can tell, and why.
pub(crate) fn cannot_tell(said: &Value) -> Vec<(&str, &str)> {
    let reasons = said["cannot_tell"].as_array().unwrap().iter();
    reasons
        .map(|reason| {
            let kind = reason["kind"].as_str().unwrap_or("all");
            (kind, reason["why"].as_str().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn rows_of_any_table_come_back() {
    let (world, worker) = world(1).await;
    let path = "/users/10000001/physical-informations";
    world.sim.post(path, json!({ "weight_kg": 71.5 })).await;
    sync(&world).await;
    let known = RECORDS.iter().chain(&RAW).chain(&LEDGER);
    let known: BTreeSet<_> = known.map(|table| (*table).to_owned()).collect();
    assert_eq!(
        tables(&world).await,
        known,
        "a table that no audit was thought about for"
    );
    assert_whole(&world).await;
    let before = records(&world).await;
    for (table, rows) in &before {
        assert!(rows.len() > 1, "{table} has rows enough");
    }

    // One row of each, in the middle of a record or not.
    for table in RECORDS {
        let one = format!(
            "DELETE FROM polar_sync.{table} WHERE ctid = (SELECT ctid FROM polar_sync.{table}
             ORDER BY md5(to_jsonb({table})::text) LIMIT 1)"
        );
        assert_eq!(execute(&world, one).await, 1, "{table}");
    }
    assert_brought_back(&world, "one of each").await;
    assert_same("one of each", &before, &records(&world).await);
    assert_eq!(world.differences().await, Vec::<String>::new());
    assert_whole(&world).await;

    for table in RECORDS {
        execute(&world, format!("DELETE FROM polar_sync.{table}")).await;
        assert_brought_back(&world, table).await;
        assert_same(table, &before, &records(&world).await);
        assert_eq!(world.differences().await, Vec::<String>::new(), "{table}");
        assert_whole(&world).await;
    }
    world.assert_honest().await;
    worker.stop().await;
}

#[tokio::test]
async fn what_polar_sent_comes_back_of_nights_and_of_others_nobody_can_tell() {
    let (world, worker) = world(1).await;
    let before = records(&world).await;
    for table in ["raw_body", "raw_item"] {
        let nights =
            "SELECT concat_ws(' ', kind, item, version, part, encode(sha256, 'hex'), length(body))
            FROM polar_sync.raw_item LEFT JOIN polar_sync.raw_body USING (connection_id, sha256)
            WHERE kind IN ('sleep', 'nightly_recharge') ORDER BY 1";
        let kept = texts(&world, nights.to_owned()).await;
        execute(&world, format!("DELETE FROM polar_sync.{table}")).await;
        let (code, said) = audit(&world, "user_001").await;
        assert_eq!(code, 20, "{said}");
        let [.., missing, refetched] = numbers(&said);
        assert!(missing > 0 && missing == refetched, "{said}");
        let kinds: Vec<_> = cannot_tell(&said).iter().map(|(kind, _)| *kind).collect();
        assert_eq!(
            kinds,
            ["exercise", "activity", "physical_information"],
            "{said}"
        );
        assert_eq!(texts(&world, nights.to_owned()).await, kept);
        assert_same(table, &before, &records(&world).await);
        let (_, said) = audit(&world, "user_001").await;
        assert_eq!(numbers(&said)[3], 0, "{said}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn without_what_polar_sent_the_rest_comes_from_what_it_shows() {
    let (world, worker) = world(1).await;
    let days = i64::try_from(rows(&world, "daily_activity").await.len()).unwrap();
    for table in [
        "raw_item",
        "raw_body",
        "physical_information",
        "workout_zone",
        "route",
        "series",
        "sleep_stage",
        "activity_zone_sample",
    ] {
        execute(&world, format!("DELETE FROM polar_sync.{table}")).await;
    }
    let (code, said) = audit(&world, "user_001").await;
    assert_eq!(code, 21, "{said}");
    let [.., missing, refetched] = numbers(&said);
    assert_eq!(missing, refetched + days, "{said}");
    let gone = cannot_tell(&said);
    assert!(
        gone.iter()
            .any(|(kind, why)| *kind == "physical_information"
                && why.contains("that were committed are not stored")),
        "{said}"
    );
    let states = "SELECT count(*) FROM api_v1.workouts
        WHERE 'gone' IN (samples_state, zones_state, route_state) AND user_id = 'user_001'";
    assert_eq!(world.number(states).await, 0);
    for name in ["zones", "route points", "sample values"] {
        let differs = world.differences().await;
        assert!(
            differs.iter().all(|line| !line.starts_with(name)),
            "{differs:?}"
        );
    }
    // A day says itself now what it lacks.
    let (code, said) = audit(&world, "user_001").await;
    assert_eq!((code, numbers(&said)[3]), (20, 0), "{said}");
    let days = "DELETE FROM polar_sync.daily_activity";
    execute(&world, days.to_owned()).await;
    let (_, said) = audit(&world, "user_001").await;
    let is_told = |(kind, why): &(&str, &str)| *kind == "activity" && why.contains("not stored");
    assert!(cannot_tell(&said).iter().any(is_told), "{said}");
    // Nor can anybody tell of a day of which only samples are left.
    let stray = "INSERT INTO polar_sync.activity_zone_sample
        SELECT connection_id, gen_random_uuid(), '{}', '{}', '{}' FROM polar_sync.connection";
    execute(&world, stray.to_owned()).await;
    let (_, said) = audit(&world, "user_001").await;
    assert!(
        cannot_tell(&said)
            .iter()
            .any(|(_, why)| why.contains("1 records are lost")),
        "{said}"
    );
    worker.stop().await;
}

#[tokio::test]
async fn nights_that_polar_does_not_show_any_more_are_read_again() {
    let (world, worker) = world(1).await;
    let before = records(&world).await;
    for operation in ["sleep.list", "recharge.list"] {
        let action = json!({ "type": "status", "status": 204 });
        let fault = json!({ "op": operation, "times": null, "action": action });
        world.sim.post("/faults", fault).await;
    }
    let deleted = "DELETE FROM polar_sync.sleep_stage; DELETE FROM polar_sync.nightly_recharge";
    execute(&world, deleted.to_owned()).await;
    let (code, said) = audit(&world, "user_001").await;
    assert_eq!(code, 20, "{said}");
    let [.., missing, refetched] = numbers(&said);
    assert!(missing > 0 && missing == refetched, "{said}");
    assert_same("nights", &before, &records(&world).await);
    worker.stop().await;
}

#[tokio::test]
async fn records_of_which_something_is_in_quarantine_come_back_as_well() {
    let (world, worker) = world(1).await;
    let before = records(&world).await;
    let odd = "INSERT INTO polar_sync.quarantine
            (connection_id, kind, item, version, part, sha256, reason, quarantined_at)
        SELECT connection_id, kind, item, version, part, sha256, 'calories: expected a number', polar_sync.now()
        FROM polar_sync.raw_item WHERE part = 'summary'";
    execute(&world, odd.to_owned()).await;
    for table in RECORDS {
        execute(&world, format!("DELETE FROM polar_sync.{table}")).await;
    }
    assert_brought_back(&world, "everything").await;
    assert_same("everything", &before, &records(&world).await);
    assert_eq!(world.differences().await, Vec::<String>::new());
    worker.stop().await;
}

#[tokio::test]
async fn a_try_after_one_that_failed_brings_back_what_is_lost() {
    let (world, worker) = world(1).await;
    let before = records(&world).await;
    for table in ["workout_zone", "route", "sleep"] {
        execute(&world, format!("DELETE FROM polar_sync.{table}")).await;
    }
    let lost = "DELETE FROM polar_sync.workout WHERE record_id = (
            SELECT record_id FROM polar_sync.workout ORDER BY start_at LIMIT 1);
        DELETE FROM polar_sync.raw_item WHERE kind = 'exercise'";
    execute(&world, lost.to_owned()).await;
    let action = json!({ "type": "status", "status": 500 });
    let fault = json!({ "id": "fails", "op": "exercises.get", "times": null, "action": action });
    world.sim.post("/faults", fault).await;
    let (code, said) = audit(&world, "user_001").await;
    assert_eq!(
        (code, &said["sync"]["state"]),
        (21, &json!("open")),
        "{said}"
    );
    let because = said["sync"]["because"].as_str().unwrap();
    assert!(
        because.contains("500") && because.contains("tried again"),
        "{because}"
    );
    // What was brought back is not asked for any more.
    assert_eq!(world.text(ASKED).await, "exercise");

    world.sim.delete("/faults/fails").await;
    let scheduler = world.spawn("scheduler");
    let waits = "SELECT count(*) FROM polar_sync.sync_request WHERE state IN ('open', 'running')";
    let soon =
        "UPDATE polar_sync.sync_request SET not_before = polar_sync.now() WHERE state = 'open'";
    execute(&world, soon.to_owned()).await;
    world.until("the next try", waits, 0).await;
    let after = records(&world).await;
    for ((table, before), (_, after)) in before.iter().zip(&after) {
        assert_eq!(before.len(), after.len(), "{table}");
    }
    let (_, said) = audit(&world, "user_001").await;
    assert_eq!(numbers(&said)[3], 0, "{said}");
    scheduler.stop().await;
    worker.stop().await;
}

#[tokio::test]
async fn of_a_user_who_lacks_nothing_nothing_is_said() {
    let (world, worker) = world(1).await;
    // Records of every shape: without samples, zones or a route, days that were offered twice, a workout that
    // was edited, and one that both of Polar's interfaces told of.
    let account = "/users/10000001";
    let bare = json!({ "start_time": "2026-03-12T07:00:00", "duration_s": 60.0, "route": false,
        "zones": false, "samples": {} });
    let gaps = json!({ "start_time": "2026-03-13T07:00:00", "duration_s": 3.0, "route": true,
        "zones": true, "samples": { "0": [97.0, null, 99.0], "10": [1.5, 2.25, 3.125] } });
    let uploaded = world.sim.post(&format!("{account}/exercises"), bare).await;
    world.sim.post(&format!("{account}/exercises"), gaps).await;
    world
        .sim
        .post(
            &format!("{account}/activities"),
            json!({ "date": "2026-03-12" }),
        )
        .await;
    sync(&world).await;
    let edit = format!("{account}/exercises/{}/edit", uploaded["id"]);
    world
        .sim
        .post(&edit, json!({ "calories": 77, "zones": true }))
        .await;
    world
        .sim
        .post(
            &format!("{account}/activities"),
            json!({ "date": "2026-03-12" }),
        )
        .await;
    let night = json!({ "sleep_score": 50 });
    world.sim.post(&format!("{account}/nights"), night).await;
    sync(&world).await;
    execute(&world, "UPDATE polar_sync.workout SET samples_state = 'not_requested', samples_hash = NULL,
        samples_transactional = false WHERE polar_id = (SELECT min(polar_id) FROM polar_sync.workout);
        DELETE FROM polar_sync.series WHERE record_id IN (
            SELECT record_id FROM polar_sync.workout WHERE samples_state = 'not_requested');
        DELETE FROM polar_sync.raw_item WHERE kind = 'exercise' AND part LIKE 'samples%' AND item = (
            SELECT polar_id::text FROM polar_sync.workout WHERE samples_state = 'not_requested')".to_owned()).await;
    world
        .xadd(
            "interactive",
            r#"{"v":1,"user_id":"user_001","include":["samples"]}"#,
        )
        .await;
    world.until_in_step().await;
    let both = "SELECT count(*) FROM api_v1.workouts WHERE polar_id IS NOT NULL AND polar_hashed_id IS NOT NULL";
    assert_eq!(world.number(both).await, 1);
    assert_whole(&world).await;
    // It comes back with both of its ids.
    let before = records(&world).await;
    let lost = "DELETE FROM polar_sync.workout WHERE polar_hashed_id IS NOT NULL";
    execute(&world, lost.to_owned()).await;
    assert_brought_back(&world, "a workout with two ids").await;
    assert_same("a workout with two ids", &before, &records(&world).await);
    assert_whole(&world).await;
    // What was lost once does not matter any more, and what is old is not expected to be kept raw.
    execute(
        &world,
        "UPDATE polar_sync.workout SET samples_state = 'gone', samples_hash = NULL
            WHERE polar_id = (SELECT max(polar_id) FROM polar_sync.workout);
        UPDATE polar_sync.daily_activity SET created_at = created_at - interval '91 days';
        UPDATE polar_sync.physical_information SET recorded_at = recorded_at - interval '91 days';
        UPDATE polar_sync.remote_transaction SET created_at = created_at - interval '91 days';
        DELETE FROM polar_sync.raw_item WHERE kind IN ('activity', 'physical_information')"
            .to_owned(),
    )
    .await;
    assert_whole(&world).await;
    worker.stop().await;
}

#[tokio::test]
async fn what_an_interrupted_transaction_left_is_not_missing() {
    let (world, worker) = world(1).await;
    let interrupted = "DELETE FROM polar_sync.physical_information;
        UPDATE polar_sync.kind_state SET last_success_at = (
            SELECT min(fetched_at) FROM polar_sync.raw_item WHERE kind = 'physical_information')
            - interval '1 second'
        WHERE kind = 'physical_information'";
    execute(&world, interrupted.to_owned()).await;
    assert_whole(&world).await;
    let in_step = "UPDATE polar_sync.kind_state SET last_success_at = polar_sync.now()
        WHERE kind = 'physical_information'";
    execute(&world, in_step.to_owned()).await;
    assert_brought_back(&world, "what was in step").await;
    worker.stop().await;
}

/// Syncs the user to the end.
pub(crate) async fn sync(world: &World) {
    world
        .xadd("interactive", r#"{"v":1,"user_id":"user_001"}"#)
        .await;
    world.until_in_step().await;
}
