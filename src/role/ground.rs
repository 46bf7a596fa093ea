//! What every role stands on: Postgres, Redis, AccessLink, the clock.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::{BoxFuture, FutureExt};
use secrecy::SecretString;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::meter::SharedMeter;
use crate::{
    accesslink::{
        Client, ClientSettings,
        oauth::{OAuth, OAuthSettings},
    },
    clock::Clock,
    config::{AccessLinkClient, Config, Live, RedisUrl, Secret, ServiceUrl},
    connection::Access,
    http::Foundation,
    job::{due::Pace, request::Desk},
    queue::{
        ClientLimits, Enqueuer, Keys, Permits, Publisher, Redis, RedisFault, permits::QuotaConfig,
    },
    secret::Keyring,
    store::{ConnectError, SchemaError, Store, StoreError, keys::KeysError},
    telemetry::{self, health::Readiness},
};

/// Entries kept in the streams of events, rejected and dead ones.
pub(super) const STREAM_LENGTH_MAX: u32 = 10_000;

/// Between two tries to reach a service at the start.
const TRY_EVERY: Duration = Duration::from_millis(500);

/// Between two looks at what the database decides for all: clock and pace.
const FOLLOW_EVERY: Duration = Duration::from_secs(3);

/// What every role stands on.
pub struct Ground {
    /// Unique for every start.
    pub name: String,
    /// Postgres.
    pub store: Store,
    /// Redis.
    pub redis: Redis,
    /// The names of its keys.
    pub keys: Keys,
    /// The quota.
    pub permits: Permits,
    /// AccessLink.
    pub client: Client,
    /// Its authorization server.
    pub oauth: OAuth,
    /// The secret of our client there.
    pub(super) client_secret: Live<SecretString>,
    /// The time.
    pub clock: Clock,
    /// How far intervals are stretched.
    pub pace: Pace,
}

impl Ground {
    /// Connects to everything, waiting for it as long as that, and checks that it is suitable.
    pub async fn lay(config: &Config, wait: Duration) -> anyhow::Result<Self> {
        let needs = config.for_scheduler()?;
        let store = connect_postgres(config, needs.queue.database_url, wait).await?;
        let redis = connect_redis(needs.queue.redis_url, wait).await?;
        let keys = Keys::new(config.redis.prefix.as_str());
        let name = process_name();
        let quota = QuotaConfig {
            interactive_reserve: config.quota.interactive_reserve.get(),
            ..QuotaConfig::default()
        };
        let permits = Permits::new(redis.clone(), &keys, &name, quota, Arc::new(store.clone()));
        let clock = Clock::default();
        let meter = Arc::new(SharedMeter::new(permits.clone(), clock.clone()));
        let client_secret = Live::new(needs.client.secret.expose().to_owned().into());
        let settings = client_settings(config, needs.client, client_secret.clone());
        let client = Client::new(settings, meter, clock.clone())?;
        let settings = oauth_settings(config, needs.client, client_secret.clone());
        let oauth = OAuth::new(settings, clock.clone())?;
        let ground = Self {
            name,
            store,
            redis,
            keys,
            permits,
            client,
            oauth,
            client_secret,
            clock,
            pace: Pace::default(),
        };
        wait_for(wait, || ground.follow(), StoreError::is_transient).await?;
        Ok(ground)
    }

    /// The lanes, to put entries on.
    pub fn enqueuer(&self) -> Enqueuer {
        Enqueuer::new(self.redis.clone(), self.keys.clone())
    }

    /// Where requests are handed in.
    pub fn desk(&self) -> Desk {
        Desk::new(self.store.clone(), self.enqueuer())
    }

    /// What it takes to speak for connections: the configured keys must be those that sealed their tokens.
    pub async fn access(&self, config: &Config) -> anyhow::Result<Access> {
        let keyring = Keyring::from_config(&config.security)?;
        let check = || self.store.check_keys(&keyring);
        let is_away =
            |error: &KeysError| matches!(error, KeysError::Store(error) if error.is_transient());
        wait_for(config.startup.wait.get(), check, is_away).await?;
        Ok(Access {
            client: self.client.clone(),
            oauth: self.oauth.clone(),
            keyring: Live::new(keyring),
            store: self.store.clone(),
        })
    }

    /// What the HTTP interface stands on.
    pub(super) fn foundation(
        &self,
        access: Access,
        bootstrap_key: Live<Option<Secret>>,
    ) -> Foundation {
        Foundation {
            store: self.store.clone(),
            desk: self.desk(),
            permits: self.permits.clone(),
            access,
            clock: self.clock.clone(),
            bootstrap_key,
        }
    }

