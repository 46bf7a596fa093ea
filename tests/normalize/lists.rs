//! Lists, users and notifications.

use polar_sync::{accesslink::wire, model::TransactionalKind};

use crate::fixture::{self, read};

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
