//! `config check` and `config show`.

use std::io::Write;

use serde_json::json;

use super::Output;
use crate::{
    cli::{ConfigCheckArgs, ConfigCommand, Role},
    config::{Config, ConfigError, Loaded, Shown},
};

/// Runs the command on a configuration that was read without an error.
pub fn run(
    command: &ConfigCommand,
    loaded: &Loaded,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Check(args) => check(args, &loaded.config, output),
        ConfigCommand::Show => show(&loaded.shown(), output),
    }
}

fn check(
    args: &ConfigCheckArgs,
    config: &Config,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    needs(config, args.role.unwrap_or(Role::All))?;
    output.show(&json!({ "ok": true }), |_, out| {
        writeln!(out, "the configuration is complete")
    })?;
    Ok(())
}

/// What a role needs is asked in the same way as when it starts.
fn needs(config: &Config, role: Role) -> Result<(), ConfigError> {
    match role {
        Role::Migrate => config.for_database("migrate").map(drop),
        Role::Scheduler => config.for_scheduler().map(drop),
        // A worker needs all that a scheduler needs.
        Role::Api => config.for_polar("api").map(drop),
        Role::Worker => config.for_polar("worker").map(drop),
        Role::All => config.for_polar("all").map(drop),
    }
}

fn show(keys: &[Shown], output: &mut Output<impl Write>) -> anyhow::Result<()> {
    output.show(keys, |keys, out| {
        let width = |text: fn(&Shown) -> usize| keys.iter().map(text).max().unwrap_or_default();
        let key_width = width(|shown| shown.key.len());
        let value_width = width(|shown| shown.value_text().len()).min(VALUE_WIDTH_MAX);
        for shown in keys {
            let (key, value, origin) = (&shown.key, shown.value_text(), &shown.origin);
            writeln!(out, "{key:key_width$}  {value:value_width$}  {origin}")?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The widest column of values; a longer value pushes its origin to the right.
const VALUE_WIDTH_MAX: usize = 44;
