//! The change feed: numbers that only grow, under many writers.

use std::collections::BTreeSet;

use polar_sync::store::{
    changes::{SEQUENCE_BATCH_MAX, sequence},
    records::upsert_physical_information,
};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;

use crate::fixtures::{Home, connect, physical, run, workout};

const WRITERS: i64 = 8;
const CHANGES_EACH: i64 = 40;
const TOKEN: i64 = 7;

async fn lead(home: &Home) {
    let lease = format!("UPDATE polar_sync.leader SET token = {TOKEN} WHERE name = 'sequencer'");
    run(&mut home.sql().await, &lease).await;
}

async fn visible(reader: &mut PgConnection) -> BTreeSet<i64> {
    sqlx::query_scalar("SELECT seq FROM api_v1.changes")
        .fetch_all(reader)
        .await
        .unwrap()
        .into_iter()
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_change_appears_at_or_below_one_already_visible() {
    let home = Home::new().await;
    lead(&home).await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (connection, user) = connect(&home.db, &format!("writer_{writer}"), 100 + writer).await;
        let store = home.store.clone();
        writers.spawn(async move {
            for change in 0..CHANGES_EACH {
                let mut tx = store.begin("test").await.unwrap();
                upsert_physical_information(&mut tx, connection, &user, &physical(change))
                    .await
                    .unwrap();
                // Transactions overlap in every way: some stay open while others begin and end.
                if change % 3 == writer % 3 {
                    tokio::task::yield_now().await;
                }
                tx.commit().await.unwrap();
            }
        });
    }
    let mut reader = home.sql().await;
    let mut seen = BTreeSet::new();
    let expected = usize::try_from(WRITERS * CHANGES_EACH).unwrap();
    while seen.len() < expected {
        // Two at once, as when a former leader is slow to notice.
        let (one, other) = tokio::join!(sequence(&home.store, TOKEN), sequence(&home.store, TOKEN));
        assert!(one.unwrap().is_some() && other.unwrap().is_some());
        let now = visible(&mut reader).await;
        let last_seen = seen.last().copied().unwrap_or(0);
        assert!(seen.is_subset(&now));
        assert!(now.difference(&seen).all(|seq| *seq > last_seen));
        seen = now;
    }
    writers.join_all().await;
    assert_eq!(sequence(&home.store, TOKEN).await.unwrap(), Some(0));
    let twice = "SELECT count(*) - count(DISTINCT record_id) FROM api_v1.changes";
    assert_eq!(home.number(twice).await, 0);
    reader.close().await.unwrap();
}

#[tokio::test]
async fn only_the_leader_numbers() {
    let home = Home::new().await;
    lead(&home).await;
    home.workout(&workout()).await;
    assert_eq!(sequence(&home.store, TOKEN - 1).await.unwrap(), None);
    assert_eq!(home.number("SELECT count(*) FROM api_v1.changes").await, 0);
    assert_eq!(sequence(&home.store, TOKEN).await.unwrap(), Some(1));
    let change = home
        .texts("SELECT concat_ws(' ', seq, user_id, kind, change, revision) FROM api_v1.changes")
        .await;
    assert_eq!(change, ["1 user_001 exercise added 1"]);
}

#[tokio::test]
async fn what_is_not_committed_is_not_numbered() {
    let home = Home::new().await;
    lead(&home).await;
    let mut open = home.store.begin("test").await.unwrap();
    upsert_physical_information(&mut open, home.connection, &home.user, &physical(1))
        .await
        .unwrap();
    home.workout(&workout()).await;
    assert_eq!(sequence(&home.store, TOKEN).await.unwrap(), Some(1));
    open.commit().await.unwrap();
    assert_eq!(sequence(&home.store, TOKEN).await.unwrap(), Some(1));
    let kinds = home
        .texts("SELECT kind FROM api_v1.changes ORDER BY seq")
        .await;
    assert_eq!(kinds, ["exercise", "physical_information"]);
}

#[tokio::test]
async fn a_backlog_is_numbered_in_batches_and_in_order() {
    let home = Home::new().await;
    lead(&home).await;
    run(
        &mut home.sql().await,
        &format!(
            "INSERT INTO polar_sync.outbox
                (connection_id, user_id, record_id, kind, change, revision, changed_at)
            SELECT '{}', 'user_001', gen_random_uuid(), 'sleep', 'updated', n, now()
            FROM generate_series(1, {SEQUENCE_BATCH_MAX} + 3) n",
            home.connection
        ),
    )
    .await;
    let batch = usize::try_from(SEQUENCE_BATCH_MAX).unwrap();
    assert_eq!(sequence(&home.store, TOKEN).await.unwrap(), Some(batch));
    assert_eq!(sequence(&home.store, TOKEN).await.unwrap(), Some(3));
    assert_eq!(sequence(&home.store, TOKEN).await.unwrap(), Some(0));
    let misplaced = "SELECT count(*) FROM api_v1.changes WHERE seq <> revision";
    assert_eq!(home.number(misplaced).await, 0);
    assert_eq!(
        home.number("SELECT count(*) FROM polar_sync.outbox").await,
        0
    );
}
