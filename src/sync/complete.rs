//! Completes workouts from `/v3/exercises`, which shows the last 30 days whatever was committed:
//! details that an earlier sync did not ask for, workouts whose transaction is blocked, and workouts
//! that are not stored any more.

use jiff::{SignedDuration, Timestamp};

use super::{
    Failure, Run,
    failure::put_off,
    item::{SUMMARY, content_version},
    record::count,
    restore::{mend, note_gone},
    rows::{NotUnderstood, Record},
};
use crate::{
    accesslink::{
        Answer, Call, Error, Operation,
        error::{Broken, Meaning},
        wire::{self, Read, Unreadable},
    },
    model::{
        Details, Kind,
        record::{Workout, WorkoutSource},
    },
    normalize::{self, Normalized, Origin, WorkoutParts},
    store::{
        event::Counts,
        lacking::Lacking,
        raw::{self, RawBody, RawPart},
        records::{find_workouts, upsert_workout},
    },
};

/// How long `/v3/exercises` shows an exercise after its upload. Source: AccessLink documentation.
const SHOWN_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Two durations of one workout differ at most by this.
const DURATION_TOLERANCE_S: f64 = 2.0;

/// After the transactions were run: completes what the requests of this run want to see, what a blocked
/// transaction keeps back, and what is lost; `all_read` tells whether everything that is kept raw and was lost
/// could be read again.
pub(super) async fn complete(
    run: &Run<'_>,
    pulled: Result<(), Failure>,
    all_read: bool,
    counts: &mut Counts,
) -> Result<(), Failure> {
    match pulled {
        Ok(()) => {
            let mut shown_already = None;
            if run.restores {
                let shown = shown(run).await?;
                bring_back(run, &shown, all_read, counts).await?;
                shown_already = Some(shown);
            }
            complete_stored(run, shown_already, counts).await
        }
        Err(blocked @ Failure::Blocked { .. }) => {
            // Whatever comes of it, the transaction stays blocked, and that is what is reported.
            if let Ok(shown) = shown(run).await {
                let _ = rescue(run, &shown, counts).await;
                if run.restores {
                    let _ = bring_back(run, &shown, all_read, counts).await;
                }
            }
            Err(blocked)
        }
        // What such a transaction may still bring is brought then, and ends in the same row.
        Err(
            waits @ (Failure::Doubtful { .. }
            | Failure::TooOld { .. }
            | Failure::Unsettled { .. }
            | Failure::NoProgress),
        ) if run.restores => {
            if let Ok(shown) = shown(run).await {
                let _ = bring_back(run, &shown, all_read, counts).await;
            }
            Err(waits)
        }
        Err(failure) => Err(failure),
    }
}

/// Completes stored workouts that lack what was asked for; `shown_already` is what Polar shows, where
/// that was read.
async fn complete_stored(
    run: &Run<'_>,
    shown_already: Option<Shown>,
    counts: &mut Counts,
) -> Result<(), Failure> {
    if run.asked == Details::NONE {
        return Ok(());
    }
    let since = run.clock.now() - SHOWN_FOR;
    let lacking = run
        .store
        .workouts_lacking(run.lease.connection_id, run.asked, since)
        .await?;
    if lacking.is_empty() {
        return Ok(());
    }
    let shown = match shown_already {
        Some(shown) => shown,
        None => shown(run).await?,
    };
    fill(run, &shown, &lacking, counts).await
}

/// Stores what Polar shows and is lost: the workouts that are not stored, under neither of their ids, and
/// parts of those that are. What it got before the connection was for another system.
async fn bring_back(
    run: &Run<'_>,
    shown: &Shown,
    all_read: bool,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let connection = run.session.connection();
    let stored = find_workouts(run.store, connection.connection_id, &shown.workouts).await?;
    let mut first = None;
    for (workout, stored) in shown.workouts.iter().zip(stored) {
        if stored.is_some() || workout.uploaded_at < connection.connected_at {
            continue;
        }
        let fetched = fetch(run, workout, run.wanted(), counts).await;
        put_off(fetched.map(drop), &mut first)?;
    }
    put_off(mend_damaged(run, shown, all_read, counts).await, &mut first)?;
    first.map_or(Ok(()), Err)
}

