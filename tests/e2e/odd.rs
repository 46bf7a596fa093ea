//! Whole bodies with odd contents: one odd thing costs nothing but itself, and nothing for ever.

use serde_json::{Value, json};

use super::world::World;

/// A night of a date with a score, in the form of `GET /v3/users/sleep`.
fn night(date: &str, score: i32) -> Value {
    json!({
        "date": date,
        "sleep_start_time": format!("{date}T00:10:00+02:00"),
        "sleep_end_time": format!("{date}T07:00:00+02:00"),
        "sleep_score": score,
        "hypnogram": { "00:10": 2, "late": 3, "03:00": 4 },
    })
}

/// Answers every call of an operation with this body, in place of the fault before.
async fn answer(world: &World, operation: &str, body: &Value) {
    let action = json!({ "type": "body", "body": body.to_string() });
    let fault = json!({ "id": operation, "op": operation, "times": null, "action": action });
    world.sim.post("/faults", fault).await;
}

/// Runs a sync to its end.
async fn sync(world: &World, request: &str, kinds: &[&str]) {
    let job = json!({ "v": 1, "user_id": "user_001", "request_id": request, "kinds": kinds });
    world.xadd("interactive", &job.to_string()).await;
    world
        .until_true("the run to end", async || {
            let ended = world
                .text(
                    "SELECT coalesce(string_agg(array_to_string(request_ids, ','), ','), '')
                     FROM api_v1.sync_runs WHERE finished_at IS NOT NULL",
                )
                .await;
            ended.split(',').any(|ended| ended == request)
        })
        .await;
}

#[tokio::test]
async fn a_night_that_comes_back_to_what_it_was_settles() {
    let world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    let rows = "SELECT (SELECT string_agg(ctid::text || xmin::text, ',' ORDER BY item, version) FROM polar_sync.raw_item
         WHERE kind = 'sleep')
        || (SELECT string_agg(ctid::text || xmin::text, ',' ORDER BY record_id) FROM polar_sync.sleep)
        || (SELECT coalesce(string_agg(ctid::text || xmin::text, ',' ORDER BY item, version), '')
            FROM polar_sync.quarantine)";
    let score = "SELECT score::bigint FROM api_v1.sleeps WHERE date = '2031-05-06'";
    // Two nights of the date in one answer, one of them empty: the longer one stands for it.
    let short = json!({ "date": "2031-05-06", "sleep_start_time": "2031-05-06T13:00:00Z",
        "sleep_end_time": "2031-05-06T13:20:00Z", "sleep_score": 11 });
    for (request, score_now) in [("a", 71), ("b", 72), ("a-again", 71)] {
        let nights = json!({ "nights": [night("2031-05-06", score_now), short] });
        answer(&world, "sleep.list", &nights).await;
        sync(&world, request, &["sleep"]).await;
        assert_eq!(world.number(score).await, i64::from(score_now));
    }
    let before = world.text(rows).await;
    sync(&world, "same", &["sleep"]).await;
    assert_eq!(world.text(rows).await, before);
    // What is not understood of a night is kept, and costs nothing but itself.
    let quarantined =
        "SELECT count(*) FROM polar_sync.quarantine WHERE kind = 'sleep' AND item = '2031-05-06'";
    assert_eq!(world.number(quarantined).await, 2);
    let stages = "SELECT count(*) FROM api_v1.sleep_stages JOIN api_v1.sleeps USING (sleep_id)
        WHERE date = '2031-05-06'";
    assert_eq!(world.number(stages).await, 2);
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_list_of_exercises_that_is_empty_or_not_understood_makes_nothing_gone() {
    let mut world = World::start(1, "small", &[]).await;
    world.set("SYNC__INCLUDE", "samples");
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world
        .until_true("the workouts to be stored", async || {
            world.differences().await.iter().all(|difference| {
                !difference.starts_with("exercises") && !difference.contains("unfinished")
            })
        })
        .await;
    let gone = "SELECT count(*) FROM api_v1.workouts WHERE 'gone' IN (samples_state, zones_state, route_state)";
    let lists = [
        json!({ "message": "soon" }),
        json!([{ "id": "kQ7mZx2B", "duration": [] }]),
        // Where something is stored, an answer that shows nothing proves nothing.
        json!([]),
    ];
    for (nth, list) in lists.iter().enumerate() {
        answer(&world, "exercises.list", list).await;
        let request = format!("zones-{nth}");
        let job = json!({ "v": 1, "user_id": "user_001", "request_id": request,
            "kinds": ["exercise"], "include": ["zones"] });
        let asked = world.sim.requests("exercises.list").await;
        world.xadd("interactive", &job.to_string()).await;
        world
            .until_true("the list to be asked for", async || {
                world.sim.requests("exercises.list").await > asked
            })
            .await;
        sync(&world, &format!("after-{nth}"), &["sleep"]).await;
        assert_eq!(world.number(gone).await, 0);
    }
    worker.stop().await;
    scheduler.stop().await;
}
