//! Scalars in every spelling.

use serde_json::{Number, Value};

/// Words that stand for no value, beside blank text; in any case.
const NOTHING: [&str; 6] = ["null", "nan", "infinity", "-infinity", "inf", "-inf"];

/// Largest whole number up to which every whole `f64` is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

#[expect(
    clippy::cast_possible_truncation,
    reason = "only whole numbers within the exact range are cast"
)]
fn exact_integer(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

/// A whole number, also as `546.0` or as text.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| exact_integer(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse()
                .ok()
                .or_else(|| exact_integer(text.parse().ok()?))
        }
        _ => None,
    }
}

/// A finite number, also as text.
pub(super) fn real(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

/// Whether a text is a way of saying that there is no value.
pub(in super::super) fn is_nothing(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || NOTHING.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// True or false, also as text or as 1 or 0.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        _ => None,
    }
}

/// Text, also as a number or a boolean.
pub(super) fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number_text(&number)),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// `12.0` is `12` where a number stands for a code or an id.
fn number_text(number: &Number) -> String {
    match number.as_f64().and_then(exact_integer) {
        Some(integer) if number.is_f64() => integer.to_string(),
        _ => number.to_string(),
    }
}