/// Fetches lost parts of workouts that could not be read again; what Polar no longer shows is gone, unless
/// its list may lack something that it would show, or something that is kept raw may yet be read.
async fn mend_damaged(
    run: &Run<'_>,
    shown: &Shown,
    all_read: bool,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let connection = run.lease.connection_id;
    let damaged = run.store.damaged(connection, Kind::Exercise).await?;
    let lacking = run.store.as_lacking(connection, &damaged).await?;
    let shown_since = run.clock.now() - SHOWN_FOR;
    let mut first = None;
    for lack in &lacking {
        let Some(damaged) = damaged.iter().find(|it| it.record_id == lack.record_id) else {
            continue;
        };
        let same = shown.workouts.iter().find(|workout| is_same(workout, lack));
        if let Some(workout) = same {
            let mended = match fetch(run, workout, damaged.details, counts).await {
                Ok(Some(record)) => {
                    let record = Record::Workout(Box::new(record));
                    mend(run, damaged, &record, counts).await
                }
                Ok(None) => Ok(()),
                Err(failure) => Err(failure),
            };
            put_off(mended, &mut first)?;
        } else if all_read && (shown.is_whole || lack.uploaded_at < shown_since) {
            note_gone(run, Kind::Exercise, damaged).await?;
        }
    }
    first.map_or(Ok(()), Err)
}

/// Fetches what workouts lack; what Polar no longer shows is noted as gone, unless its list may lack
/// something that it would show.
async fn fill(
    run: &Run<'_>,
    shown: &Shown,
    lacking: &[Lacking],
    counts: &mut Counts,
) -> Result<(), Failure> {
    let mut first = None;
    for lack in lacking {
        let same = shown.workouts.iter().find(|workout| is_same(workout, lack));
        if let Some(workout) = same {
            let fetched = fetch(run, workout, lack.details, counts).await;
            put_off(fetched.map(drop), &mut first)?;
        } else if shown.is_whole {
            let mut tx = run.store.begin_fenced("note_gone", &run.lease).await?;
            tx.note_gone(run.lease.connection_id, run.user_id(), lack)
                .await?;
            tx.commit().await?;
        }
    }
    first.map_or(Ok(()), Err)
}

/// Stores the workouts that Polar shows and that are not stored from there yet.
async fn rescue(run: &Run<'_>, shown: &Shown, counts: &mut Counts) -> Result<(), Failure> {
    let ids: Vec<_> = shown
        .workouts
        .iter()
        .filter_map(hashed_id)
        .map(str::to_owned)
        .collect();
    let known = run
        .store
        .known_hashed_ids(run.lease.connection_id, &ids)
        .await?;
    let unknown = |workout: &&Workout| {
        hashed_id(workout).is_some_and(|id| known.iter().all(|known| known != id))
    };
    let mut first = None;
    for workout in shown.workouts.iter().filter(unknown) {
        let fetched = fetch(run, workout, run.wanted(), counts).await;
        put_off(fetched.map(drop), &mut first)?;
    }
    first.map_or(Ok(()), Err)
}

/// The workouts that Polar shows, without their details.
#[derive(Debug, PartialEq)]
struct Shown {
    workouts: Vec<Workout>,
    /// Whether these are certainly all: only then is one that is missing among them gone. Where
    /// something is stored, an empty list proves nothing.
    is_whole: bool,
}

async fn shown(run: &Run<'_>) -> Result<Shown, Failure> {
    let Answer::Body(body) = run.send(&Call::list_exercises()).await? else {
        return Ok(Shown {
            workouts: Vec::new(),
            is_whole: false,
        });
    };
    // A failure, and not an empty list, which is an answer.
    read_list(&body).map_err(|_| {
        Failure::Call(Error {
            operation: Operation::ListExercises,
            meaning: Meaning::Broken(Broken::Shape),
        })
    })
}

