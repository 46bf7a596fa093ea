//! Raw bodies: kept once, read back to the byte, swept when nothing needs them.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use polar_sync::{
    model::Kind,
    store::{
        raw::{
            Held, Quarantined, RawBody, RawKey, RawPart, Swept, have, load, make_latest, put,
            quarantine_list, quarantine_put, quarantine_resolve, sweep,
        },
        raw_latest,
    },
};

use crate::fixtures::{Home, at, run};

const RETENTION: SignedDuration = SignedDuration::from_hours(24 * 90);

/// Long before any retention: the tests' day is compared with the server's clock.
fn long_ago() -> Timestamp {
    "2001-01-01T00:00:00Z".parse().unwrap()
}

fn part(item: &str, part: &str, body: Option<&[u8]>, fetched_at: Timestamp) -> RawPart {
    RawPart {
        item: item.to_owned(),
        version: "1".to_owned(),
        part: part.to_owned(),
        body: body.map(|body| RawBody::new(body).unwrap()),
        fetched_at,
    }
}

fn key(item: &str, part: &str) -> RawKey {
    RawKey {
        item: item.to_owned(),
        version: "1".to_owned(),
        part: part.to_owned(),
    }
}

async fn keep(home: &Home, parts: &[RawPart]) {
    home.tx(async |tx| put(tx, home.connection, Kind::Exercise, parts).await)
        .await;
}

async fn loaded(home: &Home, item: &str) -> HashMap<String, Option<Vec<u8>>> {
    load(&home.store, home.connection, Kind::Exercise, item, "1")
        .await
        .unwrap()
}

