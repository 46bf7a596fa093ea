//! Polar's events: each says that a user has data, and becomes a request for a sync.
//!
//! Owns what proves an event, and what an event leads to. Must never believe what is not signed, never answer before
//! the request is durable, and never refuse what Polar could not send otherwise: it would stop to send anything.
//!
//! To add an event: its kinds in [`kinds_of`], and its name in [`EVENTS`].

mod receive;
mod secrets;

use std::sync::Arc;

use url::Url;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Api;
use crate::{config::Config, model::Kind};
pub(super) use secrets::Secrets;

/// Where Polar sends events, below `api.public_url`.
pub(super) const PATH: &str = "/api/v1/providers/polar/webhooks";

/// The events that a webhook is made for.
pub const EVENTS: [&str; 4] = [
    "EXERCISE",
    "SLEEP",
    "ACTIVITY_SUMMARY",
    "PHYSICAL_INFORMATION",
];

/// The kinds that an event tells of. Source: AccessLink documentation, "Webhooks". A night's recharge has no event
/// of its own ([`Kind::has_event`]), and most often comes with its sleep.
fn kinds_of(event: &str) -> &'static [Kind] {
    match event {
        "EXERCISE" => &[Kind::Exercise],
        "SLEEP" => &[Kind::Sleep, Kind::NightlyRecharge],
        "ACTIVITY_SUMMARY" => &[Kind::Activity],
        "PHYSICAL_INFORMATION" => &[Kind::PhysicalInformation],
        _ => &[],
    }
}

/// Where Polar is to send events.
pub fn webhook_url(config: &Config) -> Url {
    super::below(config.api.public_url.as_url(), PATH)
}

/// The route of events.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(receive::receive))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_an_event() {
        let told: Vec<_> = EVENTS
            .iter()
            .flat_map(|event| kinds_of(event))
            .copied()
            .collect();
        assert!(Kind::ALL.iter().all(|kind| told.contains(kind)), "{told:?}");
        assert_eq!(kinds_of("CONTINUOUS_HEART_RATE"), []);
    }
}
