//! What describes the interface: `/openapi.json` and `/docs`, generated from the handlers.

use std::sync::Arc;

use axum::{
    Json, Router,
    http::{HeaderValue, header},
    routing::get,
};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self,
        security::{ApiKey, ApiKeyValue, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{Api, auth::KEY_HEADER, connect, connections, read, runs, sync, users, webhook};

/// The name of the key in the description.
pub(super) const KEY: &str = "api_key";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "polar-sync",
        description = "Polar data of connected users, in canonical units and UTC.\n\nEvery call but Polar's own needs an API key \
                       in the header `X-Open-Wearables-API-Key`. A refusal has the shape `{\"detail\", \"code\"}`: `detail` is for \
                       people, `code` for programs. A parameter without a value is not given. A list comes in pages: \
                       give `pagination.next_cursor` as `cursor` to get the next one. Instants are given as dates \
                       (2026-03-01), date-times (2026-03-01T06:30:00Z) or Unix seconds; a date that ends a range is \
                       included.",
        license(name = "MIT", identifier = "MIT")
    ),
    modifiers(&KeyHeader),
    security(("api_key" = [])),
    tags(
        (name = "connect", description = "Connect and disconnect users"),
        (name = "sync", description = "Trigger syncs, and follow them"),
        (name = "read", description = "Read what is stored"),
        (name = "polar", description = "What Polar calls")
    )
)]
struct Description;

struct KeyHeader;

impl Modify for KeyHeader {
    fn modify(&self, description: &mut openapi::OpenApi) {
        let key = ApiKey::Header(ApiKeyValue::new(KEY_HEADER));
        let components = description.components.get_or_insert_default();
        components.add_security_scheme(KEY, SecurityScheme::ApiKey(key));
    }
}

/// Where the page finds the description: relative, since a proxy may put a path before both.
const DESCRIPTION_FROM_PAGE: &str = "../openapi.json";

/// Every call of the interface.
pub(super) fn calls() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(users::routes())
        .merge(connect::routes())
        .merge(connections::routes())
        .merge(sync::routes())
        .merge(runs::routes())
        .merge(webhook::routes())
        .merge(read::routes())
}

/// The description, for programs and for people. The page's files are built into the executable.
pub(super) fn pages(description: openapi::OpenApi) -> Router<Arc<Api>> {
    // Swagger UI's page styles itself inline and shows images of its own.
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                          connect-src 'self'; frame-ancestors 'none'";
    let page = SwaggerUi::new("/docs").config(Config::from(DESCRIPTION_FROM_PAGE));
    let policy = SetResponseHeaderLayer::overriding(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    Router::new()
        .merge(Router::<Arc<Api>>::from(page))
        .layer(policy)
        .route("/openapi.json", get(async move || Json(description)))
}
