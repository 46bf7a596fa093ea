//! Heart-rate zones of a workout.

use super::{Unreadable, leftover::Leftovers, number::whole, part::unless_empty, time::duration};
use crate::{accesslink::wire, model::record::Zone};

/// Zones of a workout. Polar has five.
const ZONE_LIMIT: usize = 100;

/// Normalizes the zones: their index is their rank by lower bound from 1, since Polar's own counts
/// from 0 at one source and from 1 at the other. An entry without a time stands for nothing.
pub(super) fn zones(
    zones: &[wire::HeartRateZone],
    left: &mut Leftovers,
) -> Result<Option<Vec<Zone>>, Unreadable> {
    if zones.len() > ZONE_LIMIT {
        let expected = format!("at most {ZONE_LIMIT} zones");
        return Err(Unreadable::new("zones", expected));
    }
    let mut zones: Vec<Zone> = zones
        .iter()
        .enumerate()
        .filter_map(|(position, zone)| {
            let place = |error: Unreadable| error.at_position(position).in_field("zones");
            left.unless(zone_of(zone).map_err(place))
        })
        .collect();
    zones.sort_by_key(|zone| (zone.lower_bpm, zone.upper_bpm));
    for (zone, rank) in zones.iter_mut().zip(1..) {
        zone.zone_index = rank;
    }
    Ok(unless_empty(zones))
}

fn zone_of(zone: &wire::HeartRateZone) -> Result<Option<Zone>, Unreadable> {
    let Some(in_zone) = &zone.in_zone else {
        return Ok(None);
    };
    let bound =
        |limit, path| whole(limit, path)?.ok_or_else(|| Unreadable::new(path, "beats a minute"));
    Ok(Some(Zone {
        zone_index: 0,
        lower_bpm: bound(zone.lower_limit, "lower_limit")?,
        upper_bpm: bound(zone.upper_limit, "upper_limit")?,
        in_zone_s: duration(in_zone, "in_zone")?.as_secs_f64(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::Piece;

    fn zone(lower_limit: f64, in_zone: &str) -> wire::HeartRateZone {
        wire::HeartRateZone {
            lower_limit: Some(lower_limit),
            upper_limit: Some(lower_limit + 20.0),
            in_zone: Some(in_zone.to_owned()),
        }
    }

    /// Rank, bounds and seconds of a zone.
    type Row = (i16, i16, i16, f64);

    /// The zones, and what is left over.
    fn read(given: &[wire::HeartRateZone]) -> (Vec<Row>, Vec<String>) {
        let mut left = Leftovers::of(Piece::Zones);
        let zones = zones(given, &mut left).unwrap().unwrap_or_default();
        let read = |zone: &Zone| {
            (
                zone.zone_index,
                zone.lower_bpm,
                zone.upper_bpm,
                zone.in_zone_s,
            )
        };
        let left = left.into_vec();
        (
            zones.iter().map(read).collect(),
            left.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn the_index_is_the_rank_by_lower_bound() {
        let (zones, left) = read(&[
            zone(140.0, "PT1M1.5S"),
            zone(100.0, "PT0S"),
            zone(120.0, "PT1H"),
        ]);
        assert_eq!(
            zones,
            [
                (1, 100, 120, 0.0),
                (2, 120, 140, 3600.0),
                (3, 140, 160, 61.5)
            ]
        );
        assert_eq!(left, Vec::<String>::new());
        assert_eq!(read(&[]), (vec![], vec![]));
    }

    #[test]
    fn an_unreadable_zone_costs_only_itself() {
        let nothing = wire::HeartRateZone {
            in_zone: None,
            ..zone(1.0, "")
        };
        let unbounded = wire::HeartRateZone {
            upper_limit: None,
            ..zone(80.0, "PT1S")
        };
        let (zones, left) = read(&[
            zone(100.0, "PT1S"),
            zone(120.0, "a while"),
            nothing,
            zone(1e9, "PT1S"),
            unbounded,
        ]);
        assert_eq!(zones, [(1, 100, 120, 1.0)]);
        let begins = [
            "zones[1].in_zone",
            "zones[3].lower_limit",
            "zones[4].upper_limit",
        ];
        assert_eq!(left.len(), begins.len());
        for (left, begin) in left.iter().zip(begins) {
            assert!(left.starts_with(begin), "{left}");
        }
        let many = vec![zone(1.0, "PT1S"); ZONE_LIMIT + 1];
        assert!(super::zones(&many, &mut Leftovers::of(Piece::Zones)).is_err());
    }
}
