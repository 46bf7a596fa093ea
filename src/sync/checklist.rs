//! What a transaction lists, and how far it is fetched and durable. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Failure, item::FetchedItem};
use crate::accesslink::{
    Error, Operation,
    error::{Broken, Meaning},
};

/// After so many items that could not be fetched, and none that could, the others are not tried.
const SUSPECT_ITEMS: usize = 3;

/// What ended a batch early.
#[derive(Debug)]
pub enum Trouble {
    /// Polar no longer knows the transaction.
    Gone,
    /// The kind cannot go on for now.
    Failed(Failure),
}

/// What a transaction lists, and how far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Checklist {
    /// Everything that it lists.
    items: BTreeSet<i64>,
    /// What was listed and not fetched yet.
    pending: BTreeSet<i64>,
    /// What was fetched, whole or not.
    fetched: BTreeSet<i64>,
    /// What is durable.
    durable: BTreeSet<i64>,
    /// What could not be fetched whole, by item id or refused URL, and why.
    broken: BTreeMap<String, Error>,
}

impl Checklist {
    /// The list was read, again or for the first time.
    pub fn read(&mut self, items: BTreeSet<i64>) {
        self.pending = items.difference(&self.fetched).copied().collect();
        self.items = items;
    }

    /// Something in the list cannot be asked for.
    pub fn refused(&mut self, name: String, error: Error) {
        self.broken.insert(name, error);
    }

    /// Everything that is listed.
    pub fn items(&self) -> impl Iterator<Item = i64> {
        self.items.iter().copied()
    }

    /// What is to be fetched.
    pub fn pending(&self) -> impl Iterator<Item = i64> {
        self.pending.iter().copied()
    }

    /// An item was fetched, whole or not.
    pub fn fetched(&mut self, item: i64) {
        self.pending.remove(&item);
        self.fetched.insert(item);
    }

    /// Whether the list is to be read once more before a batch is recorded: at the end of the
    /// transaction, since items may have come since, and where a part was answered with 404, which may
    /// be that of a transaction that is over.
    pub fn is_read_again(&self, batch: &[FetchedItem]) -> bool {
        self.pending.is_empty() || batch.iter().any(FetchedItem::has_missing)
    }

    /// The list was read once more, so what is missing of an item that it names is absent. Tells
    /// whether the batch is the last one.
    pub fn settle(&self, batch: &mut [FetchedItem]) -> bool {
        for item in batch {
            if self.items.contains(&item.item_id) {
                item.settle_missing();
            }
        }
        self.pending.is_empty()
    }

    /// Takes notice of an item that was recorded.
    pub fn note(&mut self, item: &FetchedItem) {
        match &item.broken {
            Some(error) => {
                self.broken.insert(item.item_id.to_string(), error.clone());
            }
            None => {
                self.durable.insert(item.item_id);
            }
        }
    }

    /// Whether no item is durable.
    pub fn has_none_durable(&self) -> bool {
        self.durable.is_empty()
    }

    /// The error that all items seem to have, when it is hardly theirs: an outage, or a consent that is
    /// missing.
    pub fn error_of_all(&self, batch: &[FetchedItem]) -> Option<Error> {
        let errors: Vec<_> = batch
            .iter()
            .map_while(|item| item.broken.as_ref())
            .collect();
        let is_of_all = self.durable.is_empty()
            && (SUSPECT_ITEMS..=batch.len()).contains(&errors.len())
            && errors.iter().all(|error| !error.meaning.is_of_one_item());
        errors
            .first()
            .filter(|_| is_of_all)
            .map(|error| (*error).clone())
    }

    /// What is listed and not durable, without what an operator gave up; and why the first of it is
    /// not. `None` when everything is durable.
    pub fn not_durable(&self, accepted_loss: &[String]) -> Option<(Vec<String>, Error)> {
        let mut open: BTreeSet<_> = self.broken.keys().cloned().collect();
        let listed = self
            .items
            .iter()
            .filter(|item| !self.durable.contains(item));
        open.extend(listed.map(ToString::to_string));
        open.retain(|item| !accepted_loss.contains(item));
        let cause = self.broken.get(open.first()?).cloned().unwrap_or(Error {
            operation: Operation::GetItem,
            meaning: Meaning::Broken(Broken::CutOff),
        });
        Some((open.into_iter().collect(), cause))
    }
}
