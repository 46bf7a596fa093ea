//! `explain USER`: how a user stands, in plain words, for somebody who was woken at night.
//!
//! [`facts`] are gathered first; [`text`] and [`next`] are pure, so that the wording is tested with a
//! fixed clock.

mod facts;
mod kinds;
mod next;
#[cfg(test)]
mod tests;
mod text;

use std::io::Write;

use serde::Serialize;

use super::{Output, reach};
use crate::{cli::ExplainArgs, config::Config};
use facts::Facts;

/// What is printed as JSON.
#[derive(Debug, Serialize)]
struct Explained<'a> {
    #[serde(flatten)]
    facts: &'a Facts,
    /// What happens next, and what an operator can do, in sentences.
    next: Vec<String>,
}

/// Runs the command.
pub async fn run(
    config: &Config,
    args: &ExplainArgs,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let store = reach::postgres(config, "explain").await?;
    let row = reach::connection(&store, &args.user).await?;
    let facts = facts::gather(&store, config, row).await?;
    let explained = Explained {
        next: next::next(&facts),
        facts: &facts,
    };
    output.show(&explained, |explained, out| {
        text::write(explained.facts, &explained.next, out)
    })?;
    Ok(())
}
