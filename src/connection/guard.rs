//! The mass guard: when many tokens are refused at once, the fault is not with the users.
//!
//! Pure. A connection that is taken for revoked by mistake is lost until its user comes back, so
//! every doubt is for the user.

use std::time::Duration;

use crate::store::connection::Standing as Numbers;

/// A suspect is held at least this long before it may be revoked after a mass of them.
const HOLD: Duration = Duration::from_hours(1);

/// Below this many suspects it is no mass.
const MASS_MIN: f64 = 3.0;

/// When a number of suspects is a mass.
#[derive(Debug, Clone, Copy)]
pub struct HoldRules {
    /// `revocation.hold_share`: the share of the active connections.
    pub share: f64,
    /// `revocation.hold_min`: the number from which it may be one however many are active.
    pub min: u32,
}

/// What is known when a suspect's token is refused once more.
#[derive(Debug, Clone, Copy)]
pub struct Evidence {
    /// How many are active, and how many became suspect around the time when this one did, or since.
    pub numbers: Numbers,
    /// How long this one has been suspect.
    pub suspect_for: Duration,
    /// Whether Polar accepts the token of another user right now.
    pub others_succeed: bool,
}

/// Whether a suspect is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its user revoked access.
    Revoked,
    /// Too many are refused at once: it is held, and looked at again.
    Held,
}

/// Judges a suspect whose token was refused again after `revocation.confirm_after`.
pub fn judge(rules: HoldRules, evidence: &Evidence) -> Verdict {
    // Nobody's calls succeed, though there is somebody to try: the service refuses everybody.
    if evidence.numbers.others > 0 && !evidence.others_succeed {
        return Verdict::Held;
    }
    if is_mass(rules, evidence.numbers) && evidence.suspect_for < HOLD {
        return Verdict::Held;
    }
    Verdict::Revoked
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of users are far below 2^52"
)]
fn is_mass(rules: HoldRules, numbers: Numbers) -> bool {
    let suspects = numbers.suspect_lately as f64;
    // A suspect was active until it was refused.
    let active = (numbers.active + numbers.suspect_lately) as f64;
    let at_least = f64::from(rules.min).min(active / 2.0).max(MASS_MIN);
    suspects >= at_least && suspects >= rules.share * active
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const RULES: HoldRules = HoldRules {
        share: 0.05,
        min: 20,
    };
    const MINUTES: Duration = Duration::from_mins(10);

    #[rstest]
    #[case::one_of_many(1_000, 1, MINUTES, true, Verdict::Revoked)]
    #[case::the_only_one(0, 1, MINUTES, false, Verdict::Revoked)]
    #[case::two_of_three(1, 2, MINUTES, true, Verdict::Revoked)]
    #[case::everybody(0, 25, MINUTES, false, Verdict::Held)]
    #[case::everybody_after_a_day(0, 25, HOLD * 24, false, Verdict::Held)]
    #[case::three_of_three(0, 3, MINUTES, false, Verdict::Held)]
    #[case::three_of_four(1, 3, MINUTES, true, Verdict::Held)]
    #[case::below_the_share(1_000, 40, MINUTES, true, Verdict::Revoked)]
    #[case::above_the_share(1_000, 60, MINUTES, true, Verdict::Held)]
    #[case::nineteen_of_a_hundred(81, 19, MINUTES, true, Verdict::Revoked)]
    #[case::twenty_of_a_hundred(80, 20, MINUTES, true, Verdict::Held)]
    #[case::after_an_hour_others_succeed(80, 20, HOLD, true, Verdict::Revoked)]
    #[case::after_an_hour_nobody_does(80, 20, HOLD, false, Verdict::Held)]
    #[case::nobody_succeeds(10, 1, MINUTES, false, Verdict::Held)]
    fn suspects(
        #[case] active: i64,
        #[case] suspect_lately: i64,
        #[case] suspect_for: Duration,
        #[case] others_succeed: bool,
        #[case] verdict: Verdict,
    ) {
        let numbers = Numbers {
            active,
            suspect_lately,
            deregistered_lately: 0,
            others: active + suspect_lately - 1,
        };
        let evidence = Evidence {
            numbers,
            suspect_for,
            others_succeed,
        };
        assert_eq!(judge(RULES, &evidence), verdict);
    }
}
