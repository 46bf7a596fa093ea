//! A part of a record, from what was fetched of it.

use super::{
    Leftover, Unreadable,
    leftover::{Leftovers, Piece},
};
use crate::model::record::Part;

/// Normalizes a part that is present. What cannot be understood is reported and costs nothing but
/// itself; where nothing else is left, the part is marked. Without content it is what Polar does not
/// have, so that it replaces nothing that is stored.
pub(super) fn normalize<B, T>(
    part: Part<B>,
    piece: Piece,
    leftovers: &mut Vec<Leftover>,
    read: impl FnOnce(B, &mut Leftovers) -> Result<Option<T>, Unreadable>,
) -> Part<T> {
    let mut left = Leftovers::of(piece);
    let part = match part.map(|body| read(body, &mut left)) {
        Part::Present(Ok(Some(content))) => Part::Present(content),
        Part::Present(Ok(None)) if left.is_empty() => Part::Absent,
        Part::Present(Ok(None)) | Part::Unreadable => Part::Unreadable,
        Part::Present(Err(error)) => {
            left.push(error);
            Part::Unreadable
        }
        Part::NotRequested => Part::NotRequested,
        Part::Absent => Part::Absent,
        Part::Gone => Part::Gone,
    };
    leftovers.extend(left.into_vec());
    part
}

/// A list, unless it has no entries.
pub(super) fn unless_empty<T>(rows: Vec<T>) -> Option<Vec<T>> {
    (!rows.is_empty()).then_some(rows)
}
