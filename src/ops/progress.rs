//! What a long command tells while it works: a bar on a terminal, a few plain lines elsewhere. All of it goes
//! to standard error, so that standard output holds data only.

use std::{
    cell::Cell,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

/// Between two plain lines about the same work.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How often the bar moves by itself.
const TICK_EVERY: Duration = Duration::from_millis(120);

/// What is done, of how much, and what is known beside that.
const TEMPLATE: &str = "{spinner} [{elapsed_precise}] {wide_bar} {pos}/{len} {msg}";

/// Tells people how far the work is.
#[derive(Debug)]
pub(super) struct Teller {
    bar: Option<ProgressBar>,
    told_at: Cell<Option<Instant>>,
}

impl Teller {
    pub(super) fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(TICK_EVERY);
            bar
        });
        Self {
            bar,
            told_at: Cell::new(None),
        }
    }

    /// Tells what begins.
    pub(super) fn say(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => line(what),
        }
    }

    /// Tells how far the work is.
    pub(super) fn is_at(&self, done: u64, all: u64, beside: &str) {
        if let Some(bar) = &self.bar {
            if bar.length() != Some(all) {
                bar.set_length(all);
                if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                    bar.set_style(style);
                }
            }
            bar.set_position(done);
            bar.set_message(beside.to_owned());
        } else if self
            .told_at
            .get()
            .is_none_or(|at| at.elapsed() >= LINE_EVERY)
        {
            self.told_at.set(Some(Instant::now()));
            line(&format!("{done} of {all} {beside}"));
        }
    }

    /// Makes room for the summary.
    pub(super) fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(what: &str) {
    // Who closed standard error does not want to know.
    let _ = writeln!(io::stderr(), "{what}");
}
