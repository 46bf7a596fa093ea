//! Compares what Polar shows of a user with what is stored, without changing either.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, civil::Date};

use super::{
    kept,
    report::{CannotTell, KindNumbers, Numbers},
};
use crate::{
    accesslink::{
        Answer, Call,
        error::Meaning,
        wire::{self, Unreadable},
    },
    connection::{Session, SessionError},
    model::{Kind, record::Workout},
    normalize::{self, Origin, WorkoutParts},
    store::{
        Store, StoreError,
        overview::KindSummary,
        raw::{Quarantined, RawError, quarantine_list},
        raw_latest,
        records::find_workouts,
        restore::Damaged,
    },
    telemetry,
};

/// The kinds that Polar shows without a transaction.
const SHOWN: [Kind; 3] = [Kind::Exercise, Kind::Sleep, Kind::NightlyRecharge];

/// What is not stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// An exercise that Polar shows.
    Workout(Box<Workout>),
    /// Rows of a record that is stored: its samples, zones, stages or route.
    Rows(Damaged),
    /// A night that Polar shows or that is kept raw, or a day of activity that is kept raw.
    Day(Date),
    /// What Polar sent of a night that it still shows.
    Body(String),
    /// An item that is kept raw, by its id at Polar.
    Raw(String),
}

/// Something that is not stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Absent {
    pub(super) what: What,
    /// Whether it may have come to Polar since the last sync, which then had no chance to store it.
    pub(super) is_new: bool,
}

/// One kind, compared.
#[derive(Debug, PartialEq)]
pub(super) struct KindLook {
    pub(super) kind: Kind,
    pub(super) checked: usize,
    pub(super) absent: Vec<Absent>,
    /// The nights that Polar shows, by date.
    pub(super) shown: BTreeSet<Date>,
    /// Bodies that are kept raw of what is not stored, and cannot be read.
    pub(super) unreadable: usize,
}

impl KindLook {
    const fn of(kind: Kind) -> Self {
        Self {
            kind,
            checked: 0,
            absent: Vec::new(),
            shown: BTreeSet::new(),
            unreadable: 0,
        }
    }

    /// The numbers so far, when nothing was absent.
    pub(super) const fn numbers(&self) -> KindNumbers {
        let stored = self.checked - self.absent.len();
        KindNumbers {
            kind: self.kind,
            numbers: Numbers {
                checked: self.checked,
                stored,
                new: 0,
                missing: 0,
                refetched: 0,
            },
        }
    }
}

/// A user, compared.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Look {
    pub(super) kinds: Vec<KindLook>,
    pub(super) cannot_tell: Vec<CannotTell>,
    /// Why no other user may be asked about now: the quota is spent, or Polar is away.
    pub(super) stop: Option<String>,
}

impl Look {
    /// The kinds of which something is not stored.
    pub(super) fn kinds_lacking(&self) -> Vec<Kind> {
        let lacking = self.kinds.iter().filter(|look| !look.absent.is_empty());
        lacking.map(|look| look.kind).collect()
    }

    pub(super) fn cannot_tell(&mut self, kind: Kind, why: impl Into<String>) {
        self.cannot_tell.push(CannotTell {
            kind: Some(kind),
            why: why.into(),
        });
    }
}

/// What a comparison works with.
pub(super) struct Comparison<'a> {
    pub(super) store: &'a Store,
    pub(super) session: &'a Session,
    /// The kinds that are synced.
    pub(super) kinds: &'a BTreeSet<Kind>,
    /// The longest time between the list that a sync reads and its success.
    pub(super) sync_max: SignedDuration,
    /// How long what Polar sent is kept.
    pub(super) retention: SignedDuration,
}

