//! The record of every fixture.

use jiff::{Timestamp, civil::date};
use polar_sync::{
    accesslink::wire,
    model::{
        Details, TransactionalKind,
        record::{
            ActivityZone, Part, RoutePoint, SampleTimes, SeriesType, SleepStage, Workout,
            WorkoutSource, Zone,
        },
    },
    normalize::{self, ActivityParts, Leftover, Night, Origin, Route, WorkoutParts},
};

use crate::fixture;

fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let body = fixture::body(name);
    wire::check_complete(&body).unwrap();
    wire::decode(&body).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn workout_of_a_transaction() -> Workout {
    let gpx = fixture::body("route.gpx");
    wire::gpx::check_complete(&gpx).unwrap();
    let parts = WorkoutParts {
        zones: Part::Present(read::<wire::HeartRateZones>("heart_rate_zones.json").zone),
        samples: Part::Present(vec![read("samples.speed.json"), read("samples.rr.json")]),
        route: Part::Present(Route::Gpx(wire::gpx::decode(&gpx).unwrap())),
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
    assert_eq!(read.leftovers, [Leftover::UnknownSampleType { id: 77 }]);
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
    let Part::Present(Some(steps)) = day.step_samples else {
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
    let record = normalize::physical_information(&read("physical_information.json")).unwrap();
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
    let record = normalize::physical_information(&bare).unwrap();
    assert_eq!(record.recorded_at, at("2031-05-01T06:30:00Z"));
    assert_eq!((record.weight_kg, record.vo2_max), (None, None));
}

#[test]
fn a_night_and_its_recovery() {
    let body = fixture::body("sleep_nights.json");
    let nights = wire::sleep_nights(&body).unwrap();
    let [night, broken] = nights.as_slice() else {
        panic!("{nights:?}");
    };
    let error = wire::decode::<wire::SleepNight>(broken.as_bytes()).unwrap_err();
    assert_eq!(error.path, "sleep_end_time");
    let sleep = normalize::sleep(&wire::decode(night.as_bytes()).unwrap()).unwrap();
    assert_eq!(sleep.date, date(2031, 5, 6));
    assert_eq!(sleep.start_at, at("2031-05-05T19:48:31.250Z"));
    assert_eq!(sleep.end_at, at("2031-05-06T03:31:01.250Z"));
    assert_eq!(sleep.utc_offset_minutes, Some(180));
    assert_eq!((sleep.light_s, sleep.deep_s), (Some(15_000), Some(5100)));
    assert_eq!((sleep.rem_s, sleep.unrecognized_s), (Some(6300), Some(0)));
    assert_eq!(sleep.interruption_s, Some(1350));
    assert_eq!(sleep.short_interruption_s, Some(900));
    assert_eq!(sleep.long_interruption_s, Some(450));
    assert_eq!((sleep.score, sleep.continuity), (Some(84), Some(4.1)));
    assert_eq!((sleep.continuity_class, sleep.cycles), (Some(4), Some(5)));
    assert_eq!((sleep.sleep_charge, sleep.rating), (None, None));
    assert_eq!(sleep.goal_s, Some(28_800));
    assert_eq!(sleep.duration_score, Some(97.5));
    assert_eq!(sleep.solidity_score, Some(81.0));
    assert_eq!(sleep.regeneration_score, None);
    let stages: Vec<_> = sleep.stages.iter().map(|s| s.stage).collect();
    assert_eq!(
        stages,
        [
            SleepStage::Light,
            SleepStage::Deep,
            SleepStage::Rem,
            SleepStage::Awake,
            SleepStage::Unknown,
            SleepStage::Light
        ]
    );
    assert_eq!(sleep.stages[0].start_at, sleep.start_at);
    assert_eq!(sleep.stages[5].end_at, sleep.end_at);
    let heart_rate = sleep.heart_rate.unwrap();
    assert_eq!(heart_rate.started_at, at("2031-05-05T19:49:00Z"));
    assert_eq!(heart_rate.values, [Some(57.0), None, Some(52.0)]);

    let body = fixture::body("nightly_recharges.json");
    let recharges = wire::nightly_recharges(&body).unwrap();
    let recharge = wire::decode(recharges[0].as_bytes()).unwrap();
    let night = Night {
        start_at: sleep.start_at,
        utc_offset_minutes: sleep.utc_offset_minutes,
    };
    let record = normalize::nightly_recharge(&recharge, Some(night)).unwrap();
    assert_eq!(record.date, sleep.date);
    assert_eq!(record.utc_offset_minutes, Some(180));
    assert_eq!(record.hrv_rmssd_ms, Some(63));
    assert_eq!(record.breathing_rate_brpm, Some(13.2));
    assert_eq!(record.heart_rate_avg_bpm, Some(51));
    assert_eq!(record.beat_to_beat_avg_ms, Some(1176));
    assert_eq!(record.ans_charge, Some(3.4));
    assert_eq!(
        (record.ans_charge_status, record.status),
        (Some(4), Some(5))
    );
    let (hrv, breathing) = (record.hrv.unwrap(), record.breathing.unwrap());
    assert_eq!(hrv.started_at, at("2031-05-05T19:53:00Z"));
    assert_eq!(
        hrv.times,
        SampleTimes::Offsets(vec![0, 3_900_000, 4_200_000])
    );
    assert_eq!(breathing.started_at, at("2031-05-05T19:48:00Z"));
    assert_eq!(breathing.values, [Some(13.1), Some(13.4)]);
}

#[test]
fn lists_notifications_and_users() {
    for (kind, name, items) in [
        (TransactionalKind::Exercise, "exercise_list.json", 2),
        (TransactionalKind::Activity, "activity_list.json", 1),
        (
            TransactionalKind::PhysicalInformation,
            "physical_information_list.json",
            1,
        ),
    ] {
        let body = fixture::body(name);
        assert_eq!(wire::transaction_items(kind, &body).unwrap().len(), items);
        for other in TransactionalKind::ALL
            .iter()
            .filter(|other| **other != kind)
        {
            assert!(wire::transaction_items(*other, &body).is_err());
        }
    }
    let created: wire::CreatedTransaction = read("created_transaction.json");
    assert_eq!(created.transaction_id, 90_210_077);
    assert!(created.resource_uri.ends_with("/90210077"));
    let samples = wire::sample_items(&fixture::body("sample_list.json")).unwrap();
    assert_eq!(samples.len(), 2);
    let user: wire::User = read("user.json");
    assert_eq!(user.polar_user_id, 60_001);
    let heard = wire::notifications(&fixture::body("notifications.json")).unwrap();
    let users: Vec<_> = heard
        .iter()
        .map(|entry| {
            entry
                .as_ref()
                .map(|entry| entry.user_id)
                .map_err(ToString::to_string)
        })
        .collect();
    let unreadable = "available_user_data[1].user_id: expected a whole number".to_owned();
    assert_eq!(users, [Ok(60_001), Err(unreadable), Ok(60_002)]);
}

#[test]
fn a_list_that_is_not_there_is_never_an_empty_transaction() {
    let kind = TransactionalKind::Exercise;
    assert_eq!(
        wire::transaction_items(kind, br#"{"exercises":[]}"#),
        Ok(vec![])
    );
    let long = format!(
        r#"{{"exercises":[{}""]}}"#,
        r#""","#.repeat(wire::LIST_LIMIT)
    );
    for body in [
        "{}",
        "[]",
        r#"{"exercises":null}"#,
        r#"{"exercises":"https://h/1"}"#,
        r#"{"exercises":[null]}"#,
        r#"{"exercises":[{"url":"https://h/1"}]}"#,
        long.as_str(),
    ] {
        assert!(
            wire::transaction_items(kind, body.as_bytes()).is_err(),
            "{body:.40}"
        );
    }
}

#[test]
fn an_exercise_without_samples_is_told_from_a_list_that_is_not_understood() {
    for body in ["{}", r#"{"samples":null}"#, r#"{"samples":[]}"#] {
        assert_eq!(wire::sample_items(body.as_bytes()), Ok(vec![]), "{body}");
    }
    for body in [
        r#"{"sample-links":["https://h/0"]}"#,
        r#"{"samples":{}}"#,
        "[]",
    ] {
        assert!(wire::sample_items(body.as_bytes()).is_err(), "{body}");
    }
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

#[test]
fn what_makes_no_workout_says_where() {
    let with = |field: &str, value: &str| {
        let mut body: serde_json::Value =
            serde_json::from_slice(&fixture::body("exercise.transaction.json")).unwrap();
        body[field] = serde_json::from_str(value).unwrap();
        let exercise = wire::decode::<wire::Exercise>(body.to_string().as_bytes())?;
        normalize::workout(
            &exercise,
            Origin::Transaction,
            WorkoutParts::not_requested(),
        )
    };
    for (field, value, path) in [
        ("id", r#""kQ7mZx2B""#, "id"),
        ("id", "{}", "id"),
        ("upload-time", r#""now""#, "upload_time"),
        ("start-time", r#""9999-12-31T23:59:59""#, "start_time"),
        ("start-time", "20310505", "start_time"),
        ("start-time-utc-offset", "841", "start_time_utc_offset"),
        ("start-time-utc-offset", "-721", "start_time_utc_offset"),
        ("start-time-utc-offset", "1e300", "start_time_utc_offset"),
        ("duration", r#""P11Y""#, "duration"),
        ("duration", "3600", "duration"),
        ("calories", "1e12", "calories"),
        ("heart-rate", r#"{"average":99999}"#, "heart_rate.average"),
        ("heart-rate", r#"{"maximum":"fast"}"#, "heart_rate.maximum"),
        (
            "training-load-pro",
            r#"[{"cardio-load":[]}]"#,
            "training_load_pro[0].cardio_load",
        ),
    ] {
        assert_eq!(
            with(field, value).unwrap_err().path,
            path,
            "{field} {value}"
        );
    }
}
