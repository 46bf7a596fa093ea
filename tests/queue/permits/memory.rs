//! A Redis that lost its memory, or came back as it was some time ago: nothing is spent twice.

use std::sync::Arc;
use std::time::Duration;

use polar_sync::queue::permits::{ClosedBy, QuotaConfig, Snapshot};
use polar_sync::queue::{Permit, Urgency};

use super::{
    Kept, client, client_with, closed, permit, rate, single, small, until_open, used_short,
};
use crate::harness::{Server, eventually, within};

/// A use of both windows, by a server of its own, as it is kept in Postgres.
async fn checkpoint(permit_used: impl AsyncFnOnce(Permit)) -> Snapshot {
    let server = Server::start().await;
    let permits = client(&server, "a", single()).await;
    permit_used(permit(&permits).await).await;
    let kept = serde_json::to_string(&permits.snapshot().await.unwrap()).unwrap();
    serde_json::from_str(&kept).unwrap()
}

/// A client who stops only briefly after a wipe.
fn hasty() -> QuotaConfig {
    QuotaConfig {
        answer_wait: Duration::from_millis(200),
        ..single()
    }
}

#[tokio::test]
async fn a_flush_does_not_spend_twice() {
    let server = Server::start().await;
    let before = checkpoint(async |permit| permit.answered(Some(rate(300, 600)))).await;
    let memory = Kept::new(Ok(Some(before)));
    let permits = client_with(&server, "a", hasty(), Arc::clone(&memory)).await;
    let restored = permits.snapshot().await.unwrap();
    assert_eq!((restored.short, restored.long), (before.short, before.long));
    let refusal = closed(&permits, Urgency::Interactive).await;
    assert_eq!(refusal.why, ClosedBy::Memory, "they tell what they hold");
    let room = permits.has_room_for(1, Urgency::Interactive).await;
    assert_eq!(room.unwrap_err().why, ClosedBy::Memory);
    until_open(&permits).await.answered(Some(rate(290, 200)));
    assert_eq!(used_short(&permits).await, 290, "the server overrules it");

    // What this process heard is later than what was kept.
    permit(&permits).await.answered(Some(rate(310, 200)));
    assert_eq!(used_short(&permits).await, 310);
    let () = server.command(&["FLUSHALL"]).await;
    assert_eq!(used_short(&permits).await, 310);
    let other = client_with(&server, "b", hasty(), Arc::clone(&memory)).await;
    assert_eq!(used_short(&other).await, 310);

    let () = server.command(&["FLUSHALL"]).await;
    let mut over = before;
    over.short.reset_at_ms = before.taken_at_ms - 1;
    memory.set(Ok(Some(over)));
    let late = client_with(&server, "c", hasty(), Arc::clone(&memory)).await;
    assert_eq!(used_short(&late).await, 0, "that window is over");
    assert_eq!(used_short(&permits).await, 310, "everybody tells");
    assert_eq!(used_short(&late).await, 310);
    until_open(&late).await.answered(Some(rate(305, 200)));
    assert_eq!(used_short(&late).await, 305);
    assert_eq!(used_short(&other).await, 305, "the server has told since");
}

