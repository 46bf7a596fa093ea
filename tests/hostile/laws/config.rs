//! Settings, one `KEY=VALUE` a line, and a text as each of the types that a value may have: what is taken
//! is printed and taken again as the same, and no error repeats a secret.

use std::{fmt::Debug, str::FromStr};

use polar_sync::{
    config::{
        Bytes, Duration, EncryptionKey, HttpUrl, KeyPrefix, Listen, LogFilter, Origin,
        RedirectPattern, ServiceUrl, Setting, Sources,
    },
    model::UserId,
    secret::ApiKey,
};

pub(crate) fn check(text: &str) {
    let settings: Vec<Setting> = text.lines().filter_map(|line| line.parse().ok()).collect();
    // Every key has a dot.
    if settings.iter().any(|setting| setting.key.contains('.')) {
        let sources = Sources {
            settings,
            ..Sources::default()
        };
        let _ = sources.load().map(|loaded| loaded.shown());
    }
    assert_law::<Duration>(text);
    assert_law::<Bytes>(text);
    assert_law::<Origin>(text);
    assert_law::<HttpUrl>(text);
    assert_law::<UserId>(text);
    let _ = text.parse::<RedirectPattern>();
    let _ = text.parse::<Listen>();
    let _ = text.parse::<KeyPrefix>();
    let _ = text.parse::<LogFilter>();
    let _ = ApiKey::id_of(text);
    for url in [ServiceUrl::postgres(text), ServiceUrl::redis(text)] {
        let said = url.map_or_else(|error| error.to_string(), |url| url.to_string());
        assert_masked(text, &said);
    }
    if let Err(error) = text.parse::<EncryptionKey>() {
        assert!(
            text.len() < 12 || !error.to_string().contains(text),
            "{error}"
        );
    }
}

fn assert_law<T>(text: &str)
where
    T: FromStr + ToString + PartialEq + Debug,
{
    if let Ok(value) = text.parse::<T>() {
        let printed = value.to_string();
        assert_eq!(printed.parse().ok(), Some(value), "{text:?} as {printed:?}");
    }
}

/// No password of a URL, and no parameter, is in what is said of it.
fn assert_masked(text: &str, said: &str) {
    let Ok(url) = url::Url::parse(text) else {
        return;
    };
    for secret in [url.password(), url.query()].into_iter().flatten() {
        // A short one may stand in any sentence.
        assert!(secret.len() < 12 || !said.contains(secret), "{said}");
    }
}
