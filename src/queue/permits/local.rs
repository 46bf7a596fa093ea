//! What one process knows between two exchanges: permits at hand, requests under way, headers seen.
//! Pure but for the instants it is given.

use std::time::Duration;

use tokio::time::Instant;

use super::{Closed, ClosedBy, RateLimit, Snapshot, Urgency};

/// Two sights of one window's end differ by rounding and by the answer's way.
const SLACK: Duration = Duration::from_secs(10);

/// A window as one answer showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) usage: u32,
    pub(super) limit: u32,
    pub(super) resets_at: Instant,
}

/// Until a window has surely ended: the header is rounded down to a second.
pub(super) fn until_reset(reset_s: u32) -> Duration {
    Duration::from_secs(u64::from(reset_s) + 1)
}

impl Sight {
    fn new(usage: u32, limit: u32, reset_s: u32, now: Instant) -> Self {
        Self {
            usage,
            limit,
            resets_at: now + until_reset(reset_s),
        }
    }

    /// The later window; within one window the higher usage.
    fn merge(self, other: Self) -> Self {
        if other.resets_at > self.resets_at + SLACK {
            other
        } else if self.resets_at > other.resets_at + SLACK {
            self
        } else {
            Self {
                usage: self.usage.max(other.usage),
                limit: other.limit,
                resets_at: self.resets_at.min(other.resets_at),
            }
        }
    }
}

/// What is told to Redis in one exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Report {
    /// Permits held: at hand and under way.
    pub(super) open: u32,
    /// Requests sent since the last exchange whose answer said nothing about the quota.
    pub(super) unseen: u32,
    /// At least one answer was not a 429.
    pub(super) good: bool,
    /// The newest sight of both windows.
    pub(super) observed: Option<(Sight, Sight)>,
}

/// A block of permits at hand.
#[derive(Clone, Copy)]
struct Pool {
    left: u32,
    expires: Instant,
}

/// A refusal, kept for a moment so that not every caller asks Redis.
#[derive(Clone, Copy)]
struct Refusal {
    /// Believed until then.
    kept_until: Instant,
    /// Told to callers.
    closed_until: Instant,
    why: ClosedBy,
}

impl Refusal {
    fn told(&self, now: Instant) -> Closed {
        Closed {
            retry_after: self.closed_until.saturating_duration_since(now),
            why: self.why,
        }
    }
}

/// By urgency.
#[derive(Clone, Copy, Default)]
struct ByUrgency<T> {
    interactive: T,
    normal: T,
}

impl<T> ByUrgency<T> {
    fn of(&mut self, urgency: Urgency) -> &mut T {
        match urgency {
            Urgency::Interactive => &mut self.interactive,
            Urgency::Normal => &mut self.normal,
        }
    }
}

/// The state of one process.
pub(super) struct Local {
    pools: ByUrgency<Option<Pool>>,
    refusals: ByUrgency<Option<Refusal>>,
    under_way: u32,
    unseen: u32,
    good: bool,
    observed: Option<(Sight, Sight)>,
    /// What Redis was told last to be open.
    told_open: u32,
    /// What Redis said last.
    heard: Option<Snapshot>,
}

impl Local {
    pub(super) fn new() -> Self {
        Self {
            pools: ByUrgency::default(),
            refusals: ByUrgency::default(),
            under_way: 0,
            unseen: 0,
            good: false,
            observed: None,
            told_open: 0,
            heard: None,
        }
    }

    /// A permit, a refusal, or `None`: ask Redis. Interactive work may use normal permits too.
    pub(super) fn take(&mut self, urgency: Urgency, now: Instant) -> Option<Result<(), Closed>> {
        if let Some(refusal) = self
            .refusals
            .of(urgency)
            .filter(|refusal| refusal.kept_until > now)
        {
            return Some(Err(refusal.told(now)));
        }
        self.expire(now);
        let pools = match urgency {
            Urgency::Interactive => [&mut self.pools.interactive, &mut self.pools.normal],
            Urgency::Normal => {
                let normal = &mut self.pools.normal;
                return take_one(normal).then(|| {
                    self.under_way += 1;
                    Ok(())
                });
            }
        };
        pools.into_iter().any(take_one).then(|| {
            self.under_way += 1;
            Ok(())
        })
    }

