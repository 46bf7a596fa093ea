//! Postgres and Redis.

use super::Findings;
use crate::{
    clock::Clock,
    config::Config,
    ops::{reach, when::span},
    queue::{Redis, RedisFacts},
    store::{Store, server::ServerFacts},
};

const POSTGRES: &str = "postgres";
const REDIS: &str = "redis";

/// More than this between two clocks is told: leases last ten seconds.
const CLOCKS_APART_MAX_S: f64 = 5.0;

/// Above this share of its memory Redis should be looked at: when it is full, nothing is enqueued.
const MEMORY_SHARE_MAX: f64 = 0.8;

/// Postgres, with this version's schema; `None` where it cannot be asked any further.
pub(super) async fn postgres(config: &Config, findings: &mut Findings) -> Option<Store> {
    match reach::postgres(config, "doctor").await {
        Err(error) => {
            findings.broken(POSTGRES, &error);
            None
        }
        Ok(store) => {
            match store.server_facts().await {
                Ok(facts) => look_at_postgres(config, &facts, findings),
                Err(error) => findings.broken(POSTGRES, &error.into()),
            }
            if let Err(error) = store.check_durability().await {
                if config.database.allow_unsafe {
                    findings.warns(
                        POSTGRES,
                        "it may lose what Polar has deleted (fsync off), and database.allow_unsafe allows that",
                    );
                } else {
                    findings.broken(POSTGRES, &error.into());
                }
            }
            Some(store)
        }
    }
}

fn look_at_postgres(config: &Config, facts: &ServerFacts, findings: &mut Findings) {
    let ServerFacts {
        version,
        full_page_writes,
        connections_max,
        user,
        is_superuser,
        is_readable_on_the_way,
        clock,
        shift,
    } = facts;
    findings.ok(
        POSTGRES,
        format!("version {version}, its schema is this version's, we are user {user}"),
    );
    if !full_page_writes {
        findings.fails(
            POSTGRES,
            "full_page_writes is off: a crash may tear pages of what Polar has deleted; switch it on",
        );
    }
    let pool_max = config.database.pool_max.get();
    if pool_max.saturating_mul(2) > *connections_max {
        findings.warns(
            POSTGRES,
            format!(
                "it takes {connections_max} connections, and each process may want {pool_max}: raise max_connections, \
                 or lower database.pool_max"
            ),
        );
    }
    if *is_superuser {
        findings.warns(
            POSTGRES,
            format!(
                "user {user} may do everything: connect with one that may do what the role needs"
            ),
        );
    }
    if *is_readable_on_the_way {
        findings.warns(
            POSTGRES,
            "what is sent can be read on its way: add sslmode=verify-full to database.url",
        );
    }
    let apart_s = clock
        .duration_since(Clock::default().now())
        .as_secs_f64()
        .abs();
    if apart_s > CLOCKS_APART_MAX_S {
        findings.warns(
            POSTGRES,
            format!("its clock and this machine's are {apart_s:.0} s apart: have both follow a time server"),
        );
    }
    if !shift.is_zero() {
        findings.warns(
            POSTGRES,
            format!(
                "a test moved the time by {}: set polar_sync.clock.shift to 0",
                span(*shift)
            ),
        );
    }
}

/// Redis, fit to hold jobs; `None` where it cannot be used.
pub(super) async fn redis(config: &Config, findings: &mut Findings) -> Option<Redis> {
    let reached = async {
        let needs = config.for_queue("doctor")?;
        let redis = reach::redis(needs.redis_url).await?;
        let facts = redis.facts().await?;
        anyhow::Ok((redis, facts))
    };
    match reached.await {
        Ok((redis, facts)) => {
            look_at_redis(&facts, findings);
            Some(redis)
        }
        Err(error) => {
            findings.broken(REDIS, &error);
            None
        }
    }
}

fn look_at_redis(facts: &RedisFacts, findings: &mut Findings) {
    let RedisFacts {
        version,
        appends,
        saves,
        used_bytes,
        max_bytes,
    } = facts;
    let keeps = if *appends {
        "it keeps what it is given"
    } else {
        "after a crash of it, messages of other programs from its last seconds may be missing (appendonly no); what is \
         polar-sync's own is queued again"
    };
    findings.ok(REDIS, format!("version {version}; {keeps}"));
    if !saves {
        findings.warns(
            REDIS,
            "its last snapshot could not be written: see its log, and whether its disk is full",
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "a share of two sizes")]
    let share = *used_bytes as f64 / *max_bytes as f64;
    if *max_bytes > 0 && share > MEMORY_SHARE_MAX {
        findings.warns(
            REDIS,
            format!(
                "{:.0} % of its memory is in use: when it is full, nothing can be enqueued; raise maxmemory",
                share * 100.0
            ),
        );
    }
}
