//! The quota: never exceeded, shared, and truthful to the server.

mod memory;

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use polar_sync::queue::permits::{ClosedBy, Memory, QuotaConfig, Snapshot};
use polar_sync::queue::{Closed, Keys, Permit, Permits, RateLimit, Urgency};
use tokio_util::sync::CancellationToken;

use crate::harness::{DEADLINE, PREFIX, Server, eventually, within};

/// Small windows, and blocks that last as long as the test.
fn small() -> QuotaConfig {
    QuotaConfig {
        assumed_short: 50,
        assumed_long: 500,
        block_life: DEADLINE,
        ..QuotaConfig::default()
    }
}

/// Blocks of one.
fn single() -> QuotaConfig {
    QuotaConfig {
        block_max: 1,
        ..small()
    }
}

async fn client(server: &Server, process: &str, config: QuotaConfig) -> Permits {
    client_with(server, process, config, Kept::new(Ok(None))).await
}

async fn client_with(
    server: &Server,
    process: &str,
    config: QuotaConfig,
    memory: Arc<Kept>,
) -> Permits {
    Permits::new(
        server.redis().await,
        &Keys::new(PREFIX),
        process,
        config,
        memory,
    )
}

/// What is remembered, or why nobody tells.
struct Kept(Mutex<Result<Option<Snapshot>, &'static str>>);

impl Kept {
    fn new(kept: Result<Option<Snapshot>, &'static str>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(kept)))
    }

    fn set(&self, kept: Result<Option<Snapshot>, &'static str>) {
        *self.0.lock().unwrap() = kept;
    }
}

impl Memory for Kept {
    fn recall(&self) -> BoxFuture<'_, Result<Option<Snapshot>, Box<dyn Error + Send + Sync>>> {
        let kept = *self.0.lock().unwrap();
        Box::pin(async move { Ok(kept?) })
    }
}

fn rate(usage_short: u32, reset_short_s: u32) -> RateLimit {
    RateLimit {
        usage_short,
        usage_long: usage_short,
        limit_short: 520,
        limit_long: 5100,
        reset_short_s,
        reset_long_s: 80_000,
    }
}

async fn permit(permits: &Permits) -> Permit {
    permits.acquire(Urgency::Normal).await.unwrap()
}

async fn closed(permits: &Permits, urgency: Urgency) -> Closed {
    permits
        .acquire(urgency)
        .await
        .err()
        .expect("the window is closed")
}

/// Spends what one can get; returns how much that was.
async fn spend_all(permits: &Permits, urgency: Urgency) -> u32 {
    let mut spent = 0;
    while let Ok(permit) = permits.acquire(urgency).await {
        drop(permit);
        spent += 1;
        assert!(spent < 10_000, "no end of permits");
    }
    spent
}

async fn used_short(permits: &Permits) -> u32 {
    permits.snapshot().await.unwrap().short.used
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_never_exceed_the_limit_together() {
    let server = Server::start().await;
    let clients = [
        client(&server, "a", small()).await,
        client(&server, "b", small()).await,
    ];
    let mut spenders = tokio::task::JoinSet::new();
    for permits in clients.iter().cycle().take(8) {
        let permits = permits.clone();
        spenders.spawn(async move { spend_all(&permits, Urgency::Normal).await });
    }
    let normal: u32 = spenders.join_all().await.into_iter().sum();
    assert_eq!(normal, 45, "a tenth is kept");
    let interactive = spend_all(&clients[0], Urgency::Interactive).await;
    assert_eq!(interactive, 5, "for those who wait");
    let refusal = closed(&clients[1], Urgency::Interactive).await;
    assert_eq!(refusal.why, ClosedBy::Quota);
    assert!(refusal.retry_after <= Duration::from_mins(15));
    assert_eq!(used_short(&clients[0]).await, 50);
}

/// Three processes against a server that counts and tells: it is asked exactly as often as they may,
/// although blocks expire and permits come back unspent all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counting_server_is_asked_as_often_as_allowed_and_never_more() {
    const ALLOWED: u32 = 468; // of 520, less a tenth
    let server = Server::start().await;
    let config = QuotaConfig {
        block_life: Duration::from_millis(300),
        flush: Duration::from_millis(20),
        ..small()
    };
    let counted = Arc::new(AtomicU32::new(0));
    let stop = CancellationToken::new();
    let mut senders = tokio::task::JoinSet::new();
    for process in ["a", "b", "c"] {
        let permits = client(&server, process, config.clone()).await;
        tokio::spawn(permits.clone().keep(stop.clone()));
        for sender in 0..4 {
            senders.spawn(ask_until_closed(
                permits.clone(),
                counted.clone(),
                ALLOWED,
                sender,
            ));
        }
    }
    within("the end of the quota", senders.join_all()).await;
    assert_eq!(counted.load(Ordering::SeqCst), ALLOWED);
    stop.cancel();
}

