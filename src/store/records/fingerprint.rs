//! The fingerprint of what is stored: two records with the same one are the same to every reader.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::{Timestamp, civil::Date};

/// The first half of a SHA-256: enough to tell the versions of one record apart.
pub(super) type Hash = [u8; 16];

/// Collects values as they will be stored, and hashes them.
#[derive(Debug, Default)]
pub(super) struct Fingerprint(Vec<u8>);

impl Fingerprint {
    /// Adds a value. The order of the calls is part of the fingerprint.
    #[must_use]
    pub(super) fn with(mut self, value: &(impl Feed + ?Sized)) -> Self {
        value.feed(&mut self.0);
        self
    }

    /// The hash of all values.
    pub(super) fn finish(self) -> Hash {
        let mut hash = Hash::default();
        for (byte, digested) in hash
            .iter_mut()
            .zip(digest(&SHA256, &self.0).as_ref().iter())
        {
            *byte = *digested;
        }
        hash
    }
}

/// A value in the form in which a fingerprint takes it: self-delimiting, and equal exactly when
/// Postgres stores the same.
pub(super) trait Feed {
    /// Appends the value.
    fn feed(&self, bytes: &mut Vec<u8>);
}

/// Feeds numbers as their little-endian bytes.
macro_rules! feed_numbers {
    ($($number:ty),+) => {
        $(impl Feed for $number {
            fn feed(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        })+
    };
}
feed_numbers!(u8, i16, i32, i64, f32, f64);

impl Feed for bool {
    fn feed(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(*self));
    }
}

impl Feed for str {
    fn feed(&self, bytes: &mut Vec<u8>) {
        self.as_bytes().feed(bytes);
    }
}

impl Feed for String {
    fn feed(&self, bytes: &mut Vec<u8>) {
        self.as_str().feed(bytes);
    }
}

impl Feed for Timestamp {
    fn feed(&self, bytes: &mut Vec<u8>) {
        // Postgres keeps microseconds.
        self.as_microsecond().feed(bytes);
    }
}

impl Feed for Date {
    fn feed(&self, bytes: &mut Vec<u8>) {
        self.year().feed(bytes);
        self.day_of_year().feed(bytes);
    }
}

impl<T: Feed> Feed for [T] {
    fn feed(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.len().to_le_bytes());
        for value in self {
            value.feed(bytes);
        }
    }
}

impl<T: Feed> Feed for Vec<T> {
    fn feed(&self, bytes: &mut Vec<u8>) {
        self.as_slice().feed(bytes);
    }
}

impl<T: Feed> Feed for Option<T> {
    fn feed(&self, bytes: &mut Vec<u8>) {
        self.is_some().feed(bytes);
        if let Some(value) = self {
            value.feed(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_moves_to_the_next_field_changes_the_fingerprint() {
        let of = |a: Option<i16>, b: Option<i16>| Fingerprint::default().with(&a).with(&b).finish();
        assert_eq!(of(Some(1), None), of(Some(1), None));
        assert_ne!(of(Some(1), None), of(None, Some(1)));
        let of = |a: &str, b: &str| Fingerprint::default().with(a).with(b).finish();
        assert_ne!(of("ab", "c"), of("a", "bc"));
    }

    #[test]
    fn what_postgres_cannot_tell_apart_has_one_fingerprint() {
        let at = |nanoseconds| {
            let at = Timestamp::from_nanosecond(nanoseconds).unwrap();
            Fingerprint::default().with(&at).finish()
        };
        assert_eq!(at(1_000), at(1_999));
        assert_ne!(at(1_000), at(2_000));
    }
}
