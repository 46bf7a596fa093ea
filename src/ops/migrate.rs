//! `migrate`.

use std::io::Write;

use anyhow::Context;
use serde_json::json;

use super::Output;
use crate::{config::Config, store::Store};

/// One connection is enough for statements that run one after another.
const CONNECTIONS: u32 = 1;

/// Brings the schema up to date.
pub async fn run(config: &Config, output: &mut Output<impl Write>) -> anyhow::Result<()> {
    let url = config.for_database("migrate")?;
    let store = Store::connect(url.expose(), CONNECTIONS).await?;
    let version = store.migrate().await.context("migrate")?;
    output.show(&json!({ "schema_version": version }), |_, out| {
        writeln!(out, "the schema is at version {version}")
    })?;
    Ok(())
}
