//! A private Redis a test, workers with a toy handler, and waits with a deadline.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use polar_sync::ops::servers::Keeps;
use polar_sync::queue::{
    ClientLimits, Delivery, DrainReport, Enqueuer, Handler, Keys, Lane, LaneName, Process, Redis,
    RunLimits, Signal, Timing, Verdict, run_lanes,
};
use tokio::process::Command;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::test_redis::TestRedis;

/// No wait in these tests is longer, on the slowest machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// The prefix of every key here.
pub(crate) const PREFIX: &str = "t";

/// A cadence for tests: fast, and still forgiving to a busy machine.
pub(crate) fn timing() -> Timing {
    Timing {
        block: Duration::from_millis(500),
        heartbeat: Duration::from_millis(300),
        idle_limit: Duration::from_millis(1500),
        rescue: Duration::from_millis(200),
        first_rescue: Duration::from_millis(20),
        prune_idle: Duration::from_secs(1),
        retry_min: Duration::from_millis(20),
        retry_max: Duration::from_millis(200),
    }
}

/// Waits for a future, but not for ever.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen within {DEADLINE:?}"))
}

/// Waits until a condition holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    within(what, async {
        while !condition().await {
            tick.tick().await;
        }
    })
    .await;
}

/// A toy job, or a pause of a service, that takes a while. Nothing is asserted of how long it took.
pub(crate) async fn takes(time: Duration) {
    tokio::time::sleep(time).await;
}

/// A redis-server of its own, gone with the test.
pub(crate) struct Server(TestRedis);

impl Server {
    pub(crate) async fn start() -> Self {
        Self(TestRedis::start(Keeps::Nothing).await)
    }

    /// Survives `kill -9` with its data.
    pub(crate) async fn start_durable() -> Self {
        Self(TestRedis::start(Keeps::Everything).await)
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        self.0.server.kill().await.unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        self.0.restart().await;
    }

    /// Stands still for a while, as a busy disk or a migrating machine makes it.
    pub(crate) async fn freeze(&self, pause: Duration) {
        self.signal("-STOP").await;
        takes(pause).await;
        self.signal("-CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let pid = self.0.server.id().unwrap().to_string();
        let sent = Command::new("kill")
            .args([signal, &pid])
            .status()
            .await
            .unwrap();
        assert!(sent.success());
    }

    /// Sends one command as `redis-cli` would.
    pub(crate) async fn command<T: redis::FromRedisValue>(&self, line: &[&str]) -> T {
        self.0.command(line).await
    }

    pub(crate) async fn redis(&self) -> Redis {
        Redis::connect(&self.url(), ClientLimits::default())
            .await
            .unwrap()
    }

    pub(crate) async fn enqueuer(&self) -> Enqueuer {
        Enqueuer::new(self.redis().await, Keys::new(PREFIX))
    }

    /// `XADD` as another program would do it.
    pub(crate) async fn add(&self, lane: LaneName, job: &str) -> String {
        let stream = Keys::new(PREFIX).lane(lane);
        self.command(&["XADD", &stream, "*", "job", job]).await
    }

    /// The JSON of a stream's entries.
    pub(crate) async fn notes(&self, stream: &str) -> Vec<serde_json::Value> {
        let range: redis::streams::StreamRangeReply =
            self.command(&["XRANGE", stream, "-", "+"]).await;
        let json = |id: redis::streams::StreamId| {
            let text: String = id
                .map
                .values()
                .next()
                .map(|value| redis::from_redis_value_ref(value).unwrap())
                .unwrap();
            serde_json::from_str(&text).unwrap()
        };
        range.ids.into_iter().map(json).collect()
    }

    /// Nothing queued, nothing pending.
    pub(crate) async fn is_drained(&self, lane: LaneName) -> bool {
        let depth = self.enqueuer().await.depth(lane).await.unwrap();
        depth.entries == 0 && depth.pending == 0
    }
}

type Toy = Arc<dyn Fn(Delivery) -> BoxFuture<'static, Verdict> + Send + Sync>;

/// A handler made of a closure; tells of every delivery.
pub(crate) struct ToyHandler {
    toy: Toy,
    seen: mpsc::UnboundedSender<Delivery>,
}

impl Handler for ToyHandler {
    async fn handle(&self, delivery: Delivery) -> Verdict {
        let _ = self.seen.send(delivery.clone());
        (self.toy)(delivery).await
    }
}

/// How a test's worker differs from the usual one.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) lanes: Vec<(LaneName, usize)>,
    pub(crate) timing: Timing,
    pub(crate) job_timeout: Duration,
    pub(crate) drain: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            lanes: vec![(LaneName::Event, 4)],
            timing: timing(),
            job_timeout: DEADLINE,
            drain: Duration::from_secs(10),
        }
    }
}

