//! Daily activity: one record a day, with its step and zone samples.
//!
//! Polar offers a day again, under another id, whenever it has grown; the latest created one wins, and
//! of two that were created at once the one with the greater id.

use jiff::civil::Date;

use crate::model::{
    ConnectionId, Detail, Kind, RecordId, UserId,
    record::{ActivityZoneSample, DailyActivity},
};

use super::{
    super::{Store, StoreError, Tx, restore::Damaged},
    Change, Head, Revision, Upserted, Verdict, chunk,
    fingerprint::{Fingerprint, Hash},
    judge,
    part::{PartMark, PartState, content},
    series,
    stray::Traces,
};

/// Stores a day. Its version is when Polar created it.
pub async fn upsert_daily_activity(
    tx: &mut Tx,
    connection: ConnectionId,
    user: &UserId,
    activity: &DailyActivity,
) -> Result<Upserted, StoreError> {
    let steps = content(&activity.step_samples).map(|steps| chunk::chunks([steps]));
    let zones = content(&activity.zone_samples);
    let (stored, before) = stored(tx, connection, activity.date).await?;
    if let Some(stored) = stored.as_ref().filter(|stored| stored.is_after(activity)) {
        return Ok(Upserted {
            record_id: stored.head.record_id,
            change: Change::Stale,
        });
    }
    let head = stored.map(|stored| stored.head);
    let marks = Marks {
        steps: before
            .steps
            .after(&activity.step_samples, steps.as_deref().map(chunk::hash_of)),
        zones: before.zones.after(
            &activity.zone_samples,
            zones.map(|samples| hash_of(samples)),
        ),
    };
    let content_hash = fingerprint(activity, &marks);
    let revision = match judge(head.as_ref(), activity.created_at, &content_hash) {
        Verdict::Leave(upserted) => return Ok(upserted),
        Verdict::Write(revision) => revision,
    };
    let traces = Traces {
        chunks: steps.as_deref().unwrap_or_default(),
        first_zone: zones.and_then(|samples| Some(samples.first()?.at)),
        ..Traces::default()
    };
    let revision = revision.adopted(tx, connection, &traces).await?;
    put(tx, connection, revision, activity, &marks, &content_hash).await?;
    if let Some(steps) = steps.filter(|_| marks.steps.differs_from(&before.steps)) {
        series::replace(tx, connection, revision.record_id, &steps).await?;
    }
    if let Some(zones) = zones.filter(|_| marks.zones.differs_from(&before.zones)) {
        replace_zones(tx, connection, revision.record_id, zones).await?;
    }
    revision
        .announce(tx, connection, user, Kind::Activity)
        .await
}

/// The day as it is stored.
#[derive(Debug)]
struct StoredDay {
    head: Head,
    polar_id: i64,
}

impl StoredDay {
    /// Whether it was created together with the offered one, and after it.
    fn is_after(&self, offered: &DailyActivity) -> bool {
        self.head.version.as_microsecond() == offered.created_at.as_microsecond()
            && self.polar_id > offered.polar_id
    }
}

/// What is known of a day's parts.
#[derive(Debug)]
struct Marks {
    steps: PartMark,
    zones: PartMark,
}

fn fingerprint(activity: &DailyActivity, marks: &Marks) -> Hash {
    Fingerprint::default()
        .with(&activity.polar_id)
        .with(&activity.date)
        .with(&activity.created_at)
        .with(&activity.calories_kcal)
        .with(&activity.active_calories_kcal)
        .with(&activity.active_s)
        .with(&activity.steps)
        .with(&marks.steps)
        .with(&marks.zones)
        .finish()
}

fn hash_of(samples: &[ActivityZoneSample]) -> Hash {
    let all = samples.iter().fold(Fingerprint::default(), |all, sample| {
        all.with(&sample.at)
            .with(sample.zone.as_str())
            .with(&sample.in_zone_s)
    });
    all.finish()
}

/// The days that are said to have samples of which rows are lost: steps, and zones.
pub(in crate::store) async fn damaged_days(
    store: &Store,
    connection: ConnectionId,
) -> Result<Vec<Damaged>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT record_id AS "record_id: RecordId", date AS "date: jiff_sqlx::Date", polar_id,
            step_samples_state = 'stored' AS "has_steps!", step_samples_hash,
            zone_samples_state = 'stored' AND NOT EXISTS (
                SELECT FROM polar_sync.activity_zone_sample p
                WHERE p.connection_id = r.connection_id AND p.record_id = r.record_id) AS "lacks_zones!",
            ARRAY(SELECT p.content_hash FROM polar_sync.series p WHERE p.connection_id = r.connection_id
                AND p.record_id = r.record_id ORDER BY p.position) AS "chunks!"
        FROM polar_sync.daily_activity r WHERE connection_id = $1 ORDER BY date"#,
        connection.0,
    )
    .fetch_all(store.pool())
    .await
    .map_err(StoreError::while_doing("look for days that lost samples"))?;
    let days = rows.into_iter().map(|row| {
        let chunks = row.chunks.iter().map(Vec::as_slice);
        let steps = chunk::hash_of_hashes(chunks);
        let lacks_steps = row.has_steps && row.step_samples_hash.as_deref() != Some(&steps);
        let lacking = [
            lacks_steps.then_some(Detail::Samples),
            row.lacks_zones.then_some(Detail::Zones),
        ];
        Damaged {
            record_id: row.record_id,
            polar_id: Some(row.polar_id),
            hashed_id: None,
            date: Some(row.date.to_jiff()),
            details: lacking.into_iter().flatten().collect(),
        }
    });
    Ok(days.filter(Damaged::lacks_details).collect())
}

