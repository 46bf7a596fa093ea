//! Numbers and texts of a summary.

use super::Unreadable;

/// Longest text kept, in characters: names of devices and clubs, codes.
const TEXT_LIMIT: usize = 256;

/// Greatest size of a number that can be meant.
const NUMBER_MAX: f64 = 1e12;

/// A number of a plausible size.
///
/// # Errors
/// A greater one is no measurement.
pub(super) fn real(value: Option<f64>, path: &str) -> Result<Option<f64>, Unreadable> {
    match value {
        Some(number) if number.is_nan() || number.abs() > NUMBER_MAX => {
            Err(Unreadable::new(path, "a number of a plausible size"))
        }
        value => Ok(value),
    }
}

/// A number that cannot be below 0: below means that there is none.
pub(super) fn not_negative(value: Option<f64>) -> Option<f64> {
    value.filter(|number| *number >= 0.0)
}

/// A number that nothing alive has at 0 or below: there means that there is none.
pub(super) fn positive(value: Option<f64>) -> Option<f64> {
    value.filter(|number| *number > 0.0)
}

/// A whole number for a column of type `T`, rounded.
///
/// # Errors
/// A number that does not fit is no measurement.
pub(super) fn whole<T: TryFrom<i64>>(
    value: Option<f64>,
    path: &str,
) -> Result<Option<T>, Unreadable> {
    value
        .map(|number| {
            rounded(number)
                .and_then(|number| T::try_from(number).ok())
                .ok_or_else(|| Unreadable::new(path, "a number of a plausible size"))
        })
        .transpose()
}

/// The nearest whole number, where `f64` is exact enough to have one.
#[expect(
    clippy::cast_possible_truncation,
    reason = "numbers beyond the exact range are refused before the cast"
)]
pub(super) fn rounded(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.abs() <= EXACT).then_some(number.round() as i64)
}

/// A text as readers see it: without blanks around it, without control characters (Postgres takes no
/// NUL), of bounded length; none when nothing is left.
pub(super) fn text(value: Option<&str>) -> Option<String> {
    let text: String = value?
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(TEXT_LIMIT)
        .collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentinels_are_no_value() {
        assert_eq!(not_negative(Some(-1.0)), None);
        assert_eq!(not_negative(Some(0.0)), Some(0.0));
        assert_eq!(positive(Some(0.0)), None);
        assert_eq!(positive(Some(0.5)), Some(0.5));
    }

    #[test]
    fn whole_numbers_are_rounded_and_must_fit() {
        assert_eq!(whole::<i16>(Some(129.5), "p"), Ok(Some(130)));
        assert_eq!(whole::<i16>(None, "p"), Ok(None));
        assert_eq!(whole::<i16>(Some(32_767.0), "p"), Ok(Some(32_767)));
        for number in [32_768.0, 1e300, f64::INFINITY, f64::NAN] {
            assert_eq!(whole::<i16>(Some(number), "p").unwrap_err().path, "p");
        }
    }

    #[test]
    fn a_number_has_a_plausible_size() {
        for number in [0.0, -1e12, 1e12] {
            assert_eq!(real(Some(number), "p"), Ok(Some(number)));
        }
        for number in [1e308, -1e13, f64::NEG_INFINITY, f64::NAN] {
            assert_eq!(real(Some(number), "p").unwrap_err().path, "p");
        }
        assert_eq!(real(None, "p"), Ok(None));
    }

    #[test]
    fn a_text_can_be_stored() {
        assert_eq!(text(Some(" Polar\0 M\n")).as_deref(), Some("Polar M"));
        assert_eq!(text(Some(" \0 ")), None);
        assert_eq!(text(Some(&"ü".repeat(300))).unwrap().chars().count(), 256);
    }
}
