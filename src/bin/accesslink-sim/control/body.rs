//! JSON bodies of the control port: the content type does not matter, and no body counts as `{}`.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use super::Refused;

/// Longest body, enough for samples of many hours.
const BODY_MAX_BYTES: usize = 16 * 1024 * 1024;

/// The body as a value of this type.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let body = axum::body::to_bytes(request.into_body(), BODY_MAX_BYTES).await;
        let body = body.map_err(|reason| Refused::bad_request(&reason))?;
        let body = if body.is_empty() {
            Bytes::from_static(b"{}")
        } else {
            body
        };
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|reason| Refused::bad_request(&reason))
    }
}