#[tokio::test]
async fn after_a_wipe_one_request_finds_out_how_the_windows_stand() {
    let server = Server::start().await;
    let before = checkpoint(async |permit| permit.answered(Some(rate(300, 600)))).await;
    let memory = Kept::new(Ok(Some(before)));
    let config = QuotaConfig {
        block_max: 32,
        ..hasty()
    };
    let clients = [
        client_with(&server, "a", config.clone(), Arc::clone(&memory)).await,
        client_with(&server, "b", config, memory).await,
    ];
    let probe = until_open(&clients[0]).await;
    for permits in &clients {
        let refusal = closed(permits, Urgency::Interactive).await;
        assert_eq!(refusal.why, ClosedBy::Memory);
    }
    probe.answered(Some(rate(519, 600)));
    assert_eq!(used_short(&clients[0]).await, 519);
    // The last one of the window.
    let last = async || clients[1].acquire(Urgency::Interactive).await;
    within("the news of the server", async {
        while let Err(refusal) = last().await {
            assert_eq!(refusal.why, ClosedBy::Memory);
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(
        closed(&clients[0], Urgency::Interactive).await.why,
        ClosedBy::Quota
    );
}

#[tokio::test]
async fn a_redis_that_comes_back_as_it_was_is_told_what_it_has_forgotten() {
    let server = Server::start().await;
    let permits = client(&server, "a", hasty()).await;
    permit(&permits).await.answered(Some(rate(100, 600)));
    assert_eq!(used_short(&permits).await, 100);
    let () = server.command(&["COPY", "t:quota", "snapshot"]).await;
    permit(&permits).await.answered(Some(rate(400, 600)));
    assert_eq!(used_short(&permits).await, 400);
    let kept = Kept::new(Ok(Some(permits.snapshot().await.unwrap())));

    let put_back = ["COPY", "snapshot", "t:quota", "REPLACE"];
    let () = server.command(&put_back).await;
    assert_eq!(used_short(&permits).await, 400, "this one has seen more");
    let () = server.command(&put_back).await;
    let new = client_with(&server, "b", hasty(), kept).await;
    assert_eq!(used_short(&new).await, 400, "and so has Postgres");
}

#[tokio::test]
async fn what_is_told_late_or_by_another_clock_closes_nothing_for_long() {
    let server = Server::start().await;
    let mut early = checkpoint(async |permit| permit.answered(Some(rate(300, 600)))).await;
    let memory = Kept::new(Ok(Some(early)));
    let permits = client_with(&server, "a", hasty(), memory).await;
    assert_eq!(permits.snapshot().await.unwrap().short.limit, 520);
    // An older one, of a time with fewer users.
    early.taken_at_ms -= 1_000;
    early.short.limit = 310;
    let other = client_with(&server, "b", hasty(), Kept::new(Ok(Some(early)))).await;
    assert_eq!(other.snapshot().await.unwrap().short.limit, 520);

    let () = server.command(&["FLUSHALL"]).await;
    let year_ms = 365 * 24 * 3600 * 1000;
    early.short.reset_at_ms += year_ms;
    early.long.reset_at_ms += year_ms;
    early.closed_until_ms = early.taken_at_ms + year_ms;
    let odd = client_with(&server, "c", hasty(), Kept::new(Ok(Some(early)))).await;
    let seen = odd.snapshot().await.unwrap();
    let within_s = |at_ms: u64| (at_ms - seen.taken_at_ms) / 1000;
    assert!(within_s(seen.short.reset_at_ms) <= 15 * 60, "{seen:?}");
    assert!(within_s(seen.long.reset_at_ms) <= 24 * 3600, "{seen:?}");
    assert!(within_s(seen.closed_until_ms) <= 24 * 3600, "{seen:?}");
}

#[tokio::test]
async fn a_429_closes_a_fleet_that_is_being_told() {
    let server = Server::start().await;
    let permits = client(&server, "a", hasty()).await;
    let sent = permit(&permits).await;
    assert!(used_short(&permits).await > 0);
    let () = server.command(&["FLUSHALL"]).await;
    assert!(used_short(&permits).await > 0);
    sent.refused(None, None).await;
    let refusal = closed(&permits, Urgency::Interactive).await;
    assert!(refusal.retry_after > Duration::from_secs(50), "{refusal:?}");
}

#[tokio::test]
async fn nothing_is_permitted_while_nobody_remembers_what_was_used() {
    let server = Server::start().await;
    let memory = Kept::new(Err("Postgres is away"));
    let permits = client_with(&server, "a", single(), Arc::clone(&memory)).await;
    for urgency in [Urgency::Normal, Urgency::Interactive] {
        assert_eq!(closed(&permits, urgency).await.why, ClosedBy::Memory);
    }
    let room = permits.has_room_for(1, Urgency::Interactive).await;
    assert_eq!(room.unwrap_err().why, ClosedBy::Memory);

    let spent = checkpoint(async |permit| permit.answered(Some(rate(520, 600)))).await;
    memory.set(Ok(Some(spent)));
    let why = async || closed(&permits, Urgency::Interactive).await;
    eventually("the news that the window is spent", async || {
        why().await.retry_after > Duration::from_mins(9)
    })
    .await;
    assert_eq!(why().await.why, ClosedBy::Quota);
}

#[tokio::test]
async fn a_closed_fleet_stays_closed_over_a_flush() {
    let server = Server::start().await;
    let pause = Some(Duration::from_mins(5));
    let closed_then = checkpoint(async |permit| permit.refused(pause, None).await).await;
    let memory = Kept::new(Ok(Some(closed_then)));
    let permits = client_with(&server, "a", small(), memory).await;
    let refusal = closed(&permits, Urgency::Interactive).await;
    assert!(refusal.retry_after > Duration::from_mins(4));
}
