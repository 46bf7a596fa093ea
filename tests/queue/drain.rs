//! Shutdown: finish or hand back, lose nothing, double nothing. And the worst one, a crash.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use polar_sync::queue::{LaneName, Message, Verdict};
use tokio::sync::Notify;

use super::harness::{Server, Setup, Worker, eventually, takes, within};

const GOOD: &str = r#"{"v":1,"user_id":"user_001"}"#;

#[tokio::test]
async fn an_idle_worker_stops_at_once_and_leaves_no_consumer() {
    let server = Server::start().await;
    let worker = Worker::start(&server, Setup::default(), |_| async { Verdict::Ack }).await;
    let report = worker.stop().await;
    assert_eq!(report, polar_sync::queue::DrainReport::default());
    let info: redis::streams::StreamInfoConsumersReply = server
        .command(&["XINFO", "CONSUMERS", "t:jobs:event", "workers"])
        .await;
    assert!(info.consumers.is_empty());
}

#[tokio::test]
async fn a_running_job_ends_and_nothing_new_begins() {
    let server = Server::start().await;
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    let setup = Setup {
        lanes: vec![(LaneName::Event, 1)],
        ..Setup::default()
    };
    let mut worker = Worker::start(&server, setup, move |_| {
        let gate = gate.clone();
        async move {
            gate.notified().await;
            Verdict::Ack
        }
    })
    .await;
    let first = server.add(LaneName::Event, GOOD).await;
    let second = server.add(LaneName::Event, GOOD).await;
    assert_eq!(worker.next().await.entry_id, first);
    let mut signals = worker.signals.resubscribe();
    let stopping = tokio::spawn(worker.stop());
    go.notify_one();
    let report = within("the drain", stopping).await.unwrap();
    assert_eq!(
        (report.running, report.handed_back, report.stuck),
        (1, 0, 0)
    );
    let settled = signals.recv().await.unwrap();
    assert!(format!("{settled:?}").contains("ack"), "{settled:?}");
    let left: Vec<redis::Value> = server.command(&["XRANGE", "t:jobs:event", "-", "+"]).await;
    assert_eq!(left.len(), 1, "only {second} is left");
}

#[tokio::test]
async fn at_the_deadline_jobs_go_back_and_run_elsewhere_as_the_same_delivery() {
    let server = Server::start().await;
    let setup = Setup {
        drain: Duration::from_millis(100),
        ..Setup::default()
    };
    let mut worker = Worker::start(&server, setup, |_| std::future::pending()).await;
    for _ in 0..3 {
        server.add(LaneName::Event, GOOD).await;
    }
    for _ in 0..3 {
        worker.next().await;
    }
    let report = worker.stop().await;
    assert_eq!(
        (report.running, report.handed_back, report.stuck),
        (3, 3, 0)
    );

    let mut other = Worker::start(&server, Setup::default(), |_| async { Verdict::Ack }).await;
    for _ in 0..3 {
        assert_eq!(other.next().await.deliveries, 1);
    }
    eventually("an empty lane", || server.is_drained(LaneName::Event)).await;
}

#[tokio::test]
async fn what_a_handler_hands_back_another_takes_at_once() {
    let server = Server::start().await;
    let mut worker =
        Worker::start(&server, Setup::default(), |_| async { Verdict::HandBack }).await;
    let id = server.add(LaneName::Event, GOOD).await;
    assert_eq!(worker.settled(&id).await, "hand_back");
    worker.stop().await;
    let mut other = Worker::start(&server, Setup::default(), |_| async { Verdict::Ack }).await;
    let delivery = other.next().await;
    assert_eq!((delivery.entry_id, delivery.deliveries), (id, 1));
}

