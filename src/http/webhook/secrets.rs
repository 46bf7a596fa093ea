//! The secrets that sign events: the webhook's in use, and for a while those before it.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretSlice};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    http::{Api, error::ApiError},
    secret::is_signed,
    store::webhook::{SealedSecret, secret_aad},
    telemetry,
};

/// Secrets are read again after so long.
const KEPT: Duration = Duration::from_secs(30);

/// A signature that no secret made may be a new secret's: they are read again, but not oftener than this, so that
/// a flood of forgeries costs next to nothing.
const READ_EVERY_MIN: Duration = Duration::from_secs(1);

/// A secret that signs events.
struct Secret {
    webhook_id: String,
    key: SecretSlice<u8>,
}

/// The secrets, as they were last read.
#[derive(Default)]
pub(in crate::http) struct Secrets(Mutex<Option<Read>>);

struct Read {
    at: Instant,
    secrets: Vec<Secret>,
}

impl Secrets {
    /// The webhook that sent a body, by its signature; `None` for a forgery.
    pub(super) async fn signer(
        &self,
        api: &Api,
        body: &[u8],
        signature: &[u8],
    ) -> Result<Option<String>, ApiError> {
        let mut read = self.0.lock().await;
        for longest in [KEPT, READ_EVERY_MIN] {
            let is_old = read
                .as_ref()
                .is_none_or(|read| read.at.elapsed() >= longest);
            let secrets = match (&mut *read, is_old) {
                (Some(read), false) => &read.secrets,
                (stale, _) => &stale.insert(Read::now(api).await?).secrets,
            };
            let signer = secrets
                .iter()
                .find(|secret| is_signed(secret.key.expose_secret(), body, signature));
            if let Some(signer) = signer {
                return Ok(Some(signer.webhook_id.clone()));
            }
        }
        Ok(None)
    }
}

impl Read {
    async fn now(api: &Api) -> Result<Self, ApiError> {
        let sealed = api.store.webhook_secrets().await?;
        let is_any = !sealed.is_empty();
        let secrets: Vec<_> = sealed
            .into_iter()
            .filter_map(|secret| open(api, secret))
            .collect();
        if is_any && secrets.is_empty() {
            let detail = "events cannot be checked just now";
            return Err(ApiError::later("secret_unavailable", detail, KEPT));
        }
        Ok(Self {
            at: Instant::now(),
            secrets,
        })
    }
}

/// A secret that is opened; one that does not open stands in nobody's way.
fn open(api: &Api, sealed: SealedSecret) -> Option<Secret> {
    let aad = secret_aad(&sealed.webhook_id);
    let opened = api
        .access
        .keyring
        .get()
        .open(&sealed.key_id, &aad, &sealed.bytes);
    match opened {
        Ok(opened) => Some(Secret {
            webhook_id: sealed.webhook_id,
            key: SecretSlice::from(opened.to_vec()),
        }),
        Err(error) => {
            tracing::error!(
                error = telemetry::chain(&error),
                "a webhook's secret cannot be opened: give security.keys the key that sealed it, or make another webhook"
            );
            None
        }
    }
}