impl Comparison<'_> {
    /// Compares everything.
    pub(super) async fn look(&self) -> Result<Look, RawError> {
        let connection = self.session.connection().connection_id;
        let states = self.store.kinds_of(connection).await?;
        let quarantine = quarantine_list(self.store, Some(connection)).await?;
        let mut look = Look::default();
        let kept_since = self.store.now().await? - self.retention;
        for kind in self.kinds {
            let state = states.iter().find(|state| state.kind == *kind);
            let mut compared = KindLook::of(*kind);
            if SHOWN.contains(kind) && look.stop.is_none() {
                let quarantine = quarantine.iter().filter(|body| body.kind == *kind);
                let aside = Aside {
                    state,
                    quarantine: quarantine.collect(),
                };
                self.look_at(&mut look, &mut compared, &aside).await?;
            }
            kept::compare(self.store, connection, &mut compared).await?;
            if compared.unreadable > 0 {
                let count = compared.unreadable;
                let why = format!("{count} bodies that are kept and have no record cannot be read");
                look.cannot_tell(*kind, why);
            }
            kept::compare_raw(self.store, connection, kept_since, &mut look, &mut compared).await?;
            look.kinds.push(compared);
        }
        Ok(look)
    }

    async fn look_at(
        &self,
        look: &mut Look,
        compared: &mut KindLook,
        aside: &Aside<'_>,
    ) -> Result<(), RawError> {
        let kind = compared.kind;
        let call = match kind {
            Kind::Exercise => Call::list_exercises(),
            Kind::Sleep => Call::list_sleep(),
            Kind::NightlyRecharge => Call::list_nightly_recharge(),
            Kind::Activity | Kind::PhysicalInformation => return Ok(()),
        };
        let body = match self.session.send(&call).await {
            Ok(Answer::Body(body)) => Some(body),
            Ok(Answer::Empty | Answer::Done) => None,
            Err(SessionError::Call(error)) if error.meaning == Meaning::NotFound => None,
            Err(error) => {
                let why = telemetry::chain(&error);
                if stops(&error) {
                    look.stop = Some(why.clone());
                }
                look.cannot_tell(kind, why);
                return Ok(());
            }
        };
        let body = body.as_deref();
        let shown = if kind == Kind::Exercise {
            self.compare_exercises(look, compared, aside, body).await?
        } else {
            self.compare_nights(look, compared, aside, body).await?
        };
        // Where something is stored, an answer that shows nothing proves nothing.
        if shown == Some(0) && self.has_any(kind).await? {
            look.cannot_tell(kind, "Polar shows none now, so nothing was compared");
        }
        Ok(())
    }

    async fn has_any(&self, kind: Kind) -> Result<bool, StoreError> {
        let connection = self.session.connection().connection_id;
        if kind == Kind::Exercise {
            return self.store.has_workouts(connection).await;
        }
        let latest = self.store.latest_night(connection, kind).await?;
        Ok(latest.is_some())
    }

    /// The number of exercises that Polar shows, if its answer is understood.
    async fn compare_exercises(
        &self,
        look: &mut Look,
        compared: &mut KindLook,
        aside: &Aside<'_>,
        body: Option<&[u8]>,
    ) -> Result<Option<usize>, RawError> {
        let sessions = match body.map_or_else(|| Ok(Vec::new()), wire::exercises) {
            Ok(sessions) => sessions,
            Err(error) => return Ok(not_understood(look, Kind::Exercise, &error)),
        };
        let (mut workouts, mut unclear) = (Vec::new(), 0_usize);
        for session in &sessions {
            match read_exercise(session.as_bytes(), Origin::Exercises) {
                Some(workout) => workouts.push(workout),
                None if name_of(session).id.is_some_and(|id| aside.holds(&id)) => {
                    compared.checked += 1;
                }
                None => unclear += 1,
            }
        }
        if unclear > 0 {
            let why = format!("{unclear} of the exercises that Polar shows are not understood");
            look.cannot_tell(Kind::Exercise, why);
        }
        let connection = self.session.connection().connection_id;
        let found = find_workouts(self.store, connection, &workouts).await?;
        let lacking = workouts.into_iter().zip(found);
        let (stored, lacking): (Vec<_>, Vec<_>) = lacking.partition(|(_, found)| found.is_some());
        compared.checked += stored.len();
        let uploads = if lacking.is_empty() {
            BTreeSet::new()
        } else {
            self.quarantined_uploads(aside).await?
        };
        for (workout, _) in lacking {
            if uploads.contains(&workout.uploaded_at.as_second()) {
                compared.checked += 1;
            } else if workout.uploaded_at >= self.session.connection().connected_at {
                compared.checked += 1;
                compared.absent.push(Absent {
                    is_new: self.is_after_sync(aside.state, workout.uploaded_at),
                    what: What::Workout(Box::new(workout)),
                });
            }
            // What came before the connection was for another system, and is not expected here.
        }
        Ok(Some(sessions.len()))
    }

    /// Whether something that Polar got then may have been too late for the last sync.
    fn is_after_sync(&self, state: Option<&KindSummary>, uploaded_at: Timestamp) -> bool {
        let synced_at = state.and_then(|state| state.last_success_at);
        synced_at.is_none_or(|at| uploaded_at > at - self.sync_max)
    }

    /// When the exercises were uploaded of which the summary is in quarantine as a whole: there is no other
    /// tie between the two ids of one of these.
    async fn quarantined_uploads(&self, aside: &Aside<'_>) -> Result<BTreeSet<i64>, RawError> {
        let mut uploads = BTreeSet::new();
        for body in &aside.quarantine {
            if body.key.part != kept::SUMMARY {
                continue;
            }
            let connection = body.connection;
            let kept = raw_latest::body(self.store, connection, body.kind, &body.key).await?;
            let kept = kept.unwrap_or_default();
            if read_exercise(&kept, Origin::Transaction).is_some() {
                // Only something in it is not understood: it has a record.
                continue;
            }
            let at = instant(&body.key.version).or_else(|| {
                let name = name_of(&String::from_utf8_lossy(&kept));
                instant(&name.upload_time?)
            });
            uploads.extend(at.map(Timestamp::as_second));
        }
        Ok(uploads)
    }

    /// The number of nights that Polar shows, if its answer is understood.
    async fn compare_nights(
        &self,
        look: &mut Look,
        compared: &mut KindLook,
        aside: &Aside<'_>,
        body: Option<&[u8]>,
    ) -> Result<Option<usize>, RawError> {
        let kind = compared.kind;
        let cut = if kind == Kind::Sleep {
            wire::sleep_nights
        } else {
            wire::nightly_recharges
        };
        let nights = match body.map_or_else(|| Ok(Vec::new()), cut) {
            Ok(nights) => nights,
            Err(error) => return Ok(not_understood(look, kind, &error)),
        };
        let dates: Vec<_> = nights
            .iter()
            .map(|night| {
                name_of(night)
                    .date
                    .and_then(|date| normalize::date_of(&date))
            })
            .collect();
        let undated = dates.iter().filter(|date| date.is_none()).count();
        let understood: BTreeSet<_> = nights
            .iter()
            .zip(&dates)
            .filter(|(night, _)| kept::is_night(kind, night.as_bytes()))
            .filter_map(|(_, date)| *date)
            .collect();
        if undated > aside.undated() {
            let why = format!("{undated} of the nights that Polar shows have no date");
            look.cannot_tell(kind, why);
        }
        let dates: BTreeSet<_> = dates.into_iter().flatten().collect();
        compared.shown.clone_from(&dates);
        let dates: Vec<_> = dates.into_iter().collect();
        let connection = self.session.connection().connection_id;
        let stored = self.store.dates_stored(connection, kind, &dates).await?;
        compared.checked += dates.len();
        let is_stored = |date: &Date| {
            stored.contains(date) || !understood.contains(date) && aside.holds(&date.to_string())
        };
        let lacking: Vec<_> = dates.into_iter().filter(|date| !is_stored(date)).collect();
        if lacking.is_empty() {
            return Ok(Some(nights.len()));
        }
        let latest = self.store.latest_night(connection, kind).await?;
        let versions = raw_latest::versions(self.store, connection, kind).await?;
        let found_any = aside
            .state
            .is_some_and(|state| state.last_found_at.is_some());
        for date in lacking {
            let was_kept = versions.contains_key(&date.to_string());
            let is_later = latest.is_some_and(|latest| date > latest);
            compared.absent.push(Absent {
                what: What::Day(date),
                is_new: !was_kept && (is_later || !found_any),
            });
        }
        Ok(Some(nights.len()))
    }
}

