//! `audit`: what was lost here and is still at Polar comes back, and nobody cries wolf.

use rstest::rstest;
use serde_json::{Value, json};

use super::{
    processes::{Role, Said},
    world::World,
};

/// Exercises of a user beside those of the profile.
const EXERCISES: u32 = 4;

/// Half of the workouts go, with all that belongs to them, as in an older backup.
const LOSE_HALF: &str = "
    CREATE TEMPORARY TABLE lost AS
    SELECT connection_id, record_id, polar_id::text AS item FROM (
        SELECT *, row_number() OVER (PARTITION BY connection_id ORDER BY start_at) AS n FROM polar_sync.workout
        WHERE connection_id = (SELECT connection_id FROM polar_sync.connection WHERE user_id = 'user_001')
    ) AS workout WHERE n % 2 = 0;
    DELETE FROM polar_sync.series USING lost WHERE series.record_id = lost.record_id;
    DELETE FROM polar_sync.route USING lost WHERE route.record_id = lost.record_id;
    DELETE FROM polar_sync.workout_zone z USING lost WHERE z.record_id = lost.record_id;
    DELETE FROM polar_sync.workout USING lost WHERE workout.record_id = lost.record_id;
    DELETE FROM polar_sync.change USING lost WHERE change.record_id = lost.record_id;
    DELETE FROM polar_sync.outbox USING lost WHERE outbox.record_id = lost.record_id;";

/// What is kept raw of exercises goes as well.
const LOSE_RAW: &str = "
    DELETE FROM polar_sync.raw_item i WHERE i.kind = 'exercise' AND NOT EXISTS (
        SELECT FROM polar_sync.workout w WHERE w.connection_id = i.connection_id AND w.polar_id::text = i.item);
    DELETE FROM polar_sync.raw_body b WHERE NOT EXISTS (
        SELECT FROM polar_sync.raw_item i WHERE i.connection_id = b.connection_id AND i.sha256 = b.sha256)";

const WORKOUTS: &str = "SELECT count(*) FROM api_v1.workouts WHERE user_id = 'user_001'";

const REQUESTS: &str = "SELECT count(*) FROM polar_sync.sync_request";

/// Workouts that the feed never told of.
const UNTOLD: &str = "SELECT count(*) FROM polar_sync.workout w WHERE NOT EXISTS (
        SELECT FROM polar_sync.change c WHERE c.record_id = w.record_id AND c.change = 'added')
    AND NOT EXISTS (
        SELECT FROM polar_sync.outbox o WHERE o.record_id = w.record_id AND o.change = 'added')";

/// A world whose users are in step, with a worker and without anybody who would ask it for a sync.
pub(crate) async fn world(users: u32) -> (World, Role) {
    let world = World::start(users, "small", &[]).await;
    world.connect(users).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    for number in 1..=users {
        for day in 1..=EXERCISES {
            upload(&world, number, day).await;
        }
        let job = format!(r#"{{"v":1,"user_id":"user_{number:03}","kinds":["exercise"]}}"#);
        world.xadd("interactive", &job).await;
    }
    world.until_in_step().await;
    scheduler.stop().await;
    (world, worker)
}

/// Uploads an exercise with everything that one can have; its id at `/v3/exercises`.
pub(crate) async fn upload(world: &World, number: u32, day: u32) -> String {
    let exercise = json!({
        "start_time": format!("2026-03-{day:02}T07:00:00"), "offset_min": 120, "duration_s": 120.0,
        "sport": "RUNNING", "route": true, "zones": true,
    });
    let path = format!("/users/{}/exercises", 10_000_000 + number);
    let uploaded = world.sim.post(&path, exercise).await;
    uploaded["hash_id"].as_str().unwrap().to_owned()
}

/// What an audit says, and its exit code.
pub(crate) async fn audit(world: &World, arguments: &str) -> (i32, Value) {
    let said = world
        .command(&format!("--json audit {arguments}"), "")
        .await;
    (said.code.unwrap(), read(&said))
}

fn read(said: &Said) -> Value {
    serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said:?}"))
}

