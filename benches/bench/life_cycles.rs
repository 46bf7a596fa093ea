//! Full life cycles of an AccessLink transaction through a real worker, with its defaults: one user
//! with one exercise each, from the entry on the lane to the create that is answered with 204.

use std::{collections::BTreeMap, time::Duration};

use polar_sync::{model::Lane, queue::Message};
use tokio::time::Instant;

use crate::{
    Scale, process,
    role::Role,
    servers::Servers,
    table::Row,
    world::{World, number},
};

/// What every user has, and what the worker is told to fetch of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Profile {
    name: &'static str,
    database: &'static str,
    /// The simulator's profile.
    simulated: &'static str,
    /// `sync.include`.
    include: &'static str,
    users: usize,
    aim: f64,
    cpu_aim_ms: Option<f64>,
}

/// One exercise without samples.
pub(crate) const SUMMARY: Profile = Profile {
    name: "life cycles, summary",
    database: "life_cycles_summary",
    simulated: "single-summary",
    include: "zones",
    users: 1_000,
    aim: 400.0,
    cpu_aim_ms: Some(0.8),
};

/// One exercise with an hour of heart rate.
pub(crate) const HEART_RATE: Profile = Profile {
    name: "life cycles, 3,600 samples",
    database: "life_cycles_heart_rate",
    simulated: "single-hr",
    include: "samples,zones",
    users: 400,
    aim: 150.0,
    cpu_aim_ms: None,
};

/// How long a worker is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);

/// The most memory that a worker without work may take.
const IDLE_MIB: f64 = 40.0;

/// The most Postgres transactions that a life cycle may take.
const TX: f64 = 4.0;

/// What one repetition took.
struct Taken {
    users: f64,
    elapsed_s: f64,
    worker_s: f64,
    simulator_s: f64,
    postgres_s: f64,
    redis_s: f64,
    tx: BTreeMap<String, f64>,
    answers: BTreeMap<String, u64>,
}

pub(crate) async fn measure(servers: &Servers, scale: Scale, profile: Profile) -> Vec<Row> {
    let (users, repetitions) = (scale.count(profile.users), scale.repetitions(5));
    // The first round fills caches and pools, and does not count.
    let accounts = users * (repetitions + 1);
    let mut world = World::new(servers, profile.database, profile.simulated, accounts).await;
    world.set("SYNC__KINDS", "exercise");
    world.set("SYNC__INCLUDE", profile.include);
    let messages = world.connect(accounts).await;
    let commits_before = commits(&world).await;
    let worker = world.start("worker").await;
    tokio::time::sleep(SETTLE).await;
    let idle_mib = process::memory_mib(worker.pid, "VmRSS");
    let mut taken = Vec::with_capacity(repetitions);
    for (round, batch) in messages.chunks(users).enumerate() {
        let one = run(&world, &worker, batch).await;
        if round > 0 {
            taken.push(one);
        }
    }
    let loaded_mib = process::memory_mib(worker.pid, "VmHWM");
    // Servers count what a connection did for certain only when it ends.
    worker.stop().await;
    let commits = commits(&world).await - commits_before;
    check(&world, accounts).await;
    let mut rows = rows(profile, &taken);
    let name = profile.name;
    rows.extend([
        Row::of(
            format!("{name}: commits in all"),
            "a life cycle",
            &[commits / float(accounts)],
        )
        .note("xact_commit: named transactions, and single statements outside of them"),
        Row::of(format!("{name}: idle worker"), "MiB", &[idle_mib])
            .at_most(IDLE_MIB)
            .note("VmRSS before the first job"),
        Row::of(format!("{name}: loaded worker"), "MiB", &[loaded_mib])
            .note("VmHWM, the most it ever had"),
    ]);
    rows
}

