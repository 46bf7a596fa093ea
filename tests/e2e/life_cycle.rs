//! The plain life: everything that Polar offers is stored once, and committed.

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
