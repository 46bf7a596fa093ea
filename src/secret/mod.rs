//! Secrets: tokens of users in memory and as they rest in Postgres, keys to the HTTP interface, signatures.
//!
//! Owns AES-256-GCM under keys that have ids: what is sealed says which key opens it, and the associated
//! data binds it to its row, so that it opens nowhere else. Must never show a token or a key, in
//! a log, an error or `Debug`, or leave a plaintext in memory that was freed.
//!
//! To change keys: put the new one in front of `security.keys`, and keep the old ones until nothing
//! is sealed with them.

mod api_key;
mod digest;

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    error::Unspecified,
};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::config::{EncryptionKey, Security};

pub use api_key::ApiKey;
pub use digest::{is_same, is_signed, sha256};

/// What is sealed to prove that a key is the one that its id stood for when it was added.
const PROOF: &[u8] = b"polar-sync";
const PROOF_AAD: &[u8] = b"polar-sync key proof";

/// A token of Polar's: it reads the health data of one user.
#[derive(Clone)]
pub struct Token(SecretString);

impl Token {
    /// The token itself, for the header of a request or for sealing.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Token {
    fn from(token: String) -> Self {
        Self(token.into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// A secret as it rests: which key opens it, and the sealed bytes (nonce, ciphertext, tag).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The id of the key that sealed it.
    pub key_id: String,
    /// Nonce, ciphertext and tag.
    pub bytes: Vec<u8>,
}

/// Why a secret cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key is configured.
    #[error("security.keys is empty, so no token can be sealed or opened")]
    NoKey,
    /// The key that sealed it is not configured.
    #[error("key {key_id} is not among security.keys")]
    UnknownKey {
        /// The missing key.
        key_id: String,
    },
    /// The bytes do not open: another key of the same id, another row, or tampered.
    #[error(
        "what key {key_id} sealed does not open: its bytes, its row or the key of that id changed"
    )]
    DoesNotOpen {
        /// The key that was tried.
        key_id: String,
    },
    /// What was opened is not a token's text.
    #[error("what key {key_id} sealed is not a text")]
    NotText {
        /// The key that opened it.
        key_id: String,
    },
    /// The cipher or the system's randomness failed.
    #[error("the cipher failed")]
    Cipher,
}

impl From<Unspecified> for KeyError {
    fn from(Unspecified: Unspecified) -> Self {
        Self::Cipher
    }
}

struct Key {
    id: String,
    cipher: LessSafeKey,
}