/// checked, stored, new, missing, refetched
pub(crate) fn numbers(said: &Value) -> [i64; 5] {
    ["checked", "stored", "new", "missing", "refetched"].map(|name| said[name].as_i64().unwrap())
}

/// An audit that finds everything, and asks for nothing.
pub(crate) async fn assert_whole(world: &World) {
    let requests = world.number(REQUESTS).await;
    let (code, said) = audit(world, "user_001").await;
    assert_eq!((code, &said["verdict"]), (0, &json!("ok")), "{said}");
    let [checked, stored, new, missing, refetched] = numbers(&said);
    assert!(checked > 0 && stored == checked, "{said}");
    assert_eq!((new, missing, refetched), (0, 0, 0), "{said}");
    assert_eq!(said.get("sync"), None);
    assert_eq!(world.number(REQUESTS).await, requests);
}

#[tokio::test]
async fn what_a_backup_lacks_comes_back_from_polar() {
    let (world, worker) = world(1).await;
    assert_whole(&world).await;
    let before = world.number(WORKOUTS).await;
    world.execute(LOSE_HALF).await;
    world.execute(LOSE_RAW).await;
    let lost = before - world.number(WORKOUTS).await;
    assert!(lost >= 2);
    assert!(!world.differences().await.is_empty());

    let (code, said) = audit(&world, "user_001").await;
    assert_eq!(code, 20, "{said}");
    let [_, _, new, missing, refetched] = numbers(&said);
    assert_eq!((new, missing, refetched), (0, lost, lost), "{said}");
    assert_eq!(said["sync"]["state"], "done");
    world.until_in_step().await;
    // The feed tells of them as new ones, and what was there all the time has its revision.
    assert_eq!(world.number(UNTOLD).await, 0);
    let revised = "SELECT count(*) FROM polar_sync.workout WHERE revision > 1";
    assert_eq!(world.number(revised).await, 0);
    // What came back has the other of Polar's two ids.
    let hashed = "SELECT count(*) FROM api_v1.workouts WHERE polar_id IS NULL";
    assert_eq!(world.number(hashed).await, lost);
    assert_whole(&world).await;
    // A version that is newer than what Polar shows is stored as well.
    world
        .execute("UPDATE polar_sync.workout SET uploaded_at = uploaded_at + interval '1 day'")
        .await;
    assert_whole(&world).await;
    world.assert_honest().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_transaction_that_a_backup_left_open_delays_nothing() {
    let (world, worker) = world(1).await;
    let before = world.number(WORKOUTS).await;
    world.execute(LOSE_HALF).await;
    world.execute(LOSE_RAW).await;
    // Polar knows nothing of it any more, so an empty answer is not believed for some minutes.
    world
        .execute(
            "INSERT INTO polar_sync.remote_transaction
                 (connection_id, remote_id, kind, phase, polar_transaction_id, created_at, last_create_at, updated_at)
             SELECT connection_id, gen_random_uuid(), 'exercise', 'open', 424242, polar_sync.now(), polar_sync.now(),
                 polar_sync.now()
             FROM polar_sync.connection",
        )
        .await;
    let (code, said) = audit(&world, "user_001").await;
    assert_eq!(code, 20, "{said}");
    let [.., missing, refetched] = numbers(&said);
    assert!(missing > 0 && missing == refetched, "{said}");
    assert_eq!(world.number(WORKOUTS).await, before);
    let because = said["sync"]["because"].as_str().unwrap();
    assert!(because.contains("it waits until"), "{because}");
    worker.stop().await;
}

#[tokio::test]
async fn one_that_cannot_be_fetched_keeps_no_other_back() {
    let (world, worker) = world(1).await;
    let first = upload(&world, 1, 10).await;
    upload(&world, 1, 11).await;
    audit(&world, "user_001").await;
    world.until_in_step().await;
    let lost = world.number(WORKOUTS).await;
    world
        .execute(
            "DELETE FROM polar_sync.series s USING polar_sync.workout w WHERE w.record_id = s.record_id;
             DELETE FROM polar_sync.route; DELETE FROM polar_sync.workout_zone; DELETE FROM polar_sync.workout;
             DELETE FROM polar_sync.raw_item WHERE kind = 'exercise';
             UPDATE polar_sync.kind_state SET last_success_at = polar_sync.now() + interval '1 hour'",
        )
        .await;
    let fault = json!({
        "op": "exercises.get", "path_contains": first, "times": null,
        "action": { "type": "truncate", "after_bytes": 5 },
    });
    world.sim.post("/faults", fault).await;
    let (code, said) = audit(&world, "user_001").await;
    assert_eq!(code, 21, "{said}");
    let [.., missing, refetched] = numbers(&said);
    assert_eq!((missing, refetched), (lost, lost - 1), "{said}");
    assert_eq!(world.number(WORKOUTS).await, lost - 1);
    worker.stop().await;
}

#[tokio::test]
async fn what_is_kept_raw_is_read_again() {
    let (world, worker) = world(1).await;
    let revisions = "SELECT coalesce(sum(revision), 0)::bigint FROM polar_sync.workout";
    let before = (world.number(WORKOUTS).await, world.number(revisions).await);
    world.execute(LOSE_HALF).await;
    // Kinds that Polar does not show any more, and a night that it does.
    world
        .execute(
            "DELETE FROM polar_sync.physical_information;
             DELETE FROM polar_sync.series s USING polar_sync.daily_activity d WHERE d.record_id = s.record_id;
             DELETE FROM polar_sync.activity_zone_sample; DELETE FROM polar_sync.daily_activity;
             DELETE FROM polar_sync.series s USING polar_sync.sleep n WHERE n.record_id = s.record_id;
             DELETE FROM polar_sync.series s USING polar_sync.nightly_recharge n WHERE n.record_id = s.record_id;
             DELETE FROM polar_sync.sleep_stage; DELETE FROM polar_sync.sleep;
             DELETE FROM polar_sync.nightly_recharge",
        )
        .await;
    let details = world.sim.requests("exercises.get").await;
    let (code, said) = audit(&world, "user_001").await;
    assert_eq!(code, 20, "{said}");
    let [_, _, new, missing, refetched] = numbers(&said);
    assert!(new == 0 && missing == refetched, "{said}");
    for kind in said["kinds"].as_array().unwrap() {
        assert!(kind["missing"].as_i64().unwrap() > 0, "{kind}");
    }
    world.until_in_step().await;
    let after = (world.number(WORKOUTS).await, world.number(revisions).await);
    assert_eq!(after, before);
    // Polar was not asked for what is here.
    assert_eq!(world.sim.requests("exercises.get").await, details);
    let numeric =
        "SELECT count(*) FROM api_v1.workouts WHERE polar_id IS NOT NULL AND user_id = 'user_001'";
    assert_eq!(world.number(numeric).await, before.0);
    assert_eq!(world.number(UNTOLD).await, 0);
    assert_whole(&world).await;
    worker.stop().await;
}

#[rstest]
#[case::raw_bodies_are_kept("", true)]
#[case::raw_bodies_are_lost("DELETE FROM polar_sync.raw_item WHERE kind = 'exercise'", false)]
#[tokio::test]
async fn parts_that_are_lost_come_back(#[case] raw: &'static str, #[case] is_kept: bool) {
    let (world, worker) = world(1).await;
    world.execute(raw).await;
    world
        .execute(
            "DELETE FROM polar_sync.series s USING polar_sync.workout w WHERE w.record_id = s.record_id;
             DELETE FROM polar_sync.route; DELETE FROM polar_sync.workout_zone",
        )
        .await;
    let details = world.sim.requests("exercises.get").await;
    let (code, said) = audit(&world, "user_001").await;
    assert_eq!(code, 20, "{said}");
    let [_, _, _, missing, refetched] = numbers(&said);
    assert!(
        missing >= i64::from(EXERCISES) && missing == refetched,
        "{said}"
    );
    world.until_in_step().await;
    let asked = world.sim.requests("exercises.get").await > details;
    assert_eq!(asked, !is_kept);
    assert_whole(&world).await;
    worker.stop().await;
}

#[tokio::test]
async fn what_was_just_uploaded_is_not_missing() {
    let (world, worker) = world(1).await;
    upload(&world, 1, 20).await;
    let (code, said) = audit(&world, "user_001").await;
    assert_eq!((code, &said["verdict"]), (0, &json!("ok")), "{said}");
    let [checked, stored, new, missing, _] = numbers(&said);
    assert_eq!((new, missing), (1, 0), "{said}");
    assert_eq!(checked, stored + 1);
    world.until_in_step().await;
    assert_whole(&world).await;
    worker.stop().await;

    // Nobody brings the next one: that is no loss either, and nobody can tell.
    upload(&world, 1, 21).await;
    let (code, said) = audit(&world, "user_001 --wait 1s").await;
    assert_eq!((code, numbers(&said)[3]), (20, 0), "{said}");
    assert_eq!(said["cannot_tell"][0]["kind"], "exercise");
    let because = said["sync"]["because"].as_str().unwrap();
    assert!(because.contains("no worker has taken it"), "{because}");
}

#[tokio::test]
async fn what_is_missing_without_a_worker_stays_so() {
    let (world, worker) = world(1).await;
    worker.stop().await;
    world.execute(LOSE_HALF).await;
    world.execute(LOSE_RAW).await;
    // The last sync was long after the uploads.
    world
        .execute("UPDATE polar_sync.kind_state SET last_success_at = polar_sync.now() + interval '1 hour'")
        .await;
    let said = world.command("audit user_001 --wait 1s", "").await;
    assert_eq!(said.code, Some(21), "{said:?}");
    assert!(said.stdout.contains("user_001: fails"), "{said:?}");
    assert!(
        said.stdout.contains("no worker has taken it within 1 s"),
        "{said:?}"
    );
    assert!(said.stderr.contains("could not be refetched"), "{said:?}");
    // Nobody waits for that again and again.
    let said = world.command("audit --all --wait 1s", "").await;
    assert_eq!(said.code, Some(21), "{said:?}");
    assert!(
        said.stdout
            .contains("not all: no worker has taken a sync within 1 s"),
        "{said:?}"
    );
    assert!(said.stdout.contains("--all --after "), "{said:?}");
}

/// What Polar sent of exercises tells no more than when they were uploaded: zstd of one raw block.
const NOT_UNDERSTOOD: &str = r#"
    CREATE TEMPORARY TABLE odd AS
    SELECT i.connection_id, i.item, sha256(convert_to(w.said, 'UTF8')) AS sha256, '\x28b52ffd20'::bytea
        || set_byte('\x00', 0, length(w.said))
        || set_byte(set_byte('\x000000', 0, (length(w.said) * 8 + 1) & 255), 1, (length(w.said) * 8 + 1) >> 8)
        || convert_to(w.said, 'UTF8') AS body, length(w.said) AS length_bytes
    FROM polar_sync.raw_item i JOIN (SELECT connection_id, polar_id::text AS item, '{"upload-time":"'
        || to_char(uploaded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') || '"}' AS said
        FROM polar_sync.workout) AS w USING (connection_id, item)
    WHERE i.kind = 'exercise' AND i.part = 'summary';
    INSERT INTO polar_sync.raw_body SELECT connection_id, sha256, body, length_bytes FROM odd ON CONFLICT DO NOTHING;
    UPDATE polar_sync.raw_item i SET sha256 = odd.sha256 FROM odd
    WHERE i.connection_id = odd.connection_id AND i.kind = 'exercise' AND i.item = odd.item AND i.part = 'summary'"#;

#[rstest]
#[case::of_a_version_that_polar_said("")]
#[case::of_a_version_of_ours(
    "UPDATE polar_sync.raw_item SET version = 'a41f0c' WHERE kind = 'exercise'"
)]
#[tokio::test]
async fn what_is_in_quarantine_is_stored(#[case] version: &'static str) {
    let (world, worker) = world(1).await;
    world.execute(NOT_UNDERSTOOD).await;
    world.execute(version).await;
    world.execute(LOSE_HALF).await;
    let dates = "SELECT jsonb_agg(date)::text FROM polar_sync.sleep";
    let dates: Vec<String> = serde_json::from_str(&world.text(dates).await).unwrap();
    let nights: Vec<_> = dates
        .iter()
        .map(|date| json!({ "date": date, "sleep_start_time": "late" }))
        .collect();
    let action = json!({ "type": "body", "body": json!({ "nights": nights }).to_string() });
    let fault = json!({ "op": "sleep.list", "times": null, "action": action });
    world.sim.post("/faults", fault).await;
    let quarantined = "INSERT INTO polar_sync.quarantine
            (connection_id, kind, item, version, part, sha256, reason, quarantined_at)
        SELECT i.connection_id, i.kind, i.item, i.version, i.part, i.sha256, 'odd', polar_sync.now()
        FROM polar_sync.raw_item i WHERE i.kind = 'exercise' AND i.part = 'summary' AND NOT EXISTS (
            SELECT FROM polar_sync.workout w WHERE w.connection_id = i.connection_id AND w.polar_id::text = i.item);
        DELETE FROM polar_sync.series s USING polar_sync.sleep n WHERE n.record_id = s.record_id;
        DELETE FROM polar_sync.sleep; DELETE FROM polar_sync.sleep_stage;
        INSERT INTO polar_sync.quarantine
        SELECT i.connection_id, i.kind, i.item, i.version, i.part, i.sha256, 'odd', polar_sync.now()
        FROM polar_sync.raw_item i WHERE i.kind = 'sleep'";
    world.execute(quarantined).await;
    assert_whole(&world).await;
    worker.stop().await;
}

