//! `keys rotate`: everything that is sealed, sealed anew with the first key of `security.keys`.
//!
//! Batches are transactions of their own, and what is done is not done again, so it may be stopped at any time. Syncs
//! go on meanwhile: their workers have both keys.

use std::io::{self, Write};

use serde::Serialize;

use crate::{
    config::Config,
    connection::reseal,
    exit::{Code, Failure},
    model::ConnectionId,
    ops::{Output, progress::Teller, reach},
    secret::Keyring,
    store::{
        Store,
        operator::Deed,
        webhook::{SealedSecret, secret_aad},
    },
};

/// Connections of one transaction.
const BATCH: i64 = 1_000;

/// How often everything is looked at: a process that has the keys in their old order seals with an old one meanwhile.
const PASSES_MAX: usize = 10;

/// Connections that are named whose tokens cannot be opened.
const NAMED_MAX: usize = 20;

/// What was done.
#[derive(Debug, Default, Serialize)]
struct Rotated {
    /// The key that seals now.
    key_id: String,
    /// Connections whose tokens were sealed anew.
    connections: u64,
    /// Webhooks whose secret was.
    webhooks: u64,
    /// What could not be opened, of the last pass.
    unreadable: Unreadable,
    /// Keys of `security.keys` that seal nothing any more.
    unused: Vec<String>,
}

/// What no configured key opens.
#[derive(Debug, Default, Serialize)]
struct Unreadable {
    count: u64,
    /// Some of them, and why.
    named: Vec<Named>,
}

#[derive(Debug, Serialize)]
struct Named {
    what: String,
    error: String,
}

impl Unreadable {
    fn note(&mut self, what: String, error: &dyn std::error::Error) {
        self.count += 1;
        if self.named.len() < NAMED_MAX {
            let error = error.to_string();
            self.named.push(Named { what, error });
        }
    }
}

pub(super) async fn run(
    config: &Config,
    operator: &str,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let keyring = Keyring::from_config(&config.security)?;
    let store = reach::postgres(config, "keys rotate").await?;
    store.check_keys(&keyring).await?;
    let key_id = keyring.ids().next().unwrap_or_default().to_owned();
    let rotation = Rotation {
        key_id,
        keyring,
        store,
        operator,
        teller: Teller::new(),
    };
    let ended = rotation.rotate().await;
    rotation.teller.done();
    let rotated = ended?;
    output.show(&rotated, write)?;
    rotated.judge()
}

struct Rotation<'a> {
    keyring: Keyring,
    /// The key that seals.
    key_id: String,
    store: Store,
    operator: &'a str,
    teller: Teller,
}

/// What one pass did.
#[derive(Debug, Default)]
struct Pass {
    connections: u64,
    webhooks: u64,
    unreadable: Unreadable,
}

impl Rotation<'_> {
    async fn rotate(&self) -> anyhow::Result<Rotated> {
        let all = self.store.count_sealed_otherwise(&self.key_id).await?;
        let all = u64::try_from(all).unwrap_or_default();
        let mut rotated = Rotated {
            key_id: self.key_id.clone(),
            ..Rotated::default()
        };
        for _ in 0..PASSES_MAX {
            let pass = self.pass(rotated.connections, all).await?;
            rotated.connections += pass.connections;
            rotated.webhooks += pass.webhooks;
            rotated.unreadable = pass.unreadable;
            if pass.connections + pass.webhooks == 0 {
                break;
            }
        }
        self.log(&rotated).await?;
        let uses = self.store.key_uses().await?;
        let is_used = |id: &str| {
            uses.iter()
                .any(|key| key.key_id == id && key.connections + key.webhooks > 0)
        };
        let others = self.keyring.ids().skip(1).filter(|id| !is_used(id));
        rotated.unused = others.map(str::to_owned).collect();
        Ok(rotated)
    }

    /// Looks at everything once.
    async fn pass(&self, done: u64, all: u64) -> anyhow::Result<Pass> {
        let mut pass = Pass::default();
        for secret in self.store.webhook_secrets().await? {
            if secret.key_id != self.key_id {
                self.webhook(&secret, &mut pass).await?;
            }
        }
        let mut after = ConnectionId(uuid::Uuid::nil());
        while let Some(last) = self.batch(after, &mut pass).await? {
            after = last;
            let done = done + pass.connections;
            self.teller
                .is_at(done, all.max(done), "connections are sealed anew");
        }
        Ok(pass)
    }

    async fn webhook(&self, secret: &SealedSecret, pass: &mut Pass) -> anyhow::Result<()> {
        let aad = secret_aad(&secret.webhook_id);
        let opened = self.keyring.open(&secret.key_id, &aad, &secret.bytes);
        match opened.and_then(|opened| self.keyring.seal(&aad, &opened)) {
            Ok(resealed) => {
                let mut tx = self.store.begin("keys_rotate").await?;
                if tx.put_resealed_secret(secret, &resealed).await? {
                    pass.webhooks += 1;
                }
                tx.commit().await?;
            }
            Err(error) => pass
                .unreadable
                .note(format!("webhook {}", secret.webhook_id), &error),
        }
        Ok(())
    }

    /// Seals the tokens of some connections anew; the last of them, or `None` when there was none.
    async fn batch(
        &self,
        after: ConnectionId,
        pass: &mut Pass,
    ) -> anyhow::Result<Option<ConnectionId>> {
        let mut tx = self.store.begin("keys_rotate").await?;
        let rows = tx.lock_sealed_otherwise(&self.key_id, after, BATCH).await?;
        let mut resealed = Vec::with_capacity(rows.len());
        for row in &rows {
            match reseal(&self.keyring, row.connection_id, &row.tokens) {
                Ok(tokens) => resealed.push((row.connection_id, tokens)),
                Err(error) => pass
                    .unreadable
                    .note(format!("user {}", row.user_id), &error),
            }
        }
        tx.put_resealed(&resealed).await?;
        tx.commit().await?;
        pass.connections += resealed.len() as u64;
        Ok(rows.last().map(|row| row.connection_id))
    }

    async fn log(&self, rotated: &Rotated) -> anyhow::Result<()> {
        let (connections, webhooks) = (rotated.connections, rotated.webhooks);
        let mut tx = self.store.begin("keys_rotate").await?;
        tx.log_deed(&Deed {
            operator: self.operator,
            command: "keys rotate",
            connection: None,
            detail: &format!(
                "to key {}: {connections} connections, {webhooks} webhooks",
                self.key_id
            ),
        })
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

impl Rotated {
    fn judge(&self) -> anyhow::Result<()> {
        match self.unreadable.count {
            0 => Ok(()),
            count => Err(Failure::new(
                Code::Keys,
                format!("{count} of the sealed texts cannot be opened"),
                "give security.keys the keys that sealed them, under their ids, and run this again; everything else \
                 is done",
            )
            .into()),
        }
    }
}

fn write(rotated: &Rotated, out: &mut dyn Write) -> io::Result<()> {
    let Rotated {
        key_id,
        connections,
        webhooks,
        unreadable,
        unused,
    } = rotated;
    if connections + webhooks + unreadable.count == 0 {
        writeln!(out, "key {key_id} seals everything already")?;
    } else {
        writeln!(
            out,
            "key {key_id} seals the tokens of {connections} more connections and the secrets of {webhooks} more webhooks"
        )?;
    }
    for Named { what, error } in &unreadable.named {
        writeln!(out, "{what}: {error}")?;
    }
    for key_id in unused {
        writeln!(
            out,
            "key {key_id} seals nothing any more: it can go from security.keys, once every process has {} first",
            rotated.key_id
        )?;
    }
    Ok(())
}
