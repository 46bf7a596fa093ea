//! One workout, with its parts where they are asked for: samples and routes go out in pieces.

use std::{collections::VecDeque, sync::Arc};

use axum::{
    extract::{FromRequestParts, State},
    http::{HeaderMap, request::Parts},
    response::Response,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    super::{
        Api,
        auth::{Caller, Reads},
        error::{Answered, ApiError, Refusals},
        page::{is_known, not_modified, tag},
        params::{Params, PathUser, from_path},
        users,
    },
    pieces::{self, PIECE_BYTES, Pieces},
    timeseries::{SampleWriter, TimeSeriesSample, append},
    workouts::Workout,
};
use crate::{
    model::record::{RoutePoint, SeriesType},
    secret::sha256,
    store::{
        Store,
        read::{
            self, RouteWindow, WorkoutZone,
            series::{Direction, ReadError, SampleRange, SampleReader, Selection, Subject},
        },
    },
};

/// The routes of one workout.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show))
}

/// The workout of a call's path.
struct PathWorkout(Uuid);

impl FromRequestParts<Arc<Api>> for PathWorkout {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        from_path(parts, api, "workout_id").await.map(Self)
    }
}

/// Time in a heart-rate zone.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names of the contract")]
struct Zone {
    /// Rank by lower bound, from 1.
    zone_index: i16,
    lower_bpm: i16,
    upper_bpm: i16,
    in_zone_seconds: f64,
}

impl From<WorkoutZone> for Zone {
    fn from(zone: WorkoutZone) -> Self {
        Self {
            zone_index: zone.zone_index,
            lower_bpm: zone.lower_bpm,
            upper_bpm: zone.upper_bpm,
            in_zone_seconds: zone.in_zone_s,
        }
    }
}

/// A point of a route.
#[derive(Debug, Serialize, ToSchema)]
struct Point {
    /// When it was passed; null where the source has no time.
    #[schema(value_type = Option<String>, format = DateTime)]
    timestamp: Option<Timestamp>,
    latitude: f64,
    longitude: f64,
    altitude_meters: Option<f64>,
}

impl From<&RoutePoint> for Point {
    fn from(point: &RoutePoint) -> Self {
        Self {
            timestamp: point.at,
            latitude: point.latitude,
            longitude: point.longitude,
            altitude_meters: point.altitude_m,
        }
    }
}

/// A workout with the parts that were asked for.
#[derive(Serialize, ToSchema)]
struct DetailedWorkout {
    #[serde(flatten)]
    workout: Workout,
    /// With `zones=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    zones: Option<Vec<Zone>>,
    /// With `route=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<Vec<Point>>,
    /// With `samples=true`: the samples by their types, the oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::HashMap<String, Vec<TimeSeriesSample>>>)]
    samples: Option<()>,
}

/// Which parts come with the workout.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters; the handler reads them")]
struct ShowQuery {
    /// All samples that belong to it.
    #[param(default = false)]
    samples: Option<bool>,
    /// Its heart-rate zones.
    #[param(default = false)]
    zones: Option<bool>,
    /// Its route.
    #[param(default = false)]
    route: Option<bool>,
}

/// Show a workout
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}/events/workouts/{workout_id}", tag = "read",
    operation_id = "show_workout",
    params(
        ("user_id" = String, Path, description = "The platform's own id of the user."),
        ("workout_id" = Uuid, Path, description = "The id of the workout."),
        ShowQuery
    ),
    responses(
        (status = 200, body = DetailedWorkout), (status = 304, description = "What the client has is up to date."), Refusals
    )
)]
async fn show(
    _: Caller<Reads>,
    State(api): State<Arc<Api>>,
    PathUser(user_id): PathUser,
    PathWorkout(workout_id): PathWorkout,
    headers: HeaderMap,
    params: Params,
) -> Answered<Response> {
    let [samples, zones, route] = [
        params.flag("samples", false)?,
        params.flag("zones", false)?,
        params.flag("route", false)?,
    ];
    users::user(&api, &user_id).await?;
    let workout = api.store.workout(&user_id, workout_id).await?;
    let workout = workout.ok_or_else(|| {
        let detail = format!("{user_id} has no workout {workout_id}; check both ids");
        ApiError::not_found("unknown_workout", detail)
    })?;
    // The revision grows with every change of any part.
    let version = format!(
        "{workout_id} {} {samples} {zones} {route}",
        workout.revision
    );
    let tag = tag(&sha256(version.as_bytes()));
    if is_known(&headers, &tag) {
        return Ok(not_modified(tag));
    }
    let zones = if zones {
        Some(api.store.zones_of(&workout).await?)
    } else {
        None
    };
    let body = Body {
        store: api.store.clone(),
        types: types(samples),
        has_types: false,
        writer: SampleWriter::default(),
        parts: parts(route, samples),
        begin: Some(begin(workout.clone(), zones)?),
        workout,
    };
    pieces::answer(body, "application/json", Some(tag)).await
}

