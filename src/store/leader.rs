//! Leases of the single leaders, fenced by a token like those of connections.

use super::{
    Store, StoreError, Tx,
    lease::{FenceError, LEASE},
};

/// What only one process does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Office {
    /// Decides who is due.
    Scheduler,
    /// Numbers the changes.
    Sequencer,
}

impl Office {
    /// The row of the office.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler",
            Self::Sequencer => "sequencer",
        }
    }
}

/// The right to an office.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// The office.
    pub office: Office,
    /// The fence.
    pub token: i64,
}

impl Store {
    /// Takes an office that nobody holds, or renews a term. `None` when somebody else holds it.
    pub async fn lead(
        &self,
        office: Office,
        owner: &str,
        term: Option<Term>,
    ) -> Result<Option<Term>, StoreError> {
        let token = sqlx::query_scalar!(
            "UPDATE polar_sync.leader
             SET token = CASE WHEN token = $3 AND owner = $2 THEN token ELSE token + 1 END, owner = $2,
                 until = polar_sync.now() + $4::float8 * interval '1 second'
             WHERE name = $1 AND (token = $3 AND owner = $2 OR until IS NULL OR until <= polar_sync.now())
             RETURNING token",
            office.as_str(),
            owner,
            term.map(|term| term.token),
            LEASE.as_secs_f64()
        )
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("lead"))?;
        Ok(token.map(|token| Term { office, token }))
    }

    /// Gives an office up, so that another process takes it at once.
    pub async fn resign(&self, term: Term) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.leader SET until = NULL, owner = NULL WHERE name = $1 AND token = $2",
            term.office.as_str(),
            term.token
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("give an office up"))?;
        Ok(())
    }

    /// Begins a Postgres transaction of a leader by locking its row with its token.
    pub async fn begin_leading(&self, name: &'static str, term: Term) -> Result<Tx, FenceError> {
        let mut tx = self.begin(name).await?;
        let held = sqlx::query_scalar!(
            "SELECT token FROM polar_sync.leader WHERE name = $1 AND token = $2 FOR UPDATE",
            term.office.as_str(),
            term.token
        )
        .fetch_optional(tx.db())
        .await
        .map_err(StoreError::while_doing("lock an office with its token"))?;
        if held.is_some() {
            Ok(tx)
        } else {
            Err(FenceError::Lost)
        }
    }
}
