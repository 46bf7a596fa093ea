//! What was offered, served and deleted: the account that tests compare a database with.
//!
//! Totals count the newest revision of everything that registered accounts have been offered so far. A night's
//! bodies are those of the single-night endpoints. A summary is given as its last transaction served it.

mod totals;

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use serde_json::{Map, Value, json};

use self::totals::{Totals, Transactions};
use crate::sim::Sim;
use crate::switches::Switches;
use crate::world::account::{Account, NightRecord};
use crate::world::instant_ms;
use crate::world::item::{Content, Kind, State};
use crate::world::parts::{Part, PartKey, Parts, summary_in_transaction};
use crate::world::transactions::Transaction;

/// Totals of the whole population, its transactions, and what clients did wrong.
pub(crate) fn population(sim: &Sim) -> Value {
    let mut totals = Totals::default();
    let mut transactions = Transactions::default();
    for account in sim.accounts() {
        sim.with(&account, |account, _, switches| {
            account
                .transactions
                .iter()
                .for_each(|transaction| transactions.add(transaction));
            if account.registration.is_some() {
                totals.add(sim, account, switches);
            }
        });
    }
    json!({
        "totals": totals.to_json(),
        "transactions": transactions.to_json(),
        "violations": sim.violations.to_json(),
    })
}

/// Everything about one account.
pub(crate) fn account(sim: &Sim, account: &mut Account, switches: &Switches) -> Value {
    let mut items = Map::new();
    for kind in Kind::ALL {
        let positions = 0..account.items[kind.index()].len();
        let entries = positions.map(|position| item(sim, account, kind, position, switches));
        items.insert(kind.name().to_owned(), entries.collect());
    }
    let (person, origin) = (&account.person, sim.origins(switches).bare);
    let nights = account.nights.values();
    let sleep = nights.clone().map(|record| {
        night(
            record,
            record.sleep_served,
            &record.night.sleep(person, origin, switches),
        )
    });
    items.insert("sleep".to_owned(), sleep.collect());
    let recharges = nights
        .filter(|record| record.night.has_recharge)
        .map(|record| {
            night(
                record,
                record.recharge_served,
                &record.night.recharge(person, origin, switches),
            )
        });
    items.insert("nightly_recharge".to_owned(), recharges.collect());
    let transactions = account.transactions.iter();
    let transactions = transactions
        .map(|it| transaction(account, it))
        .collect::<Value>();
    json!({
        "polar_user_id": account.person.polar_user_id,
        "registered": account.registration.is_some(),
        "items": items,
        "transactions": transactions,
    })
}

/// One item with the bodies of its newest revision.
fn item(
    sim: &Sim,
    account: &mut Account,
    kind: Kind,
    position: usize,
    switches: &Switches,
) -> Value {
    let through = last_transaction(account, kind, position);
    let Account { items, person, .. } = account;
    let item = &mut items[kind.index()][position];
    let hash_id = item.hash_id.clone();
    let parts = item
        .latest_mut()
        .parts(&hash_id, sim.setting(person, switches));
    let bodies = bodies(parts, through);
    let latest = item.latest_mut();
    if let (State::Committed, Some(parts)) = (latest.state, &mut latest.parts) {
        parts.drop_bodies();
    }
    let latest = item.latest();
    let mut entry = Map::new();
    entry.insert("id".to_owned(), latest.id.into());
    if kind == Kind::Exercise {
        entry.insert("hash_id".to_owned(), hash_id.into());
    }
    if let Content::Activity(activity) = &latest.content {
        entry.insert("date".to_owned(), activity.date.to_string().into());
    }
    let version = if kind == Kind::Exercise {
        "upload_time"
    } else {
        "created"
    };
    entry.insert(version.to_owned(), instant_ms(latest.version_at).into());
    entry.insert("revision".to_owned(), item.revisions.len().into());
    entry.insert("state".to_owned(), latest.state.name().into());
    entry.insert("offered".to_owned(), item.offered.into());
    entry.insert("served".to_owned(), item.served().into());
    entry.insert(
        "committed_at".to_owned(),
        latest.committed_at.map(instant_ms).into(),
    );
    entry.insert("parts".to_owned(), bodies.into());
    entry.insert(
        "revisions_committed".to_owned(),
        item.revisions_committed().collect(),
    );
    entry.into()
}

fn bodies(parts: &Parts, through: Option<u64>) -> Map<String, Value> {
    let one = |part: &Part| {
        let body = match (part.key, through) {
            (PartKey::Summary, Some(transaction)) => {
                summary_in_transaction(&part.body, transaction)
            }
            _ => part.body.clone(),
        };
        let mut entry = fingerprint(&body, part.served);
        if part.key == PartKey::Summary {
            entry["body"] = serde_json::from_slice(&body).unwrap_or_default();
        }
        (part.key.to_string(), entry)
    };
    parts.parts.iter().map(one).collect()
}

fn night(record: &NightRecord, served: u32, body: &Value) -> Value {
    let mut summary = fingerprint(&Bytes::from(body.to_string()), served);
    summary["body"] = body.clone();
    json!({
        "date": record.night.date.to_string(),
        "revision": record.revision,
        "served": served,
        "parts": {"summary": summary},
    })
}

fn transaction(account: &Account, transaction: &Transaction) -> Value {
    let items = &account.items[transaction.kind.index()];
    let ids = transaction
        .entries
        .iter()
        .map(|entry| items[entry.item].revisions[entry.revision].id);
    json!({
        "id": transaction.id,
        "kind": transaction.kind.name(),
        "state": transaction.state.name(),
        "created_at": instant_ms(transaction.created_at),
        "items": ids.collect::<Vec<_>>(),
        "closed_at": transaction.closed_at.map(instant_ms),
    })
}

/// The transaction that the newest revision of an item was last listed in.
fn last_transaction(account: &Account, kind: Kind, position: usize) -> Option<u64> {
    let newest = account.items[kind.index()][position].revisions.len() - 1;
    let of_kind = account
        .transactions
        .iter()
        .filter(|transaction| transaction.kind == kind);
    let lists = |transaction: &&Transaction| {
        transaction
            .entries
            .iter()
            .any(|entry| entry.item == position && entry.revision == newest)
    };
    of_kind
        .filter(lists)
        .last()
        .map(|transaction| transaction.id)
}

fn fingerprint(body: &Bytes, served: u32) -> Value {
    let sha256 = digest(&SHA256, body);
    let sha256 = sha256
        .as_ref()
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    json!({"sha256": sha256, "bytes": body.len(), "served": served})
}
