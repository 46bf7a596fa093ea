//! Values that are secret: never shown, wiped when they are dropped.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::words::InvalidValue;

/// What is shown in the place of a secret.
pub(super) const MASK: &str = "***";

/// A secret of the configuration.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The secret itself, for the call that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Err(serde::de::Error::custom("a secret cannot be empty"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        MASK.fmt(f)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

/// A key that seals tokens, written `ID:BASE64`.
pub struct EncryptionKey {
    id: String,
    bytes: SecretBox<[u8; Self::LENGTH]>,
}

impl EncryptionKey {
    /// The length of a key in bytes: that of AES-256.
    pub const LENGTH: usize = 32;
    const ID_MAX_LENGTH: usize = 32;

    /// The id, which is stored beside what the key sealed.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key itself, for the cipher.
    pub fn expose(&self) -> &[u8; Self::LENGTH] {
        self.bytes.expose_secret()
    }

    fn is_id(id: &str) -> bool {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
        (1..=Self::ID_MAX_LENGTH).contains(&id.len()) && id.bytes().all(allowed)
    }
}

impl FromStr for EncryptionKey {
    type Err = InvalidValue;

    /// Messages never repeat the text, which is a secret whole or cut in the wrong place.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |what: &str| {
            InvalidValue(format!(
                "{what}; write ID:BASE64 of {} bytes, for example \"k1:$(openssl rand -base64 {})\"",
                Self::LENGTH,
                Self::LENGTH
            ))
        };
        let (id, encoded) = text
            .split_once(':')
            .ok_or_else(|| invalid("a key lacks its id"))?;
        if !Self::is_id(id) {
            let limit = Self::ID_MAX_LENGTH;
            return Err(invalid(&format!(
                "the id of a key has 1 to {limit} characters of A-Z a-z 0-9 . _ -"
            )));
        }
        let decoded = BASE64_STANDARD.decode(encoded.trim()).map(Zeroizing::new);
        let decoded = decoded.map_err(|_| invalid(&format!("key {id} is not Base64")))?;
        if decoded.len() != Self::LENGTH {
            return Err(invalid(&format!("key {id} has {} bytes", decoded.len())));
        }
        let mut bytes = Box::new([0; Self::LENGTH]);
        bytes.copy_from_slice(&decoded);
        Ok(Self {
            id: id.to_owned(),
            bytes: SecretBox::new(bytes),
        })
    }
}

impl Clone for EncryptionKey {
    fn clone(&self) -> Self {
        let bytes = SecretBox::new(Box::new(*self.expose()));
        Self {
            id: self.id.clone(),
            bytes,
        }
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{MASK}", self.id)
    }
}

impl Serialize for EncryptionKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_an_id_and_32_bytes() {
        let encoded = BASE64_STANDARD.encode([7; 32]);
        let key: EncryptionKey = format!("k1:{encoded}").parse().unwrap();
        assert_eq!((key.id(), key.expose()), ("k1", &[7; 32]));
        assert_eq!(format!("{key:?}"), "k1:***");
    }

    #[test]
    fn a_wrong_key_is_explained_without_repeating_it() {
        let short = BASE64_STANDARD.encode([7; 31]);
        for (text, cause) in [
            (short.clone(), "lacks its id"),
            (format!("k1:{short}"), "key k1 has 31 bytes"),
            (format!("k 1:{short}"), "the id of a key"),
            ("k1:canary!".to_owned(), "key k1 is not Base64"),
        ] {
            let error = text.parse::<EncryptionKey>().unwrap_err().to_string();
            assert!(error.contains(cause), "{error}");
            assert!(
                !error.contains(&short) && !error.contains("canary"),
                "{error}"
            );
        }
    }
}
