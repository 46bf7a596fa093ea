//! The keys that seal tokens: whether they are the recorded ones, open everything, and are still needed.

use uuid::Uuid;

use super::Findings;
use crate::{
    config::Config,
    connection::check_opens,
    model::ConnectionId,
    secret::Keyring,
    store::{
        Store,
        keys::{KeyUse, KeysError},
        webhook::secret_aad,
    },
};

const KEYS: &str = "keys";

/// Connections whose tokens are read at once.
const BATCH: i64 = 5_000;

/// Users that are named whose tokens do not open.
const NAMED_MAX: usize = 5;

pub(super) async fn look(
    config: &Config,
    store: &Store,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let keyring = match Keyring::from_config(&config.security) {
        Ok(keyring) => keyring,
        Err(error) => {
            findings.broken(KEYS, &error.into());
            return Ok(());
        }
    };
    match store.verify_keys(&keyring).await {
        Ok(_) => {}
        Err(KeysError::Key(error)) => findings.broken(KEYS, &error.into()),
        Err(KeysError::Store(error)) => return Err(error.into()),
    }
    look_at_uses(&keyring, &store.key_uses().await?, findings);
    look_at_texts(&keyring, store, findings).await
}

/// Whether each key is configured that seals something, and whether each configured one still does.
fn look_at_uses(keyring: &Keyring, uses: &[KeyUse], findings: &mut Findings) {
    let first = keyring.ids().next().unwrap_or_default();
    let sealed = |key: &KeyUse| {
        format!(
            "the tokens of {} connections and the secrets of {} webhooks",
            key.connections, key.webhooks
        )
    };
    for key in uses.iter().filter(|key| key.connections + key.webhooks > 0) {
        let (id, sealed) = (&key.key_id, sealed(key));
        if keyring.ids().all(|configured| configured != id) {
            findings.fails(
                KEYS,
                format!("key {id} seals {sealed}, and is not among security.keys: give it back under its id"),
            );
        } else if id != first {
            findings.warns(
                KEYS,
                format!("key {id} still seals {sealed}: `polar-sync keys rotate` seals them anew with {first}"),
            );
        } else {
            findings.ok(KEYS, format!("key {id} seals {sealed}"));
        }
    }
    for id in keyring.ids().skip(1) {
        let is_used = |key: &KeyUse| key.key_id == id && key.connections + key.webhooks > 0;
        if !uses.iter().any(is_used) {
            findings.ok(
                KEYS,
                format!(
                    "key {id} seals nothing any more: it can go from security.keys, once every process has {first} first"
                ),
            );
        }
    }
}

/// Whether everything that is sealed opens.
async fn look_at_texts(
    keyring: &Keyring,
    store: &Store,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let (mut opened, mut broken, mut named) = (0_u64, 0_u64, Vec::new());
    let mut after = ConnectionId(Uuid::nil());
    loop {
        let rows = store.tokens_after(after, BATCH).await?;
        let Some(last) = rows.last() else { break };
        after = last.connection_id;
        for row in rows {
            match check_opens(keyring, row.connection_id, &row.tokens) {
                Ok(()) => opened += 1,
                Err(error) => {
                    broken += 1;
                    if named.len() < NAMED_MAX {
                        named.push(format!("user {}: {error}", row.user_id));
                    }
                }
            }
        }
    }
    for secret in store.webhook_secrets().await? {
        let aad = secret_aad(&secret.webhook_id);
        match keyring.open(&secret.key_id, &aad, &secret.bytes) {
            Ok(_) => opened += 1,
            Err(error) => {
                broken += 1;
                named.push(format!("webhook {}: {error}", secret.webhook_id));
            }
        }
    }
    if broken == 0 {
        findings.ok(KEYS, format!("all {opened} sealed texts open"));
    } else {
        findings.fails(
            KEYS,
            format!(
                "{broken} of {} sealed texts do not open ({}): give security.keys what sealed them, or have these users \
                 connect again",
                opened + broken,
                named.join("; ")
            ),
        );
    }
    Ok(())
}
