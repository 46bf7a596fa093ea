//! Carries out a verdict.

use std::time::Duration;

use redis::{Pipeline, RedisError};
use tokio::time::Instant;

use super::claim::Claim;
use super::delivery::Verdict;
use super::group::{AT_ONCE, AfterIdle, hand_back};
use super::shared::Signal;
use super::{PARKED_MAX, WAIT_MAX, WAIT_MIN};
use crate::queue::keys::GROUP;
use crate::queue::{metrics, publish};

impl Claim {
    /// Makes the verdict true in Redis, however long Redis is away; the slot is kept meanwhile, so
    /// that an outage presses back. Only a kill ends the attempts: the entry is then run again.
    pub(in crate::queue) async fn settle(mut self, verdict: Verdict, ran: Duration) {
        let word = verdict.as_str();
        let settled = match verdict {
            Verdict::Ack => self.finish(None).await,
            Verdict::Reject(json) => {
                let to = self.shared.rejected.clone();
                self.finish(Some((to, json))).await
            }
            Verdict::Dead(json) => {
                let to = self.shared.dead.clone();
                self.finish(Some((to, json))).await
            }
            Verdict::Wait(wait) => self.park(wait).await,
            Verdict::HandBack => self.give_back(AT_ONCE).await,
        };
        self.ended(if settled { word } else { "unsettled" }, ran);
    }

    /// The handler panicked or took too long: the entry stays pending and nobody keeps it alive,
    /// so that it is delivered again, once more counted, after the idle limit.
    pub(in crate::queue) fn abandon(mut self, ran: Duration) {
        self.shared.held.remove(&self.delivery.entry_id);
        self.free();
        self.ended("abandoned", ran);
    }

    fn ended(&self, verdict: &'static str, ran: Duration) {
        metrics::settled(self.shared.name, verdict, ran);
        self.shared.signal(|| Signal::Settled {
            entry_id: self.delivery.entry_id.clone(),
            verdict,
        });
    }

    /// Takes the entry out of the stream, and writes `note` in the same step.
    async fn finish(&mut self, note: Option<(String, String)>) -> bool {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        if let Some((stream, json)) = &note {
            publish::add_capped(
                &mut pipeline,
                stream,
                publish::ENTRY_FIELD,
                json,
                self.shared.capped_len,
            );
        }
        let entry_id = &self.delivery.entry_id;
        pipeline
            .cmd("XACK")
            .arg(&self.shared.stream)
            .arg(GROUP)
            .arg(entry_id)
            .ignore();
        pipeline
            .cmd("XDEL")
            .arg(&self.shared.stream)
            .arg(entry_id)
            .ignore();
        let settled = tokio::select! {
            () = self.until_answered(&pipeline) => true,
            () = self.shared.kill.cancelled() => false,
        };
        // What is not settled stays held: the release of the lane hands it back.
        if settled {
            self.shared.held.remove(entry_id);
        }
        self.free();
        settled
    }

    async fn until_answered(&self, pipeline: &Pipeline) {
        let mut attempt = 0;
        while let Err(error) = pipeline.exec_async(&mut self.shared.connection()).await {
            self.report(&error, attempt);
            tokio::time::sleep(self.shared.timing.retry_pause(attempt)).await;
            attempt = attempt.saturating_add(1);
        }
    }

    fn report(&self, error: &RedisError, attempt: u32) {
        metrics::redis_error(self.shared.name, "settle");
        if attempt == 0 {
            tracing::warn!(
                lane = %self.shared.name,
                entry.id = %self.delivery.entry_id,
                error = error as &dyn std::error::Error,
                "could not settle an entry, trying until Redis answers"
            );
        }
    }

    async fn park(&mut self, wait: Duration) -> bool {
        let due = Instant::now() + wait.clamp(WAIT_MIN, WAIT_MAX);
        if self.shared.parked.add(due, self.delivery.clone()).is_ok() {
            self.free();
            self.shared.wake.notify_one();
            return true;
        }
        tracing::warn!(lane = %self.shared.name, limit = PARKED_MAX, "too many entries wait, one goes back to the stream");
        self.give_back(AfterIdle(Duration::ZERO)).await
    }

    async fn give_back(&mut self, idle: AfterIdle) -> bool {
        let entry = (self.delivery.entry_id.clone(), self.delivery.count_before());
        self.shared.held.remove(&entry.0);
        let returned = hand_back(&self.shared, vec![entry], idle).await;
        self.free();
        // What Redis does not take now becomes idle and is rescued: nothing to try again for.
        if let Err(error) = &returned {
            self.report(error, 0);
        }
        returned.is_ok()
    }
}
