//! Training sessions of both of Polar's interfaces.

use polar_sync::{
    accesslink::wire,
    model::{
        Details,
        record::{Part, RoutePoint, SampleTimes, SeriesType, Workout, WorkoutSource, Zone},
    },
    normalize::{self, Leftover, Origin, Piece, Reason, Route, WorkoutParts},
};

use crate::fixture::{self, at, read};

fn workout_of_a_transaction() -> Workout {
    let gpx = fixture::body("route.gpx");
    wire::gpx::check_complete(&gpx).unwrap();
    let parts = WorkoutParts {
        zones: Part::Present(read::<wire::HeartRateZones>("heart_rate_zones.json").zone),
        samples: Part::Present(vec![read("samples.speed.json"), read("samples.rr.json")]),
        route: Part::Present(Route::Gpx(wire::gpx::decode(&gpx).unwrap().body)),
    };
    let exercise = read("exercise.transaction.json");
    let read = normalize::workout(&exercise, Origin::Transaction, parts).unwrap();
    assert_eq!(read.leftovers, []);
    read.record
}

#[test]
fn a_workout_of_a_transaction() {
    let workout = workout_of_a_transaction();
    assert_eq!(workout.source, WorkoutSource::Transactional(412_000_001));
    assert_eq!(workout.uploaded_at, at("2031-05-06T05:11:42Z"));
    assert_eq!(workout.start_at, at("2031-05-06T03:10:12Z"));
    assert_eq!(workout.end_at, at("2031-05-06T04:02:22.750Z"));
    assert_eq!(workout.utc_offset_minutes, Some(-210));
    assert_eq!(workout.workout_type, "trail_running");
    assert_eq!(workout.polar_sport.as_deref(), Some("TRAIL_RUNNING"));
    assert_eq!(
        (workout.duration_s, workout.distance_m),
        (3130.75, Some(9120.5))
    );
    assert_eq!(workout.calories_kcal, Some(611));
    assert_eq!(workout.heart_rate_avg_bpm, Some(151));
    assert_eq!(workout.heart_rate_max_bpm, Some(178));
    assert_eq!(workout.training_load, Some(92.25));
    assert_eq!(workout.running_index, Some(57));
    assert_eq!(workout.device.as_deref(), Some("Polar Vantage M3"));
    assert_eq!(workout.device_id.as_deref(), Some("7C31AA0F"));
    assert!(workout.has_route);
    assert_eq!(workout.fat_percentage, Some(31));
    assert_eq!(workout.carbohydrate_percentage, Some(66));
    assert_eq!(workout.protein_percentage, Some(3));
    assert_eq!((workout.club_id, workout.club_name), (None, None));
    let load = workout.training_load_pro.unwrap();
    assert_eq!(load.cardio_load, Some(88.5));
    assert_eq!((load.muscle_load, load.perceived_load), (None, Some(0.0)));
    assert_eq!(load.cardio_load_interpretation.as_deref(), Some("HIGH"));
}

#[test]
fn the_parts_of_a_workout_of_a_transaction() {
    let workout = workout_of_a_transaction();
    let zone = |zone_index, lower_bpm, upper_bpm, in_zone_s| Zone {
        zone_index,
        lower_bpm,
        upper_bpm,
        in_zone_s,
    };
    assert_eq!(
        workout.zones,
        Part::Present(vec![
            zone(1, 99, 118, 187.0),
            zone(2, 118, 137, 1200.0),
            zone(3, 137, 156, 1739.5),
        ])
    );
    let point = |time: Option<&str>, latitude, longitude, altitude_m| RoutePoint {
        at: time.map(at),
        latitude,
        longitude,
        altitude_m,
    };
    assert_eq!(
        workout.route,
        Part::Present(vec![
            point(Some("2031-05-06T03:10:12Z"), 46.5, 7.25, Some(1204.5)),
            point(Some("2031-05-06T03:10:13Z"), 46.5001, 7.2502, Some(1204.9)),
            point(None, 46.51, 7.26, None),
        ])
    );
    let Part::Present(samples) = workout.samples else {
        panic!("{:?}", workout.samples);
    };
    let [speed, beats] = samples.as_slice() else {
        panic!("{samples:?}");
    };
    assert_eq!(speed.series, SeriesType::Speed);
    assert_eq!(speed.started_at, workout.start_at);
    assert_eq!(speed.utc_offset_minutes, Some(-210));
    assert_eq!(speed.times, SampleTimes::Regular { interval_ms: 5000 });
    assert_eq!(
        speed.values,
        [Some(0.0), Some(1.0), None, Some(2.0), None, Some(3.0)]
    );
    assert_eq!(beats.series, SeriesType::RrInterval);
    assert_eq!(beats.times, SampleTimes::Offsets(vec![0, 640, 1295, 1295]));
    assert_eq!(beats.values, [Some(640.0), Some(655.0), None, Some(700.0)]);
}

