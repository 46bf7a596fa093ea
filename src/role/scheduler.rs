//! The scheduler: decides who is due, and numbers the changes.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::ground::Ground;
use crate::{
    config::Config,
    schedule::{Scheduler, Sequencer, Settings},
};

/// Starts scheduler and sequencer; they end with `stop`.
pub(super) fn start(
    config: &Config,
    ground: &Arc<Ground>,
    background: &TaskTracker,
    stop: &CancellationToken,
) {
    let scheduler = Scheduler {
        name: ground.name.clone(),
        store: ground.store.clone(),
        enqueuer: ground.enqueuer(),
        publisher: ground.publisher(),
        permits: ground.permits.clone(),
        client: ground.client.clone(),
        settings: Settings {
            schedule: config.schedule.clone(),
            kinds: config.sync.kinds.iter().copied().collect(),
            empty_poll_share: config.quota.empty_poll_share.get(),
            raw_retention: config.raw.retention.get(),
            erasure_notice: config.erasure.notice.get(),
        },
    };
    background.spawn(Arc::new(scheduler).run(stop.clone()));
    let sequencer = Sequencer::new(ground.store.clone(), ground.name.clone());
    background.spawn(sequencer.run(stop.clone()));
}
