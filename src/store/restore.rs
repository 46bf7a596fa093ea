//! What is not stored although it should be, as after a restore from an older backup: what an audit
//! looks for, and what a sync brings back.

use std::collections::HashSet;

use jiff::{Timestamp, civil::Date};
use jiff_sqlx::ToSqlx;

use super::{
    Store, StoreError, Tx,
    changes::{self, ChangeKind},
    records::{damaged_days, damaged_recharges, damaged_sleeps, damaged_workouts},
};
use crate::model::{ConnectionId, Detail, Details, Kind, RecordId, UserId};

/// The most answers without a record that are looked at at once, the latest ones.
const ORPHANS_MAX: i64 = 2_000;

/// A record of which rows are lost: its own row is there, and tells of others that are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The record.
    pub record_id: RecordId,
    /// Its id in transactions.
    pub polar_id: Option<i64>,
    /// Its id at `/v3/exercises`.
    pub hashed_id: Option<String>,
    /// The date of a record that there is one of a day.
    pub date: Option<Date>,
    /// The parts that are not whole; of a day of activity, the steps are its samples. None are told of a
    /// night, which is stored as a whole.
    pub details: Details,
}

impl Damaged {
    pub(super) fn lacks_details(&self) -> bool {
        self.details != Details::NONE
    }
}

/// An item that is kept raw and has no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The item's id at Polar.
    pub item: String,
    /// The version that was fetched last.
    pub version: String,
}

impl Orphan {
    /// Whether a transaction offered it; else `/v3/exercises` showed it.
    pub fn is_offered(&self) -> bool {
        self.item.bytes().all(|byte| byte.is_ascii_digit())
    }
}

impl Store {
    /// Records of a kind of which rows are lost.
    pub async fn damaged(
        &self,
        connection: ConnectionId,
        kind: Kind,
    ) -> Result<Vec<Damaged>, StoreError> {
        let night = |(record_id, date)| Damaged {
            record_id,
            polar_id: None,
            hashed_id: None,
            date: Some(date),
            details: Details::NONE,
        };
        let nights = match kind {
            Kind::Exercise => return damaged_workouts(self, connection).await,
            Kind::Activity => return damaged_days(self, connection).await,
            Kind::PhysicalInformation => Vec::new(),
            Kind::Sleep => damaged_sleeps(self, connection).await?,
            Kind::NightlyRecharge => damaged_recharges(self, connection).await?,
        };
        Ok(nights.into_iter().map(night).collect())
    }

