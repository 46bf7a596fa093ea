//! Physical information: every change makes a new entry with the whole record.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::parts::{Counts, Parts};
use super::person::Person;
use super::text;

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Body {
    pub(crate) weight_kg: f64,
    pub(crate) vo2_max: i64,
}

impl Body {
    /// The one body that an entry has: it is without sub-resources.
    pub(crate) fn parts(
        &self,
        person: &Person,
        id: u64,
        created_at: Timestamp,
        origin: &str,
    ) -> Parts {
        let maximum_bpm = person.heart_rate_max_bpm;
        let mut entry = Map::new();
        let mut put = |key: &str, value: Value| _ = entry.insert(key.to_owned(), value);
        put("id", id.into());
        put("transaction-id", 0.into());
        put("created", text::instant_ms(created_at).into());
        put(
            "polar-user",
            format!("{origin}/v3/users/{}", person.polar_user_id).into(),
        );
        put("weight", self.weight_kg.into());
        put("height", person.height_cm.into());
        put("maximum-heart-rate", maximum_bpm.into());
        put("resting-heart-rate", person.heart_rate_rest_bpm.into());
        if person.polar_user_id.is_multiple_of(2) {
            put("aerobic-threshold", (maximum_bpm * 75 / 100).into());
            put("anaerobic-threshold", (maximum_bpm * 90 / 100).into());
        }
        put("vo2-max", self.vo2_max.into());
        put("weight-source", "SOURCE_MEASURED".into());
        Parts::new(&entry.into(), Counts::default())
    }
}