/// What the ledger knows of a kind beside its records.
struct Aside<'a> {
    state: Option<&'a KindSummary>,
    quarantine: Vec<&'a Quarantined>,
}

impl Aside<'_> {
    /// Whether an item of this name is in quarantine.
    fn holds(&self, item: &str) -> bool {
        self.quarantine.iter().any(|body| body.key.item == item)
    }

    /// How many items are in quarantine whose name is no date.
    fn undated(&self) -> usize {
        let is_undated = |body: &&&Quarantined| body.key.item.parse::<Date>().is_err();
        self.quarantine.iter().filter(is_undated).count()
    }
}

/// An exercise without its details.
pub(super) fn read_exercise(body: &[u8], origin: Origin) -> Option<Workout> {
    let exercise = wire::read::<wire::Exercise>(body).ok()?.body;
    let normalized = normalize::workout(&exercise, origin, WorkoutParts::not_requested());
    Some(normalized.ok()?.record)
}

/// What names an item, as far as it is understood.
pub(super) fn name_of(body: &str) -> wire::ItemName {
    let name = wire::read::<wire::ItemName>(body.as_bytes());
    name.map(|read| read.body).unwrap_or_default()
}

/// An instant as Polar writes it; UTC where it does not say.
fn instant(text: &str) -> Option<Timestamp> {
    let civil = || {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    text.parse().ok().or_else(civil)
}

fn not_understood(look: &mut Look, kind: Kind, error: &Unreadable) -> Option<usize> {
    look.cannot_tell(kind, format!("Polar's answer is not understood: {error}"));
    None
}

/// Whether an error says that nobody is to be asked about now.
fn stops(error: &SessionError) -> bool {
    match error {
        SessionError::Call(error) => matches!(
            error.meaning,
            Meaning::RateLimited | Meaning::WindowClosed(_) | Meaning::CircuitOpen { .. }
        ),
        SessionError::Refresh(_) | SessionError::Store(_) | SessionError::Key(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_as_polar_writes_it() {
        let expected: Timestamp = "2031-05-06T05:11:42Z".parse().unwrap();
        for text in [
            "2031-05-06T05:11:42.000Z",
            "2031-05-06T05:11:42",
            "2031-05-06 05:11:42",
        ] {
            assert_eq!(instant(text), Some(expected), "{text}");
        }
        assert_eq!(instant("a41f0c"), None);
    }
}