/// A worker under test.
pub(crate) struct Worker {
    pub(crate) consumer: String,
    /// Every delivery that reached the handler.
    pub(crate) seen: mpsc::UnboundedReceiver<Delivery>,
    /// What happened in the first lane.
    pub(crate) signals: broadcast::Receiver<Signal>,
    shutdown: CancellationToken,
    run: JoinHandle<DrainReport>,
}

static STARTS: AtomicU32 = AtomicU32::new(0);

impl Worker {
    pub(crate) async fn start<F, Fut>(server: &Server, setup: Setup, toy: F) -> Self
    where
        F: Fn(Delivery) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Verdict> + Send + 'static,
    {
        let consumer = format!("w{}", STARTS.fetch_add(1, Ordering::Relaxed));
        let process = Process::new(&consumer, setup.timing, 1000);
        let redis = server.redis().await;
        let lanes: Vec<Lane> = setup
            .lanes
            .iter()
            .map(|(name, slots)| {
                Lane::new(redis.clone(), &Keys::new(PREFIX), *name, *slots, &process)
            })
            .collect();
        let mut signals = lanes[0].signals();
        let (seen_by, seen) = mpsc::unbounded_channel();
        let handler = ToyHandler {
            toy: Arc::new(move |delivery| Box::pin(toy(delivery))),
            seen: seen_by,
        };
        let limits = RunLimits {
            job_timeout: setup.job_timeout,
            drain: setup.drain,
        };
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let run = tokio::spawn(async move {
            run_lanes(lanes, Arc::new(handler), limits, stop)
                .await
                .unwrap()
        });
        until_connected(&mut signals).await;
        Self {
            consumer,
            seen,
            signals,
            shutdown,
            run,
        }
    }

    /// The next delivery that reaches the handler.
    pub(crate) async fn next(&mut self) -> Delivery {
        within("a delivery", self.seen.recv()).await.unwrap()
    }

    /// Waits until an entry reaches the handler, others before it.
    pub(crate) async fn reached(&mut self, id: &str) {
        within("the delivery of an entry", async {
            while self.seen.recv().await.unwrap().entry_id != id {}
        })
        .await;
    }

    /// Waits until an entry's delivery ends.
    pub(crate) async fn settled(&mut self, id: &str) -> &'static str {
        within("the end of a delivery", async {
            loop {
                match self.signals.recv().await.unwrap() {
                    Signal::Settled { entry_id, verdict } if entry_id == id => return verdict,
                    _ => {}
                }
            }
        })
        .await
    }

    /// Waits until the lane is read again.
    pub(crate) async fn reconnected(&mut self) {
        until_connected(&mut self.signals).await;
    }

    pub(crate) async fn stop(self) -> DrainReport {
        self.shutdown.cancel();
        within("the drain", self.run).await.unwrap()
    }
}

async fn until_connected(signals: &mut broadcast::Receiver<Signal>) {
    within("the connection of a lane", async {
        while signals.recv().await.unwrap() != Signal::Connected {}
    })
    .await;
}

/// The job's bytes as text.
pub(crate) fn job(delivery: &Delivery) -> String {
    String::from_utf8_lossy(delivery.job.as_deref().unwrap_or_default()).into_owned()
}
