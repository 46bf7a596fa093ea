//! The rate limit of the client: two fixed windows, each of which begins with its first request.
//!
//! A request that a spent window refuses still counts, on the long window too.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::switches::QuotaUsers;

/// Seconds of the long window; those of the short one are a switch.
const LONG_WINDOW_S: i64 = 24 * 3600;
/// Short windows that are remembered once they have ended.
const ENDED_MAX: usize = 100;
/// Requests that each window grants to a client without users, and for each user.
const GRANTS: [(u64, u64); 2] = [(500, 20), (5000, 100)];

/// Both windows of the one client that there is.
#[derive(Debug, Clone)]
pub(crate) struct Quota {
    scale: f64,
    windows: [Window; 2],
    /// Registered users when the long window began.
    users_of_day: u64,
    refused: u64,
    closed_since_ms: Option<u64>,
    /// Requests in the short windows that have ended, the latest first.
    ended: VecDeque<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    began_at: Option<Timestamp>,
    used: u64,
}

/// What the limits depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) registered: u64,
    pub(crate) users: QuotaUsers,
    pub(crate) short_window_s: i64,
}

impl Terms {
    const fn windows_s(self) -> [i64; 2] {
        [self.short_window_s, LONG_WINDOW_S]
    }
}

/// What both windows say after a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) used: [u64; 2],
    pub(crate) limit: [u64; 2],
    pub(crate) reset_s: [i64; 2],
    pub(crate) refused: bool,
    /// Real time for which a window has been closed, when this request was refused.
    pub(crate) closed_for_ms: u64,
}

impl Quota {
    /// Windows with Polar's limits times this scale.
    pub(crate) fn new(scale: f64) -> Self {
        Self {
            scale,
            windows: [Window::default(); 2],
            users_of_day: 0,
            refused: 0,
            closed_since_ms: None,
            ended: VecDeque::new(),
        }
    }

    /// Counts one request.
    pub(crate) fn count(&mut self, now: Timestamp, real_ms: u64, terms: Terms) -> Reading {
        for (number, length_s) in terms.windows_s().into_iter().enumerate() {
            let window = &mut self.windows[number];
            let length = SignedDuration::from_secs(length_s);
            if window
                .began_at
                .is_none_or(|began_at| began_at + length <= now)
            {
                if number == 0 && window.began_at.is_some() {
                    self.ended.truncate(ENDED_MAX - 1);
                    self.ended.push_front(window.used);
                }
                *window = Window {
                    began_at: Some(now),
                    used: 0,
                };
            }
            window.used += 1;
        }
        if self.windows[1].used == 1 {
            self.users_of_day = terms.registered;
        }
        let mut reading = self.read(now, terms);
        if reading.refused {
            self.refused += 1;
            let since_ms = *self.closed_since_ms.get_or_insert(real_ms);
            reading.closed_for_ms = real_ms.saturating_sub(since_ms);
        } else {
            self.closed_since_ms = None;
        }
        reading
    }

    /// The windows without counting anything.
    pub(crate) fn read(&self, now: Timestamp, terms: Terms) -> Reading {
        let users = match terms.users {
            QuotaUsers::Live => terms.registered,
            QuotaUsers::Daily => self.users_of_day,
        };
        let limit = GRANTS.map(|grant| self.limit(grant, users));
        let used = self.windows.map(|window| window.used);
        let mut reset_s = terms.windows_s();
        for (window, reset_s) in self.windows.iter().zip(&mut reset_s) {
            let passed = window
                .began_at
                .map_or(0, |began_at| now.duration_since(began_at).as_secs());
            *reset_s = (*reset_s - passed).max(0);
        }
        let refused = used[0] > limit[0] || used[1] > limit[1];
        Reading {
            used,
            limit,
            reset_s,
            refused,
            closed_for_ms: 0,
        }
    }

    /// The windows for the control port.
    pub(crate) fn to_json(&self, now: Timestamp, terms: Terms) -> Value {
        let Reading {
            used,
            limit,
            reset_s,
            ..
        } = self.read(now, terms);
        let window = |n: usize| json!({"used": used[n], "limit": limit[n], "reset_s": reset_s[n]});
        json!({"short": window(0), "long": window(1), "ended": self.ended})
    }

    /// Requests refused since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "limits are far below 2^52, and the scale is positive"
    )]
    fn limit(&self, (base, per_user): (u64, u64), users: u64) -> u64 {
        ((base + per_user * users) as f64 * self.scale) as u64
    }
}

impl Reading {
    /// Seconds until the client may ask again.
    pub(crate) fn retry_after_s(&self) -> i64 {
        let long_is_spent = self.used[1] > self.limit[1];
        self.reset_s[usize::from(long_is_spent)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(registered: u64, users: QuotaUsers) -> Terms {
        Terms {
            registered,
            users,
            short_window_s: 900,
        }
    }

    #[test]
    fn limits_follow_the_registered_users_at_once_or_daily() {
        let mut quota = Quota::new(1.0);
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        quota.count(now, 0, users(1, QuotaUsers::Daily));
        let limit = |now, rule| quota.clone().count(now, 0, users(3, rule)).limit;
        assert_eq!(limit(now, QuotaUsers::Live), [560, 5300]);
        assert_eq!(limit(now, QuotaUsers::Daily), [520, 5100]);
        let tomorrow = now + SignedDuration::from_hours(24);
        assert_eq!(limit(tomorrow, QuotaUsers::Daily), [560, 5300]);
    }

    #[test]
    fn a_refused_request_knows_how_long_the_window_has_been_closed() {
        let mut quota = Quota::new(0.002);
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut closed_for_ms = |real_ms| {
            let reading = quota.count(now, real_ms, users(0, QuotaUsers::Live));
            reading.refused.then_some(reading.closed_for_ms)
        };
        assert_eq!(
            [1, 2, 5, 3000].map(&mut closed_for_ms),
            [None, Some(0), Some(3), Some(2998)]
        );
    }

    #[test]
    fn a_refused_request_counts_on_both_windows_and_the_short_one_opens_again() {
        let mut quota = Quota::new(0.004);
        let mut now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let read = |quota: &mut Quota, now| quota.count(now, 0, users(0, QuotaUsers::Live));
        assert!(!read(&mut quota, now).refused);
        assert!(!read(&mut quota, now).refused);
        let refused = read(&mut quota, now);
        assert!(refused.refused);
        assert_eq!((refused.used, refused.limit), ([3, 3], [2, 20]));
        now += SignedDuration::from_secs(900);
        let opened = read(&mut quota, now);
        assert!(!opened.refused);
        assert_eq!((opened.used, opened.reset_s), ([1, 4], [900, 85_500]));
        assert_eq!(quota.ended, [3]);
        assert_eq!(quota.refused(), 1);
    }
}
