//! The writing side: messages in, depths out, events.

use std::time::Duration;

use polar_sync::queue::{Keys, LaneName, Message, Publisher, Verdict};

use super::harness::{PREFIX, Server, Setup, Worker};

#[tokio::test]
async fn depths_tell_waiting_from_running() {
    let server = Server::start().await;
    let enqueuer = server.enqueuer().await;
    let messages: Vec<_> = (0..1200)
        .map(|n| Message::for_user(format!("user_{n}").parse().unwrap()))
        .collect();
    let ids = enqueuer
        .push_many(LaneName::Event, &messages)
        .await
        .unwrap();
    assert_eq!(ids.len(), 1200);
    assert!(ids.is_sorted_by_key(|id| {
        let (ms, seq) = id.split_once('-').unwrap();
        (ms.parse::<u64>().unwrap(), seq.parse::<u64>().unwrap())
    }));

    let mut worker = Worker::start(&server, Setup::default(), |_| std::future::pending()).await;
    for _ in 0..4 {
        worker.next().await;
    }
    let depths = enqueuer.depths().await.unwrap();
    let (_, event) = depths
        .iter()
        .find(|(lane, _)| *lane == LaneName::Event)
        .unwrap();
    assert_eq!((event.entries, event.pending, event.lag), (1200, 4, 1196));
    assert!(event.oldest.unwrap() < Duration::from_mins(10));
    let (_, periodic) = depths
        .iter()
        .find(|(lane, _)| *lane == LaneName::Periodic)
        .unwrap();
    assert_eq!(*periodic, polar_sync::queue::Depth::default());
}

#[tokio::test]
async fn entries_that_redis_lost_are_found_missing() {
    let server = Server::start().await;
    let enqueuer = server.enqueuer().await;
    let first = enqueuer
        .push(LaneName::Periodic, &Message::for_user("a".parse().unwrap()))
        .await
        .unwrap();
    let second = enqueuer
        .push(LaneName::Periodic, &Message::for_user("b".parse().unwrap()))
        .await
        .unwrap();
    let () = server.command(&["XDEL", "t:jobs:periodic", &first]).await;
    let exist = enqueuer
        .entries_exist(LaneName::Periodic, &[first, second])
        .await
        .unwrap();
    assert_eq!(exist, [false, true]);
}

#[tokio::test]
async fn a_flush_takes_the_epoch_with_it() {
    let server = Server::start().await;
    let enqueuer = server.enqueuer().await;
    assert_eq!(enqueuer.epoch().await.unwrap(), None);
    assert_eq!(enqueuer.begin_epoch("one").await.unwrap(), "one");
    assert_eq!(
        enqueuer.begin_epoch("two").await.unwrap(),
        "one",
        "the first one holds"
    );
    assert_eq!(enqueuer.epoch().await.unwrap().as_deref(), Some("one"));
    let () = server.command(&["FLUSHALL"]).await;
    assert_eq!(enqueuer.epoch().await.unwrap(), None);
}

#[tokio::test]
async fn what_we_push_is_what_a_worker_reads() {
    let server = Server::start().await;
    let mut message = Message::for_user("user_001".parse().unwrap());
    message.request_id = Some("abc".into());
    let id = server
        .enqueuer()
        .await
        .push(LaneName::Event, &message)
        .await
        .unwrap();
    let mut worker = Worker::start(&server, Setup::default(), |_| async { Verdict::Ack }).await;
    let delivery = worker.next().await;
    assert_eq!(delivery.entry_id, id);
    assert_eq!(
        id.split('-').next().unwrap(),
        delivery.enqueued_at_ms.to_string()
    );
    assert_eq!(
        Message::parse(delivery.job.as_deref()).unwrap().message,
        message
    );
}

#[tokio::test]
async fn events_are_capped() {
    let server = Server::start().await;
    let publisher = Publisher::new(server.redis().await, &Keys::new(PREFIX), 100);
    let events: Vec<_> = (0..1000).map(|n| format!(r#"{{"id":"e{n}"}}"#)).collect();
    publisher.events(&events).await.unwrap();
    let kept = server.notes("t:events").await;
    assert_eq!(kept.last().unwrap()["id"], "e999");
    // Trimming is by whole nodes of a hundred entries.
    assert!((100..=300).contains(&kept.len()), "{}", kept.len());
}
