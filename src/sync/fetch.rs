//! The second stage: lists a transaction and fetches its items, in batches of bounded size.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::RangeInclusive,
};

use bytes::Bytes;
use futures::{StreamExt, stream};

use super::{
    Failure, Run,
    item::{Fetched, FetchedItem, SUMMARY, content_version, outline},
    lifecycle::Transactions,
};
use crate::{
    accesslink::{
        Answer, Call, Error, Operation, address,
        call::ItemPart,
        error::{Broken, Meaning, Refused},
        wire,
    },
    model::TransactionAddress,
    store::{
        raw::{self, Held, RawKey, RawPart},
        raw_latest,
    },
};

/// A batch is recorded when it holds this much, whatever else is waiting.
const BATCH_MAX_BYTES: usize = 8 * 1024 * 1024;

/// After so many items that could not be fetched, and none that could, the others are not tried.
const SUSPECT_ITEMS: usize = 3;

/// The ids of Polar's sample types. Source: AccessLink documentation, "Exercise sample types".
const KNOWN_SAMPLE_TYPES: RangeInclusive<u8> = 0..=11;

/// The most series of one exercise that are fetched: five times the types that Polar has.
const SERIES_MAX: usize = 64;

/// A transaction with what it lists, and how far it is fetched.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) address: TransactionAddress,
    /// Everything that it lists.
    pub(super) items: BTreeSet<i64>,
    /// What is durable.
    pub(super) durable: BTreeSet<i64>,
    /// What could not be fetched whole, by item id or refused URL, and why.
    pub(super) broken: BTreeMap<String, Error>,
    pending: BTreeSet<i64>,
    fetched: BTreeSet<i64>,
    /// What an earlier transaction left here.
    stored: HashMap<RawKey, Held>,
}

/// Some items of a transaction.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) items: Vec<FetchedItem>,
    /// What ended the batch early.
    pub(super) trouble: Option<Trouble>,
    /// Whether it is the last one: the transaction was listed once more and has no other item.
    pub(super) is_last: bool,
}

/// What ended a batch early.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Polar no longer knows the transaction.
    Gone,
    /// The kind cannot go on for now.
    Failed(Failure),
}

/// Lists a transaction; `None` when Polar no longer knows it.
pub(super) async fn list(
    run: &Run<'_>,
    address: TransactionAddress,
    transactions: &mut Transactions,
) -> Result<Option<Listed>, Failure> {
    let mut listed = Listed {
        address,
        items: BTreeSet::new(),
        durable: BTreeSet::new(),
        broken: BTreeMap::new(),
        pending: BTreeSet::new(),
        fetched: BTreeSet::new(),
        stored: HashMap::new(),
    };
    if !listed.read(run).await? {
        transactions.gone(run.rules());
        return Ok(None);
    }
    let items: Vec<_> = listed.items.iter().map(ToString::to_string).collect();
    let connection = run.lease.connection_id;
    listed.stored = raw::have(run.store, connection, address.kind.into(), &items).await?;
    Ok(Some(listed))
}

/// Fetches the next batch. Whatever goes wrong, what was fetched so far is in it.
pub(super) async fn fetch(run: &Run<'_>, listed: &mut Listed) -> Batch {
    let mut batch = fetch_items(run, listed).await;
    let has_missing = batch.items.iter().any(FetchedItem::has_missing);
    if batch.trouble.is_none() && (listed.pending.is_empty() || has_missing) {
        match listed.read(run).await {
            Ok(true) => {
                for item in &mut batch.items {
                    if listed.items.contains(&item.item_id) {
                        item.settle_missing();
                    }
                }
                batch.is_last = listed.pending.is_empty();
            }
            Ok(false) => batch.trouble = Some(Trouble::Gone),
            Err(failure) => batch.trouble = Some(Trouble::Failed(failure)),
        }
    }
    batch.items.retain(|item| !item.has_missing());
    batch
}

impl Listed {
    /// Reads the list, again or for the first time; `false` when Polar no longer knows the
    /// transaction.
    async fn read(&mut self, run: &Run<'_>) -> Result<bool, Failure> {
        let body = match run.send(&Call::list_transaction(&self.address)).await {
            Ok(Answer::Body(body)) => body,
            Ok(Answer::Empty | Answer::Done) => return Ok(false),
            Err(Failure::Call(error)) if error.meaning == Meaning::NotFound => return Ok(false),
            Err(failure) => return Err(failure),
        };
        let error = |broken| Error {
            operation: Operation::ListTransaction,
            meaning: Meaning::Broken(broken),
        };
        let urls =
            wire::transaction_items(self.address.kind, &body).map_err(|_| error(Broken::Shape))?;
        // A transaction is opened for something: what lists nothing is not to be committed.
        if urls.is_empty() {
            return Err(error(Broken::Shape).into());
        }
        let origin = run.session.client().origin();
        self.items.clear();
        for url in &urls {
            match address::item_id(url, origin, &self.address) {
                Ok(item_id) => {
                    self.items.insert(item_id);
                }
                Err(refused) => {
                    // By its hash: a place in the list could be that of another URL next time.
                    let name = format!("url {}", content_version(url.as_bytes()));
                    self.broken.insert(name, error(Broken::Url(refused)));
                }
            }
        }
        self.pending = self
            .items
            .iter()
            .filter(|item| !self.fetched.contains(item))
            .copied()
            .collect();
        Ok(true)
    }
}

