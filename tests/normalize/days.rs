//! Days of activity, and physical information.

use jiff::civil::date;
use polar_sync::{
    accesslink::wire,
    model::record::{ActivityZone, Part},
    normalize::{self, ActivityParts},
};

use crate::fixture::{at, read};

#[test]
fn a_day_of_activity() {
    let parts = ActivityParts {
        steps: Part::Present(read("step_samples.json")),
        zones: Part::Present(read("zone_samples.json")),
    };
    let read = normalize::activity(&read("activity.json"), parts).unwrap();
    assert_eq!(read.leftovers, []);
    let day = read.record;
    assert_eq!((day.polar_id, day.date), (733_000_001, date(2031, 5, 5)));
    assert_eq!(day.created_at, at("2031-05-05T21:04:07Z"));
    assert_eq!(
        (day.calories_kcal, day.active_calories_kcal),
        (Some(2711), Some(905))
    );
    assert_eq!((day.active_s, day.steps), (Some(15_150.0), Some(13_820)));
    let Part::Present(steps) = day.step_samples else {
        panic!("{:?}", day.step_samples);
    };
    assert_eq!(steps.started_at, at("2031-05-05T07:00:00Z"));
    assert_eq!(steps.values, [Some(311.0), Some(2044.0), None]);
    let Part::Present(zones) = day.zone_samples else {
        panic!("{:?}", day.zone_samples);
    };
    let zones: Vec<_> = zones.iter().map(|z| (z.at, z.zone, z.in_zone_s)).collect();
    assert_eq!(
        zones,
        [
            (at("2031-05-05T07:00:00Z"), ActivityZone::Rest, 2490.0),
            (at("2031-05-05T07:00:00Z"), ActivityZone::Light, 1110.0),
            (at("2031-05-05T08:00:00Z"), ActivityZone::Vigorous, 3300.0),
        ]
    );
}

#[test]
fn physical_information() {
    let read = normalize::physical_information(&read("physical_information.json")).unwrap();
    assert_eq!(read.leftovers, []);
    let record = read.record;
    assert_eq!(record.polar_id, 5_500_001);
    assert_eq!(record.recorded_at, at("2031-05-01T06:30:00Z"));
    assert_eq!(
        (record.weight_kg, record.height_cm),
        (Some(71.4), Some(178.0))
    );
    assert_eq!(record.resting_heart_rate_bpm, Some(49));
    assert_eq!(record.max_heart_rate_bpm, Some(189));
    assert_eq!(record.aerobic_threshold_bpm, Some(141));
    assert_eq!(record.anaerobic_threshold_bpm, Some(170));
    assert_eq!(record.vo2_max, Some(54));
    assert_eq!(record.weight_source.as_deref(), Some("SOURCE_MEASURED"));

    let bare = wire::decode(br#"{"id":1,"created":"2031-05-01T06:30","weight":0}"#).unwrap();
    let record = normalize::physical_information(&bare).unwrap().record;
    assert_eq!(record.recorded_at, at("2031-05-01T06:30:00Z"));
    assert_eq!((record.weight_kg, record.vo2_max), (None, None));
}
