//! What is not stored although it should be, as after a restore from an older backup: what an audit
//! looks for, and what a sync brings back.

use std::collections::HashSet;

use jiff::{Timestamp, civil::Date};
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{
    Store, StoreError, Tx,
    changes::{self, ChangeKind},
    records::no_parts,
};
use crate::model::{ConnectionId, Detail, Details, Kind, RecordId, UserId};

/// The most answers without a record that are looked at at once, the latest ones.
const ORPHANS_MAX: i64 = 2_000;

/// A workout that says of a part that it is stored, while its rows are not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostParts {
    /// The workout.
    pub record_id: RecordId,
    /// Its id in exercise transactions.
    pub polar_id: Option<i64>,
    /// The parts.
    pub details: Details,
}

/// An item that is kept raw and has no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The item's id at Polar.
    pub item: String,
    /// The version that was fetched last.
    pub version: String,
}

/// A row of a workout with lost parts, from Postgres.
struct RawLost {
    record_id: Uuid,
    polar_id: Option<i64>,
    samples: bool,
    zones: bool,
    route: bool,
}

impl From<RawLost> for LostParts {
    fn from(raw: RawLost) -> Self {
        Self {
            record_id: RecordId(raw.record_id),
            polar_id: raw.polar_id,
            details: [
                raw.samples.then_some(Detail::Samples),
                raw.zones.then_some(Detail::Zones),
                raw.route.then_some(Detail::Route),
            ]
            .into_iter()
            .flatten()
            .collect(),
        }
    }
}

/// Parts that are said to be stored and have no rows. A part that is stored and empty has none either,
/// and the hash of nothing.
macro_rules! lost_parts {
    ($head:literal, $tail:literal, $($arg:expr),*) => {
        sqlx::query_as!(
            RawLost,
            r#"WITH lost AS (
                   SELECT w.record_id, w.polar_id,
                       w.samples_state = 'stored' AND w.samples_hash IS DISTINCT FROM $2::bytea AND NOT EXISTS (
                           SELECT FROM polar_sync.series p
                           WHERE p.connection_id = w.connection_id AND p.record_id = w.record_id) AS samples,
                       w.zones_state = 'stored' AND w.zones_hash IS DISTINCT FROM $3::bytea AND NOT EXISTS (
                           SELECT FROM polar_sync.workout_zone p
                           WHERE p.connection_id = w.connection_id AND p.record_id = w.record_id) AS zones,
                       w.route_state = 'stored' AND w.route_hash IS DISTINCT FROM $4::bytea AND NOT EXISTS (
                           SELECT FROM polar_sync.route p
                           WHERE p.connection_id = w.connection_id AND p.record_id = w.record_id) AS route
                   FROM polar_sync.workout w WHERE w.connection_id = $1
               )"# + $head + r#"SELECT record_id AS "record_id!", polar_id, samples AS "samples!", zones AS "zones!",
                   route AS "route!"
               FROM lost WHERE samples OR zones OR route"# + $tail,
            $($arg),*
        )
    };
}

impl Store {
    /// Workouts of which a part is lost.
    pub async fn lost_parts(&self, connection: ConnectionId) -> Result<Vec<LostParts>, StoreError> {
        let nothing = no_parts();
        let rows = lost_parts!(
            "",
            "",
            connection.0,
            nothing.samples.as_slice(),
            nothing.zones.as_slice(),
            nothing.route.as_slice()
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("look for parts that are lost"))?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Whether every one of these parts of a workout is stored.
    pub async fn has_parts(
        &self,
        connection: ConnectionId,
        record: RecordId,
        details: Details,
    ) -> Result<bool, StoreError> {
        let stored = sqlx::query_scalar!(
            r#"SELECT (samples_state = 'stored' OR NOT $3) AND (zones_state = 'stored' OR NOT $4)
                   AND (route_state = 'stored' OR NOT $5) AS "stored!"
               FROM polar_sync.workout WHERE connection_id = $1 AND record_id = $2"#,
            connection.0,
            record.0,
            details.contains(Detail::Samples),
            details.contains(Detail::Zones),
            details.contains(Detail::Route)
        )
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("look for the parts of a workout"))?;
        Ok(stored.unwrap_or(false))
    }