    /// Whether every one of these parts of a workout or a day is said to be stored.
    pub async fn has_parts(
        &self,
        connection: ConnectionId,
        record: RecordId,
        details: Details,
    ) -> Result<bool, StoreError> {
        let stored = sqlx::query_scalar!(
            r#"SELECT (samples_state = 'stored' OR NOT $3) AND (zones_state = 'stored' OR NOT $4)
                   AND (route_state = 'stored' OR NOT $5) AS "stored!"
               FROM (SELECT samples_state, zones_state, route_state FROM polar_sync.workout
                     WHERE connection_id = $1 AND record_id = $2
                     UNION ALL
                     SELECT step_samples_state, zone_samples_state, 'stored' FROM polar_sync.daily_activity
                     WHERE connection_id = $1 AND record_id = $2) AS parts"#,
            connection.0,
            record.0,
            details.contains(Detail::Samples),
            details.contains(Detail::Zones),
            details.contains(Detail::Route)
        )
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("look for the parts of a record"))?;
        Ok(stored.unwrap_or(false))
    }

    /// Items of a kind with transactions that are kept raw and have no record with their id, whether they
    /// are understood or not; and, before all others, those of `also`, whatever is stored of them. An earlier
    /// offer of a day of activity is among them, since its record has the id of the latest; and exercises as
    /// `/v3/exercises` calls them, after those of transactions. What was fetched since the kind was last in step is not: a transaction that
    /// is interrupted leaves bodies that the next one goes on with.
    pub async fn orphans(
        &self,
        connection: ConnectionId,
        kind: Kind,
        also: &[String],
    ) -> Result<Vec<Orphan>, StoreError> {
        sqlx::query_as!(
            Orphan,
            "SELECT item, version FROM (
                SELECT DISTINCT ON (i.item) i.item, i.version, i.fetched_at,
                    i.item ~ '^[0-9]{1,18}$' AS is_number
                FROM polar_sync.raw_item i
                WHERE i.connection_id = $1 AND i.kind = $2 AND i.part = 'summary' AND i.sha256 IS NOT NULL
                ORDER BY i.item, i.fetched_at DESC
            ) AS latest
            WHERE (is_number OR $2 = 'exercise')
                AND (item = ANY ($3) OR item NOT IN (
                    SELECT polar_id::text FROM polar_sync.workout
                    WHERE $2 = 'exercise' AND connection_id = $1 AND polar_id IS NOT NULL
                    UNION ALL
                    SELECT polar_hashed_id FROM polar_sync.workout
                    WHERE $2 = 'exercise' AND connection_id = $1 AND polar_hashed_id IS NOT NULL
                    UNION ALL
                    SELECT polar_id::text FROM polar_sync.physical_information
                    WHERE $2 = 'physical_information' AND connection_id = $1
                    UNION ALL
                    SELECT polar_id::text FROM polar_sync.daily_activity
                    WHERE $2 = 'activity' AND connection_id = $1)
                AND fetched_at <= (SELECT last_success_at FROM polar_sync.kind_state
                    WHERE connection_id = $1 AND kind = $2))
            ORDER BY (item = ANY ($3)) DESC, is_number DESC, fetched_at DESC LIMIT $4",
            connection.0,
            kind.as_str(),
            also,
            ORPHANS_MAX
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("look for raw items without a record"))
    }

    /// Which of these dates have a record of a kind that has one a day.
    pub async fn dates_stored(
        &self,
        connection: ConnectionId,
        kind: Kind,
        dates: &[Date],
    ) -> Result<HashSet<Date>, StoreError> {
        let dates: Vec<_> = dates.iter().map(|date| date.to_sqlx()).collect();
        let rows = sqlx::query_scalar!(
            r#"SELECT date AS "date!: jiff_sqlx::Date" FROM polar_sync.sleep
               WHERE $2 = 'sleep' AND connection_id = $1 AND date = ANY ($3)
               UNION ALL
               SELECT date FROM polar_sync.nightly_recharge
               WHERE $2 = 'nightly_recharge' AND connection_id = $1 AND date = ANY ($3)
               UNION ALL
               SELECT date FROM polar_sync.daily_activity
               WHERE $2 = 'activity' AND connection_id = $1 AND date = ANY ($3)"#,
            connection.0,
            kind.as_str(),
            &dates as _
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("look for records by date"))?;
        Ok(rows.into_iter().map(jiff_sqlx::Date::to_jiff).collect())
    }

    /// The dates of nights of a kind that are kept raw, whether they are understood or not.
    pub async fn nights_kept(
        &self,
        connection: ConnectionId,
        kind: Kind,
    ) -> Result<Vec<Date>, StoreError> {
        let items = sqlx::query_scalar!(
            "SELECT DISTINCT i.item
             FROM polar_sync.raw_item i JOIN polar_sync.raw_body b USING (connection_id, sha256)
             WHERE i.connection_id = $1 AND i.kind = $2 AND i.item ~ '^\\d{4}-\\d{2}-\\d{2}$'
             ORDER BY i.item",
            connection.0,
            kind.as_str()
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("look for nights that are kept raw"))?;
        Ok(items.iter().filter_map(|item| item.parse().ok()).collect())
    }

    /// The items of a kind of which the body of an answer is lost that is said to be kept, of the version that
    /// was fetched last: nothing reads earlier ones, and they do not come again.
    pub async fn lost_bodies(
        &self,
        connection: ConnectionId,
        kind: Kind,
    ) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar!(
            "SELECT DISTINCT i.item FROM polar_sync.raw_item i
             WHERE i.connection_id = $1 AND i.kind = $2 AND i.sha256 IS NOT NULL
                 AND NOT EXISTS (SELECT FROM polar_sync.raw_body b
                     WHERE b.connection_id = i.connection_id AND b.sha256 = i.sha256)
                 AND i.version = (SELECT latest.version FROM polar_sync.raw_item latest
                     WHERE latest.connection_id = i.connection_id AND latest.kind = i.kind
                         AND latest.item = i.item
                     ORDER BY latest.fetched_at DESC LIMIT 1)
             ORDER BY i.item",
            connection.0,
            kind.as_str()
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("look for lost bodies"))
    }

    /// The names of records of a kind that came since an instant, and of which nothing is kept raw: ids
    /// and dates at Polar.
    pub async fn without_raw(
        &self,
        connection: ConnectionId,
        kind: Kind,
        since: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT coalesce(r.item, r.other) AS "item!" FROM (
                SELECT 'exercise' AS kind, polar_id::text AS item, polar_hashed_id AS other,
                    least(uploaded_at, updated_at) AS came_at
                FROM polar_sync.workout WHERE connection_id = $1
                UNION ALL
                SELECT 'activity', polar_id::text, NULL, least(created_at, updated_at)
                FROM polar_sync.daily_activity WHERE connection_id = $1
                UNION ALL
                SELECT 'physical_information', polar_id::text, NULL, least(recorded_at, updated_at)
                FROM polar_sync.physical_information WHERE connection_id = $1
                UNION ALL
                SELECT 'sleep', to_char(date, 'YYYY-MM-DD'), NULL, fetched_at
                FROM polar_sync.sleep WHERE connection_id = $1
                UNION ALL
                SELECT 'nightly_recharge', to_char(date, 'YYYY-MM-DD'), NULL, fetched_at
                FROM polar_sync.nightly_recharge WHERE connection_id = $1
            ) AS r
            WHERE r.kind = $2 AND r.came_at > $3
                AND NOT EXISTS (SELECT FROM polar_sync.raw_item i
                    WHERE i.connection_id = $1 AND i.kind = $2 AND i.part = 'summary'
                        AND i.item IN (r.item, r.other))
            ORDER BY 1"#,
            connection.0,
            kind.as_str(),
            since.to_sqlx() as _
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing(
            "look for records of which nothing is kept raw",
        ))
    }

    /// How many items of transactions that were committed since an instant are neither stored nor kept raw, of a
    /// kind whose records have the ids of their items.
    pub async fn lost_without_trace(
        &self,
        connection: ConnectionId,
        kind: Kind,
        since: Timestamp,
    ) -> Result<i64, StoreError> {
        // A workout may be stored under its other id.
        if !matches!(kind, Kind::Activity | Kind::PhysicalInformation) {
            return Ok(0);
        }
        sqlx::query_scalar!(
            r#"SELECT count(DISTINCT listed.id) AS "count!"
               FROM polar_sync.remote_transaction t, unnest(t.items) AS listed (id)
               WHERE t.connection_id = $1 AND t.kind = $2
                   AND t.phase IN ('committed', 'unconfirmed')
                   AND t.created_at > $3
                   AND NOT listed.id = ANY (t.accepted_loss)
                   AND NOT EXISTS (SELECT FROM polar_sync.physical_information p
                       WHERE t.kind = 'physical_information' AND p.connection_id = $1 AND p.polar_id::text = listed.id)
                   AND NOT EXISTS (SELECT FROM polar_sync.daily_activity p
                       WHERE t.kind = 'activity' AND p.connection_id = $1 AND p.polar_id::text = listed.id)
                   AND NOT EXISTS (SELECT FROM polar_sync.raw_item i
                       WHERE i.connection_id = $1 AND i.kind = $2 AND i.item = listed.id)"#,
            connection.0,
            kind.as_str(),
            since.to_sqlx() as _
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("look for items without a trace"))
    }

    /// The latest night of a kind that is stored.
    pub async fn latest_night(
        &self,
        connection: ConnectionId,
        kind: Kind,
    ) -> Result<Option<Date>, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT max(date) AS "date: jiff_sqlx::Date" FROM (
                   SELECT date FROM polar_sync.sleep WHERE $2 = 'sleep' AND connection_id = $1
                   UNION ALL
                   SELECT date FROM polar_sync.nightly_recharge
                   WHERE $2 = 'nightly_recharge' AND connection_id = $1
               ) AS nights"#,
            connection.0,
            kind.as_str()
        )
        .fetch_one(self.pool())
        .await
        .map(|date| date.map(jiff_sqlx::Date::to_jiff))
        .map_err(StoreError::while_doing("look for the latest night"))
    }

    /// Whether any workout is stored.
    pub async fn has_workouts(&self, connection: ConnectionId) -> Result<bool, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM polar_sync.workout WHERE connection_id = $1) AS "exists!""#,
            connection.0
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("look for workouts"))
    }
}

