//! A small world: Postgres, Redis, the simulator, connected users, and processes of polar-sync.

use std::{collections::HashSet, future::Future, process::Stdio, time::Duration};

use polar_sync::{
    accesslink::oauth::TokenSet,
    config::{Config, Sources},
    connection::{NewTokens, Replace, connect},
    job::request::{Desk, plain},
    model::{Cause, ConnectionId, Lane, UserId},
    ops::servers::Keeps,
    queue::{ClientLimits, Enqueuer, Keys, Redis as QueueRedis},
    secret::Keyring,
    store::Store,
};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Row as _};
use tokio::process::Child;

use super::{
    database::Database,
    processes::{self, Measured, Role, Said, Sim},
    test_redis::TestRedis,
};

/// No wait is longer, on the slowest machine.
const DEADLINE: Duration = Duration::from_mins(2);

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The first of the simulator's accounts.
pub(crate) const FIRST_ACCOUNT: i64 = 10_000_001;

/// The key that seals tokens, unless a test configures others.
pub(crate) const KEY: &str = "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Another key.
pub(crate) const OTHER_KEY: &str = "k2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

/// Waits for a future, but not for ever.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen within {DEADLINE:?}"))
}

/// A small world.
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) redis: TestRedis,
    pub(crate) store: Store,
    pub(crate) database: Database,
    pub(crate) settings: Vec<(String, String)>,
}

impl World {
    /// A world with so many accounts of a profile at Polar, none of them connected.
    pub(crate) async fn start(users: u32, profile: &str, simulator: &[&str]) -> Self {
        Self::start_on(Database::shared().await, users, profile, simulator).await
    }

    /// A world on this database.
    pub(crate) async fn start_on(
        database: Database,
        users: u32,
        profile: &str,
        simulator: &[&str],
    ) -> Self {
        let users = users.to_string();
        let arguments = [&["--users", &users, "--profile", profile], simulator].concat();
        let (sim, redis) = (
            Sim::start(&arguments).await,
            TestRedis::start(Keeps::Everything).await,
        );
        let store = Store::connect(database.url(), 4).await.unwrap();
        let mut world = Self {
            sim,
            redis,
            store,
            database,
            settings: Vec::new(),
        };
        let (api, url) = (world.sim.api.clone(), world.database.url().to_owned());
        world.set("DATABASE__URL", &url);
        world.set("DATABASE__ALLOW_UNSAFE", "true");
        let redis = world.redis.url();
        world.set("REDIS__URL", &redis);
        world.set("ACCESSLINK__API_URL", &api);
        world.set("ACCESSLINK__TOKEN_URL", &format!("{api}/v2/oauth2/token"));
        world.set(
            "ACCESSLINK__AUTHORIZE_URL",
            &format!("{api}/oauth2/authorization"),
        );
        world.set("ACCESSLINK__CLIENT_ID", "sim-client");
        world.set("ACCESSLINK__CLIENT_SECRET", "sim-secret");
        world.set("SECURITY__KEYS", KEY);
        world.set("SCHEDULE__NOTIFICATIONS_EVERY", "1s");
        world.set("TELEMETRY__LOG", "warn,polar_sync=info");
        world
    }

    /// Has a configuration key not set any more.
    pub(crate) fn unset(&mut self, key: &str) {
        let name = format!("POLAR_SYNC__{key}");
        self.settings.retain(|(known, _)| *known != name);
    }

