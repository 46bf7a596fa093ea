//! The executable `polar-sync`: command line, configuration, telemetry, then one command.

use std::{
    io::{self, Write},
    panic,
    process::ExitCode,
};

use clap::Parser;
use polar_sync::{
    cli::{Cli, Command, Global},
    config::{Loaded, Sources},
    exit::{Code, Report},
    ops::{self, Output},
    role, telemetry,
};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too, and are no failure.
            let code = if error.use_stderr() {
                Code::Usage
            } else {
                Code::Ok
            };
            // Where the usage cannot be printed, only the code is left to tell.
            return error.print().map_or(Code::Bug, |()| code).into();
        }
    };
    let json = cli.global.json;
    // The hook has told of a panic; the code says that it was a bug, as the contract wants it.
    match panic::catch_unwind(|| run(cli)) {
        Ok(Ok(())) => Code::Ok.into(),
        Ok(Err(error)) => tell(&Report::of(&error), json).into(),
        Err(_) => Code::Bug.into(),
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let Global {
        config,
        settings,
        json,
    } = cli.global;
    let sources = Sources::of_process(config, settings);
    let loaded = sources.load()?;
    telemetry::init(&loaded.config.telemetry)?;
    let command = dispatch(cli.command, sources, loaded, Output::new(json));
    Runtime::new()?.block_on(command)
}

async fn dispatch(
    command: Command,
    sources: Sources,
    loaded: Loaded,
    mut output: Output,
) -> anyhow::Result<()> {
    let config = &loaded.config;
    match command {
        Command::Worker => role::worker(config, sources, role::until_told_to_stop()?).await,
        Command::Scheduler => role::scheduler(config, sources, role::until_told_to_stop()?).await,
        Command::Api => role::api(config, sources, role::until_told_to_stop()?).await,
        Command::All => role::all(config, sources, role::until_told_to_stop()?).await,
        Command::Migrate => ops::migrate::run(config, &mut output).await,
        Command::Enqueue(args) => ops::enqueue::run(config, args, &mut output).await,
        Command::Users(command) => {
            ops::users::run(config, command, &sources.operator(), &mut output).await
        }
        Command::Status => ops::status::run(config, &mut output).await,
        Command::Doctor => ops::doctor::run(config, &mut output).await,
        Command::Explain(args) => ops::explain::run(config, &args, &mut output).await,
        Command::Audit(args) => ops::audit::run(config, &args, &mut output).await,
        Command::Dead(command) => {
            ops::dead::run(config, command, &sources.operator(), &mut output).await
        }
        Command::Transactions(command) => {
            ops::transactions::run(config, command, &sources.operator(), &mut output).await
        }
        Command::Keys(command) => {
            ops::keys::run(config, &command, &sources.operator(), &mut output).await
        }
        Command::ApiKeys(command) => {
            ops::api_keys::run(config, command, &sources.operator(), &mut output).await
        }
        Command::Webhook(command) => {
            ops::webhook::run(config, command, &sources.operator(), &mut output).await
        }
        Command::Config(command) => ops::config::run(&command, &loaded, &mut output),
        Command::Demo(args) => ops::demo::run(&args, &sources.environment, &mut output).await,
    }
}

/// Tells of a failure on standard error, in one line.
fn tell(report: &Report, json: bool) -> Code {
    let line = if json {
        serde_json::to_string(report)
    } else {
        Ok(report.to_string())
    };
    let line = line.unwrap_or_else(|_| report.to_string());
    // Nobody is left to tell when standard error is gone; the code still says it.
    match writeln!(io::stderr(), "{line}") {
        Ok(()) | Err(_) => report.code,
    }
}
