//! The quota as Polar counts it: eight workers use it up, and never more than that, whatever happens to them or to
//! Redis. What is counted here is counted by the simulator.

use futures::future::join_all;
use serde_json::{Value, json};

use super::{
    processes::Role,
    world::{World, user},
};

const WORKERS: usize = 8;

/// Users of a quota that is smaller than what they have.
const USERS: u32 = 20;

/// Polar grants 900 requests to a client with so many users.
const LIMIT: u64 = 400;

/// [`LIMIT`] by 900, and a bit for what is cut off.
const SCALE: &str = "0.4445";

/// What the default of `quota.interactive_reserve` leaves to work that nobody waits for.
const NORMAL_LIMIT: u64 = LIMIT - LIMIT / 10;

/// So much of a budget has to be used when there is more to do.
const USED_MIN: f64 = 0.95;

/// Calls that one run has under way at once, by the default of `sync.fetch_concurrency`.
const CALLS_AT_ONCE: u64 = 4;

/// The users' requests, open and none of them running: they wait for a window.
const WAITING: &str = "SELECT count(DISTINCT connection_id) FROM polar_sync.sync_request r
    WHERE state = 'open' AND not_before > polar_sync.now()
      AND NOT EXISTS (SELECT FROM polar_sync.sync_state s
          WHERE s.connection_id = r.connection_id AND s.lease_until IS NOT NULL)";

/// Attempts used, and kinds given up.
const COSTS: &str = "SELECT coalesce(sum(attempts), 0) + (SELECT count(*) FROM polar_sync.dead)
    FROM polar_sync.kind_state";

/// What the simulator says of its windows.
struct Windows {
    used: u64,
    limit: u64,
    /// The short windows that have ended, the latest first.
    ended: Vec<u64>,
    refused: u64,
}

async fn windows(world: &World) -> Windows {
    let stats = world.sim.get("/stats").await;
    let (windows, number) = (&stats["windows"], |value: &Value| value.as_u64().unwrap());
    Windows {
        used: number(&windows["short"]["used"]),
        limit: number(&windows["short"]["limit"]),
        ended: windows["ended"]
            .as_array()
            .unwrap()
            .iter()
            .map(number)
            .collect(),
        refused: number(&stats["refused"]),
    }
}

/// A world with users who have much more than a window lets through. All are registered, so that the limit stays.
async fn world(simulator: &[&str]) -> World {
    let simulator = [&["--quota-scale", SCALE][..], simulator].concat();
    let world = World::start(USERS, "small", &simulator).await;
    for number in 0..USERS {
        world
            .connect_by(number, json!({ "registered": true }))
            .await;
    }
    assert_eq!(windows(&world).await.limit, LIMIT);
    world
}

async fn ask(world: &World, lane: &str, number: u32, fields: &str) {
    let job = format!(r#"{{"v":1,"user_id":"{}"{fields}}}"#, user(number));
    world.xadd(lane, &job).await;
}

fn fleet(world: &World) -> Vec<Role> {
    (0..WORKERS).map(|_| world.spawn("worker")).collect()
}

async fn stop(fleet: Vec<Role>) {
    for code in join_all(fleet.into_iter().map(Role::stop)).await {
        assert_eq!(code, Some(0));
    }
}

/// Waits until so much of the window is used.
async fn until_used(world: &World, requests: u64) {
    let what = format!("{requests} requests");
    world
        .until_true(&what, async || windows(world).await.used >= requests)
        .await;
}

/// What is at least used of a budget.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "budgets of a few hundred requests"
)]
fn most_of(budget: u64) -> u64 {
    (budget as f64 * USED_MIN).ceil() as u64
}

async fn assert_nobody_paid(world: &World) {
    assert_eq!(world.number(COSTS).await, 0, "waiting costs no attempt");
    world.assert_honest().await;
}

/// Of every window that has ended most of `budget` was used, nothing was refused, and it cost nobody anything.
async fn assert_used_up(world: &World, seen: Windows, budget: u64) {
    for used in seen.ended {
        assert!(
            (most_of(budget)..=LIMIT).contains(&used),
            "{used} of {budget}"
        );
    }
    assert_eq!(seen.refused, 0);
    assert_nobody_paid(world).await;
}

