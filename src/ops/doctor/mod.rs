//! `doctor`: whether everything is as it has to be, each finding with its next step.
//!
//! Owns the list of what is looked at. Must never change anything, and never end early: where a service is away, that is
//! a finding, and what does not need it is looked at all the same.
//!
//! To add a check: a function in the file of its subject that notes what it finds.

mod keys;
mod polar;
mod services;
mod work;

use std::io::{self, Write};

use serde::Serialize;

use super::Output;
use crate::{
    config::Config,
    exit::{Code, Failure},
    telemetry,
};

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// As it has to be.
    Ok,
    /// Somebody should look at it.
    Warns,
    /// Something does not work, or data is at risk.
    Fails,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warns => "warns",
            Self::Fails => "FAILS",
        }
    }
}

/// What a check found.
#[derive(Debug, Serialize)]
struct Finding {
    /// What it is about: `postgres`, `redis`, `keys`, `polar`, `work`.
    about: &'static str,
    level: Level,
    /// What is so, and what to do next where something is to be done.
    text: String,
}

/// Everything that was found.
#[derive(Debug, Default, Serialize)]
struct Findings {
    findings: Vec<Finding>,
}

impl Findings {
    fn note(&mut self, about: &'static str, level: Level, text: impl Into<String>) {
        let text = text.into();
        self.findings.push(Finding { about, level, text });
    }

    fn ok(&mut self, about: &'static str, text: impl Into<String>) {
        self.note(about, Level::Ok, text);
    }

    fn warns(&mut self, about: &'static str, text: impl Into<String>) {
        self.note(about, Level::Warns, text);
    }

    fn fails(&mut self, about: &'static str, text: impl Into<String>) {
        self.note(about, Level::Fails, text);
    }

    /// Notes an error as what it is elsewhere: with its cause and next step.
    fn broken(&mut self, about: &'static str, error: &anyhow::Error) {
        let report = crate::exit::Report::of(error);
        let text = if report.code == Code::Bug {
            telemetry::chain(error.as_ref())
        } else {
            report.to_string().trim_start_matches("error: ").to_owned()
        };
        self.fails(about, text);
    }

    fn worst(&self) -> Level {
        let levels = self.findings.iter().map(|finding| finding.level);
        levels.max().unwrap_or(Level::Ok)
    }

    fn judge(&self) -> Result<(), Failure> {
        let count = |level| self.findings.iter().filter(|it| it.level == level).count();
        let (code, cause) = match self.worst() {
            Level::Ok => return Ok(()),
            Level::Warns => (
                Code::Warns,
                format!("{} findings should be looked at", count(Level::Warns)),
            ),
            Level::Fails => (
                Code::Fails,
                format!(
                    "{} checks failed, and {} findings should be looked at",
                    count(Level::Fails),
                    count(Level::Warns)
                ),
            ),
        };
        Err(Failure::new(code, cause, "each finding says what to do"))
    }
}

/// Runs the command.
pub async fn run(config: &Config, output: &mut Output<impl Write>) -> anyhow::Result<()> {
    let mut findings = Findings::default();
    let postgres = services::postgres(config, &mut findings).await;
    let redis = services::redis(config, &mut findings).await;
    if let Some(store) = &postgres {
        noted(
            "keys",
            keys::look(config, store, &mut findings).await,
            &mut findings,
        );
        noted(
            "work",
            work::look(config, store, &mut findings).await,
            &mut findings,
        );
    }
    if postgres.is_some() && redis.is_some() {
        polar::look(config, &mut findings).await;
    }
    output.show(&findings, write)?;
    Ok(findings.judge()?)
}

/// A look that could not come to its end is a finding as well.
fn noted(about: &'static str, looked: anyhow::Result<()>, findings: &mut Findings) {
    if let Err(error) = looked {
        findings.broken(about, &error);
    }
}

fn write(findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
    for Finding { about, level, text } in &findings.findings {
        writeln!(out, "{:5} {about}: {text}", level.as_str())?;
    }
    Ok(())
}
