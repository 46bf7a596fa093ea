//! A hundred thousand connections: what a real scheduler costs while none is due, how fast it moves
//! them to the lane when all of them are at once, and how evenly the next time is spread.

use std::time::Duration;

use jiff::Timestamp;
use polar_sync::{job::due::next_slot, model::ConnectionId};

use crate::{
    Scale, process,
    servers::Servers,
    table::Row,
    world::{World, execute, number},
};

/// Connections that are due.
const CONNECTIONS: usize = 100_000;

/// The safety interval over which they are spread, and the slots that are compared.
const INTERVAL: Duration = Duration::from_hours(6);
const SLOTS: u32 = 72;

/// How long the scheduler is watched while nothing is due.
const WATCHED: Duration = Duration::from_secs(5);

/// The most that Postgres may take of a core then.
const IDLE_PERCENT: f64 = 10.0;

/// The fullest slot may hold so much more than the average one. Chance alone gives about 1.08.
const FULLEST: f64 = 1.15;

/// What one repetition showed.
struct Moved {
    idle_percent: f64,
    elapsed_s: f64,
}

pub(crate) async fn measure(servers: &Servers, scale: Scale) -> Vec<Row> {
    let connections = scale.count(CONNECTIONS);
    let mut moved = Vec::new();
    let names = ["due_1", "due_2", "due_3"];
    for name in names.into_iter().take(scale.repetitions(names.len())) {
        moved.push(move_all(servers, name, connections).await);
    }
    let each = |of: fn(&Moved) -> f64| moved.iter().map(of).collect::<Vec<_>>();
    vec![
        Row::of(
            format!("schedule: {connections} due connections moved"),
            "s",
            &each(|one| one.elapsed_s),
        )
        .note(
            "a real scheduler: from the first request in Postgres to the last entry on the lane, \
             ticks of a second and batches of 2,000 included",
        ),
        Row::of(
            format!("schedule: Postgres CPU, none of {connections} connections due"),
            "% of a core",
            &each(|one| one.idle_percent),
        )
        .at_most(IDLE_PERCENT)
        .note("every kind of theirs is due later; a real scheduler looks every second"),
        Row::of(
            format!("schedule: fullest of {SLOTS} slots of the next interval"),
            "of the average",
            &[fullest_slot(connections)],
        )
        .at_most(FULLEST)
        .note("next_slot over 6 h"),
    ]
}

/// Watches a scheduler before and while everybody is due.
async fn move_all(servers: &Servers, name: &'static str, connections: usize) -> Moved {
    let mut world = World::new(servers, name, "single-summary", 1).await;
    let room = (2 * connections).to_string();
    world.set("SCHEDULE__BACKLOG_MAX", &room);
    let mut sql = world.sql().await;
    execute(&mut sql, &insert(connections)).await;
    // As autovacuum would have done long ago, and not while Postgres is watched.
    execute(&mut sql, "VACUUM ANALYZE").await;
    let scheduler = world.start("scheduler").await;
    let idle_percent = idle_percent(servers).await;
    execute(&mut sql, MAKE_DUE).await;
    // There may be a few more: what is on its way to Redis when the scheduler finds Redis empty, as
    // it does at its first start, is put there twice.
    let all = u64::try_from(connections).unwrap();
    world.until_lane(|entries| entries >= all).await;
    let since = "extract(epoch FROM clock_timestamp() - min(created_at))";
    let query = format!("SELECT {since} FROM polar_sync.sync_request");
    let elapsed_s = number(&mut sql, &query).await;
    let distinct = "SELECT count(DISTINCT connection_id) FROM polar_sync.sync_request";
    let requested = number(&mut sql, distinct).await;
    let all = f64::from(u32::try_from(connections).unwrap());
    assert!(
        (requested - all).abs() < 0.5,
        "{requested} of {connections} connections have a request"
    );
    scheduler.stop().await;
    Moved {
        idle_percent,
        elapsed_s,
    }
}

/// What Postgres takes of a core while a scheduler finds nothing to do.
async fn idle_percent(servers: &Servers) -> f64 {
    let before = process::family_cpu_s(servers.postgres_pid());
    tokio::time::sleep(WATCHED).await;
    let after = process::family_cpu_s(servers.postgres_pid());
    (after - before) / WATCHED.as_secs_f64() * 100.0
}

/// Connections with every kind, none of which is due.
fn insert(connections: usize) -> String {
    format!(
        "CREATE TEMPORARY TABLE new AS
             SELECT gen_random_uuid() AS connection_id, n FROM generate_series(1, {connections}) n;
         INSERT INTO polar_sync.connection
             (connection_id, user_id, polar_user_id, state, state_since, connected_at, registered_at)
             SELECT connection_id, 'user_' || n, n, 'active', now(), now(), now() FROM new;
         INSERT INTO polar_sync.sync_state (connection_id) SELECT connection_id FROM new;
         INSERT INTO polar_sync.kind_state (connection_id, kind, next_due_at)
             SELECT connection_id, kind, now() + interval '1 day'
             FROM new, unnest(ARRAY['exercise', 'activity', 'physical_information', 'sleep',
                 'nightly_recharge']) AS kind"
    )
}

/// Makes one kind of every connection due.
const MAKE_DUE: &str =
    "UPDATE polar_sync.kind_state SET next_due_at = now() - random() * interval '1 hour'
    WHERE kind = 'exercise'";

/// Connections in the fullest slot of the interval, in averages.
fn fullest_slot(connections: usize) -> f64 {
    let mut slots = vec![0_u32; usize::try_from(SLOTS).unwrap()];
    let length_s = INTERVAL.as_secs() / u64::from(SLOTS);
    for _ in 0..connections {
        let next = next_slot(ConnectionId::new(), INTERVAL, Timestamp::UNIX_EPOCH);
        let into_interval_s = next.as_second().unsigned_abs() % INTERVAL.as_secs();
        slots[usize::try_from(into_interval_s / length_s).unwrap()] += 1;
    }
    let average = f64::from(u32::try_from(connections).unwrap()) / f64::from(SLOTS);
    slots.into_iter().map(f64::from).fold(0.0, f64::max) / average
}
