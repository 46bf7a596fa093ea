//! Every reader on one body: what each of them says of it.

use polar_sync::{
    accesslink::wire,
    model::{Details, TransactionalKind, record::Part},
    normalize::{self, ActivityParts, Normalized, Origin, Route, WorkoutParts},
};

/// Reads a body as everything that it might be, with the parts it might have, and returns every
/// complaint, so that callers can look for what must not be in one.
pub(crate) fn complaints(body: &[u8]) -> Vec<String> {
    let mut said = Vec::new();
    note(&mut said, wire::check_complete(body));
    note(&mut said, wire::gpx::check_complete(body));
    note(&mut said, wire::decode::<wire::CreatedTransaction>(body));
    note(&mut said, wire::sample_items(body));
    note(&mut said, wire::decode::<wire::User>(body));
    for kind in TransactionalKind::ALL {
        note(&mut said, wire::transaction_items(*kind, body));
    }
    for notification in note(&mut said, wire::notifications(body)).unwrap_or_default() {
        note(&mut said, notification);
    }
    let _ = wire::ErrorBody::read(body);
    workouts(body, &mut said);
    days(body, &mut said);
    for cut in [wire::sleep_nights, wire::nightly_recharges, wire::exercises] {
        for item in note(&mut said, cut(body)).unwrap_or_default() {
            nights(item.as_bytes(), &mut said);
            workouts(item.as_bytes(), &mut said);
        }
    }
    nights(body, &mut said);
    said
}

fn workouts(body: &[u8], said: &mut Vec<String>) {
    lenient(body, said);
    if let Some(session) = note(said, wire::DetailedExercise::decode(body)) {
        let (exercise, parts, leftovers) = WorkoutParts::embedded(session, Details::ALL);
        said.extend(leftovers.iter().map(ToString::to_string));
        workout(&exercise, Origin::Exercises, parts, said);
    }
    let base = br#"{"id":1,"upload_time":"2031-05-06T00:00Z","start_time":"2031-05-05T00:00","duration":"PT1H"}"#;
    let base = wire::decode::<wire::Exercise>(base).unwrap();
    let zones = note(said, wire::decode::<wire::HeartRateZones>(body));
    let series = note(said, wire::decode::<wire::SampleSeries>(body));
    let track = note(said, wire::gpx::decode(body));
    let parts = WorkoutParts {
        zones: zones.map_or(Part::Gone, |zones| Part::Present(zones.zone)),
        samples: series.map_or(Part::Absent, |series| Part::Present(vec![series])),
        route: track.map_or(Part::Absent, |track| {
            said.extend(track.left_out.iter().map(ToString::to_string));
            Part::Present(Route::Gpx(track.body))
        }),
    };
    let exercise = note(said, wire::decode::<wire::Exercise>(body)).unwrap_or(base);
    workout(&exercise, Origin::Transaction, parts, said);
}

fn workout(exercise: &wire::Exercise, origin: Origin, parts: WorkoutParts, said: &mut Vec<String>) {
    if let Some(read) = note(said, normalize::workout(exercise, origin, parts)) {
        said.extend(read.leftovers.iter().map(ToString::to_string));
        if let Part::Present(samples) = read.record.samples {
            assert!(samples.iter().all(|series| !series.values.is_empty()));
        }
    }
}

fn days(body: &[u8], said: &mut Vec<String>) {
    let base = br#"{"id":1,"created":"2031-05-06T00:00Z","date":"2031-05-05"}"#;
    let base = wire::decode::<wire::Activity>(base).unwrap();
    let steps = note(said, wire::decode::<wire::StepSamples>(body));
    let zones = note(said, wire::decode::<wire::ZoneSamples>(body));
    let parts = ActivityParts {
        steps: steps.map_or(Part::Absent, Part::Present),
        zones: zones.map_or(Part::Absent, Part::Present),
    };
    let day = note(said, wire::decode::<wire::Activity>(body)).unwrap_or(base);
    if let Some(read) = note(said, normalize::activity(&day, parts)) {
        said.extend(read.leftovers.iter().map(ToString::to_string));
    }
    if let Some(body) = note(said, wire::decode::<wire::PhysicalInformation>(body)) {
        leftovers(said, normalize::physical_information(&body));
    }
}

fn nights(body: &[u8], said: &mut Vec<String>) {
    if let Some(night) = note(said, wire::decode::<wire::SleepNight>(body)) {
        leftovers(said, normalize::sleep(&night));
    }
    if let Some(recharge) = note(said, wire::decode::<wire::NightlyRecharge>(body)) {
        leftovers(said, normalize::nightly_recharge(&recharge, None));
    }
}

/// What is left out where it may be.
fn lenient(body: &[u8], said: &mut Vec<String>) {
    if let Some(night) = left_out::<wire::SleepNight>(body, said) {
        leftovers(said, normalize::sleep(&night));
    }
    if let Some(recharge) = left_out::<wire::NightlyRecharge>(body, said) {
        leftovers(said, normalize::nightly_recharge(&recharge, None));
    }
    if let Some(exercise) = left_out::<wire::Exercise>(body, said) {
        let parts = WorkoutParts::not_requested();
        workout(&exercise, Origin::Transaction, parts, said);
    }
    if let Some(information) = left_out::<wire::PhysicalInformation>(body, said) {
        leftovers(said, normalize::physical_information(&information));
    }
    left_out::<wire::HeartRateZones>(body, said);
    left_out::<wire::StepSamples>(body, said);
    left_out::<wire::ZoneSamples>(body, said);
}

fn left_out<T: serde::de::DeserializeOwned>(body: &[u8], said: &mut Vec<String>) -> Option<T> {
    let read = note(said, wire::read::<T>(body))?;
    said.extend(read.left_out.iter().map(|left| format!("{left} {left:?}")));
    Some(read.body)
}

fn leftovers<T>(said: &mut Vec<String>, read: Result<Normalized<T>, wire::Unreadable>) {
    if let Some(read) = note(said, read) {
        said.extend(read.leftovers.iter().map(ToString::to_string));
    }
}

fn note<T, E: std::error::Error>(said: &mut Vec<String>, result: Result<T, E>) -> Option<T> {
    result
        .map_err(|error| said.push(format!("{error} {error:?}")))
        .ok()
}