#[rstest]
#[case::an_empty_list(json!({ "type": "body", "body": "[]" }), "Polar shows none now")]
#[case::no_content(json!({ "type": "status", "status": 204 }), "Polar shows none now")]
#[case::an_exercise_without_a_time(
    json!({ "type": "body", "body": r#"[{"id":"kQ7mZx2B"}]"# }),
    "1 of the exercises that Polar shows are not understood"
)]
#[case::another_answer(json!({ "type": "body", "body": r#"{"message":"later"}"# }), "is not understood")]
#[case::a_failure(json!({ "type": "status", "status": 503 }), "503")]
#[tokio::test]
async fn what_polar_does_not_show_nobody_can_tell(#[case] answer: Value, #[case] why: &str) {
    let (world, worker) = world(1).await;
    world.execute(LOSE_HALF).await;
    world.execute(LOSE_RAW).await;
    let requests = world.number(REQUESTS).await;
    let fault = json!({ "op": "exercises.list", "times": null, "action": answer });
    world.sim.post("/faults", fault).await;
    let (code, said) = audit(&world, "user_001").await;
    assert_eq!((code, &said["verdict"]), (20, &json!("warns")), "{said}");
    let [reason] = said["cannot_tell"].as_array().unwrap().as_slice() else {
        panic!("{said}");
    };
    assert_eq!(reason["kind"], "exercise");
    let told = reason["why"].as_str().unwrap();
    assert!(told.contains(why), "{told}");
    // Nobody asks for what nobody knows of, and the nights are compared all the same.
    assert_eq!((numbers(&said)[3], said.get("sync")), (0, None));
    assert!(numbers(&said)[0] > 0);
    assert_eq!(world.number(REQUESTS).await, requests);
    worker.stop().await;
}

