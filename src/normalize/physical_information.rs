//! Physical information.

use super::{
    Normalized, Unreadable,
    leftover::{Leftovers, Piece},
    number::{positive, real, text, whole},
    time::utc,
};
use crate::{accesslink::wire, model::record::PhysicalInformation};

/// Normalizes a record of physical information. Nobody weighs nothing: 0 is not set.
///
/// # Errors
/// When it is not understood which record it is, or when it was made.
pub fn physical_information(
    body: &wire::PhysicalInformation,
) -> Result<Normalized<PhysicalInformation>, Unreadable> {
    let mut left = Leftovers::of(Piece::Summary);
    let recorded_at = utc(&body.created, "created")?;
    let mut bpm = |value, path| left.unless(whole(positive(value), path));
    let resting_heart_rate_bpm = bpm(body.resting_heart_rate, "resting_heart_rate");
    let max_heart_rate_bpm = bpm(body.maximum_heart_rate, "maximum_heart_rate");
    let aerobic_threshold_bpm = bpm(body.aerobic_threshold, "aerobic_threshold");
    let anaerobic_threshold_bpm = bpm(body.anaerobic_threshold, "anaerobic_threshold");
    let record = PhysicalInformation {
        polar_id: body.id,
        recorded_at,
        weight_kg: left.unless(real(positive(body.weight), "weight")),
        height_cm: left.unless(real(positive(body.height), "height")),
        resting_heart_rate_bpm,
        max_heart_rate_bpm,
        aerobic_threshold_bpm,
        anaerobic_threshold_bpm,
        vo2_max: left.unless(whole(positive(body.vo2_max), "vo2_max")),
        weight_source: text(body.weight_source.as_deref()),
    };
    Ok(Normalized {
        record,
        leftovers: left.into_vec(),
    })
}
