//! How the values of a series are stored: the smallest array that holds every one of them exactly.
//!
//! Polar sends decimals. A value is kept as an integer, multiplied by the fewest powers of ten that
//! lose nothing; speed is counted in km/h for this, since it is there that Polar's decimals end.
//! What has too many digits for that (distances are float32 in decimal clothes) is kept as a
//! floating-point number. What is read back is `value / divisor`.

use crate::model::record::SeriesType;

use super::fingerprint::Feed;

/// The most decimals that are tried.
const DECIMALS_MAX: i32 = 6;

/// A value may differ by this much from what was given, in the unit in which decimals are counted: far
/// less than the last decimal that is tried, far more than the rounding of a change of unit.
const EXACTNESS: f64 = 1e-9;

/// Values as they are stored; `None` is a gap.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Encoded {
    pub(super) divisor: f64,
    pub(super) values: Values,
}

/// The array that holds the values.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) enum Values {
    Small(Vec<Option<i16>>),
    Wide(Vec<Option<i32>>),
    Single(Vec<Option<f32>>),
    Double(Vec<Option<f64>>),
}

impl Values {
    /// How many there are, gaps included.
    pub(in crate::store) const fn len(&self) -> usize {
        match self {
            Self::Small(values) => values.len(),
            Self::Wide(values) => values.len(),
            Self::Single(values) => values.len(),
            Self::Double(values) => values.len(),
        }
    }

    /// The value at a place, before it is divided; `None` for a gap.
    pub(in crate::store) fn get(&self, place: usize) -> Option<f64> {
        match self {
            Self::Small(values) => values.get(place).copied().flatten().map(f64::from),
            Self::Wide(values) => values.get(place).copied().flatten().map(f64::from),
            Self::Single(values) => values.get(place).copied().flatten().map(f64::from),
            Self::Double(values) => values.get(place).copied().flatten(),
        }
    }
}

impl Feed for Encoded {
    fn feed(&self, bytes: &mut Vec<u8>) {
        self.divisor.feed(bytes);
        match &self.values {
            Values::Small(values) => values.feed(bytes),
            Values::Wide(values) => values.feed(bytes),
            Values::Single(values) => values.feed(bytes),
            Values::Double(values) => values.feed(bytes),
        }
    }
}

/// Encodes values given in the unit of [`SeriesType::unit`].
pub(super) fn encode(series: SeriesType, values: &[Option<f64>]) -> Encoded {
    let unit_factor = storage_factor(series);
    integers(values, unit_factor)
        .or_else(|| singles(values))
        .unwrap_or_else(|| Encoded {
            divisor: 1.0,
            values: Values::Double(values.to_vec()),
        })
}

/// What a value is multiplied by before its decimals are counted.
const fn storage_factor(series: SeriesType) -> f64 {
    match series {
        SeriesType::Speed => 3.6,
        SeriesType::HeartRate
        | SeriesType::Cadence
        | SeriesType::Elevation
        | SeriesType::Power
        | SeriesType::PedallingIndex
        | SeriesType::LeftRightBalance
        | SeriesType::AirPressure
        | SeriesType::RunningCadence
        | SeriesType::AirTemperature
        | SeriesType::Distance
        | SeriesType::RrInterval
        | SeriesType::HeartRateVariabilityRmssd
        | SeriesType::RespiratoryRate
        | SeriesType::Steps => 1.0,
    }
}

fn integers(values: &[Option<f64>], unit_factor: f64) -> Option<Encoded> {
    let scale = (0..=DECIMALS_MAX)
        .map(|decimals| 10_f64.powi(decimals))
        .find(|scale| {
            values.iter().flatten().all(|value| {
                let scaled = value * unit_factor * scale;
                (scaled - scaled.round()).abs() <= EXACTNESS * scale
            })
        })?;
    let divisor = unit_factor * scale;
    let largest = values.iter().flatten().fold(0.0_f64, |largest, value| {
        largest.max((value * divisor).abs().round())
    });
    let values = if largest <= f64::from(i16::MAX) {
        Values::Small(map(values, |value| to_i16(value * divisor)))
    } else if largest <= f64::from(i32::MAX) {
        Values::Wide(map(values, |value| to_i32(value * divisor)))
    } else {
        return None;
    };
    Some(Encoded { divisor, values })
}

