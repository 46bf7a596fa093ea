//! What an audit looks for beside the records: items that are kept raw, or of which nothing is.

use jiff::Timestamp;
use polar_sync::model::Kind;

use crate::fixtures::{Home, physical, run};

/// A day before everything that the tests store.
fn long_ago() -> Timestamp {
    "2001-01-01T00:00:00Z".parse().unwrap()
}

/// Says that an item was fetched, and that its body is kept.
async fn keep(home: &Home, kind: Kind, item: &str, version: &str, fetched_at: &str) {
    let connection = home.connection;
    let statements = format!(
        "INSERT INTO polar_sync.raw_body VALUES ('{connection}', sha256('{item} {version}'), '', 0);
         INSERT INTO polar_sync.raw_item (connection_id, kind, item, version, part, sha256, fetched_at)
         VALUES ('{connection}', '{kind}', '{item}', '{version}', 'summary', sha256('{item} {version}'),
             '{fetched_at}')"
    );
    run(&mut home.sql().await, &statements).await;
}

async fn lose_body(home: &Home, item: &str, version: &str) {
    let lost = format!("DELETE FROM polar_sync.raw_body WHERE sha256 = sha256('{item} {version}')");
    run(&mut home.sql().await, &lost).await;
}

#[tokio::test]
async fn of_committed_items_those_count_of_which_nothing_is_left() {
    let home = Home::new().await;
    let items = ["11", "12", "13", "14"];
    for item in items {
        home.physical(&physical(item.parse().unwrap())).await;
        keep(
            &home,
            Kind::PhysicalInformation,
            item,
            "1",
            "2026-03-01T06:00:00Z",
        )
        .await;
    }
    let committed = format!(
        "INSERT INTO polar_sync.remote_transaction
             (connection_id, remote_id, kind, phase, created_at, last_create_at, items, accepted_loss, updated_at)
         SELECT '{}', gen_random_uuid(), 'physical_information', 'committed', now(), now(), '{{11,12,13,14}}',
             '{{14}}', now() FROM generate_series(1, 2)",
        home.connection
    );
    run(&mut home.sql().await, &committed).await;
    let count = async || {
        let kind = Kind::PhysicalInformation;
        let count = home
            .store
            .lost_without_trace(home.connection, kind, long_ago());
        count.await.unwrap()
    };
    assert_eq!(count().await, 0);
    let record = "DELETE FROM polar_sync.physical_information WHERE polar_id IN (12, 14)";
    run(&mut home.sql().await, record).await;
    // It is kept raw.
    assert_eq!(count().await, 0);
    let raw = "DELETE FROM polar_sync.raw_item WHERE item IN ('11', '12', '14')";
    run(&mut home.sql().await, raw).await;
    assert_eq!(count().await, 1);
}

#[tokio::test]
async fn the_body_of_an_earlier_version_is_missed_by_nobody() {
    let home = Home::new().await;
    let night = "2026-03-01";
    keep(&home, Kind::Sleep, night, "a", "2026-03-01T06:00:00Z").await;
    keep(&home, Kind::Sleep, night, "b", "2026-03-01T07:00:00Z").await;
    let lost = async || {
        let lost = home.store.lost_bodies(home.connection, Kind::Sleep);
        lost.await.unwrap()
    };
    lose_body(&home, night, "a").await;
    assert_eq!(lost().await, Vec::<String>::new());
    lose_body(&home, night, "b").await;
    assert_eq!(lost().await, [night]);
}

#[tokio::test]
async fn what_is_kept_of_damaged_records_is_looked_at_before_all_else() {
    let home = Home::new().await;
    keep(&home, Kind::Activity, "7", "1", "2026-03-01T06:00:00Z").await;
    // More than are looked at at once, and all of them later.
    let others = format!(
        "INSERT INTO polar_sync.kind_state (connection_id, kind, last_success_at)
         VALUES ('{0}', 'activity', '2026-03-03T06:00:00Z');
         INSERT INTO polar_sync.raw_item (connection_id, kind, item, version, part, sha256, fetched_at)
         SELECT '{0}', 'activity', item::text, '1', 'summary', '', '2026-03-02T06:00:00Z'
         FROM generate_series(1000, 3500) AS item",
        home.connection
    );
    run(&mut home.sql().await, &others).await;
    let also = ["7".to_owned()];
    let orphans = home
        .store
        .orphans(home.connection, Kind::Activity, &also)
        .await
        .unwrap();
    assert!(orphans.len() < 2_501, "all are looked at at once");
    assert_eq!(orphans[0].item, "7");
}
