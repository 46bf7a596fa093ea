//! Entries that wait without a slot. They stay held, so the heartbeat keeps them ours; when the
//! process dies they become idle and another takes them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::time::Instant;

use super::PARKED_MAX;
use super::delivery::Delivery;
use crate::queue::guard;

/// Deliveries by the time they are due; the number keeps equal times apart.
#[derive(Default)]
pub(super) struct Parked {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next_number: u64,
    by_time: BTreeMap<(Instant, u64), Delivery>,
}

impl Parked {
    /// Keeps a delivery until `due`, or gives it back when there is no room.
    pub(super) fn add(&self, due: Instant, delivery: Delivery) -> Result<(), Delivery> {
        let mut waiting = guard(&self.waiting);
        if waiting.by_time.len() >= PARKED_MAX {
            return Err(delivery);
        }
        let number = waiting.next_number;
        waiting.next_number += 1;
        waiting.by_time.insert((due, number), delivery);
        Ok(())
    }

    /// The next one that is due at `now`.
    pub(super) fn take_due(&self, now: Instant) -> Option<Delivery> {
        let mut waiting = guard(&self.waiting);
        let first = waiting.by_time.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let waiting = guard(&self.waiting);
        waiting.by_time.first_key_value().map(|(key, _)| key.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::queue::keys::LaneName;

    fn delivery(number: usize) -> Delivery {
        Delivery {
            entry_id: format!("{number}-0"),
            lane: LaneName::Event,
            job: None,
            deliveries: 1,
            enqueued_at_ms: 0,
            exhausted: false,
        }
    }

    #[test]
    fn due_ones_come_in_order_of_time() {
        let parked = Parked::default();
        let start = Instant::now();
        for (number, after_s) in [(1, 3), (2, 1), (3, 1), (4, 9)] {
            let due = start + Duration::from_secs(after_s);
            parked.add(due, delivery(number)).unwrap();
        }
        assert!(parked.take_due(start).is_none());
        assert_eq!(parked.next_due(), Some(start + Duration::from_secs(1)));
        let now = start + Duration::from_secs(5);
        let order: Vec<_> = std::iter::from_fn(|| parked.take_due(now))
            .map(|delivery| delivery.entry_id)
            .collect();
        assert_eq!(order, ["2-0", "3-0", "1-0"]);
    }

    #[test]
    fn a_full_set_gives_the_delivery_back() {
        let parked = Parked::default();
        let due = Instant::now();
        for number in 0..PARKED_MAX {
            parked.add(due, delivery(number)).unwrap();
        }
        let back = parked.add(due, delivery(PARKED_MAX)).unwrap_err();
        assert_eq!(back.entry_id, format!("{PARKED_MAX}-0"));
    }
}