/// The answer without its end: what comes in pieces follows.
fn begin(workout: read::Workout, zones: Option<Vec<WorkoutZone>>) -> Answered<Vec<u8>> {
    let known = DetailedWorkout {
        workout: workout.into(),
        zones: zones.map(|zones| zones.into_iter().map(Zone::from).collect()),
        route: None,
        samples: None,
    };
    let mut json = serde_json::to_vec(&known).map_err(|error| ApiError::bug(&error))?;
    json.pop();
    Ok(json)
}

/// What comes in pieces, in this order.
fn parts(route: bool, samples: bool) -> VecDeque<Part> {
    let route = route.then_some(Part::Route(Some(RouteWindow::FIRST)));
    let samples = samples.then_some(Part::Samples(None));
    route.into_iter().chain(samples).collect()
}

/// The types of samples in the order of their names, the last one first.
fn types(samples: bool) -> Vec<SeriesType> {
    let mut types = if samples {
        SeriesType::ALL.to_vec()
    } else {
        Vec::new()
    };
    types.sort_by_key(|series| std::cmp::Reverse(series.as_str()));
    types
}

/// A part that comes in pieces.
#[derive(Debug)]
enum Part {
    /// The route from this point on.
    Route(Option<i32>),
    /// The samples of the type that is being read.
    Samples(Option<OneType>),
}

/// The samples of one type.
#[derive(Debug)]
struct OneType {
    series: SeriesType,
    reader: Box<SampleReader>,
    is_begun: bool,
}

/// Writes a workout and its parts.
struct Body {
    store: Store,
    workout: read::Workout,
    begin: Option<Vec<u8>>,
    parts: VecDeque<Part>,
    types: Vec<SeriesType>,
    /// Whether samples of a type are written already.
    has_types: bool,
    writer: SampleWriter,
}

impl Pieces for Body {
    async fn write(&mut self, out: &mut Vec<u8>) -> Answered<bool> {
        if let Some(begin) = self.begin.take() {
            out.extend(begin);
            self.begin_part(out);
        }
        while out.len() < PIECE_BYTES {
            match self.parts.pop_front() {
                None => {
                    out.push(b'}');
                    return Ok(false);
                }
                Some(Part::Route(Some(from))) => {
                    let next = self.write_points(out, from).await?;
                    self.parts.push_front(Part::Route(next));
                }
                Some(Part::Route(None)) => {
                    out.push(b']');
                    self.begin_part(out);
                }
                Some(Part::Samples(Some(one))) => {
                    let one = self.write_samples(out, one).await?;
                    self.parts.push_front(Part::Samples(one));
                }
                Some(Part::Samples(None)) => {
                    if let Some(series) = self.types.pop() {
                        let one = self.read(series);
                        self.parts.push_front(Part::Samples(Some(one)));
                    } else {
                        out.push(b'}');
                        self.begin_part(out);
                    }
                }
            }
        }
        Ok(true)
    }
}

impl Body {
    /// Writes the name of the part that comes next.
    fn begin_part(&self, out: &mut Vec<u8>) {
        match self.parts.front() {
            Some(Part::Route(_)) => out.extend(b",\"route\":["),
            Some(Part::Samples(_)) => out.extend(b",\"samples\":{"),
            None => {}
        }
    }

    async fn write_points(&self, out: &mut Vec<u8>, from: i32) -> Answered<Option<i32>> {
        let window = self.store.route_window(&self.workout, from).await?;
        let window = window.ok_or(ReadError::Changed)?;
        for (place, point) in window.points.iter().enumerate() {
            if from > RouteWindow::FIRST || place > 0 {
                out.push(b',');
            }
            append(out, &Point::from(point))?;
        }
        Ok(window.next)
    }

    fn read(&self, series: SeriesType) -> OneType {
        let selection = Selection {
            subject: Subject::Record(self.workout.connection_id, self.workout.record_id),
            types: vec![series],
            range: SampleRange::all(),
        };
        OneType {
            series,
            reader: Box::new(SampleReader::new(
                self.store.clone(),
                selection,
                Direction::Forward,
            )),
            is_begun: false,
        }
    }

    /// Writes samples of one type until a piece is full; gives what is to be gone on with.
    async fn write_samples(
        &mut self,
        out: &mut Vec<u8>,
        mut one: OneType,
    ) -> Answered<Option<OneType>> {
        while let Some(sample) = one.reader.next().await? {
            if one.is_begun {
                out.push(b',');
            } else {
                if std::mem::replace(&mut self.has_types, true) {
                    out.push(b',');
                }
                out.extend(format!("\"{}\":[", one.series).bytes());
                one.is_begun = true;
            }
            self.writer.write(out, &sample)?;
            if out.len() >= PIECE_BYTES {
                return Ok(Some(one));
            }
        }
        if one.is_begun {
            out.push(b']');
        }
        Ok(None)
    }
}
