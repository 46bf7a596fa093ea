//! Terms of a leader: once another one leads, nothing more is written in an earlier term.

use std::time::Duration;

use jiff::SignedDuration;
use polar_sync::{
    model::Kind,
    store::{
        Store,
        leader::{Office, Term},
        lease::{FenceError, LEASE},
    },
};

use crate::fixtures::{Home, run};

const REQUESTS: &str = "SELECT count(*) FROM polar_sync.sync_request";

async fn lead(store: &Store, owner: &str, term: Option<Term>) -> Option<Term> {
    store.lead(Office::Scheduler, owner, term).await.unwrap()
}

/// Asks for what is due, as the planner does; for how many connections.
async fn plan(store: &Store, term: Term) -> Result<usize, FenceError> {
    let mut tx = store.begin_leading("plan", term).await?;
    let hour = Duration::from_hours(1);
    let asked = tx.ask_for_due(&[Kind::Sleep], 10, hour).await?;
    tx.commit().await?;
    Ok(asked.len())
}

#[tokio::test]
async fn only_the_leader_plans() {
    let home = Home::new().await;
    let due = format!(
        "INSERT INTO polar_sync.kind_state (connection_id, kind, next_due_at)
         VALUES ('{}', 'sleep', polar_sync.now())",
        home.connection
    );
    run(&mut home.sql().await, &due).await;
    let former = lead(&home.store, "former", None).await.unwrap();
    assert_eq!(lead(&home.store, "heir", None).await, None);
    // The former one freezes until its term has run out.
    let lease = SignedDuration::try_from(LEASE).unwrap();
    home.store.set_clock_shift(lease).await.unwrap();
    let heir = lead(&home.store, "heir", None).await.unwrap();

    let before = home.rows_of("kind_state").await;
    let planned = plan(&home.store, former).await;
    assert!(matches!(planned, Err(FenceError::Lost)), "{planned:?}");
    assert_eq!(home.number(REQUESTS).await, 0);
    assert_eq!(home.rows_of("kind_state").await, before);

    // It neither goes on nor gives up what is another one's by now.
    assert_eq!(lead(&home.store, "former", Some(former)).await, None);
    home.store.resign(former).await.unwrap();
    assert_eq!(lead(&home.store, "former", None).await, None);
    assert_eq!(plan(&home.store, heir).await.unwrap(), 1);
    assert_eq!(home.number(REQUESTS).await, 1);
}
