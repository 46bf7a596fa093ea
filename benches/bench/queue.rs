//! The lanes alone: our handler of nothing over `queue::run_lanes`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use polar_sync::{
    model::UserId,
    queue::{
        Delivery, DrainReport, Enqueuer, Handler, Keys, Lane, LaneName, Message, Process,
        RunLimits, Timing, Verdict, run_lanes,
    },
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Scale,
    servers::Servers,
    table::{Row, quantile},
    world::redis,
};

/// Between two jobs of an idle lane: long enough for its reader to wait again.
const PAUSE: Duration = Duration::from_millis(3);

/// Entries kept in the streams of rejected and dead ones.
const STREAM_LENGTH_MAX: u32 = 100;

/// From XADD to the start of the handler, while nothing else waits.
pub(crate) async fn start(servers: &Servers, scale: Scale) -> Vec<Row> {
    let (mut p50_ms, mut p99_ms) = (Vec::new(), Vec::new());
    for repetition in 0..scale.repetitions(5) {
        let queue = Queue::new(servers, &format!("queue_start_{repetition}")).await;
        let (started, mut starts) = mpsc::unbounded_channel();
        let run = queue.run(16, Announcing(started));
        let mut waits_ms = Vec::new();
        for _ in 0..scale.count(500) {
            tokio::time::sleep(PAUSE).await;
            let added = Instant::now();
            queue.add(1).await;
            let started: Instant = starts.recv().await.expect("a start");
            waits_ms.push(started.duration_since(added).as_secs_f64() * 1e3);
        }
        run.stop().await;
        waits_ms.sort_by(f64::total_cmp);
        p50_ms.push(quantile(&waits_ms, 0.5));
        p99_ms.push(quantile(&waits_ms, 0.99));
    }
    vec![
        Row::of("queue, idle: start of a job, p50", "ms", &p50_ms)
            .note("from before XADD is sent to the first line of the handler"),
        Row::of("queue, idle: start of a job, p99", "ms", &p99_ms).at_most(25.0),
    ]
}

/// Jobs a second that do nothing, from a lane that is full.
pub(crate) async fn jobs(servers: &Servers, scale: Scale) -> Vec<Row> {
    let mut rows = Vec::new();
    for (concurrency, jobs) in [(1, 5_000), (10, 20_000), (100, 50_000)] {
        let jobs = scale.count(jobs);
        let mut rates = Vec::new();
        for repetition in 0..scale.repetitions(5) {
            let prefix = format!("queue_jobs_{concurrency}_{repetition}");
            rates.push(drain(servers, &prefix, concurrency, jobs).await);
        }
        let name = format!("queue: jobs that do nothing, {concurrency} at once");
        rows.push(Row::of(name, "/s", &rates).note(format!("{jobs} jobs, each acknowledged")));
    }
    rows
}

async fn drain(servers: &Servers, prefix: &str, concurrency: usize, jobs: usize) -> f64 {
    let queue = Queue::new(servers, prefix).await;
    queue.add(jobs).await;
    let done = Arc::new(Notify::new());
    let counting = Counting {
        left: AtomicUsize::new(jobs),
        done: Arc::clone(&done),
    };
    let started = Instant::now();
    let run = queue.run(concurrency, counting);
    done.notified().await;
    // The last ones are settled when the run has stopped.
    run.stop().await;
    let elapsed = started.elapsed();
    let depth = queue.enqueuer.depth(LaneName::Event).await.unwrap();
    assert_eq!(depth.entries, 0, "jobs are left on the lane");
    f64::from(u32::try_from(jobs).unwrap()) / elapsed.as_secs_f64()
}

/// Tells when a job starts.
struct Announcing(mpsc::UnboundedSender<Instant>);

impl Handler for Announcing {
    async fn handle(&self, _: Delivery) -> Verdict {
        let _ = self.0.send(Instant::now());
        Verdict::Ack
    }
}

/// Tells when all jobs were run.
struct Counting {
    left: AtomicUsize,
    done: Arc<Notify>,
}

impl Handler for Counting {
    async fn handle(&self, _: Delivery) -> Verdict {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.done.notify_one();
        }
        Verdict::Ack
    }
}

/// Lanes under a prefix of their own.
struct Queue {
    redis: polar_sync::queue::Redis,
    keys: Keys,
    enqueuer: Enqueuer,
}

impl Queue {
    async fn new(servers: &Servers, prefix: &str) -> Self {
        let (redis, keys) = (redis(servers).await, Keys::new(prefix));
        let enqueuer = Enqueuer::new(redis.clone(), keys.clone());
        Self {
            redis,
            keys,
            enqueuer,
        }
    }

    async fn add(&self, jobs: usize) {
        let user: UserId = "user_000001".parse().unwrap();
        let messages = vec![Message::for_user(user); jobs];
        let added = self.enqueuer.push_many(LaneName::Event, &messages).await;
        added.unwrap();
    }

    fn run(&self, concurrency: usize, handler: impl Handler) -> Run {
        let process = Process::new("bench", Timing::default(), STREAM_LENGTH_MAX);
        let (redis, name) = (self.redis.clone(), LaneName::Event);
        let lane = Lane::new(redis, &self.keys, name, concurrency, &process);
        let limits = RunLimits {
            job_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        };
        let (stop, handler) = (CancellationToken::new(), Arc::new(handler));
        let running = run_lanes(vec![lane], handler, limits, stop.clone());
        let running = tokio::spawn(async move { running.await.expect("a lane that lives") });
        Run { stop, running }
    }
}

/// A lane that is served.
struct Run {
    stop: CancellationToken,
    running: JoinHandle<DrainReport>,
}

impl Run {
    async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}
