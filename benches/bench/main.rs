//! Measures what polar-sync does a second, what it takes for that, and whether that is what was aimed
//! at: prints a table, and writes the same to `bench.json` in the current directory.
//!
//! Everything is real but Polar: Postgres with `fsync` on a disk, Redis, the processes as they are
//! shipped, and the simulator, whose processor time is reported apart. Every number is the median of
//! several repetitions, with its spread. On a machine that does other things as well, the spread says
//! how much to believe.
//!
//! To add a measurement: a file with a function that gives rows, and a line in [`MEASUREMENTS`].

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot go on ends, and its result is what is printed"
)]

mod disk;
mod due;
mod http;
mod life_cycles;
mod process;
mod queue;
mod role;
mod rotate;
mod series;
mod servers;
mod simulator;
mod table;
mod world;

use clap::Parser;
use futures::future::LocalBoxFuture;

use crate::{servers::Servers, table::Row};

/// The argument by which a benchmark knows that it is to be run.
const BENCH: &str = "--bench";

/// Measures polar-sync.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only measurements whose name contains one of these.
    names: Vec<String>,
    /// A smoke run: everything once and small. Its numbers mean nothing.
    #[arg(long)]
    quick: bool,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    quick: bool,
}

impl Scale {
    /// So many in earnest, and a hundredth of it, or at least two, in a smoke run.
    pub(crate) fn count(self, full: usize) -> usize {
        if self.quick {
            (full / 100).max(2)
        } else {
            full
        }
    }

    /// So many repetitions in earnest.
    pub(crate) fn repetitions(self, full: usize) -> usize {
        if self.quick { 2 } else { full }
    }
}

type Measure = for<'a> fn(&'a Servers, Scale) -> LocalBoxFuture<'a, Vec<Row>>;

/// Every measurement by name.
const MEASUREMENTS: [(&str, Measure); 9] = [
    ("disk", |servers, scale| {
        Box::pin(disk::measure(servers, scale))
    }),
    ("life-cycles-summary", |servers, scale| {
        Box::pin(life_cycles::measure(servers, scale, life_cycles::SUMMARY))
    }),
    ("life-cycles-heart-rate", |servers, scale| {
        Box::pin(life_cycles::measure(
            servers,
            scale,
            life_cycles::HEART_RATE,
        ))
    }),
    ("queue-start", |servers, scale| {
        Box::pin(queue::start(servers, scale))
    }),
    ("queue-jobs", |servers, scale| {
        Box::pin(queue::jobs(servers, scale))
    }),
    ("store-series", |servers, scale| {
        Box::pin(series::measure(servers, scale))
    }),
    ("schedule-due", |servers, scale| {
        Box::pin(due::measure(servers, scale))
    }),
    ("keys-rotate", |servers, scale| {
        Box::pin(rotate::measure(servers, scale))
    }),
    ("http", |servers, scale| {
        Box::pin(http::measure(servers, scale))
    }),
];

#[tokio::main]
async fn main() {
    // What `cargo bench` gives. A test runner that starts every target does not, and is not to wait
    // for minutes.
    if std::env::args().all(|argument| argument != BENCH) {
        eprintln!("nothing is measured: run `make bench`");
        return;
    }
    let arguments = std::env::args().filter(|argument| argument != BENCH);
    let arguments = Arguments::parse_from(arguments);
    let is_wanted = |name: &str| {
        let named = arguments.names.iter().any(|part| name.contains(part));
        arguments.names.is_empty() || named
    };
    let servers = Servers::start().await;
    let scale = Scale {
        quick: arguments.quick,
    };
    let mut rows = Vec::new();
    for (name, measure) in MEASUREMENTS.iter().filter(|(name, _)| is_wanted(name)) {
        eprintln!("measuring {name} ...");
        rows.extend(measure(&servers, scale).await);
    }
    println!("{}", table::text(&rows));
    std::fs::write("bench.json", table::json(&rows, arguments.quick)).expect("a writable folder");
}
