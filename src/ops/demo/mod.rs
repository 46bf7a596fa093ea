//! `demo`: everything on private servers, against the simulator.
//!
//! Owns one run of the whole product from nothing to rows: servers, simulator and roles as processes of their own,
//! users who connect through OAuth as they would at Polar, and the proof that what the simulated Polar
//! offered is what readers see. Must never do by itself what a role does: all data comes through the queue
//! and the workers. Whatever it starts ends with it, killed or not ([`servers::leash`]).
//!
//! ```text
//! folder ─► PostgreSQL, Redis, simulator ─► migrate ─► api ─► connect users ─► scheduler, workers ─► in step? ─► summary
//! ```
//!
//! To show more: a count in `store::totals`, and a line in [`summary`].
//!
//! [`servers::leash`]: super::servers::leash

mod connecting;
mod folder;
mod loopback;
mod polar;
mod process;
mod settings;
mod summary;
mod waiting;
mod world;

use std::{ffi::OsString, io::Write};

use tokio::time::Instant;

use self::{
    connecting::connect_users,
    summary::Summary,
    waiting::{Waited, until_in_step},
    world::World,
};
use super::{Output, progress::Teller};
use crate::{
    cli::DemoArgs,
    clock::Clock,
    exit::{Code, Failure},
    role,
};

/// The roles that do the work, each with its name.
const WORKING: [(&str, &str); 3] = [
    ("scheduler", "scheduler"),
    ("worker", "worker-1"),
    ("worker", "worker-2"),
];

/// Runs the demo until it is told to stop, or with `--exit` until everything is synced. `environment` is that
/// of this process.
pub async fn run(
    args: &DemoArgs,
    environment: &[(OsString, OsString)],
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let stop = role::until_told_to_stop()?;
    let mut world = World::default();
    let shown = Box::pin(show(args, environment, &mut world, output));
    let shown = stop.run_until_cancelled(shown).await;
    let ended = world.end().await;
    shown.unwrap_or(Ok(()))?;
    ended
}

async fn show(
    args: &DemoArgs,
    environment: &[(OsString, OsString)],
    world: &mut World,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let teller = Teller::new();
    teller.say("starting PostgreSQL, Redis and the simulated Polar");
    let clock = Clock::default();
    let (api, store, polar) = world.start(args, &clock).await?;
    world.spawn_roles(&[("api", "api")], environment)?;
    let before = store.totals().await?;
    let runs_before = store.progress().await?.runs;
    teller.say("connecting users");
    connect_users(&api, &polar).await?;
    if world.may_go_on_to(clock.now()) {
        polar.go_on_to(clock.now()).await?;
    }
    teller.say("syncing what the simulated Polar has of them");
    world.spawn_roles(&WORKING, environment)?;
    let started = Instant::now();
    let waited = tokio::select! {
        waited = until_in_step(&store, &polar, &teller) => waited?,
        lost = world.lost() => return Err(lost?.into()),
    };
    teller.done();
    let summary = Summary {
        runs: waited.progress.runs - runs_before,
        rows_new: waited.totals.rows() - before.rows(),
        took: waited.at.duration_since(started),
        windows: polar.windows().await?,
        quota_scale: args.quota_scale,
        hints: world.hints(&api),
        waited: &waited,
    };
    summary.show(output, args.exit)?;
    judge(&waited, args)?;
    if args.exit {
        return Ok(());
    }
    Err(world.lost().await?.into())
}

/// The demo has failed when something that was offered is not stored.
fn judge(waited: &Waited, args: &DemoArgs) -> Result<(), Failure> {
    let differences: Vec<_> = waited.differences().map(ToString::to_string).collect();
    if differences.is_empty() {
        return Ok(());
    }
    let next_step = match &args.dir {
        Some(dir) => format!("look at the logs in {}", dir.display()),
        None => "run it with --dir DIR, and look at the logs there".to_owned(),
    };
    let differences = differences.join(", ");
    let cause =
        format!("what is stored differs from what the simulated Polar offered: {differences}");
    Err(Failure::new(Code::Fails, cause, next_step))
}
