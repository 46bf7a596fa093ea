//! The transactional endpoints: create, list, read and commit.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, json};

use super::Exchange;
use super::answer::{Answer, JSON};
use super::call::{Call, Resource};
use super::receipt::Receipt;
use crate::sim::Sim;
use crate::switches::{ExpiredResource, LatePut, PutAnswer, Switches};
use crate::violations;
use crate::world::account::Account;
use crate::world::item::Kind;
use crate::world::parts::{PartKey, summary_in_transaction};
use crate::world::transactions::{Commit, Entry, Transaction, TransactionState};

/// Answers a call of this family.
pub(super) fn answer(exchange: &Exchange) -> Answer {
    let sim = &exchange.sim;
    let user = exchange.user.unwrap_or_default();
    let answer = sim.with_account(user, |account, now, switches| match exchange.call {
        Call::Create(kind, _) => create(sim, account, kind, now, switches),
        Call::List(kind, _, id) => list(sim, account, kind, id, switches),
        Call::Commit(kind, _, id) => commit(sim, account, kind, id, now, switches),
        Call::Resource {
            kind,
            transaction,
            item,
            resource,
            ..
        } => {
            let place = Place {
                kind,
                transaction,
                item,
            };
            read(sim, account, place, resource, switches)
        }
        _ => Answer::error(StatusCode::NOT_FOUND, switches),
    });
    answer.unwrap_or_else(Answer::no_content)
}

/// An item as a path names it.
#[derive(Clone, Copy)]
struct Place {
    kind: Kind,
    transaction: u64,
    item: u64,
}

fn create(
    sim: &Sim,
    account: &mut Account,
    kind: Kind,
    now: Timestamp,
    switches: &Switches,
) -> Answer {
    let Some(id) = account.transactions_create(kind, now, switches) else {
        return Answer::no_content();
    };
    let resource_uri = transaction_url(sim, account, kind, id, switches);
    let body = json!({"transaction-id": id, "resource-uri": resource_uri});
    Answer::with(StatusCode::CREATED, JSON, body.to_string())
}

fn list(sim: &Sim, account: &Account, kind: Kind, id: u64, switches: &Switches) -> Answer {
    let transaction = match open_transaction(account, kind, id, switches) {
        Ok(transaction) => transaction,
        Err(closed) => return closed,
    };
    if transaction.entries.is_empty() {
        return Answer::no_content();
    }
    let url = transaction_url(sim, account, kind, id, switches);
    let items = &account.items[kind.index()];
    let urls = transaction.entries.iter().map(|entry| {
        let id = items[entry.item].revisions[entry.revision].id;
        format!("{url}/{}/{id}", kind.items())
    });
    let list = Map::from_iter([(kind.list_key().to_owned(), urls.collect())]);
    Answer::value(&list.into())
}

fn read(
    sim: &Sim,
    account: &mut Account,
    place: Place,
    resource: Resource,
    switches: &Switches,
) -> Answer {
    let Place {
        kind,
        transaction,
        item: item_id,
    } = place;
    let entry = match open_transaction(account, kind, transaction, switches) {
        Ok(transaction) => entry(account, transaction, item_id),
        Err(closed) => return closed,
    };
    let Some(entry) = entry else {
        return Answer::error(StatusCode::NOT_FOUND, switches);
    };
    let base = transaction_url(sim, account, kind, transaction, switches);
    let Account { items, person, .. } = account;
    let item = &mut items[kind.index()][entry.item];
    let parts = item.revisions[entry.revision].parts(&item.hash_id, sim.setting(person, switches));
    let key = match resource {
        Resource::Part(key) => key,
        Resource::SampleList => {
            let url = |type_id| format!("{base}/{}/{item_id}/samples/{type_id}", kind.items());
            let urls: Vec<String> = parts.sample_types().map(url).collect();
            if urls.is_empty() {
                return Answer::no_content();
            }
            return Answer::value(&json!({"samples": urls}));
        }
    };
    let Some(part) = parts.get(key) else {
        return Answer::no_content();
    };
    let answer = match key {
        PartKey::Summary => Answer::json(summary_in_transaction(&part.body, transaction)),
        key => Answer::with(StatusCode::OK, content_type(key), part.body.clone()),
    };
    let Entry { item, revision } = entry;
    answer.serving(Receipt::Part {
        kind,
        item,
        revision,
        key,
    })
}

fn commit(
    sim: &Sim,
    account: &mut Account,
    kind: Kind,
    id: u64,
    now: Timestamp,
    switches: &Switches,
) -> Answer {
    let no_op = match switches.late_put {
        LatePut::NoOp404 | LatePut::Deletes => StatusCode::NOT_FOUND,
        LatePut::NoOp204 => StatusCode::NO_CONTENT,
    };
    match account.transactions_commit(kind, id, now, switches.late_put) {
        Commit::Done { unserved } => {
            if let Some(part) = unserved {
                let example = format!("user {} {part}", account.person.polar_user_id);
                sim.violations.add(violations::COMMITTED_UNSERVED, example);
            }
            Answer::empty(match switches.put_answer {
                PutAnswer::Ok => StatusCode::OK,
                PutAnswer::NoContent => StatusCode::NO_CONTENT,
                PutAnswer::NotFound => StatusCode::NOT_FOUND,
            })
        }
        Commit::Late => Answer::error(no_op, switches),
        Commit::Unknown => Answer::error(StatusCode::NOT_FOUND, switches),
    }
}

/// The transaction while it is open; afterwards what its resources answer.
fn open_transaction<'a>(
    account: &'a Account,
    kind: Kind,
    id: u64,
    switches: &Switches,
) -> Result<&'a Transaction, Answer> {
    match account.transactions.get(kind, id) {
        Some(transaction) if transaction.state == TransactionState::Open => Ok(transaction),
        Some(_) if switches.expired_resource == ExpiredResource::NoContent => {
            Err(Answer::no_content())
        }
        _ => Err(Answer::error(StatusCode::NOT_FOUND, switches)),
    }
}

fn entry(account: &Account, transaction: &Transaction, item_id: u64) -> Option<Entry> {
    let items = &account.items[transaction.kind.index()];
    let has_id = |entry: &&Entry| items[entry.item].revisions[entry.revision].id == item_id;
    transaction.entries.iter().find(has_id).copied()
}

fn transaction_url(
    sim: &Sim,
    account: &Account,
    kind: Kind,
    id: u64,
    switches: &Switches,
) -> String {
    let (origin, user) = (sim.origins(switches).www, account.person.polar_user_id);
    format!("{origin}/v3/users/{user}/{}/{id}", kind.transactions())
}

/// Content type of a sub-resource.
pub(super) fn content_type(key: PartKey) -> &'static str {
    match key {
        PartKey::Gpx => "application/gpx+xml",
        PartKey::Tcx => "application/vnd.garmin.tcx+xml",
        PartKey::Fit => "application/octet-stream",
        _ => JSON,
    }
}
