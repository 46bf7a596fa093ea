//! The HTTP interface: connect users, trigger syncs, read what is stored, receive Polar's events.
//!
//! Owns statuses, the shape of errors and pages, keys, and every limit of a call. Must never sync inline, and never
//! answer before what it promises is durable. A handler's first argument is the [`auth::Caller`] with the right that it
//! needs; the two calls without a key, which others than platforms make, prove themselves by a state and by a
//! signature. The description, its page, health and metrics are open to whoever reaches the port.
//!
//! To add a call: a handler with `#[utoipa::path]` in the file of its noun, and its line in that file's `routes`.

mod auth;
mod connect;
mod connections;
mod cursor;
mod describe;
mod error;
mod guard;
mod openapi;
mod page;
mod params;
mod read;
mod runs;
mod server;
mod sync;
mod users;
mod webhook;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use axum::{Router, extract::DefaultBodyLimit, http::StatusCode, middleware};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::{CompressionLevel, catch_panic::CatchPanicLayer, compression::CompressionLayer};
use url::Url;

use crate::{
    clock::Clock,
    config::{Config, Live, RedirectPattern, Secret},
    connection::{Access, Replace},
    job::request::Desk,
    model::{Kind, UserId},
    queue::Permits,
    store::Store,
    telemetry::{
        health::{self, Probe},
        metrics::Metrics,
    },
};
use auth::Keys;
use error::ApiError;
pub use server::{HttpServer, ServeError};
use webhook::Secrets;
pub use webhook::{EVENTS, webhook_url};

/// What this server calls Polar in the words that it shares with servers of several providers.
const PROVIDER: &str = "polar";

/// The largest body that is read.
const BODY_MAX_BYTES: usize = 64 * 1024;

/// Between two looks for what can be forgotten.
const TIDY_EVERY: Duration = Duration::from_mins(1);

/// What a call may take beyond the longest wait for a sync.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What the interface stands on.
pub struct Foundation {
    /// Postgres.
    pub store: Store,
    /// Where requests are handed in.
    pub desk: Desk,
    /// The quota, to tell when a sync will run.
    pub permits: Permits,
    /// Polar, to connect and disconnect users.
    pub access: Access,
    /// The time.
    pub clock: Clock,
    /// `api.bootstrap_key`, which may change.
    pub bootstrap_key: Live<Option<Secret>>,
}

/// What the operator decided.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `api.public_url`.
    pub public_url: Url,
    /// `api.redirect_allow`.
    pub redirect_allow: Vec<RedirectPattern>,
    /// `api.rate_limit`.
    pub rate_limit: NonZeroU32,
    /// `api.concurrency`.
    pub concurrency: usize,
    /// `api.sync_wait`.
    pub sync_wait: Duration,
    /// `connections.replace`.
    pub replace: Replace,
    /// `quota.open_reserve`.
    pub open_reserve: u32,
    /// `sync.kinds`.
    pub kinds: Vec<Kind>,
}

impl Settings {
    /// The part of a configuration that is about the interface.
    pub fn of(config: &Config) -> Self {
        let api = &config.api;
        Self {
            public_url: api.public_url.as_url().clone(),
            redirect_allow: api.redirect_allow.clone(),
            rate_limit: NonZeroU32::new(api.rate_limit.get()).unwrap_or(NonZeroU32::MIN),
            concurrency: usize::try_from(api.concurrency.get()).unwrap_or(usize::MAX),
            sync_wait: api.sync_wait.get(),
            replace: config.connections.replace.into(),
            open_reserve: config.quota.open_reserve,
            kinds: config.sync.kinds.iter().copied().collect(),
        }
    }
}

/// The state that every handler shares.
pub struct Api {
    store: Store,
    desk: Desk,
    permits: Permits,
    access: Access,
    clock: Clock,
    settings: Settings,
    keys: Keys,
    /// Places of calls with a key.
    slots: Arc<Semaphore>,
    /// Places of calls that anybody can make: what fills them leaves the others alone.
    open_slots: Arc<Semaphore>,
    /// Callers who may wait for the end of a sync at once: half of all, so that the others find room.
    waiters: Semaphore,
    webhook_secrets: Secrets,
    /// What goes on although nobody waits for it any more; a process ends after it.
    unfinished: TaskTracker,
}

impl Api {
    /// The state of an interface on this foundation.
    pub fn new(foundation: Foundation, config: &Config) -> Arc<Self> {
        let settings = Settings::of(config);
        let Foundation {
            store,
            desk,
            permits,
            access,
            clock,
            bootstrap_key,
        } = foundation;
        Arc::new(Self {
            store,
            desk,
            permits,
            access,
            clock,
            keys: Keys::new(bootstrap_key, settings.rate_limit),
            slots: Arc::new(Semaphore::new(settings.concurrency)),
            open_slots: Arc::new(Semaphore::new((settings.concurrency / 2).max(1))),
            waiters: Semaphore::new((settings.concurrency / 2).max(1)),
            webhook_secrets: Secrets::default(),
            unfinished: TaskTracker::new(),
            settings,
        })
    }

    /// A URL of ours, as the outside sees it.
    fn public_url(&self, path: &str) -> Url {
        below(&self.settings.public_url, path)
    }

    /// Where a platform begins to connect a user.
    fn authorize_url(&self, user_id: &UserId) -> String {
        let mut url = self.public_url(connect::AUTHORIZE_PATH);
        url.query_pairs_mut()
            .append_pair("user_id", user_id.as_str());
        url.into()
    }

    /// Waits for what goes on although nobody waits for it any more.
    pub async fn finish(&self) {
        self.unfinished.close();
        self.unfinished.wait().await;
    }

    /// Forgets, now and then, what only recent calls need.
    pub async fn tidy(&self, stop: &CancellationToken) {
        let mut ticks = tokio::time::interval(TIDY_EVERY);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.keys.forget_idle();
        }
    }

    /// The places that calls of a route take.
    fn slots_of(&self, route: &str) -> &Arc<Semaphore> {
        match route {
            connect::CALLBACK_PATH | webhook::PATH => &self.open_slots,
            _ => &self.slots,
        }
    }

    fn is_public_https(&self) -> bool {
        self.settings.public_url.scheme() == "https"
    }

    fn call_timeout(&self) -> Duration {
        CALL_TIMEOUT + self.settings.sync_wait
    }
}

/// A path below a URL, which may have a path of its own.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

/// Every route.
pub fn router(api: Arc<Api>, metrics: Metrics, probe: Probe) -> Router {
    let (calls, mut description) = openapi::calls().split_for_parts();
    describe::parameters(&mut description);
    let limit = middleware::from_fn_with_state(Arc::clone(&api), guard::limit);
    let watch = middleware::from_fn_with_state(Arc::clone(&api), guard::watch);
    calls
        .layer(limit)
        .merge(openapi::pages(description))
        .with_state(api)
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        // The rest of the way to the smallest costs more than it saves.
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(watch)
        // Whoever watches must get an answer when nobody else does.
        .merge(health::routes(probe, metrics))
}

async fn no_such_path() -> ApiError {
    let detail = "there is no such path; /docs lists every call";
    ApiError::new(StatusCode::NOT_FOUND, "no_such_path", detail)
}

async fn no_such_method() -> ApiError {
    let detail = "the path does not take this method; /docs lists every call";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}
