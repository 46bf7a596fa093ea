//! What a refusal by Polar means for the connection: asked again, weighed against others, and
//! only then believed.

use std::time::Duration;

use jiff::Timestamp;

use super::outcome::Signal;
use crate::{
    accesslink::Urgency,
    clock::Clock,
    connection::{
        Access, Evidence, HoldRules, Session, SessionError, Standing, Verdict, ask, ask_witness,
        judge, register,
    },
    model::ConnectionState,
    store::{
        StoreError,
        connection::{ConnectionRow, StateChange},
    },
};

/// How many other connections are asked whether Polar still accepts anybody.
const WITNESSES_MAX: i64 = 3;

/// When a held suspect is looked at again.
const HOLD_RECHECK: Duration = Duration::from_hours(1);

/// When a question that could not be asked is asked again.
const UNANSWERED_RECHECK: Duration = Duration::from_mins(1);

/// `revocation.*`.
#[derive(Debug, Clone, Copy)]
pub struct JudgeRules {
    /// Between the first sign of a revocation and its confirmation.
    pub confirm_after: Duration,
    /// When a number of suspects is a mass.
    pub hold: HoldRules,
    /// Between two looks at a missing consent.
    pub consent_recheck: Duration,
}

/// What is to be done about a connection.
#[derive(Debug, Clone)]
pub(super) enum Judgement {
    /// The user stands well: the sync may go on.
    Good,
    /// The user stands well, but Polar does not allow this kind.
    KindForbidden,
    /// The connection has another state now.
    Change(StateChange),
}

/// Judges connections.
#[derive(Debug, Clone)]
pub(super) struct Judge<'a> {
    pub(super) access: &'a Access,
    pub(super) clock: &'a Clock,
    pub(super) rules: JudgeRules,
}

