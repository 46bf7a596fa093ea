//! All that a demo has started, in the order in which it is stopped again.

use std::{
    ffi::OsString,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
};

use anyhow::Context;
use futures::future::{BoxFuture, FutureExt, select_all};
use jiff::Timestamp;
use url::Url;

use super::{
    folder::{Folder, told},
    polar::Polar,
    process::{Executables, Process, Simulator},
    settings::{self, Settings},
    summary::Hints,
};
use crate::{
    cli::DemoArgs,
    clock::Clock,
    exit::{Code, Failure, WithExit},
    ops::servers::{DATABASE, Durability, Keeps, Postgres, Redis},
    store::Store,
};

/// All that a demo has started so far.
#[derive(Debug, Default)]
pub(super) struct World {
    folder: Option<Folder>,
    postgres: Option<Postgres>,
    redis: Option<Redis>,
    simulator: Option<Simulator>,
    roles: Vec<Process>,
    executables: Option<Executables>,
    database_url: String,
}

impl World {
    /// Starts everything that roles stand on; the configuration to reach it, the database to count what
    /// is stored, and the simulated Polar.
    pub(super) async fn start(
        &mut self,
        args: &DemoArgs,
        clock: &Clock,
    ) -> anyhow::Result<(Url, Store, Polar)> {
        let listen = free(args.listen)?;
        let executables = self.executables.insert(Executables::find()?);
        let folder = Folder::open(args.dir.as_deref(), args.users, clock.now()).await?;
        let folder = self.folder.insert(folder);
        // Data that nobody keeps need not outlive a power cut.
        let (durability, keeps) = match args.dir {
            Some(_) => (Durability::Durable, Keeps::Everything),
            None => (Durability::Fast, Keeps::Nothing),
        };
        let started = Postgres::start(&folder.path, durability).await;
        let postgres = self
            .postgres
            .insert(told(started, Code::PostgresUnreachable)?);
        let started = Redis::start(&folder.path, keeps).await;
        let redis = self.redis.insert(told(started, Code::RedisUnreachable)?);
        let simulator = executables
            .start_simulator(&folder.path, &folder.kept, args.quota_scale)
            .await?;
        let simulator = self.simulator.insert(simulator);
        self.database_url = postgres.url(DATABASE);
        let settings = Settings {
            database_url: &self.database_url,
            allow_unsafe: durability == Durability::Fast,
            redis_url: &redis.url(),
            simulator,
            key: &folder.kept.key,
            listen,
        };
        settings.write(&folder.path)?;
        let store = migrate(&self.database_url).await?;
        let polar = Polar::new(simulator.control.clone())?;
        Ok((Url::parse(&settings::public_url(listen))?, store, polar))
    }

    /// Starts these roles, each with its name.
    pub(super) fn spawn_roles(
        &mut self,
        roles: &[(&str, &str)],
        environment: &[(OsString, OsString)],
    ) -> anyhow::Result<()> {
        let (executables, folder) = self
            .executables
            .as_ref()
            .zip(self.folder.as_ref())
            .context("no world")?;
        let config = settings::file(&folder.path);
        for (role, name) in roles {
            let role = executables.spawn_role(role, name, &folder.path, &config, environment)?;
            self.roles.push(role);
        }
        Ok(())
    }

    /// Whether the simulated Polar may go on to this instant before its users are synced.
    pub(super) fn may_go_on_to(&self, now: Timestamp) -> bool {
        let folder = self.folder.as_ref();
        folder.is_some_and(|folder| folder.may_go_on_to(now))
    }

    /// How to look at what is stored.
    pub(super) fn hints(&self, api: &Url) -> Hints {
        let path = |path: Option<PathBuf>| path.unwrap_or_default();
        Hints {
            api: api.as_str().trim_end_matches('/').to_owned(),
            database_url: self.database_url.clone(),
            config: path(
                self.folder
                    .as_ref()
                    .map(|folder| settings::file(&folder.path)),
            ),
            executable: path(
                self.executables
                    .as_ref()
                    .map(|found| found.polar_sync.clone()),
            ),
        }
    }

    /// Waits until a process ends that nobody asked to end.
    pub(super) async fn lost(&mut self) -> anyhow::Result<Failure> {
        let mut ends: Vec<BoxFuture<'_, anyhow::Result<Failure>>> = Vec::new();
        if let Some(postgres) = &mut self.postgres {
            ends.push(
                postgres
                    .ended()
                    .map(|ended| Ok(gone("PostgreSQL", ended?)))
                    .boxed(),
            );
        }
        if let Some(redis) = &mut self.redis {
            ends.push(redis.ended().map(|ended| Ok(gone("Redis", ended?))).boxed());
        }
        let simulator = self
            .simulator
            .iter_mut()
            .map(|simulator| &mut simulator.process);
        for process in simulator.chain(&mut self.roles) {
            ends.push(process.lost().boxed());
        }
        if ends.is_empty() {
            return std::future::pending().await;
        }
        select_all(ends).await.0
    }

    /// Stops everything: first what relies on others.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        let roles = self.roles.into_iter().map(Process::stop);
        futures::future::try_join_all(roles).await?;
        if let Some(simulator) = self.simulator {
            simulator.process.stop().await?;
        }
        if let Some(redis) = self.redis {
            redis.stop().await?;
        }
        if let Some(postgres) = self.postgres {
            postgres.stop().await?;
        }
        if let Some(folder) = self.folder {
            folder.close().await?;
        }
        Ok(())
    }
}

/// The address, if nobody listens there; a free port of it where it has none.
fn free(listen: SocketAddr) -> Result<SocketAddr, Failure> {
    TcpListener::bind(listen)
        .and_then(|listener| listener.local_addr())
        .with_context(|| format!("listen on {listen}"))
        .exit(
            Code::AddressInUse,
            "choose another address with --listen, for example 127.0.0.1:8001",
        )
}

/// Brings the schema up to date; the database, for the demo's own counts.
async fn migrate(url: &str) -> anyhow::Result<Store> {
    let store = Store::connect_patiently(url).await?;
    store.migrate().await.context("migrate")?;
    Ok(store)
}

fn gone(server: &str, status: std::process::ExitStatus) -> Failure {
    let next_step = "start the demo again, with --dir DIR to keep its logs";
    Failure::new(Code::Fails, format!("{server} ended ({status})"), next_step)
}