    /// The event stream.
    pub fn publisher(&self) -> Publisher {
        Publisher::new(self.redis.clone(), &self.keys, STREAM_LENGTH_MAX)
    }

    /// Whether the services are there. A role without Redis is ready: what it cannot do is done
    /// later.
    pub(super) fn readiness(self: &Arc<Self>) -> BoxFuture<'static, Readiness> {
        let ground = Arc::clone(self);
        async move {
            let postgres = ground.store.now().await;
            let redis = ground.redis.ping().await;
            let said = |error: Option<String>| error.unwrap_or_else(|| "ok".to_owned());
            Readiness {
                ready: postgres.is_ok(),
                checks: BTreeMap::from([
                    (
                        "postgres",
                        said(postgres.err().map(|error| telemetry::chain(&error))),
                    ),
                    (
                        "redis",
                        said(redis.err().map(|error| telemetry::chain(&error))),
                    ),
                ]),
            }
        }
        .boxed()
    }

    /// Follows what the database decides for all processes, until `stop`.
    pub(super) async fn follow_clock(&self, stop: &CancellationToken) {
        let mut ticks = tokio::time::interval(FOLLOW_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = self.follow().await {
                tracing::debug!(
                    error = telemetry::chain(&error),
                    "clock and pace stay as they are"
                );
            }
        }
    }

    async fn follow(&self) -> Result<(), StoreError> {
        let shift = self.store.clock_shift().await?;
        let asked = self.clock.now();
        let database = self.store.now().await?;
        if let Some(behind) = self.clock.follow(asked, database, shift) {
            tracing::warn!(
                behind_s = behind.as_secs_f64(),
                "this machine's clock differs from the database server's, which is followed; synchronize both (NTP)"
            );
        }
        self.pace.set(self.store.pace().await?);
        Ok(())
    }
}

/// A name that is unique for every start: one that is used again would inherit a dead process'
/// leases and entries.
fn process_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "host",
        name => name,
    };
    let start = Uuid::new_v4().simple().to_string();
    format!("{host}-{}-{}", std::process::id(), &start[..8])
}

fn client_settings(
    config: &Config,
    client: AccessLinkClient<'_>,
    client_secret: Live<SecretString>,
) -> ClientSettings {
    ClientSettings {
        origin: config.accesslink.api_url.as_url().clone(),
        client_id: client.id.to_owned(),
        client_secret,
        request_timeout: config.accesslink.request_timeout.get(),
        body_max_bytes: usize::try_from(config.accesslink.body_max.get()).unwrap_or(usize::MAX),
    }
}

fn oauth_settings(
    config: &Config,
    client: AccessLinkClient<'_>,
    client_secret: Live<SecretString>,
) -> OAuthSettings {
    OAuthSettings {
        authorize_url: config.accesslink.authorize_url.as_url().clone(),
        token_url: config.accesslink.token_url.as_url().clone(),
        client_id: client.id.to_owned(),
        client_secret,
        request_timeout: config.accesslink.request_timeout.get(),
    }
}

/// Connects to Postgres, and checks that it keeps what it commits and has this version's schema.
async fn connect_postgres(
    config: &Config,
    url: &ServiceUrl,
    wait: Duration,
) -> anyhow::Result<Store> {
    let connect = || Store::connect(url.expose(), config.database.pool_max.get());
    let is_away = |error: &ConnectError| matches!(error, ConnectError::Unreachable(_));
    let store = wait_for(wait, connect, is_away).await?;
    // It may go away again at once, as a server does that is just being restarted.
    let check = async || {
        if !config.database.allow_unsafe {
            store.check_durability().await?;
        }
        store.check_schema().await
    };
    let is_away =
        |error: &SchemaError| matches!(error, SchemaError::Store(error) if error.is_transient());
    wait_for(wait, check, is_away).await?;
    Ok(store)
}

/// Connects to Redis, and checks that it keeps what it is given.
async fn connect_redis(at: RedisUrl<'_>, wait: Duration) -> anyhow::Result<Redis> {
    let connect = async || {
        let redis = Redis::connect_to(at, ClientLimits::default()).await?;
        redis.check().await?;
        Ok(redis)
    };
    Ok(wait_for(wait, connect, RedisFault::is_unreachable).await?)
}

/// Tries again and again while a service is away, for at most `wait`.
async fn wait_for<T, E>(
    wait: Duration,
    mut connect: impl AsyncFnMut() -> Result<T, E>,
    is_away: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        match connect().await {
            Err(error) if is_away(&error) && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(TRY_EVERY).await;
            }
            result => return result,
        }
    }
}
