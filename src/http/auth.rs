//! Who may come in: the key of a call, and what it allows.
//!
//! A handler takes a [`Caller`] with the right that it needs, as its first argument: nothing of a call is looked at
//! before its key.

use std::{marker::PhantomData, num::NonZeroU32, sync::Arc, time::Duration};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, request::Parts},
};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _};
use uuid::Uuid;

use super::{Api, error::ApiError};
use crate::{
    config::{Live, Secret},
    model::Scope,
    secret::{ApiKey, is_same, sha256},
    telemetry,
};

/// The header of the key.
pub(super) const KEY_HEADER: &str = "X-Open-Wearables-API-Key";

/// The longest key that is looked at.
const KEY_MAX_BYTES: usize = 512;

/// A right that a handler asks for.
pub(super) trait Right: Send + Sync {
    /// The scope that gives it; [`Scope::Admin`] gives every right.
    const SCOPE: Scope;
}

/// Defines a right for each scope.
macro_rules! rights {
    ($($right:ident = $scope:ident),+) => {
        $(
            #[derive(Debug)]
            pub(super) enum $right {}
            impl Right for $right {
                const SCOPE: Scope = Scope::$scope;
            }
        )+
    };
}
rights!(Reads = Read, Syncs = Sync, Connects = Connect);

/// Somebody whose key gives a right.
#[derive(Debug)]
pub(super) struct Caller<R> {
    /// The id of the key; that of the bootstrap key is nil.
    pub(super) key_id: Uuid,
    right: PhantomData<R>,
}

impl<R: Right> FromRequestParts<Arc<Api>> for Caller<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let (key_id, scopes) = api.keys.scopes(&parts.headers, api).await?;
        if scopes.contains(&R::SCOPE) || scopes.contains(&Scope::Admin) {
            Ok(Self {
                key_id,
                right: PhantomData,
            })
        } else {
            Err(ApiError::lacks_scope(R::SCOPE))
        }
    }
}

/// What is needed to judge keys.
pub(super) struct Keys {
    /// `api.bootstrap_key`, which may change.
    bootstrap_key: Live<Option<Secret>>,
    limiter: DefaultKeyedRateLimiter<Uuid>,
}

impl Keys {
    pub(super) fn new(bootstrap_key: Live<Option<Secret>>, calls_per_second: NonZeroU32) -> Self {
        Self {
            bootstrap_key,
            limiter: RateLimiter::keyed(Quota::per_second(calls_per_second)),
        }
    }

    /// The id of the key of a call, and what it allows.
    async fn scopes(&self, headers: &HeaderMap, api: &Api) -> Result<(Uuid, Vec<Scope>), ApiError> {
        let key = headers
            .get(KEY_HEADER)
            .map(HeaderValue::as_bytes)
            .filter(|key| (1..=KEY_MAX_BYTES).contains(&key.len()))
            .ok_or_else(ApiError::no_key)?;
        let hash = sha256(key);
        // Hashes are compared, which takes the same time whatever is brought.
        let bootstrap_key = self.bootstrap_key.get();
        let is_bootstrap = |key: &Secret| is_same(&sha256(key.expose().as_bytes()), &hash);
        if (*bootstrap_key).as_ref().is_some_and(is_bootstrap) {
            self.count(Uuid::nil())?;
            return Ok((Uuid::nil(), vec![Scope::Admin]));
        }
        let key_id = std::str::from_utf8(key).ok().and_then(ApiKey::id_of);
        let key_id = key_id.ok_or_else(ApiError::no_key)?;
        let stored = api.store.api_key(key_id).await?;
        let stored = stored
            .filter(|stored| is_same(&stored.key_hash, &hash))
            .ok_or_else(ApiError::no_key)?;
        self.count(key_id)?;
        if stored.is_use_unnoted {
            // Whether that is noted is nothing to the caller.
            if let Err(error) = api.store.note_api_key_use(key_id).await {
                tracing::debug!(
                    error = telemetry::chain(&error),
                    "the use of a key is not noted"
                );
            }
        }
        tracing::Span::current().record("api_key", &stored.name);
        Ok((key_id, stored.scopes))
    }

    /// Counts a call of a key.
    fn count(&self, key_id: Uuid) -> Result<(), ApiError> {
        self.limiter.check_key(&key_id).map_err(|refused| {
            let wait = refused.wait_time_from(self.limiter.clock().now());
            ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "the API key is used more often than api.rate_limit allows; call less often, or raise it",
            )
            .retry_after(wait.max(Duration::from_millis(1)))
        })
    }

    /// Forgets the counts of keys that have not been used for a while.
    pub(super) fn forget_idle(&self) {
        self.limiter.retain_recent();
    }
}
