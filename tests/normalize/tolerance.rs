//! Bodies that mean the same are read as the same.

use polar_sync::accesslink::wire;
use serde_json::{Value, json};

use crate::fixture;

fn exercise(body: &Value) -> Result<wire::Exercise, wire::Unreadable> {
    wire::decode(body.to_string().as_bytes())
}

/// The same document with every field name rewritten.
fn renamed(value: &Value, rename: fn(&str) -> String) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (rename(name), renamed(value, rename)))
            .collect(),
        Value::Array(entries) => entries.iter().map(|entry| renamed(entry, rename)).collect(),
        other => other.clone(),
    }
}

fn camel(name: &str) -> String {
    let mut words = name.split(['-', '_']);
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(1);
        format!("{name}{}{rest}", initial.to_uppercase())
    })
}

#[test]
fn every_case_of_the_names_is_read() {
    let body = fixture::body("exercise.v3.json");
    let expected = wire::DetailedExercise::decode(&body).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let cases: [fn(&str) -> String; 3] = [
        |name| name.replace('_', "-"),
        |name| name.replace('-', "_"),
        camel,
    ];
    for case in cases {
        let other = renamed(&body, case).to_string();
        assert_ne!(other, body.to_string());
        assert_eq!(
            wire::DetailedExercise::decode(other.as_bytes()).unwrap(),
            expected
        );
    }
}

#[test]
fn numbers_and_texts_may_stand_for_each_other() {
    let plain = json!({
        "id": 7, "upload_time": "u", "start_time": "s", "duration": "d", "calories": 546,
        "distance": 12.5, "club_id": 3, "has_route": true, "device_id": "12",
    });
    let expected = exercise(&plain).unwrap();
    let other = json!({
        "id": "7", "upload_time": "u", "start_time": "s", "duration": "d", "calories": 546.0,
        "distance": " 12.5 ", "club_id": "3.0", "has_route": "TRUE", "device_id": 12.0,
    });
    assert_eq!(exercise(&other).unwrap(), expected);
}

#[test]
fn nothing_may_be_said_in_every_way() {
    let required = json!({"id": 7, "upload_time": "u", "start_time": "s", "duration": "d"});
    let expected = exercise(&required).unwrap();
    for nothing in [
        json!(null),
        json!(""),
        json!("  "),
        json!("NULL"),
        json!("NaN"),
        json!("Infinity"),
        json!("-infinity"),
    ] {
        let mut body = required.clone();
        for field in [
            "calories",
            "device",
            "heart_rate",
            "has_route",
            "club_id",
            "sport",
        ] {
            body[field] = nothing.clone();
        }
        body["training_load_pro"] = json!(null);
        assert_eq!(exercise(&body).unwrap(), expected);
        body["training_load_pro"] = json!([]);
        assert_eq!(exercise(&body).unwrap(), expected);
        body["training_load_pro"] = nothing;
        assert_eq!(exercise(&body).unwrap(), expected);
    }
}

#[test]
fn an_empty_map_may_be_said_in_every_way() {
    for nothing in ["null", "[]", "{}", r#""""#, r#"" ""#] {
        let body = format!(
            r#"{{"date":"d","sleep_start_time":"s","sleep_end_time":"e","hypnogram":{nothing}}}"#
        );
        let night: wire::SleepNight = wire::decode(body.as_bytes()).unwrap();
        assert_eq!(night.hypnogram.0, [], "{nothing}");
    }
}

#[test]
fn true_and_false_have_many_spellings() {
    for (spelling, expected) in [
        ("true", true),
        ("\"True\"", true),
        ("1", true),
        ("\"1\"", true),
        ("false", false),
        ("\"FALSE\"", false),
        ("0", false),
        ("\" 0 \"", false),
    ] {
        let body = format!(
            r#"{{"id":7,"upload_time":"u","start_time":"s","duration":"d","has_route":{spelling}}}"#
        );
        let read: wire::Exercise = wire::decode(body.as_bytes()).unwrap();
        assert_eq!(read.has_route, Some(expected), "{spelling}");
    }
}

