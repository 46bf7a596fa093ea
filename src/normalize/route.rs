//! The route of a workout.

use jiff::Timestamp;

use super::{
    Unreadable,
    leftover::Leftovers,
    part::unless_empty,
    time::{duration, utc},
};
use crate::{
    accesslink::wire::{self, gpx::TrackPoint},
    model::record::RoutePoint,
};

/// A route as one of Polar's two interfaces gives it.
#[derive(Debug, Clone, PartialEq)]
pub enum Route {
    /// The track points of a GPX document, with instants of UTC.
    Gpx(Vec<TrackPoint>),
    /// The points of `/v3/exercises`, with durations from the start.
    Points(Vec<wire::RoutePoint>),
}

/// Normalizes the route of a workout that starts at `started_at`. A point that is not on Earth is left
/// out; one whose time is not understood keeps its place.
pub(super) fn route(
    route: &Route,
    started_at: Timestamp,
    left: &mut Leftovers,
) -> Option<Vec<RoutePoint>> {
    let points = match route {
        Route::Gpx(points) => each(points, left, |point| Read {
            at: track_time(point),
            latitude: point.latitude,
            longitude: point.longitude,
            altitude_m: point.altitude_m,
        }),
        Route::Points(points) => each(points, left, |point| Read {
            at: time_from(started_at, point),
            latitude: point.latitude,
            longitude: point.longitude,
            altitude_m: None,
        }),
    };
    unless_empty(points)
}

/// A point of either interface.
struct Read {
    at: Result<Option<Timestamp>, Unreadable>,
    latitude: f64,
    longitude: f64,
    altitude_m: Option<f64>,
}

fn each<P>(points: &[P], left: &mut Leftovers, read: impl Fn(&P) -> Read) -> Vec<RoutePoint> {
    let mut read_points = Vec::with_capacity(points.len());
    for (position, point) in points.iter().enumerate() {
        let place = |error: Unreadable| error.at_position(position).in_field("route");
        let point = read(point);
        let coordinates = degrees(point.latitude, 90.0, "latitude")
            .and_then(|latitude| Ok((latitude, degrees(point.longitude, 180.0, "longitude")?)));
        if let Some((latitude, longitude)) = left.unless(coordinates.map(Some).map_err(place)) {
            read_points.push(RoutePoint {
                at: left.unless(point.at.map_err(place)),
                latitude,
                longitude,
                altitude_m: point.altitude_m,
            });
        }
    }
    read_points
}

fn track_time(point: &TrackPoint) -> Result<Option<Timestamp>, Unreadable> {
    let time = point.time.as_deref();
    time.map(|time| utc(time, "time")).transpose()
}

fn time_from(
    started_at: Timestamp,
    point: &wire::RoutePoint,
) -> Result<Option<Timestamp>, Unreadable> {
    let Some(time) = &point.time else {
        return Ok(None);
    };
    started_at
        .checked_add(duration(time, "time")?)
        .map(Some)
        .map_err(|_| Unreadable::new("time", "a time before the year 9999"))
}

fn degrees(value: f64, limit: f64, path: &str) -> Result<f64, Unreadable> {
    if value.abs() <= limit {
        Ok(value)
    } else {
        let expected = format!("degrees between -{limit} and {limit}");
        Err(Unreadable::new(path, expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::Piece;

    fn started_at() -> Timestamp {
        "2031-05-06T05:00:00Z".parse().unwrap()
    }

    fn track(latitude: f64, longitude: f64, time: Option<&str>) -> Route {
        Route::Gpx(vec![TrackPoint {
            latitude,
            longitude,
            altitude_m: Some(-3.5),
            time: time.map(str::to_owned),
        }])
    }

    /// The points of a route, and what is left over.
    fn read(given: &Route) -> (Vec<RoutePoint>, Vec<String>) {
        let mut left = Leftovers::of(Piece::Route);
        let points = route(given, started_at(), &mut left).unwrap_or_default();
        let left = left.into_vec();
        (points, left.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn track_points_carry_their_own_instants() {
        let (with, left) = read(&track(-90.0, 180.0, Some("2031-05-06T05:00:01.5Z")));
        assert_eq!(
            with,
            [RoutePoint {
                at: Some("2031-05-06T05:00:01.5Z".parse().unwrap()),
                latitude: -90.0,
                longitude: 180.0,
                altitude_m: Some(-3.5),
            }]
        );
        assert_eq!(left, Vec::<String>::new());
        assert_eq!(read(&track(0.0, 0.0, None)).0[0].at, None);
    }

    #[test]
    fn points_of_v3_exercises_count_from_the_start() {
        let points = ["PT0S", "PT3610.026S"].map(|time| wire::RoutePoint {
            latitude: 61.5,
            longitude: 23.75,
            time: Some(time.to_owned()),
        });
        let (points, _) = read(&Route::Points(points.to_vec()));
        assert_eq!(points[0].at, Some(started_at()));
        assert_eq!(
            points[1].at,
            Some("2031-05-06T06:00:10.026Z".parse().unwrap())
        );
    }

    #[test]
    fn what_is_not_on_earth_is_left_out_and_named_without_its_value() {
        for (latitude, longitude) in [(90.1, 0.0), (0.0, -180.1), (f64::NAN, 0.0)] {
            let (points, left) = read(&track(latitude, longitude, None));
            assert_eq!(points, []);
            assert!(left[0].starts_with("route[0].l"), "{left:?}");
        }
        let (points, left) = read(&track(0.0, 0.0, Some("noon")));
        assert_eq!((points.len(), points[0].at), (1, None));
        assert!(left[0].starts_with("route[0].time: "), "{left:?}");
    }
}
