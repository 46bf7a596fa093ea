//! The time zones that the population lives in, as plain rules: no time zone database is needed.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Zones for the accounts, one after the other.
#[derive(Debug)]
pub(crate) struct Zones(Vec<TimeZone>);

/// So many days before the start do the zones made for it change their offset: well inside the month.
const CHANGE_DAYS_BEFORE_START: i64 = 12;

impl Zones {
    /// Zones of which two change their offset shortly before `start`, whatever the season.
    pub(crate) fn around(start: Date) -> Result<Self, jiff::Error> {
        let change = start.checked_sub(Span::new().days(CHANGE_DAYS_BEFORE_START))?;
        let half_a_year_on = change.checked_add(Span::new().months(6))?;
        let (change, other) = (rule_day(change), rule_day(half_a_year_on));
        let rules = [
            "EET-2EEST,M3.5.0/3,M10.5.0/4".to_owned(),
            format!("FALL-1BACK-2,J{other}/2,J{change}/3"),
            "EST5EDT,M3.2.0,M11.1.0".to_owned(),
            "<+14>-14".to_owned(),
            "<-0930>9:30".to_owned(),
            format!("SPRING5AHEAD4,J{change}/2,J{other}/3"),
            "IST-5:30".to_owned(),
            "NZST-12NZDT,M9.5.0,M4.1.0/3".to_owned(),
            "<+0545>-5:45".to_owned(),
            "GMT0BST,M3.5.0/1,M10.5.0".to_owned(),
        ];
        let zones = rules.iter().map(|rule| TimeZone::posix(rule));
        Ok(Self(zones.collect::<Result<_, _>>()?))
    }

    /// The zone of the account with this number.
    pub(crate) fn of_account(&self, number: u64) -> TimeZone {
        self.0[number as usize % self.0.len()].clone()
    }
}

/// Minutes east of UTC at this instant.
pub(crate) fn offset_min(zone: &TimeZone, at: Timestamp) -> i32 {
    zone.to_offset(at).seconds() / 60
}

/// Day of the year as POSIX rules count it: from 1, without 29 February.
fn rule_day(date: Date) -> i16 {
    date.day_of_year_no_leap().unwrap_or(59)
}
