//! The quota as one process uses it: permits at hand first, Redis when there are none.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{MutexGuard, Notify};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::local::{Local, Report};
use super::script::{Answer, Scripts};
use super::{
    Closed, ClosedBy, Memory, Permit, QuotaConfig, REFUSAL_KEPT, RateLimit, Snapshot, Urgency,
};
use crate::queue::client::Redis;
use crate::queue::keys::Keys;
use crate::queue::{guard, metrics};

/// The longest `Retry-After` that is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// The shortest.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
/// A transaction's reserve is never more than this part of a window where nobody waits for it: what the others leave
/// over is used by what needs no transaction.
const OPEN_RESERVE_PART: u32 = 10;
/// The same for a person, who has nothing but the rest of the window to use.
const OPEN_RESERVE_PART_INTERACTIVE: u32 = 40;

/// The quota as one process uses it; clones share everything.
#[derive(Clone)]
pub struct Permits {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    config: QuotaConfig,
    scripts: Scripts,
    memory: Arc<dyn Memory>,
    pub(super) local: Mutex<Local>,
    /// One exchange at a time: an exchange tells absolute numbers, and late ones must not win.
    turn: tokio::sync::Mutex<()>,
    /// Something is to be told to Redis.
    pub(super) changed: Notify,
}

impl Inner {
    /// One exchange. A Redis that has lost its memory is told first what is remembered, so that a window is not spent
    /// twice.
    async fn ask(&self, report: &Report, reserve: f64, want: bool) -> Result<Answer, ClosedBy> {
        let heard = guard(&self.local).heard();
        // A process that has heard nothing begins with what was kept.
        let mut heard = match heard {
            Some(heard) => Some(heard),
            None => self.recall().await?,
        };
        loop {
            let asked = self.scripts.exchange(heard.as_ref(), report, reserve, want);
            let answer = self.in_time(asked, ClosedBy::Redis).await?;
            if !answer.lost {
                return Ok(answer);
            }
            let kept = match answer.born {
                Some(_) => None,
                None => self.recall().await?,
            };
            let remembered: Vec<_> = kept.into_iter().chain(heard).collect();
            let restored = self.scripts.restore(&remembered);
            heard = Some(self.in_time(restored, ClosedBy::Redis).await?.snapshot());
        }
    }

    async fn recall(&self) -> Result<Option<Snapshot>, ClosedBy> {
        self.in_time(self.memory.recall(), ClosedBy::Memory).await
    }

    async fn in_time<T, E: std::fmt::Display>(
        &self,
        asked: impl Future<Output = Result<T, E>>,
        why: ClosedBy,
    ) -> Result<T, ClosedBy> {
        match tokio::time::timeout(self.config.answer_wait, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the quota cannot be asked for: {why}");
                Err(why)
            }
            Err(_) => Err(why),
        }
    }
}

impl Permits {
    /// `process` is unique for every start. Run [`Self::keep`] beside it.
    pub fn new(
        redis: Redis,
        keys: &Keys,
        process: &str,
        config: QuotaConfig,
        memory: Arc<dyn Memory>,
    ) -> Self {
        let inner = Inner {
            scripts: Scripts::new(redis, keys.quota(), process, &config),
            memory,
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
        answer.map(|()| Permit::new(self.clone(), urgency))
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
        _turn: &MutexGuard<'_, ()>,
        urgency: Urgency,
        want: bool,
    ) -> Result<Answer, Closed> {
        let inner = &self.inner;
        let report = guard(&inner.local).report(Instant::now());
        let reserve = match urgency {
            Urgency::Interactive => 0.0,
            Urgency::Normal => inner.config.interactive_reserve,
        };
        let told = inner.ask(&report, reserve, want).await;
        let now = Instant::now();
        let mut local = guard(&inner.local);
        let answer = match told {
            Ok(answer) => answer,
            Err(why) => {
                for urgency in [Urgency::Interactive, Urgency::Normal] {
                    local.close(urgency, now + REFUSAL_KEPT, now + REFUSAL_KEPT, why);
                }
                return Err(Closed {
                    retry_after: REFUSAL_KEPT,
                    why,
                });
            }
        };
        local.told(&report);
        let seen = answer.snapshot();
        local.hear(seen);
        metrics::quota("short", seen.short.used, seen.short.limit);
        metrics::quota("long", seen.long.used, seen.long.limit);
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
    /// a part of each window, so that a small client can work at all.
    pub async fn has_room_for(&self, open_reserve: u32, urgency: Urgency) -> Result<(), Closed> {
        let (room, answer) = self.look(urgency).await?;
        let smallest = answer.short.limit.min(answer.long.limit);
        let part = match urgency {
            Urgency::Interactive => OPEN_RESERVE_PART_INTERACTIVE,
            Urgency::Normal => OPEN_RESERVE_PART,
        };
        let needed = open_reserve.min(smallest / part);
        if room >= needed {
            return Ok(());
        }
        Err(answer.closed_below(needed))
    }

    async fn look(&self, urgency: Urgency) -> Result<(u32, Answer), Closed> {
        let turn = self.inner.turn.lock().await;
        // While this one waited, another may have got no answer.
        if let Some(closed) = guard(&self.inner.local).unanswered(urgency, Instant::now()) {
            return Err(closed);
        }
        let answer = self.exchange(&turn, urgency, false).await?;
        if answer.closed_for().is_some() || answer.probing {
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
        self.give_back().await;
    }

    /// Tells Redis what happened here, and gives back what is not used.
    pub async fn give_back(&self) {
        guard(&self.inner.local).empty_pools();
        let turn = self.inner.turn.lock().await;
        if self.exchange(&turn, Urgency::Normal, false).await.is_err() {
            tracing::warn!("unused permits could not be given back: they count as spent");
        }
    }

    pub(super) async fn refuse(
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
