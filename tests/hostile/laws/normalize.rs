//! From an item of Polar's to records: whatever the body says, a record keeps what it promises its readers.

use jiff::Timestamp;
use polar_sync::{
    accesslink::wire::{self, decode},
    model::{
        Details,
        record::{Part, SampleTimes, Series, Sleep, Workout},
    },
    normalize::{self, ActivityParts, Origin, Route, WorkoutParts},
};

pub(crate) fn check(body: &[u8]) {
    workouts(body);
    days(body);
    if let Ok(read) = decode(body).and_then(|night| normalize::sleep(&night)) {
        assert_night(&read.record);
    }
    if let Ok(read) = decode(body).and_then(|body| normalize::nightly_recharge(&body, None)) {
        let record = read.record;
        record
            .hrv
            .iter()
            .chain(&record.breathing)
            .for_each(assert_series);
        assert!(record.ans_charge.is_none_or(f64::is_finite));
    }
    if let Ok(read) = decode(body).and_then(|body| normalize::physical_information(&body)) {
        let record = read.record;
        let sizes = [record.weight_kg, record.height_cm];
        assert!(
            sizes
                .into_iter()
                .flatten()
                .all(|size| size.is_finite() && size > 0.0)
        );
    }
}

fn workouts(body: &[u8]) {
    if let Ok(session) = wire::DetailedExercise::decode(body) {
        let (exercise, parts, _) = WorkoutParts::embedded(session, Details::ALL);
        if let Ok(read) = normalize::workout(&exercise, Origin::Exercises, parts) {
            assert_workout(&read.record);
        }
    }
    // The same body is the summary and every part: fields of one mean nothing to the others.
    if let Ok(exercise) = decode::<wire::Exercise>(body) {
        let parts = WorkoutParts {
            zones: decode::<wire::HeartRateZones>(body)
                .map_or(Part::Absent, |zones| Part::Present(zones.zone)),
            samples: decode(body).map_or(Part::Absent, |series| Part::Present(vec![series])),
            route: Part::Absent,
        };
        if let Ok(read) = normalize::workout(&exercise, Origin::Transaction, parts) {
            assert_workout(&read.record);
        }
    }
    if let Ok(series) = decode(body) {
        let (series, _) = normalize::sample_series(&[series], Timestamp::UNIX_EPOCH, None);
        series.iter().for_each(assert_series);
    }
    if let Ok(track) = wire::gpx::decode(body) {
        let summary = br#"{"id":1,"upload_time":"2031-05-06T00:00Z","start_time":"2031-05-05T00:00","duration":"PT1H"}"#;
        let parts = WorkoutParts {
            route: Part::Present(Route::Gpx(track.body)),
            ..WorkoutParts::not_requested()
        };
        let summary = decode(summary).unwrap();
        let read = normalize::workout(&summary, Origin::Transaction, parts).unwrap();
        assert_workout(&read.record);
    }
}

fn days(body: &[u8]) {
    let summary = br#"{"id":1,"created":"2031-05-06T00:00Z","date":"2031-05-05"}"#;
    let summary = decode(body).unwrap_or_else(|_| decode(summary).unwrap());
    let parts = ActivityParts {
        steps: decode(body).map_or(Part::Absent, Part::Present),
        zones: decode(body).map_or(Part::Absent, Part::Present),
    };
    let Ok(read) = normalize::activity(&summary, parts) else {
        return;
    };
    if let Part::Present(series) = read.record.step_samples {
        assert_series(&series);
    }
    if let Part::Present(zones) = read.record.zone_samples {
        assert!(
            zones
                .iter()
                .all(|zone| zone.in_zone_s.is_finite() && zone.in_zone_s >= 0.0)
        );
    }
}

fn assert_workout(workout: &Workout) {
    assert!(workout.start_at <= workout.end_at);
    assert!(workout.duration_s.is_finite() && workout.duration_s >= 0.0);
    if let Part::Present(samples) = &workout.samples {
        samples.iter().for_each(assert_series);
    }
    if let Part::Present(zones) = &workout.zones {
        assert!(
            zones
                .iter()
                .all(|zone| zone.in_zone_s.is_finite() && zone.in_zone_s >= 0.0)
        );
    }
    if let Part::Present(route) = &workout.route {
        for point in route {
            assert!((-90.0..=90.0).contains(&point.latitude), "{point:?}");
            assert!((-180.0..=180.0).contains(&point.longitude), "{point:?}");
            assert!(point.altitude_m.is_none_or(f64::is_finite), "{point:?}");
        }
    }
}

/// Stages are within the night and in order, and neighbours differ.
fn assert_night(night: &Sleep) {
    assert!(night.start_at < night.end_at);
    for stage in &night.stages {
        assert!(night.start_at <= stage.start_at && stage.start_at < stage.end_at);
        assert!(stage.end_at <= night.end_at);
    }
    for pair in night.stages.windows(2) {
        assert!(pair[0].end_at <= pair[1].start_at);
        assert!(pair[0].end_at < pair[1].start_at || pair[0].stage != pair[1].stage);
    }
    night.heart_rate.iter().for_each(assert_series);
}

/// A series has samples, each with its place in time, and no sample is not a number.
fn assert_series(series: &Series) {
    assert!(!series.values.is_empty());
    assert!(
        series
            .values
            .iter()
            .flatten()
            .all(|value| value.is_finite())
    );
    match &series.times {
        SampleTimes::Regular { interval_ms } => assert!(*interval_ms > 0),
        SampleTimes::Offsets(offsets) => {
            assert_eq!(offsets.len(), series.values.len());
            assert!(offsets.is_sorted(), "{offsets:?}");
        }
    }
}
