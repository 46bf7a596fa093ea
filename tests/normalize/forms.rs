//! The forms in which AccessLink was seen to send a body, and those of its documentation: each is
//! understood to the last value.

use polar_sync::{
    accesslink::wire,
    model::{Details, record::Part},
    normalize::{self, Night, Origin, WorkoutParts},
};
use rstest::rstest;

use crate::fixture::{self, at, read};

#[rstest]
#[case("exercise.v3.observed.json", 5, 4, None)]
#[case("exercise.v3.documented.json", 1, 1, Some(1))]
fn sessions(
    #[case] name: &str,
    #[case] zones: usize,
    #[case] series: usize,
    #[case] points: Option<usize>,
) {
    let session = wire::DetailedExercise::decode(&fixture::body(name)).unwrap();
    let (exercise, parts, leftovers) = WorkoutParts::embedded(session, Details::ALL);
    assert_eq!(leftovers, []);
    let read = normalize::workout(&exercise, Origin::Exercises, parts).unwrap();
    assert_eq!(read.leftovers, []);
    let workout = read.record;
    assert!(workout.calories_kcal.is_some() && workout.heart_rate_max_bpm.is_some());
    assert!(workout.device.is_some() && workout.fat_percentage.is_some());
    assert_ne!(workout.workout_type, "other");
    assert!(workout.training_load_pro.unwrap().cardio_load.is_some());
    assert_eq!(workout.has_route, points.is_some());
    assert_eq!(length(&workout.zones), Some(zones));
    assert_eq!(length(&workout.samples), Some(series));
    assert_eq!(length(&workout.route), points);
}

#[rstest]
#[case("sleep.observed.json", "nightly_recharge.observed.json", 5, 60)]
#[case("sleep.documented.json", "nightly_recharge.documented.json", 2, 180)]
fn nights(
    #[case] sleep: &str,
    #[case] recharge: &str,
    #[case] stages: usize,
    #[case] utc_offset_minutes: i16,
) {
    let body: wire::SleepNight = read(sleep);
    let normalized = normalize::sleep(&body).unwrap();
    assert_eq!(normalized.leftovers, []);
    let night = normalized.record;
    assert_eq!(night.utc_offset_minutes, Some(utc_offset_minutes));
    assert_eq!(night.stages.len(), stages);
    assert!(night.heart_rate.unwrap().values.iter().all(Option::is_some));
    assert!(night.sleep_charge.is_some() && night.rating.is_some());
    assert!(night.regeneration_score.is_some() && night.goal_s.is_some());

    let recharge = read(recharge);
    let normalized = normalize::nightly_recharge(&recharge, Some(Night::of(&body).unwrap()));
    let normalized = normalized.unwrap();
    assert_eq!(normalized.leftovers, []);
    let recharge = normalized.record;
    assert_eq!(recharge.utc_offset_minutes, Some(utc_offset_minutes));
    assert!(recharge.status.is_some() && recharge.ans_charge.is_some());
    for series in [recharge.hrv.unwrap(), recharge.breathing.unwrap()] {
        assert!(night.start_at <= series.started_at && series.started_at < night.end_at);
        assert!(series.values.iter().all(Option::is_some));
    }
}

#[test]
fn a_night_over_midnight_stands_on_both_sides_of_it() {
    let night = normalize::sleep(&read("sleep.observed.json"))
        .unwrap()
        .record;
    let begins: Vec<_> = night.stages.iter().map(|stage| stage.start_at).collect();
    assert_eq!(begins[0], night.start_at);
    assert_eq!(begins[2], at("2031-05-08T22:57:00Z"));
    assert_eq!(begins[3], at("2031-05-08T23:04:00Z"));
}

fn length<T>(part: &Part<Vec<T>>) -> Option<usize> {
    match part {
        Part::Present(rows) => Some(rows.len()),
        _ => None,
    }
}
