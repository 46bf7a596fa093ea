//! Delivery: what reaches the handler, how often, and what its verdict does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use polar_sync::queue::publish::{dead_entry, rejected_entry};
use polar_sync::queue::{Delivery, LaneName, Message, Rejection, Verdict};
use tokio::sync::Notify;

use super::harness::{DEADLINE, Server, Setup, Worker, eventually, job, takes, timing};

const GOOD: &str = r#"{"v":1,"user_id":"user_001"}"#;

/// Accepts what parses, as a real handler would.
async fn parse_and_ack(delivery: Delivery) -> Verdict {
    match Message::parse(delivery.job.as_deref()) {
        Ok(_) => Verdict::Ack,
        Err(rejection) => Verdict::Reject(rejected_entry(&delivery, rejection).unwrap()),
    }
}

#[tokio::test]
async fn a_plain_xadd_is_handled_and_leaves_the_stream() {
    let server = Server::start().await;
    let mut worker = Worker::start(&server, Setup::default(), parse_and_ack).await;
    let id = server.add(LaneName::Event, GOOD).await;
    let delivery = worker.next().await;
    assert_eq!(
        (delivery.entry_id.as_str(), delivery.deliveries),
        (id.as_str(), 1)
    );
    assert!(!delivery.exhausted);
    assert_eq!(worker.settled(&id).await, "ack");
    assert!(server.is_drained(LaneName::Event).await);
}

#[tokio::test]
async fn what_was_added_before_any_worker_ran_is_handled() {
    let server = Server::start().await;
    let id = server.add(LaneName::Event, GOOD).await;
    let mut worker = Worker::start(&server, Setup::default(), parse_and_ack).await;
    assert_eq!(worker.next().await.entry_id, id);
}

#[tokio::test]
async fn poison_is_rejected_and_the_worker_goes_on() {
    let server = Server::start().await;
    let poison = [
        "no json",
        r#"{"v":1,"user_id":"a","user_id":"b"}"#,
        r#"{"v":2}"#,
        "",
    ];
    for job in poison {
        server.add(LaneName::Event, job).await;
    }
    let () = server
        .command(&["XADD", "t:jobs:event", "*", "payload", "x"])
        .await;
    let good = server.add(LaneName::Event, GOOD).await;
    let setup = Setup {
        lanes: vec![(LaneName::Event, 1)],
        ..Setup::default()
    };
    let mut worker = Worker::start(&server, setup, parse_and_ack).await;
    assert_eq!(worker.settled(&good).await, "ack");

    let rejected = server.notes("t:rejected").await;
    let reasons: Vec<_> = rejected
        .iter()
        .map(|note| note["reason"].as_str().unwrap())
        .collect();
    let expected = [
        Rejection::NotJson,
        Rejection::DuplicateKey,
        Rejection::Version,
        Rejection::NotJson,
        Rejection::MissingJob,
    ];
    assert_eq!(reasons, expected.map(Rejection::code));
    assert_eq!(rejected[0]["job"], "no json");
    assert_eq!(rejected[4]["job"], serde_json::Value::Null);
    assert!(server.is_drained(LaneName::Event).await);
}

#[tokio::test]
async fn waiting_blocks_nobody_and_is_the_same_delivery() {
    let server = Server::start().await;
    let setup = Setup {
        lanes: vec![(LaneName::Event, 1)],
        ..Setup::default()
    };
    let release = Arc::new(Notify::new());
    let rounds = Arc::new(AtomicUsize::new(0));
    let (opened, counted) = (release.clone(), rounds.clone());
    let mut worker = Worker::start(&server, setup, move |delivery| {
        let (opened, counted) = (opened.clone(), counted.clone());
        async move {
            if job(&delivery) != "held" {
                opened.notify_one();
                return Verdict::Ack;
            }
            // Longer in all than the idle limit: the wait must keep the entry ours.
            if counted.fetch_add(1, Ordering::SeqCst) < 10 {
                Verdict::Wait(Duration::from_millis(200))
            } else {
                Verdict::Ack
            }
        }
    })
    .await;
    let held = server.add(LaneName::Event, "held").await;
    assert_eq!(worker.settled(&held).await, "wait");
    let other = server.add(LaneName::Event, "other").await;
    assert_eq!(
        worker.settled(&other).await,
        "ack",
        "the only slot is free meanwhile"
    );

    eventually("the end of the wait", || async {
        rounds.load(Ordering::SeqCst) == 11
    })
    .await;
    eventually("an empty lane", || server.is_drained(LaneName::Event)).await;
    while let Ok(delivery) = worker.seen.try_recv() {
        assert_eq!(delivery.deliveries, 1, "{}", delivery.entry_id);
    }
}

