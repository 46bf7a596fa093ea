//! The second stage: lists a transaction and fetches its items, in batches of bounded size.

use std::{
    collections::{BTreeSet, HashMap},
    ops::RangeInclusive,
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use futures::{StreamExt, future, stream};
use jiff::Timestamp;

use super::{
    Failure, Run,
    decide::{Checklist, Part, Trouble, after_list, after_part, is_kept},
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

/// The most of one item, in bytes. Two days with every series, one value a second, have some 20 MB.
const ITEM_MAX_BYTES: usize = 128 * 1024 * 1024;

/// The ids of Polar's sample types. Source: AccessLink documentation, "Exercise sample types".
const KNOWN_SAMPLE_TYPES: RangeInclusive<u8> = 0..=11;

/// The most series of one exercise that are fetched: five times the types that Polar has.
const SERIES_MAX: usize = 64;

/// A transaction with what it lists, and how far it is fetched.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) address: TransactionAddress,
    pub(super) checklist: Checklist,
    /// Before the last list was sent.
    pub(super) read_at: Timestamp,
    /// What an earlier transaction left here.
    stored: HashMap<RawKey, Held>,
}

/// Some items of a transaction.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) items: Vec<FetchedItem>,
    /// Items that were not fetched to their end: what came of them need not be asked for again.
    pub(super) cut_off: Vec<FetchedItem>,
    /// What ended the batch early.
    pub(super) trouble: Option<Trouble>,
    /// Whether it is the last one: the transaction was listed once more and has no other item.
    pub(super) is_last: bool,
}

/// Lists a transaction; `None` when Polar no longer knows it.
pub(super) async fn list(
    run: &Run<'_>,
    address: TransactionAddress,
    transactions: &mut Transactions,
) -> Result<Option<Listed>, Failure> {
    let mut listed = Listed {
        address,
        checklist: Checklist::default(),
        read_at: run.clock.now(),
        stored: HashMap::new(),
    };
    if !listed.read(run).await? {
        transactions.gone(run.rules());
        return Ok(None);
    }
    let items: Vec<_> = listed
        .checklist
        .items()
        .map(|item| item.to_string())
        .collect();
    let connection = run.lease.connection_id;
    listed.stored = raw::have(run.store, connection, address.kind.into(), &items).await?;
    Ok(Some(listed))
}

