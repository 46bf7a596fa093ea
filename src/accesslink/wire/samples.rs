//! Sample series of an exercise.

use serde::Deserialize;

use super::limit::{LIST_LIMIT, at_most};

/// Which series a transaction's exercise has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SampleList {
    /// Addresses, as the server wrote them, each ending in the id of a sample type.
    #[serde(default, deserialize_with = "at_most::<_, _, LIST_LIMIT>")]
    pub samples: Vec<String>,
}

/// One series.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SampleSeries {
    /// Id of the sample type.
    pub sample_type: String,
    /// Seconds between two values; none for intervals between heart beats.
    pub recording_rate: Option<f64>,
    /// The values, separated by commas; none when it is empty.
    pub data: Option<String>,
}
