//! Transactions: created, read, committed or disbanded, with every switch that decides what is unknown.

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{Reply, Sim, USER, urls};

/// Key of the list and sub-resources of each kind.
const KINDS: [(&str, &str, &str, &[&str]); 3] = [
    (
        "exercise",
        "exercise",
        "exercises",
        &["heart-rate-zones", "gpx", "tcx", "fit"],
    ),
    (
        "activity",
        "activity",
        "activity-log",
        &["step-samples", "zone-samples"],
    ),
    (
        "physical-information",
        "physical_information",
        "physical-informations",
        &[],
    ),
];

/// Every body of an item by the name of its part, as far as it has one.
async fn read_all(sim: &Sim, token: &str, item: &str, parts: &[&str]) -> Vec<(String, Reply)> {
    let mut read = vec![("summary".to_owned(), sim.get(token, item).await)];
    for part in parts {
        read.push((
            (*part).to_owned(),
            sim.get(token, &format!("{item}/{part}")).await,
        ));
    }
    if parts.contains(&"gpx") {
        let list = sim.get(token, &format!("{item}/samples")).await;
        for url in urls(&list, "samples") {
            let part = format!("samples/{}", url.rsplit('/').next().unwrap());
            read.push((part, sim.get(token, &url).await));
        }
    }
    read.retain(|(_, reply)| reply.status != 204);
    read
}

fn entry<'a>(ledger: &'a Value, kind: &str, id: &Value) -> &'a Value {
    let entries = ledger["items"][kind].as_array().unwrap();
    entries.iter().find(|entry| entry["id"] == *id).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    let hash = digest(&SHA256, bytes);
    let bytes = hash.as_ref().iter();
    bytes.fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[tokio::test]
async fn everything_offered_is_served_as_the_ledger_says_and_gone_after_the_commit() {
    let (sim, token) = Sim::connected(&[]).await;
    for (kind, ledger_kind, list_key, parts) in KINDS {
        let uri = sim.open(&token, kind).await;
        for item in urls(&sim.get(&token, &uri).await, list_key) {
            let read = read_all(&sim, &token, &item, parts).await;
            let ledger = sim.ledger().await;
            let entry = entry(&ledger, ledger_kind, &read[0].1.json()["id"]);
            assert_eq!(entry["state"], "in_transaction");
            assert_eq!(entry["parts"]["summary"]["body"], read[0].1.json());
            assert_eq!(entry["parts"].as_object().unwrap().len(), read.len());
            for (part, reply) in &read {
                let expected = &entry["parts"][part];
                assert_eq!(reply.status, 200, "{part}");
                assert_eq!(expected["sha256"], sha256(&reply.body), "{part}");
                assert_eq!(
                    (&expected["served"], &expected["bytes"]),
                    (&json!(1), &json!(reply.body.len()))
                );
            }
        }
        assert_eq!(sim.commit(&token, &uri).await, 200);
        assert_eq!(sim.get(&token, &uri).await.status, 404);
        assert_eq!(sim.create(&token, kind).await.status, 204);
        let ledger = sim.ledger().await;
        for entry in ledger["items"][ledger_kind].as_array().unwrap() {
            assert_eq!(
                (&entry["state"], &entry["revisions_committed"]),
                (&json!("committed"), &json!([1]))
            );
            assert!(entry["parts"]["summary"]["bytes"].as_u64().unwrap() > 0);
        }
    }
    let ledger = sim.ask("/ledger").await;
    assert_eq!(
        ledger["transactions"],
        json!({"created": 3, "committed": 3, "expired": 0, "open": 0})
    );
    assert_eq!(ledger["violations"], json!([]));
}

#[tokio::test]
async fn committing_what_was_never_read_is_a_violation() {
    let (sim, token) = Sim::connected(&[]).await;
    let uri = sim.open(&token, "exercise").await;
    let item = urls(&sim.get(&token, &uri).await, "exercises").remove(0);
    sim.get(&token, &item).await;
    assert_eq!(sim.commit(&token, &uri).await, 200);
    assert_eq!(sim.violations().await, ["committed_unserved"]);
}

#[tokio::test]
async fn a_transaction_holds_at_most_fifty_items() {
    let (sim, token) = Sim::connected(&[]).await;
    for _ in 0..50 {
        sim.tell(&format!("/users/{USER}/physical-informations"), json!({}))
            .await;
    }
    let first = sim.open(&token, "physical-information").await;
    let list = sim.get(&token, &first).await;
    assert_eq!(urls(&list, "physical-informations").len(), 50);
    sim.commit(&token, &first).await;
    let second = sim.open(&token, "physical-information").await;
    let list = sim.get(&token, &second).await;
    assert_eq!(urls(&list, "physical-informations").len(), 1);
}

