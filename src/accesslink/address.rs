//! URLs that the server returned: parsed, checked, and reduced to the ids in them.
//!
//! A request is only ever built from such ids on the configured origin, so a URL that points
//! elsewhere, however it is dressed, cannot receive a token.

use url::Url;

use super::{
    call::{item_path, transaction_path},
    error::Refused,
};
use crate::model::TransactionAddress;

/// Hosts that Polar's own answers name.
const POLAR_HOSTS: [&str; 2] = ["www.polaraccesslink.com", "polaraccesslink.com"];

/// The longest URL that is looked at.
const URL_MAX_BYTES: usize = 512;

/// The longest id of a sample type.
const SAMPLE_TYPE_MAX_BYTES: usize = 16;

/// Checks that `url` is the resource of exactly this transaction.
pub fn check_transaction(
    url: &str,
    origin: &Url,
    transaction: &TransactionAddress,
) -> Result<(), Refused> {
    let path = own_path(url, origin)?;
    // The id comes from the same answer: that it agrees with the URL does not make it one.
    let is_own = path.trim_end_matches('/') == transaction_path(transaction);
    match last_id(&path) {
        Some(_) if is_own => Ok(()),
        _ => Err(Refused::Path),
    }
}

/// The id of the item that `url` names, which must be one of exactly this transaction.
pub fn item_id(url: &str, origin: &Url, transaction: &TransactionAddress) -> Result<i64, Refused> {
    let path = own_path(url, origin)?;
    let id = last_id(&path).ok_or(Refused::Path)?;
    // Rebuilding the whole path is the check: nothing else can hide in it.
    if path.trim_end_matches('/') == item_path(transaction, id) {
        Ok(id)
    } else {
        Err(Refused::Path)
    }
}

/// The sample type that `url` names, which must belong to exactly this item.
pub fn sample_type(
    url: &str,
    origin: &Url,
    transaction: &TransactionAddress,
    item_id: i64,
) -> Result<String, Refused> {
    let path = own_path(url, origin)?;
    let prefix = format!("{}/samples/", item_path(transaction, item_id));
    let id = path
        .trim_end_matches('/')
        .strip_prefix(&prefix)
        .ok_or(Refused::Path)?;
    let is_id = (1..=SAMPLE_TYPE_MAX_BYTES).contains(&id.len())
        && id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    if is_id {
        Ok(id.to_owned())
    } else {
        Err(Refused::Path)
    }
}

/// The path of a URL on a host that is Polar's or the configured one, without anything that a
/// resource of AccessLink does not have.
fn own_path(url: &str, origin: &Url) -> Result<String, Refused> {
    // The parser repairs what a browser would; a URL that needs repair is not one of Polar's.
    let plain = url.len() <= URL_MAX_BYTES
        && url
            .bytes()
            .all(|c| c.is_ascii_graphic() && !b"\\%?#@".contains(&c));
    if !plain {
        return Err(Refused::Form);
    }
    let parsed = Url::parse(url).map_err(|_| Refused::Form)?;
    if written_path(url) != Some(parsed.path()) {
        return Err(Refused::Form);
    }
    let is_configured = parsed.origin() == origin.origin();
    let is_polars = parsed.scheme() == "https"
        && parsed.port().is_none()
        && parsed
            .host_str()
            .is_some_and(|host| POLAR_HOSTS.contains(&host));
    if !(is_configured || is_polars) {
        return Err(Refused::Host);
    }
    Ok(parsed.path().to_owned())
}

/// What follows the host as it is written, with every `.` and `..` in it.
fn written_path(url: &str) -> Option<&str> {
    let (_scheme, rest) = url.split_once("://")?;
    rest.find('/').map(|start| &rest[start..])
}

/// The id that a path ends in.
fn last_id(path: &str) -> Option<i64> {
    parse_id(path.trim_end_matches('/').rsplit('/').next()?)
}

fn parse_id(text: &str) -> Option<i64> {
    let is_id = (1..=18).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    is_id.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TransactionalKind;

    const TRANSACTION: TransactionAddress = TransactionAddress {
        polar_user_id: 21,
        kind: TransactionalKind::Exercise,
        transaction_id: 122,
    };

    fn origin() -> Url {
        Url::parse("http://127.0.0.1:18080").unwrap()
    }

    #[test]
    fn items_of_the_transaction_are_accepted_from_polar_and_the_configured_origin() {
        for host in [
            "https://www.polaraccesslink.com",
            "https://polaraccesslink.com",
            "http://127.0.0.1:18080",
        ] {
            let url = format!("{host}/v3/users/21/exercise-transactions/122/exercises/7");
            assert_eq!(item_id(&url, &origin(), &TRANSACTION), Ok(7));
        }
    }

    #[test]
    fn hostile_urls_are_refused() {
        let path = "/v3/users/21/exercise-transactions/122/exercises/7";
        for url in [
            format!("https://evil.example{path}"),
            format!("https://www.polaraccesslink.com.evil.example{path}"),
            format!("https://www.polaraccesslink.com@evil.example{path}"),
            format!("https://www.polaraccesslink.com:8443{path}"),
            format!("http://www.polaraccesslink.com{path}"),
            format!("//evil.example{path}"),
            format!("https:\\\\evil.example{path}"),
            "https://www.polaraccesslink.com/v3/users/22/exercise-transactions/122/exercises/7".into(),
            "https://www.polaraccesslink.com/v3/users/21/exercise-transactions/123/exercises/7".into(),
            "https://www.polaraccesslink.com/v3/users/21/exercise-transactions/122/exercises/../../7".into(),
            "https://www.polaraccesslink.com/v3/users/21/exercise-transactions/122/exercises/%37".into(),
            "https://www.polaraccesslink.com/v3/users/21/exercise-transactions/122/exercises/7?x=1".into(),
            "https://www.polaraccesslink.com/v3/users/21/exercise-transactions/122/exercises/-7".into(),
            "https://www.polaraccesslink.com/v3/users/21/exercise-transactions/122/exercises/007".into(),
            format!("https://www.polaraccesslink.com{path}{}", "7".repeat(600)),
            String::new(),
        ] {
            assert!(item_id(&url, &origin(), &TRANSACTION).is_err(), "{url}");
        }
    }

    #[test]
    fn a_sample_type_is_a_short_word_of_its_own_item() {
        let url = "https://www.polaraccesslink.com/v3/users/21/exercise-transactions/122/exercises/7/samples/10";
        assert_eq!(
            sample_type(url, &origin(), &TRANSACTION, 7).as_deref(),
            Ok("10")
        );
        assert!(sample_type(url, &origin(), &TRANSACTION, 8).is_err());
        assert!(sample_type(&url.replace("/10", "/a.b"), &origin(), &TRANSACTION, 7).is_err());
    }
}