    /// Drops permits that were not used in time; the next report gives them back.
    fn expire(&mut self, now: Instant) {
        for pool in [&mut self.pools.interactive, &mut self.pools.normal] {
            pool.take_if(|pool| pool.expires <= now || pool.left == 0);
        }
    }

    pub(super) fn add_block(&mut self, urgency: Urgency, permits: u32, expires: Instant) {
        *self.refusals.of(urgency) = None;
        let pool = self.pools.of(urgency);
        let left = pool.map_or(0, |pool| pool.left) + permits;
        *pool = Some(Pool { left, expires });
    }

    pub(super) fn close(
        &mut self,
        urgency: Urgency,
        closed_until: Instant,
        kept_until: Instant,
        why: ClosedBy,
    ) {
        *self.refusals.of(urgency) = Some(Refusal {
            kept_until: kept_until.min(closed_until),
            closed_until,
            why,
        });
    }

    /// After a 429: permits at hand are worth nothing.
    pub(super) fn close_all(&mut self, closed_until: Instant, kept_until: Instant) {
        self.empty_pools();
        for urgency in [Urgency::Interactive, Urgency::Normal] {
            self.close(urgency, closed_until, kept_until, ClosedBy::Quota);
        }
    }

    pub(super) fn empty_pools(&mut self) {
        self.pools = ByUrgency::default();
    }

    /// Permits at hand for `urgency`.
    pub(super) fn pooled(&mut self, urgency: Urgency, now: Instant) -> u32 {
        self.expire(now);
        let normal = self.pools.normal.map_or(0, |pool| pool.left);
        match urgency {
            Urgency::Normal => normal,
            Urgency::Interactive => normal + self.pools.interactive.map_or(0, |pool| pool.left),
        }
    }

    pub(super) fn answered(&mut self, rate: Option<RateLimit>, now: Instant) {
        self.good = true;
        let Some(rate) = rate else {
            return self.spent();
        };
        self.under_way = self.under_way.saturating_sub(1);
        let short = Sight::new(rate.usage_short, rate.limit_short, rate.reset_short_s, now);
        let long = Sight::new(rate.usage_long, rate.limit_long, rate.reset_long_s, now);
        self.observed = Some(match self.observed {
            None => (short, long),
            Some((short_before, long_before)) => {
                (short_before.merge(short), long_before.merge(long))
            }
        });
    }

    /// Sent, and nobody knows how the server counted it.
    pub(super) fn spent(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
        self.unseen += 1;
    }