/// The configured keys: the first one seals, all of them open.
pub struct Keyring {
    keys: Vec<Key>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl Keyring {
    /// The keys of `security.keys`, of which there must be one.
    pub fn from_config(security: &Security) -> Result<Self, KeyError> {
        if security.keys.is_empty() {
            return Err(KeyError::NoKey);
        }
        let keys = security
            .keys
            .iter()
            .map(Key::new)
            .collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// The ids of the keys, the one that seals first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// Seals `plaintext`. It opens only with the same `aad`, which names the row that it belongs to.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Sealed, KeyError> {
        let key = self.keys.first().ok_or(KeyError::NoKey)?;
        let bytes = key.seal(aad, plaintext)?;
        Ok(Sealed {
            key_id: key.id.clone(),
            bytes,
        })
    }

    /// Opens what the key `key_id` sealed with the same `aad`.
    pub fn open(
        &self,
        key_id: &str,
        aad: &[u8],
        bytes: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.key(key_id)?.open(aad, bytes)
    }

    /// Seals a token.
    pub fn seal_token(&self, aad: &[u8], token: &Token) -> Result<Sealed, KeyError> {
        self.seal(aad, token.expose().as_bytes())
    }

    /// Opens a token.
    pub fn open_token(&self, key_id: &str, aad: &[u8], bytes: &[u8]) -> Result<Token, KeyError> {
        let plaintext = self.open(key_id, aad, bytes)?;
        let text = std::str::from_utf8(&plaintext);
        let text = text.map_err(|_| KeyError::NotText {
            key_id: key_id.to_owned(),
        })?;
        Ok(Token(text.into()))
    }

    /// A proof of the key `key_id`, to be stored when the key is added.
    pub fn prove(&self, key_id: &str) -> Result<Vec<u8>, KeyError> {
        self.key(key_id)?.seal(PROOF_AAD, PROOF)
    }

    /// Checks that the key `key_id` is the one that `proof` was made with.
    pub fn verify(&self, key_id: &str, proof: &[u8]) -> Result<(), KeyError> {
        let opened = self.open(key_id, PROOF_AAD, proof)?;
        if *opened == PROOF {
            Ok(())
        } else {
            Err(KeyError::DoesNotOpen {
                key_id: key_id.to_owned(),
            })
        }
    }

    fn key(&self, key_id: &str) -> Result<&Key, KeyError> {
        let unknown = || KeyError::UnknownKey {
            key_id: key_id.to_owned(),
        };
        self.keys
            .iter()
            .find(|key| key.id == key_id)
            .ok_or_else(unknown)
    }
}

impl Key {
    fn new(key: &EncryptionKey) -> Result<Self, KeyError> {
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.expose())?);
        Ok(Self {
            id: key.id().to_owned(),
            cipher,
        })
    }

    /// A nonce is 96 random bits. A key may so seal 2^32 times before a repetition becomes likelier
    /// than one in four billion: far more than the tokens of any installation.
    fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce)?;
        let mut bytes = Vec::with_capacity(NONCE_LEN + plaintext.len() + AES_256_GCM.tag_len());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(plaintext);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.cipher.seal_in_place_separate_tag(
            nonce,
            Aad::from(aad),
            &mut bytes[NONCE_LEN..],
        )?;
        bytes.extend_from_slice(tag.as_ref());
        Ok(bytes)
    }

    fn open(&self, aad: &[u8], bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let fails = || KeyError::DoesNotOpen {
            key_id: self.id.clone(),
        };
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or_else(fails)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut plaintext = Zeroizing::new(sealed.to_vec());
        let opened = self
            .cipher
            .open_in_place(nonce, Aad::from(aad), &mut plaintext);
        let length = opened.map_err(|Unspecified| fails())?.len();
        plaintext.truncate(length);
        Ok(plaintext)
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};

    use super::*;

    fn keyring(keys: &[(&str, u8)]) -> Keyring {
        let key = |(id, byte): &(&str, u8)| {
            let encoded = BASE64_STANDARD.encode([*byte; EncryptionKey::LENGTH]);
            format!("{id}:{encoded}").parse().unwrap()
        };
        Keyring::from_config(&Security {
            keys: keys.iter().map(key).collect(),
        })
        .unwrap()
    }

    #[test]
    fn what_was_sealed_opens_with_its_key_and_its_row() {
        let keys = keyring(&[("new", 2), ("old", 1)]);
        let token = Token::from("canary".to_owned());
        let sealed = keys.seal_token(b"row 1", &token).unwrap();
        assert_eq!(sealed.key_id, "new");
        let opened = keys.open_token("new", b"row 1", &sealed.bytes).unwrap();
        assert_eq!(opened.expose(), "canary");

        let elsewhere = keys.open("new", b"row 2", &sealed.bytes).unwrap_err();
        assert_eq!(
            elsewhere,
            KeyError::DoesNotOpen {
                key_id: "new".to_owned()
            }
        );
        assert!(keys.open("old", b"row 1", &sealed.bytes).is_err());
    }

    #[test]
    fn the_old_key_still_opens_after_a_change() {
        let sealed = keyring(&[("old", 1)]).seal(b"row", b"secret").unwrap();
        let opened = keyring(&[("new", 2), ("old", 1)]).open("old", b"row", &sealed.bytes);
        assert_eq!(**opened.unwrap(), *b"secret");
        let gone = keyring(&[("new", 2)])
            .open("old", b"row", &sealed.bytes)
            .unwrap_err();
        assert_eq!(
            gone,
            KeyError::UnknownKey {
                key_id: "old".to_owned()
            }
        );
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let keys = keyring(&[("k", 1)]);
        let sealed = keys.seal(b"row", b"secret").unwrap().bytes;
        for index in 0..sealed.len() {
            let mut tampered = sealed.clone();
            tampered[index] ^= 1;
            assert!(keys.open("k", b"row", &tampered).is_err(), "byte {index}");
            assert!(
                keys.open("k", b"row", &sealed[..index]).is_err(),
                "cut at {index}"
            );
        }
    }

    #[test]
    fn the_same_secret_never_looks_the_same() {
        let keys = keyring(&[("k", 1)]);
        let seal = || keys.seal(b"row", b"secret").unwrap().bytes;
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_proof_tells_another_key_of_the_same_id() {
        let proof = keyring(&[("k", 1)]).prove("k").unwrap();
        assert_eq!(keyring(&[("k", 1)]).verify("k", &proof), Ok(()));
        assert!(keyring(&[("k", 2)]).verify("k", &proof).is_err());
    }

    #[test]
    fn nothing_that_is_shown_contains_a_secret() {
        assert_eq!(
            format!("{:?}", Token::from("canary".to_owned())),
            "Token(***)"
        );
        assert_eq!(
            format!("{:?}", keyring(&[("a", 1), ("b", 2)])),
            r#"["a", "b"]"#
        );
    }
}
