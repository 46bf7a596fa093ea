//! What a running process takes over without a restart: the brake when it is told to (SIGHUP), and secrets then and by
//! itself, as their files are replaced by whoever mounts them.
//!
//! A secret that cannot be used is reported with its key, and the old one stays in force; it is tried again at every
//! look. What needs a restart says so.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{signal::unix::Signal, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::ground::Ground;
use crate::{
    config::{Brake, Config, EncryptionKey, Live, Secret, ServiceUrl, Sources},
    secret::Keyring,
    telemetry,
};

/// Between two looks at the secrets.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What follows its sources.
pub(super) struct Reload {
    pub(super) sources: Sources,
    /// What is in force.
    pub(super) config: Config,
    pub(super) brake: Brake,
    pub(super) ground: Arc<Ground>,
    /// None for a process that opens no tokens.
    pub(super) keyring: Option<Live<Keyring>>,
    pub(super) bootstrap_key: Live<Option<Secret>>,
    /// What was reported at the last look, and is not again.
    pub(super) reported: BTreeSet<String>,
}

impl Reload {
    /// Follows the sources until `stop`.
    pub(super) async fn run(mut self, mut hangup: Signal, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_told = tokio::select! {
                () = stop.cancelled() => return,
                told = hangup.recv() => told.is_some(),
                _ = looks.tick() => false,
            };
            if stop.run_until_cancelled(self.look(is_told)).await.is_none() {
                return;
            }
        }
    }

    async fn look(&mut self, is_told: bool) {
        if is_told {
            self.reported.clear();
        }
        let config = match self.sources.load() {
            Ok(loaded) => loaded.config,
            Err(error) => {
                let error = telemetry::chain(&error);
                let text = "the configuration cannot be read again; nothing changes";
                return self.report(BTreeSet::from([format!("{text}: {error}")]));
            }
        };
        if is_told {
            self.brake.set(&config.sync);
            tracing::info!("the configuration is read again: sync.commit is set anew");
        }
        let taken = [
            ("accesslink.client_secret", self.client_secret(&config)),
            ("api.bootstrap_key", Ok(self.bootstrap_key(&config))),
            ("security.keys", self.keys(&config).await),
            ("database.url", self.database_url(&config).await),
            ("redis.url", self.redis_url(&config)),
        ];
        let mut problems = BTreeSet::new();
        for (key, taken) in taken {
            match taken {
                Ok(Taken::New) => tracing::info!(key, "{key} has changed, and is in force"),
                Ok(Taken::Same) => {}
                Err(error) => {
                    let error = telemetry::chain(&*error);
                    problems.insert(format!("{key} has changed; the old one stays: {error}"));
                }
            }
        }
        self.report(problems);
    }

    /// Reports what was not reported at the last look.
    fn report(&mut self, problems: BTreeSet<String>) {
        for problem in problems.difference(&self.reported) {
            tracing::error!("{problem}");
        }
        self.reported = problems;
    }

    fn client_secret(&mut self, config: &Config) -> anyhow::Result<Taken> {
        let (old, new) = (
            &mut self.config.accesslink.client_secret,
            &config.accesslink.client_secret,
        );
        if is_same(old.as_ref(), new.as_ref()) {
            return Ok(Taken::Same);
        }
        let secret = new.as_ref().ok_or_else(gone)?;
        let live = &self.ground.client_secret;
        live.set(secret.expose().to_owned().into());
        old.clone_from(new);
        Ok(Taken::New)
    }

    fn bootstrap_key(&self, config: &Config) -> Taken {
        let new = &config.api.bootstrap_key;
        if is_same((*self.bootstrap_key.get()).as_ref(), new.as_ref()) {
            return Taken::Same;
        }
        self.bootstrap_key.set(new.clone());
        Taken::New
    }

    /// A key that is not the one that its id stood for is refused by what is recorded of it.
    async fn keys(&mut self, config: &Config) -> anyhow::Result<Taken> {
        let bare = |keys: &[EncryptionKey]| -> Vec<_> {
            let bare = keys.iter().map(|key| (key.id().to_owned(), *key.expose()));
            bare.collect()
        };
        let Some(live) = &self.keyring else {
            return Ok(Taken::Same);
        };
        if bare(&self.config.security.keys) == bare(&config.security.keys) {
            return Ok(Taken::Same);
        }
        let keyring = Keyring::from_config(&config.security)?;
        self.ground.store.check_keys(&keyring).await?;
        live.set(keyring);
        self.config.security = config.security.clone();
        Ok(Taken::New)
    }

    async fn database_url(&mut self, config: &Config) -> anyhow::Result<Taken> {
        let url = &config.database.url;
        if is_same_url(self.config.database.url.as_ref(), url.as_ref()) {
            return Ok(Taken::Same);
        }
        let new = url.as_ref().ok_or_else(gone)?.expose();
        self.ground.store.log_in_with(new).await?;
        self.config.database.url.clone_from(url);
        Ok(Taken::New)
    }

    fn redis_url(&self, config: &Config) -> anyhow::Result<Taken> {
        let new = config.redis.url.as_ref();
        if is_same_url(self.config.redis.url.as_ref(), new) {
            return Ok(Taken::Same);
        }
        anyhow::bail!("it takes a restart")
    }
}

/// What a look at a secret led to.
enum Taken {
    /// It is the one in force.
    Same,
    /// It is in force now.
    New,
}

fn gone() -> anyhow::Error {
    anyhow::anyhow!("it is not set any more")
}

fn is_same(old: Option<&Secret>, new: Option<&Secret>) -> bool {
    old.map(Secret::expose) == new.map(Secret::expose)
}

fn is_same_url(old: Option<&ServiceUrl>, new: Option<&ServiceUrl>) -> bool {
    old.map(ServiceUrl::expose) == new.map(ServiceUrl::expose)
}
