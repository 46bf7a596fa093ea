//! The questions to Redis and its answers, as JSON, and what an answer means.

use std::time::Duration;

use redis::{RedisError, Script};
use serde::{Deserialize, Serialize};

use super::local::{Report, Sight};
use super::{Closed, ClosedBy, QuotaConfig, REFUSAL_KEPT, RateLimit, Snapshot, WindowState};
use crate::queue::client::Redis;

/// The three scripts, bound to one hash and one process.
pub(super) struct Scripts {
    redis: Redis,
    key: String,
    process: String,
    assumed: Assumed,
    block_max: u32,
    lease_ms: u64,
    closed_min_ms: u64,
    closed_max_ms: u64,
    settle_ms: u64,
    exchange: Script,
    refuse: Script,
    restore: Script,
}

#[derive(Clone, Copy, Serialize)]
struct Assumed {
    short: u32,
    long: u32,
}

/// The server's headers, on their way to Redis.
#[derive(Serialize)]
struct Observed {
    short: SightAsk,
    long: SightAsk,
}

#[derive(Serialize)]
struct SightAsk {
    usage: u32,
    limit: u32,
    reset_in_ms: u64,
}

#[derive(Serialize)]
struct ExchangeAsk<'a> {
    process: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    heard: Option<&'a Snapshot>,
    settle_ms: u64,
    assumed: Assumed,
    open: u32,
    unseen: u32,
    good: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed: Option<Observed>,
    reserve: f64,
    want: bool,
    block_max: u32,
    lease_ms: u64,
}

#[derive(Serialize)]
struct RefuseAsk {
    assumed: Assumed,
    settle_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed: Option<Observed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    closed_min_ms: u64,
    closed_max_ms: u64,
}

#[derive(Serialize)]
struct RestoreAsk<'a> {
    assumed: Assumed,
    remembered: &'a [Snapshot],
    settle_ms: u64,
}

/// What Redis says.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Answer {
    /// When the hash was told what is remembered; `None`: nobody has told it.
    pub(super) born: Option<u64>,
    /// How often it was changed.
    seq: u64,
    /// This process has to tell first what is remembered.
    pub(super) lost: bool,
    /// Redis lost its memory, and nobody may ask Polar yet how the windows stand.
    pub(super) probing: bool,
    /// Permits in the block.
    pub(super) granted: u32,
    /// What is left for the urgency that asked.
    pub(super) room: u32,
    /// Until there is room again.
    wait_ms: u64,
    closed_until_ms: u64,
    now_ms: u64,
    /// Permits held by all processes.
    open: u32,
    pub(super) short: WindowAnswer,
    pub(super) long: WindowAnswer,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct WindowAnswer {
    pub(super) limit: u32,
    seen: u32,
    reset_at_ms: u64,
    /// Left for the urgency that asked, if all held permits came back unspent.
    spare: u32,
}

impl Answer {
    /// How long the fleet stays away after a 429, if it does.
    pub(super) fn closed_for(&self) -> Option<Duration> {
        let left = self.closed_until_ms.saturating_sub(self.now_ms);
        (left > 0).then(|| Duration::from_millis(left))
    }

    /// Without room: when to come back.
    pub(super) fn closed(&self) -> Closed {
        Closed {
            retry_after: Duration::from_millis(self.wait_ms).max(REFUSAL_KEPT),
            why: if self.room > 0 && self.probing {
                ClosedBy::Memory
            } else {
                ClosedBy::Quota
            },
        }
    }

