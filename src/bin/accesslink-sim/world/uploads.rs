//! When watches upload what they recorded.
//!
//! The first registration finds a month that is just being uploaded. From then on every watch is synchronized at
//! fixed distances after the start of the simulation, so that nothing new appears unless the clock moves.

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::account::{Account, Registration};
use super::activity::Activity;
use super::body::Body;
use super::item::{Content, Kind};
use super::night::Night;
use super::person::Topic;
use super::plan::Profile;
use super::session::Session;
use crate::switches::{ActivityReoffer, Switches};

/// Hours between two synchronizations of a watch.
const SYNC_EVERY_H: i64 = 4;
/// Share of later synchronizations with which a session is edited.
const EDIT_PROBABILITY: f64 = 0.12;
/// Share of days on which a person steps on the scale.
const WEIGHING_PROBABILITY: f64 = 0.08;

/// How far the watch of an account is uploaded.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    was_registered: bool,
    done_until: Timestamp,
    next_at: Timestamp,
}

impl Account {
    /// Registers the account; the first time, its month counts as just uploaded.
    pub(crate) fn register(
        &mut self,
        member_id: String,
        now: Timestamp,
        start_at: Timestamp,
        days: u32,
        switches: &Switches,
    ) {
        self.registration = Some(Registration { member_id, at: now });
        self.uploads.done_until = now;
        self.uploads.next_at = next_sync(start_at, now);
        if !std::mem::replace(&mut self.uploads.was_registered, true) {
            self.upload_month(now, self.profile.days(days), switches);
            // It was there before the client was: nobody is told.
            self.news.clear();
        }
    }

    /// Uploads what was recorded up to the synchronizations that are due.
    pub(crate) fn uploads_due(&mut self, now: Timestamp, switches: &Switches) {
        if self.registration.is_none() || !self.profile.has_days() {
            return;
        }
        while self.uploads.next_at <= now {
            let at = self.uploads.next_at;
            self.uploads.next_at += SignedDuration::from_hours(SYNC_EVERY_H);
            self.edit_now_and_then(at);
            self.synchronize(at, at, switches);
        }
    }

    /// What the profile has before the registration; the days of the small profiles end with yesterday.
    fn upload_month(&mut self, now: Timestamp, days: i64, switches: &Switches) {
        if self.profile.has_days() {
            let body = Body {
                weight_kg: self.person.weight_kg,
                vo2_max: 48,
            };
            self.add(Kind::PhysicalInformation, now, Content::Body(body));
        }
        let today = self.local_date(now);
        let first_day = today.checked_sub(days.days()).unwrap_or(today);
        self.uploads.done_until = self.midnight(first_day).unwrap_or(now);
        let until = match self.profile {
            Profile::Realistic => now,
            _ => self.midnight(today).unwrap_or(now),
        };
        self.synchronize(now, until, switches);
    }

    fn midnight(&self, day: Date) -> Option<Timestamp> {
        day.to_zoned(self.person.zone.clone())
            .ok()
            .map(|zoned| zoned.timestamp())
    }

    /// One synchronization at `at` of what was recorded until `until`.
    fn synchronize(&mut self, at: Timestamp, until: Timestamp, switches: &Switches) {
        let from = std::mem::replace(&mut self.uploads.done_until, until);
        let is_new = |end_at: Timestamp| from < end_at && end_at <= until;
        let mut sessions = Vec::new();
        let first_day = self.local_date(from).yesterday().unwrap_or(Date::MIN);
        let days = first_day
            .series(1.day())
            .take_while(|day| *day <= self.local_date(until));
        for day in days.collect::<Vec<_>>() {
            let number = day_number(day);
            let planned = self.profile.sessions(&self.person, day, number);
            sessions.extend(
                planned
                    .into_iter()
                    .filter(|session| is_new(session.end_at())),
            );
            if self.profile.has_days() {
                let night = Night::of(&self.person, day, number);
                let kept_from = self.nights_kept_from(at, switches.nights_days);
                let night = night.filter(|night| is_new(night.end_at()) && night.date >= kept_from);
                if let Some(night) = night {
                    self.put_night(night);
                }
                self.upload_activity(day, number, from, at, until, switches);
                self.weigh_now_and_then(day, number, at, is_new);
            }
        }
        self.upload_sessions(sessions, at);
    }

