//! Asks before something is destroyed.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::{
    cli::Consent,
    exit::{Code, Failure},
};

/// What has to be typed.
const YES: &str = "yes";

/// Asks whether `deed` is really wanted: on a terminal, unless `--yes` says so already.
pub(super) fn ask(consent: Consent, deed: &str) -> Result<(), Failure> {
    if consent.yes {
        return Ok(());
    }
    let (stdin, stderr) = (io::stdin(), io::stderr());
    if !stdin.is_terminal() || !stderr.is_terminal() {
        let next_step = "add --yes if that is what you want; nothing was changed";
        return Err(Failure::new(Code::Refused, deed, next_step));
    }
    prompt(deed, &mut stdin.lock(), &mut stderr.lock())
}

fn prompt(deed: &str, answers: &mut dyn BufRead, out: &mut dyn Write) -> Result<(), Failure> {
    let mut answer = String::new();
    let asked = write!(out, "{deed}. Type {YES} to do it: ")
        .and_then(|()| out.flush())
        .and_then(|()| answers.read_line(&mut answer));
    if asked.is_ok() && answer.trim() == YES {
        return Ok(());
    }
    let next_step = "nothing was changed";
    Err(Failure::new(
        Code::Refused,
        format!("the answer was not {YES}"),
        next_step,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, is_yes) in [("yes\n", true), ("y\n", false), ("\n", false), ("", false)] {
            let mut out = Vec::new();
            let asked = prompt("this forgets 2 rows", &mut answer.as_bytes(), &mut out);
            assert_eq!(asked.is_ok(), is_yes, "{answer:?}");
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text, "this forgets 2 rows. Type yes to do it: ");
        }
    }
}
