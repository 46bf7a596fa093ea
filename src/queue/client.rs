//! The connection to Redis, and whether this Redis may be used at all.
//!
//! One multiplexed, self-healing connection serves everything but the blocking reads of the lanes,
//! which get a connection each. Must never print the URL: it may hold a password.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{AsyncConnectionConfig, RedisError, TlsCertificates};

use crate::config::RedisUrl;

/// `XPENDING ... IDLE` and `XAUTOCLAIM` came with this version.
const MIN_VERSION: (u32, u32) = (6, 2);

/// What a certificate begins with in PEM.
const PEM_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// The waits of a connection.
#[derive(Clone, Debug)]
pub struct ClientLimits {
    /// A command without an answer for so long is an error. The crate's own default, 500 ms, is
    /// shorter than a pause that any Redis makes while it forks.
    pub response_timeout: Duration,
    /// A connection that is not made after so long is an error.
    pub connection_timeout: Duration,
    /// Attempts to reconnect before a waiting command gets the error.
    pub reconnect_attempts: usize,
    /// The longest pause between two of them.
    pub reconnect_pause_max: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            response_timeout: Duration::from_secs(10),
            connection_timeout: Duration::from_secs(5),
            reconnect_attempts: 3,
            reconnect_pause_max: Duration::from_secs(1),
        }
    }
}

/// Why Redis cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RedisFault {
    /// The URL itself is wrong.
    #[error(
        "redis.url is not a Redis address: write it as redis://HOST:PORT, or rediss:// for TLS"
    )]
    Address(#[source] RedisError),
    /// The file of certificates cannot be used.
    #[error("redis.ca_file: {path:?} is not a file of certificates in PEM that can be read")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nobody answers, the password is refused, or the certificate is not trusted.
    #[error(
        "Redis does not answer at redis.url: check that it runs and that address and password are right"
    )]
    Unreachable(#[source] RedisError),
    /// Redis lacks commands that the lanes need.
    #[error("Redis {version} is too old: install 6.2 or newer")]
    TooOld {
        /// As Redis gives it.
        version: String,
    },
    /// Redis would throw queued jobs away when its memory is full.
    #[error(
        "Redis evicts keys when memory is full (maxmemory-policy {policy}): set `maxmemory-policy noeviction`"
    )]
    Evicts {
        /// As Redis gives it.
        policy: String,
    },
}

impl RedisFault {
    /// Waiting may help. Otherwise somebody must change a setting.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// A cheap handle to Redis; clones share the connection.
#[derive(Clone)]
pub struct Redis {
    client: redis::Client,
    manager: ConnectionManager,
    limits: ClientLimits,
}

impl Redis {
    /// Connects once; afterwards the connection heals itself.
    pub async fn connect(url: &str, limits: ClientLimits) -> Result<Self, RedisFault> {
        let client = redis::Client::open(url).map_err(RedisFault::Address)?;
        Self::connect_with(client, limits).await
    }

    /// Connects once to a server that is trusted when its certificate is; afterwards the connection heals itself.
    pub async fn connect_to(at: RedisUrl<'_>, limits: ClientLimits) -> Result<Self, RedisFault> {
        let Some(path) = at.ca_file else {
            return Self::connect(at.url.expose(), limits).await;
        };
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert: Some(authorities(path)?),
        };
        let client = redis::Client::build_with_tls(at.url.expose(), certificates);
        Self::connect_with(client.map_err(RedisFault::Address)?, limits).await
    }

