//! Hashes of secrets, and comparisons that tell nothing by the time they take.

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest, hmac};

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// Whether two secrets, or their hashes, are the same, in a time that depends on their lengths only.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    verify_slices_are_equal(one, other).is_ok()
}

/// Whether `signature` is the HMAC-SHA256 of `message` under `key`, in constant time.
pub fn is_signed(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::verify(&key, message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_key_and_its_message_only() {
        // RFC 4231, test case 2.
        let signature =
            hex::decode("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
                .unwrap();
        let message = b"what do ya want for nothing?";
        assert!(is_signed(b"Jefe", message, &signature));
        assert!(!is_signed(b"Jeff", message, &signature));
        assert!(!is_signed(b"Jefe", &message[1..], &signature));
        assert!(!is_signed(b"Jefe", message, &signature[1..]));
        assert!(!is_signed(b"Jefe", message, b""));
    }
}
