//! The route of a workout.

use jiff::Timestamp;

use super::{
    Unreadable,
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

/// Normalizes the route of a workout that starts at `started_at`.
pub(super) fn route(route: &Route, started_at: Timestamp) -> Result<Vec<RoutePoint>, Unreadable> {
    match route {
        Route::Gpx(points) => each(points, track_point),
        Route::Points(points) => each(points, |point| route_point(point, started_at)),
    }
}

fn each<P>(
    points: &[P],
    read: impl Fn(&P) -> Result<RoutePoint, Unreadable>,
) -> Result<Vec<RoutePoint>, Unreadable> {
    points
        .iter()
        .enumerate()
        .map(|(position, point)| {
            read(point).map_err(|error| error.at_position(position).in_field("route"))
        })
        .collect()
}

fn track_point(point: &TrackPoint) -> Result<RoutePoint, Unreadable> {
    Ok(RoutePoint {
        at: point
            .time
            .as_deref()
            .map(|time| utc(time, "time"))
            .transpose()?,
        latitude: degrees(point.latitude, 90.0, "latitude")?,
        longitude: degrees(point.longitude, 180.0, "longitude")?,
        altitude_m: point.altitude_m,
    })
}

fn route_point(point: &wire::RoutePoint, started_at: Timestamp) -> Result<RoutePoint, Unreadable> {
    let passed = |time: &String| {
        started_at
            .checked_add(duration(time, "time")?)
            .map_err(|_| Unreadable::new("time", "a time before the year 9999"))
    };
    Ok(RoutePoint {
        at: point.time.as_ref().map(passed).transpose()?,
        latitude: degrees(point.latitude, 90.0, "latitude")?,
        longitude: degrees(point.longitude, 180.0, "longitude")?,
        altitude_m: None,
    })
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

    #[test]
    fn track_points_carry_their_own_instants() {
        let with = route(
            &track(-90.0, 180.0, Some("2031-05-06T05:00:01.5Z")),
            started_at(),
        );
        let without = route(&track(0.0, 0.0, None), started_at()).unwrap();
        assert_eq!(
            with.unwrap(),
            [RoutePoint {
                at: Some("2031-05-06T05:00:01.5Z".parse().unwrap()),
                latitude: -90.0,
                longitude: 180.0,
                altitude_m: Some(-3.5),
            }]
        );
        assert_eq!(without[0].at, None);
    }

    #[test]
    fn points_of_v3_exercises_count_from_the_start() {
        let points = ["PT0S", "PT3610.026S"].map(|time| wire::RoutePoint {
            latitude: 61.5,
            longitude: 23.75,
            time: Some(time.to_owned()),
        });
        let read = route(&Route::Points(points.to_vec()), started_at()).unwrap();
        assert_eq!(read[0].at, Some(started_at()));
        assert_eq!(
            read[1].at,
            Some("2031-05-06T06:00:10.026Z".parse().unwrap())
        );
    }

    #[test]
    fn what_is_not_on_earth_is_named_without_its_value() {
        for (latitude, longitude) in [(90.1, 0.0), (0.0, -180.1), (f64::NAN, 0.0)] {
            let error = route(&track(latitude, longitude, None), started_at()).unwrap_err();
            assert!(error.path.starts_with("route[0].l"), "{error}");
        }
        let error = route(&track(0.0, 0.0, Some("noon")), started_at()).unwrap_err();
        assert_eq!(error.path, "route[0].time");
    }
}