/// Puts the jobs of users on the lane, and waits until all of them are done.
async fn run(world: &World<'_>, worker: &Role, batch: &[Message]) -> Taken {
    let servers = world.servers;
    let cpu = || {
        [
            process::cpu_s(worker.pid),
            process::family_cpu_s(servers.postgres_pid()),
            process::cpu_s(servers.redis_pid()),
        ]
    };
    let (tx_before, stats_before, before) = (
        worker.transactions().await,
        world.simulator.stats().await,
        cpu(),
    );
    let started = Instant::now();
    world
        .enqueuer
        .push_many(Lane::Periodic, batch)
        .await
        .unwrap();
    world.until_lane(|entries| entries == 0).await;
    let elapsed_s = started.elapsed().as_secs_f64();
    let (after, stats, tx) = (
        cpu(),
        world.simulator.stats().await,
        worker.transactions().await,
    );
    let users = float(batch.len());
    let more = |tx: (String, f64)| {
        let before = tx_before.get(&tx.0).copied().unwrap_or(0.0);
        (tx.0, (tx.1 - before) / users)
    };
    let answered = |answer: (String, u64)| {
        let before = stats_before.answers.get(&answer.0).copied().unwrap_or(0);
        (answer.0, answer.1 - before)
    };
    Taken {
        users,
        elapsed_s,
        worker_s: after[0] - before[0],
        simulator_s: stats.cpu_s - stats_before.cpu_s,
        postgres_s: after[1] - before[1],
        redis_s: after[2] - before[2],
        tx: tx.into_iter().map(more).collect(),
        answers: stats.answers.into_iter().map(answered).collect(),
    }
}

fn rows(profile: Profile, taken: &[Taken]) -> Vec<Row> {
    let name = profile.name;
    let each = |of: fn(&Taken) -> f64| taken.iter().map(of).collect::<Vec<_>>();
    let last = &taken[taken.len() - 1];
    let calls = last.answers.iter().filter(|(_, count)| **count > 0);
    let calls: Vec<_> = calls
        .map(|(call, count)| format!("{:.0} {call}", float_of(*count) / last.users))
        .collect();
    let named = last.tx.iter().filter(|(_, count)| **count > 0.0);
    let named: Vec<_> = named
        .map(|(name, count)| format!("{count:.2} {name}"))
        .collect();
    let cpu = Row::of(
        format!("{name}: worker CPU"),
        "ms a life cycle",
        &each(|one| one.worker_s * 1e3 / one.users),
    );
    let cpu = match profile.cpu_aim_ms {
        Some(aim_ms) => cpu.at_most(aim_ms),
        None => cpu,
    };
    vec![
        Row::of(name, "/s", &each(|one| one.users / one.elapsed_s))
            .at_least(profile.aim)
            .note(format!(
                "one worker, {} users at once on the periodic lane; calls: {}",
                last.users,
                calls.join(", ")
            )),
        cpu.note("user and kernel"),
        Row::of(
            format!("{name}: simulator CPU"),
            "ms a life cycle",
            &each(|one| one.simulator_s * 1e3 / one.users),
        ),
        Row::of(
            format!("{name}: Postgres CPU"),
            "ms a life cycle",
            &each(|one| one.postgres_s * 1e3 / one.users),
        ),
        Row::of(
            format!("{name}: Redis CPU"),
            "ms a life cycle",
            &each(|one| one.redis_s * 1e3 / one.users),
        ),
        Row::of(
            format!("{name}: Postgres tx"),
            "a life cycle",
            &each(|one| one.tx.values().sum()),
        )
        .at_most(TX)
        .note(named.join(", ")),
    ]
}

/// Transactions that Postgres committed for this database.
async fn commits(world: &World<'_>) -> f64 {
    let query = format!(
        "SELECT xact_commit FROM pg_stat_database WHERE datname = '{}'",
        world.database_name()
    );
    number(&mut world.servers.admin().await, &query).await
}

/// A number is worth something only when the work was done: everything stored and committed once.
async fn check(world: &World<'_>, users: usize) {
    let mut sql = world.sql().await;
    for query in [
        "SELECT count(*) FROM polar_sync.sync_run WHERE outcome = 'ok' AND items_new = 1",
        "SELECT count(*) FROM polar_sync.remote_transaction WHERE phase = 'committed'",
        "SELECT count(*) FROM api_v1.workouts",
    ] {
        let count = number(&mut sql, query).await;
        assert!(
            (count - float(users)).abs() < 0.5,
            "{count} of {users}: {query}"
        );
    }
}

fn float(count: usize) -> f64 {
    float_of(count as u64)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn float_of(count: u64) -> f64 {
    count as f64
}
