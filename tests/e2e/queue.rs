//! The queue as other programs use it.

use super::world::World;

#[tokio::test]
async fn messages_that_cannot_be_served_are_rejected_and_the_worker_goes_on() {
    let world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    let long = format!(
        r#"{{"v":1,"user_id":"user_001","x":"{}"}}"#,
        "x".repeat(5_000)
    );
    let bad = [
        "hello",
        r#"{"v":2,"user_id":"user_001"}"#,
        r#"{"v":1,"user_id":"nobody"}"#,
        r#"{"v":1,"user_id":"user_001","user_id":"user_002"}"#,
        r#"{"v":1,"user_id":"user_001","include":["gps"]}"#,
        &long,
    ];
    for job in bad {
        world.xadd("interactive", job).await;
    }
    world
        .xadd(
            "interactive",
            r#"{"v":1,"user_id":"user_001","request_id":"abc"}"#,
        )
        .await;
    world
        .until_true("the rejections", async || {
            world
                .redis
                .command::<usize>(&["XLEN", "polar-sync:rejected"])
                .await
                == bad.len()
        })
        .await;
    world
        .until(
            "the good one to be served",
            "SELECT count(*) FROM polar_sync.sync_request WHERE request_id = 'abc' AND state = 'done'",
            1,
        )
        .await;
    world.until_in_step().await;
    let left: usize = world
        .redis
        .command(&["XLEN", "polar-sync:jobs:interactive"])
        .await;
    assert_eq!(left, 0, "done entries leave the stream");
    worker.stop().await;
    scheduler.stop().await;
}