    /// Newest session first, one to three seconds apart.
    fn upload_sessions(&mut self, mut sessions: Vec<Session>, at: Timestamp) {
        sessions.sort_by_key(|session| std::cmp::Reverse(session.end_at()));
        let mut upload_at = at;
        for session in sessions {
            let mut rng = self.person.rng(Topic::Upload, session.seed);
            upload_at += SignedDuration::from_secs(rng.between(1, 3));
            self.add(
                Kind::Exercise,
                upload_at,
                Content::Session(Box::new(session)),
            );
        }
    }

    /// Offers the day as far as it is known, unless that was offered before.
    fn upload_activity(
        &mut self,
        day: Date,
        number: u64,
        from: Timestamp,
        at: Timestamp,
        until: Timestamp,
        switches: &Switches,
    ) {
        let local = until.to_zoned(self.person.zone.clone());
        let hours = if day < local.date() {
            24
        } else {
            local.hour() as u32
        };
        let seed = self.person.rng(Topic::Activity, number).bits();
        let activity = Activity {
            date: day,
            hours,
            seed,
            extra_steps: 0,
        };
        let known = self.activity_position(day);
        if let Some(index) = known {
            self.update_activity(index, activity, at, switches);
        } else if hours > 0 && day > self.local_date(from).yesterday().unwrap_or(Date::MIN) {
            self.add(Kind::Activity, at, Content::Activity(activity));
        }
    }

    /// Offers the day again where there is more of it than before.
    pub(crate) fn update_activity(
        &mut self,
        index: usize,
        mut activity: Activity,
        at: Timestamp,
        switches: &Switches,
    ) {
        let latest = self.items[Kind::Activity.index()][index].latest();
        let old_id = latest.id;
        let Content::Activity(known) = &latest.content else {
            return;
        };
        activity.extra_steps += known.extra_steps;
        if activity == *known {
            return;
        }
        let id = match switches.activity_reoffer {
            ActivityReoffer::NewId => self.new_id(),
            ActivityReoffer::SameId => old_id,
        };
        self.revise(Kind::Activity, index, at, id, Content::Activity(activity));
    }

    /// Place of the activity of this day.
    pub(crate) fn activity_position(&self, day: Date) -> Option<usize> {
        let of_day = |content: &Content| matches!(content, Content::Activity(a) if a.date == day);
        self.items[Kind::Activity.index()]
            .iter()
            .rposition(|item| of_day(&item.latest().content))
    }

    /// Entries of one synchronization are created a second apart.
    fn weigh_now_and_then(
        &mut self,
        day: Date,
        number: u64,
        at: Timestamp,
        is_new: impl Fn(Timestamp) -> bool,
    ) {
        let mut rng = self.person.rng(Topic::Body, number);
        let weighed = day.at(7, 15, 0, 0).to_zoned(self.person.zone.clone());
        let Ok(weighed_at) = weighed.map(|zoned| zoned.timestamp()) else {
            return;
        };
        let weighs = self.profile == Profile::Realistic && rng.chance(WEIGHING_PROBABILITY);
        if weighs && is_new(weighed_at) {
            let weight_kg = self.person.weight_kg + rng.between(-15, 15) as f64 / 10.0;
            let weight_kg = (weight_kg * 10.0).round() / 10.0;
            let body = Body {
                weight_kg,
                vo2_max: rng.between(44, 52),
            };
            let before = self.items[Kind::PhysicalInformation.index()].len() as i64;
            let created_at = at + SignedDuration::from_secs(before);
            self.add(Kind::PhysicalInformation, created_at, Content::Body(body));
        }
    }

