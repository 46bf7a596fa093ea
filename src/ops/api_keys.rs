//! `api-keys`: keys to the HTTP interface.

use std::io::Write;

use serde_json::json;

use super::{
    Output, reach,
    table::{Table, cell},
    when::utc,
};
use crate::{
    cli::{ApiKeysCommand, ApiKeysCreateArgs, ApiKeysRevokeArgs},
    config::Config,
    exit::{Code, Failure},
    model::Scope,
    secret::ApiKey,
    store::{
        Store,
        api_key::{ApiKeySummary, NewApiKey},
        operator::Deed,
    },
};

/// Runs the command.
pub async fn run(
    config: &Config,
    command: ApiKeysCommand,
    operator: &str,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    match command {
        ApiKeysCommand::Create(args) => {
            let store = reach::postgres(config, "api-keys create").await?;
            create(&store, &args, operator, output).await
        }
        ApiKeysCommand::List => {
            let store = reach::postgres(config, "api-keys list").await?;
            list(&store, output).await
        }
        ApiKeysCommand::Revoke(args) => {
            let store = reach::postgres(config, "api-keys revoke").await?;
            revoke(&store, &args, operator, output).await
        }
    }
}

async fn create(
    store: &Store,
    args: &ApiKeysCreateArgs,
    operator: &str,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let key = ApiKey::generate()?;
    let scopes: Vec<_> = Scope::ALL
        .iter()
        .copied()
        .filter(|scope| args.scopes.contains(scope))
        .collect();
    let new = NewApiKey {
        key_id: key.id(),
        name: &args.name,
        key_hash: &key.hash(),
        scopes: &scopes,
    };
    let mut tx = store.begin("api_keys_create").await?;
    if let Err(error) = tx.insert_api_key(&new).await {
        if !error.is_conflict() {
            return Err(error.into());
        }
        let cause = format!("there is a key named {}", args.name);
        let next_step = "revoke it first, or choose another name";
        return Err(Failure::new(Code::Refused, cause, next_step).into());
    }
    tx.log_deed(&deed(operator, "api-keys create", &args.name))
        .await?;
    tx.commit().await?;
    let made =
        json!({ "key_id": key.id(), "name": args.name, "scopes": scopes, "key": key.expose() });
    output.show(&made, |_, out| {
        writeln!(out, "{}", key.expose())?;
        writeln!(
            out,
            "\nThis is the only time that the key is shown. Send it in the header X-Open-Wearables-API-Key."
        )
    })?;
    Ok(())
}

async fn list(store: &Store, output: &mut Output<impl Write>) -> anyhow::Result<()> {
    let keys = store.api_keys().await?;
    output.show(&keys, |keys, out| {
        let mut table = Table::new(["name", "id", "scopes", "made", "last used", "revoked"]);
        for key in keys {
            table.row(row(key));
        }
        table.write(
            out,
            "there is no key; `polar-sync api-keys create` makes one",
        )
    })?;
    Ok(())
}

fn row(key: &ApiKeySummary) -> [String; 6] {
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    [
        key.name.clone(),
        key.key_id.to_string(),
        scopes.join(","),
        utc(key.created_at),
        cell(key.last_used_at.map(utc)),
        cell(key.revoked_at.map(utc)),
    ]
}

async fn revoke(
    store: &Store,
    args: &ApiKeysRevokeArgs,
    operator: &str,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let mut tx = store.begin("api_keys_revoke").await?;
    let Some(key_id) = tx.revoke_api_key(&args.name).await? else {
        let cause = format!("no key in force is named {}, or has that id", args.name);
        let next_step = "`polar-sync api-keys list` shows every key";
        return Err(Failure::new(Code::NotFound, cause, next_step).into());
    };
    tx.log_deed(&deed(operator, "api-keys revoke", &args.name))
        .await?;
    tx.commit().await?;
    output.show(&json!({ "revoked": key_id }), |_, out| {
        writeln!(out, "key {} is revoked", args.name)
    })?;
    Ok(())
}

const fn deed<'a>(operator: &'a str, command: &'a str, name: &'a str) -> Deed<'a> {
    Deed {
        operator,
        command,
        connection: None,
        detail: name,
    }
}
