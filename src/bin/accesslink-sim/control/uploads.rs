//! Uploads on demand: sessions, edits, nights, days and weighings, as if a watch had just been synchronized.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::Json;
use axum::extract::{Path, State};
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::body::JsonBody;
use super::{Answered, Refused, Sims};
use crate::sim::Sim;
use crate::switches::Switches;
use crate::world::Rng;
use crate::world::account::Account;
use crate::world::activity::Activity;
use crate::world::body::Body;
use crate::world::item::{Content, Kind};
use crate::world::night::Night;
use crate::world::session::{Session, Zone, Zones};
use crate::world::sport::Sport;
use crate::world::uploads::day_number;
use crate::world::zone;

/// Length of a session where none is given.
const DEFAULT_DURATION_S: f64 = 600.0;
/// Longest session: beyond it, recording one second by second would take too long.
const DURATION_MAX_S: f64 = 100.0 * 3600.0;
/// Furthest offset from UTC, beyond every real one.
const OFFSET_MAX_MIN: i32 = 18 * 60;

/// A session or a change of one; what is left out is invented or stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    /// Local time without offset.
    start_time: Option<DateTime>,
    offset_min: Option<i32>,
    duration_s: Option<f64>,
    sport: Option<String>,
    calories: Option<i64>,
    /// Values by sample type; null for a missing one.
    samples: Option<BTreeMap<u8, Vec<Option<f64>>>>,
    zones: Option<DescribedZones>,
    route: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum DescribedZones {
    Wanted(bool),
    Given(Vec<Zone>),
}

pub(super) async fn exercise(
    State(sim): Sims,
    Path(user): Path<u64>,
    JsonBody(description): JsonBody<Description>,
) -> Answered {
    with_registered(&sim, user, |account, now, _| {
        description.check()?;
        let session = description.to_session(account, now)?;
        let index = account.add(Kind::Exercise, now, Content::Session(Box::new(session)));
        let item = &account.items[Kind::Exercise.index()][index];
        Ok(Json(
            json!({"id": item.latest().id, "hash_id": item.hash_id}),
        ))
    })
}