async fn stored(
    tx: &mut Tx,
    connection: ConnectionId,
    date: Date,
) -> Result<(Option<StoredDay>, Marks), StoreError> {
    let row = sqlx::query!(
        r#"SELECT record_id AS "record_id: RecordId", created_at AS "created_at: jiff_sqlx::Timestamp",
            polar_id, content_hash, revision, step_samples_hash, zone_samples_hash,
            step_samples_state AS "step_samples_state: PartState",
            zone_samples_state AS "zone_samples_state: PartState"
        FROM polar_sync.daily_activity WHERE connection_id = $1 AND date = $2"#,
        connection.0,
        jiff_sqlx::Date::from(date) as _,
    )
    .fetch_optional(tx.db())
    .await
    .map_err(StoreError::while_doing("look up a day's activity"))?;
    let Some(row) = row else {
        let unknown = Marks {
            steps: PartMark::unknown(),
            zones: PartMark::unknown(),
        };
        return Ok((None, unknown));
    };
    let head = Head {
        record_id: row.record_id,
        version: row.created_at.to_jiff(),
        content_hash: row.content_hash,
        revision: row.revision,
    };
    let marks = Marks {
        steps: PartMark {
            state: row.step_samples_state,
            hash: row.step_samples_hash,
        },
        zones: PartMark {
            state: row.zone_samples_state,
            hash: row.zone_samples_hash,
        },
    };
    let stored = StoredDay {
        head,
        polar_id: row.polar_id,
    };
    Ok((Some(stored), marks))
}

async fn put(
    tx: &mut Tx,
    connection: ConnectionId,
    revision: Revision,
    activity: &DailyActivity,
    marks: &Marks,
    content_hash: &Hash,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO polar_sync.daily_activity
            (connection_id, record_id, date, polar_id, created_at, calories_kcal,
            active_calories_kcal, active_s, steps, step_samples_state, zone_samples_state,
            step_samples_hash, zone_samples_hash, content_hash, revision, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, polar_sync.now())
        ON CONFLICT (connection_id, record_id) DO UPDATE SET
            polar_id = excluded.polar_id, created_at = excluded.created_at,
            calories_kcal = excluded.calories_kcal,
            active_calories_kcal = excluded.active_calories_kcal, active_s = excluded.active_s,
            steps = excluded.steps, step_samples_state = excluded.step_samples_state,
            zone_samples_state = excluded.zone_samples_state,
            step_samples_hash = excluded.step_samples_hash,
            zone_samples_hash = excluded.zone_samples_hash,
            content_hash = excluded.content_hash, revision = excluded.revision,
            updated_at = excluded.updated_at",
        connection.0,
        revision.record_id.0,
        jiff_sqlx::Date::from(activity.date) as _,
        activity.polar_id,
        jiff_sqlx::Timestamp::from(activity.created_at) as _,
        activity.calories_kcal,
        activity.active_calories_kcal,
        activity.active_s,
        activity.steps,
        marks.steps.state.as_str(),
        marks.zones.state.as_str(),
        marks.steps.hash.as_deref(),
        marks.zones.hash.as_deref(),
        content_hash,
        revision.number,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("store a day's activity"))?;
    Ok(())
}

/// Makes `samples` the zone samples of the day.
async fn replace_zones(
    tx: &mut Tx,
    connection: ConnectionId,
    record: RecordId,
    samples: &[ActivityZoneSample],
) -> Result<(), StoreError> {
    let starts: Vec<jiff_sqlx::Timestamp> = samples.iter().map(|s| s.at.into()).collect();
    let zones: Vec<_> = samples.iter().map(|s| s.zone.as_str()).collect();
    let seconds: Vec<_> = samples.iter().map(|s| s.in_zone_s).collect();
    sqlx::query!(
        "INSERT INTO polar_sync.activity_zone_sample
            (connection_id, record_id, starts_at, zones, in_zone_s)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (connection_id, record_id) DO UPDATE SET
            starts_at = excluded.starts_at, zones = excluded.zones, in_zone_s = excluded.in_zone_s",
        connection.0,
        record.0,
        starts as _,
        zones as _,
        &seconds,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("store activity zones"))?;
    Ok(())
}
