//! The details of a workout beside its summary.

use serde::{Deserialize, Serialize};

super::vocabulary! {
    /// A detail of a workout that a request may want to see stored.
    Detail, "detail" {
        /// Every sample series.
        Samples = "samples",
        /// Heart-rate zones.
        Zones = "zones",
        /// The route.
        Route = "route",
    }
}

/// A set of [`Detail`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Detail>", into = "Vec<Detail>")]
pub struct Details(u8);

impl Details {
    /// No detail: the summary alone.
    pub const NONE: Self = Self(0);
    /// Every detail.
    pub const ALL: Self = Self(0b111);

    /// Whether `detail` is in the set.
    pub const fn contains(self, detail: Detail) -> bool {
        self.0 & Self::bit(detail) != 0
    }

    /// Whether every detail of `other` is in this set.
    pub const fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// The details of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The details in the set, in the vocabulary's order.
    pub fn iter(self) -> impl Iterator<Item = Detail> {
        Detail::ALL
            .iter()
            .copied()
            .filter(move |detail| self.contains(*detail))
    }

    const fn bit(detail: Detail) -> u8 {
        match detail {
            Detail::Samples => 0b001,
            Detail::Zones => 0b010,
            Detail::Route => 0b100,
        }
    }
}

impl FromIterator<Detail> for Details {
    fn from_iter<I: IntoIterator<Item = Detail>>(details: I) -> Self {
        Self(
            details
                .into_iter()
                .fold(0, |bits, detail| bits | Self::bit(detail)),
        )
    }
}

impl From<Vec<Detail>> for Details {
    fn from(details: Vec<Detail>) -> Self {
        details.into_iter().collect()
    }
}

impl From<Details> for Vec<Detail> {
    fn from(details: Details) -> Self {
        details.iter().collect()
    }
}
