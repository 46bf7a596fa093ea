//! A part of a record, from what was fetched of it.

use super::{Leftover, Unreadable};
use crate::model::record::Part;

/// Normalizes a part that is present. One that cannot be understood is reported and marked, so that
/// it costs nothing but itself.
pub(super) fn normalize<B, T>(
    part: Part<B>,
    leftovers: &mut Vec<Leftover>,
    read: impl FnOnce(B) -> Result<T, Unreadable>,
) -> Part<T> {
    match part.map(read) {
        Part::Present(Ok(rows)) => Part::Present(rows),
        Part::Present(Err(error)) => {
            leftovers.push(error.into());
            Part::Unreadable
        }
        Part::NotRequested => Part::NotRequested,
        Part::Absent => Part::Absent,
        Part::Gone => Part::Gone,
        Part::Unreadable => Part::Unreadable,
    }
}

/// A list without entries is what Polar does not have: it must not replace what is stored.
pub(super) fn absent_if_empty<T>(part: Part<Vec<T>>) -> Part<Vec<T>> {
    match part {
        Part::Present(rows) if rows.is_empty() => Part::Absent,
        part => part,
    }
}
