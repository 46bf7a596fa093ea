//! `users`: connections of users.

mod erase;
mod export;
mod import;
mod line;
mod list;
mod pause;
mod reader;
mod resume;
mod show;

use std::io::Write;

use super::Output;
use crate::{cli::UsersCommand, config::Config};

/// Runs the command for `operator`.
pub async fn run(
    config: &Config,
    command: UsersCommand,
    operator: &str,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    match command {
        UsersCommand::List(args) => list::run(config, &args, output).await,
        UsersCommand::Show(args) => show::run(config, &args, output).await,
        UsersCommand::Import(args) => import::run(config, &args, output).await,
        UsersCommand::Pause(args) => pause::run(config, &args, operator, output).await,
        UsersCommand::Export(args) => export::run(config, &args, output).await,
        UsersCommand::Resume(args) => resume::run(config, &args, operator, output).await,
        UsersCommand::Erase(args) => erase::run(config, &args, operator, output).await,
    }
}