    async fn connect_with(client: redis::Client, limits: ClientLimits) -> Result<Self, RedisFault> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(limits.response_timeout))
            .set_connection_timeout(Some(limits.connection_timeout))
            .set_number_of_retries(limits.reconnect_attempts)
            .set_max_delay(limits.reconnect_pause_max);
        let manager = client
            .get_connection_manager_with_config(config)
            .await
            .map_err(RedisFault::Unreachable)?;
        Ok(Self {
            client,
            manager,
            limits,
        })
    }

    /// Refuses a Redis that is too old or that would evict jobs.
    pub async fn check(&self) -> Result<(), RedisFault> {
        judge(&self.info().await?)
    }

    /// Asks Redis about itself.
    pub async fn facts(&self) -> Result<RedisFacts, RedisFault> {
        let info = self.info().await?;
        let number = |name| field(&info, name).parse().unwrap_or_default();
        Ok(RedisFacts {
            version: field(&info, "redis_version").to_owned(),
            appends: field(&info, "aof_enabled") == "1",
            saves: field(&info, "rdb_last_bgsave_status") == "ok",
            used_bytes: number("used_memory"),
            max_bytes: number("maxmemory"),
        })
    }

    async fn info(&self) -> Result<String, RedisFault> {
        redis::cmd("INFO")
            .query_async(&mut self.connection())
            .await
            .map_err(RedisFault::Unreachable)
    }

    /// Whether Redis answers now.
    pub async fn ping(&self) -> Result<(), RedisError> {
        redis::cmd("PING").exec_async(&mut self.connection()).await
    }

    /// The shared connection.
    pub(super) fn connection(&self) -> ConnectionManager {
        self.manager.clone()
    }

    /// A connection of its own, for reads that block up to `block`.
    pub(super) async fn blocking_connection(
        &self,
        block: Duration,
    ) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(block + self.limits.response_timeout))
            .set_connection_timeout(Some(self.limits.connection_timeout));
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }
}

/// How Redis stands to what is expected of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisFacts {
    /// Its version.
    pub version: String,
    /// Whether it keeps a log of what it is given.
    pub appends: bool,
    /// Whether its last snapshot could be written.
    pub saves: bool,
    /// Memory in use.
    pub used_bytes: u64,
    /// Memory that it may use; 0 for all there is.
    pub max_bytes: u64,
}

/// A field of the answer of `INFO`, which needs fewer rights than `CONFIG GET`.
fn field<'a>(info: &'a str, name: &str) -> &'a str {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map_or("", str::trim)
}

/// The certificates in a file. One without any would have every server refused without saying why.
fn authorities(path: &Path) -> Result<Vec<u8>, RedisFault> {
    let read = std::fs::read_to_string(path).and_then(|text| {
        if text.contains(PEM_CERTIFICATE) {
            Ok(text.into_bytes())
        } else {
            Err(io::Error::other("it holds no certificate"))
        }
    });
    read.map_err(|source| RedisFault::CaFile {
        path: path.to_owned(),
        source,
    })
}

/// Reads the answer of `INFO`.
fn judge(info: &str) -> Result<(), RedisFault> {
    let version = field(info, "redis_version");
    if parse_version(version).is_none_or(|version| version < MIN_VERSION) {
        return Err(RedisFault::TooOld {
            version: version.to_owned(),
        });
    }
    // Whether memory is limited now does not matter: a limit that is set later would find the policy.
    let policy = field(info, "maxmemory_policy");
    if policy != "noeviction" {
        return Err(RedisFault::Evicts {
            policy: policy.to_owned(),
        });
    }
    Ok(())
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: &str, maxmemory: &str, policy: &str) -> String {
        format!(
            "# Server\r\nredis_version:{version}\r\n# Memory\r\nmaxmemory:{maxmemory}\r\nmaxmemory_human:x\r\nmaxmemory_policy:{policy}\r\n"
        )
    }

    #[test]
    fn versions_from_6_2_are_accepted() {
        for version in ["6.2.0", "7.0.15", "8.2", "10.0.1"] {
            assert!(
                judge(&info(version, "0", "noeviction")).is_ok(),
                "{version}"
            );
        }
        for version in ["6.0.16", "5.0.0", "", "new"] {
            let fault = judge(&info(version, "0", "noeviction")).unwrap_err();
            assert!(matches!(fault, RedisFault::TooOld { .. }), "{version}");
        }
    }

    #[test]
    fn a_policy_that_evicts_is_refused() {
        assert!(judge(&info("7.0.15", "1048576", "noeviction")).is_ok());
        assert!(judge(&info("7.0.15", "0", "allkeys-lru")).is_err());
        let fault = judge(&info("7.0.15", "1048576", "volatile-lru")).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "Redis evicts keys when memory is full (maxmemory-policy volatile-lru): set `maxmemory-policy noeviction`"
        );
        assert!(!fault.is_unreachable());
    }
}