#[tokio::test]
async fn entries_that_always_wait_leave_room_for_new_ones() {
    let server = Server::start().await;
    let setup = Setup {
        lanes: vec![(LaneName::Event, 1)],
        ..Setup::default()
    };
    let mut worker = Worker::start(&server, setup, |delivery| async move {
        if job(&delivery) == "never" {
            // Due again before the others have had their turn.
            takes(Duration::from_millis(1)).await;
            Verdict::Wait(Duration::ZERO)
        } else {
            Verdict::Ack
        }
    })
    .await;
    for _ in 0..50 {
        server.add(LaneName::Event, "never").await;
    }
    for _ in 0..10 {
        let id = server.add(LaneName::Event, "new").await;
        worker.reached(&id).await;
    }
}

#[tokio::test]
async fn what_a_dead_process_kept_waiting_is_taken_by_another() {
    let server = Server::start().await;
    let id = server.add(LaneName::Event, GOOD).await;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let handle = runtime.handle().clone();
    let url_server = Arc::new(server);
    let theirs = url_server.clone();
    handle
        .spawn(async move {
            let mut doomed = Worker::start(&theirs, Setup::default(), |_| async {
                Verdict::Wait(Duration::from_mins(1))
            })
            .await;
            doomed.settled(&id).await
        })
        .await
        .unwrap();
    // Heartbeat and all: as a kill would.
    runtime.shutdown_background();

    let mut worker = Worker::start(&url_server, Setup::default(), parse_and_ack).await;
    assert_eq!(worker.next().await.deliveries, 2);
}

#[tokio::test]
async fn a_dead_process_entry_is_rescued_and_its_consumer_removed() {
    let server = Server::start().await;
    let id = server.add(LaneName::Event, GOOD).await;
    let () = server
        .command(&["XGROUP", "CREATE", "t:jobs:event", "workers", "0"])
        .await;
    let read = [
        "XREADGROUP",
        "GROUP",
        "workers",
        "dead",
        "STREAMS",
        "t:jobs:event",
        ">",
    ];
    let _: redis::Value = server.command(&read).await;

    let mut worker = Worker::start(&server, Setup::default(), parse_and_ack).await;
    let delivery = worker.next().await;
    assert_eq!((delivery.entry_id, delivery.deliveries), (id, 2));
    eventually("the removal of the dead consumer", || async {
        let consumers: Vec<redis::streams::StreamInfoConsumer> = {
            let info: redis::streams::StreamInfoConsumersReply = server
                .command(&["XINFO", "CONSUMERS", "t:jobs:event", "workers"])
                .await;
            info.consumers
        };
        consumers
            .iter()
            .all(|consumer| consumer.name == worker.consumer)
    })
    .await;
}

#[tokio::test]
async fn a_long_job_is_not_taken_from_a_live_worker() {
    let server = Server::start().await;
    let long = timing().idle_limit * 3;
    let toy = move |_| async move {
        takes(long).await;
        Verdict::Ack
    };
    let mut first = Worker::start(&server, Setup::default(), toy).await;
    let id = server.add(LaneName::Event, GOOD).await;
    first.next().await;
    let mut second = Worker::start(&server, Setup::default(), toy).await;
    assert_eq!(first.settled(&id).await, "ack");
    assert!(second.seen.try_recv().is_err(), "it ran once");
    assert!(server.is_drained(LaneName::Event).await);
}

