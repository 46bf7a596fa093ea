//! Cursors: where a page ended, in a form that means nothing to anybody else and holds for one question only.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

use super::error::ApiError;
use crate::secret::sha256;

/// The longest cursor that is looked at.
const CURSOR_MAX_BYTES: usize = 1_024;

/// Bytes of the hash that ties a cursor to its question.
const TIE_BYTES: usize = 8;

/// What a cursor belongs to: the call and every parameter that must not change from page to page.
#[derive(Debug, Clone)]
pub(super) struct Question([u8; TIE_BYTES]);

impl Question {
    /// The question of a call with these parameters.
    pub(super) fn of(call: &str, parameters: &impl Serialize) -> Self {
        // Parameters are plain values, which JSON can hold.
        let parameters = serde_json::to_string(parameters).unwrap_or_default();
        let hash = sha256(format!("{call}\n{parameters}").as_bytes());
        let mut tie = [0; TIE_BYTES];
        tie.copy_from_slice(&hash[..TIE_BYTES]);
        Self(tie)
    }

    /// Writes a cursor.
    pub(super) fn write(&self, place: &impl Serialize) -> String {
        let mut bytes = self.0.to_vec();
        // Places are plain values, which JSON can hold.
        bytes.extend(serde_json::to_vec(place).unwrap_or_default());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor of this question.
    pub(super) fn read<T: DeserializeOwned>(&self, cursor: &str) -> Result<T, ApiError> {
        let broken = || {
            ApiError::parameter(
                "cursor",
                "it is not one of this server's; give it as a page returned it, or leave it out",
            )
        };
        let decoded = (cursor.len() <= CURSOR_MAX_BYTES)
            .then(|| BASE64_URL_SAFE_NO_PAD.decode(cursor).ok())
            .flatten();
        let decoded = decoded.ok_or_else(broken)?;
        let (tie, place) = decoded
            .split_first_chunk::<TIE_BYTES>()
            .ok_or_else(broken)?;
        let place = serde_json::from_slice(place).map_err(|_| broken())?;
        if *tie == self.0 {
            Ok(place)
        } else {
            Err(ApiError::parameter(
                "cursor",
                "it belongs to another user, call or set of parameters; repeat those of the page that returned it",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_is_read_by_its_own_question_only() {
        let question = Question::of("workouts", &("user_001", 50));
        let cursor = question.write(&(7, "x"));
        assert_eq!(
            question.read::<(u8, String)>(&cursor).unwrap(),
            (7, "x".to_owned())
        );
        let other = Question::of("workouts", &("user_002", 50));
        assert!(other.read::<(u8, String)>(&cursor).is_err());
        for garbage in [
            "",
            "x",
            "AAAA",
            "%%%",
            &"A".repeat(2_000),
            &cursor[..cursor.len() - 3],
        ] {
            assert!(question.read::<(u8, String)>(garbage).is_err(), "{garbage}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_cursor_or_refused(text in "\\PC{0,80}|[A-Za-z0-9_-]{0,200}") {
            let question = Question::of("workouts", &("user_001", 50));
            prop_assert!(question.read::<(i64, String)>(&text).is_err());
        }

        #[test]
        fn a_place_is_written_and_read(number in any::<i64>(), text in "\\PC{0,100}") {
            let question = Question::of("workouts", &("user_001", 50));
            let cursor = question.write(&(number, &text));
            let read = question.read::<(i64, String)>(&cursor).unwrap();
            prop_assert_eq!(read, (number, text));
        }
    }
}
