//! The wall clock of a night: from `HH:MM` without a date to instants.
//!
//! Polar's maps of a night carry local times of day. Each belongs to the one moment with that time of
//! day in the 24 hours from when the clock opens, some hours before the first key, whatever order
//! the keys are in. Where the night has one offset, that is all: UTC = local − offset.
//!
//! In a night in which the clocks change, start and end have different offsets, and nothing says
//! when between them the change was. It is taken from the rules that nearly all zones follow (see
//! [`Change`]). A time before the change is read with the first offset, one after it with the
//! second. In the hour that is repeated in autumn, a key that follows a later one in the body stands
//! in the second pass. In the hour that is left out in spring, no clock ever showed the key: it
//! counts as the moment of the change. Two offsets more than an hour apart are a journey: the first
//! one is used throughout, because the device sets its clock when it next meets its phone.

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
    tz::Offset,
};

use super::{
    Unreadable,
    leftover::Leftovers,
    samples::measured,
    time::{DAY, Stamp, milliseconds_between, offset_minutes, time_of_day, to_utc},
};
use crate::{
    accesslink::wire::ClockMap,
    model::record::{SampleTimes, Series, SeriesType},
};

/// How long before the start of sleep a key may stand: wide, since a start may be edited, and narrow
/// enough to leave 18 hours for the night.
const LEAD: SignedDuration = SignedDuration::from_hours(6);

/// The wall clock of one night.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct NightClock {
    /// Local time from which the next 24 hours are meant.
    opens: DateTime,
    /// Offset of local time when the night begins.
    before: Offset,
    /// The change of clocks within the night.
    change: Option<Change>,
    /// The offset as it is stored.
    utc_offset_minutes: Option<i16>,
}

/// A change of clocks.
///
/// The zones of the European Union change at 01:00 UTC. Elsewhere clocks change at 02:00 standard
/// time, but for the Americas, which put them back at 02:00 daylight time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Change {
    at: Timestamp,
    after: Offset,
}

impl NightClock {
    /// The clock of a night that has begin and end.
    pub(super) fn of_night(start: &Stamp, end: &Stamp) -> Self {
        let before = start.zone.unwrap_or(Offset::UTC);
        let after = end.zone.unwrap_or(before);
        // The last minute of a long night must not be taken for one before its start.
        let asleep = end.local.duration_since(start.local);
        let lead = LEAD.min(DAY - SignedDuration::from_mins(2) - asleep);
        Self {
            opens: earlier(start.local, lead.max(SignedDuration::ZERO)),
            before,
            change: Change::within(start.local, before, end.local, after),
            utc_offset_minutes: start.zone.and_then(offset_minutes),
        }
    }

    /// The clock of a night of which only the begin is known.
    pub(super) fn around(start_at: Timestamp, offset: Option<Offset>) -> Self {
        let before = offset.unwrap_or(Offset::UTC);
        Self {
            opens: earlier(before.to_datetime(start_at), LEAD),
            before,
            change: None,
            utc_offset_minutes: offset.and_then(offset_minutes),
        }
    }

    /// The clock of a night of which only the date of waking up is known: a first key from noon on
    /// is of the day before. The offset is not known and counts as UTC.
    pub(super) fn waking_on(date: Date, first_key: SignedDuration) -> Self {
        let first = if first_key < DAY / 2 {
            first_key
        } else {
            first_key - DAY
        };
        Self {
            opens: earlier(date.at(0, 0, 0, 0).saturating_add(first), LEAD),
            before: Offset::UTC,
            change: None,
            utc_offset_minutes: None,
        }
    }

    /// The offset of local time when the night begins, where it is known.
    pub(super) const fn utc_offset_minutes(&self) -> Option<i16> {
        self.utc_offset_minutes
    }