#[tokio::test]
async fn of_who_revoked_access_nobody_can_tell() {
    let (world, worker) = world(1).await;
    world.execute(LOSE_HALF).await;
    world
        .execute("UPDATE polar_sync.connection SET state = 'revoked'")
        .await;
    let calls = world.sim.requests("exercises.list").await;
    let (code, said) = audit(&world, "user_001").await;
    assert_eq!(code, 20, "{said}");
    let why = said["cannot_tell"][0]["why"].as_str().unwrap();
    assert!(why.contains("the connection is revoked"), "{why}");
    assert_eq!(said.get("sync"), None);
    assert_eq!(world.sim.requests("exercises.list").await, calls);
    let unknown = world.command("audit nobody", "").await;
    assert_eq!(unknown.code, Some(16), "{unknown:?}");
    worker.stop().await;
}

#[tokio::test]
async fn what_another_system_took_is_not_missing() {
    let (world, worker) = world(1).await;
    world.execute(LOSE_HALF).await;
    world.execute(LOSE_RAW).await;
    world
        .execute(
            "UPDATE polar_sync.connection SET connected_at = polar_sync.now() + interval '1 hour'",
        )
        .await;
    assert_whole(&world).await;
    // Nor does a backfill for another reason bring it.
    let stored = world.number(WORKOUTS).await;
    world
        .xadd(
            "interactive",
            r#"{"v":1,"user_id":"user_001","cause":"backfill"}"#,
        )
        .await;
    let ended =
        "SELECT count(*) FROM polar_sync.sync_request WHERE cause = 'backfill' AND state = 'done'";
    world.until("the backfill", ended, 1).await;
    assert_eq!(world.number(WORKOUTS).await, stored);
    worker.stop().await;
}

