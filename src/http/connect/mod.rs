//! How a user connects: the platform asks for a URL, the user consents at Polar, and comes back with a code.
//!
//! Owns the state that ties both ends together, and where a browser is sent. Must never send a browser to an address
//! that is not on the allow-list, and never exchange a code twice.

mod authorize;
mod callback;
mod html;

use std::sync::Arc;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::Api;

/// Where a platform begins.
pub(super) const AUTHORIZE_PATH: &str = "/api/v1/oauth/polar/authorize";

/// Where Polar sends a browser back to, below `api.public_url`; to be registered with the client at Polar.
pub(super) const CALLBACK_PATH: &str = "/api/v1/oauth/polar/callback";

/// The routes of connecting.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(authorize::authorize))
        .routes(routes!(callback::callback))
}

/// What a code or a state may look like: Polar's are far shorter.
const PARAMETER_MAX_BYTES: usize = 2_048;
