//! Token sets, sealed for the store and opened for use.

use crate::{
    accesslink::oauth::TokenSet,
    model::ConnectionId,
    secret::{KeyError, Keyring, Token},
    store::connection::SealedTokens,
};

/// The tokens of a connection, opened for use.
#[derive(Debug, Clone)]
pub(super) struct OpenTokens {
    pub(super) access: Token,
    pub(super) refresh: Option<Token>,
}

/// Seals a token set for the row of `connection`, where alone it opens again.
pub(super) fn seal(
    keyring: &Keyring,
    connection: ConnectionId,
    tokens: &TokenSet,
) -> Result<SealedTokens, KeyError> {
    let access = keyring.seal_token(&aad(connection, "access_token"), &tokens.access_token)?;
    let refresh = tokens
        .refresh_token
        .as_ref()
        .map(|token| keyring.seal_token(&aad(connection, "refresh_token"), token))
        .transpose()?;
    Ok(SealedTokens {
        key_id: access.key_id,
        access_token: access.bytes,
        refresh_token: refresh.map(|sealed| sealed.bytes),
        expires_at: tokens.expires_at,
    })
}

/// Opens the token set in the row of `connection`.
pub(super) fn open(
    keyring: &Keyring,
    connection: ConnectionId,
    sealed: &SealedTokens,
) -> Result<OpenTokens, KeyError> {
    let aad_access = aad(connection, "access_token");
    Ok(OpenTokens {
        access: keyring.open_token(&sealed.key_id, &aad_access, &sealed.access_token)?,
        refresh: sealed
            .refresh_token
            .as_ref()
            .map(|bytes| {
                keyring.open_token(&sealed.key_id, &aad(connection, "refresh_token"), bytes)
            })
            .transpose()?,
    })
}

/// Checks that a stored token set opens.
pub fn check_opens(
    keyring: &Keyring,
    connection: ConnectionId,
    sealed: &SealedTokens,
) -> Result<(), KeyError> {
    open(keyring, connection, sealed).map(drop)
}

/// Seals a token set anew with the key that seals now; the tokens stay the same.
pub fn reseal(
    keyring: &Keyring,
    connection: ConnectionId,
    sealed: &SealedTokens,
) -> Result<SealedTokens, KeyError> {
    let tokens = open(keyring, connection, sealed)?;
    let tokens = TokenSet {
        access_token: tokens.access,
        refresh_token: tokens.refresh,
        expires_at: sealed.expires_at,
        polar_user_id: None,
    };
    seal(keyring, connection, &tokens)
}

fn aad(connection: ConnectionId, column: &str) -> Vec<u8> {
    format!("polar-sync/connection/{connection}/{column}").into_bytes()
}