    /// Sent, and counted by other means.
    pub(super) fn spent_elsewhere(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Not sent. Where its block is gone, the next report gives it back.
    pub(super) fn unspent(&mut self, urgency: Urgency, now: Instant) {
        self.under_way = self.under_way.saturating_sub(1);
        self.expire(now);
        if let Some(pool) = self.pools.of(urgency) {
            pool.left += 1;
        }
    }

    pub(super) fn report(&mut self, now: Instant) -> Report {
        self.expire(now);
        Report {
            open: self.open(),
            unseen: self.unseen,
            good: self.good,
            observed: self.observed,
        }
    }

    /// How both windows stood when Redis last answered.
    pub(super) fn heard(&self) -> Option<Snapshot> {
        self.heard
    }

    /// Redis says how both windows stand.
    pub(super) fn hear(&mut self, seen: Snapshot) {
        self.heard = Some(seen);
    }

    /// A refusal of now that no answer of Redis gave.
    pub(super) fn unanswered(&mut self, urgency: Urgency, now: Instant) -> Option<Closed> {
        let refusal = self.refusals.of(urgency).as_ref()?;
        let is_kept = refusal.kept_until > now && refusal.why != ClosedBy::Quota;
        is_kept.then(|| refusal.told(now))
    }

    /// Redis has taken the report: what came after it stays to be told.
    pub(super) fn told(&mut self, report: &Report) {
        self.told_open = report.open;
        self.unseen = self.unseen.saturating_sub(report.unseen);
        if self.observed == report.observed {
            self.observed = None;
            self.good = false;
        }
    }

    /// Whether Redis should hear from this process.
    pub(super) fn has_news(&mut self, now: Instant) -> bool {
        self.expire(now);
        self.open() > 0 || self.told_open > 0 || self.unseen > 0 || self.observed.is_some()
    }

    fn open(&self) -> u32 {
        let pooled = [self.pools.interactive, self.pools.normal];
        let pooled = pooled.into_iter().flatten().map(|pool| pool.left);
        self.under_way + pooled.sum::<u32>()
    }
}

fn take_one(pool: &mut Option<Pool>) -> bool {
    match pool {
        Some(pool) if pool.left > 0 => {
            pool.left -= 1;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn with_block(urgency: Urgency, permits: u32) -> (Local, Instant) {
        let now = Instant::now();
        let mut local = Local::new();
        local.add_block(urgency, permits, now + Duration::from_secs(1));
        (local, now)
    }

    #[test]
    fn normal_work_never_takes_interactive_permits() {
        let (mut local, now) = with_block(Urgency::Interactive, 2);
        assert_eq!(local.take(Urgency::Normal, now), None);
        assert_eq!(local.take(Urgency::Interactive, now), Some(Ok(())));
        local.add_block(Urgency::Normal, 1, now + Duration::from_secs(1));
        assert_eq!(local.take(Urgency::Interactive, now), Some(Ok(())));
        assert_eq!(local.take(Urgency::Interactive, now), Some(Ok(())));
        assert_eq!(local.take(Urgency::Interactive, now), None);
    }

    #[test]
    fn permits_are_open_until_told_otherwise() {
        let (mut local, now) = with_block(Urgency::Normal, 3);
        local.take(Urgency::Normal, now);
        local.take(Urgency::Normal, now);
        assert_eq!(local.report(now).open, 3);
        local.spent();
        local.answered(Some(rate(7, 100)), now);
        let report = local.report(now);
        assert_eq!((report.open, report.unseen, report.good), (1, 1, true));
        let later = now + Duration::from_secs(2);
        assert_eq!(local.report(later).open, 0, "an old block goes back");
        local.told(&report);
        assert_eq!(local.report(now).unseen, 0);
        assert_eq!(local.report(now).observed, None);
    }

    #[test]
    fn what_happens_during_an_exchange_is_told_in_the_next() {
        let (mut local, now) = with_block(Urgency::Normal, 3);
        local.take(Urgency::Normal, now);
        local.take(Urgency::Normal, now);
        local.spent();
        let report = local.report(now);
        local.spent();
        local.told(&report);
        assert_eq!(local.report(now).unseen, 1);
    }

    #[test]
    fn within_a_window_the_highest_usage_counts_and_a_later_window_wins() {
        let now = Instant::now();
        let mut local = Local::new();
        for (usage, reset_s) in [(8, 300), (7, 301), (9, 300), (1, 900), (10, 300)] {
            local.answered(Some(rate(usage, reset_s)), now);
        }
        let (short, long) = local.report(now).observed.unwrap();
        assert_eq!(short.usage, 1);
        assert_eq!(short.resets_at, now + until_reset(900));
        assert_eq!(long.usage, 10);
    }

    #[test]
    fn a_refusal_is_kept_for_a_moment_only() {
        let (mut local, now) = with_block(Urgency::Normal, 3);
        let second = Duration::from_secs(1);
        local.close_all(now + 60 * second, now + second);
        let closed = local.take(Urgency::Normal, now).unwrap().unwrap_err();
        assert_eq!(closed.retry_after, 60 * second);
        assert_eq!(local.take(Urgency::Normal, now + second), None);
    }
}
