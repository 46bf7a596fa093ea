//! Users who revoke access, or withdraw a consent; and a service that refuses everybody.

use rstest::rstest;
use serde_json::{Value, json};

use super::world::World;

const STATE: &str = "SELECT count(*) FROM api_v1.connections WHERE state = 'revoked'";

/// A world in which a revocation is confirmed after a second.
async fn world(users: u32) -> World {
    let mut world = World::start(users, "small", &[]).await;
    world.set("REVOCATION__CONFIRM_AFTER", "1s");
    world.connect(users).await;
    world
}

async fn events(world: &World, kind: &str) -> usize {
    let range: redis::streams::StreamRangeReply = world
        .redis
        .command(&["XRANGE", "polar-sync:events", "-", "+"])
        .await;
    let body = |id: &redis::streams::StreamId| id.get::<String>("event").unwrap();
    range
        .ids
        .iter()
        .filter(|id| body(id).contains(kind))
        .count()
}

#[rstest]
#[case::a_page(json!({ "type": "html" }))]
#[case::nothing(json!({ "type": "truncate", "after_bytes": 0 }))]
#[tokio::test]
async fn a_registration_that_was_not_done_does_not_revoke_anybody(#[case] answer: Value) {
    let world = World::start(1, "small", &[]).await;
    let fault = json!({ "op": "users.register", "times": 1, "action": answer });
    world.sim.post("/faults", fault).await;
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_a_run_ended().await;
    assert_eq!(world.number(STATE).await, 0);
    world.until_in_step().await;
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_revoked_user_is_told_of_once_and_not_called_again() {
    let world = world(2).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    world.sim.post("/users/10000001/revoke", json!({})).await;
    world
        .xadd("interactive", r#"{"v":1,"user_id":"user_001"}"#)
        .await;
    world.until("the user to be revoked", STATE, 1).await;
    world
        .until_true("the event", async || {
            events(&world, "connection.revoked").await == 1
        })
        .await;
    let calls = world.sim.requests("users.get").await;
    world
        .xadd(
            "interactive",
            r#"{"v":1,"user_id":"user_001","request_id":"late"}"#,
        )
        .await;
    world
        .until_true("the refusal", async || events(&world, "late").await == 1)
        .await;
    assert_eq!(world.sim.requests("users.get").await, calls);
    assert_eq!(events(&world, "connection.revoked").await, 1);
    world.assert_honest().await;
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn when_everybody_is_refused_nobody_is_revoked() {
    let world = world(4).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    world
        .sim
        .post("/revoke-all", json!({ "revoked": true }))
        .await;
    for number in 1..=4 {
        let job = format!(r#"{{"v":1,"user_id":"user_00{number}"}}"#);
        world.xadd("interactive", &job).await;
    }
    world
        .until(
            "everybody to be held",
            "SELECT count(*) FROM polar_sync.connection WHERE state = 'suspect' AND state_reason = 'held'",
            4,
        )
        .await;
    // An outage that lasts longer than suspects are held is one all the same.
    world
        .execute(
            "UPDATE polar_sync.connection SET suspect_since = suspect_since - interval '2 hours',
                 recheck_at = polar_sync.now()",
        )
        .await;
    world
        .until(
            "everybody to be looked at once more",
            "SELECT count(*) FROM polar_sync.connection
             WHERE state = 'suspect' AND recheck_at > polar_sync.now()",
            4,
        )
        .await;
    assert_eq!(world.number(STATE).await, 0);
    world
        .sim
        .post("/revoke-all", json!({ "revoked": false }))
        .await;
    world
        .execute("UPDATE polar_sync.connection SET recheck_at = polar_sync.now()")
        .await;
    world
        .until(
            "everybody to be active",
            "SELECT count(*) FROM api_v1.connections WHERE state = 'active'",
            4,
        )
        .await;
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn when_many_are_not_known_at_once_they_are_held() {
    const NOT_KNOWN: [u32; 4] = [1, 2, 3, 4];
    const GONE: &str = "SELECT count(*) FROM polar_sync.connection
        WHERE state = 'revoked' AND state_reason = 'deregistered'";
    const HELD: &str = "SELECT count(*) FROM polar_sync.connection WHERE state = 'suspect' AND state_reason = 'held'";
    let world = world(6).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    for number in NOT_KNOWN {
        let user = 10_000_000 + number;
        let fault = json!({ "id": user.to_string(), "op": "*", "user": user, "times": null,
            "action": { "type": "status", "status": 404 } });
        world.sim.post("/faults", fault).await;
        let job = format!(r#"{{"v":1,"user_id":"user_00{number}"}}"#);
        world.xadd("interactive", &job).await;
        // Two of six may have gone. The third would be half of them, within minutes.
        let (gone, waiting) = (number.min(2), number.saturating_sub(2));
        world.until("a user to be gone", GONE, gone.into()).await;
        world.until("a user to be held", HELD, waiting.into()).await;
    }
    assert_eq!(world.number(STATE).await, 2);
    for number in NOT_KNOWN {
        let fault = format!("/faults/{}", 10_000_000 + number);
        world.sim.delete(&fault).await;
    }
    world
        .execute("UPDATE polar_sync.connection SET recheck_at = polar_sync.now() WHERE state = 'suspect'")
        .await;
    let active = "SELECT count(*) FROM api_v1.connections WHERE state = 'active'";
    world.until("the others to be active", active, 4).await;
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_withdrawn_consent_is_waited_for() {
    let world = world(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    world
        .sim
        .post("/users/10000001/consent", json!({ "given": false }))
        .await;
    world
        .xadd("interactive", r#"{"v":1,"user_id":"user_001"}"#)
        .await;
    world
        .until(
            "the consent to be missed",
            "SELECT count(*) FROM api_v1.connections WHERE state = 'consent_required'",
            1,
        )
        .await;
    world
        .sim
        .post("/users/10000001/consent", json!({ "given": true }))
        .await;
    world
        .execute("UPDATE polar_sync.connection SET recheck_at = polar_sync.now()")
        .await;
    world
        .until(
            "the user to be active",
            "SELECT count(*) FROM api_v1.connections WHERE state = 'active'",
            1,
        )
        .await;
    worker.stop().await;
    scheduler.stop().await;
}