async fn ask_until_closed(permits: Permits, counted: Arc<AtomicU32>, allowed: u32, sender: u32) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    for turn in 0_u32.. {
        match permits.acquire(Urgency::Normal).await {
            Ok(permit) if (turn + sender).is_multiple_of(5) => permit.unspent(),
            Ok(permit) => {
                let usage = counted.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::task::yield_now().await;
                permit.answered(Some(rate(usage, 600)));
            }
            Err(_) if counted.load(Ordering::SeqCst) >= allowed => return,
            Err(_) => {
                tick.tick().await;
            }
        }
    }
}

#[tokio::test]
async fn most_permits_cost_no_round_trip() {
    let server = Server::start().await;
    let config = QuotaConfig {
        assumed_short: 10_000,
        assumed_long: 100_000,
        ..small()
    };
    let permits = client(&server, "a", config).await;
    assert_eq!(used_short(&permits).await, 0);
    let () = server.command(&["CONFIG", "RESETSTAT"]).await;
    for _ in 0..320 {
        permit(&permits).await.answered(None);
    }
    let stats: String = server.command(&["INFO", "commandstats"]).await;
    let calls = |name: &str| -> u32 {
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(":calls="));
        line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    };
    let scripts = calls("cmdstat_evalsha") - calls("cmdstat_script|load");
    assert_eq!(scripts, 10, "a block of 32 is one call");
    assert_eq!(used_short(&permits).await, 320);
}

#[tokio::test]
async fn what_is_not_sent_does_not_count_and_what_is_dropped_does() {
    let server = Server::start().await;
    let config = QuotaConfig {
        block_life: Duration::ZERO,
        ..small()
    };
    let permits = client(&server, "a", small()).await;
    permit(&permits).await.unspent();
    drop(permit(&permits).await);
    permit(&permits).await.answered(None);
    let stop = CancellationToken::new();
    let keeper = tokio::spawn(permits.clone().keep(stop.clone()));
    stop.cancel();
    keeper.await.unwrap();
    assert_eq!(used_short(&client(&server, "b", config).await).await, 2);
}

#[tokio::test]
async fn unused_permits_of_a_block_go_back() {
    let server = Server::start().await;
    let config = QuotaConfig {
        assumed_short: 1000,
        assumed_long: 10_000,
        block_life: Duration::from_millis(300),
        flush: Duration::from_millis(20),
        ..small()
    };
    let permits = client(&server, "a", config.clone()).await;
    let other = client(&server, "b", config).await;
    let stop = CancellationToken::new();
    let keeper = tokio::spawn(permits.clone().keep(stop.clone()));
    let held = permit(&permits).await;
    let seen = used_short(&other).await;
    assert!(seen > 1, "a block was taken: {seen}");
    eventually("the return of the block", || async {
        used_short(&other).await == 1
    })
    .await;
    drop(held);
    stop.cancel();
    keeper.await.unwrap();
}

#[tokio::test]
async fn the_servers_count_and_limit_win() {
    let server = Server::start().await;
    let permits = client(&server, "a", small()).await;
    let other = client(&server, "b", small()).await;
    permit(&permits).await.answered(Some(rate(400, 600)));
    let seen = permits.snapshot().await.unwrap();
    assert_eq!((seen.short.limit, seen.short.used), (520, 400));
    assert_eq!((seen.long.limit, seen.long.used), (5100, 400));
    let reset_in_s = (seen.short.reset_at_ms - seen.taken_at_ms) / 1000;
    assert!((590..=601).contains(&reset_in_s), "{reset_in_s}");

    // Answers of one window may come out of order, and from another process.
    permit(&other).await.answered(Some(rate(450, 600)));
    used_short(&other).await;
    permit(&permits).await.answered(Some(rate(410, 600)));
    let held = used_short(&permits).await - 450;
    assert!(held < 10, "450, and what the blocks hold: {held}");
}

