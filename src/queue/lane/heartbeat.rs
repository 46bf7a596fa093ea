//! Keeps held entries alive. A task of its own: apalis polls no backend while it drains, and jobs
//! that run out their last seconds must not be claimed by others.

use redis::RedisError;

use super::group::BATCH;
use super::shared::Shared;
use crate::queue::keys::GROUP;
use crate::queue::metrics;

/// Beats until dropped.
pub(super) async fn run(shared: &Shared) {
    let mut failures = 0;
    loop {
        let pause = if failures == 0 {
            shared.timing.heartbeat
        } else {
            shared
                .timing
                .retry_pause(failures)
                .min(shared.timing.heartbeat)
        };
        tokio::time::sleep(pause).await;
        match beat(shared).await {
            Ok(()) => failures = 0,
            Err(error) => {
                failures = failures.saturating_add(1);
                metrics::redis_error(shared.name, "heartbeat");
                tracing::debug!(lane = %shared.name, error = &error as &dyn std::error::Error, "heartbeat failed");
            }
        }
    }
}

/// `JUSTID` leaves the count of deliveries, and without `FORCE` an entry that was settled
/// elsewhere is not raised from the dead.
async fn beat(shared: &Shared) -> Result<(), RedisError> {
    let _pulse = shared.pulse.lock().await;
    for batch in shared.held.ids().chunks(BATCH) {
        let touched = redis::cmd("XCLAIM")
            .arg(&shared.stream)
            .arg(GROUP)
            .arg(&*shared.consumer)
            .arg(0)
            .arg(batch)
            .arg("JUSTID")
            .exec_async(&mut shared.connection())
            .await;
        match touched {
            // The stream was deleted: nothing to keep alive, and the reader makes it again.
            Err(error) if error.code() == Some("NOGROUP") => {}
            other => other?,
        }
    }
    Ok(())
}
