//! Redis loses its memory, its connections, its life: the lane heals by itself.

use std::sync::Arc;

use polar_sync::queue::{LaneName, Verdict};
use tokio::sync::Notify;

use super::harness::{Server, Setup, Worker, eventually, timing};

const GOOD: &str = r#"{"v":1,"user_id":"user_001"}"#;

async fn ack_worker(server: &Server) -> Worker {
    Worker::start(server, Setup::default(), |_| async { Verdict::Ack }).await
}

/// A new entry is handled: the lane is alive.
async fn assert_alive(server: &Server, worker: &mut Worker) {
    let id = server.add(LaneName::Event, GOOD).await;
    worker.reached(&id).await;
    eventually("an empty lane", || server.is_drained(LaneName::Event)).await;
}

#[tokio::test]
async fn flushall_heals() {
    let server = Server::start().await;
    let mut worker = ack_worker(&server).await;
    assert_alive(&server, &mut worker).await;
    let () = server.command(&["FLUSHALL"]).await;
    assert_alive(&server, &mut worker).await;
}

#[tokio::test]
async fn a_job_that_runs_during_a_flush_ends_quietly() {
    let server = Server::start().await;
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    let mut worker = Worker::start(&server, Setup::default(), move |_| {
        let gate = gate.clone();
        async move {
            gate.notified().await;
            Verdict::Ack
        }
    })
    .await;
    let id = server.add(LaneName::Event, GOOD).await;
    worker.next().await;
    let () = server.command(&["FLUSHALL"]).await;
    go.notify_one();
    assert_eq!(worker.settled(&id).await, "ack");
    go.notify_one();
    assert_alive(&server, &mut worker).await;
}

#[tokio::test]
async fn del_of_the_stream_heals() {
    let server = Server::start().await;
    let mut worker = ack_worker(&server).await;
    let () = server.command(&["DEL", "t:jobs:event"]).await;
    assert_alive(&server, &mut worker).await;
}

#[tokio::test]
async fn client_kill_heals_and_loses_nothing() {
    let server = Server::start().await;
    let mut worker = ack_worker(&server).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        for _ in 0..10 {
            ids.push(server.add(LaneName::Event, GOOD).await);
        }
        let () = server
            .command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
            .await;
    }
    let mut handled = std::collections::HashSet::new();
    while handled.len() < ids.len() {
        handled.insert(worker.next().await.entry_id);
    }
    assert!(ids.iter().all(|id| handled.contains(id)));
    eventually("an empty lane", || server.is_drained(LaneName::Event)).await;
}

#[tokio::test]
async fn a_restart_without_data_heals() {
    let mut server = Server::start().await;
    let mut worker = ack_worker(&server).await;
    server.restart().await;
    worker.reconnected().await;
    assert_alive(&server, &mut worker).await;
}

#[tokio::test]
async fn a_verdict_survives_an_outage() {
    let mut server = Server::start_durable().await;
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    let mut worker = Worker::start(&server, Setup::default(), move |_| {
        let gate = gate.clone();
        async move {
            gate.notified().await;
            Verdict::Ack
        }
    })
    .await;
    let id = server.add(LaneName::Event, GOOD).await;
    worker.next().await;
    server.kill().await;
    go.notify_one();
    server.restart().await;
    assert_eq!(worker.settled(&id).await, "ack");
    assert!(server.is_drained(LaneName::Event).await);
    assert!(worker.seen.try_recv().is_err(), "it ran once");
}

#[tokio::test]
async fn a_frozen_redis_takes_no_job_from_a_live_worker() {
    let server = Server::start().await;
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    let toy = move |_| {
        let gate = gate.clone();
        async move {
            gate.notified().await;
            Verdict::Ack
        }
    };
    let mut first = Worker::start(&server, Setup::default(), toy.clone()).await;
    let id = server.add(LaneName::Event, GOOD).await;
    first.next().await;
    let mut second = Worker::start(&server, Setup::default(), toy).await;
    server.freeze(timing().idle_limit * 2).await;
    let next = server.add(LaneName::Event, GOOD).await;
    go.notify_waiters();
    assert_eq!(first.settled(&id).await, "ack");
    go.notify_one();
    eventually("an empty lane", || server.is_drained(LaneName::Event)).await;
    for worker in [&mut first, &mut second] {
        while let Ok(delivery) = worker.seen.try_recv() {
            assert_eq!((delivery.entry_id, delivery.deliveries), (next.clone(), 1));
        }
    }
}