impl Judge<'_> {
    /// Judges what an answer said about a connection. When Polar gives no answer to that, the
    /// connection stays as it is and is looked at again soon.
    pub(super) async fn judge(
        &self,
        session: &Session,
        signal: Signal,
    ) -> Result<Judgement, SessionError> {
        match ask(session).await? {
            Standing::Good if signal == Signal::Forbidden => Ok(Judgement::KindForbidden),
            Standing::Good => Ok(Judgement::Good),
            Standing::Unauthorized => Ok(self.refused(session).await?),
            Standing::Forbidden => self.registered(session, register(session).await?).await,
            Standing::Unknown if session.connection().registered_at.is_none() => {
                self.registered(session, register(session).await?).await
            }
            Standing::Unknown => Ok(self.unknown(session).await?),
        }
    }

    /// Sees to it that a user is registered whom we did not register: an imported connection.
    pub(super) async fn ensure_registered(
        &self,
        session: &Session,
    ) -> Result<Judgement, SessionError> {
        match ask(session).await? {
            Standing::Good => Ok(Judgement::Good),
            Standing::Unauthorized => Ok(self.refused(session).await?),
            Standing::Forbidden | Standing::Unknown => {
                self.registered(session, register(session).await?).await
            }
        }
    }

    /// How a user stands after having been registered once.
    async fn registered(
        &self,
        session: &Session,
        standing: Standing,
    ) -> Result<Judgement, SessionError> {
        match standing {
            Standing::Good => Ok(Judgement::Good),
            Standing::Unauthorized => Ok(self.refused(session).await?),
            Standing::Forbidden => Ok(Judgement::Change(StateChange {
                state: ConnectionState::ConsentRequired,
                reason: Some("consent_missing"),
                recheck_at: Some(self.clock.now() + self.rules.consent_recheck),
            })),
            Standing::Unknown => Ok(self.unknown(session).await?),
        }
    }

    /// Polar does not know the user: true of a user who is no longer registered, and of many at once
    /// while the service is in trouble. It is believed while another user is known, and not of a mass.
    async fn unknown(&self, session: &Session) -> Result<Judgement, StoreError> {
        let (row, now) = (session.connection(), self.clock.now());
        let is_known = |standing| standing == Standing::Good;
        let since = row.suspect_since.unwrap_or(now);
        let mut evidence = self.evidence(row, since, is_known).await?;
        let numbers = &mut evidence.numbers;
        numbers.suspect_lately += numbers.deregistered_lately;
        if row.suspect_since.is_none() {
            numbers.suspect_lately += 1;
            numbers.active -= i64::from(row.state == ConnectionState::Active);
        }
        Ok(Judgement::Change(match judge(self.rules.hold, &evidence) {
            Verdict::Revoked => deregistered(),
            Verdict::Held if evidence.others_succeed => {
                held(row, now, "Polar does not know many users at once")
            }
            Verdict::Held => suspect("unknown", now + self.rules.confirm_after),
        }))
    }

    /// The token was refused twice: at a data call, and when Polar was asked about the user.
    async fn refused(&self, session: &Session) -> Result<Judgement, StoreError> {
        let (row, now) = (session.connection(), self.clock.now());
        let confirm_at = row
            .suspect_since
            .map(|since| since + self.rules.confirm_after);
        let change = match (row.suspect_since, confirm_at) {
            (Some(since), Some(confirm_at)) if now >= confirm_at => {
                let is_accepted = |standing| standing != Standing::Unauthorized;
                let evidence = self.evidence(row, since, is_accepted).await?;
                match judge(self.rules.hold, &evidence) {
                    Verdict::Revoked => revoked(row, now),
                    Verdict::Held => {
                        held(row, now, "Polar refuses the tokens of many users at once")
                    }
                }
            }
            (_, Some(confirm_at)) => suspect("unauthorized", confirm_at),
            _ => suspect("unauthorized", now + self.rules.confirm_after),
        };
        Ok(Judgement::Change(change))
    }

    async fn evidence(
        &self,
        row: &ConnectionRow,
        since: Timestamp,
        succeeds: impl Fn(Standing) -> bool,
    ) -> Result<Evidence, StoreError> {
        let waited = self.clock.now().duration_since(since);
        Ok(Evidence {
            numbers: self.access.store.standing(row).await?,
            suspect_for: waited.try_into().unwrap_or_default(),
            others_succeed: self.any_witness(row, succeeds).await?,
        })
    }

    /// Whether any of some other users stands with Polar in a certain way, right now.
    async fn any_witness(
        &self,
        row: &ConnectionRow,
        stands: impl Fn(Standing) -> bool,
    ) -> Result<bool, StoreError> {
        let store = &self.access.store;
        for witness in store.witnesses(row.connection_id, WITNESSES_MAX).await? {
            let session = Session::open(self.access.clone(), witness, Urgency::Normal);
            let Ok(session) = session else { continue };
            if ask_witness(&session).await.is_ok_and(&stands) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What is noted when Polar could not be asked: a suspect stays one.
pub(super) fn unanswered(row: &ConnectionRow, now: Timestamp) -> Option<StateChange> {
    let is_open = matches!(
        row.state,
        ConnectionState::Suspect | ConnectionState::ConsentRequired
    );
    is_open.then(|| StateChange {
        state: row.state,
        reason: Some("unanswered"),
        recheck_at: Some(now + UNANSWERED_RECHECK),
    })
}

fn suspect(reason: &'static str, recheck_at: Timestamp) -> StateChange {
    StateChange {
        state: ConnectionState::Suspect,
        reason: Some(reason),
        recheck_at: Some(recheck_at),
    }
}

/// A mass of users is in trouble at once, which is Polar's or the client's, not theirs.
fn held(row: &ConnectionRow, now: Timestamp, why: &str) -> StateChange {
    tracing::error!(connection.id = %row.connection_id,
        "{why}: none of them counts as revoked for now; check accesslink.client_id and Polar's status");
    suspect("held", now + HOLD_RECHECK)
}

fn revoked(row: &ConnectionRow, now: Timestamp) -> StateChange {
    let is_expired = row.tokens.expires_at.is_some_and(|at| at <= now);
    let (state, reason) = if is_expired && row.tokens.refresh_token.is_none() {
        (ConnectionState::Expired, "token_expired")
    } else {
        (ConnectionState::Revoked, "token_refused")
    };
    StateChange {
        state,
        reason: Some(reason),
        recheck_at: None,
    }
}

const fn deregistered() -> StateChange {
    StateChange {
        state: ConnectionState::Revoked,
        reason: Some("deregistered"),
        recheck_at: None,
    }
}