impl Tx {
    /// Makes a damaged record say that its lost parts are gone, so that they can be stored again. Readers
    /// are told by what is stored then, or by [`Tx::tell_of_loss`].
    pub async fn forget_parts(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        damaged: &Damaged,
    ) -> Result<(), StoreError> {
        match kind {
            Kind::Exercise => self.forget_of_workout(connection, damaged).await,
            Kind::Activity => self.forget_of_day(connection, damaged).await,
            Kind::PhysicalInformation => Ok(()),
            Kind::Sleep | Kind::NightlyRecharge => {
                self.forget_of_night(connection, damaged.record_id).await
            }
        }
    }

    async fn forget_of_workout(
        &mut self,
        connection: ConnectionId,
        damaged: &Damaged,
    ) -> Result<(), StoreError> {
        let lost = |detail| damaged.details.contains(detail);
        sqlx::query!(
            "UPDATE polar_sync.workout SET
                 samples_state = CASE WHEN $3 THEN 'gone' ELSE samples_state END,
                 samples_hash = CASE WHEN NOT $3 THEN samples_hash END,
                 samples_transactional = samples_transactional AND NOT $3,
                 zones_state = CASE WHEN $4 THEN 'gone' ELSE zones_state END,
                 zones_hash = CASE WHEN NOT $4 THEN zones_hash END,
                 zones_transactional = zones_transactional AND NOT $4,
                 route_state = CASE WHEN $5 THEN 'gone' ELSE route_state END,
                 route_hash = CASE WHEN NOT $5 THEN route_hash END,
                 route_transactional = route_transactional AND NOT $5
             WHERE connection_id = $1 AND record_id = $2",
            connection.0,
            damaged.record_id.0,
            lost(Detail::Samples),
            lost(Detail::Zones),
            lost(Detail::Route)
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("forget lost parts of a workout"))?;
        Ok(())
    }

