//! Reading a body without what is not understood of it.
//!
//! One bad value must not hide the rest of a record. A value that does not fit is left out, as if
//! Polar had not sent it, and is reported; a value without which the body says nothing cannot be left
//! out, and then the body is not understood.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Unreadable,
    decode::{decode_value, value},
    limit::LEFT_OUT_LIMIT,
    tolerant::snake_case,
};

/// Bytes that are decoded again at most for what is left out one by one: a second or two of work, while a worker's
/// other jobs wait.
const DECODED_AGAIN_MAX_BYTES: usize = 32 * 1024 * 1024;

/// What would be taken for something else if it were left out: the start for one in UTC, a list for
/// an empty one.
const NEVER_LEFT_OUT: [&str; 7] = [
    "start_time_utc_offset",
    "samples",
    "step_samples",
    "zone_samples",
    "zone",
    "zones",
    "heart_rate_zones",
];

/// A body, and what had to be left out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Read<T> {
    /// What is understood.
    pub body: T,
    /// What is not, in the order in which it was met.
    pub left_out: Vec<Unreadable>,
}

/// Reads a body, or one item of a body, as a `T`, without what does not fit.
///
/// # Errors
/// When something is not understood that cannot be left out.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<Read<T>, Unreadable> {
    match decode_value(value(body)?) {
        Ok(body) => Ok(Read::whole(body)),
        Err(error) => without(value(body)?, error, one_by_one(body.len())),
    }
}

/// Reads a parsed document of so many bytes, or a part of one.
pub(super) fn read_value<T: DeserializeOwned>(
    value: Value,
    length: usize,
) -> Result<Read<T>, Unreadable> {
    match decode_value(value.clone()) {
        Ok(body) => Ok(Read::whole(body)),
        Err(error) => without(value, error, one_by_one(length)),
    }
}

/// How much is left out one by one of a body of so many bytes, which is decoded again each time.
fn one_by_one(length: usize) -> usize {
    LEFT_OUT_LIMIT.min(DECODED_AGAIN_MAX_BYTES / length.max(1))
}

impl<T> Read<T> {
    /// A body that is understood as a whole.
    pub const fn whole(body: T) -> Self {
        Self {
            body,
            left_out: Vec::new(),
        }
    }

    /// The same with the body turned into something else.
    pub fn map<U>(self, turn: impl FnOnce(T) -> U) -> Read<U> {
        Read {
            body: turn(self.body),
            left_out: self.left_out,
        }
    }
}

/// Leaves out what `error` names, and what is named next, until the rest is understood. It ends,
/// because a value can be left out only once, and beyond `one_by_one` whole fields are.
fn without<T: DeserializeOwned>(
    mut value: Value,
    mut error: Unreadable,
    one_by_one: usize,
) -> Result<Read<T>, Unreadable> {
    let mut left_out = Vec::new();
    loop {
        let path = if left_out.len() < one_by_one {
            error.path.as_str()
        } else {
            error.path.split(['.', '[']).next().unwrap_or_default()
        };
        if NEVER_LEFT_OUT.contains(&path) || !clear(&mut value, path) {
            return Err(error);
        }
        left_out.push(error);
        match decode_value(value.clone()) {
            Ok(body) => return Ok(Read { body, left_out }),
            Err(next) => error = next,
        }
    }
}

/// Puts null in the place of the value at `path`. Tells whether something else stood there.
fn clear(value: &mut Value, path: &str) -> bool {
    let steps = path.split(['.', '[']).filter(|step| !step.is_empty());
    let mut steps = steps.map(|step| step.trim_end_matches(']')).peekable();
    let mut place = value;
    if steps.peek().is_none() {
        return false;
    }
    while let Some(step) = steps.next() {
        match inner(place, step, steps.peek().is_none()) {
            Some(inner) => place = inner,
            None => return false,
        }
    }
    !place.take().is_null()
}

