//! Everything that requests share: settings, clock, switches, accounts and counters.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::http::StatusCode;
use jiff::Timestamp;

use crate::clock::Clock;
use crate::faults::Faults;
use crate::grants::Grants;
use crate::lock::lock;
use crate::quota::{Quota, Reading, Terms};
use crate::stats::Stats;
use crate::switches::{Switches, UrlOrigin};
use crate::violations::Violations;
use crate::webhooks::Webhooks;
use crate::world::account::Account;
use crate::world::item::Setting;
use crate::world::person::{FIRST_POLAR_USER_ID, Person};
use crate::world::{Profile, zone::Zones};

/// What was chosen on the command line.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) users: u64,
    pub(crate) days: u32,
    pub(crate) profile: Profile,
    pub(crate) quota_scale: f64,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) start_at: Timestamp,
    pub(crate) switches: Switches,
    /// Where callers reach the simulator: the beginning of its own URLs.
    pub(crate) own_origin: String,
}

/// The state of the simulator.
#[derive(Debug)]
pub(crate) struct Sim {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) stats: Stats,
    pub(crate) violations: Violations,
    pub(crate) webhooks: Webhooks,
    pub(crate) grants: Mutex<Grants>,
    /// Whether every token answers 401 just now, whoever it belongs to.
    pub(crate) all_revoked: AtomicBool,
    zones: Zones,
    switches: RwLock<Switches>,
    accounts: RwLock<Vec<Arc<Mutex<Account>>>>,
    registered: AtomicU64,
    quota: Mutex<Quota>,
}

/// Beginnings of the URLs in answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origins<'a> {
    /// For users, transactions and exercises.
    pub(crate) www: &'a str,
    /// For sleep and Nightly Recharge, which come from another host.
    pub(crate) bare: &'a str,
}

impl Sim {
    /// The simulated world at its start.
    pub(crate) fn new(settings: Settings, webhooks: Webhooks) -> Result<Self, jiff::Error> {
        let start_at = settings.start_at;
        let zones = Zones::around(start_at.to_zoned(jiff::tz::TimeZone::UTC).date())?;
        let sim = Self {
            clock: Clock::starting_at(start_at),
            faults: Faults::new(settings.seed),
            stats: Stats::default(),
            violations: Violations::default(),
            webhooks,
            grants: Mutex::new(Grants::new(settings.seed)),
            all_revoked: AtomicBool::new(false),
            zones,
            switches: RwLock::new(settings.switches),
            accounts: RwLock::default(),
            registered: AtomicU64::new(0),
            quota: Mutex::new(Quota::new(settings.quota_scale)),
            settings,
        };
        for _ in 0..sim.settings.users {
            sim.add_account();
        }
        Ok(sim)
    }

    /// Adds one more account and returns its Polar user id.
    pub(crate) fn add_account(&self) -> u64 {
        let mut accounts = self
            .accounts
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let person = Person::new(self.settings.seed, accounts.len() as u64, &self.zones);
        let polar_user_id = person.polar_user_id;
        accounts.push(Arc::new(Mutex::new(Account::new(
            person,
            self.settings.profile,
        ))));
        polar_user_id
    }

