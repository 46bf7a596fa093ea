//! How long it takes until who was disturbed is served again.
//!
//! A disturbance of a process hits the users whose runs that process had in hand, one of a server the users of all
//! runs under way. A user is *resumed* when a later run begins, and *served* with the first end of a run, that one or a
//! later one, that is `ok` or `partial`; a run that goes on unharmed and ends well does both at once. Whatever comes
//! next is part of the time: further disturbances, runs that fail because every fifth answer is spoilt, their back-off,
//! and windows of the quota that are spent.

use std::{collections::BTreeMap, time::Duration};

use sqlx::{Connection as _, PgConnection, Row as _};
use tokio::time::Instant;

use super::plan::Disturbance;

/// Every run, in seconds of the database's clock.
const RUNS: &str = "SELECT connection_id::text, worker, extract(epoch FROM started_at)::float8,
        extract(epoch FROM finished_at)::float8, coalesce(outcome, '')
    FROM polar_sync.sync_run ORDER BY started_at";

/// What was disturbed when.
pub(crate) struct Disturbed {
    pub(crate) by: Disturbance,
    pub(crate) at: Instant,
    /// The process that was disturbed; none for a server.
    pub(crate) pid: Option<u32>,
}

/// Tells instants by the clock of the database, which is moved now and then.
pub(crate) struct DatabaseClock {
    /// The same instant by both clocks, before any move.
    same: (Instant, f64),
    /// When it was moved, and how far it was moved then in all.
    moves: Vec<(Instant, Duration)>,
}

impl DatabaseClock {
    pub(crate) async fn new(url: &str) -> Self {
        let mut db = PgConnection::connect(url).await.unwrap();
        let sql = "SELECT extract(epoch FROM polar_sync.now())::float8";
        let row = sqlx::raw_sql(sql).fetch_one(&mut db).await.unwrap();
        Self {
            same: (Instant::now(), row.get(0)),
            moves: Vec::new(),
        }
    }

    /// Notes that it was moved just now; how far in all.
    pub(crate) fn moved(&mut self, by: Duration) -> Duration {
        let before = self
            .moves
            .last()
            .map_or(Duration::ZERO, |(_, total)| *total);
        self.moves.push((Instant::now(), before + by));
        before + by
    }

    /// Seconds from `self.same` to an instant.
    fn real(&self, at: Instant) -> f64 {
        at.duration_since(self.same.0).as_secs_f64()
    }

    /// Seconds from `self.same` to an instant of the database's clock, without its moves.
    fn unmoved(&self, epoch_s: f64) -> f64 {
        let since = epoch_s - self.same.1;
        let moves = self.moves.iter().rev();
        let mut unmoved = moves.map(|(at, total)| (self.real(*at), since - total.as_secs_f64()));
        unmoved
            .find(|(moved_at, real)| real >= moved_at)
            .map_or(since, |(_, real)| real)
    }
}

struct Run {
    connection: String,
    worker: String,
    started_s: f64,
    ended_s: Option<f64>,
    is_good: bool,
}

/// Seconds until users were resumed and served, shortest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Times {
    pub(crate) resumed: Vec<f64>,
    pub(crate) served: Vec<f64>,
}

impl Times {
    /// Adds others.
    pub(crate) fn extend(&mut self, others: Self) {
        self.resumed.extend(others.resumed);
        self.served.extend(others.served);
        self.resumed.sort_by(f64::total_cmp);
        self.served.sort_by(f64::total_cmp);
    }
}

/// What became of the users whom each disturbance hit.
pub(crate) async fn times(
    url: &str,
    clock: &DatabaseClock,
    disturbances: &[Disturbed],
) -> BTreeMap<Disturbance, Times> {
    let mut db = PgConnection::connect(url).await.unwrap();
    let rows = sqlx::raw_sql(RUNS).fetch_all(&mut db).await.unwrap();
    let run = |row: &sqlx::postgres::PgRow| Run {
        connection: row.get(0),
        worker: row.get(1),
        started_s: clock.unmoved(row.get(2)),
        ended_s: row.get::<Option<f64>, _>(3).map(|at| clock.unmoved(at)),
        is_good: ["ok", "partial"].contains(&row.get::<&str, _>(4)),
    };
    let runs: Vec<Run> = rows.iter().map(run).collect();
    let mut times: BTreeMap<_, Times> = BTreeMap::new();
    for disturbed in disturbances {
        let of_this = times_of(&runs, disturbed.pid, clock.real(disturbed.at));
        times.entry(disturbed.by).or_default().extend(of_this);
    }
    times
}

fn times_of(runs: &[Run], pid: Option<u32>, at_s: f64) -> Times {
    let mut times = Times::default();
    let hit = runs.iter().filter(|run| {
        run.started_s <= at_s
            && run.ended_s.is_none_or(|ended_s| ended_s >= at_s)
            && pid.is_none_or(|pid| run.worker.contains(&format!("-{pid}-")))
    });
    for hit in hit {
        let of_the_user = runs.iter().filter(|run| run.connection == hit.connection);
        let good_ends = of_the_user.clone().filter(|run| run.is_good);
        let served_s = earliest(good_ends.filter_map(|run| run.ended_s), at_s);
        let starts = of_the_user.map(|run| run.started_s);
        // A run that ended well before a later one began was not interrupted.
        let resumed_s = earliest(starts.chain(served_s), at_s);
        times
            .resumed
            .extend(resumed_s.map(|resumed_s| resumed_s - at_s));
        times
            .served
            .extend(served_s.map(|served_s| served_s - at_s));
    }
    times
}

fn earliest(instants_s: impl Iterator<Item = f64>, after_s: f64) -> Option<f64> {
    instants_s
        .filter(|at_s| *at_s > after_s)
        .min_by(f64::total_cmp)
}

/// The time that this share of all times is not above.
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(connection: &str, started_s: f64, ended_s: f64, is_good: bool) -> Run {
        Run {
            connection: connection.to_owned(),
            worker: "host-17-abc".to_owned(),
            started_s,
            ended_s: Some(ended_s),
            is_good,
        }
    }

    #[test]
    fn a_user_is_resumed_by_the_next_run_and_served_by_the_next_good_end() {
        let runs = [
            run("a", 1.0, 14.0, false),
            run("b", 2.0, 2.5, true),
            run("a", 14.0, 16.0, false),
            run("a", 20.0, 21.0, true),
        ];
        let times = |resumed: &[f64], served: &[f64]| Times {
            resumed: resumed.to_vec(),
            served: served.to_vec(),
        };
        assert_eq!(times_of(&runs, Some(17), 3.0), times(&[11.0], &[18.0]));
        let of_a_server = times(&[11.75, 0.25], &[18.75, 0.25]);
        assert_eq!(times_of(&runs, None, 2.25), of_a_server);
        assert_eq!(times_of(&runs, Some(1), 3.0), Times::default());
    }

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(percentile(&times, 50), Some(2.0));
        assert_eq!(percentile(&times, 99), Some(4.0));
        assert_eq!(percentile(&[], 99), None);
    }
}