#[tokio::test]
async fn parked_entries_go_back_at_shutdown() {
    let server = Server::start().await;
    let mut worker = Worker::start(&server, Setup::default(), |_| async {
        Verdict::Wait(Duration::from_mins(1))
    })
    .await;
    let id = server.add(LaneName::Event, GOOD).await;
    assert_eq!(worker.settled(&id).await, "wait");
    assert_eq!(worker.stop().await.handed_back, 1);
    let mut other = Worker::start(&server, Setup::default(), |_| async { Verdict::Ack }).await;
    assert_eq!(other.next().await.deliveries, 1);
}

/// Ten shutdowns in the middle of work, with another worker alive: every job runs exactly once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdowns_under_load_lose_and_double_nothing() {
    const JOBS: usize = 2000;
    const SHUTDOWNS: usize = 10;
    let server = Server::start().await;
    let messages: Vec<_> = (0..JOBS)
        .map(|n| Message::for_user(format!("user_{n}").parse().unwrap()))
        .collect();
    server
        .enqueuer()
        .await
        .push_many(LaneName::Event, &messages)
        .await
        .unwrap();
    let runs: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let done = Arc::new(AtomicUsize::new(0));
    let start = || {
        let (runs, done) = (runs.clone(), done.clone());
        Worker::start(&server, Setup::default(), move |delivery| {
            let (runs, done) = (runs.clone(), done.clone());
            async move {
                takes(Duration::from_millis(3)).await;
                *runs.lock().unwrap().entry(delivery.entry_id).or_default() += 1;
                done.fetch_add(1, Ordering::SeqCst);
                Verdict::Ack
            }
        })
    };
    let steady = start().await;
    for _ in 0..SHUTDOWNS {
        let mut worker = start().await;
        let enough = done.load(Ordering::SeqCst) + JOBS / (2 * SHUTDOWNS);
        eventually("some progress", || async {
            done.load(Ordering::SeqCst) >= enough.min(JOBS)
        })
        .await;
        worker.seen.close();
        assert_eq!(worker.stop().await.stuck, 0);
    }
    eventually("the end of all jobs", || async {
        done.load(Ordering::SeqCst) >= JOBS
    })
    .await;
    steady.stop().await;
    assert!(server.is_drained(LaneName::Event).await);
    let runs = runs.lock().unwrap();
    assert_eq!(runs.len(), JOBS);
    assert!(runs.values().all(|times| *times == 1));
}

/// Workers that vanish in the middle of work, heartbeats and all: every job still runs.
#[tokio::test]
async fn crashes_under_load_lose_nothing() {
    const JOBS: usize = 400;
    const CRASHES: usize = 3;
    let server = Arc::new(Server::start().await);
    let messages: Vec<_> = (0..JOBS)
        .map(|n| Message::for_user(format!("user_{n}").parse().unwrap()))
        .collect();
    let enqueuer = server.enqueuer().await;
    enqueuer
        .push_many(LaneName::Event, &messages)
        .await
        .unwrap();
    let done: Arc<Mutex<HashSet<String>>> = Arc::default();
    let start = |server: Arc<Server>| {
        let done = done.clone();
        async move {
            Worker::start(&server, Setup::default(), move |delivery| {
                let done = done.clone();
                async move {
                    takes(Duration::from_millis(5)).await;
                    done.lock().unwrap().insert(delivery.entry_id);
                    Verdict::Ack
                }
            })
            .await
        }
    };
    for _ in 0..CRASHES {
        let enough = done.lock().unwrap().len() + JOBS / (2 * CRASHES);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let worker = runtime.spawn(start(server.clone())).await.unwrap();
        eventually("some progress", || async {
            done.lock().unwrap().len() >= enough
        })
        .await;
        runtime.shutdown_background();
        drop(worker);
    }
    assert!(!server.is_drained(LaneName::Event).await, "work was cut");
    let last = start(server.clone()).await;
    eventually("an empty lane", || server.is_drained(LaneName::Event)).await;
    assert_eq!(done.lock().unwrap().len(), JOBS);
    assert_eq!(last.stop().await.stuck, 0);
}