    /// The entries of a map with their instants, in the order of time. An entry whose key is no time
    /// of day is left out.
    pub(super) fn read(
        &self,
        map: &ClockMap,
        name: &str,
        left: &mut Leftovers,
    ) -> Vec<(Timestamp, Option<f64>)> {
        let mut previous = None;
        let mut entries = Vec::with_capacity(map.0.len());
        for (position, (key, value)) in map.0.iter().enumerate() {
            let path = format!("{name}[{position}]");
            let at = time_of_day(key, &path).and_then(|key| self.place(key, previous, &path));
            if let Some(at) = left.unless(at.map(Some)) {
                previous = Some(at);
                entries.push((at, *value));
            }
        }
        entries.sort_by_key(|(at, _)| *at);
        entries
    }

    /// A map as a series; what the quantity cannot be is a gap.
    pub(super) fn series(
        &self,
        series: SeriesType,
        map: &ClockMap,
        name: &str,
        left: &mut Leftovers,
    ) -> Option<Series> {
        let entries = self.read(map, name, left);
        let (started_at, _) = entries.first().copied()?;
        let offsets = entries
            .iter()
            .map(|(at, _)| milliseconds_between(started_at, *at))
            .collect::<Option<Vec<i32>>>()
            .ok_or_else(|| Unreadable::new(name, "times of one night"));
        Some(Series {
            series,
            started_at,
            utc_offset_minutes: self.utc_offset_minutes,
            times: SampleTimes::Offsets(left.unless(offsets.map(Some))?),
            values: entries
                .into_iter()
                .map(|(_, value)| measured(value?, series))
                .collect(),
        })
    }

    /// The instant at which the clock shows `key`; `previous` is that of the key before it.
    fn place(
        &self,
        key: SignedDuration,
        previous: Option<Timestamp>,
        path: &str,
    ) -> Result<Timestamp, Unreadable> {
        let local = self.local(key);
        let first = to_utc(local, self.before, path)?;
        let Some(change) = self.change else {
            return Ok(first);
        };
        let second = to_utc(local, change.after, path)?;
        Ok(match (first < change.at, second >= change.at) {
            (true, true) if previous.is_some_and(|previous| previous > first) => second,
            (true, _) => first,
            (false, true) => second,
            (false, false) => change.at,
        })
    }

    /// The one moment with the time of day `key` in the 24 hours from when the clock opens.
    fn local(&self, key: SignedDuration) -> DateTime {
        let key = if key == DAY {
            SignedDuration::ZERO
        } else {
            key
        };
        let today = self.opens.date().at(0, 0, 0, 0).saturating_add(key);
        if today < self.opens {
            today.saturating_add(DAY)
        } else {
            today
        }
    }
}

impl Change {
    /// The change between two local times with two offsets, if there is one.
    fn within(start: DateTime, before: Offset, end: DateTime, after: Offset) -> Option<Self> {
        let start_at = before.to_timestamp(start).ok()?;
        let end_at = after.to_timestamp(end).ok()?;
        let step_minutes = (after.seconds() - before.seconds()) / 60;
        if step_minutes == 0 || step_minutes.abs() > 60 {
            return None;
        }
        let standard = before.min(after);
        let (hour, clock) = if (0..=2 * 3600).contains(&standard.seconds()) {
            (1, Offset::UTC)
        } else if standard.is_negative() {
            (2, before)
        } else {
            (2, standard)
        };
        let days = [start_at, end_at].map(|at| clock.to_datetime(at).date());
        days.into_iter()
            .filter_map(|day| clock.to_timestamp(day.at(hour, 0, 0, 0)).ok())
            .find(|at| (start_at..=end_at).contains(at))
            .map(|at| Self { at, after })
    }
}

/// A local time, `lead` earlier, at the full minute: keys have no seconds.
fn earlier(local: DateTime, lead: SignedDuration) -> DateTime {
    let seconds = SignedDuration::new(local.second().into(), local.subsec_nanosecond());
    local.saturating_sub(lead + seconds)
}
