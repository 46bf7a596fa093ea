//! Configuration: read once, typed, and explained where it is wrong.
//!
//! Owns `config/default.toml` (embedded: it is the manual of every key), the layers above it, and the
//! only reads of environment variables. From weak to strong: defaults < `DATABASE_URL` and
//! `REDIS_URL` < `--config FILE` < `POLAR_SYNC__SECTION__KEY` < `--set KEY=VALUE`. Must never print a
//! secret, ignore a key that it does not know, or replace a wrong value by a default: every
//! [`ConfigError`] names its key, where the value came from, and what to write instead.
//!
//! To add a key: a field with its documentation in [`sections`](Config), a line with its comment in
//! `config/default.toml`, and a row in the README's table. `tests/contracts.rs` holds the three together; a
//! secret also joins [`SECRET_KEYS`].

mod brake;
mod environment;
mod error;
mod keys;
mod layer;
mod live;
mod needs;
mod secret;
mod sections;
mod source;
mod units;
mod urls;
mod words;

pub use brake::Brake;
pub use error::ConfigError;
pub use keys::SECRET_KEYS;
pub use live::Live;
pub use needs::{AccessLinkClient, PolarNeeds, QueueNeeds, RedisUrl, SchedulerNeeds};
pub use secret::{EncryptionKey, Secret};
pub use sections::{
    Accesslink, Api, CommitKinds, Concurrency, Config, Connections, Database, Erasure,
    IntervalByKind, Quota, Raw, Redis, Revocation, Schedule, Security, Startup, Sync, Telemetry,
    Worker,
};
pub use source::{Loaded, Setting, Shown, Sources};
pub use units::{Bytes, Count, Duration, Share};
pub use urls::{HttpUrl, Origin, RedirectPattern, ServiceUrl};
pub use words::{KeyPrefix, Listen, LogFilter, LogFormat, ReplaceConnection, Switch};

/// The defaults and the manual of every key, as shipped in the executable.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");
