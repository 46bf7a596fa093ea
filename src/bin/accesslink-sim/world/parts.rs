//! The prepared answers of one item: a body for its summary and for each of its sub-resources.
//!
//! Bodies are made when first asked for and dropped once the item is committed. They follow from the
//! item and from the switches, so that dropped ones can be made again, byte by byte while no switch that
//! changes their look is turned.

use std::fmt;

use axum::body::Bytes;
use serde_json::Value;

use super::session::sample_type;

/// Which sub-resource of an item a body belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartKey {
    Summary,
    HeartRateZones,
    Samples(u8),
    Gpx,
    Tcx,
    Fit,
    StepSamples,
    ZoneSamples,
}

impl fmt::Display for PartKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Summary => f.write_str("summary"),
            Self::HeartRateZones => f.write_str("heart-rate-zones"),
            Self::Samples(type_id) => write!(f, "samples/{type_id}"),
            Self::Gpx => f.write_str("gpx"),
            Self::Tcx => f.write_str("tcx"),
            Self::Fit => f.write_str("fit"),
            Self::StepSamples => f.write_str("step-samples"),
            Self::ZoneSamples => f.write_str("zone-samples"),
        }
    }
}

impl PartKey {
    /// Whether a client that keeps everything must have seen it before it commits: TCX and FIT only
    /// repeat the rest.
    pub(crate) fn is_needed(self) -> bool {
        !matches!(self, Self::Tcx | Self::Fit)
    }
}

/// The body of one sub-resource, with how often it left unspoilt.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) key: PartKey,
    pub(crate) body: Bytes,
    pub(crate) served: u32,
}

/// All bodies of one revision of an item. The summary comes first.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) parts: Vec<Part>,
    pub(crate) counts: Counts,
}

impl Parts {
    /// Starts with the summary.
    pub(crate) fn new(summary: &Value, counts: Counts) -> Self {
        let mut parts = Self {
            parts: Vec::new(),
            counts,
        };
        parts.add(PartKey::Summary, summary.to_string());
        parts
    }

    /// Adds the body of a sub-resource.
    pub(crate) fn add(&mut self, key: PartKey, body: impl Into<Bytes>) {
        self.parts.push(Part {
            key,
            body: body.into(),
            served: 0,
        });
    }

    /// Frees the bodies and keeps the counters.
    pub(crate) fn drop_bodies(&mut self) {
        for part in &mut self.parts {
            part.body = Bytes::new();
        }
    }

    /// Whether the bodies were freed: no body is empty otherwise.
    pub(crate) fn are_dropped(&self) -> bool {
        self.parts.iter().all(|part| part.body.is_empty())
    }

    /// Takes over how often each body was served.
    pub(crate) fn take_counters(&mut self, other: &Self) {
        for part in &mut self.parts {
            part.served = other.get(part.key).map_or(0, |other| other.served);
        }
    }

    /// The sub-resource, unless the item has none of that name.
    pub(crate) fn get(&self, key: PartKey) -> Option<&Part> {
        self.parts.iter().find(|part| part.key == key)
    }

    /// The sample types that the item has.
    pub(crate) fn sample_types(&self) -> impl Iterator<Item = u8> {
        self.parts.iter().filter_map(|part| match part.key {
            PartKey::Samples(type_id) => Some(type_id),
            _ => None,
        })
    }
}

/// The number that stands in a prepared summary for the transaction that it is read through.
const NO_TRANSACTION: &str = r#""transaction-id":0"#;

/// A summary as it is served through this transaction.
pub(crate) fn summary_in_transaction(prepared: &Bytes, transaction_id: u64) -> Bytes {
    let text = String::from_utf8_lossy(prepared);
    let Some((before, after)) = text.split_once(NO_TRANSACTION) else {
        return prepared.clone();
    };
    Bytes::from(format!(
        r#"{before}"transaction-id":{transaction_id}{after}"#
    ))
}

/// How much there is in an item, for the totals of the ledger.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) sample_values: [u64; sample_type::COUNT],
    pub(crate) zones: u64,
    pub(crate) route_points: u64,
    pub(crate) step_samples: u64,
    pub(crate) activity_zone_samples: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_summary_names_the_transaction_it_is_read_through() {
        let parts = Parts::new(
            &json!({"id": 5, "transaction-id": 0, "n": 1}),
            Counts::default(),
        );
        let served = summary_in_transaction(&parts.get(PartKey::Summary).unwrap().body, 77);
        assert_eq!(&served[..], br#"{"id":5,"transaction-id":77,"n":1}"#);
    }
}
