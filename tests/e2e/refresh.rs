//! Refresh tokens that work once: of all workers one uses them, whatever happens to it.

use std::time::Duration;

use futures::future::join_all;
use polar_sync::{
    accesslink::Urgency,
    connection::{Session, Standing, ask},
    role::Ground,
};
use serde_json::json;

use super::world::{World, user};

const WORKERS: usize = 50;

const GENERATION: &str = "SELECT token_generation FROM polar_sync.connection";

/// How long an access token lives.
const LIFE_S: u32 = 3_600;

/// A world with one user, whose refresh tokens work once each, and whose access tokens end.
async fn world() -> World {
    let life = format!("expires_in_s={LIFE_S}");
    let switches = ["refresh_tokens=rotating", "token_expiry=honoured", &life];
    let switches = switches.map(|switch| ["--switch", switch]).concat();
    let mut world = World::start(1, "small", &switches).await;
    world.set("REVOCATION__CONFIRM_AFTER", "1s");
    world.connect_with_refresh_token(0).await;
    world
}

/// Refuses the next calls of an operation, whatever their token.
async fn refuse(world: &World, operation: &str, times: usize) {
    let fault =
        json!({ "op": operation, "times": times, "action": { "type": "status", "status": 401 } });
    world.sim.post("/faults", fault).await;
}

/// Sessions of the same connection, as so many workers would open them at once.
async fn sessions(world: &mut World) -> Vec<Session> {
    world.set("DATABASE__POOL_MAX", "1");
    let config = world.config();
    let mut sessions = Vec::new();
    for _ in 0..WORKERS {
        let ground = Ground::lay(&config, Duration::ZERO).await.unwrap();
        let access = ground.access(&config).await.unwrap();
        let row = access.store.connection_of_user(&user(0)).await.unwrap();
        sessions.push(Session::open(access, row.unwrap(), Urgency::Normal).unwrap());
    }
    sessions
}

#[tokio::test]
async fn fifty_workers_whose_token_is_refused_refresh_it_once() {
    let mut world = world().await;
    let sessions = sessions(&mut world).await;
    let past = json!({ "advance_s": LIFE_S + 1 });
    world.sim.post("/clock", past).await;
    let standings = join_all(sessions.iter().map(ask)).await;
    for standing in standings {
        // Not registered yet, and known by the new token.
        assert!(
            !matches!(standing, Ok(Standing::Unauthorized) | Err(_)),
            "{standing:?}"
        );
    }
    assert_eq!(world.sim.requests("token").await, 1);
    assert_eq!(world.number(GENERATION).await, 2);
    for session in &sessions {
        assert_eq!(session.generation().await, 2);
    }
}

#[tokio::test]
async fn fifty_workers_with_a_refresh_token_that_is_refused_try_it_once() {
    let mut world = world().await;
    let sessions = sessions(&mut world).await;
    world.sim.post("/users/10000001/revoke", json!({})).await;
    let standings = join_all(sessions.iter().map(ask)).await;
    for standing in standings {
        assert!(
            matches!(standing, Ok(Standing::Unauthorized)),
            "{standing:?}"
        );
    }
    assert_eq!(world.sim.requests("token").await, 1);
    assert_eq!(world.number(GENERATION).await, 1);
}

#[tokio::test]
async fn a_worker_killed_before_it_stored_new_tokens_is_waited_for_and_then_replaced() {
    let world = world().await;
    let hold = json!({ "op": "token", "when": "after", "times": 1, "action": { "type": "hold" } });
    let hold = world.sim.post("/faults", hold).await;
    let hold = hold["id"].as_str().unwrap().to_owned();
    refuse(&world, "users.get", 1).await;
    let (scheduler, victim) = (world.spawn("scheduler"), world.spawn("worker"));
    world
        .sim
        .get(&format!("/faults/{hold}/held?timeout_ms=60000"))
        .await;
    victim.kill().await;
    world
        .sim
        .post(&format!("/faults/{hold}/release"), json!({}))
        .await;

    // Whoever comes next is refused as well, and does not use the refresh token while its first use may still come
    // to something.
    refuse(&world, "users.get", 1).await;
    let heir = world.spawn("worker");
    world
        .until(
            "a run that could not refresh",
            "SELECT least(count(*), 1) FROM api_v1.sync_runs WHERE error_class = 'refresh'",
            1,
        )
        .await;
    assert_eq!(world.sim.requests("token").await, 1);

    // The victim's claim has ended. Its new tokens are lost, and the old refresh token has had its use; the old access
    // token, which nobody revoked, still works.
    world
        .execute("UPDATE polar_sync.clock SET shift = shift + interval '10 minutes'")
        .await;
    refuse(&world, "users.get", 1).await;
    world
        .xadd("interactive", r#"{"v":1,"user_id":"user_001"}"#)
        .await;
    world
        .until_true("a second use of the refresh token", async || {
            world.sim.requests("token").await == 2
        })
        .await;
    world
        .until(
            "a sync with the old access token",
            "SELECT count(*) FROM polar_sync.sync_request WHERE state = 'done' AND lane = 'interactive'",
            1,
        )
        .await;
    world.until_in_step().await;
    assert_eq!(
        world.text("SELECT state FROM api_v1.connections").await,
        "active"
    );
    assert_eq!(world.number(GENERATION).await, 1);
    heir.stop().await;
    scheduler.stop().await;
}

/// From now on sessions of this database commit without waiting for the disk unless they say otherwise, and every write
/// of one that does not say so is refused.
const UNDURABLE: &str = "
    CREATE FUNCTION refuse_undurable() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_setting('synchronous_commit') <> 'on' THEN
            RAISE 'what is written to % may be lost', TG_TABLE_NAME;
        END IF;
        RETURN NULL;
    END $$;
    DO $$ DECLARE written name; BEGIN
        FOR written IN SELECT tablename FROM pg_tables WHERE schemaname = 'polar_sync' LOOP
            EXECUTE format('CREATE TRIGGER undurable AFTER INSERT OR UPDATE OR DELETE ON polar_sync.%I
                FOR EACH STATEMENT EXECUTE FUNCTION refuse_undurable()', written);
        END LOOP;
        EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database());
    END $$";

#[tokio::test]
async fn what_is_committed_is_durable_whatever_the_server_does_by_default() {
    let world = world().await;
    world.execute(UNDURABLE).await;
    refuse(&world, "users.get", 1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    assert_eq!(
        world.number(GENERATION).await,
        2,
        "new tokens are written too"
    );
    world.assert_honest().await;
    worker.stop().await;
    scheduler.stop().await;
}