async fn held(home: &Home, items: &[&str]) -> HashMap<RawKey, Held> {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    have(&home.store, home.connection, Kind::Exercise, &items)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_body_comes_back_to_the_byte_and_is_kept_once() {
    let home = Home::new().await;
    let body: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    keep(
        &home,
        &[
            part("a", "summary", Some(&body), at(0)),
            part("a", "fit", Some(b""), at(0)),
            part("a", "zones", None, at(0)),
            part("b", "summary", Some(&body), at(0)),
        ],
    )
    .await;

    let expected = [
        ("summary".to_owned(), Some(body)),
        ("fit".to_owned(), Some(Vec::new())),
        ("zones".to_owned(), None),
    ];
    assert_eq!(loaded(&home, "a").await, HashMap::from(expected));
    assert_eq!(
        home.number("SELECT count(*) FROM polar_sync.raw_body")
            .await,
        2
    );
    let held = held(&home, &["a", "unknown"]).await;
    assert_eq!(
        held,
        HashMap::from([
            (key("a", "summary"), Held::Body),
            (key("a", "fit"), Held::Body),
            (key("a", "zones"), Held::Nothing),
        ])
    );
}

#[tokio::test]
async fn a_body_replaces_its_absence_and_never_the_other_way() {
    let home = Home::new().await;
    keep(&home, &[part("a", "zones", None, at(0))]).await;
    keep(&home, &[part("a", "zones", Some(b"late"), at(1))]).await;
    let rows = home.rows_of("raw_item").await;
    keep(&home, &[part("a", "zones", None, at(2))]).await;
    keep(&home, &[part("a", "zones", Some(b"late"), at(3))]).await;
    assert_eq!(
        loaded(&home, "a").await["zones"].as_deref(),
        Some(&b"late"[..])
    );
    assert_eq!(home.rows_of("raw_item").await, rows);
}

#[tokio::test]
async fn of_answers_with_one_key_the_last_body_is_kept() {
    let home = Home::new().await;
    keep(
        &home,
        &[
            part("a", "samples/0", Some(b"first"), at(0)),
            part("a", "samples/0", Some(b"last"), at(0)),
            part("a", "samples/0", None, at(0)),
            part("a", "zones", None, at(0)),
            part("a", "zones", None, at(0)),
        ],
    )
    .await;
    let expected = [
        ("samples/0".to_owned(), Some(b"last".to_vec())),
        ("zones".to_owned(), None),
    ];
    assert_eq!(loaded(&home, "a").await, HashMap::from(expected));
}

#[tokio::test]
async fn an_answer_that_comes_again_after_another_is_the_latest() {
    let home = Home::new().await;
    let answer = |version: &str, second| RawPart {
        version: version.to_owned(),
        ..part(
            "2031-05-06",
            "summary",
            Some(version.as_bytes()),
            at(second),
        )
    };
    let offer = async |version: &str, second| {
        let given = answer(version, second);
        home.tx(async |tx| {
            let part = std::slice::from_ref(&given);
            put(tx, home.connection, Kind::Sleep, part).await?;
            make_latest(tx, home.connection, Kind::Sleep, &given.key(), at(second)).await
        })
        .await
    };
    let latest = async || {
        let versions = raw_latest::versions(&home.store, home.connection, Kind::Sleep).await;
        versions.unwrap()["2031-05-06"].clone()
    };
    assert!(!offer("a", 0).await);
    assert!(!offer("b", 1).await);
    assert_eq!(latest().await, "b");
    assert!(offer("a", 2).await);
    assert_eq!(latest().await, "a");
    let rows = home.rows_of("raw_item").await;
    assert!(!offer("a", 2).await);
    assert!(!offer("b", 1).await);
    assert_eq!(home.rows_of("raw_item").await, rows);
}

#[tokio::test]
async fn what_cannot_be_understood_waits_in_quarantine() {
    let home = Home::new().await;
    let body = part("a", "samples/0", Some(b"odd"), at(0));
    let quarantined = Quarantined {
        connection: home.connection,
        kind: Kind::Exercise,
        key: key("a", "samples/0"),
        sha256: body.body.as_ref().unwrap().sha256().to_vec(),
        reason: "samples: a number was expected".to_owned(),
        quarantined_at: at(0),
    };
    keep(&home, &[body]).await;
    for _ in 0..2 {
        home.tx(async |tx| quarantine_put(tx, &quarantined).await)
            .await;
    }
    let list = || quarantine_list(&home.store, None);
    assert_eq!(list().await.unwrap(), std::slice::from_ref(&quarantined));
    let resolve = async || {
        home.tx(async |tx| {
            quarantine_resolve(tx, home.connection, Kind::Exercise, &quarantined.key).await
        })
        .await
    };
    assert!(resolve().await);
    assert!(!resolve().await);
    assert_eq!(list().await.unwrap(), []);
}

#[tokio::test]
async fn the_sweep_removes_what_is_old_and_needed_by_nobody() {
    let home = Home::new().await;
    let now = Timestamp::MAX;
    keep(
        &home,
        &[
            part("old", "summary", Some(b"old"), long_ago()),
            part("old", "zones", None, long_ago()),
            part("new", "summary", Some(b"new"), now),
            part("shared", "summary", Some(b"shared"), long_ago()),
            part("sharing", "summary", Some(b"shared"), now),
            part("odd", "summary", Some(b"fine"), long_ago()),
            part("odd", "samples/0", Some(b"odd"), long_ago()),
            part("open", "summary", Some(b"open"), long_ago()),
        ],
    )
    .await;
    let connection = home.connection;
    run(
        &mut home.sql().await,
        &format!(
            "INSERT INTO polar_sync.quarantine
                SELECT connection_id, kind, item, version, part, sha256, 'odd', fetched_at
                FROM polar_sync.raw_item WHERE part = 'samples/0';
            INSERT INTO polar_sync.remote_transaction
                (connection_id, remote_id, kind, phase, created_at, last_create_at, items, updated_at) VALUES
                ('{connection}', gen_random_uuid(), 'exercise', 'committing', now(), now(), '{{open}}', now()),
                ('{connection}', gen_random_uuid(), 'exercise', 'committed', now(), now(), '{{old}}', now());"
        ),
    )
    .await;
    let swept = sweep(&home.store, RETENTION).await.unwrap();
    assert_eq!(
        swept,
        Swept {
            items: 3,
            bodies: 1
        }
    );
    let left = home
        .texts("SELECT item || ' ' || part FROM polar_sync.raw_item ORDER BY 1")
        .await;
    assert_eq!(
        left,
        [
            "new summary",
            "odd samples/0",
            "odd summary",
            "open summary",
            "sharing summary"
        ]
    );
    assert_eq!(
        loaded(&home, "sharing").await["summary"].as_deref(),
        Some(&b"shared"[..])
    );
    assert_eq!(
        sweep(&home.store, RETENTION).await.unwrap(),
        Swept::default()
    );
}

#[tokio::test]
async fn the_sweep_leaves_a_connection_at_work_alone() {
    let home = Home::new().await;
    keep(&home, &[part("old", "summary", Some(b"old"), long_ago())]).await;
    let mut at_work = home.sql().await;
    run(
        &mut at_work,
        "BEGIN; SELECT FROM polar_sync.sync_state FOR UPDATE",
    )
    .await;
    assert_eq!(
        sweep(&home.store, RETENTION).await.unwrap(),
        Swept::default()
    );
    run(&mut at_work, "COMMIT").await;
    assert_eq!(
        sweep(&home.store, RETENTION).await.unwrap(),
        Swept {
            items: 1,
            bodies: 1
        }
    );
}