#[tokio::test]
async fn a_later_reset_is_a_new_window() {
    let server = Server::start().await;
    let permits = client(&server, "a", single()).await;
    permit(&permits).await.answered(Some(rate(519, 100)));
    assert_eq!(used_short(&permits).await, 519);
    permits
        .acquire(Urgency::Interactive)
        .await
        .unwrap()
        .answered(Some(rate(3, 850)));
    assert_eq!(used_short(&permits).await, 3);
    // A straggler of the window before.
    permit(&permits).await.answered(Some(rate(520, 5)));
    assert_eq!(used_short(&permits).await, 3);
}

#[tokio::test]
async fn a_spent_window_opens_when_it_ends() {
    let server = Server::start().await;
    let permits = client(&server, "a", single()).await;
    permit(&permits).await.answered(Some(rate(520, 0)));
    let refusal = closed(&permits, Urgency::Interactive).await;
    assert!(refusal.retry_after <= Duration::from_secs(1), "{refusal:?}");
    eventually("the next window", || async {
        permits
            .acquire(Urgency::Normal)
            .await
            .map(Permit::unspent)
            .is_ok()
    })
    .await;
    let seen = permits.snapshot().await.unwrap();
    assert!(seen.short.used < 10, "{seen:?}");
    assert!(seen.long.used >= 520, "the long window goes on: {seen:?}");
}

#[tokio::test]
async fn a_429_stops_the_whole_fleet() {
    let server = Server::start().await;
    let config = QuotaConfig {
        assumed_short: 5000,
        assumed_long: 50_000,
        flush: Duration::from_millis(20),
        ..small()
    };
    let refused = client(&server, "a", config.clone()).await;
    let other = client(&server, "b", config).await;
    let stop = CancellationToken::new();
    let keeper = tokio::spawn(other.clone().keep(stop.clone()));
    // The other one has permits at hand.
    permit(&other).await.answered(None);

    permit(&refused)
        .await
        .refused(None, Some(rate(520, 700)))
        .await;
    let refusal = closed(&refused, Urgency::Interactive).await;
    assert!((Duration::from_secs(690)..Duration::from_secs(702)).contains(&refusal.retry_after));
    eventually("the news at the other process", || async {
        other
            .acquire(Urgency::Interactive)
            .await
            .map(Permit::unspent)
            .is_err()
    })
    .await;
    assert!(other.room(Urgency::Interactive).await.is_err());
    stop.cancel();
    keeper.await.unwrap();
}

