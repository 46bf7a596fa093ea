//! What of a record stays in its raw body only.

use super::Unreadable;
use crate::model::record::SeriesType;

/// A record, and what of its bodies could not be brought into it.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalized<T> {
    /// The record.
    pub record: T,
    /// To be reported; the record is good without them.
    pub leftovers: Vec<Leftover>,
}

/// A piece of a record's bodies. Each may have a body of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// The summary.
    Summary,
    /// Heart-rate zones of a workout.
    Zones,
    /// A sample series of a workout, by its position among those that were given.
    Series(usize),
    /// The route of a workout.
    Route,
    /// Steps of a day.
    StepSamples,
    /// Activity zones of a day.
    ZoneSamples,
}

/// Something that is kept raw, because no record has a place for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Leftover {
    /// Where it stands.
    pub piece: Piece,
    /// Why it is left over.
    pub reason: Reason,
}

/// Why something is left over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A sample type that is not known here.
    #[error("sample type {id} is not known: a newer release may read it from the raw body")]
    UnknownSampleType {
        /// Polar's id of it.
        id: u16,
    },
    /// A series without a recording rate: nobody knows where its samples stand in time.
    #[error(
        "{series} has no recording rate, so its samples have no time: they stay in the raw body"
    )]
    NoRecordingRate {
        /// What is measured.
        series: SeriesType,
    },
    /// It does not have the known form.
    #[error("{0}: it stays in the raw body")]
    Unreadable(#[from] Unreadable),
}

impl Leftover {
    /// Something of a piece that does not have the known form.
    pub fn unreadable(piece: Piece, error: Unreadable) -> Self {
        Self {
            piece,
            reason: error.into(),
        }
    }
}

/// The most leftovers of one piece that are named: what is odd a hundred times is odd alike.
const LEFTOVERS_MAX: usize = 100;

/// Collects what is left over of one piece.
#[derive(Debug)]
pub(super) struct Leftovers {
    piece: Piece,
    all: Vec<Leftover>,
}

impl Leftovers {
    pub(super) const fn of(piece: Piece) -> Self {
        Self {
            piece,
            all: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, error: Unreadable) {
        if self.all.len() < LEFTOVERS_MAX {
            self.all.push(Leftover::unreadable(self.piece, error));
        }
    }

    /// A value, or none where it is not understood.
    pub(super) fn unless<T>(&mut self, read: Result<Option<T>, Unreadable>) -> Option<T> {
        read.unwrap_or_else(|error| {
            self.push(error);
            None
        })
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn into_vec(self) -> Vec<Leftover> {
        self.all
    }
}