    /// Sets a configuration key for processes that are spawned afterwards.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        let name = format!("POLAR_SYNC__{key}");
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.to_owned()));
    }

    /// Spawns a role.
    pub(crate) fn spawn(&self, role: &str) -> Role {
        Role::spawn(role, &self.settings_of(role), Stdio::inherit())
    }

    /// Spawns a role whose log is kept.
    pub(crate) fn spawn_logged(&self, role: &str) -> Role {
        Role::spawn(role, &self.settings_of(role), Stdio::piped())
    }

    /// Spawns a role whose log is kept, and whose metrics can be read.
    pub(crate) fn spawn_measured(&self, role: &str) -> Measured {
        Measured::spawn(role, &self.settings_of(role))
    }

    /// Spawns a role, which its options may follow, that logs to a file.
    pub(crate) fn spawn_logging_to(&self, line: &str, log: &std::path::Path) -> Role {
        let log = std::fs::File::create(log).unwrap();
        let role = line.split_whitespace().next().unwrap();
        Role::spawn(line, &self.settings_of(role), log.into())
    }

    /// Runs a command to its end, with `input` as its standard input.
    pub(crate) async fn command(&self, line: &str, input: &str) -> Said {
        processes::command(line, &self.settings_of("operator"), input).await
    }

    /// Begins a command that is not waited for.
    pub(crate) fn begin(&self, line: &str) -> Child {
        processes::begin(line, &self.settings_of("operator"))
    }

    /// The settings of a process: it has no more rights in Postgres than its role needs.
    fn settings_of(&self, role: &str) -> Vec<(String, String)> {
        let mut settings = self.settings.clone();
        for (_, value) in &mut settings {
            if value == self.database.url() {
                *value = self.database.url_of(role);
            }
        }
        settings
    }

    /// Every key and value in Redis.
    pub(crate) async fn everything_in_redis(&self) -> Vec<String> {
        let keys: Vec<String> = self.redis.command(&["KEYS", "*"]).await;
        let mut everything = keys.clone();
        for key in &keys {
            let kind: String = self.redis.command(&["TYPE", key]).await;
            let command: &[&str] = match kind.as_str() {
                "stream" => &["XRANGE", key, "-", "+"],
                "hash" => &["HGETALL", key],
                "string" => &["GET", key],
                other => panic!("{key} is a {other}, which nobody looks into"),
            };
            let value: redis::Value = self.redis.command(command).await;
            everything.push(String::from_utf8_lossy(format!("{value:?}").as_bytes()).into_owned());
        }
        everything
    }

    /// Connects the first accounts as `user_001` and so on, as an import would.
    pub(crate) async fn connect(&self, users: u32) {
        for number in 0..users {
            self.connect_one(number).await;
        }
    }

    /// Connects one account, numbered from 0; its access token.
    pub(crate) async fn connect_one(&self, number: u32) -> String {
        let wish = json!({ "registered": false });
        let tokens = self.connect_by(number, wish).await;
        tokens.access_token.expose().to_owned()
    }

    /// Connects one account with a token that can be refreshed.
    pub(crate) async fn connect_with_refresh_token(&self, number: u32) -> TokenSet {
        let wish = json!({ "registered": false, "refresh": true });
        self.connect_by(number, wish).await
    }

    /// Connects one account with the tokens that the simulator gives for this wish.
    pub(crate) async fn connect_by(&self, number: u32, wish: Value) -> TokenSet {
        let account = FIRST_ACCOUNT + i64::from(number);
        let path = format!("/users/{account}/token");
        let tokens = self.sim.post(&path, wish).await;
        let text = |key: &str| tokens[key].as_str().map(|token| token.to_owned().into());
        let tokens = TokenSet {
            access_token: text("access_token").unwrap(),
            refresh_token: text("refresh_token"),
            expires_at: None,
            polar_user_id: Some(account),
        };
        let user_id = user(number);
        let new = NewTokens {
            user_id: &user_id,
            polar_user_id: account,
            tokens: &tokens,
            registered: false,
            connection_id: ConnectionId::new(),
        };
        let request = plain(Lane::Periodic, Cause::Connect, Vec::new());
        let keyring = self.keyring();
        let connected = connect(&self.store, &keyring, &new, Replace::Reject, &request).await;
        connected.unwrap();
        self.desk()
            .await
            .wake(&user_id, request.lane, request.cause, request.task_id)
            .await;
        tokens
    }

    /// The configuration of processes that are spawned.
    pub(crate) fn config(&self) -> Config {
        let environment = self
            .settings
            .iter()
            .map(|(key, value)| (key.into(), value.into()));
        let sources = Sources {
            environment: environment.collect(),
            ..Sources::default()
        };
        sources.load().unwrap().config
    }

    /// The configured keys.
    pub(crate) fn keyring(&self) -> Keyring {
        Keyring::from_config(&self.config().security).unwrap()
    }

    /// Where requests are handed in.
    pub(crate) async fn desk(&self) -> Desk {
        let redis = QueueRedis::connect(&self.redis.url(), ClientLimits::default())
            .await
            .unwrap();
        Desk::new(
            self.store.clone(),
            Enqueuer::new(redis, Keys::new("polar-sync")),
        )
    }

    /// Puts a job on a lane as any program would.
    pub(crate) async fn xadd(&self, lane: &str, job: &str) -> String {
        let stream = format!("polar-sync:jobs:{lane}");
        self.redis
            .command(&["XADD", &stream, "*", "job", job])
            .await
    }

    /// Reads one number.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        let mut db = PgConnection::connect(self.database.url()).await.unwrap();
        sqlx::raw_sql(sql).fetch_one(&mut db).await.unwrap().get(0)
    }

    /// Reads one text.
    pub(crate) async fn text(&self, sql: &'static str) -> String {
        let mut db = PgConnection::connect(self.database.url()).await.unwrap();
        sqlx::raw_sql(sql).fetch_one(&mut db).await.unwrap().get(0)
    }

    /// Executes statements.
    pub(crate) async fn execute(&self, sql: &'static str) {
        let mut db = PgConnection::connect(self.database.url()).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut db).await.unwrap();
    }

    /// Holds the rows that a statement locks, until the connection is closed.
    pub(crate) async fn lock(&self, sql: &'static str) -> PgConnection {
        let mut db = PgConnection::connect(self.database.url()).await.unwrap();
        sqlx::raw_sql("BEGIN").execute(&mut db).await.unwrap();
        let locked = sqlx::raw_sql(sql).fetch_all(&mut db).await.unwrap();
        assert!(!locked.is_empty(), "nothing is locked");
        db
    }

    /// Waits until a query gives this number.
    pub(crate) async fn until(&self, what: &str, sql: &'static str, number: i64) {
        self.until_true(what, async || self.number(sql).await == number)
            .await;
    }

    /// Waits until a run has ended.
    pub(crate) async fn until_a_run_ended(&self) {
        let ended = "SELECT least(count(*), 1) FROM api_v1.sync_runs WHERE finished_at IS NOT NULL";
        self.until("a first run", ended, 1).await;
    }

    /// Waits until a condition holds.
    pub(crate) async fn until_true(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        within(what, async {
            while !condition().await {
                looks.tick().await;
            }
        })
        .await;
    }

    /// Waits until everything that Polar offers is here, and nothing is open on either side.
    pub(crate) async fn until_in_step(&self) {
        self.until_true("ledger and Postgres to agree", async || {
            self.differences().await.is_empty()
        })
        .await;
    }

    /// Where the simulator's ledger and Postgres differ.
    pub(crate) async fn differences(&self) -> Vec<String> {
        let ledger = self.sim.get("/ledger").await;
        let totals = &ledger["totals"];
        let mut differences = Vec::new();
        for (name, sql) in COUNTS {
            let (offered, stored) = (totals[name].as_i64().unwrap(), self.number(sql).await);
            if offered != stored {
                differences.push(format!("{name}: {offered} offered, {stored} stored"));
            }
        }
        let offered: i64 = totals["sample_values"]
            .as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_i64)
            .sum();
        let stored = self.number(WORKOUT_SAMPLES).await;
        if offered != stored {
            differences.push(format!("sample values: {offered} offered, {stored} stored"));
        }
        let open = ledger["transactions"]["open"].as_i64().unwrap();
        let unfinished = self.number(UNFINISHED).await;
        if open + unfinished > 0 {
            differences.push(format!(
                "{open} transactions open at Polar, {unfinished} unfinished here"
            ));
        }
        differences
    }

    /// Every sub-resource that Polar has of an account is kept byte for byte.
    pub(crate) async fn assert_content(&self, account: i64) {
        let kept = self.kept_parts().await;
        let wanted = wanted_parts(&self.sim.get(&format!("/ledger/users/{account}")).await);
        for part in &wanted {
            assert!(kept.contains(part), "not kept as it was served: {part}");
        }
        assert!(!wanted.is_empty(), "the ledger holds something to compare");
    }

    /// Every body that is kept, as [`wanted_parts`] names them.
    pub(crate) async fn kept_parts(&self) -> HashSet<String> {
        let mut db = PgConnection::connect(self.database.url()).await.unwrap();
        let rows = sqlx::raw_sql(RAW_PARTS).fetch_all(&mut db).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// What no honest client does, as the simulator saw it.
    pub(crate) async fn assert_honest(&self) {
        let ledger = self.sim.get("/ledger").await;
        assert_eq!(ledger["violations"], json!([]));
    }
}