#[tokio::test]
async fn the_window_that_is_full_says_how_long() {
    let server = Server::start().await;
    let permits = client(&server, "a", small()).await;
    let mut long = rate(10, 700);
    long.usage_long = long.limit_long;
    permit(&permits).await.refused(None, Some(long)).await;
    let refusal = closed(&permits, Urgency::Interactive).await;
    assert!(
        refusal.retry_after > Duration::from_secs(79_000),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_kept() {
    let server = Server::start().await;
    let permits = client(&server, "a", small()).await;
    permit(&permits)
        .await
        .refused(Some(Duration::from_mins(2)), None)
        .await;
    let refusal = closed(&permits, Urgency::Interactive).await;
    assert!((Duration::from_secs(115)..=Duration::from_mins(2)).contains(&refusal.retry_after));
}

#[tokio::test]
async fn a_429_with_room_in_both_windows_keeps_the_pause_or_the_short_window() {
    let server = Server::start().await;
    let permits = client(&server, "a", small()).await;
    let pause = Duration::from_secs(30);
    permit(&permits)
        .await
        .refused(Some(pause), Some(rate(10, 700)))
        .await;
    let refusal = closed(&permits, Urgency::Interactive).await;
    assert!(refusal.retry_after <= pause, "{refusal:?}");

    let other = Server::start().await;
    let permits = client(&other, "a", small()).await;
    permit(&permits)
        .await
        .refused(None, Some(rate(10, 700)))
        .await;
    let refusal = closed(&permits, Urgency::Interactive).await;
    assert!(
        refusal.retry_after > Duration::from_secs(690),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn refusals_without_any_header_double() {
    let server = Server::start().await;
    let config = QuotaConfig {
        closed_min: Duration::from_secs(1),
        closed_max: Duration::from_secs(3),
        ..small()
    };
    let permits = client(&server, "a", config).await;
    for expected_s in [1, 2, 3, 3] {
        // Two of one burst count once.
        let burst = (until_open(&permits).await, permit(&permits).await);
        burst.0.refused(None, None).await;
        burst.1.refused(None, None).await;
        let seen = permits.snapshot().await.unwrap();
        let closed_ms = seen.closed_until_ms - seen.taken_at_ms;
        assert!(
            (expected_s * 1000 - 500..=expected_s * 1000).contains(&closed_ms),
            "{closed_ms} ms instead of {expected_s} s"
        );
    }
    until_open(&permits).await.answered(None);
    until_open(&permits).await.refused(None, None).await;
    let refusal = closed(&permits, Urgency::Normal).await;
    let again = "a good answer ends the row";
    assert!(refusal.retry_after <= Duration::from_secs(3), "{again}");
}

async fn until_open(permits: &Permits) -> Permit {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    within("the opening of the window", async {
        loop {
            if let Ok(permit) = permits.acquire(Urgency::Normal).await {
                return permit;
            }
            tick.tick().await;
        }
    })
    .await
}

#[tokio::test]
async fn without_redis_nothing_is_permitted() {
    let mut server = Server::start().await;
    let config = QuotaConfig {
        answer_wait: Duration::from_millis(200),
        ..small()
    };
    let permits = client(&server, "a", config).await;
    server.kill().await;
    let refusal = closed(&permits, Urgency::Interactive).await;
    assert_eq!(refusal.why, ClosedBy::Redis);
    assert!(refusal.retry_after <= Duration::from_secs(2));
    server.restart().await;
    until_open(&permits).await.unspent();
}

#[tokio::test]
async fn a_dead_process_has_spent_what_it_held() {
    let server = Server::start().await;
    let config = QuotaConfig {
        lease: Duration::from_millis(200),
        block_max: 1,
        ..small()
    };
    let dead = client(&server, "dead", config.clone()).await;
    for _ in 0..7 {
        std::mem::forget(permit(&dead).await);
    }
    let permits = client(&server, "a", config).await;
    eventually("the end of the lease", || async {
        let fields: Vec<String> = server.command(&["HKEYS", "t:quota"]).await;
        let used = used_short(&permits).await;
        assert_eq!(used, 7, "before and after");
        !fields.iter().any(|field| field == "p:dead")
    })
    .await;
}

#[tokio::test]
async fn a_transaction_begins_only_with_room() {
    let server = Server::start().await;
    let permits = client(&server, "a", small()).await;
    assert_eq!(permits.room(Urgency::Normal).await.unwrap(), 45);
    assert_eq!(permits.room(Urgency::Interactive).await.unwrap(), 50);
    // 60 would never fit into a window of 50: a tenth is asked for, and of people one.
    permits.has_room_for(60, Urgency::Normal).await.unwrap();
    for _ in 0..41 {
        drop(permit(&permits).await);
    }
    assert_eq!(permits.room(Urgency::Normal).await.unwrap(), 4);
    let refusal = permits.has_room_for(60, Urgency::Normal).await.unwrap_err();
    assert!(
        refusal.retry_after > Duration::from_mins(10),
        "until the window ends: {refusal:?}"
    );
    for _ in 0..8 {
        let waited_for = permits.acquire(Urgency::Interactive).await;
        drop(waited_for.unwrap());
    }
    assert_eq!(permits.room(Urgency::Interactive).await.unwrap(), 1);
    permits
        .has_room_for(60, Urgency::Interactive)
        .await
        .unwrap();
}
