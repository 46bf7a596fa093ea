//! Sample series of an exercise.

use serde::Deserialize;
use serde_json::Value;

use super::{
    LIST_LIMIT, Unreadable,
    decode::{decode_value, object},
};

/// The addresses of the series that a transaction's exercise has, as the server wrote them, each
/// ending in the id of a sample type.
///
/// An empty object and a `null` mean that there are none. An object that holds something else
/// instead is an error: series that are not seen here are lost with the commit.
pub fn sample_items(body: &[u8]) -> Result<Vec<String>, Unreadable> {
    let field = "samples";
    let mut fields = object(body)?;
    match fields.shift_remove(field) {
        None if fields.is_empty() => Ok(Vec::new()),
        Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() <= LIST_LIMIT => {
            decode_value(items.into()).map_err(|error: Unreadable| error.in_field(field))
        }
        _ => Err(Unreadable::new(
            field,
            format!("a list of at most {LIST_LIMIT} addresses"),
        )),
    }
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