#[test]
fn a_workout_of_v3_exercises_with_what_it_carries() {
    let session = wire::DetailedExercise::decode(&fixture::body("exercise.v3.json")).unwrap();
    let (exercise, parts, leftovers) = WorkoutParts::embedded(session, Details::ALL);
    assert_eq!(leftovers, []);
    let read = normalize::workout(&exercise, Origin::Exercises, parts).unwrap();
    let workout = read.record;
    assert_eq!(workout.source, WorkoutSource::Hashed("kQ7mZx2B".to_owned()));
    assert_eq!(workout.start_at, at("2031-05-06T03:10:12Z"));
    assert_eq!(workout.end_at, at("2031-05-06T04:02:22.750Z"));
    assert_eq!(workout.training_load_pro.unwrap().cardio_load, Some(88.5));
    let Part::Present(zones) = workout.zones else {
        panic!("{:?}", workout.zones);
    };
    let bounds: Vec<_> = zones.iter().map(|z| (z.zone_index, z.lower_bpm)).collect();
    assert_eq!(bounds, [(1, 99), (2, 118)]);
    let Part::Present(samples) = workout.samples else {
        panic!("{:?}", workout.samples);
    };
    let types: Vec<_> = samples.iter().map(|series| series.series).collect();
    assert_eq!(types, [SeriesType::HeartRate, SeriesType::Distance]);
    let unknown = Leftover {
        piece: Piece::Series(2),
        reason: Reason::UnknownSampleType { id: 77 },
    };
    assert_eq!(read.leftovers, [unknown]);
    let Part::Present(route) = workout.route else {
        panic!("{:?}", workout.route);
    };
    assert_eq!(route[1].at, Some(at("2031-05-06T03:10:13.026Z")));
}

#[test]
fn a_part_that_nobody_asked_for_or_that_is_empty_replaces_nothing() {
    let body = br#"{"id":"a","upload_time":"2031-05-06T00:00Z","start_time":"2031-05-05T00:00",
        "duration":"PT1H","samples":[],"route":"lost","heart_rate_zones":[{"lower_limit":"low"}]}"#;
    let session = wire::DetailedExercise::decode(body).unwrap();
    let (exercise, parts, leftovers) = WorkoutParts::embedded(session.clone(), Details::ALL);
    let paths: Vec<_> = leftovers.iter().map(ToString::to_string).collect();
    assert_eq!(
        paths,
        [
            "heart_rate_zones[0].lower_limit: expected a number: it stays in the raw body",
            "route: expected a list: it stays in the raw body",
        ]
    );
    let workout = normalize::workout(&exercise, Origin::Exercises, parts)
        .unwrap()
        .record;
    assert_eq!(workout.samples, Part::Absent);
    assert_eq!(workout.route, Part::Unreadable);
    assert_eq!(workout.zones, Part::Unreadable);
    let (exercise, parts, leftovers) = WorkoutParts::embedded(session, Details::NONE);
    assert_eq!((parts, leftovers), (WorkoutParts::not_requested(), vec![]));
    let parts = WorkoutParts {
        zones: Part::Present(read::<wire::HeartRateZones>("heart_rate_zones.none.json").zone),
        samples: Part::Gone,
        route: Part::NotRequested,
    };
    let workout = normalize::workout(&exercise, Origin::Exercises, parts)
        .unwrap()
        .record;
    assert_eq!(
        (workout.zones, workout.samples, workout.route),
        (Part::Absent, Part::Gone, Part::NotRequested)
    );
}

