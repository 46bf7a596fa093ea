//! The text of an error with its causes.

use std::error::Error;

/// The most causes that are followed: a chain this long is a loop.
const CAUSES_MAX: usize = 16;

/// An error and its causes in one line, from the outermost on: `open transaction: timed out`. A cause
/// that its error's own text repeats is not told twice.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    for cause in causes.take(CAUSES_MAX) {
        let cause = cause.to_string();
        if !last.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        last = cause;
    }
    // Foreign errors may hold line breaks; a log line and a message are one line.
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Step {
        text: &'static str,
        source: Option<Box<Step>>,
    }

    fn steps(texts: &[&'static str]) -> Step {
        let (first, rest) = texts.split_first().unwrap();
        let source = (!rest.is_empty()).then(|| Box::new(steps(rest)));
        Step {
            text: first,
            source,
        }
    }

    #[test]
    fn causes_follow_their_error_in_one_line() {
        assert_eq!(
            chain(&steps(&["sync", "open", "timed\nout"])),
            "sync: open: timed out"
        );
    }

    #[test]
    fn a_cause_that_was_told_is_not_repeated() {
        assert_eq!(
            chain(&steps(&["read file: denied", "denied"])),
            "read file: denied"
        );
    }
}
