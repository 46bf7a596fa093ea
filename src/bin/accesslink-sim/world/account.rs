//! One Polar account: the person, whether it is registered, and all data that Polar keeps for it.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Span, Timestamp};

use super::item::{Content, Item, Kind, Revision, State};
use super::news::News;
use super::night::Night;
use super::person::{FIRST_POLAR_USER_ID, Person, Topic};
use super::plan::Profile;
use super::transactions::Transactions;
use super::uploads::Uploads;

/// One account. Callers hold its lock for the length of one request.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) person: Person,
    pub(crate) profile: Profile,
    pub(crate) registration: Option<Registration>,
    /// Whether the mandatory consents are given.
    pub(crate) consent: bool,
    /// Whether the user disconnected the client in Flow.
    pub(crate) revoked: bool,
    /// Calls with a dead token since it was revoked.
    pub(crate) calls_since_revoked: u64,
    /// Items by kind, in the order of their first upload.
    pub(crate) items: [Vec<Item>; 3],
    pub(crate) nights: BTreeMap<Date, NightRecord>,
    pub(crate) transactions: Transactions,
    pub(super) uploads: Uploads,
    /// What was uploaded and not yet told to anybody.
    pub(super) news: Vec<News>,
    next_id: u64,
}

/// That the account is registered with the client.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) member_id: String,
    pub(crate) at: Timestamp,
}

/// A night with how often its bodies left unspoilt.
#[derive(Debug)]
pub(crate) struct NightRecord {
    pub(crate) night: Night,
    pub(crate) revision: u32,
    pub(crate) sleep_served: u32,
    pub(crate) recharge_served: u32,
}

/// Ids of one account are this far from those of the next, so that they are unique and depend on nothing else.
const IDS_AN_ACCOUNT: u64 = 100_000;
const FIRST_ITEM_ID: u64 = 344_000_001;

impl Account {
    /// An account of which nothing has been uploaded yet.
    pub(crate) fn new(person: Person, profile: Profile) -> Self {
        let number = person.polar_user_id - FIRST_POLAR_USER_ID;
        Self {
            profile,
            registration: None,
            consent: true,
            revoked: false,
            calls_since_revoked: 0,
            items: [const { Vec::new() }; 3],
            nights: BTreeMap::new(),
            transactions: Transactions::starting_at(number * IDS_AN_ACCOUNT),
            uploads: Uploads::default(),
            news: Vec::new(),
            next_id: FIRST_ITEM_ID + number * IDS_AN_ACCOUNT,
            person,
        }
    }

    /// Ends the registration. What was uploaded so far is not offered again.
    pub(crate) fn deregister(&mut self, now: Timestamp) {
        self.registration = None;
        for kind in Kind::ALL {
            self.transactions_disband(kind, now);
            for item in &mut self.items[kind.index()] {
                item.is_hidden = true;
                let latest = item.latest_mut();
                if latest.state == State::Pool {
                    latest.state = State::AgedOut;
                }
            }
        }
    }

    /// A number that no other item of the population has.
    pub(super) fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Adds an item that has just been uploaded and returns its place.
    pub(crate) fn add(&mut self, kind: Kind, at: Timestamp, content: Content) -> usize {
        let id = self.new_id();
        let hash_id = if kind == Kind::Exercise {
            self.hash_id(id)
        } else {
            String::new()
        };
        let revisions = vec![Revision::new(id, at, content)];
        let items = &mut self.items[kind.index()];
        items.push(Item {
            hash_id,
            revisions,
            offered: 0,
            is_hidden: false,
        });
        let index = items.len() - 1;
        self.tell_of_item(kind, index);
        index
    }

    /// Offers a changed version of an item. It always is later than the one before.
    pub(crate) fn revise(
        &mut self,
        kind: Kind,
        index: usize,
        at: Timestamp,
        id: u64,
        content: Content,
    ) {
        let item = &mut self.items[kind.index()][index];
        item.is_hidden = false;
        let latest = item.latest_mut();
        if latest.state == State::Pool {
            latest.state = State::Superseded;
        }
        let at = at.max(latest.version_at + SignedDuration::from_secs(1));
        item.revisions.push(Revision::new(id, at, content));
        self.tell_of_item(kind, index);
    }

    /// Place of the item that has this id in its newest revision.
    pub(crate) fn position(&self, kind: Kind, id: u64) -> Option<usize> {
        self.items[kind.index()]
            .iter()
            .position(|item| item.latest().id == id)
    }

    /// The local day at this instant.
    pub(crate) fn local_date(&self, at: Timestamp) -> Date {
        at.to_zoned(self.person.zone.clone()).date()
    }

    /// Adds a night, or scores it again where it is there already.
    pub(crate) fn put_night(&mut self, night: Night) {
        self.tell(News::Sleep(night.date));
        if let Some(record) = self.nights.get_mut(&night.date) {
            record.night = night;
            record.revision += 1;
            return;
        }
        let record = NightRecord {
            night,
            revision: 1,
            sleep_served: 0,
            recharge_served: 0,
        };
        self.nights.insert(record.night.date, record);
    }

    /// The nights that are still kept, oldest first.
    pub(crate) fn nights_kept(
        &self,
        now: Timestamp,
        days: u64,
    ) -> impl Iterator<Item = &NightRecord> {
        self.nights
            .range(self.nights_kept_from(now, days)..)
            .map(|(_, record)| record)
    }

    /// Changes the counters of one night, or of all.
    pub(crate) fn count_nights(&mut self, date: Option<Date>, count: impl Fn(&mut NightRecord)) {
        let records = self.nights.values_mut();
        let wanted = records.filter(|record| date.is_none_or(|date| record.night.date == date));
        wanted.for_each(count);
    }

    /// The oldest day of which a night is still kept.
    pub(super) fn nights_kept_from(&self, now: Timestamp, days: u64) -> Date {
        let span = Span::new().try_days(days as i64);
        let oldest = span.and_then(|span| self.local_date(now).checked_sub(span));
        oldest.unwrap_or(Date::MIN)
    }

    /// Eight letters and digits that have nothing visible in common with the numeric id.
    fn hash_id(&self, id: u64) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut rng = self.person.rng(Topic::HashId, id);
        (0..8).map(|_| char::from(rng.pick(ALPHABET))).collect()
    }
}
