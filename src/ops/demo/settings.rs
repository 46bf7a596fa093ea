//! The configuration of the demo's roles: a file in its folder, which commands of an operator may name too.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::{folder::write_secret, process::Simulator};
use crate::config::{Loaded, Sources};

/// The file, in the demo's folder.
const FILE: &str = "polar-sync.toml";

/// Polar's client as the simulator knows it.
pub(super) const CLIENT_ID: &str = "demo";
pub(super) const CLIENT_SECRET: &str = "demo-secret";

/// The key to the HTTP interface: that of the README's examples.
pub(super) const API_KEY: &str = "your_key";

/// The simulated people go on with their lives: what they do meanwhile is to be seen within a minute,
/// and nights have no notifications.
const NOTIFICATIONS_EVERY: &str = "5s";
const NIGHTS_EVERY: &str = "30s";

/// What the roles stand on.
pub(super) struct Settings<'a> {
    pub(super) database_url: &'a str,
    /// Whether the database's server is fast rather than durable.
    pub(super) allow_unsafe: bool,
    pub(super) redis_url: &'a str,
    pub(super) simulator: &'a Simulator,
    /// The key that seals tokens.
    pub(super) key: &'a str,
    /// Where the HTTP interface listens.
    pub(super) listen: SocketAddr,
}

/// How browsers reach an interface that listens there.
pub(super) fn public_url(listen: SocketAddr) -> String {
    format!("http://localhost:{}", listen.port())
}

/// Where the file is.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

impl Settings<'_> {
    /// Writes the file, and reads it as the roles do. What is set in the environment does not count: it may name
    /// the real Polar and somebody's real database.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<Loaded> {
        let api = &self.simulator.api;
        let settings = json!({
            "database": { "url": self.database_url, "allow_unsafe": self.allow_unsafe },
            "redis": { "url": self.redis_url },
            "accesslink": {
                "api_url": api.as_str().trim_end_matches('/'),
                "authorize_url": api.join("oauth2/authorization")?,
                "token_url": api.join("v2/oauth2/token")?,
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
            },
            "api": {
                "listen": self.listen.to_string(),
                "public_url": public_url(self.listen),
                "redirect_allow": ["http://localhost:*"],
                "bootstrap_key": API_KEY,
            },
            "security": { "keys": [self.key] },
            "schedule": {
                "notifications_every": NOTIFICATIONS_EVERY,
                "interval": { "sleep": NIGHTS_EVERY, "nightly_recharge": NIGHTS_EVERY },
            },
            "telemetry": { "metrics_listen": "127.0.0.1:0" },
        });
        let path = file(folder);
        write_secret(&path, &toml::to_string(&settings)?)?;
        let sources = Sources {
            file: Some(path),
            ..Sources::default()
        };
        Ok(sources.load()?)
    }
}
