//! What the demo has shown: for people, or as JSON.

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use serde::Serialize;
use serde_json::json;

use super::{polar::Windows, settings::API_KEY, waiting::Waited};
use crate::ops::Output;

/// A query that people can begin with.
const QUERY: &str = "SELECT user_id, type, start_at, duration_s, distance_m, heart_rate_avg_bpm \
                     FROM api_v1.workouts ORDER BY start_at DESC LIMIT 10";

/// The length of the shorter window of the rate limit, in minutes.
const WINDOW_MIN: u64 = 15;

/// How to look at what is stored.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints {
    pub(super) api: String,
    pub(super) database_url: String,
    pub(super) config: PathBuf,
    pub(super) executable: PathBuf,
}

impl Hints {
    fn psql(&self) -> String {
        format!("psql '{}' -c \"{QUERY}\"", self.database_url)
    }

    fn curl(&self) -> String {
        let Self { api, .. } = self;
        format!(
            "curl {api}/api/v1/users/user_001/events/workouts -H 'X-Open-Wearables-API-Key: {API_KEY}'"
        )
    }

    fn explain(&self) -> String {
        let (executable, config) = (self.executable.display(), self.config.display());
        format!("{executable} --config {config} explain user_001")
    }
}

/// What the demo has shown.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    pub(super) runs: i64,
    /// Rows that this demo added to those that were there.
    pub(super) rows_new: i64,
    pub(super) took: Duration,
    pub(super) windows: Windows,
    pub(super) quota_scale: u32,
    pub(super) hints: Hints,
    pub(super) waited: &'a Waited,
}

impl Summary<'_> {
    /// Prints it. `ends` tells that there will be nothing left to look at.
    pub(super) fn show(&self, output: &mut Output<impl Write>, ends: bool) -> io::Result<()> {
        output.show(&self.to_json(), |_, out| self.write(out, ends))
    }

    fn to_json(&self) -> impl Serialize {
        let totals = &self.waited.totals;
        json!({
            "users": totals.connections,
            "runs": self.runs,
            "took_s": self.took.as_secs_f64(),
            "workouts": totals.workouts,
            "nights": totals.sleeps,
            "samples": totals.samples(),
            "rows": totals.rows(),
            "rows_new": self.rows_new,
            "rows_a_second": self.rows_a_second(),
            "requests": {
                "in_15_minutes": self.windows.short,
                "in_24_hours": self.windows.long,
                "quota_scale": self.quota_scale,
                "minutes_at_true_quota": self.minutes_at_true_quota(),
            },
            "ledger": { "equal": self.is_equal(), "counts": self.waited.counts },
            "database_url": self.hints.database_url,
            "config": self.hints.config,
            "api": self.hints.api,
            "curl": self.hints.curl(),
            "psql": self.hints.psql(),
            "explain": self.hints.explain(),
        })
    }

    fn write(&self, out: &mut dyn Write, ends: bool) -> io::Result<()> {
        let (totals, Windows { short, long }) = (&self.waited.totals, self.windows);
        let took_s = self.took.as_secs_f64();
        writeln!(out, "{} users, synced in {took_s:.1} s", totals.connections)?;
        let mut row = |name: &str, value: &str| writeln!(out, "  {name:<14}{value:>16}");
        row("runs", &grouped(self.runs))?;
        row("workouts", &grouped(totals.workouts))?;
        row("nights", &grouped(totals.sleeps))?;
        row("days", &grouped(totals.daily_activities))?;
        row("samples", &grouped(totals.samples()))?;
        row("rows", &grouped(totals.rows()))?;
        row("rows a second", &grouped(self.rows_a_second()))?;
        let window = |window: super::polar::Window| {
            let number = |number: u64| grouped(i64::try_from(number).unwrap_or(i64::MAX));
            format!("{} of {}", number(window.used), number(window.limit))
        };
        writeln!(
            out,
            "\nRequests: {} in 15 minutes, {} in 24 hours. The quota is {} times Polar's; at Polar's own \
             this takes at least {} minutes.",
            window(short),
            window(long),
            self.quota_scale,
            self.minutes_at_true_quota()
        )?;
        if self.is_equal() {
            writeln!(
                out,
                "Everything that the simulated Polar offered is stored, and committed there."
            )?;
        }
        for difference in self.waited.differences() {
            writeln!(out, "Different: {difference}.")?;
        }
        if !ends {
            let hints = &self.hints;
            let (curl, psql, explain) = (hints.curl(), hints.psql(), hints.explain());
            writeln!(
                out,
                "\nLook at it:\n  {curl}\n  {psql}\n  {explain}\n  {}/docs",
                hints.api
            )?;
            writeln!(
                out,
                "\nThe simulated world goes on. Ctrl-C stops everything."
            )?;
        }
        Ok(())
    }

    fn is_equal(&self) -> bool {
        self.waited.differences().next().is_none()
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a number for people"
    )]
    fn rows_a_second(&self) -> i64 {
        (self.rows_new as f64 / self.took.as_secs_f64().max(0.001)) as i64
    }

    /// How long the requests would take at the least, window after window, if the quota were Polar's.
    fn minutes_at_true_quota(&self) -> u64 {
        let Windows { short, long } = self.windows;
        minutes_at(long.used, short.limit / u64::from(self.quota_scale))
    }
}

fn minutes_at(requests: u64, limit: u64) -> u64 {
    requests.saturating_sub(1) / limit.max(1) * WINDOW_MIN
}

/// A number with its digits in groups.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_for_people() {
        let texts = [0, 999, 1_000, 1_234_567, -12_345].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567", "-12,345"]);
    }

    #[test]
    fn a_window_that_is_spent_makes_the_rest_wait() {
        let minutes = [(0, 1_000), (1_000, 1_000), (1_001, 1_000), (7_300, 1_000)];
        let minutes = minutes.map(|(requests, limit)| minutes_at(requests, limit));
        assert_eq!(minutes, [0, 0, 15, 105]);
    }
}