#[test]
fn a_list_may_have_another_name_but_not_an_unknown_one() {
    let zones = |body: &str| wire::decode::<wire::HeartRateZones>(body.as_bytes());
    for body in [
        r#"{"zone":[{"in-zone":"PT4S"}]}"#,
        r#"{"zones":[{"in-zone":"PT4S"}]}"#,
        r#"{"heart-rate-zones":[{"in-zone":"PT4S"}]}"#,
        r#"[{"in-zone":"PT4S"}]"#,
        r#"{"zone":{"in-zone":"PT4S"}}"#,
    ] {
        assert_eq!(zones(body).unwrap().zone.len(), 1, "{body}");
    }
    for body in ["{}", "[]", r#"{"zone":null}"#, r#"{"zone":""}"#] {
        assert_eq!(zones(body).unwrap().zone.len(), 0, "{body}");
    }
    assert_eq!(zones(r#"{"ranges":[]}"#).unwrap_err().path, "zone");
    assert!(wire::read::<wire::HeartRateZones>(br#"{"zones":7}"#).is_err());
    let steps = |body: &str| wire::decode::<wire::StepSamples>(body.as_bytes());
    assert_eq!(steps(r#"{"step-samples":[{}]}"#).unwrap().samples.len(), 1);
    assert_eq!(steps(r#"{"date":"d","interval":60}"#).unwrap().samples, []);
    assert_eq!(
        steps(r#"{"date":"d","steps":[1]}"#).unwrap_err().path,
        "samples"
    );
    let zones = |body: &str| wire::decode::<wire::ZoneSamples>(body.as_bytes());
    assert_eq!(zones(r#"{"zone-samples":[{}]}"#).unwrap().samples.len(), 1);
    assert_eq!(zones(r#"{"zones":[1]}"#).unwrap_err().path, "samples");
}

#[test]
fn training_load_pro_may_be_an_object_or_a_list() {
    let mut body: Value =
        serde_json::from_slice(&fixture::body("exercise.transaction.json")).unwrap();
    let as_list = exercise(&body).unwrap();
    body["training-load-pro"] = body["training-load-pro"][0].clone();
    assert_eq!(exercise(&body).unwrap(), as_list);
    assert_eq!(as_list.training_load_pro.len(), 1);
}

#[test]
fn the_time_in_a_zone_has_three_spellings() {
    for name in ["in-zone", "in_zone", "inzone"] {
        let body = format!(r#"{{"zone":[{{"lower-limit":1,"upper_limit":2,"{name}":"PT4S"}}]}}"#);
        let zones: wire::HeartRateZones = wire::decode(body.as_bytes()).unwrap();
        assert_eq!(zones.zone[0].in_zone.as_deref(), Some("PT4S"));
    }
}

#[test]
fn of_a_name_that_is_given_twice_the_last_value_holds() {
    let body = br#"{"polar_user_id":1,"polar-user-id":2,"polar_user_id":3,"member-id":"a","member_id":null}"#;
    let user: wire::User = wire::decode(body).unwrap();
    assert_eq!(user.polar_user_id, 3);
    assert_eq!(user.member_id.as_deref(), Some("a"));
}

#[test]
fn a_time_of_day_that_a_map_gives_twice_keeps_both_values_in_order() {
    let night = br#"{"date":"d","sleep_start_time":"s","sleep_end_time":"e","hypnogram":{"00:01":1,"00:02":2,"00:01":3}}"#;
    let night: wire::SleepNight = wire::decode(night).unwrap();
    let keys: Vec<_> = night
        .hypnogram
        .0
        .iter()
        .map(|(key, code)| (key.as_str(), *code))
        .collect();
    let expected = [("00:01", 1.0), ("00:02", 2.0), ("00:01", 3.0)];
    assert_eq!(keys, expected.map(|(key, code)| (key, Some(code))));
}

#[test]
fn what_is_out_of_range_is_complete_but_unreadable() {
    let deep = format!("{}1{}", r#"{"id":["#.repeat(200), "]}".repeat(200));
    for body in [
        r#"{"polar-user-id":1e999}"#,
        r#"{"polar-user-id":99999999999999999999}"#,
        r#"{"polar-user-id":12.5}"#,
        r#"{"polar-user-id":[1]}"#,
        "[1]",
        deep.as_str(),
    ] {
        assert_eq!(wire::check_complete(body.as_bytes()), Ok(()), "{body:.40}");
        assert!(
            wire::decode::<wire::User>(body.as_bytes()).is_err(),
            "{body:.40}"
        );
    }
}

#[test]
fn lists_and_maps_have_limits() {
    let zones = |n: usize| {
        let zone = r#"{"lower-limit":1,"upper-limit":2,"in-zone":"PT4S"}"#;
        let body = format!(r#"{{"zone":[{}]}}"#, vec![zone; n].join(","));
        wire::decode::<wire::HeartRateZones>(body.as_bytes())
    };
    assert_eq!(
        zones(wire::LIST_LIMIT).unwrap().zone.len(),
        wire::LIST_LIMIT
    );
    assert_eq!(zones(wire::LIST_LIMIT + 1).unwrap_err().path, "zone");
    let map = |n: usize| {
        let entries: Vec<_> = (0..n).map(|i| format!(r#""{i}":1"#)).collect();
        let body = format!(r#"{{"date":"d","hrv_samples":{{{}}}}}"#, entries.join(","));
        wire::decode::<wire::NightlyRecharge>(body.as_bytes())
    };
    assert!(map(wire::CLOCK_MAP_LIMIT).is_ok());
    assert_eq!(
        map(wire::CLOCK_MAP_LIMIT + 1).unwrap_err().path,
        "hrv_samples"
    );
}
