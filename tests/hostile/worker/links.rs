//! Hostile addresses in the answers that a worker follows.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Script, TRANSACTION, exercise, polar, transactions, world};
use crate::{
    polar::CLIENT_SECRET,
    server::Reply,
    thief::Thief,
    urls::{Entry, Names, Place, corpus},
    world::FIRST_ACCOUNT,
};

/// The parts of an exercise that a worker asks for, however little is known of it.
const PARTS: [&str; 4] = ["", "/samples", "/heart-rate-zones", "/gpx"];

/// The URLs of a place that are texts: anything else makes its list unreadable.
fn urls(corpus: &[Entry], place: Place) -> Vec<String> {
    let entries = corpus.iter().filter(|entry| entry.place == place);
    entries
        .filter_map(|entry| entry.url.as_str().map(str::to_owned))
        .collect()
}

/// What may be asked for: what the corpus says, the parts of its exercises, and what is always asked for.
fn allowed(corpus: &[Entry]) -> BTreeSet<String> {
    let mut allowed: BTreeSet<String> = corpus
        .iter()
        .filter_map(|entry| entry.rebuilt.clone())
        .collect();
    let items: Vec<_> = corpus
        .iter()
        .filter(|entry| entry.place == Place::Item)
        .filter_map(|entry| entry.rebuilt.clone())
        .collect();
    for item in items {
        allowed.extend(PARTS.map(|part| format!("{item}{part}")));
    }
    let user = format!("/v3/users/{FIRST_ACCOUNT}");
    allowed.extend([
        "/v3/users".to_owned(),
        "/v3/users/sleep".to_owned(),
        "/v3/users/nightly-recharge".to_owned(),
        "/v3/exercises".to_owned(),
        "/v3/notifications".to_owned(),
        transactions(),
        format!("{user}/activity-transactions"),
        format!("{user}/physical-information-transactions"),
        user,
    ]);
    allowed
}

#[tokio::test]
async fn no_hostile_address_is_followed() {
    let thief = Thief::lurk().await;
    let mut met = Vec::new();
    let server = polar(|origin| {
        let names = Names {
            origin: origin.parse().unwrap(),
            thief: thief.address(),
            polar_user_id: FIRST_ACCOUNT,
        };
        met = corpus(&names);
        let accepted = format!("{origin}{}/{TRANSACTION}", transactions());
        let refused = met.iter().filter(|entry| entry.place == Place::Transaction);
        let refused = refused.filter(|entry| entry.rebuilt.is_none());
        let mut created: Vec<_> = refused
            .filter_map(|entry| entry.url.as_str().map(str::to_owned))
            .collect();
        created.push(accepted);
        let samples = json!({ "samples": urls(&met, Place::Sample) }).to_string();
        Script {
            created,
            listed: urls(&met, Place::Item).into(),
            parts: Box::new(move |part| match part {
                "7" => Some(Reply::json(exercise(7, &json!({})))),
                "7/samples" => Some(Reply::json(&samples)),
                _ => None,
            }),
            nights: r#"{"nights":[]}"#.to_owned(),
        }
    })
    .await;
    let world = world(&server).await;
    let token = world.connect_one(0).await;
    let worker = world.spawn_logged("worker");
    // Each request creates once more, and is given the next address.
    world
        .until_true("the transaction to be blocked", async || {
            let blocked =
                "SELECT count(*) FROM polar_sync.remote_transaction WHERE phase = 'blocked'";
            if world.number(blocked).await == 1 {
                return true;
            }
            let job = json!({ "v": 1, "user_id": "user_001", "kinds": ["exercise"] });
            world.xadd("interactive", &job.to_string()).await;
            false
        })
        .await;
    let log = worker.stop_and_read().await;
    assert!(!log.contains("panicked") && !log.contains(&token), "{log}");

    let allowed = allowed(&met);
    let mut asked = BTreeSet::new();
    for request in server.seen() {
        let path = request.target.split('?').next().unwrap().to_owned();
        assert!(allowed.contains(&path), "{path}");
        assert_ne!(request.method, "PUT", "nothing is committed: {path}");
        assert!(!request.head.contains(CLIENT_SECRET));
        asked.insert(path);
    }
    let rebuilt = met.iter().filter_map(|entry| entry.rebuilt.clone());
    for path in rebuilt {
        assert!(asked.contains(&path), "{path} is asked for");
    }
    let creates = server.seen().into_iter();
    let creates = creates.filter(|seen| seen.method == "POST" && seen.target == transactions());
    let hostile = met
        .iter()
        .filter(|entry| entry.place == Place::Transaction && entry.rebuilt.is_none());
    assert!(creates.count() > hostile.count());
    let stored = "SELECT count(*) FROM api_v1.workouts";
    assert_eq!(world.number(stored).await, 1, "the good one is visible");
    thief.assert_empty_handed().await;
}