/// The lines of an audit of all.
fn lines(said: &Said) -> Vec<Value> {
    let lines = said.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn everybody_who_is_active_is_audited_in_turn() {
    let (mut world, worker) = world(3).await;
    world.execute(LOSE_HALF).await;
    world.execute(LOSE_RAW).await;
    world
        .execute("UPDATE polar_sync.connection SET state = 'paused' WHERE user_id = 'user_003'")
        .await;
    let said = world.command("--json audit --all", "").await;
    assert_eq!(said.code, Some(20), "{said:?}");
    let all = lines(&said);
    let [users @ .., summary] = all.as_slice() else {
        panic!("{said:?}");
    };
    let mut verdicts: Vec<_> = users
        .iter()
        .map(|user| {
            (
                user["user_id"].as_str().unwrap(),
                user["verdict"].as_str().unwrap(),
            )
        })
        .collect();
    verdicts.sort_unstable();
    assert_eq!(verdicts, [("user_001", "warns"), ("user_002", "ok")]);
    let connections: Vec<_> = users
        .iter()
        .map(|user| user["connection_id"].as_str())
        .collect();
    assert!(connections.is_sorted());
    assert_eq!(summary["last"].as_str(), connections[1]);
    assert_eq!((&summary["ok"], &summary["warns"]), (&json!(1), &json!(1)));
    let lane = "SELECT count(*) FROM polar_sync.sync_request WHERE cause = 'backfill' AND lane = 'periodic'";
    assert_eq!(world.number(lane).await, 1);

    let after = format!("--json audit --all --after {}", connections[0].unwrap());
    let rest = lines(&world.command(&after, "").await);
    assert_eq!(rest.len(), 2);
    assert_eq!(rest[0]["connection_id"].as_str(), connections[1]);

    // What is kept for people, an audit of all leaves alone.
    world.set("QUOTA__INTERACTIVE_RESERVE", "1");
    let said = world.command("--json audit --all", "").await;
    assert_eq!(said.code, Some(20), "{said:?}");
    let [summary] = lines(&said).try_into().unwrap();
    let why = summary["stopped"].as_str().unwrap();
    assert!(why.contains("the rate limit's window is closed"), "{why}");
    assert_whole(&world).await;
    worker.stop().await;
}
