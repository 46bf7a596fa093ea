//! What a campaign did and found, as a table.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;
use sqlx::{Connection as _, PgConnection, Row as _};

use super::{
    plan::Disturbance,
    recovery::{Times, percentile},
    verdict::Verdict,
    world::World,
};

/// Failures that are printed.
const FAILURES_SHOWN: usize = 40;

/// What a campaign did and found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) failures: Vec<String>,
    pub(crate) disturbances: BTreeMap<Disturbance, u64>,
    /// Requests that each fault spoilt.
    pub(crate) faults: BTreeMap<String, u64>,
    /// Calls while there were faults.
    pub(crate) calls_under_fire: u64,
    pub(crate) uploads: u64,
    /// Requests that were accepted.
    pub(crate) requests: usize,
    /// Seconds from the last disturbance of a round until all was in step.
    pub(crate) settling: Vec<f64>,
    /// What became of the users whom each disturbance hit.
    pub(crate) recovery: BTreeMap<Disturbance, Times>,
    /// Rows of the feed that its reader saw.
    pub(crate) feed: usize,
    items: usize,
    parts: usize,
    lost: usize,
    duplicated: i64,
    runs: BTreeMap<String, i64>,
    kept_back: i64,
    dead: i64,
    transactions: BTreeMap<String, u64>,
    calls: u64,
    answered_429: u64,
    /// Windows that were used up.
    pub(crate) windows_spent: u64,
    /// The largest part of a window that was used.
    fullest: f64,
}

impl Report {
    /// Counts what a round found; the items are those of the last round.
    pub(crate) fn count(&mut self, verdict: &Verdict) {
        (self.items, self.parts) = (verdict.items, verdict.parts);
        self.lost += verdict.lost;
        self.duplicated += verdict.duplicated;
    }

    /// Notes how full the windows are.
    pub(crate) fn note_quota(&mut self, stats: &Value) {
        for window in ["short", "long"] {
            self.fullest = self.fullest.max(part_used(&stats["windows"][window]));
        }
    }

    /// Reads the totals at the end.
    pub(crate) async fn read(&mut self, world: &World) {
        let ledger = world.sim.get("/ledger").await;
        for (state, count) in ledger["transactions"].as_object().unwrap() {
            self.transactions
                .insert(state.clone(), count.as_u64().unwrap());
        }
        let stats = world.sim.get("/stats").await;
        self.calls = calls(&stats, |_| true);
        self.answered_429 = calls(&stats, |status| status == "429");
        let mut db = PgConnection::connect(world.database.url()).await.unwrap();
        let runs =
            "SELECT coalesce(outcome, 'none') || coalesce(' (' || error_class || ')', ''), count(*)
            FROM polar_sync.sync_run GROUP BY 1";
        let rows = sqlx::raw_sql(runs).fetch_all(&mut db).await.unwrap();
        self.runs = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        self.kept_back = world
            .number("SELECT count(*) FROM polar_sync.sync_run WHERE error_class = 'window_closed'")
            .await;
        self.dead = world.number("SELECT count(*) FROM polar_sync.dead").await;
    }
}

impl Report {
    /// How often each disturbance was, whom it hit, and when they were taken up and served again.
    fn recovery_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, cells: [String; 6]| {
            write!(f, "{name:<26}")?;
            for cell in cells {
                write!(f, " {cell:>11}")?;
            }
            writeln!(f)
        };
        let head = [
            "times",
            "users hit",
            "resumed p50",
            "resumed p99",
            "served p50",
            "served p99",
        ];
        line(f, "disturbances", head.map(str::to_owned))?;
        let cells = |count: u64, times: &Times| {
            let seconds = |times: &[f64], percent| {
                let time = percentile(times, percent);
                time.map_or_else(|| "-".to_owned(), |time| format!("{time:.1} s"))
            };
            [
                count.to_string(),
                times.resumed.len().to_string(),
                seconds(&times.resumed, 50),
                seconds(&times.resumed, 99),
                seconds(&times.served, 50),
                seconds(&times.served, 99),
            ]
        };
        let mut all = Times::default();
        for (disturbance, count) in &self.disturbances {
            let times = self.recovery.get(disturbance).cloned().unwrap_or_default();
            let name = format!("  {}", disturbance.name());
            line(f, &name, cells(*count, &times))?;
            all.extend(times);
        }
        line(f, "  all", cells(self.disturbances.values().sum(), &all))
    }

    fn sections(&self) -> [(&'static str, Vec<Row>); 5] {
        let counts = |counts: &BTreeMap<String, u64>| -> Vec<Row> {
            counts
                .iter()
                .map(|(name, count)| row(name, count))
                .collect()
        };
        let spoilt: u64 = self.faults.values().sum();
        let mut faults = counts(&self.faults);
        faults.push(row(
            "all",
            &format!("{spoilt} of {} then", self.calls_under_fire),
        ));
        let mut runs: Vec<Row> = self
            .runs
            .iter()
            .map(|(name, count)| row(name, count))
            .collect();
        runs.push(row("kinds given up for now", &self.dead));
        let slowest = self.settling.iter().copied().fold(0.0, f64::max);
        let data = vec![
            row("uploads", &self.uploads),
            row("requests accepted, all answered", &self.requests),
            row("items", &self.items),
            row("bodies compared", &self.parts),
            row("lost", &self.lost),
            row("duplicated", &self.duplicated),
            row("rows of the feed", &self.feed),
            row("in step after a round, slowest", &format!("{slowest:.1} s")),
        ];
        let quota = vec![
            row("calls", &self.calls),
            row("fullest window", &format!("{:.0} %", self.fullest * 100.0)),
            row("windows used up", &self.windows_spent),
            row("runs kept back for want of a permit", &self.kept_back),
            row("answered 429, all of them faults", &self.answered_429),
        ];
        [
            ("requests that Polar spoilt", faults),
            ("transactions at Polar", counts(&self.transactions)),
            ("runs", runs),
            ("data", data),
            ("quota", quota),
        ]
    }
}

/// The part of a window that is used.
pub(crate) fn part_used(window: &Value) -> f64 {
    window["used"].as_f64().unwrap() / window["limit"].as_f64().unwrap()
}

/// Calls that were answered so far, with a status of these.
pub(crate) fn calls(stats: &Value, is_meant: fn(&str) -> bool) -> u64 {
    let operations = stats["requests"].as_object().unwrap().values();
    let counts = operations.flat_map(|by_status| by_status.as_object().unwrap());
    let meant = counts.filter(|(status, _)| is_meant(status));
    meant.map(|(_, count)| count.as_u64().unwrap()).sum()
}

/// A name and a value.
type Row = (String, String);

fn row(name: &str, value: &impl ToString) -> Row {
    (name.to_owned(), value.to_string())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.recovery_table(f)?;
        for (title, rows) in self.sections() {
            writeln!(f, "{title}")?;
            for (name, value) in rows {
                writeln!(f, "  {name:<40} {value:>16}")?;
            }
        }
        for failure in self.failures.iter().take(FAILURES_SHOWN) {
            writeln!(f, "FAILED: {failure}")?;
        }
        match self.failures.len().saturating_sub(FAILURES_SHOWN) {
            0 => Ok(()),
            unshown => writeln!(f, "FAILED: and {unshown} more"),
        }
    }
}
