//! What was offered, served and deleted: the account that tests compare a database with.
//!
//! Totals count the newest revision of everything that registered accounts have been offered so far. A night's
//! bodies are those of the single-night endpoints. A summary is given as its last transaction served it.

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use serde_json::{Map, Value, json};

use crate::sim::Sim;
use crate::switches::Switches;
use crate::world::account::{Account, NightRecord};
use crate::world::instant_ms;
use crate::world::item::{Content, Item, Kind, State};
use crate::world::parts::{Counts, Part, PartKey, Parts, summary_in_transaction};
use crate::world::session::sample_type;
use crate::world::transactions::{Transaction, TransactionState};

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

#[derive(Default)]
struct Totals {
    users: u64,
    items: [u64; 3],
    nights: u64,
    recharges: u64,
    counts: Counts,
    hypnogram_entries: usize,
    sleep_heart_rate_values: usize,
    hrv_values: usize,
    breathing_values: usize,
}

impl Totals {
    fn add(&mut self, sim: &Sim, account: &mut Account, switches: &Switches) {
        self.users += 1;
        let Account { items, person, .. } = account;
        for kind in Kind::ALL {
            let offered = |item: &&mut Item| item.latest().state != State::AgedOut;
            for item in items[kind.index()].iter_mut().filter(offered) {
                self.items[kind.index()] += 1;
                let hash_id = item.hash_id.clone();
                let latest = item.latest_mut();
                let was_made = latest.parts.is_some();
                // Counts stay when bodies are dropped, so nothing is made a second time for its counts.
                if !was_made {
                    latest
                        .parts(&hash_id, sim.setting(person, switches))
                        .drop_bodies();
                }
                self.add_counts(
                    latest
                        .parts
                        .as_ref()
                        .map(|parts| parts.counts)
                        .unwrap_or_default(),
                );
            }
        }
        let length = |body: &Value, key: &str| body[key].as_object().map_or(0, Map::len);
        for NightRecord { night, .. } in account.nights.values() {
            self.nights += 1;
            let sleep = night.sleep(&account.person, "", switches);
            self.hypnogram_entries += length(&sleep, "hypnogram");
            self.sleep_heart_rate_values += length(&sleep, "heart_rate_samples");
            if night.has_recharge {
                self.recharges += 1;
                let recharge = night.recharge(&account.person, "", switches);
                self.hrv_values += length(&recharge, "hrv_samples");
                self.breathing_values += length(&recharge, "breathing_samples");
            }
        }
    }

    fn add_counts(&mut self, more: Counts) {
        let counts = &mut self.counts;
        for (sum, more) in counts.sample_values.iter_mut().zip(more.sample_values) {
            *sum += more;
        }
        counts.zones += more.zones;
        counts.route_points += more.route_points;
        counts.step_samples += more.step_samples;
        counts.activity_zone_samples += more.activity_zone_samples;
    }

    fn to_json(&self) -> Value {
        let samples = (0..sample_type::COUNT).filter(|id| self.counts.sample_values[*id] > 0);
        let samples = samples.map(|id| (id.to_string(), self.counts.sample_values[id].into()));
        json!({
            "users": self.users,
            "exercises": self.items[Kind::Exercise.index()],
            "nights": self.nights,
            "recharges": self.recharges,
            "activities": self.items[Kind::Activity.index()],
            "physical_informations": self.items[Kind::PhysicalInformation.index()],
            "sample_values": samples.collect::<Map<String, Value>>(),
            "zones": self.counts.zones,
            "route_points": self.counts.route_points,
            "step_samples": self.counts.step_samples,
            "activity_zone_samples": self.counts.activity_zone_samples,
            "hypnogram_entries": self.hypnogram_entries,
            "sleep_heart_rate_values": self.sleep_heart_rate_values,
            "hrv_values": self.hrv_values,
            "breathing_values": self.breathing_values,
        })
    }
}

#[derive(Default)]
struct Transactions {
    created: u64,
    committed: u64,
    expired: u64,
    open: u64,
}

impl Transactions {
    fn add(&mut self, transaction: &Transaction) {
        self.created += 1;
        match transaction.state {
            TransactionState::Open => self.open += 1,
            TransactionState::Committed => self.committed += 1,
            TransactionState::Expired => self.expired += 1,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "created": self.created,
            "committed": self.committed,
            "expired": self.expired,
            "open": self.open,
        })
    }
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
