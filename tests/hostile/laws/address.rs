//! A URL that a server returned: what is accepted is on a host of Polar's or the configured one, and says
//! nothing but the path that is built anew from its ids, below the user's own on the configured origin.

use polar_sync::{
    accesslink::{
        Call,
        address::{check_transaction, item_id, sample_type},
        call::ItemPart,
    },
    model::{TransactionAddress, TransactionalKind},
};
use url::Url;

const ITEM_ID: i64 = 7;

pub(crate) fn check(text: &str) {
    for origin in ["http://127.0.0.1:18080", "https://www.polaraccesslink.com"] {
        let origin: Url = origin.parse().unwrap();
        for kind in TransactionalKind::ALL {
            let transaction = TransactionAddress {
                polar_user_id: 21,
                kind: *kind,
                transaction_id: 122,
            };
            if check_transaction(text, &origin, &transaction).is_ok() {
                assert_rebuilt(text, &origin, &Call::list_transaction(&transaction));
            }
            if let Ok(id) = item_id(text, &origin, &transaction) {
                assert_rebuilt(text, &origin, &Call::get_item(&transaction, id));
            }
            if let Ok(id) = sample_type(text, &origin, &transaction, ITEM_ID) {
                let part = ItemPart::Sample(id);
                assert_rebuilt(text, &origin, &Call::get_part(&transaction, ITEM_ID, &part));
            }
        }
    }
}

fn assert_rebuilt(accepted: &str, origin: &Url, call: &Call) {
    let given = Url::parse(accepted).unwrap();
    let polars = [
        "https://www.polaraccesslink.com",
        "https://polaraccesslink.com",
    ];
    let is_polars = polars.contains(&given.origin().ascii_serialization().as_str());
    assert!(is_polars || given.origin() == origin.origin(), "{accepted}");
    assert!(
        given.username().is_empty() && given.password().is_none(),
        "{accepted}"
    );
    assert!(
        given.query().is_none() && given.fragment().is_none(),
        "{accepted}"
    );

    let rebuilt = origin.join(call.path()).unwrap();
    assert_eq!(rebuilt.origin(), origin.origin(), "{accepted}");
    assert_eq!(rebuilt.path(), call.path(), "{accepted}");
    assert!(rebuilt.path().starts_with("/v3/users/21/"), "{accepted}");
    assert_eq!(
        given.path().trim_end_matches('/'),
        rebuilt.path(),
        "{accepted}"
    );
}