    /// With less room than `needed`: until the windows end that cannot give it. Where permits are
    /// only held, some may come back soon.
    pub(super) fn closed_below(&self, needed: u32) -> Closed {
        let full = [self.short, self.long]
            .into_iter()
            .filter(|window| window.spare < needed);
        let ends = full.map(|window| window.reset_at_ms.saturating_sub(self.now_ms));
        let wait_ms = ends.max().unwrap_or_default().max(self.wait_ms);
        Closed {
            retry_after: Duration::from_millis(wait_ms).max(REFUSAL_KEPT),
            why: ClosedBy::Quota,
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let window = |window: WindowAnswer| WindowState {
            limit: window.limit,
            used: window.seen.saturating_add(self.open),
            reset_at_ms: window.reset_at_ms,
        };
        Snapshot {
            short: window(self.short),
            long: window(self.long),
            closed_until_ms: self.closed_until_ms,
            taken_at_ms: self.now_ms,
            born: self.born.unwrap_or_default(),
            seq: self.seq,
        }
    }
}

impl Scripts {
    pub(super) fn new(redis: Redis, key: String, process: &str, config: &QuotaConfig) -> Self {
        let head = include_str!("state.lua");
        let script = |body: &str| Script::new(&format!("{head}\n{body}"));
        Self {
            redis,
            key,
            process: process.to_owned(),
            assumed: Assumed {
                short: config.assumed_short,
                long: config.assumed_long,
            },
            block_max: config.block_max.max(1),
            lease_ms: ms(config.lease),
            closed_min_ms: ms(config.closed_min),
            closed_max_ms: ms(config.closed_max),
            settle_ms: ms(config.settle()),
            exchange: script(include_str!("exchange.lua")),
            refuse: script(include_str!("refuse.lua")),
            restore: script(include_str!("restore.lua")),
        }
    }

    pub(super) async fn exchange(
        &self,
        heard: Option<&Snapshot>,
        report: &Report,
        reserve: f64,
        want: bool,
    ) -> Result<Answer, RedisError> {
        let ask = ExchangeAsk {
            process: &self.process,
            heard,
            settle_ms: self.settle_ms,
            assumed: self.assumed,
            open: report.open,
            unseen: report.unseen,
            good: report.good,
            observed: report.observed.map(|(short, long)| Observed {
                short: sight_ask(short),
                long: sight_ask(long),
            }),
            reserve: reserve.clamp(0.0, 1.0),
            want,
            block_max: self.block_max,
            lease_ms: self.lease_ms,
        };
        self.ask(&self.exchange, &ask).await
    }

    pub(super) async fn refuse(
        &self,
        retry_after: Option<Duration>,
        rate: Option<RateLimit>,
    ) -> Result<Answer, RedisError> {
        let sight = |usage, limit, reset_s: u32| SightAsk {
            usage,
            limit,
            reset_in_ms: ms(super::local::until_reset(reset_s)),
        };
        let ask = RefuseAsk {
            assumed: self.assumed,
            settle_ms: self.settle_ms,
            observed: rate.map(|rate| Observed {
                short: sight(rate.usage_short, rate.limit_short, rate.reset_short_s),
                long: sight(rate.usage_long, rate.limit_long, rate.reset_long_s),
            }),
            retry_after_ms: retry_after.map(ms),
            closed_min_ms: self.closed_min_ms,
            closed_max_ms: self.closed_max_ms,
        };
        self.ask(&self.refuse, &ask).await
    }

    pub(super) async fn restore(&self, remembered: &[Snapshot]) -> Result<Answer, RedisError> {
        let ask = RestoreAsk {
            assumed: self.assumed,
            remembered,
            settle_ms: self.settle_ms,
        };
        self.ask(&self.restore, &ask).await
    }

    async fn ask(&self, script: &Script, ask: &impl Serialize) -> Result<Answer, RedisError> {
        let question = serde_json::to_string(ask).map_err(not_json)?;
        let answer: String = script
            .key(&self.key)
            .arg(question)
            .invoke_async(&mut self.redis.connection())
            .await?;
        serde_json::from_str(&answer).map_err(not_json)
    }
}

fn sight_ask(sight: Sight) -> SightAsk {
    SightAsk {
        usage: sight.usage,
        limit: sight.limit,
        reset_in_ms: ms(sight
            .resets_at
            .saturating_duration_since(tokio::time::Instant::now())),
    }
}

fn not_json(error: serde_json::Error) -> RedisError {
    std::io::Error::from(error).into()
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