    async fn forget_of_day(
        &mut self,
        connection: ConnectionId,
        damaged: &Damaged,
    ) -> Result<(), StoreError> {
        let lost = |detail| damaged.details.contains(detail);
        sqlx::query!(
            "UPDATE polar_sync.daily_activity SET
                 step_samples_state = CASE WHEN $3 THEN 'gone' ELSE step_samples_state END,
                 step_samples_hash = CASE WHEN NOT $3 THEN step_samples_hash END,
                 zone_samples_state = CASE WHEN $4 THEN 'gone' ELSE zone_samples_state END,
                 zone_samples_hash = CASE WHEN NOT $4 THEN zone_samples_hash END,
                 content_hash = ''
             WHERE connection_id = $1 AND record_id = $2",
            connection.0,
            damaged.record_id.0,
            lost(Detail::Samples),
            lost(Detail::Zones)
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("forget lost samples of a day"))?;
        Ok(())
    }

    async fn forget_of_night(
        &mut self,
        connection: ConnectionId,
        record: RecordId,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "WITH sleep AS (
                 UPDATE polar_sync.sleep SET content_hash = ''
                 WHERE connection_id = $1 AND record_id = $2)
             UPDATE polar_sync.nightly_recharge SET content_hash = ''
             WHERE connection_id = $1 AND record_id = $2",
            connection.0,
            record.0
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("forget what a night was"))?;
        Ok(())
    }

    /// Tells readers that parts of a record are lost: a new revision of it.
    pub async fn tell_of_loss(
        &mut self,
        connection: ConnectionId,
        user: &UserId,
        kind: Kind,
        record: RecordId,
    ) -> Result<(), StoreError> {
        let revision = sqlx::query_scalar!(
            r#"WITH workout AS (
                   UPDATE polar_sync.workout SET revision = revision + 1, updated_at = polar_sync.now()
                   WHERE connection_id = $1 AND record_id = $2 RETURNING revision
               ), day AS (
                   UPDATE polar_sync.daily_activity SET revision = revision + 1, updated_at = polar_sync.now()
                   WHERE connection_id = $1 AND record_id = $2 RETURNING revision
               )
               SELECT revision AS "revision!" FROM workout UNION ALL SELECT revision FROM day"#,
            connection.0,
            record.0
        )
        .fetch_optional(self.db())
        .await
        .map_err(StoreError::while_doing("tell that parts are lost"))?;
        if let Some(revision) = revision {
            let change = ChangeKind::Updated;
            changes::append(self, connection, user, kind, record, change, revision).await?;
        }
        Ok(())
    }
}