    /// Items of a kind with transactions that are kept raw, were understood, and have no record with
    /// their id; and those of `also`, whatever is stored of them. An earlier offer of a day of activity
    /// is among them, since its record has the id of the latest.
    pub async fn orphans(
        &self,
        connection: ConnectionId,
        kind: Kind,
        also: &[String],
    ) -> Result<Vec<Orphan>, StoreError> {
        sqlx::query_as!(
            Orphan,
            "SELECT item, version FROM (
                SELECT DISTINCT ON (i.item) i.item, i.version, i.fetched_at
                FROM polar_sync.raw_item i
                WHERE i.connection_id = $1 AND i.kind = $2 AND i.part = 'summary' AND i.sha256 IS NOT NULL
                    AND i.item ~ '^[0-9]{1,18}$'
                ORDER BY i.item, i.fetched_at DESC
            ) AS latest
            WHERE (item = ANY ($3) OR item NOT IN (
                    SELECT polar_id::text FROM polar_sync.workout
                    WHERE $2 = 'exercise' AND connection_id = $1 AND polar_id IS NOT NULL
                    UNION ALL
                    SELECT polar_id::text FROM polar_sync.physical_information
                    WHERE $2 = 'physical_information' AND connection_id = $1
                    UNION ALL
                    SELECT polar_id::text FROM polar_sync.daily_activity
                    WHERE $2 = 'activity' AND connection_id = $1))
                AND NOT EXISTS (SELECT FROM polar_sync.quarantine q
                    WHERE q.connection_id = $1 AND q.kind = $2 AND q.item = latest.item
                        AND q.version = latest.version AND q.part = 'summary')
            ORDER BY fetched_at DESC LIMIT $4",
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
    /// Makes the workouts of which parts are lost say so: not requested, while Polar may still show
    /// them, else gone. They are returned; what is kept raw of them can be read again.
    pub async fn note_lost_parts(
        &mut self,
        connection: ConnectionId,
        user: &UserId,
        shown_since: Timestamp,
    ) -> Result<Vec<LostParts>, StoreError> {
        let nothing = no_parts();
        let rows = lost_parts!(
            ", noted AS (
                UPDATE polar_sync.workout w SET
                    samples_state = CASE WHEN l.samples THEN s.state ELSE w.samples_state END,
                    samples_hash = CASE WHEN NOT l.samples THEN w.samples_hash END,
                    samples_transactional = w.samples_transactional AND NOT l.samples,
                    zones_state = CASE WHEN l.zones THEN s.state ELSE w.zones_state END,
                    zones_hash = CASE WHEN NOT l.zones THEN w.zones_hash END,
                    zones_transactional = w.zones_transactional AND NOT l.zones,
                    route_state = CASE WHEN l.route THEN s.state ELSE w.route_state END,
                    route_hash = CASE WHEN NOT l.route THEN w.route_hash END,
                    route_transactional = w.route_transactional AND NOT l.route,
                    revision = w.revision + 1, updated_at = polar_sync.now()
                FROM lost l, LATERAL (SELECT CASE
                    WHEN (SELECT o.uploaded_at >= $5 FROM polar_sync.workout o
                          WHERE o.connection_id = $1 AND o.record_id = l.record_id)
                    THEN 'not_requested' ELSE 'gone' END AS state) AS s
                WHERE w.connection_id = $1 AND w.record_id = l.record_id AND (l.samples OR l.zones OR l.route)
                RETURNING w.record_id
            ) ",
            "",
            connection.0,
            nothing.samples.as_slice(),
            nothing.zones.as_slice(),
            nothing.route.as_slice(),
            shown_since.to_sqlx() as _
        )
        .fetch_all(self.db())
        .await
        .map_err(StoreError::while_doing("note that parts are lost"))?;
        let lost: Vec<LostParts> = rows.into_iter().map(Into::into).collect();
        for parts in &lost {
            let revision = self
                .revision_of_workout(connection, parts.record_id)
                .await?;
            changes::append(
                self,
                connection,
                user,
                Kind::Exercise,
                parts.record_id,
                ChangeKind::Updated,
                revision,
            )
            .await?;
        }
        Ok(lost)
    }

    async fn revision_of_workout(
        &mut self,
        connection: ConnectionId,
        record: RecordId,
    ) -> Result<i32, StoreError> {
        sqlx::query_scalar!(
            "SELECT revision FROM polar_sync.workout WHERE connection_id = $1 AND record_id = $2",
            connection.0,
            record.0
        )
        .fetch_one(self.db())
        .await
        .map_err(StoreError::while_doing("read the revision of a workout"))
    }
}
