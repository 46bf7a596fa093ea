//! The states of a record's parts: what readers are told about samples, zones and routes.

use crate::model::record::Part;

use super::fingerprint::{Feed, Hash};

/// What is known of a part, in the order in which a part may move on and never back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(super) enum PartState {
    /// Nobody asked for it.
    NotRequested,
    /// Polar has none for now, or none that can be read.
    Absent,
    /// Polar no longer has it.
    Gone,
    /// It is stored.
    Stored,
}

impl PartState {
    /// The word that readers see.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::NotRequested => "not_requested",
            Self::Absent => "absent",
            Self::Gone => "gone",
            Self::Stored => "stored",
        }
    }
}

/// A part as a record's row keeps it: the state, and the hash of what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartMark {
    pub(super) state: PartState,
    pub(super) hash: Option<Vec<u8>>,
}

impl PartMark {
    /// The mark of a part that nobody asked for.
    pub(super) const fn unknown() -> Self {
        Self {
            state: PartState::NotRequested,
            hash: None,
        }
    }

    /// Whether what is stored differs from what `before` marks.
    pub(super) fn differs_from(&self, before: &Self) -> bool {
        self.hash != before.hash
    }

    /// The mark after `part` came; `hash` is that of its content, unless that is not to be stored.
    pub(super) fn after<T>(&self, part: &Part<T>, hash: Option<Hash>) -> Self {
        let reached = |state| Self {
            state: self.state.max(state),
            hash: self.hash.clone(),
        };
        match part {
            Part::NotRequested => self.clone(),
            // Asked for and answered: nobody has to ask again. What cannot be read waits in
            // quarantine, and takes the place of the absence once it can.
            Part::Absent | Part::Unreadable => reached(PartState::Absent),
            Part::Gone => reached(PartState::Gone),
            Part::Present(_) => hash.map_or_else(
                || self.clone(),
                |hash| Self {
                    state: PartState::Stored,
                    hash: Some(hash.to_vec()),
                },
            ),
        }
    }
}

impl Feed for PartMark {
    fn feed(&self, bytes: &mut Vec<u8>) {
        self.state.as_str().feed(bytes);
        self.hash.feed(bytes);
    }
}

/// The content of a part, if it came.
pub(super) const fn content<T>(part: &Part<T>) -> Option<&T> {
    match part {
        Part::Present(content) => Some(content),
        Part::NotRequested | Part::Absent | Part::Gone | Part::Unreadable => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mark after a part came.
    fn after(mark: &PartMark, part: &Part<u8>) -> PartMark {
        mark.after(part, content(part).map(|content| [*content; 16]))
    }

    #[test]
    fn a_state_never_goes_back_from_stored() {
        let stored = after(&PartMark::unknown(), &Part::Present(7));
        assert_eq!(stored.state, PartState::Stored);
        for part in [
            Part::NotRequested,
            Part::Absent,
            Part::Gone,
            Part::Unreadable,
        ] {
            assert_eq!(after(&stored, &part), stored);
        }
        assert_ne!(after(&stored, &Part::Present(8)), stored);
    }

    #[test]
    fn what_cannot_be_read_is_not_asked_for_again_but_may_still_come() {
        let unreadable = after(&PartMark::unknown(), &Part::Unreadable);
        assert_eq!(unreadable.state, PartState::Absent);
        assert_eq!(
            after(&unreadable, &Part::Present(1)).state,
            PartState::Stored
        );
    }

    #[test]
    fn what_is_gone_is_not_absent_again_but_may_still_come() {
        let gone = after(&PartMark::unknown(), &Part::Gone);
        assert_eq!(after(&gone, &Part::Absent), gone);
        assert_eq!(after(&gone, &Part::Present(1)).state, PartState::Stored);
    }
}
