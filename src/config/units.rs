//! Numbers: durations, sizes, shares and counts.

use std::{fmt, str::FromStr, time};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::words::{InvalidValue, as_text};

/// A duration as people write it: `30s`, `10m`, `6h`, `90d`. Never zero, and at most 584 years: then it
/// has a text in any unit, as no number of a text exceeds 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(time::Duration);

impl Duration {
    /// The duration for the standard library.
    pub const fn get(self) -> time::Duration {
        self.0
    }
}

impl FromStr for Duration {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match humantime::parse_duration(text) {
            Ok(duration) if (1..=u64::MAX.into()).contains(&duration.as_nanos()) => {
                Ok(Self(duration))
            }
            _ => Err(InvalidValue(format!(
                "{text:?} is not a duration from 1ns to 584 years; write a number with its unit, for example 30s, 10m, 6h or 90d"
            ))),
        }
    }
}

impl fmt::Display for Duration {
    /// The largest unit that says it exactly, so that `90d` does not come back as months.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS_MS: [(u128, &str); 5] = [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1_000, "s"),
            (1, "ms"),
        ];
        let nanos = self.0.as_nanos();
        let exact = UNITS_MS
            .iter()
            .find(|(unit_ms, _)| nanos.is_multiple_of(unit_ms * 1_000_000));
        match exact {
            Some((unit_ms, name)) => write!(f, "{}{name}", nanos / (unit_ms * 1_000_000)),
            None => write!(f, "{nanos}ns"),
        }
    }
}
as_text!(Duration);

/// A number of bytes as people write it: `512KiB`, `64MiB`. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(u64);

impl Bytes {
    const UNITS: [(u64, &'static str); 4] = [
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
        (1, "B"),
    ];

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Bytes {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = Self::UNITS.iter().find_map(|(size, unit)| {
            let count: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            count.checked_mul(*size)
        });
        match parsed {
            Some(bytes) if bytes > 0 => Ok(Self(bytes)),
            _ => Err(InvalidValue(format!(
                "{text:?} is not a size above zero; write a whole number with its unit, for example 64MiB (B, KiB, MiB, GiB)"
            ))),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = Self::UNITS
            .iter()
            .find(|(size, _)| self.0.is_multiple_of(*size));
        let (size, unit) = exact.unwrap_or(&(1, "B"));
        write!(f, "{}{unit}", self.0 / size)
    }
}
as_text!(Bytes);

/// A share of a whole, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Share(f64);

impl Share {
    /// The share as a factor.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(deserializer)?;
        if (0.0..=1.0).contains(&share) {
            Ok(Self(share))
        } else {
            let message =
                format!("{share} is not a share; write a number from 0 to 1, for example 0.1");
            Err(D::Error::custom(message))
        }
    }
}

/// A number of things, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Count(u32);

impl Count {
    /// More of anything that is counted here is a slip of the finger.
    const MAX: u32 = 1_000_000;

    /// The number, never zero.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        let count = u32::try_from(number)
            .ok()
            .filter(|count| (1..=Self::MAX).contains(count));
        count.map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "{number} is out of range; write a whole number from 1 to {}",
                Self::MAX
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_come_back_as_they_were_written() {
        for text in ["250ms", "30s", "9m", "90m", "6h", "90d"] {
            assert_eq!(text.parse::<Duration>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_duration_needs_a_unit_and_is_not_zero() {
        for text in ["", "30", "0s", "-1s", "ten minutes", "10x"] {
            let error = text.parse::<Duration>().unwrap_err().to_string();
            assert!(error.contains("for example 30s"), "{text}: {error}");
        }
    }

    #[test]
    fn the_longest_duration_is_printed_and_taken_again() {
        let longest = format!("{}ns", u64::MAX);
        let printed = longest.parse::<Duration>().unwrap().to_string();
        assert_eq!(printed, longest);
        for text in ["1000years 1ns", "500000000000years 1ms", "1000000d"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_need_a_unit_and_do_not_overflow() {
        assert_eq!("64MiB".parse::<Bytes>().unwrap().get(), 64 << 20);
        assert_eq!("1 KiB".parse::<Bytes>().unwrap().to_string(), "1KiB");
        for text in ["", "64", "0B", "64MB", "1.5MiB", "99999999999GiB"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_share_lies_between_zero_and_one() {
        for share in ["0", "0.05", "1"] {
            assert!(serde_json::from_str::<Share>(share).is_ok(), "{share}");
        }
        for share in ["-0.1", "1.1", "30"] {
            assert!(serde_json::from_str::<Share>(share).is_err(), "{share}");
        }
    }

    #[test]
    fn a_count_is_at_least_one_and_within_reason() {
        for count in ["1", "1000000"] {
            assert!(serde_json::from_str::<Count>(count).is_ok(), "{count}");
        }
        for count in ["0", "-1", "1000001"] {
            assert!(serde_json::from_str::<Count>(count).is_err(), "{count}");
        }
    }
}