#[tokio::test]
async fn eight_workers_use_up_what_nobody_waits_for_and_are_never_refused() {
    let world = world(&["--switch", "short_window_s=20"]).await;
    let fleet = fleet(&world);
    let scheduler = world.spawn("scheduler");
    world
        .until_true("two windows to end", async || {
            windows(&world).await.ended.len() >= 2
        })
        .await;
    let seen = windows(&world).await;
    eprintln!(
        "requests in ended windows of {NORMAL_LIMIT}: {:?}",
        seen.ended
    );
    assert_used_up(&world, seen, NORMAL_LIMIT).await;
    stop(fleet).await;
    scheduler.stop().await;
}

#[tokio::test]
async fn people_who_wait_use_up_the_rest() {
    let world = world(&["--switch", "short_window_s=20"]).await;
    let fleet = fleet(&world);
    let scheduler = world.spawn("scheduler");
    // Half of the users wait for everything they have, and ask again and again.
    world
        .until_true("two windows to end", async || {
            for number in 0..USERS / 2 {
                ask(&world, "interactive", number, "").await;
            }
            windows(&world).await.ended.len() >= 2
        })
        .await;
    let seen = windows(&world).await;
    eprintln!("requests in ended windows of {LIMIT}: {:?}", seen.ended);
    assert_used_up(&world, seen, LIMIT).await;
    stop(fleet).await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_window_is_spent_once_whoever_dies_and_whatever_redis_forgets() {
    let mut world = world(&[]).await;
    world.set("SCHEDULE__NOTIFICATIONS_EVERY", "1h");
    // The last user comes when the others have spent what they may.
    world
        .execute("UPDATE polar_sync.connection SET state = 'paused' WHERE user_id = 'user_020'")
        .await;
    let mut fleet = fleet(&world);
    let scheduler = world.spawn("scheduler");
    until_used(&world, NORMAL_LIMIT / 4).await;
    // It holds permits, sent and not sent.
    fleet.pop().unwrap().kill().await;
    until_used(&world, NORMAL_LIMIT / 2).await;
    let () = world.redis.command(&["FLUSHALL"]).await;
    until_used(&world, most_of(NORMAL_LIMIT)).await;
    world
        .until_true("what nobody waits for to be put off", async || {
            let seen = ["HGET", "polar-sync:quota", "short.seen"];
            world.redis.command::<u64>(&seen).await >= NORMAL_LIMIT
        })
        .await;
    let spent = windows(&world).await.used;

    // Somebody waits for the nights, and the reserve is there for it.
    world
        .execute("UPDATE polar_sync.connection SET state = 'active' WHERE user_id = 'user_020'")
        .await;
    ask(&world, "interactive", USERS - 1, r#","kinds":["sleep"]"#).await;
    world
        .until(
            "the one who waits to be served",
            "SELECT count(*) FROM polar_sync.kind_state k JOIN polar_sync.connection c USING (connection_id)
             WHERE c.user_id = 'user_020' AND k.kind = 'sleep' AND k.last_success_at IS NOT NULL",
            1,
        )
        .await;
    let seen = windows(&world).await;
    eprintln!(
        "{spent} of {NORMAL_LIMIT} requests, {} of {LIMIT} with an interactive one",
        seen.used
    );
    assert!(seen.ended.is_empty(), "all of it was one window");
    assert!(seen.used > spent && seen.used <= LIMIT, "{}", seen.used);
    assert_eq!(seen.refused, 0);
    assert_nobody_paid(&world).await;
    stop(fleet).await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_spent_window_stays_spent_when_redis_forgets_and_nobody_else_is_there() {
    const KEPT: &str =
        "SELECT coalesce(max((checkpoint->'short'->>'used')::bigint), 0) FROM polar_sync.quota";
    let world = world(&[]).await;
    let (worker, scheduler) = (world.spawn("worker"), world.spawn("scheduler"));
    until_used(&world, most_of(NORMAL_LIMIT)).await;
    world
        .until_true(
            "all of the window to be used, and that to be kept",
            async || {
                for number in 0..USERS {
                    ask(&world, "interactive", number, "").await;
                }
                u64::try_from(world.number(KEPT).await).unwrap() >= LIMIT
            },
        )
        .await;
    let before = windows(&world).await;

    // Those who know how much is used are gone, with Redis' memory.
    worker.kill().await;
    scheduler.kill().await;
    let () = world.redis.command(&["FLUSHALL"]).await;
    let worker = world.spawn("worker");
    world
        .execute("UPDATE polar_sync.sync_request SET not_before = NULL WHERE state = 'open'")
        .await;
    // Not the moment in which a fleet tells what it holds: the window.
    let put_off = "SELECT count(*) FROM polar_sync.sync_request
        WHERE state = 'open' AND not_before > polar_sync.now() + interval '1 minute'";
    world
        .until_true(
            "somebody who waits to be put off until the window ends",
            async || {
                ask(&world, "interactive", 0, "").await;
                world.number(put_off).await > 0
            },
        )
        .await;
    let seen = windows(&world).await;
    eprintln!(
        "{} of {LIMIT} requests, and {} after the wipe",
        before.used, seen.used
    );
    assert_eq!((seen.used, seen.refused), (before.used, 0));
    assert!(seen.ended.is_empty(), "all of it was one window");
    assert_nobody_paid(&world).await;
    worker.stop().await;
}

/// Everything is answered 429, with these headers.
async fn storm(world: &World, headers: Value) {
    let refusal = json!({ "type": "status", "status": 429, "headers": headers });
    let fault = json!({ "id": "storm", "op": "*", "times": null, "action": refusal });
    world.sim.post("/faults", fault).await;
}

/// Requests answered so far.
async fn answered(world: &World) -> u64 {
    let stats = world.sim.get("/stats").await;
    let operations = stats["requests"].as_object().unwrap().values();
    let answers = operations.flat_map(|by_status| by_status.as_object().unwrap().values());
    answers.filter_map(Value::as_u64).sum()
}

#[tokio::test]
async fn a_storm_of_429_stops_the_fleet_and_costs_nothing() {
    const USERS: u32 = 6;
    let world = World::start(USERS, "small", &[]).await;
    world.connect(USERS).await;
    // Headers that say nothing, as if there were none.
    let silent = ["ratelimit-usage", "ratelimit-limit", "ratelimit-reset"].map(|name| (name, ""));
    storm(&world, silent.into_iter().collect()).await;
    let (scheduler, mut fleet) = (world.spawn("scheduler"), Vec::new());
    fleet.extend((0..3).map(|_| world.spawn("worker")));
    world
        .until("everybody to wait", WAITING, USERS.into())
        .await;
    let before = answered(&world).await;
    let notifications = u64::from(before > 0);
    assert!(
        before <= u64::from(USERS) * CALLS_AT_ONCE + notifications,
        "{before} calls into a storm"
    );

    // The whole fleet stays away, whatever is asked of it.
    for number in 0..USERS {
        ask(&world, "interactive", number, "").await;
    }
    let snoozed = "SELECT count(DISTINCT connection_id) FROM polar_sync.sync_run
        WHERE lane = 'interactive' AND outcome = 'snoozed'";
    world
        .until("everybody to be put off", snoozed, USERS.into())
        .await;
    assert_eq!(answered(&world).await, before);
    assert_eq!(world.number(COSTS).await, 0);

    // The pause that was guessed is over, and from now on Polar says itself how long.
    storm(&world, json!({ "retry-after": "1" })).await;
    let closed = &["HDEL", "polar-sync:quota", "closed"];
    let _: i64 = world.redis.command(closed).await;
    world
        .until_true("further refusals", async || {
            // A process keeps what it heard of the pause for a moment.
            for number in 0..USERS {
                ask(&world, "interactive", number, "").await;
            }
            answered(&world).await >= before + u64::from(USERS)
        })
        .await;
    assert_eq!(world.number(COSTS).await, 0);
    world.sim.delete("/faults/storm").await;
    world
        .execute("UPDATE polar_sync.kind_state SET next_due_at = polar_sync.now()")
        .await;
    world.until_in_step().await;
    assert_nobody_paid(&world).await;
    eprintln!("{before} calls into the storm before the fleet stopped");
    stop(fleet).await;
    scheduler.stop().await;
}
