//! The quota core: both AccessLink windows (15 minutes and 24 hours), shared by all processes.
//!
//! A request needs a [`Permit`]. A process takes permits in blocks, so that most requests cost no
//! round trip; what is used in a window is always the server's own count plus every permit that is
//! held anywhere, so that no crash, race or lost reply makes a request uncounted.
//!
//! ```text
//! acquire ─► pool ─ empty? ─► exchange.lua ─► block of permits, or Closed
//!    │                            ▲
//!    ▼                            │ at most every `flush`: counts, the server's headers
//! Permit ── answered / unspent / dropped ──► local
//!        └─ refused (429) ──────────────────► refuse.lua: the fleet stops
//! ```
//!
//! The server's headers win over our counting. Times in Redis are Redis' own clock; workers' clocks
//! never meet. Without Redis nothing is permitted.
//!
//! Must never: let a request go uncounted, or know what requests are for.

mod local;
mod script;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client::Redis;
use super::keys::Keys;
use super::{guard, metrics};
use local::Local;
use script::{Answer, Scripts};

/// The longest `Retry-After` that is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// The shortest.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
/// A refusal is asked about again after so long at the latest: others may have given permits back.
const REFUSAL_KEPT: Duration = Duration::from_secs(1);
/// A transaction's reserve is never more than this part of a window.
const OPEN_RESERVE_PART: u32 = 10;

/// How the quota is shared.
#[derive(Clone, Debug)]
pub struct QuotaConfig {
    /// The part of each window that only interactive work may use, 0 to 1.
    pub interactive_reserve: f64,
    /// Limits before any answer was seen: what Polar gives a client with one user.
    pub assumed_short: u32,
    /// See `assumed_short`.
    pub assumed_long: u32,
    /// Permits in a block, at most.
    pub block_max: u32,
    /// Permits of a block that are not used within this time go back. It bounds how late a process
    /// learns that another was refused.
    pub block_life: Duration,
    /// Counts and headers go to Redis this often, at most.
    pub flush: Duration,
    /// Permits of a process that was not heard of for so long count as spent. Longer than any
    /// request takes.
    pub lease: Duration,
    /// What one exchange with Redis may take.
    pub redis_wait: Duration,
    /// How long a 429 without any header closes the window; it doubles up to `closed_max`.
    pub closed_min: Duration,
    /// See `closed_min`.
    pub closed_max: Duration,
}

impl Default for QuotaConfig {
    fn default() -> Self {
        Self {
            interactive_reserve: 0.1,
            assumed_short: 520,
            assumed_long: 5100,
            block_max: 32,
            block_life: Duration::from_secs(1),
            flush: Duration::from_millis(200),
            lease: Duration::from_mins(2),
            redis_wait: Duration::from_secs(2),
            closed_min: Duration::from_mins(1),
            closed_max: Duration::from_mins(15),
        }
    }
}

/// Who waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A person: may use the reserve.
    Interactive,
    /// Everything else.
    Normal,
}

impl Urgency {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Normal => "normal",
        }
    }
}

/// The rate-limit headers of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests used in the 15-minute window.
    pub usage_short: u32,
    /// Requests used in the 24-hour window.
    pub usage_long: u32,
    /// Limit of the 15-minute window.
    pub limit_short: u32,
    /// Limit of the 24-hour window.
    pub limit_long: u32,
    /// Seconds until the 15-minute window ends.
    pub reset_short_s: u32,
    /// Seconds until the 24-hour window ends.
    pub reset_long_s: u32,
}

/// No request now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no request to Polar for {} s: {why}", retry_after.as_secs())]
pub struct Closed {
    /// Ask again after this time.
    pub retry_after: Duration,
    /// Why.
    pub why: ClosedBy,
}

/// Why no request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// A window is spent for this urgency, or Polar answered 429.
    Quota,
    /// Redis does not answer, and no request goes uncounted.
    Redis,
}

impl fmt::Display for ClosedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quota => "the quota is spent",
            Self::Redis => "Redis, which counts the requests, does not answer",
        })
    }
}

/// One window, as seen at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowState {
    /// Requests allowed.
    pub limit: u32,
    /// Requests used, permits that are held included.
    pub used: u32,
    /// When it ends, by Redis' clock; 0 before it began.
    pub reset_at_ms: u64,
}

