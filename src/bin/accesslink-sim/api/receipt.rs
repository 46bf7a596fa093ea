//! Receipts: which bodies an answer serves. They are recorded once the answer leaves unspoilt, so that the ledger
//! knows what a client can have kept.

use jiff::civil::Date;

use crate::world::account::Account;
use crate::world::exercise::Flags;
use crate::world::item::{Item, Kind};
use crate::world::parts::PartKey;

/// What an answer serves.
#[derive(Debug, Clone, Copy)]
pub(super) enum Receipt {
    /// A part of a revision of an item.
    Part {
        kind: Kind,
        item: usize,
        revision: usize,
        key: PartKey,
    },
    /// The object of one exercise, or of all where there is no position, with what the flags add.
    Exercises { item: Option<usize>, flags: Flags },
    /// The sleep of one night, or of all where there is no date.
    Sleep(Option<Date>),
    /// The recharge of one night, or of all where there is no date.
    Recharge(Option<Date>),
}

impl Receipt {
    /// Counts what was served.
    pub(super) fn record(self, account: &mut Account) {
        match self {
            Self::Part {
                kind,
                item,
                revision,
                key,
            } => {
                if let Some(item) = account.items[kind.index()].get_mut(item) {
                    count(item, revision, |of| of == key);
                }
            }
            Self::Exercises {
                item: position,
                flags,
            } => {
                let items = account.items[Kind::Exercise.index()].iter_mut().enumerate();
                let listed = items.filter(|(place, item)| match position {
                    Some(position) => position == *place,
                    None => !item.is_hidden,
                });
                for (_, item) in listed {
                    count(item, item.revisions.len() - 1, |key| {
                        is_in_object(key, flags)
                    });
                }
            }
            Self::Sleep(date) => account.count_nights(date, |record| record.sleep_served += 1),
            Self::Recharge(date) => {
                account.count_nights(date, |record| record.recharge_served += 1);
            }
        }
    }
}

fn count(item: &mut Item, revision: usize, is_served: impl Fn(PartKey) -> bool) {
    let revision = item.revisions.get_mut(revision);
    if let Some(parts) = revision.and_then(|revision| revision.parts.as_mut()) {
        let served = parts.parts.iter_mut().filter(|part| is_served(part.key));
        served.for_each(|part| part.served += 1);
    }
}

/// Whether the object of `/v3/exercises` says the same as this part of the transactional family.
fn is_in_object(key: PartKey, flags: Flags) -> bool {
    match key {
        PartKey::Summary => true,
        PartKey::HeartRateZones => flags.zones,
        PartKey::Samples(_) => flags.samples,
        PartKey::Gpx => flags.route,
        PartKey::Tcx | PartKey::Fit | PartKey::StepSamples | PartKey::ZoneSamples => false,
    }
}
