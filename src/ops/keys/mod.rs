//! `keys`: the keys that seal tokens.

mod rotate;

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{
    Output, reach,
    table::{Table, cell},
    when::utc,
};
use crate::{
    cli::KeysCommand,
    config::Config,
    secret::Keyring,
    store::{Store, keys::KeyUse},
};

/// Runs the command.
pub async fn run(
    config: &Config,
    command: &KeysCommand,
    operator: &str,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    match command {
        KeysCommand::Add => add(config, output).await,
        KeysCommand::List => list(config, output).await,
        KeysCommand::Rotate => rotate::run(config, operator, output).await,
    }
}

/// Records the proof of every configured key that is new, and checks the others against theirs.
async fn add(config: &Config, output: &mut Output<impl Write>) -> anyhow::Result<()> {
    let keyring = Keyring::from_config(&config.security)?;
    let store = reach::postgres(config, "keys add").await?;
    let before = store.key_uses().await?;
    store.check_keys(&keyring).await?;
    let is_new = |id: &&str| {
        before
            .iter()
            .all(|key| key.key_id != *id || key.added_at.is_none())
    };
    let added: Vec<_> = keyring.ids().filter(is_new).collect();
    let checked: Vec<_> = keyring.ids().filter(|id| !is_new(id)).collect();
    output.show(&json!({ "added": added, "checked": checked }), |_, out| {
        for id in &added {
            writeln!(out, "key {id} is recorded")?;
        }
        for id in &checked {
            writeln!(out, "key {id} is the recorded one")?;
        }
        Ok(())
    })?;
    Ok(())
}

/// A key, as the list shows it.
#[derive(Debug, Serialize)]
struct Listed {
    key_id: String,
    /// Whether `security.keys` has it.
    configured: bool,
    /// Whether new tokens are sealed with it.
    seals: bool,
    added_at: Option<Timestamp>,
    /// How many connections' tokens it seals.
    connections: i64,
    /// How many webhooks' secrets it seals.
    webhooks: i64,
}

async fn list(config: &Config, output: &mut Output<impl Write>) -> anyhow::Result<()> {
    let store = reach::postgres(config, "keys list").await?;
    let listed = gather(config, &store).await?;
    output.show(&listed, |listed, out| write(listed, out))?;
    Ok(())
}

async fn gather(config: &Config, store: &Store) -> anyhow::Result<Vec<Listed>> {
    let uses = store.key_uses().await?;
    let configured: Vec<_> = config
        .security
        .keys
        .iter()
        .map(|key| key.id().to_owned())
        .collect();
    let unused = |id: &&String| uses.iter().all(|key| key.key_id != **id);
    let new = configured.iter().filter(unused).map(|id| KeyUse {
        key_id: id.clone(),
        added_at: None,
        connections: 0,
        webhooks: 0,
    });
    let all = new.chain(uses.iter().cloned());
    let mut listed: Vec<_> = all
        .map(|key| Listed {
            configured: configured.contains(&key.key_id),
            seals: configured.first() == Some(&key.key_id),
            key_id: key.key_id,
            added_at: key.added_at,
            connections: key.connections,
            webhooks: key.webhooks,
        })
        .collect();
    listed.sort_by(|a, b| a.key_id.cmp(&b.key_id));
    Ok(listed)
}

fn write(listed: &[Listed], out: &mut dyn Write) -> io::Result<()> {
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let mut table = Table::new([
        "key",
        "configured",
        "seals new tokens",
        "recorded",
        "connections",
        "webhooks",
    ]);
    for key in listed {
        table.row([
            key.key_id.clone(),
            yes(key.configured),
            yes(key.seals),
            cell(key.added_at.map(utc)),
            key.connections.to_string(),
            key.webhooks.to_string(),
        ]);
    }
    table.write(out, "no key is configured or recorded")?;
    for key in listed
        .iter()
        .filter(|key| !key.configured && key.connections + key.webhooks > 0)
    {
        writeln!(
            out,
            "warning: key {} is not among security.keys, so the tokens of {} connections cannot be opened, nor the \
             secrets of {} webhooks; configure it again under its id",
            key.key_id, key.connections, key.webhooks
        )?;
    }
    for key in listed
        .iter()
        .filter(|key| key.configured && key.added_at.is_none())
    {
        writeln!(
            out,
            "key {} is not recorded yet; `polar-sync keys add` does it",
            key.key_id
        )?;
    }
    Ok(())
}
