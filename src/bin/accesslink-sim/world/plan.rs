//! What a person does on a day: the sessions of each profile.

use jiff::civil::Date;

use super::person::{Person, Topic};
use super::rng::Rng;
use super::session::{Session, Zones, sample_type};
use super::sport::{SPORTS, Sport};

/// How much the people of the population do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Profile {
    /// Sessions of 20 minutes to 3 hours, nights, activity: a month of a keen person.
    Realistic,
    /// Two sessions of a few minutes and two nights, and one of each on every further day.
    Small,
    /// One exercise without samples, and nothing else.
    SingleSummary,
    /// One exercise with an hour of heart rate and its zones, and nothing else.
    SingleHr,
}

impl Profile {
    /// Days before the registration that count as just uploaded.
    pub(crate) fn days(self, asked: u32) -> i64 {
        match self {
            Self::Realistic => i64::from(asked),
            Self::Small => i64::from(asked.min(2)),
            Self::SingleSummary | Self::SingleHr => 1,
        }
    }

    /// Whether there is more than one exercise: nights, activity, and further days.
    pub(crate) fn has_days(self) -> bool {
        matches!(self, Self::Realistic | Self::Small)
    }

    /// The sessions that begin on this day, in order.
    pub(crate) fn sessions(self, person: &Person, date: Date, day_number: u64) -> Vec<Session> {
        let mut rng = person.rng(Topic::Sessions, day_number);
        match self {
            Self::Realistic => realistic(person, date, &mut rng),
            Self::Small => small(person, date, day_number, &mut rng)
                .into_iter()
                .collect(),
            Self::SingleSummary => single(person, date, &mut rng)
                .map(without_samples)
                .into_iter()
                .collect(),
            Self::SingleHr => single(person, date, &mut rng)
                .map(with_heart_rate)
                .into_iter()
                .collect(),
        }
    }
}

fn realistic(person: &Person, date: Date, rng: &mut Rng) -> Vec<Session> {
    let (morning, evening) = (rng.chance(0.35), rng.chance(0.4));
    let hours = [
        morning.then(|| rng.between(6, 10)),
        evening.then(|| rng.between(15, 19)),
    ];
    let start = |hour: i64| {
        let sport = &SPORTS[rng.between(0, SPORTS.len() as i64 - 1) as usize];
        let skewed = rng.unit().powi(3);
        let duration_ms = 1_200_000 + (skewed * 9_600_000.0) as i64;
        at(person, date, hour as i8, duration_ms, sport, rng)
    };
    hours.into_iter().flatten().filter_map(start).collect()
}

fn small(person: &Person, date: Date, day_number: u64, rng: &mut Rng) -> Option<Session> {
    let sport = Sport::by_code(if day_number.is_multiple_of(2) {
        "RUNNING"
    } else {
        "STRENGTH_TRAINING"
    });
    let duration_ms = rng.between(150_000, 290_000);
    let mut session = at(person, date, 7, duration_ms, sport, rng)?;
    session.has_gaps = session.has_route;
    Some(session)
}

fn single(person: &Person, date: Date, rng: &mut Rng) -> Option<Session> {
    at(
        person,
        date,
        7,
        3_600_000,
        Sport::by_code("STRENGTH_TRAINING"),
        rng,
    )
}

fn without_samples(session: Session) -> Session {
    Session {
        sample_types: Vec::new(),
        zones: Zones::None,
        ..session
    }
}

fn with_heart_rate(session: Session) -> Session {
    let sample_types = vec![sample_type::HEART_RATE];
    Session {
        sample_types,
        recorded_s: 3600,
        has_gaps: false,
        ..session
    }
}

/// A session that begins within this hour of local time; a quarter of them on a full minute.
fn at(
    person: &Person,
    date: Date,
    hour: i8,
    duration_ms: i64,
    sport: &'static Sport,
    rng: &mut Rng,
) -> Option<Session> {
    let second = if rng.chance(0.25) {
        0
    } else {
        rng.between(1, 59)
    };
    let start = date.at(hour, rng.between(0, 59) as i8, second as i8, 0);
    let start = start.to_zoned(person.zone.clone()).ok()?;
    let offset_min = start.offset().seconds() / 60;
    Some(Session::of(
        person,
        start.timestamp(),
        offset_min,
        duration_ms,
        sport,
        rng,
    ))
}
