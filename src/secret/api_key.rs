//! Keys to the HTTP interface: how they are made, and how one that is brought is compared.

use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{KeyError, digest::sha256};

/// How a key begins, so that secret scanners and people know one when they see it.
const PREFIX: &str = "ps_";

/// Random bytes of a key: more than anybody can guess, so that a plain hash is enough to keep.
const SECRET_BYTES: usize = 32;

/// A new key: `ps_`, its id in hexadecimal, `_`, and 256 random bits.
#[derive(Debug)]
pub struct ApiKey {
    id: Uuid,
    text: SecretString,
}

impl ApiKey {
    /// Makes a key.
    pub fn generate() -> Result<Self, KeyError> {
        let id = Uuid::new_v4();
        let mut secret = [0; SECRET_BYTES];
        rand::fill(&mut secret)?;
        let secret = BASE64_URL_SAFE_NO_PAD.encode(secret);
        let text = format!("{PREFIX}{}_{secret}", id.simple()).into();
        Ok(Self { id, text })
    }

    /// Its id, which is no secret.
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// The key itself, to be shown once.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// What is kept of it.
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.expose().as_bytes())
    }

    /// The id that a key claims to have; `None` for what is no key of this form.
    pub fn id_of(text: &str) -> Option<Uuid> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let id = Uuid::try_parse(id).ok()?;
        (!secret.is_empty()).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_its_id_and_nothing_else() {
        let key = ApiKey::generate().unwrap();
        assert_eq!(ApiKey::id_of(key.expose()), Some(key.id()));
        assert!(!format!("{key:?}").contains(key.expose()));
        let (_, secret) = key.expose().rsplit_once('_').unwrap_or_default();
        assert!(!secret.is_empty());
        for text in [
            "",
            "ps_",
            "your_key",
            "ps_nothex_x",
            "ps_00000000000000000000000000000000_",
        ] {
            assert_eq!(ApiKey::id_of(text), None, "{text}");
        }
    }

    #[test]
    fn no_two_keys_are_alike() {
        let (one, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        assert_ne!(one.hash(), other.hash());
        assert_ne!(one.id(), other.id());
    }
}