/// Every sub-resource of an account's ledger, by kind, item, part and hash.
pub(crate) fn wanted_parts(ledger: &Value) -> Vec<String> {
    let mut wanted = Vec::new();
    for (kind, items) in ledger["items"].as_object().unwrap() {
        for item in items.as_array().unwrap() {
            let name = item.get("id").or(item.get("date")).unwrap();
            let name = name
                .as_str()
                .map_or_else(|| name.to_string(), str::to_owned);
            for (part, body) in item["parts"].as_object().unwrap() {
                if !UNUSED_PARTS.contains(&part.as_str()) {
                    let sha256 = body["sha256"].as_str().unwrap();
                    wanted.push(format!("{kind} {name} {part} {sha256}"));
                }
            }
        }
    }
    wanted
}

/// The user of an account, numbered from 0.
pub(crate) fn user(number: u32) -> UserId {
    format!("user_{:03}", number + 1).parse().unwrap()
}

/// Totals of the ledger, and the query that has to give the same.
const COUNTS: [(&str, &str); 11] = [
    ("exercises", "SELECT count(*) FROM api_v1.workouts"),
    ("nights", "SELECT count(*) FROM api_v1.sleeps"),
    ("recharges", "SELECT count(*) FROM api_v1.nightly_recharges"),
    ("activities", "SELECT count(*) FROM api_v1.daily_activities"),
    (
        "physical_informations",
        "SELECT count(*) FROM api_v1.physical_information",
    ),
    ("zones", "SELECT count(*) FROM api_v1.workout_zones"),
    ("route_points", "SELECT count(*) FROM api_v1.workout_route"),
    (
        "step_samples",
        "SELECT count(*) FROM api_v1.timeseries WHERE type = 'steps'",
    ),
    (
        "hrv_values",
        "SELECT count(*) FROM api_v1.timeseries WHERE type = 'heart_rate_variability_rmssd'",
    ),
    (
        "breathing_values",
        "SELECT count(*) FROM api_v1.timeseries WHERE type = 'respiratory_rate'",
    ),
    (
        "sleep_heart_rate_values",
        "SELECT count(*) FROM api_v1.timeseries t JOIN api_v1.sleeps s ON s.sleep_id = t.record_id",
    ),
];

/// Everything that is kept raw, as the ledger names it.
const RAW_PARTS: &str = "SELECT kind || ' ' || item || ' ' || part || ' ' || encode(sha256, 'hex')
    FROM polar_sync.raw_item WHERE sha256 IS NOT NULL";

/// Files that hold nothing which other parts do not.
const UNUSED_PARTS: [&str; 2] = ["fit", "tcx"];

const WORKOUT_SAMPLES: &str =
    "SELECT count(*) FROM api_v1.timeseries t JOIN api_v1.workouts w ON w.workout_id = t.record_id";

const UNFINISHED: &str = "SELECT
    (SELECT count(*) FROM polar_sync.remote_transaction
     WHERE phase IN ('opening', 'open', 'durable', 'committing', 'blocked'))
    + (SELECT count(*) FROM polar_sync.sync_request WHERE state IN ('open', 'running'))
    + (SELECT count(*) FROM polar_sync.sync_state WHERE lease_until IS NOT NULL)";