    /// The account with this Polar user id.
    pub(crate) fn account(&self, polar_user_id: u64) -> Option<Arc<Mutex<Account>>> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        let number = polar_user_id.checked_sub(FIRST_POLAR_USER_ID)?;
        accounts.get(usize::try_from(number).ok()?).cloned()
    }

    /// All accounts, in the order of their ids.
    pub(crate) fn accounts(&self) -> Vec<Arc<Mutex<Account>>> {
        self.accounts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Works on one account as it is at this moment: what is due has been uploaded, what is over is disbanded. Then
    /// the webhook is told what is new.
    pub(crate) fn with_account<T>(
        &self,
        polar_user_id: u64,
        work: impl FnOnce(&mut Account, Timestamp, &Switches) -> T,
    ) -> Option<T> {
        let account = self.account(polar_user_id)?;
        Some(self.with(&account, work))
    }

    /// As [`Sim::with_account`], for an account at hand.
    pub(crate) fn with<T>(
        &self,
        account: &Mutex<Account>,
        work: impl FnOnce(&mut Account, Timestamp, &Switches) -> T,
    ) -> T {
        let (now, switches) = (self.clock.now(), self.switches());
        let (result, user, news) = {
            let mut account = lock(account);
            account.transactions_expire(now, switches.transaction_life_s);
            account.uploads_due(now, &switches);
            let result = work(&mut account, now, &switches);
            (result, account.person.polar_user_id, account.take_news())
        };
        if !news.is_empty() {
            let origin = self.origins(&switches).www;
            self.webhooks.announce(user, &news, origin, now, &switches);
        }
        result
    }

    /// Uploads what is due in all accounts, so that whoever begins to listen hears only of what comes later.
    pub(crate) fn upload_everything_due(&self) {
        for account in self.accounts() {
            self.with(&account, |_, _, _| ());
        }
    }

    /// Registers an account and counts it for the quota.
    pub(crate) fn register(&self, account: &mut Account, member_id: String, now: Timestamp) {
        if account.registration.is_none() {
            self.registered.fetch_add(1, Ordering::Relaxed);
        }
        let days = self.settings.days;
        account.register(
            member_id,
            now,
            self.clock.start_at(),
            days,
            &self.switches(),
        );
    }

    /// Ends the registration of an account.
    pub(crate) fn deregister(&self, account: &mut Account, now: Timestamp) {
        if account.registration.is_some() {
            self.registered.fetch_sub(1, Ordering::Relaxed);
        }
        account.deregister(now);
    }

    /// Counts one request on the windows of the client.
    pub(crate) fn count_request(&self) -> Reading {
        let terms = self.quota_terms();
        lock(&self.quota).count(self.clock.now(), self.clock.real_ms(), terms)
    }

    /// The windows and the refused requests, for the control port.
    pub(crate) fn quota_json(&self) -> (serde_json::Value, u64) {
        let terms = self.quota_terms();
        let quota = lock(&self.quota);
        (quota.to_json(self.clock.now(), terms), quota.refused())
    }

    fn quota_terms(&self) -> Terms {
        let switches = self.switches();
        Terms {
            registered: self.registered.load(Ordering::Relaxed),
            users: switches.quota_users,
            short_window_s: i64::try_from(switches.short_window_s).unwrap_or(i64::MAX),
        }
    }

    /// The switches as they are.
    pub(crate) fn switches(&self) -> Switches {
        *self.switches.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns all of these switches, or none when one of them is refused.
    pub(crate) fn turn<'a>(
        &self,
        pairs: impl Iterator<Item = (&'a str, String)>,
    ) -> Result<(), String> {
        let mut switches = self
            .switches
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut turned = *switches;
        for (key, value) in pairs {
            turned.set(key, &value)?;
        }
        *switches = turned;
        Ok(())
    }

    /// How URLs in answers begin.
    pub(crate) fn origins(&self, switches: &Switches) -> Origins<'_> {
        match switches.url_origin {
            UrlOrigin::Own => Origins {
                www: &self.settings.own_origin,
                bare: &self.settings.own_origin,
            },
            UrlOrigin::Polar => Origins {
                www: "https://www.polaraccesslink.com",
                bare: "https://polaraccesslink.com",
            },
        }
    }

    /// What the bodies of this account's items depend on.
    pub(crate) fn setting<'a>(&'a self, person: &'a Person, switches: &'a Switches) -> Setting<'a> {
        Setting {
            person,
            origin: self.origins(switches).www,
            switches,
        }
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, op: &'static str, user: Option<u64>, status: StatusCode) {
        self.stats.answered(op, user, status);
    }
}
