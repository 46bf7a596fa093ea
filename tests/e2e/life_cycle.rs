//! The plain life: everything that Polar offers is stored once, and committed.

use serde_json::json;

use super::world::{FIRST_ACCOUNT, World};

#[tokio::test]
async fn everything_offered_is_stored_once_and_committed() {
    let world = World::start(3, "small", &[]).await;
    world.connect(3).await;
    let (scheduler, workers) = (
        world.spawn("scheduler"),
        [world.spawn("worker"), world.spawn("worker")],
    );
    world.until_in_step().await;
    world.assert_honest().await;
    for number in 0..3 {
        world.assert_content(FIRST_ACCOUNT + number).await;
    }
    assert_eq!(scheduler.stop().await, Some(0));
    for worker in workers {
        assert_eq!(worker.stop().await, Some(0));
    }
}

#[tokio::test]
async fn more_items_than_a_transaction_holds_are_all_stored() {
    let world = World::start(1, "small", &[]).await;
    world.connect_by(0, json!({ "registered": true })).await;
    for _ in 0..60 {
        let path = format!("/users/{FIRST_ACCOUNT}/exercises");
        world.sim.post(&path, json!({})).await;
    }
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    assert!(world.number("SELECT count(*) FROM api_v1.workouts").await >= 60);
    // AccessLink puts at most 50 items into one.
    let committed = "SELECT count(*) FROM polar_sync.remote_transaction
                     WHERE kind = 'exercise' AND phase = 'committed'";
    assert!(world.number(committed).await >= 2);
    world.assert_content(FIRST_ACCOUNT).await;
    world.assert_honest().await;
    worker.stop().await;
    scheduler.stop().await;
}