/// The value one step further in.
fn inner<'a>(value: &'a mut Value, step: &str, is_last: bool) -> Option<&'a mut Value> {
    let Ok(position) = step.parse::<usize>() else {
        // Of several spellings of a name the last one with a value holds.
        return value
            .as_object_mut()?
            .iter_mut()
            .filter(|(name, value)| snake_case(name) == step && !value.is_null())
            .last()
            .map(|(_, value)| value);
    };
    // A lone object that stands for a list of one.
    if position == 0 && !is_last && value.is_object() {
        return Some(value);
    }
    match value {
        Value::Array(entries) => entries.get_mut(position),
        Value::Object(entries) => entries.values_mut().nth(position),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accesslink::wire::{Exercise, SleepNight};

    fn paths<T>(read: &Read<T>) -> Vec<&str> {
        read.left_out
            .iter()
            .map(|left| left.path.as_str())
            .collect()
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_named() {
        let body = br#"{"id":1,"upload-time":"u","start-time":"s","duration":"d","calories":[7],
            "heart-rate":{"average":"fast","maximum":151},"device":{},"distance":12.5,
            "training-load-pro":{"cardio-load":{},"muscle-load":2}}"#;
        let read: Read<Exercise> = read(body).unwrap();
        assert_eq!(
            paths(&read),
            [
                "calories",
                "heart_rate.average",
                "device",
                "training_load_pro[0].cardio_load"
            ]
        );
        let exercise = read.body;
        assert_eq!(exercise.heart_rate.unwrap().maximum, Some(151.0));
        assert_eq!(exercise.distance, Some(12.5));
        assert_eq!(exercise.training_load_pro[0].muscle_load, Some(2.0));
    }

    #[test]
    fn a_number_beyond_all_numbers_costs_itself_alone() {
        let body = br#"{"id":1,"upload-time":"u","start-time":"s","duration":"d","calories":1e999,
            "distance":12.5,"heart-rate":{"average":-1e999,"maximum":151}}"#;
        let read: Read<Exercise> = read(body).unwrap();
        assert_eq!(paths(&read), ["calories", "heart_rate.average"]);
        assert_eq!(read.body.distance, Some(12.5));
        assert_eq!(read.body.heart_rate.unwrap().maximum, Some(151.0));
    }

    #[test]
    fn what_a_record_cannot_be_without_is_not_left_out() {
        let fields = [
            ("id", "1", "{}"),
            ("start_time", r#""s""#, "[]"),
            ("start_time_utc_offset", "120", r#""two hours""#),
        ];
        for (odd, ..) in fields {
            let given = fields.map(|(name, good, bad)| {
                let value = if name == odd { bad } else { good };
                format!(r#""{name}":{value}"#)
            });
            let body = format!(
                r#"{{"upload-time":"u","duration":"d",{}}}"#,
                given.join(",")
            );
            assert_eq!(read::<Exercise>(body.as_bytes()).unwrap_err().path, odd);
        }
        assert_eq!(read::<Exercise>(b"[1]").unwrap_err().path, "");
    }

    #[test]
    fn a_map_loses_the_entries_that_do_not_fit_and_with_too_many_of_them_itself() {
        let night = |values: &[&str]| {
            let entries: Vec<_> = values
                .iter()
                .enumerate()
                .map(|(minute, value)| format!(r#""0{}:{:02}":{value}"#, minute / 60, minute % 60))
                .collect();
            let body = format!(
                r#"{{"date":"d","sleep_start_time":"s","sleep_end_time":"e","hypnogram":{{{}}}}}"#,
                entries.join(",")
            );
            read::<SleepNight>(body.as_bytes()).unwrap()
        };
        let read = night(&["1", "{}", "\"3\""]);
        assert_eq!(paths(&read), ["hypnogram[1]"]);
        let codes: Vec<_> = read
            .body
            .hypnogram
            .0
            .iter()
            .map(|(_, code)| *code)
            .collect();
        assert_eq!(codes, [Some(1.0), None, Some(3.0)]);
        // A large body is not decoded a hundred times over.
        let padding = format!("{}1", " ".repeat(DECODED_AGAIN_MAX_BYTES / 3));
        let read = night(&[&padding, "{}", "{}", "{}", "{}"]);
        assert_eq!(read.body.hypnogram.0, []);
        assert_eq!(read.left_out.len(), 3);
        let read = night(&["{}"; LEFT_OUT_LIMIT + 1]);
        assert_eq!(read.body.hypnogram.0, []);
        assert_eq!(read.left_out.len(), LEFT_OUT_LIMIT + 1);
    }
}
