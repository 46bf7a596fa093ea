//! Authorization codes and tokens.
//!
//! A code works once and for ten minutes; a second use of it kills the tokens issued from it. A refresh token,
//! where the switch gives one, works once too.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::switches::{OldToken, RefreshTokens, Switches, TokenExpiry};
use crate::world::Rng;

/// Seconds that an authorization code works.
const CODE_LIFE_S: i64 = 600;

/// All codes and tokens that were issued.
#[derive(Debug)]
pub(crate) struct Grants {
    rng: Rng,
    /// No code is issued twice, not even by a simulator that is started again: clients remember those they exchanged.
    start: String,
    consents: u64,
    codes: HashMap<String, Code>,
    tokens: HashMap<String, Token>,
    refresh_tokens: HashMap<String, Refresh>,
}

#[derive(Debug)]
struct Code {
    user: u64,
    redirect_uri: Option<String>,
    issued_at: Timestamp,
    consent: u64,
    used: bool,
}

#[derive(Debug)]
struct Token {
    user: u64,
    consent: u64,
    expires_at: Timestamp,
    dead: bool,
}

#[derive(Debug)]
struct Refresh {
    user: u64,
    consent: u64,
    dead: bool,
}

/// A fresh pair of tokens.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) user: u64,
    pub(crate) access_token: String,
    pub(crate) refresh_token: Option<String>,
    pub(crate) expires_in_s: u64,
}

/// Why a grant was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Unknown, too old, or given with another redirect address.
    Invalid,
    /// A code that was used before; the tokens issued from it are dead now.
    Reused { user: u64 },
}

/// Whose token it is, and whether it still works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) user: u64,
    pub(crate) alive: bool,
}

impl Grants {
    /// Nothing issued yet; the seed decides the texts of tokens.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::of(&[seed, 0xA7]),
            start: uuid::Uuid::new_v4().simple().to_string(),
            consents: 0,
            codes: HashMap::new(),
            tokens: HashMap::new(),
            refresh_tokens: HashMap::new(),
        }
    }

    /// A code for this user, who has just consented.
    pub(crate) fn issue_code(
        &mut self,
        user: u64,
        redirect_uri: Option<String>,
        now: Timestamp,
    ) -> String {
        let code = format!("{}-{}", self.random_text("code"), self.start);
        self.consents += 1;
        let consent = self.consents;
        let grant = Code {
            user,
            redirect_uri,
            issued_at: now,
            consent,
            used: false,
        };
        self.codes.insert(code.clone(), grant);
        code
    }

    /// Exchanges a code.
    pub(crate) fn redeem_code(
        &mut self,
        code: &str,
        redirect_uri: Option<&str>,
        now: Timestamp,
        switches: &Switches,
    ) -> Result<Issued, Refusal> {
        let grant = self.codes.get_mut(code).ok_or(Refusal::Invalid)?;
        let (user, consent) = (grant.user, grant.consent);
        if grant.used {
            self.kill(|_, of| of == consent);
            return Err(Refusal::Reused { user });
        }
        let too_old = grant.issued_at + SignedDuration::from_secs(CODE_LIFE_S) <= now;
        if too_old || grant.redirect_uri.as_deref() != redirect_uri {
            return Err(Refusal::Invalid);
        }
        grant.used = true;
        if switches.old_token == OldToken::Revoked {
            self.kill(|of_user, _| of_user == user);
        }
        let refreshable = switches.refresh_tokens == RefreshTokens::Rotating;
        Ok(self.issue(user, consent, refreshable, now, switches))
    }

    /// Exchanges a refresh token for a new pair.
    pub(crate) fn redeem_refresh_token(
        &mut self,
        refresh_token: &str,
        now: Timestamp,
        switches: &Switches,
    ) -> Result<Issued, Refusal> {
        let grant = self
            .refresh_tokens
            .get_mut(refresh_token)
            .ok_or(Refusal::Invalid)?;
        if std::mem::replace(&mut grant.dead, true) {
            return Err(Refusal::Invalid);
        }
        let (user, consent) = (grant.user, grant.consent);
        Ok(self.issue(user, consent, true, now, switches))
    }

    /// Issues tokens without a code, for accounts that another system is said to have connected.
    pub(crate) fn issue_directly(
        &mut self,
        user: u64,
        refreshable: bool,
        now: Timestamp,
        switches: &Switches,
    ) -> Issued {
        self.consents += 1;
        self.issue(user, self.consents, refreshable, now, switches)
    }

    /// Looks an access token up.
    pub(crate) fn bearer(
        &self,
        token: &str,
        now: Timestamp,
        expiry: TokenExpiry,
    ) -> Option<Bearer> {
        let token = self.tokens.get(token)?;
        let expired = expiry == TokenExpiry::Honoured && token.expires_at <= now;
        Some(Bearer {
            user: token.user,
            alive: !token.dead && !expired,
        })
    }

    /// Who a code or a refresh token was issued for.
    pub(crate) fn owner(&self, grant: &str) -> Option<u64> {
        let code = self.codes.get(grant).map(|code| code.user);
        code.or_else(|| self.refresh_tokens.get(grant).map(|token| token.user))
    }

    /// Makes all tokens of a user useless.
    pub(crate) fn revoke(&mut self, user: u64) {
        self.kill(|of_user, _| of_user == user);
    }

    fn issue(
        &mut self,
        user: u64,
        consent: u64,
        refreshable: bool,
        now: Timestamp,
        switches: &Switches,
    ) -> Issued {
        let access_token = self.random_text("token");
        let expires_in_s = switches.expires_in_s;
        let life = SignedDuration::from_secs(i64::try_from(expires_in_s).unwrap_or(i64::MAX));
        let expires_at = now.checked_add(life).unwrap_or(Timestamp::MAX);
        let token = Token {
            user,
            consent,
            expires_at,
            dead: false,
        };
        self.tokens.insert(access_token.clone(), token);
        let refresh_token = refreshable.then(|| self.random_text("refresh"));
        if let Some(text) = &refresh_token {
            self.refresh_tokens.insert(
                text.clone(),
                Refresh {
                    user,
                    consent,
                    dead: false,
                },
            );
        }
        Issued {
            user,
            access_token,
            refresh_token,
            expires_in_s,
        }
    }

    /// Kills the tokens whose user and consent are picked.
    fn kill(&mut self, picks: impl Fn(u64, u64) -> bool) {
        let tokens = self.tokens.values_mut();
        tokens
            .filter(|token| picks(token.user, token.consent))
            .for_each(|token| token.dead = true);
        let refresh_tokens = self.refresh_tokens.values_mut();
        refresh_tokens
            .filter(|token| picks(token.user, token.consent))
            .for_each(|token| token.dead = true);
    }

    fn random_text(&mut self, what: &str) -> String {
        format!("{what}-{:016x}{:016x}", self.rng.bits(), self.rng.bits())
    }
}
