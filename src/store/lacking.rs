//! Workouts that lack a detail, to be completed from `/v3/exercises` while Polar still has it.

use jiff::Timestamp;

use super::{
    Store, StoreError, Tx,
    changes::{self, ChangeKind},
    restore::Damaged,
};
use crate::model::{ConnectionId, Detail, Details, Kind, RecordId, UserId};

/// A workout that lacks something.
#[derive(Debug, Clone, PartialEq)]
pub struct Lacking {
    /// Its id here.
    pub record_id: RecordId,
    /// The id at `/v3/exercises`, where it is known.
    pub hashed_id: Option<String>,
    /// When Polar got it.
    pub uploaded_at: Timestamp,
    /// Start.
    pub start_at: Timestamp,
    /// Duration in seconds.
    pub duration_s: f64,
    /// What it lacks.
    pub details: Details,
}

impl Store {
    /// Workouts uploaded since `since` that were stored without one of `wanted`.
    pub async fn workouts_lacking(
        &self,
        connection: ConnectionId,
        wanted: Details,
        since: Timestamp,
    ) -> Result<Vec<Lacking>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT record_id, polar_hashed_id, uploaded_at AS "uploaded_at: jiff_sqlx::Timestamp",
                      start_at AS "start_at: jiff_sqlx::Timestamp", duration_s,
                      $2 AND samples_state = 'not_requested' AS "samples!",
                      $3 AND zones_state = 'not_requested' AS "zones!",
                      $4 AND route_state = 'not_requested' AND has_route AS "route!"
               FROM polar_sync.workout
               WHERE connection_id = $1 AND uploaded_at >= $5
                 AND ($2 AND samples_state = 'not_requested' OR $3 AND zones_state = 'not_requested'
                      OR $4 AND route_state = 'not_requested' AND has_route)"#,
            connection.0,
            wanted.contains(Detail::Samples),
            wanted.contains(Detail::Zones),
            wanted.contains(Detail::Route),
            jiff_sqlx::ToSqlx::to_sqlx(since) as _
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing(
            "look for workouts that lack something",
        ))?;
        Ok(rows
            .into_iter()
            .map(|row| Lacking {
                record_id: RecordId(row.record_id),
                hashed_id: row.polar_hashed_id,
                uploaded_at: row.uploaded_at.to_jiff(),
                start_at: row.start_at.to_jiff(),
                duration_s: row.duration_s,
                details: [
                    row.samples.then_some(Detail::Samples),
                    row.zones.then_some(Detail::Zones),
                    row.route.then_some(Detail::Route),
                ]
                .into_iter()
                .flatten()
                .collect(),
            })
            .collect())
    }

    /// Damaged workouts as such that lack what they lost.
    pub async fn as_lacking(
        &self,
        connection: ConnectionId,
        damaged: &[Damaged],
    ) -> Result<Vec<Lacking>, StoreError> {
        let ids: Vec<_> = damaged.iter().map(|damaged| damaged.record_id.0).collect();
        let rows = sqlx::query!(
            r#"SELECT record_id AS "record_id: RecordId", polar_hashed_id,
                      uploaded_at AS "uploaded_at: jiff_sqlx::Timestamp",
                      start_at AS "start_at: jiff_sqlx::Timestamp", duration_s
               FROM polar_sync.workout WHERE connection_id = $1 AND record_id = ANY ($2)
               ORDER BY start_at"#,
            connection.0,
            &ids
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("look up damaged workouts"))?;
        let details = |record| {
            let mut damaged = damaged.iter();
            damaged.find(|damaged| damaged.record_id == record)
        };
        Ok(rows
            .into_iter()
            .map(|row| Lacking {
                details: details(row.record_id).map_or(Details::NONE, |damaged| damaged.details),
                record_id: row.record_id,
                hashed_id: row.polar_hashed_id,
                uploaded_at: row.uploaded_at.to_jiff(),
                start_at: row.start_at.to_jiff(),
                duration_s: row.duration_s,
            })
            .collect())
    }

    /// The hashed ids of workouts that are stored.
    pub async fn known_hashed_ids(
        &self,
        connection: ConnectionId,
        ids: &[String],
    ) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT polar_hashed_id AS "id!" FROM polar_sync.workout
               WHERE connection_id = $1 AND polar_hashed_id = ANY ($2)"#,
            connection.0,
            ids
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("look for workouts by hashed id"))
    }
}

impl Tx {
    /// Notes that Polar no longer has what a workout lacks.
    pub async fn note_gone(
        &mut self,
        connection: ConnectionId,
        user: &UserId,
        lacking: &Lacking,
    ) -> Result<(), StoreError> {
        let gone = |detail| lacking.details.contains(detail);
        let revision = sqlx::query_scalar!(
            "UPDATE polar_sync.workout
             SET samples_state = CASE WHEN $3 THEN 'gone' ELSE samples_state END,
                 zones_state = CASE WHEN $4 THEN 'gone' ELSE zones_state END,
                 route_state = CASE WHEN $5 THEN 'gone' ELSE route_state END,
                 revision = revision + 1, updated_at = polar_sync.now()
             WHERE connection_id = $1 AND record_id = $2
             RETURNING revision",
            connection.0,
            lacking.record_id.0,
            gone(Detail::Samples),
            gone(Detail::Zones),
            gone(Detail::Route)
        )
        .fetch_optional(self.db())
        .await
        .map_err(StoreError::while_doing("note that a detail is gone"))?;
        if let Some(revision) = revision {
            let (record, change) = (lacking.record_id, ChangeKind::Updated);
            changes::append(
                self,
                connection,
                user,
                Kind::Exercise,
                record,
                change,
                revision,
            )
            .await?;
        }
        Ok(())
    }

    /// The details that open requests of a connection want to see stored.
    pub async fn details_of_open_requests(
        &mut self,
        connection: ConnectionId,
    ) -> Result<Details, StoreError> {
        let words = sqlx::query_scalar!(
            r#"SELECT DISTINCT unnest(include) AS "detail!: Detail" FROM polar_sync.sync_request
               WHERE connection_id = $1 AND state = 'open'"#,
            connection.0
        )
        .fetch_all(self.db())
        .await
        .map_err(StoreError::while_doing("read what open requests want"))?;
        Ok(words.into_iter().collect())
    }
}

impl Store {
    /// Whether an open request of the connection is more urgent than `lane`.
    pub async fn is_more_urgent_waiting(
        &self,
        connection: ConnectionId,
        lane: crate::model::Lane,
    ) -> Result<bool, StoreError> {
        let more_urgent: Vec<_> = crate::model::Lane::ALL
            .iter()
            .filter(|other| **other < lane)
            .map(|other| other.as_str().to_owned())
            .collect();
        sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM polar_sync.sync_request
                 WHERE connection_id = $1 AND state = 'open' AND lane = ANY ($2)) AS "exists!""#,
            connection.0,
            &more_urgent
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("look for more urgent requests"))
    }
}
