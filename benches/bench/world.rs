//! What a role needs around it: a database, keys in Redis, the simulator, and connected users.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use polar_sync::{
    accesslink::oauth::TokenSet,
    config::Sources,
    connection::{NewTokens, Replace, connect},
    job::request::{plain, wake_up},
    model::{Cause, ConnectionId, Lane, UserId},
    queue::{ClientLimits, Enqueuer, Keys, Message, Redis},
    secret::Keyring,
    store::Store,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::{process::Command, time::Instant};

use crate::{
    role::Role,
    servers::Servers,
    simulator::{FIRST_ACCOUNT, Simulator},
};

/// Users connected at once.
const CONNECTING_MAX: usize = 16;

/// No wait is longer.
const DEADLINE: Duration = Duration::from_mins(3);

/// Between two looks at a condition: little beside what is measured, and no load.
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(crate) struct World<'a> {
    pub(crate) servers: &'a Servers,
    pub(crate) simulator: Simulator,
    pub(crate) enqueuer: Enqueuer,
    pub(crate) database: String,
    name: &'static str,
    settings: Vec<(String, String)>,
}

impl<'a> World<'a> {
    /// A world named `name`, with so many accounts of a profile at Polar, none of them connected.
    pub(crate) async fn new(
        servers: &'a Servers,
        name: &'static str,
        profile: &str,
        accounts: usize,
    ) -> Self {
        let simulator = Simulator::start(profile, accounts).await;
        let database = servers.create_database(name).await;
        let redis = redis(servers).await;
        let mut world = Self {
            servers,
            simulator,
            enqueuer: Enqueuer::new(redis, Keys::new(name)),
            database,
            name,
            settings: Vec::new(),
        };
        let (api, database) = (world.simulator.api.clone(), world.database.clone());
        world.set("DATABASE__URL", &database);
        world.set("REDIS__URL", &servers.redis_url());
        world.set("REDIS__PREFIX", name);
        world.set("ACCESSLINK__API_URL", &api);
        world.set("ACCESSLINK__TOKEN_URL", &format!("{api}/v2/oauth2/token"));
        world.set("ACCESSLINK__CLIENT_ID", "sim-client");
        world.set("ACCESSLINK__CLIENT_SECRET", "sim-secret");
        // A key of measurements, which seals tokens of the simulator only.
        let key = "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        world.set("SECURITY__KEYS", key);
        world
    }

    /// Sets a configuration key for roles that are started afterwards.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.settings
            .push((format!("POLAR_SYNC__{key}"), value.to_owned()));
    }

    /// Starts a role.
    pub(crate) async fn start(&self, role: &str) -> Role {
        let log = self.servers.folder().join(format!("{}.log", self.name));
        Role::start(role, &self.settings, log).await
    }

    /// Connects all accounts, as OAuth would; the messages that wake a worker for their first sync.
    pub(crate) async fn connect(&self, accounts: usize) -> Vec<Message> {
        let connections = u32::try_from(CONNECTING_MAX).unwrap();
        let store = Store::connect(&self.database, connections).await.unwrap();
        let keyring = self.keyring();
        let messages = stream::iter(0..accounts)
            .map(|number| self.connect_one(&store, &keyring, number))
            .buffered(CONNECTING_MAX)
            .collect()
            .await;
        store.close().await;
        messages
    }

    async fn connect_one(&self, store: &Store, keyring: &Keyring, number: usize) -> Message {
        let account = FIRST_ACCOUNT + i64::try_from(number).unwrap();
        let tokens = TokenSet {
            access_token: self.simulator.token(account).await.into(),
            refresh_token: None,
            expires_at: None,
            polar_user_id: Some(account),
        };
        let user_id: UserId = format!("user_{number:06}").parse().unwrap();
        let new = NewTokens {
            user_id: &user_id,
            polar_user_id: account,
            tokens: &tokens,
            registered: true,
            connection_id: ConnectionId::new(),
        };
        let request = plain(Lane::Periodic, Cause::Connect, Vec::new());
        let connected = connect(store, keyring, &new, Replace::Reject, &request).await;
        connected.unwrap();
        wake_up(user_id, request.cause, request.task_id)
    }

    /// Runs a command to its end; what it printed.
    pub(crate) async fn command(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_polar-sync"))
            .args(arguments)
            .envs(self.settings.iter().cloned())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        said
    }

    /// The configured keys.
    pub(crate) fn keyring(&self) -> Keyring {
        let settings = self.settings.iter();
        let environment = settings.map(|(key, value)| (key.into(), value.into()));
        let sources = Sources {
            environment: environment.collect(),
            ..Sources::default()
        };
        Keyring::from_config(&sources.load().unwrap().config.security).unwrap()
    }

    /// Waits until the number of entries on the periodic lane is as wanted.
    pub(crate) async fn until_lane(&self, is_wanted: impl Fn(u64) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            let depth = self.enqueuer.depth(Lane::Periodic).await.unwrap();
            if is_wanted(depth.entries) {
                return;
            }
            let left = depth.entries;
            assert!(Instant::now() < deadline, "{left} entries are on the lane");
            looks.tick().await;
        }
    }

    /// The name of the world's database.
    pub(crate) fn database_name(&self) -> &str {
        self.name
    }

    /// A connection to the world's database.
    pub(crate) async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.database).await.unwrap()
    }
}

/// A connection to Redis, as roles make it.
pub(crate) async fn redis(servers: &Servers) -> Redis {
    Redis::connect(&servers.redis_url(), ClientLimits::default())
        .await
        .unwrap()
}

/// The one number that a query tells.
pub(crate) async fn number(connection: &mut PgConnection, query: &str) -> f64 {
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT ({query})::float8")))
        .fetch_one(connection)
        .await
        .unwrap()
}

/// Runs statements.
pub(crate) async fn execute(connection: &mut PgConnection, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
        .execute(connection)
        .await
        .unwrap();
}