impl Listed {
    /// Takes notice of an item that was recorded.
    pub(super) fn note(&mut self, item: &FetchedItem) {
        match &item.broken {
            Some(error) => {
                self.broken.insert(item.item_id.to_string(), error.clone());
            }
            None => {
                self.durable.insert(item.item_id);
            }
        }
    }

    /// The error that all items seem to have, when it is hardly theirs: an outage, or a consent that is
    /// missing.
    fn of_all(&self, batch: &[FetchedItem]) -> Option<Error> {
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

    /// Whether an earlier transaction left this part here.
    pub(super) fn was_stored(&self, part: &RawPart) -> bool {
        self.stored.contains_key(&part.key())
    }

    /// What is listed and not durable, without what an operator gave up; and why the first of it is
    /// not. `None` when everything is durable.
    pub(super) fn not_durable(&self, accepted_loss: &[String]) -> Option<(Vec<String>, Error)> {
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

/// Fetches pending items, some at once, until the batch is full or something goes wrong.
async fn fetch_items(run: &Run<'_>, listed: &mut Listed) -> Batch {
    let mut batch = Batch {
        items: Vec::new(),
        trouble: None,
        is_last: false,
    };
    let pending: Vec<_> = listed.pending.iter().copied().collect();
    let (address, stored) = (listed.address, &listed.stored);
    let mut items = stream::iter(pending)
        .map(|item_id| fetch_item(run, address, item_id, stored))
        .buffer_unordered(run.settings.fetch_concurrency);
    let mut size_bytes = 0;
    while let Some(fetched) = items.next().await {
        match fetched {
            Ok(item) => {
                size_bytes += item.size_bytes();
                listed.pending.remove(&item.item_id);
                listed.fetched.insert(item.item_id);
                batch.items.push(item);
                if let Some(error) = listed.of_all(&batch.items) {
                    batch.trouble = Some(Trouble::Failed(error.into()));
                    break;
                }
            }
            Err(failure) => {
                batch.trouble = Some(Trouble::Failed(failure));
                break;
            }
        }
        if size_bytes >= BATCH_MAX_BYTES {
            break;
        }
    }
    batch
}

/// Fetches one item with its parts. A part that is broken leaves the others of it whole.
async fn fetch_item(
    run: &Run<'_>,
    address: TransactionAddress,
    item_id: i64,
    stored: &HashMap<RawKey, Held>,
) -> Result<FetchedItem, Failure> {
    let mut item = FetchedItem {
        item_id,
        version: String::new(),
        parts: Vec::new(),
        broken: None,
    };
    let Some(summary) = item.take(run.send(&Call::get_item(&address, item_id)).await)? else {
        return Ok(item);
    };
    // Without a summary there may be parts all the same, and a commit deletes them.
    let body = match &summary {
        Fetched::Body(body) => body.clone(),
        Fetched::Absent | Fetched::Missing => Bytes::new(),
    };
    let outline = outline(address.kind, &body, run.wanted());
    item.version = outline.version;
    item.parts.push((SUMMARY.to_owned(), summary));
    for part in outline.parts {
        let fetched = fetch_part(run, address, &mut item, &part, stored).await?;
        if let (ItemPart::Samples, Some(Fetched::Body(list))) = (&part, &fetched) {
            for series in item.series(run, address, list) {
                fetch_part(run, address, &mut item, &series, stored).await?;
            }
        }
    }
    Ok(item)
}

/// Fetches one part, unless an earlier transaction left its body here.
async fn fetch_part(
    run: &Run<'_>,
    address: TransactionAddress,
    item: &mut FetchedItem,
    part: &ItemPart,
    stored: &HashMap<RawKey, Held>,
) -> Result<Option<Fetched>, Failure> {
    let name = part.path();
    let key = RawKey {
        item: item.item_id.to_string(),
        version: item.version.clone(),
        part: name.clone(),
    };
    // Only a body is as good as fetched: where there was none, there may be one by now. A list of series
    // is none of these: its URLs are those of the transaction that it was read in.
    let is_kept = stored.get(&key) == Some(&Held::Body) && *part != ItemPart::Samples;
    let kept = if is_kept {
        let connection = run.lease.connection_id;
        raw_latest::body(run.store, connection, address.kind.into(), &key).await?
    } else {
        None
    };
    let fetched = match kept {
        Some(body) => Some(Fetched::Body(body)),
        None => item.take(
            run.send(&Call::get_part(&address, item.item_id, part))
                .await,
        )?,
    };
    item.parts
        .extend(fetched.clone().map(|fetched| (name, fetched)));
    Ok(fetched)
}

impl FetchedItem {
    /// Sorts an answer into what was fetched, what is broken (`None`, and noted), and what ends the
    /// batch. An item that cannot be had leaves the others their turn, whatever the cause; what is
    /// refused to all of a user or client is of no item.
    fn take(&mut self, answer: Result<Answer, Failure>) -> Result<Option<Fetched>, Failure> {
        match answer {
            Ok(Answer::Body(body)) => Ok(Some(Fetched::Body(body))),
            Ok(Answer::Empty | Answer::Done) => Ok(Some(Fetched::Absent)),
            Err(Failure::Call(error)) => match error.meaning {
                Meaning::NotFound => Ok(Some(Fetched::Missing)),
                Meaning::Broken(_)
                | Meaning::Redirected(_)
                | Meaning::Forbidden
                | Meaning::Conflict
                | Meaning::Unexpected(_)
                | Meaning::ServerFailed(_)
                | Meaning::TimedOut
                | Meaning::ConnectionFailed => {
                    self.broken.get_or_insert(error);
                    Ok(None)
                }
                Meaning::Unauthorized
                | Meaning::RateLimited
                | Meaning::WindowClosed(_)
                | Meaning::CircuitOpen { .. } => Err(Failure::Call(error)),
            },
            Err(failure) => Err(failure),
        }
    }

    /// Takes notice of the series that a list of samples names.
    fn series(&mut self, run: &Run<'_>, address: TransactionAddress, list: &[u8]) -> Vec<ItemPart> {
        let origin = run.session.client().origin();
        let (series, broken) = series_of(list, |url| {
            address::sample_type(url, origin, &address, self.item_id)
        });
        if let Some(broken) = broken {
            self.broken.get_or_insert(Error {
                operation: Operation::GetPart,
                meaning: Meaning::Broken(broken),
            });
        }
        series
    }
}

/// The series that a list of samples names, each once, and why they are not all. A commit deletes the
/// series as well, so when the list is not understood, every type that is known is asked for.
fn series_of(
    list: &[u8],
    sample_type: impl Fn(&str) -> Result<String, Refused>,
) -> (Vec<ItemPart>, Option<Broken>) {
    let Ok(list) = wire::sample_items(list) else {
        let known = KNOWN_SAMPLE_TYPES.map(|id| ItemPart::Sample(id.to_string()));
        return (known.collect(), None);
    };
    let mut series = BTreeSet::new();
    let mut broken = None;
    for url in &list {
        match sample_type(url) {
            // One series may be named in two spellings of its address.
            Ok(id) => {
                series.insert(ItemPart::Sample(id));
            }
            Err(refused) => broken = broken.or(Some(Broken::Url(refused))),
        }
    }
    if series.len() > SERIES_MAX {
        broken = broken.or(Some(Broken::Shape));
    }
    (series.into_iter().take(SERIES_MAX).collect(), broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The series of a list of ids, and whether they are all.
    fn named(ids: &[String]) -> (Vec<ItemPart>, Option<Broken>) {
        let list = serde_json::json!({ "samples": ids }).to_string();
        series_of(list.as_bytes(), |url| {
            let id = url.trim_end_matches('/').rsplit('/').next();
            match id {
                Some("elsewhere") | None => Err(Refused::Host),
                Some(id) => Ok(id.to_owned()),
            }
        })
    }

    #[test]
    fn a_series_that_is_named_twice_is_fetched_once() {
        let urls = [
            "https://h/samples/3",
            "https://h/samples/0",
            "https://w/samples/0/",
        ];
        let (series, broken) = named(&urls.map(str::to_owned));
        let expected = ["0", "3"].map(|id| ItemPart::Sample(id.to_owned()));
        assert_eq!((series.as_slice(), broken), (&expected[..], None));
    }

    #[test]
    fn what_is_not_fetched_of_a_list_is_told() {
        let (series, broken) = named(&["https://h/elsewhere".to_owned(), "https://h/0".to_owned()]);
        assert_eq!(series.len(), 1);
        assert_eq!(broken, Some(Broken::Url(Refused::Host)));
        let ids: Vec<_> = (0..=SERIES_MAX)
            .map(|id| format!("https://h/{id}"))
            .collect();
        let (series, broken) = named(&ids);
        assert_eq!((series.len(), broken), (SERIES_MAX, Some(Broken::Shape)));
        let (series, broken) = named(&ids[1..]);
        assert_eq!((series.len(), broken), (SERIES_MAX, None));
    }

    #[test]
    fn every_known_series_is_asked_for_when_the_list_is_not_understood() {
        let (series, broken) = series_of(b"[]", |_| Err(Refused::Form));
        assert_eq!((series.len(), broken), (12, None));
    }
}
