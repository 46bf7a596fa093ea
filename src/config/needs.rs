//! What each role needs, and what must fit together.

use std::path::Path;

use super::{Config, ConfigError, EncryptionKey, Secret, ServiceUrl};

/// One day, below which raw bodies could not serve the next try of a transaction.
const RETENTION_MIN: std::time::Duration = std::time::Duration::from_hours(24);

/// Our client at Polar.
#[derive(Debug, Clone, Copy)]
pub struct AccessLinkClient<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its secret.
    pub secret: &'a Secret,
}

/// Where Redis is, and whom to trust there.
#[derive(Debug, Clone, Copy)]
pub struct RedisUrl<'a> {
    /// Its URL.
    pub url: &'a ServiceUrl,
    /// `redis.ca_file`: the certificates that its own is checked against; none for those of public authorities.
    pub ca_file: Option<&'a Path>,
}

/// What a command that enqueues or reports needs.
#[derive(Debug, Clone, Copy)]
pub struct QueueNeeds<'a> {
    /// Postgres.
    pub database_url: &'a ServiceUrl,
    /// Redis.
    pub redis_url: RedisUrl<'a>,
}

/// What a scheduler needs.
#[derive(Debug, Clone, Copy)]
pub struct SchedulerNeeds<'a> {
    /// Postgres and Redis.
    pub queue: QueueNeeds<'a>,
    /// Our client at Polar, to ask for notifications.
    pub client: AccessLinkClient<'a>,
}

/// What it takes to speak to Polar for users.
#[derive(Debug, Clone, Copy)]
pub struct PolarNeeds<'a> {
    /// Postgres and Redis.
    pub queue: QueueNeeds<'a>,
    /// Our client at Polar, to refresh tokens.
    pub client: AccessLinkClient<'a>,
    /// Keys that seal and open tokens; never empty.
    pub keys: &'a [EncryptionKey],
}

/// Collects what is not set, so that one error tells all of it.
struct Missing {
    what: &'static str,
    keys: Vec<&'static str>,
}

impl Missing {
    const fn of(what: &'static str) -> Self {
        Self {
            what,
            keys: Vec::new(),
        }
    }

    fn need<T>(&mut self, key: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.keys.push(key);
        }
        value
    }

    fn settle<T>(self, needs: Option<T>) -> Result<T, ConfigError> {
        needs.ok_or(ConfigError::Missing {
            what: self.what,
            keys: self.keys,
        })
    }
}

impl Config {
    /// What only Postgres is needed for: `migrate`, `users list`, `explain` and the like. `what` is the
    /// role or command, for the error.
    pub fn for_database(&self, what: &'static str) -> Result<&ServiceUrl, ConfigError> {
        let mut missing = Missing::of(what);
        let url = missing.need("database.url", self.database.url.as_ref());
        missing.settle(url)
    }

    /// What a command needs that enqueues or looks at the lanes.
    pub fn for_queue(&self, what: &'static str) -> Result<QueueNeeds<'_>, ConfigError> {
        let mut missing = Missing::of(what);
        let needs = self.queue(&mut missing);
        missing.settle(needs)
    }

    /// What `scheduler` needs.
    pub fn for_scheduler(&self) -> Result<SchedulerNeeds<'_>, ConfigError> {
        let mut missing = Missing::of("scheduler");
        let (queue, client) = (self.queue(&mut missing), self.client(&mut missing));
        missing.settle(
            queue
                .zip(client)
                .map(|(queue, client)| SchedulerNeeds { queue, client }),
        )
    }

    /// What `worker` needs, and whoever else speaks to Polar for users: `api`, `all`, `webhook`. `what` is the
    /// role or command, for the error.
    pub fn for_polar(&self, what: &'static str) -> Result<PolarNeeds<'_>, ConfigError> {
        let mut missing = Missing::of(what);
        let (queue, client) = (self.queue(&mut missing), self.client(&mut missing));
        let keys = self.sealing_keys(&mut missing);
        let needs = queue.zip(client).zip(keys);
        missing.settle(needs.map(|((queue, client), keys)| PolarNeeds {
            queue,
            client,
            keys,
        }))
    }

    /// What a command needs that seals or opens tokens, `users import` for one.
    pub fn for_tokens(
        &self,
        what: &'static str,
    ) -> Result<(QueueNeeds<'_>, &[EncryptionKey]), ConfigError> {
        let mut missing = Missing::of(what);
        let (queue, keys) = (self.queue(&mut missing), self.sealing_keys(&mut missing));
        missing.settle(queue.zip(keys))
    }

    fn queue(&self, missing: &mut Missing) -> Option<QueueNeeds<'_>> {
        let database_url = missing.need("database.url", self.database.url.as_ref());
        let redis_url = missing.need("redis.url", self.redis.url.as_ref());
        Some(QueueNeeds {
            database_url: database_url?,
            redis_url: RedisUrl {
                url: redis_url?,
                ca_file: self.redis.ca_file.as_deref(),
            },
        })
    }

    fn client(&self, missing: &mut Missing) -> Option<AccessLinkClient<'_>> {
        let id = missing.need("accesslink.client_id", self.accesslink.client_id.as_deref());
        let secret = missing.need(
            "accesslink.client_secret",
            self.accesslink.client_secret.as_ref(),
        );
        Some(AccessLinkClient {
            id: id?,
            secret: secret?,
        })
    }

    fn sealing_keys(&self, missing: &mut Missing) -> Option<&[EncryptionKey]> {
        let keys = Some(self.security.keys.as_slice());
        missing.need("security.keys", keys.filter(|keys| !keys.is_empty()))
    }

    /// Checks what no single value can tell.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let conflict = |key, problem| Err(ConfigError::Conflict { key, problem });
        if self.sync.kinds.is_empty() {
            return conflict(
                "sync.kinds",
                "it is empty, so nothing would be synced; name at least one kind".to_owned(),
            );
        }
        if self.raw.retention.get() < RETENTION_MIN {
            return conflict(
                "raw.retention",
                format!(
                    "{} is below 1d; bodies must outlive the tries of a transaction",
                    self.raw.retention
                ),
            );
        }
        if self.redis.ca_file.is_some() && self.redis.url.as_ref().is_some_and(|url| !url.is_tls())
        {
            return conflict(
                "redis.ca_file",
                "redis.url does not ask for TLS; write rediss://, or leave redis.ca_file out"
                    .to_owned(),
            );
        }
        self.check_keys()
    }

    /// Two keys of one id would open nothing of each other.
    fn check_keys(&self) -> Result<(), ConfigError> {
        let keys = &self.security.keys;
        let repeated = keys.iter().enumerate().find(|(index, key)| {
            keys[..*index]
                .iter()
                .any(|earlier| earlier.id() == key.id())
        });
        match repeated {
            None => Ok(()),
            Some((_, key)) => Err(ConfigError::Conflict {
                key: "security.keys",
                problem: format!(
                    "the id {} occurs twice; give each key an id of its own",
                    key.id()
                ),
            }),
        }
    }
}
