//! Heart-rate zones of a workout.

use super::{Unreadable, number::whole, time::duration};
use crate::{accesslink::wire, model::record::Zone};

/// Zones of a workout. Polar has five.
const ZONE_LIMIT: usize = 100;

/// Normalizes the zones: their index is their rank by lower bound from 1, since Polar's own counts
/// from 0 at one source and from 1 at the other.
pub(super) fn zones(zones: &[wire::HeartRateZone]) -> Result<Vec<Zone>, Unreadable> {
    if zones.len() > ZONE_LIMIT {
        let expected = format!("at most {ZONE_LIMIT} zones");
        return Err(Unreadable::new("zones", expected));
    }
    let mut zones: Vec<Zone> = zones
        .iter()
        .enumerate()
        .map(|(position, zone)| {
            zone_of(zone).map_err(|error| error.at_position(position).in_field("zones"))
        })
        .collect::<Result<_, _>>()?;
    zones.sort_by_key(|zone| (zone.lower_bpm, zone.upper_bpm));
    for (zone, rank) in zones.iter_mut().zip(1..) {
        zone.zone_index = rank;
    }
    Ok(zones)
}

fn zone_of(zone: &wire::HeartRateZone) -> Result<Zone, Unreadable> {
    let bound = |limit, path| {
        whole(Some(limit), path)?.ok_or_else(|| Unreadable::new(path, "beats a minute"))
    };
    Ok(Zone {
        zone_index: 0,
        lower_bpm: bound(zone.lower_limit, "lower_limit")?,
        upper_bpm: bound(zone.upper_limit, "upper_limit")?,
        in_zone_s: duration(&zone.in_zone, "in_zone")?.as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(lower_limit: f64, in_zone: &str) -> wire::HeartRateZone {
        wire::HeartRateZone {
            lower_limit,
            upper_limit: lower_limit + 20.0,
            in_zone: in_zone.to_owned(),
        }
    }

    #[test]
    fn the_index_is_the_rank_by_lower_bound() {
        let read = zones(&[
            zone(140.0, "PT1M1.5S"),
            zone(100.0, "PT0S"),
            zone(120.0, "PT1H"),
        ])
        .unwrap();
        let read: Vec<_> = read
            .iter()
            .map(|zone| {
                (
                    zone.zone_index,
                    zone.lower_bpm,
                    zone.upper_bpm,
                    zone.in_zone_s,
                )
            })
            .collect();
        assert_eq!(
            read,
            [
                (1, 100, 120, 0.0),
                (2, 120, 140, 3600.0),
                (3, 140, 160, 61.5)
            ]
        );
        assert_eq!(zones(&[]).unwrap(), []);
    }

    #[test]
    fn an_unreadable_zone_is_named() {
        let error = zones(&[zone(100.0, "PT1S"), zone(120.0, "a while")]).unwrap_err();
        assert_eq!(error.path, "zones[1].in_zone");
        assert_eq!(
            zones(&[zone(1e9, "PT1S")]).unwrap_err().path,
            "zones[0].lower_limit"
        );
        assert!(zones(&vec![zone(1.0, "PT1S"); ZONE_LIMIT + 1]).is_err());
    }
}