#[test]
fn samples_of_which_none_is_understood_replace_nothing() {
    let unknown = wire::decode(br#"{"sample-type":99,"recording-rate":1,"data":"1"}"#).unwrap();
    let parts = WorkoutParts {
        samples: Part::Present(vec![unknown]),
        ..WorkoutParts::not_requested()
    };
    let exercise = read("exercise.transaction.json");
    let read = normalize::workout(&exercise, Origin::Transaction, parts).unwrap();
    assert_eq!(read.record.samples, Part::Unreadable);
    assert_eq!(read.leftovers.len(), 1);
}

#[test]
fn a_start_without_an_offset_counts_as_utc() {
    for (start, offset, expected, minutes) in [
        ("2031-05-05T23:40", "", "2031-05-05T23:40:00Z", None),
        ("2031-05-05T23:40:12Z", "", "2031-05-05T23:40:12Z", None),
        (
            "2031-05-05T23:40:12Z",
            r#","start-time-utc-offset":180"#,
            "2031-05-05T20:40:12Z",
            Some(180),
        ),
        (
            "2031-05-05T23:40:12.5Z",
            r#","start-time-utc-offset":"-45""#,
            "2031-05-06T00:25:12.5Z",
            Some(-45),
        ),
        (
            "2031-05-05T23:40:12+05:45",
            "",
            "2031-05-05T17:55:12Z",
            Some(345),
        ),
        (
            "2031-05-05T23:40:12",
            r#","start-time-utc-offset":0"#,
            "2031-05-05T23:40:12Z",
            Some(0),
        ),
    ] {
        let body = format!(
            r#"{{"id":1,"upload-time":"2031-05-06T00:00Z","start-time":"{start}","duration":"PT1H"{offset}}}"#
        );
        let exercise = wire::decode(body.as_bytes()).unwrap();
        let parts = WorkoutParts::not_requested();
        let workout = normalize::workout(&exercise, Origin::Transaction, parts)
            .unwrap()
            .record;
        assert_eq!(workout.start_at, at(expected), "{body}");
        assert_eq!(workout.utc_offset_minutes, minutes, "{body}");
    }
}

/// The workout of the fixture with another value in one field, and what is left out of it.
fn workout_with(field: &str, value: &str) -> Result<(Workout, Vec<String>), wire::Unreadable> {
    let mut body: serde_json::Value =
        serde_json::from_slice(&fixture::body("exercise.transaction.json")).unwrap();
    body[field] = serde_json::from_str(value).unwrap();
    let read = wire::read::<wire::Exercise>(body.to_string().as_bytes())?;
    let parts = WorkoutParts::not_requested();
    let normalized = normalize::workout(&read.body, Origin::Transaction, parts)?;
    let left_out = read.left_out.iter().map(ToString::to_string);
    let leftovers = normalized.leftovers.iter().map(ToString::to_string);
    let said = left_out.chain(leftovers).collect();
    Ok((normalized.record, said))
}

#[test]
fn what_makes_no_workout_says_where() {
    for (field, value, path) in [
        ("id", r#""kQ7mZx2B""#, "id"),
        ("id", "{}", "id"),
        ("upload-time", r#""now""#, "upload_time"),
        ("upload-time", "null", "upload_time"),
        ("start-time", r#""9999-12-31T23:59:59""#, "start_time"),
        ("start-time", "20310505", "start_time"),
        ("start-time-utc-offset", "841", "start_time_utc_offset"),
        ("start-time-utc-offset", "-721", "start_time_utc_offset"),
        ("start-time-utc-offset", "1e300", "start_time_utc_offset"),
        (
            "start-time-utc-offset",
            r#""two hours""#,
            "start_time_utc_offset",
        ),
        ("duration", r#""P11Y""#, "duration"),
        ("duration", "3600", "duration"),
    ] {
        assert_eq!(
            workout_with(field, value).unwrap_err().path,
            path,
            "{field} {value}"
        );
    }
}

#[test]
fn one_bad_value_costs_only_itself() {
    for (field, value, path) in [
        ("calories", "1e12", "calories"),
        ("calories", "[1]", "calories"),
        ("distance", "1e308", "distance"),
        ("training-load", r#""hard""#, "training_load"),
        ("heart-rate", r#"{"average":99999}"#, "heart_rate.average"),
        ("heart-rate", r#"{"maximum":"fast"}"#, "heart_rate.maximum"),
        ("heart-rate", "150", "heart_rate"),
        ("running-index", "-1e300", ""),
        ("has-route", r#""perhaps""#, "has_route"),
        ("club-id", "1.5", "club_id"),
        ("device", "{}", "device"),
        (
            "training-load-pro",
            r#"[{"cardio-load":[]}]"#,
            "training_load_pro[0].cardio_load",
        ),
    ] {
        let (workout, said) = workout_with(field, value).unwrap();
        assert_eq!(
            workout.start_at,
            at("2031-05-06T03:10:12Z"),
            "{field} {value}"
        );
        match said.as_slice() {
            [] => assert_eq!(path, "", "{field} {value}"),
            [said] => assert!(said.starts_with(&format!("{path}: ")), "{said}"),
            _ => panic!("{field} {value}: {said:?}"),
        }
    }
}

#[test]
fn a_route_that_nobody_asked_for_may_be_there() {
    for (said, has_route) in [("null", true), ("true", true), ("false", false)] {
        let (workout, _) = workout_with("has-route", said).unwrap();
        assert_eq!(workout.has_route, has_route, "{said}");
    }
}
