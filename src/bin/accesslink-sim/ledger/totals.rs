//! Sums over the whole population.

use serde_json::{Map, Value, json};

use crate::sim::Sim;
use crate::switches::Switches;
use crate::world::account::{Account, NightRecord};
use crate::world::item::{Item, Kind, State};
use crate::world::parts::Counts;
use crate::world::session::sample_type;
use crate::world::transactions::{Transaction, TransactionState};

/// How much there is in all accounts.
#[derive(Default)]
pub(super) struct Totals {
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
    /// Adds everything that one account has been offered.
    pub(super) fn add(&mut self, sim: &Sim, account: &mut Account, switches: &Switches) {
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

    /// As the control port reports it.
    pub(super) fn to_json(&self) -> Value {
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

/// How many transactions there were, by what became of them.
#[derive(Default)]
pub(super) struct Transactions {
    created: u64,
    committed: u64,
    expired: u64,
    open: u64,
}

impl Transactions {
    /// Adds one transaction.
    pub(super) fn add(&mut self, transaction: &Transaction) {
        self.created += 1;
        match transaction.state {
            TransactionState::Open => self.open += 1,
            TransactionState::Committed => self.committed += 1,
            TransactionState::Expired => self.expired += 1,
        }
    }

    /// As the control port reports it.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "created": self.created,
            "committed": self.committed,
            "expired": self.expired,
            "open": self.open,
        })
    }
}