/// Fetches the next batch. Whatever goes wrong, what was fetched so far is in it.
pub(super) async fn fetch(run: &Run<'_>, listed: &mut Listed) -> Batch {
    let mut batch = fetch_items(run, listed).await;
    if batch.trouble.is_none() && listed.checklist.is_read_again(&batch.items) {
        match listed.read(run).await {
            Ok(true) => batch.is_last = listed.checklist.settle(&mut batch.items),
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
        self.read_at = run.clock.now();
        let answer = run.send(&Call::list_transaction(&self.address)).await;
        let Some(body) = after_list(answer)? else {
            return Ok(false);
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
        let mut items = BTreeSet::new();
        for url in &urls {
            match address::item_id(url, origin, &self.address) {
                Ok(item_id) => {
                    items.insert(item_id);
                }
                Err(refused) => {
                    // By its hash: a place in the list could be that of another URL next time.
                    let name = format!("url {}", content_version(url.as_bytes()));
                    self.checklist.refused(name, error(Broken::Url(refused)));
                }
            }
        }
        self.checklist.read(items);
        Ok(true)
    }

    /// Whether an earlier transaction left this part here.
    pub(super) fn was_stored(&self, part: &RawPart) -> bool {
        self.stored.contains_key(&part.key())
    }
}

/// Fetches pending items, some at once, until the batch is full or something goes wrong.
async fn fetch_items(run: &Run<'_>, listed: &mut Listed) -> Batch {
    let mut batch = Batch {
        items: Vec::new(),
        cut_off: Vec::new(),
        trouble: None,
        is_last: false,
    };
    let pending: Vec<_> = listed.checklist.pending().collect();
    let (address, stored) = (listed.address, &listed.stored);
    let goes_on = AtomicBool::new(true);
    let mut items = stream::iter(pending)
        .take_while(|_| future::ready(goes_on.load(Ordering::Relaxed)))
        .map(|item_id| fetch_item(run, address, item_id, stored))
        .buffer_unordered(run.settings.fetch_concurrency);
    let mut size_bytes = 0;
    while let Some((item, ended)) = items.next().await {
        if let Some(failure) = ended {
            let is_stopped = matches!(failure, Failure::Stopped);
            batch.cut_off.push(item);
            batch.trouble.get_or_insert(Trouble::Failed(failure));
            if is_stopped {
                break;
            }
            // Those under way come to their own ends, so that nothing is lost of what came of them.
            goes_on.store(false, Ordering::Relaxed);
            continue;
        }
        size_bytes += item.size_bytes();
        listed.checklist.fetched(item.item_id);
        batch.items.push(item);
        if let Some(error) = listed.checklist.error_of_all(&batch.items) {
            batch.trouble.get_or_insert(Trouble::Failed(error.into()));
            break;
        }
        if size_bytes >= BATCH_MAX_BYTES {
            break;
        }
    }
    batch
}

/// Fetches one item with its parts, and tells what ended that early, if something did.
async fn fetch_item(
    run: &Run<'_>,
    address: TransactionAddress,
    item_id: i64,
    stored: &HashMap<RawKey, Held>,
) -> (FetchedItem, Option<Failure>) {
    let mut item = FetchedItem {
        item_id,
        version: String::new(),
        parts: Vec::new(),
        broken: None,
    };
    let ended = fetch_all_of(run, address, &mut item, stored).await.err();
    (item, ended)
}

/// Fetches what there is of an item. A part that is broken leaves the others of it whole.
async fn fetch_all_of(
    run: &Run<'_>,
    address: TransactionAddress,
    item: &mut FetchedItem,
    stored: &HashMap<RawKey, Held>,
) -> Result<(), Failure> {
    let summary = run.send(&Call::get_item(&address, item.item_id)).await;
    let Some(summary) = item.take(summary)? else {
        return Ok(());
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
        let fetched = fetch_part(run, address, item, &part, stored).await?;
        if let (ItemPart::Samples, Some(Fetched::Body(list))) = (&part, &fetched) {
            for series in item.series(run, address, list) {
                fetch_part(run, address, item, &series, stored).await?;
            }
        }
    }
    Ok(())
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
    let kept = if is_kept(stored.get(&key).copied(), part) {
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
    Ok(fetched.and_then(|fetched| item.add(name, fetched, ITEM_MAX_BYTES)))
}

impl FetchedItem {
    /// Adds a part, unless the item has more than so many bytes with it: then it is not whole.
    fn add(&mut self, name: String, part: Fetched, max_bytes: usize) -> Option<Fetched> {
        if self.size_bytes() + part.size_bytes() > max_bytes {
            self.broken.get_or_insert(Error {
                operation: Operation::GetPart,
                meaning: Meaning::Broken(Broken::TooLarge),
            });
            return None;
        }
        self.parts.push((name, part.clone()));
        Some(part)
    }

    /// Takes an answer in: what was fetched, or `None` for what is broken, which is noted.
    fn take(&mut self, answer: Result<Answer, Failure>) -> Result<Option<Fetched>, Failure> {
        match after_part(answer)? {
            Part::Fetched(fetched) => Ok(Some(fetched)),
            Part::Broken(error) => {
                self.broken.get_or_insert(error);
                Ok(None)
            }
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
    fn an_item_that_is_too_large_is_not_whole() {
        let mut item = FetchedItem {
            item_id: 1,
            version: String::new(),
            parts: vec![(SUMMARY.to_owned(), Fetched::Body("{}".into()))],
            broken: None,
        };
        let body = |text: &'static str| Fetched::Body(text.into());
        let added = ["12", "[3]", "4", ""].map(|text| {
            let added = item.add(text.to_owned(), body(text), 5);
            (added.is_some(), item.broken.is_some())
        });
        assert_eq!(
            added,
            [(true, false), (false, true), (true, true), (true, true)]
        );
        assert_eq!(item.size_bytes(), 5);
        assert!(!item.was_fetched("[3]"));
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
