//! The consumer group: made when missing, and entries and consumers that leave it.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{RedisError, Script};

use super::shared::Shared;
use crate::queue::keys::GROUP;
use crate::queue::metrics;

/// The consumer in whose name entries wait for anybody.
const RETURNED: &str = "_returned";
/// What the last commands of a stopping lane may take together.
const RELEASE_WAIT: Duration = Duration::from_secs(5);
/// Ids in one command.
pub(super) const BATCH: usize = 500;

static PRUNE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("prune.lua")));

/// How long an entry is said to be idle when it goes back.
#[derive(Clone, Copy)]
pub(super) struct AfterIdle(pub(super) Duration);

/// Longer than any idle limit: the next rescue takes it.
pub(super) const AT_ONCE: AfterIdle = AfterIdle(Duration::from_hours(24));

/// Makes stream and group; both may be there. From id 0: what was added before the group counts.
pub(super) async fn ensure(
    shared: &Shared,
    connection: &mut impl ConnectionLike,
) -> Result<(), RedisError> {
    let made = redis::cmd("XGROUP")
        .arg("CREATE")
        .arg(&shared.stream)
        .arg(GROUP)
        .arg("0")
        .arg("MKSTREAM")
        .exec_async(connection)
        .await;
    match made {
        Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
        other => other,
    }
}

/// Gives entries back so that the next delivery has the number of the last one. One atomic command
/// a count: same id, same place in the stream, nothing lost or doubled.
pub(super) async fn hand_back(
    shared: &Shared,
    entries: Vec<(String, u32)>,
    idle: AfterIdle,
) -> Result<(), RedisError> {
    let mut by_count: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for (entry_id, count) in entries {
        by_count.entry(count).or_default().push(entry_id);
    }
    let _pulse = shared.pulse.lock().await;
    for (count, ids) in by_count {
        for batch in ids.chunks(BATCH) {
            let taken: Vec<String> = redis::cmd("XCLAIM")
                .arg(&shared.stream)
                .arg(GROUP)
                .arg(RETURNED)
                .arg(0)
                .arg(batch)
                .arg("IDLE")
                .arg(u64::try_from(idle.0.as_millis()).unwrap_or(u64::MAX))
                .arg("RETRYCOUNT")
                .arg(count)
                .arg("JUSTID")
                .query_async(&mut shared.connection())
                .await?;
            if shared.stop.is_cancelled() {
                shared.returned.fetch_add(taken.len(), Ordering::SeqCst);
            }
        }
    }
    Ok(())
}

/// Removes consumers that hold nothing: others after a long silence, and this one when `leaving`.
/// Looking and removing are one script, because removing a consumer drops what it holds.
pub(super) async fn prune(shared: &Shared, leaving: bool) -> Result<usize, RedisError> {
    PRUNE
        .key(&shared.stream)
        .arg(GROUP)
        .arg(&*shared.consumer)
        .arg(u8::from(leaving))
        .arg(u64::try_from(shared.timing.prune_idle.as_millis()).unwrap_or(u64::MAX))
        .invoke_async(&mut shared.connection())
        .await
}

/// The last act of a lane: everything held goes back, the consumer goes.
pub(super) async fn release(shared: &Shared) {
    let entries = shared.held.take_all();
    let count = entries.len();
    let work = async {
        hand_back(shared, entries, AT_ONCE).await?;
        prune(shared, true).await
    };
    if let Ok(Ok(_)) = tokio::time::timeout(RELEASE_WAIT, work).await {
        return;
    }
    metrics::redis_error(shared.name, "release");
    tracing::warn!(
        lane = %shared.name,
        entries = count,
        "Redis did not take back what this process held: others claim it after the idle limit"
    );
}