#[rstest]
#[case("404", 404)]
#[case("204", 204)]
#[tokio::test]
async fn a_transaction_ends_after_ten_minutes_and_its_items_are_offered_again(
    #[case] expired_resource: &str,
    #[case] status: u16,
) {
    let (sim, token) =
        Sim::connected(&["--switch", &format!("expired_resource={expired_resource}")]).await;
    let uri = sim.open(&token, "exercise").await;
    let items = urls(&sim.get(&token, &uri).await, "exercises");
    sim.advance_s(590).await;
    assert_eq!(sim.get(&token, &items[0]).await.status, 200);
    sim.advance_s(11).await;
    assert_eq!(sim.get(&token, &uri).await.status, status);
    assert_eq!(sim.get(&token, &items[0]).await.status, status);
    let again = sim.open(&token, "exercise").await;
    assert_ne!(again, uri);
    assert_eq!(
        urls(&sim.get(&token, &again).await, "exercises").len(),
        items.len()
    );
}

#[rstest]
#[case("no-op-404", 404, "pool")]
#[case("no-op-204", 204, "pool")]
#[case("deletes", 200, "committed")]
#[tokio::test]
async fn a_late_commit_does_what_the_switch_says(
    #[case] late_put: &str,
    #[case] status: u16,
    #[case] state: &str,
) {
    let (sim, token) = Sim::connected(&["--switch", &format!("late_put={late_put}")]).await;
    let uri = sim.open(&token, "exercise").await;
    sim.advance_s(601).await;
    assert_eq!(sim.commit(&token, &uri).await, status);
    for entry in sim.ledger().await["items"]["exercise"].as_array().unwrap() {
        assert_eq!(entry["state"], state);
    }
    let unknown = uri.replace("exercise-transactions/", "exercise-transactions/9");
    assert_eq!(sim.commit(&token, &unknown).await, 404);
}

#[tokio::test]
async fn a_late_commit_that_deletes_takes_the_items_out_of_the_open_transaction() {
    let (sim, token) = Sim::connected(&["--switch", "late_put=deletes"]).await;
    let old = sim.open(&token, "exercise").await;
    sim.advance_s(601).await;
    let new = sim.open(&token, "exercise").await;
    let item = urls(&sim.get(&token, &new).await, "exercises").remove(0);
    assert_eq!(sim.commit(&token, &old).await, 200);
    assert_eq!(sim.get(&token, &item).await.status, 404);
    assert_eq!(sim.get(&token, &new).await.status, 204);
}

#[rstest]
#[case("200", 200)]
#[case("204", 204)]
#[case("404", 404)]
#[tokio::test]
async fn a_commit_deletes_whatever_it_answers(#[case] put_answer: &str, #[case] status: u16) {
    let (sim, token) = Sim::connected(&["--switch", &format!("put_answer={put_answer}")]).await;
    let uri = sim.open(&token, "activity").await;
    assert_eq!(sim.commit(&token, &uri).await, status);
    assert_eq!(sim.create(&token, "activity").await.status, 204);
}

/// Status of the second create, whether it has the same id, items of the first, and items of the second.
#[rstest]
#[case("204", 204, None, Some(2), None)]
#[case("same-id", 201, Some(true), Some(2), Some(2))]
#[case("same-id-more-items", 201, Some(true), Some(3), Some(3))]
#[case("new-id", 201, Some(false), None, Some(3))]
#[tokio::test]
async fn a_second_create_does_what_the_switch_says(
    #[case] second_create: &str,
    #[case] status: u16,
    #[case] is_same: Option<bool>,
    #[case] items_of_first: Option<usize>,
    #[case] items_of_second: Option<usize>,
) {
    let (sim, token) =
        Sim::connected(&["--switch", &format!("second_create={second_create}")]).await;
    let first = sim.open(&token, "exercise").await;
    sim.tell(
        &format!("/users/{USER}/exercises"),
        json!({"duration_s": 60}),
    )
    .await;
    let second = sim.create(&token, "exercise").await;
    assert_eq!(second.status, status);
    let second = second.json()["resource-uri"].as_str().map(str::to_owned);
    assert_eq!(second.as_ref().map(|second| *second == first), is_same);
    let count = async |uri: &str| {
        let list = sim.get(&token, uri).await;
        (list.status == 200).then(|| urls(&list, "exercises").len())
    };
    assert_eq!(count(&first).await, items_of_first);
    if let Some(second) = second {
        assert_eq!(count(&second).await, items_of_second);
    }
}

