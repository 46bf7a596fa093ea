//! Heart-rate zones.

use serde::{Deserialize, Deserializer};

use super::envelope::Envelope;

/// The zones of an exercise of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct HeartRateZones {
    /// The zones; `null` when there are none.
    pub zone: Vec<HeartRateZone>,
}

impl<'de> Deserialize<'de> for HeartRateZones {
    fn deserialize<D: Deserializer<'de>>(body: D) -> Result<Self, D::Error> {
        let names = &["zone", "zones", "heart_rate_zones"];
        Envelope::open(body, names).map(|envelope| Self {
            zone: envelope.list,
        })
    }
}

/// One zone. Its index is not read: Polar counts from 0 at one source and from 1 at the other.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct HeartRateZone {
    /// Beats a minute.
    pub lower_limit: Option<f64>,
    /// Beats a minute.
    pub upper_limit: Option<f64>,
    /// ISO-8601 duration; none in an entry that stands for nothing.
    #[serde(alias = "inzone")]
    pub in_zone: Option<String>,
}