pub(super) async fn edit(
    State(sim): Sims,
    Path((user, exercise)): Path<(u64, u64)>,
    JsonBody(description): JsonBody<Description>,
) -> Answered {
    with_registered(&sim, user, |account, now, _| {
        description.check()?;
        let position = account.position(Kind::Exercise, exercise);
        let position = position.ok_or_else(|| Refused::no_such("exercise", exercise))?;
        let item = &account.items[Kind::Exercise.index()][position];
        let (hash_id, mut content) = (item.hash_id.clone(), item.latest().content.clone());
        if let Content::Session(session) = &mut content {
            description.apply(session);
        }
        account.revise(Kind::Exercise, position, now, exercise, content);
        let revision = account.items[Kind::Exercise.index()][position]
            .revisions
            .len();
        Ok(Json(
            json!({"id": exercise, "hash_id": hash_id, "revision": revision}),
        ))
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DescribedNight {
    date: Option<Date>,
    sleep_score: Option<i64>,
}

/// A night of this day, or a new score for it where there is one.
pub(super) async fn night(
    State(sim): Sims,
    Path(user): Path<u64>,
    JsonBody(described): JsonBody<DescribedNight>,
) -> Answered {
    with_registered(&sim, user, |account, now, _| {
        let date = described.date.unwrap_or_else(|| account.local_date(now));
        // The watch uploads the same night once more, when it is synchronized after it.
        let number = day_number(date);
        let known = account.nights.get(&date).map(|record| record.night.clone());
        let night = known.or_else(|| Night::of(&account.person, date, number));
        let mut night =
            night.ok_or_else(|| Refused::bad_request("no night can end on that day"))?;
        night.sleep_score = described.sleep_score.unwrap_or(night.sleep_score % 100 + 1);
        account.put_night(night);
        let revision = account.nights.get(&date).map(|record| record.revision);
        Ok(Json(
            json!({"date": date.to_string(), "revision": revision}),
        ))
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DescribedActivity {
    date: Option<Date>,
    /// Steps to add to what is known of the day.
    #[serde(default = "a_short_walk")]
    extra_steps: i64,
}

fn a_short_walk() -> i64 {
    100
}

/// Offers a day of activity, again where it was offered before.
pub(super) async fn activity(
    State(sim): Sims,
    Path(user): Path<u64>,
    JsonBody(described): JsonBody<DescribedActivity>,
) -> Answered {
    with_registered(&sim, user, |account, now, switches| {
        let date = described.date.unwrap_or_else(|| account.local_date(now));
        let extra_steps = described.extra_steps;
        let known = account.activity_position(date);
        let position = known.unwrap_or_else(|| {
            let seed = account.person.seed ^ u64::from(date.day_of_year().unsigned_abs());
            let activity = Activity {
                date,
                hours: 24,
                seed,
                extra_steps,
            };
            account.add(Kind::Activity, now, Content::Activity(activity))
        });
        let latest = &account.items[Kind::Activity.index()][position]
            .latest()
            .content;
        if let (Some(position), Content::Activity(known)) = (known, latest.clone()) {
            let more = Activity {
                extra_steps,
                ..known
            };
            account.update_activity(position, more, now, switches);
        }
        let id = account.items[Kind::Activity.index()][position].latest().id;
        Ok(Json(json!({"id": id, "date": date.to_string()})))
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DescribedBody {
    weight_kg: Option<f64>,
    vo2_max: Option<i64>,
}

pub(super) async fn physical_information(
    State(sim): Sims,
    Path(user): Path<u64>,
    JsonBody(described): JsonBody<DescribedBody>,
) -> Answered {
    with_registered(&sim, user, |account, now, _| {
        let weight_kg = described.weight_kg.unwrap_or(account.person.weight_kg);
        let body = Body {
            weight_kg,
            vo2_max: described.vo2_max.unwrap_or(50),
        };
        let index = account.add(Kind::PhysicalInformation, now, Content::Body(body));
        let id = account.items[Kind::PhysicalInformation.index()][index]
            .latest()
            .id;
        Ok(Json(json!({"id": id})))
    })
}

/// Data of an unregistered account would never be offered: better to say so.
fn with_registered(
    sim: &Sim,
    user: u64,
    work: impl FnOnce(&mut Account, Timestamp, &Switches) -> Answered,
) -> Answered {
    let answered = sim.with_account(user, |account, now, switches| {
        if account.registration.is_none() {
            return Err(Refused::bad_request(&format!(
                "account {user} is not registered"
            )));
        }
        work(account, now, switches)
    });
    answered.unwrap_or_else(|| Err(Refused::no_such("account", user)))
}

impl Description {
    fn check(&self) -> Result<(), Refused> {
        let is_session = self
            .duration_s
            .is_none_or(|s| s > 0.0 && s <= DURATION_MAX_S);
        let is_on_earth = self
            .offset_min
            .is_none_or(|min| min.abs() <= OFFSET_MAX_MIN);
        if is_session && is_on_earth {
            return Ok(());
        }
        let limits =
            format!("above 0 to {DURATION_MAX_S} s, at most {OFFSET_MAX_MIN} min from UTC");
        Err(Refused::bad_request(&format!("a session lasts {limits}")))
    }

    fn to_session(&self, account: &Account, now: Timestamp) -> Result<Session, Refused> {
        let sport = Sport::by_code(self.sport.as_deref().unwrap_or_default());
        let duration_ms = milliseconds(self.duration_s.unwrap_or(DEFAULT_DURATION_S));
        let default_start = now - SignedDuration::from_millis(duration_ms + 60_000);
        let zone_offset_min = zone::offset_min(&account.person.zone, default_start);
        let offset_min = self.offset_min.unwrap_or(zone_offset_min);
        let start_at = match self.start_time {
            None => default_start,
            Some(local) => Offset::from_seconds(offset_min * 60)
                .and_then(|offset| offset.to_timestamp(local))
                .map_err(|reason| Refused::bad_request(&reason))?,
        };
        let items = account.items[Kind::Exercise.index()].len() as u64;
        let mut rng = Rng::of(&[account.person.seed, items]);
        let person = &account.person;
        let mut session = Session::of(person, start_at, offset_min, duration_ms, sport, &mut rng);
        session.has_gaps = false;
        self.apply(&mut session);
        Ok(session)
    }

    /// Changes what is described and leaves the rest.
    fn apply(&self, session: &mut Session) {
        if let Some(duration_s) = self.duration_s {
            session.duration_ms = milliseconds(duration_s);
            session.recorded_s = (session.duration_ms / 1000).max(1);
        }
        if let Some(sport) = &self.sport {
            session.sport_code.clone_from(sport);
        }
        session.calories_kcal = self.calories.unwrap_or(session.calories_kcal);
        session.has_route = self.route.unwrap_or(session.has_route);
        if let Some(samples) = &self.samples {
            session.sample_types = samples.keys().copied().collect();
            session.dictated.clone_from(samples);
        }
        match &self.zones {
            None => {}
            Some(DescribedZones::Wanted(false)) => session.zones = Zones::None,
            Some(DescribedZones::Wanted(true)) => session.zones = Zones::Recorded,
            Some(DescribedZones::Given(zones)) => session.zones = Zones::Dictated(zones.clone()),
        }
        session.measured = OnceLock::new();
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "sessions are far shorter than the limits of the type"
)]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}
