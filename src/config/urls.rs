//! Values that are URLs, each as narrow as its use.

use std::{fmt, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserializer, Serialize, Serializer};
use url::Url;

use super::words::{InvalidValue, as_text};

fn parse_http(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    plain.then_some(url)
}

/// Where an HTTP server answers: scheme, host and port, nothing behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(Url);

impl Origin {
    /// The origin as a URL whose path is `/`.
    pub const fn as_url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_http(text)
            .filter(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none())
            .map(Self)
            .ok_or_else(|| {
                InvalidValue(format!(
                    "{text:?} is not an origin; write scheme and host without a path, for example https://www.polaraccesslink.com"
                ))
            })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_str().trim_end_matches('/'))
    }
}
as_text!(Origin);

/// An `http` or `https` URL without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl(Url);

impl HttpUrl {
    /// The URL.
    pub const fn as_url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for HttpUrl {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_http(text).map(Self).ok_or_else(|| {
            InvalidValue(format!(
                "{text:?} is not an HTTP URL; write it with its scheme, for example https://example.org/path"
            ))
        })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_str())
    }
}
as_text!(HttpUrl);

/// A redirect target that may be asked for: an exact URL, or an origin whose port may be anything
/// when it is written `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectPattern(String);

impl RedirectPattern {
    /// Whether `target` is what this pattern allows.
    pub fn allows(&self, target: &Url) -> bool {
        let Some(origin) = self.0.strip_suffix(":*") else {
            return Url::parse(&self.0).is_ok_and(|allowed| allowed == *target);
        };
        let Ok(origin) = Url::parse(origin) else {
            return false;
        };
        origin.scheme() == target.scheme()
            && origin.host() == target.host()
            && target.username().is_empty()
            && target.password().is_none()
    }
}

impl FromStr for RedirectPattern {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = match text.strip_suffix(":*") {
            Some(origin) => origin.parse::<Origin>().is_ok_and(|o| o.0.port().is_none()),
            None => !text.contains('*') && parse_http(text).is_some(),
        };
        if valid {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidValue(format!(
            "{text:?} is not a redirect target; write a whole URL, or http://localhost:* for any port and path"
        )))
    }
}

impl fmt::Display for RedirectPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
as_text!(RedirectPattern);

/// The URL of Postgres or Redis. It may carry a password, which is never shown.
#[derive(Clone)]
pub struct ServiceUrl {
    whole: SecretString,
    shown: String,
}

impl ServiceUrl {
    const POSTGRES: [&str; 2] = ["postgres", "postgresql"];
    const REDIS: [&str; 4] = ["redis", "rediss", "redis+unix", "unix"];

    /// The whole URL, for the client that connects.
    pub fn expose(&self) -> &str {
        self.whole.expose_secret()
    }

    /// Whether a URL of Redis asks for TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.shown.starts_with("rediss://")
    }

    /// The URL of a Postgres server.
    pub fn postgres(text: &str) -> Result<Self, InvalidValue> {
        Self::parse(text, &Self::POSTGRES).ok_or_else(|| {
            InvalidValue(
                "not a Postgres URL; write postgres://USER:PASSWORD@HOST:5432/DATABASE".to_owned(),
            )
        })
    }

    /// The URL of a Redis server.
    pub fn redis(text: &str) -> Result<Self, InvalidValue> {
        Self::parse(text, &Self::REDIS).ok_or_else(|| {
            InvalidValue(
                "not a Redis URL; write redis://HOST:6379 or rediss://HOST:6379".to_owned(),
            )
        })
    }

    /// Messages never repeat the text: a URL with a slip in it may still hold a password.
    fn parse(text: &str, schemes: &[&str]) -> Option<Self> {
        let mut url = Url::parse(text).ok()?;
        if !schemes.contains(&url.scheme()) {
            return None;
        }
        if url.password().is_some() {
            url.set_password(Some(super::secret::MASK)).ok()?;
        }
        // Both servers take a password as a parameter too, so no parameter is shown.
        if url.query().is_some() {
            url.set_query(Some(super::secret::MASK));
        }
        Some(Self {
            whole: text.into(),
            shown: url.into(),
        })
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.shown)
    }
}

impl Serialize for ServiceUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

pub(super) fn postgres<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ServiceUrl>, D::Error> {
    optional(deserializer, ServiceUrl::postgres)
}

pub(super) fn redis<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ServiceUrl>, D::Error> {
    optional(deserializer, ServiceUrl::redis)
}

fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
    parse: fn(&str) -> Result<ServiceUrl, InvalidValue>,
) -> Result<Option<ServiceUrl>, D::Error> {
    let text = <Option<String> as serde::Deserialize>::deserialize(deserializer)?;
    text.map(|text| parse(&text).map_err(serde::de::Error::custom))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_nothing_behind_its_port() {
        let origin: Origin = "http://127.0.0.1:18080/".parse().unwrap();
        assert_eq!(origin.to_string(), "http://127.0.0.1:18080");
        for text in [
            "www.polaraccesslink.com",
            "https://host/v3",
            "https://host/?a=1",
            "https://user@host",
            "ftp://host",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_service_url_never_shows_what_may_be_a_password() {
        let url = ServiceUrl::postgres("postgres://me:canary@db/polar?password=canary").unwrap();
        assert!(url.expose().contains("canary"));
        assert_eq!(url.to_string(), "postgres://me:***@db/polar?***");
        assert!(!format!("{url:?}").contains("canary"));
        let error = ServiceUrl::redis("postgres://me:canary@db/polar").unwrap_err();
        assert!(!error.to_string().contains("canary"));
    }

    #[test]
    fn services_may_be_reached_by_a_socket() {
        assert!(ServiceUrl::postgres("postgres:///polar?host=/run/postgresql").is_ok());
        assert!(ServiceUrl::redis("redis+unix:///run/redis.sock").is_ok());
        assert!(ServiceUrl::redis("localhost:6379").is_err());
    }

    #[test]
    fn a_redirect_pattern_allows_its_url_or_any_port_of_its_host() {
        let exact: RedirectPattern = "https://app.example.org/done".parse().unwrap();
        let any_port: RedirectPattern = "http://localhost:*".parse().unwrap();
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(exact.allows(&url("https://app.example.org/done")));
        assert!(!exact.allows(&url("https://app.example.org/done/more")));
        assert!(any_port.allows(&url("http://localhost:3000/callback")));
        assert!(!any_port.allows(&url("http://localhost.evil.example:3000/callback")));
        assert!(!any_port.allows(&url("http://localhost:3000@evil.example/callback")));
        assert!("https://*.example.org".parse::<RedirectPattern>().is_err());
    }
}