#[tokio::test]
async fn a_job_that_panics_runs_five_times_and_is_then_written_off() {
    let server = Server::start().await;
    let setup = Setup {
        timing: polar_sync::queue::Timing {
            heartbeat: Duration::from_millis(50),
            idle_limit: Duration::from_millis(200),
            rescue: Duration::from_millis(50),
            ..timing()
        },
        ..Setup::default()
    };
    let mut worker = Worker::start(&server, setup, |delivery| async move {
        if delivery.exhausted {
            return Verdict::Dead(dead_entry(&delivery, "delivered_too_often").unwrap());
        }
        panic!("as asked by the test");
    })
    .await;
    let id = server.add(LaneName::Event, GOOD).await;
    for expected in [
        (1, false),
        (2, false),
        (3, false),
        (4, false),
        (5, false),
        (5, true),
    ] {
        let delivery = worker.next().await;
        assert_eq!((delivery.deliveries, delivery.exhausted), expected);
    }
    for _ in 0..5 {
        assert_eq!(worker.settled(&id).await, "abandoned");
    }
    assert_eq!(worker.settled(&id).await, "dead");
    let dead = server.notes("t:dead").await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0]["entry_id"], id);
    assert_eq!(dead[0]["deliveries"], 5);
    assert_eq!(dead[0]["error_class"], "delivered_too_often");
    assert!(server.is_drained(LaneName::Event).await);
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_cut_and_delivered_again() {
    let server = Server::start().await;
    let setup = Setup {
        job_timeout: Duration::from_millis(200),
        ..Setup::default()
    };
    let cut = Arc::new(AtomicUsize::new(0));
    let counted = cut.clone();
    let mut worker = Worker::start(&server, setup, move |delivery| {
        let counted = counted.clone();
        async move {
            if delivery.deliveries > 1 {
                return Verdict::Ack;
            }
            let _dropped = CountDrop(counted);
            std::future::pending().await
        }
    })
    .await;
    let id = server.add(LaneName::Event, GOOD).await;
    assert_eq!(worker.settled(&id).await, "abandoned");
    assert_eq!(cut.load(Ordering::SeqCst), 1, "the future is really gone");
    assert_eq!(worker.settled(&id).await, "ack");
}

struct CountDrop(Arc<AtomicUsize>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn suspects_run_one_at_a_time_and_others_beside_them() {
    let server = Server::start().await;
    let mut suspects = Vec::new();
    for _ in 0..3 {
        suspects.push(server.add(LaneName::Event, "suspect").await);
    }
    let () = server
        .command(&["XGROUP", "CREATE", "t:jobs:event", "workers", "0"])
        .await;
    let read = [
        "XREADGROUP",
        "GROUP",
        "workers",
        "dead",
        "STREAMS",
        "t:jobs:event",
        ">",
    ];
    let _: redis::Value = server.command(&read).await;
    for id in &suspects {
        let claim = [
            "XCLAIM",
            "t:jobs:event",
            "workers",
            "dead",
            "0",
            id,
            "RETRYCOUNT",
            "2",
        ];
        let _: redis::Value = server.command(&claim).await;
    }
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let (now, top, gate) = (running.clone(), most.clone(), go.clone());
    let mut worker = Worker::start(&server, Setup::default(), move |delivery| {
        let (now, top, gate) = (now.clone(), top.clone(), gate.clone());
        async move {
            if job(&delivery) == "suspect" {
                top.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                now.fetch_sub(1, Ordering::SeqCst);
            }
            Verdict::Ack
        }
    })
    .await;
    assert_eq!(worker.next().await.deliveries, 3);
    let other = server.add(LaneName::Event, "other").await;
    assert_eq!(worker.settled(&other).await, "ack");
    go.add_permits(3);
    eventually("the end of all suspects", || {
        server.is_drained(LaneName::Event)
    })
    .await;
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_full_lane_delays_no_other() {
    let server = Server::start().await;
    let setup = Setup {
        lanes: vec![(LaneName::Interactive, 1), (LaneName::Periodic, 2)],
        ..Setup::default()
    };
    let mut worker = Worker::start(&server, setup, |delivery| async move {
        if delivery.lane == LaneName::Periodic {
            takes(DEADLINE).await;
        }
        Verdict::Ack
    })
    .await;
    for _ in 0..10 {
        server.add(LaneName::Periodic, GOOD).await;
    }
    worker.next().await;
    worker.next().await;
    let id = server.add(LaneName::Interactive, GOOD).await;
    assert_eq!(worker.settled(&id).await, "ack");
}

#[tokio::test]
async fn jobs_run_in_parallel_up_to_the_slots() {
    let server = Server::start().await;
    let barrier = Arc::new(tokio::sync::Barrier::new(4));
    let meeting = barrier.clone();
    let mut worker = Worker::start(&server, Setup::default(), move |_| {
        let meeting = meeting.clone();
        async move {
            meeting.wait().await;
            Verdict::Ack
        }
    })
    .await;
    for _ in 0..3 {
        server.add(LaneName::Event, GOOD).await;
    }
    let last = server.add(LaneName::Event, GOOD).await;
    assert_eq!(worker.settled(&last).await, "ack", "four jobs met");
}
