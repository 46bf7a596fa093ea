//! Physical information.

use super::{
    Unreadable,
    number::{positive, text, whole},
    time::utc,
};
use crate::{accesslink::wire, model::record::PhysicalInformation};

/// Normalizes a record of physical information. Nobody weighs nothing: 0 is not set.
pub fn physical_information(
    body: &wire::PhysicalInformation,
) -> Result<PhysicalInformation, Unreadable> {
    let bpm = |value, path| whole(positive(value), path);
    Ok(PhysicalInformation {
        polar_id: body.id,
        recorded_at: utc(&body.created, "created")?,
        weight_kg: positive(body.weight),
        height_cm: positive(body.height),
        resting_heart_rate_bpm: bpm(body.resting_heart_rate, "resting_heart_rate")?,
        max_heart_rate_bpm: bpm(body.maximum_heart_rate, "maximum_heart_rate")?,
        aerobic_threshold_bpm: bpm(body.aerobic_threshold, "aerobic_threshold")?,
        anaerobic_threshold_bpm: bpm(body.anaerobic_threshold, "anaerobic_threshold")?,
        vo2_max: whole(positive(body.vo2_max), "vo2_max")?,
        weight_source: text(body.weight_source.as_deref()),
    })
}
