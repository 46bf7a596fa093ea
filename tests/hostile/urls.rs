//! URLs that a server returns: refused, or reduced to ids from which a path is built anew.

use std::collections::BTreeMap;

use polar_sync::{
    accesslink::{Call, address, call::ItemPart, wire},
    model::{TransactionAddress, TransactionalKind},
};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

/// Where a URL stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// In the answer to a create.
    Transaction,
    /// In a transaction's list.
    Item,
    /// In an exercise's list of samples.
    Sample,
}

/// A line of the corpus.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    #[serde(rename = "as")]
    pub(crate) place: Place,
    pub(crate) about: String,
    pub(crate) url: Value,
    /// The path that is asked for; none where the URL is refused.
    pub(crate) rebuilt: Option<String>,
}

/// Who is who in a test.
pub(crate) struct Names {
    pub(crate) origin: Url,
    pub(crate) thief: std::net::SocketAddr,
    pub(crate) polar_user_id: i64,
}

/// The corpus, with the names of a test put in.
pub(crate) fn corpus(names: &Names) -> Vec<Entry> {
    let port = names.origin.port().unwrap();
    let put_in = |text: &str| {
        text.replace("{origin}", &format!("http://127.0.0.1:{port}"))
            .replace("{host}", &format!("127.0.0.1:{port}"))
            .replace("{decimal}", &format!("http://2130706433:{port}"))
            .replace("{thief}", &names.thief.to_string())
            .replace("{thief_port}", &names.thief.port().to_string())
            .replace("{user}", &names.polar_user_id.to_string())
    };
    include_str!("corpus/urls.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<Entry>(line).unwrap())
        .map(|entry| Entry {
            url: match entry.url {
                Value::String(url) => put_in(&url).into(),
                other => other,
            },
            rebuilt: entry.rebuilt.as_deref().map(put_in),
            ..entry
        })
        .collect()
}

/// What is asked for because of this URL, if anything is.
fn asked_for(entry: &Entry, origin: &Url, transaction: &TransactionAddress) -> Option<String> {
    let call = match entry.place {
        Place::Transaction => {
            address::check_transaction(entry.url.as_str()?, origin, transaction).ok()?;
            Call::list_transaction(transaction)
        }
        Place::Item => {
            let body = json!({ "exercises": [entry.url] }).to_string();
            let urls = wire::transaction_items(transaction.kind, body.as_bytes()).ok()?;
            let id = address::item_id(&urls[0], origin, transaction).ok()?;
            Call::get_item(transaction, id)
        }
        Place::Sample => {
            let body = json!({ "samples": [entry.url] }).to_string();
            let urls = wire::sample_items(body.as_bytes()).ok()?;
            let id = address::sample_type(&urls[0], origin, transaction, 7).ok()?;
            Call::get_part(transaction, 7, &ItemPart::Sample(id))
        }
    };
    Some(call.path().to_owned())
}

#[test]
fn every_url_of_the_corpus_gets_its_verdict() {
    let names = Names {
        origin: "http://127.0.0.1:18080".parse().unwrap(),
        thief: "127.0.0.1:18082".parse().unwrap(),
        polar_user_id: 21,
    };
    let transaction = TransactionAddress {
        polar_user_id: names.polar_user_id,
        kind: TransactionalKind::Exercise,
        transaction_id: 122,
    };
    let mut met = BTreeMap::new();
    for entry in corpus(&names) {
        let asked_for = asked_for(&entry, &names.origin, &transaction);
        assert_eq!(asked_for, entry.rebuilt, "{}: {}", entry.about, entry.url);
        entry.url.as_str().map(crate::laws::address::check);
        *met.entry((entry.place, asked_for.is_some())).or_insert(0) += 1;
    }
    assert_eq!(met.len(), 6, "every place has both verdicts: {met:?}");
}

#[test]
fn ids_that_agree_with_each_other_are_still_ids() {
    let origin: Url = "http://127.0.0.1:18080".parse().unwrap();
    for transaction_id in [-1, -122, i64::MIN, i64::MAX] {
        let transaction = TransactionAddress {
            polar_user_id: 21,
            kind: TransactionalKind::Exercise,
            transaction_id,
        };
        let url = format!("{origin}v3/users/21/exercise-transactions/{transaction_id}");
        let checked = address::check_transaction(&url, &origin, &transaction);
        assert!(checked.is_err(), "{url}");
    }
}