/// Both windows: for `status`, metrics, and the checkpoint in Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The 15-minute window.
    pub short: WindowState,
    /// The 24-hour window.
    pub long: WindowState,
    /// After a 429: nobody asks before. In the past, or 0, otherwise.
    pub closed_until_ms: u64,
    /// When this was so, by Redis' clock.
    pub taken_at_ms: u64,
}

/// The quota as one process uses it; clones share everything.
#[derive(Clone)]
pub struct Permits {
    inner: Arc<Inner>,
}

struct Inner {
    config: QuotaConfig,
    scripts: Scripts,
    local: Mutex<Local>,
    /// One exchange at a time: an exchange tells absolute numbers, and late ones must not win.
    turn: tokio::sync::Mutex<()>,
    /// Something is to be told to Redis.
    changed: Notify,
}

impl Permits {
    /// `process` is unique for every start. Run [`Self::keep`] beside it.
    pub fn new(redis: Redis, keys: &Keys, process: &str, config: QuotaConfig) -> Self {
        let inner = Inner {
            scripts: Scripts::new(redis, keys.quota(), process, &config),
            local: Mutex::new(Local::new()),
            turn: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            config,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// A permit for one request, or how long to stay away.
    pub async fn acquire(&self, urgency: Urgency) -> Result<Permit, Closed> {
        let answer = match self.take(urgency) {
            Some(answer) => answer,
            None => self.take_from_redis(urgency).await,
        };
        metrics::permit(
            urgency.as_str(),
            if answer.is_ok() { "granted" } else { "closed" },
        );
        answer.map(|()| Permit {
            permits: self.clone(),
            urgency,
            open: true,
        })
    }

    fn take(&self, urgency: Urgency) -> Option<Result<(), Closed>> {
        guard(&self.inner.local).take(urgency, Instant::now())
    }

    async fn take_from_redis(&self, urgency: Urgency) -> Result<(), Closed> {
        let turn = self.inner.turn.lock().await;
        // While this one waited, another may have brought a block or the news that there is none.
        if let Some(answer) = self.take(urgency) {
            return answer;
        }
        let answer = self.exchange(&turn, urgency, true).await?;
        let now = Instant::now();
        let mut local = guard(&self.inner.local);
        if answer.granted == 0 {
            let closed = answer.closed();
            local.close(
                urgency,
                now + closed.retry_after,
                now + REFUSAL_KEPT,
                closed.why,
            );
            return Err(closed);
        }
        local.add_block(urgency, answer.granted, now + self.inner.config.block_life);
        self.inner.changed.notify_one();
        local
            .take(urgency, now)
            .unwrap_or_else(|| Err(answer.closed()))
    }

    /// Tells Redis what happened here, and asks for a block if `want`. Nothing is forgotten before
    /// Redis has answered: when it did not, the same is told again, which at worst counts double.
    async fn exchange(
        &self,
        _turn: &tokio::sync::MutexGuard<'_, ()>,
        urgency: Urgency,
        want: bool,
    ) -> Result<Answer, Closed> {
        let inner = &self.inner;
        let report = guard(&inner.local).report(Instant::now());
        let reserve = match urgency {
            Urgency::Interactive => 0.0,
            Urgency::Normal => inner.config.interactive_reserve,
        };
        let asked = inner.scripts.exchange(&report, reserve, want);
        let told = tokio::time::timeout(inner.config.redis_wait, asked).await;
        let now = Instant::now();
        let mut local = guard(&inner.local);
        let Ok(Ok(answer)) = told else {
            let closed = Closed {
                retry_after: REFUSAL_KEPT,
                why: ClosedBy::Redis,
            };
            for urgency in [Urgency::Interactive, Urgency::Normal] {
                local.close(
                    urgency,
                    now + closed.retry_after,
                    now + REFUSAL_KEPT,
                    closed.why,
                );
            }
            return Err(closed);
        };
        local.told(&report);
        if let Some(left) = answer.closed_for() {
            local.close_all(now + left, now + left.min(REFUSAL_KEPT));
        }
        Ok(answer)
    }

    /// Permits that `urgency` could get now, the ones that this process holds included.
    pub async fn room(&self, urgency: Urgency) -> Result<u32, Closed> {
        Ok(self.look(urgency).await?.0)
    }

    /// Whether a transaction may begin that may need `open_reserve` requests. The reserve is cut to
    /// a tenth of each window, so that a small client can work at all.
    pub async fn has_room_for(&self, open_reserve: u32, urgency: Urgency) -> Result<(), Closed> {
        let (room, answer) = self.look(urgency).await?;
        let smallest = answer.short.limit.min(answer.long.limit);
        if room >= open_reserve.min(smallest / OPEN_RESERVE_PART) {
            return Ok(());
        }
        Err(answer.closed_below(open_reserve))
    }

    async fn look(&self, urgency: Urgency) -> Result<(u32, Answer), Closed> {
        let turn = self.inner.turn.lock().await;
        let answer = self.exchange(&turn, urgency, false).await?;
        if answer.closed_for().is_some() {
            return Err(answer.closed());
        }
        let pooled = guard(&self.inner.local).pooled(urgency, Instant::now());
        Ok((answer.room.saturating_add(pooled), answer))
    }

    /// Both windows now.
    pub async fn snapshot(&self) -> Result<Snapshot, Closed> {
        let turn = self.inner.turn.lock().await;
        let answer = self.exchange(&turn, Urgency::Normal, false).await?;
        Ok(answer.snapshot())
    }

    /// Brings back what a checkpoint knew. Only raises what is used, and only in windows that have
    /// not ended: a wiped Redis cannot spend a window twice.
    pub async fn restore(&self, checkpoint: &Snapshot) -> Result<(), redis::RedisError> {
        self.inner.scripts.restore(checkpoint).await
    }

    /// Tells Redis what happened here, at most every `flush`, until `stop`; then gives back what is
    /// not used. Run one beside every process that acquires.
    pub async fn keep(self, stop: CancellationToken) {
        let config = &self.inner.config;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.inner.changed.notified() => {}
            }
            let turn = self.inner.turn.lock().await;
            let told = self.exchange(&turn, Urgency::Normal, false).await.is_ok();
            drop(turn);
            let pause = if told { config.flush } else { REFUSAL_KEPT };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
            // As long as permits are held: to learn of refusals, and to keep the lease.
            if !told || guard(&self.inner.local).has_news(Instant::now()) {
                self.inner.changed.notify_one();
            }
        }
        guard(&self.inner.local).empty_pools();
        let turn = self.inner.turn.lock().await;
        if self.exchange(&turn, Urgency::Normal, false).await.is_err() {
            tracing::warn!("Redis did not take back unused permits: they count as spent");
        }
    }