fn read_list(body: &[u8]) -> Result<Shown, Unreadable> {
    let sessions = wire::exercises(body)?;
    let workouts: Vec<_> = sessions
        .iter()
        .filter_map(|session| {
            let exercise = wire::read::<wire::Exercise>(session.as_bytes()).ok()?.body;
            let parts = WorkoutParts::not_requested();
            normalize::workout(&exercise, Origin::Exercises, parts).ok()
        })
        .map(|normalized| normalized.record)
        .collect();
    Ok(Shown {
        is_whole: !workouts.is_empty() && workouts.len() == sessions.len(),
        workouts,
    })
}

/// Fetches one workout with details, and stores what is understood of it.
async fn fetch(
    run: &Run<'_>,
    workout: &Workout,
    details: Details,
    counts: &mut Counts,
) -> Result<Option<Workout>, Failure> {
    let id = hashed_id(workout);
    let call = id.and_then(|id| Call::get_exercise(id, details));
    let Some((id, call)) = id.zip(call) else {
        return Ok(None);
    };
    let body = match run.send(&call).await {
        Ok(Answer::Body(body)) => body,
        // It is listed, so it is not gone, and the others do not wait for it.
        Ok(Answer::Empty | Answer::Done) => return Ok(None),
        Err(Failure::Call(error)) if error.meaning == Meaning::NotFound => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let mut not_understood = NotUnderstood::default();
    let record = read_session(id, &body, details, &mut not_understood);
    let connection = run.lease.connection_id;
    let raw = [RawPart {
        item: id.to_owned(),
        version: content_version(&body),
        part: SUMMARY.to_owned(),
        body: Some(RawBody::new(&body)?),
        fetched_at: run.clock.now(),
    }];
    let mut tx = run.begin("complete").await?;
    raw::put(&mut tx, connection, Kind::Exercise, &raw).await?;
    for quarantined in not_understood.quarantine(connection, Kind::Exercise, &raw) {
        raw::quarantine_put(&mut tx, &quarantined).await?;
    }
    let change = match &record {
        Some(record) => {
            let upserted = upsert_workout(&mut tx, connection, run.user_id(), record).await?;
            Some(upserted.change)
        }
        None => None,
    };
    tx.commit().await?;
    if let Some(change) = change {
        count(Kind::Exercise, change, counts);
    }
    Ok(record)
}

/// The session of this id, unless it cannot be understood.
pub(super) fn read_session(
    id: &str,
    body: &[u8],
    details: Details,
    not_understood: &mut NotUnderstood,
) -> Option<Workout> {
    let session = wire::DetailedExercise::decode(body).map(Read::whole);
    let session = not_understood.unless(SUMMARY, session)?;
    let (exercise, parts, leftovers) = WorkoutParts::embedded(session, details);
    not_understood.note_all(SUMMARY, &leftovers);
    let normalized = normalize::workout(&exercise, Origin::Exercises, parts);
    let Normalized { record, leftovers } =
        not_understood.unless(SUMMARY, normalized.map(Read::whole))?;
    not_understood.note_all(SUMMARY, &leftovers);
    if hashed_id(&record) != Some(id) {
        not_understood.note(SUMMARY, &Unreadable::new("id", "the id that was asked for"));
        return None;
    }
    Some(record)
}

fn hashed_id(workout: &Workout) -> Option<&str> {
    match &workout.source {
        WorkoutSource::Hashed(id) => Some(id),
        WorkoutSource::Transactional(_) => None,
    }
}

fn is_same(workout: &Workout, lack: &Lacking) -> bool {
    let second = |at: Timestamp| at.as_second();
    match &lack.hashed_id {
        Some(id) => hashed_id(workout) == Some(id),
        None => {
            second(workout.start_at) == second(lack.start_at)
                && (workout.duration_s - lack.duration_s).abs() <= DURATION_TOLERANCE_S
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConnectionId, record::Part};

    const SESSION: &str = r#"{"id":"kQ7mZx2B","upload_time":"2031-05-06T05:11:42Z",
        "start_time":"2031-05-06T04:00:00","duration":"PT1H"}"#;

    /// The session, and what is said of the rest of its body.
    fn read(body: &str) -> (Option<Workout>, Vec<String>) {
        let mut not_understood = NotUnderstood::default();
        let record = read_session(
            "kQ7mZx2B",
            body.as_bytes(),
            Details::ALL,
            &mut not_understood,
        );
        let raw = [RawPart {
            item: "kQ7mZx2B".to_owned(),
            version: "v".to_owned(),
            part: SUMMARY.to_owned(),
            body: Some(RawBody::new(body.as_bytes()).unwrap()),
            fetched_at: Timestamp::UNIX_EPOCH,
        }];
        let rows = not_understood.quarantine(ConnectionId::new(), Kind::Exercise, &raw);
        (record, rows.into_iter().map(|row| row.reason).collect())
    }

    #[test]
    fn only_a_list_that_is_understood_as_a_whole_tells_what_is_gone() {
        let whole = read_list(format!("[{SESSION}]").as_bytes()).unwrap();
        assert_eq!((whole.workouts.len(), whole.is_whole), (1, true));
        let part = read_list(format!("[{SESSION},{{\"id\":7}}]").as_bytes()).unwrap();
        assert_eq!((part.workouts.len(), part.is_whole), (1, false));
        // As an audit has it: where something is stored, an answer that shows nothing proves nothing.
        assert!(!read_list(b"[]").unwrap().is_whole);
        for body in ["{}", r#"{"message":"try again"}"#] {
            assert!(read_list(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn one_exercise_that_is_never_whole_takes_no_others_turn() {
        let failure = |meaning| {
            Failure::Call(Error {
                operation: Operation::GetExercise,
                meaning,
            })
        };
        let mut first = None;
        for broken in [Broken::TooLarge, Broken::CutOff] {
            let fetched = Err(failure(Meaning::Broken(broken)));
            assert!(put_off(fetched, &mut first).is_ok());
        }
        let Some(Failure::Call(error)) = &first else {
            panic!("{first:?}");
        };
        assert_eq!(error.meaning, Meaning::Broken(Broken::TooLarge));
        for meaning in [Meaning::Unauthorized, Meaning::ServerFailed(503)] {
            assert!(put_off(Err(failure(meaning)), &mut first).is_err());
        }
        assert!(put_off(Ok(()), &mut first).is_ok());
    }

    #[test]
    fn one_bad_series_hides_no_other() {
        let series = r#""duration":"PT1H","samples":[7,
            {"sample_type":0,"recording_rate":1,"data":"97,98"},
            {"sample_type":3,"recording_rate":1,"data":"high"}]"#;
        let (record, reasons) = read(&SESSION.replace("\"duration\":\"PT1H\"", series));
        let Part::Present(samples) = record.unwrap().samples else {
            panic!("one series is understood");
        };
        assert_eq!(samples.len(), 1);
        let [reason] = reasons.as_slice() else {
            panic!("{reasons:?}");
        };
        assert!(
            reason.contains("samples[0]") && reason.contains("samples[1].data[0]"),
            "{reason}"
        );
    }

    #[test]
    fn a_session_that_is_not_understood_waits_in_quarantine() {
        for body in ["[]", "{}", &SESSION.replace("kQ7mZx2B", "another1")] {
            let (record, reasons) = read(body);
            assert_eq!((record, reasons.len()), (None, 1), "{body}");
        }
        let (record, reasons) = read(SESSION);
        assert!(record.is_some());
        assert_eq!(reasons, Vec::<String>::new());
    }
}