#[tokio::test]
async fn an_edited_session_is_offered_again_with_the_same_id_and_a_later_upload() {
    let (sim, token) = Sim::connected(&[]).await;
    let uri = sim.open(&token, "exercise").await;
    let item = urls(&sim.get(&token, &uri).await, "exercises").remove(0);
    let before = sim.get(&token, &item).await.json();
    sim.commit(&token, &uri).await;
    let edit = format!("/users/{USER}/exercises/{}/edit", before["id"]);
    let edited = sim.tell(&edit, json!({"calories": 4321})).await;
    assert_eq!(edited["revision"], 2);
    let uri = sim.open(&token, "exercise").await;
    let items = urls(&sim.get(&token, &uri).await, "exercises");
    assert_eq!(items.len(), 1);
    let after = sim.get(&token, &items[0]).await.json();
    assert_eq!(
        (&after["id"], &after["calories"]),
        (&before["id"], &json!(4321))
    );
    assert!(after["upload-time"].as_str() > before["upload-time"].as_str());
    assert_eq!(after["start-time"], before["start-time"]);
}

#[tokio::test]
async fn an_edit_during_a_transaction_leaves_it_as_it_was_and_comes_afterwards() {
    let (sim, token) = Sim::connected(&[]).await;
    let uri = sim.open(&token, "exercise").await;
    let item = urls(&sim.get(&token, &uri).await, "exercises").remove(0);
    let before = sim.get(&token, &item).await.json();
    let edit = format!("/users/{USER}/exercises/{}/edit", before["id"]);
    sim.tell(&edit, json!({"calories": 4321})).await;
    assert_eq!(sim.get(&token, &item).await.json(), before);
    sim.commit(&token, &uri).await;
    let ledger = sim.ledger().await;
    let committed = entry(&ledger, "exercise", &before["id"]);
    assert_eq!(
        (&committed["state"], &committed["revisions_committed"]),
        (&json!("pool"), &json!([1]))
    );
    let uri = sim.open(&token, "exercise").await;
    let item = urls(&sim.get(&token, &uri).await, "exercises").remove(0);
    assert_eq!(sim.get(&token, &item).await.json()["calories"], 4321);
}

#[tokio::test]
async fn items_are_offered_for_28_days() {
    let (sim, token) = Sim::connected(&["--profile", "single-summary"]).await;
    sim.advance_s(28 * 24 * 3600 - 60).await;
    let uri = sim.open(&token, "exercise").await;
    sim.advance_s(601).await;
    assert_eq!(sim.call(&token, Method::GET, &uri).await.status, 404);
    assert_eq!(sim.create(&token, "exercise").await.status, 204);
    let ledger = sim.ledger().await;
    assert_eq!(ledger["items"]["exercise"][0]["state"], "aged_out");
    let exercises = sim.get(&token, "/v3/exercises").await.json();
    assert_eq!(
        exercises.as_array().unwrap().len(),
        1,
        "this list keeps them two days longer"
    );
    sim.advance_s(2 * 24 * 3600).await;
    assert_eq!(sim.get(&token, "/v3/exercises").await.json(), json!([]));
}

#[tokio::test]
async fn what_was_read_from_the_other_family_counts_as_served() {
    let (sim, token) = Sim::connected(&["--profile", "single-hr"]).await;
    let uri = sim.open(&token, "exercise").await;
    let listed = sim.get(&token, "/v3/exercises").await.json();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    let part = async |part: &str| {
        let ledger = sim.ledger().await;
        ledger["items"]["exercise"][0]["parts"][part]["served"].clone()
    };
    sim.get(&token, &format!("/v3/exercises/{id}?zones=true"))
        .await;
    assert_eq!(
        (part("heart-rate-zones").await, part("samples/0").await),
        (json!(1), json!(0))
    );
    sim.get(&token, "/v3/exercises?samples=true").await;
    assert_eq!(
        (part("heart-rate-zones").await, part("samples/0").await),
        (json!(1), json!(1))
    );
    assert_eq!(sim.commit(&token, &uri).await, 200);
    assert_eq!(sim.violations().await, [""; 0]);
}