    async fn refuse(
        &self,
        retry_after: Option<Duration>,
        rate: Option<RateLimit>,
    ) -> Result<(), redis::RedisError> {
        let retry_after = retry_after.map(|wait| wait.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX));
        let refused = self.inner.scripts.refuse(retry_after, rate).await;
        let now = Instant::now();
        let left = match &refused {
            Ok(answer) => answer.closed_for().unwrap_or(RETRY_AFTER_MIN),
            // This process at least stays away.
            Err(_) => retry_after.unwrap_or(self.inner.config.closed_min),
        };
        let kept = if refused.is_ok() {
            left.min(REFUSAL_KEPT)
        } else {
            left
        };
        guard(&self.inner.local).close_all(now + left, now + kept);
        refused.map(drop)
    }
}

/// The right to send one request. Dropping it means that the request was sent and that nobody knows
/// what became of it: it counts.
#[must_use = "a permit that is dropped counts as a request"]
pub struct Permit {
    permits: Permits,
    urgency: Urgency,
    open: bool,
}

impl Permit {
    /// An answer other than 429 came, with or without rate-limit headers.
    pub fn answered(mut self, rate: Option<RateLimit>) {
        self.close(|local, now| local.answered(rate, now));
    }

    /// The answer was 429: nobody in the fleet asks until the window resets.
    pub async fn refused(mut self, retry_after: Option<Duration>, rate: Option<RateLimit>) {
        match self.permits.refuse(retry_after, rate).await {
            // The script has counted it.
            Ok(()) => self.close(|local, _| local.spent_elsewhere()),
            Err(error) => {
                self.close(|local, _| local.spent());
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "Redis did not take the refusal: only this process stays away from Polar"
                );
            }
        }
    }

    /// No request was sent.
    pub fn unspent(mut self) {
        let urgency = self.urgency;
        self.close(|local, now| local.unspent(urgency, now));
    }

    fn close(&mut self, how: impl FnOnce(&mut Local, Instant)) {
        self.open = false;
        how(&mut guard(&self.permits.inner.local), Instant::now());
        self.permits.inner.changed.notify_one();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.open {
            self.close(|local, _| local.spent());
        }
    }
}