fn singles(values: &[Option<f64>]) -> Option<Encoded> {
    let is_single = |value: &f64| f64::from(to_f32(*value)).to_bits() == value.to_bits();
    values.iter().flatten().all(is_single).then(|| Encoded {
        divisor: 1.0,
        values: Values::Single(map(values, to_f32)),
    })
}

fn map<T>(values: &[Option<f64>], to: impl Fn(f64) -> T) -> Vec<Option<T>> {
    values.iter().map(|value| value.map(&to)).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the caller compared it with the range"
)]
fn to_i16(value: f64) -> i16 {
    value.round() as i16
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the caller compared it with the range"
)]
fn to_i32(value: f64) -> i32 {
    value.round() as i32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the caller keeps it only when nothing is lost"
)]
fn to_f32(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a reader gets: the arithmetic of `api_v1.timeseries`.
    fn decode(encoded: &Encoded) -> Vec<Option<f64>> {
        (0..encoded.values.len())
            .map(|place| Some(encoded.values.get(place)? / encoded.divisor))
            .collect()
    }

    fn array(series: SeriesType, values: &[Option<f64>]) -> &'static str {
        match encode(series, values).values {
            Values::Small(_) => "small",
            Values::Wide(_) => "wide",
            Values::Single(_) => "single",
            Values::Double(_) => "double",
        }
    }

    #[test]
    fn the_smallest_exact_array_is_chosen() {
        let heart_rate = |values: &[Option<f64>]| array(SeriesType::HeartRate, values);
        assert_eq!(heart_rate(&[Some(61.0), None, Some(32_767.0)]), "small");
        assert_eq!(heart_rate(&[Some(32_768.0)]), "wide");
        assert_eq!(heart_rate(&[Some(-32_767.5)]), "wide");
        assert_eq!(heart_rate(&[None, None]), "small");
        assert_eq!(heart_rate(&[Some(f64::from(i32::MAX))]), "wide");
        assert_eq!(heart_rate(&[Some(2_147_483_648.0)]), "single");
        assert_eq!(heart_rate(&[Some(5_995.100_097_656_25)]), "single");
        assert_eq!(heart_rate(&[Some(5_995.100_097_656_251)]), "double");
        assert_eq!(heart_rate(&[Some(f64::INFINITY)]), "single");
    }

    #[test]
    fn the_last_decimal_is_not_rounded_away() {
        let value = Some(-1_938.660_619);
        assert_eq!(decode(&encode(SeriesType::Cadence, &[value])), [value]);
    }

    #[test]
    fn decimals_are_counted_in_the_unit_that_polar_sends() {
        let km_per_h = [18.5, 0.0, 36.1, 7.25];
        let values: Vec<_> = km_per_h.iter().map(|v| Some(v / 3.6)).collect();
        let encoded = encode(SeriesType::Speed, &values);
        assert_eq!(
            encoded.values,
            Values::Small(vec![Some(1850), Some(0), Some(3610), Some(725)])
        );
    }

    proptest! {
        #[test]
        fn every_value_comes_back(
            series in proptest::sample::select(SeriesType::ALL),
            decimals in 0..9,
            values in proptest::collection::vec(proptest::option::of(-1e9..1e9), 1..50),
        ) {
            let scale = 10_f64.powi(decimals);
            let values: Vec<_> = values
                .into_iter()
                .map(|value: Option<f64>| value.map(|v| (v / 1e4 * scale).round() / scale))
                .collect();
            let read = decode(&encode(series, &values));
            prop_assert_eq!(read.len(), values.len());
            for (read, value) in read.iter().zip(&values) {
                prop_assert_eq!(read.is_some(), value.is_some());
                if let (Some(read), Some(value)) = (read, value) {
                    prop_assert!((read - value).abs() <= EXACTNESS, "{} for {}", read, value);
                }
            }
        }

        #[test]
        fn floats_of_either_width_come_back_to_the_bit(values in proptest::collection::vec(1e7_f32..1e30, 1..20)) {
            let values: Vec<_> = values.into_iter().map(|v| Some(f64::from(v) * 1.5)).collect();
            prop_assert_eq!(decode(&encode(SeriesType::Distance, &values)), values);
        }
    }
}