    /// People correct a session now and then; it is then offered again with a later upload time.
    fn edit_now_and_then(&mut self, at: Timestamp) {
        let mut rng = self.person.rng(Topic::Upload, at.as_second() as u64);
        let newest = self.items[Kind::Exercise.index()].len().checked_sub(1);
        let Some(index) = newest.filter(|_| rng.chance(EDIT_PROBABILITY)) else {
            return;
        };
        let latest = self.items[Kind::Exercise.index()][index].latest();
        let (id, mut content) = (latest.id, latest.content.clone());
        if let Content::Session(session) = &mut content {
            session.calories_kcal += rng.between(1, 40);
        }
        self.revise(Kind::Exercise, index, at, id, content);
    }
}

/// The first synchronization after `now`, at a fixed distance from the start.
fn next_sync(start_at: Timestamp, now: Timestamp) -> Timestamp {
    let every_s = SYNC_EVERY_H * 3600;
    let passed = now.duration_since(start_at).as_secs().div_euclid(every_s);
    start_at + SignedDuration::from_secs((passed + 1) * every_s)
}

/// A number for this day that is the same in every run.
pub(crate) fn day_number(day: Date) -> u64 {
    day.since(date(2000, 1, 1))
        .map_or(0, |span| span.get_days()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::person::Person;
    use crate::world::zone::Zones;

    const ACCOUNTS: u64 = 10;

    fn registered(start_at: Timestamp, number: u64) -> Account {
        let zones = Zones::around(start_at.to_zoned(jiff::tz::TimeZone::UTC).date()).unwrap();
        let mut account = Account::new(Person::new(7, number, &zones), Profile::Realistic);
        account.register(
            "member".to_owned(),
            start_at,
            start_at,
            30,
            &Switches::default(),
        );
        account
    }

    fn offsets(account: &Account) -> Vec<i32> {
        let sessions = account.items[Kind::Exercise.index()].iter();
        let offset = |content: &Content| match content {
            Content::Session(session) => Some(session.offset_min),
            _ => None,
        };
        sessions
            .filter_map(|item| offset(&item.latest().content))
            .collect()
    }

    #[test]
    fn a_month_is_whole_and_some_clocks_change_in_it_whatever_the_season() {
        for month in 1..=12 {
            let start_at: Timestamp = format!("2028-{month:02}-01T03:00:00Z").parse().unwrap();
            let mut changed = 0;
            for number in 0..ACCOUNTS {
                let account = registered(start_at, number);
                assert!(
                    (28..=29).contains(&account.nights.len()),
                    "{}",
                    account.nights.len()
                );
                assert!((30..=31).contains(&account.items[Kind::Activity.index()].len()));
                let offsets = offsets(&account);
                assert!(offsets.len() >= 8, "{} sessions", offsets.len());
                changed += usize::from(offsets.iter().any(|offset| *offset != offsets[0]));
            }
            assert!(changed >= 2, "{changed} clocks changed before {start_at}");
        }
    }

    #[test]
    fn nothing_is_uploaded_twice_however_the_clock_is_moved() {
        let start_at: Timestamp = "2026-03-20T12:00:00Z".parse().unwrap();
        let end_at = start_at + SignedDuration::from_hours(24 * 9);
        let switches = Switches::default();
        let starts = |steps: i32| {
            let mut account = registered(start_at, 3);
            for step in 1..=steps {
                let passed = end_at.duration_since(start_at) * step / steps;
                account.uploads_due(start_at + passed, &switches);
            }
            let items = account.items[Kind::Exercise.index()].iter();
            let mut starts: Vec<_> = items
                .map(|item| match &item.latest().content {
                    Content::Session(session) => session.start_at,
                    _ => Timestamp::MIN,
                })
                .collect();
            starts.sort_unstable();
            starts
        };
        let at_once = starts(1);
        assert_eq!(at_once, starts(216));
        assert!(at_once.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
