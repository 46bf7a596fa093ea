//! Heart-rate zones.

use serde::Deserialize;

use super::limit::{LIST_LIMIT, at_most};

/// The zones of an exercise of a transaction.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct HeartRateZones {
    /// The zones; `null` when there are none.
    #[serde(default, deserialize_with = "at_most::<_, _, LIST_LIMIT>")]
    pub zone: Vec<HeartRateZone>,
}

/// One zone. Its index is not read: Polar counts from 0 at one source and from 1 at the other.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct HeartRateZone {
    /// Beats a minute.
    pub lower_limit: f64,
    /// Beats a minute.
    pub upper_limit: f64,
    /// ISO-8601 duration.
    #[serde(alias = "inzone")]
    pub in_zone: String,
}
