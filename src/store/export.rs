//! Everything that is stored of one user, as JSON: rows as they are, in one consistent snapshot.
//!
//! A section is a table or what readers see of it, and a row is one line. Tokens, the keys that seal
//! them, hashes of secrets and fences are left out; so are fingerprints, which say nothing of a user.
//!
//! To add a table that holds something of a user: its section here. A test finds a table that has none.

use futures::{
    StreamExt,
    stream::{BoxStream, TryStreamExt},
};
use sqlx::PgConnection;

use super::{
    Store, StoreError, Tx,
    raw::{RawError, decompress},
};
use crate::model::UserId;

/// One body as Polar sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedBody {
    /// The hash by which raw items name it, in hexadecimal digits.
    pub sha256: String,
    /// The connection that it came by.
    pub connection_id: uuid::Uuid,
    /// The body.
    pub body: Vec<u8>,
}

/// What is stored of one user at one instant.
#[derive(Debug)]
pub struct Export {
    tx: Tx,
    user: UserId,
}

impl Store {
    /// Begins the export of a user, whatever the state of its connections; `None` when nothing is known
    /// of such a user.
    pub async fn export(&self, user: &UserId) -> Result<Option<Export>, StoreError> {
        let mut tx = self.begin_snapshot("users_export").await?;
        let is_known = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM polar_sync.platform_user WHERE user_id = $1)
                   OR EXISTS (SELECT FROM polar_sync.connection WHERE user_id = $1) AS "is_known!""#,
            user.as_str()
        )
        .fetch_one(tx.db())
        .await
        .map_err(StoreError::while_doing("look for a user"))?;
        let user = user.clone();
        Ok(is_known.then_some(Export { tx, user }))
    }
}

impl Export {
    /// The rows of a section, each a JSON object, as Postgres sends them.
    pub fn rows(&mut self, section: Section) -> BoxStream<'_, Result<String, StoreError>> {
        rows(self.tx.db(), section, self.user.as_str())
            .map_err(StoreError::while_doing("export a user"))
            .boxed()
    }

    /// The bodies as Polar sent them.
    pub fn bodies(&mut self) -> BoxStream<'_, Result<ExportedBody, RawError>> {
        let rows = sqlx::query!(
            r#"SELECT b.connection_id, encode(b.sha256, 'hex') AS "sha256!", b.body, b.length_bytes
               FROM polar_sync.connection c JOIN polar_sync.raw_body b USING (connection_id)
               WHERE c.user_id = $1"#,
            self.user.as_str()
        )
        .fetch(self.tx.db());
        rows.map(|row| {
            let row = row.map_err(StoreError::while_doing("export raw bodies"))?;
            Ok(ExportedBody {
                sha256: row.sha256,
                connection_id: row.connection_id,
                body: decompress(&row.body, row.length_bytes)?,
            })
        })
        .boxed()
    }
}

macro_rules! sections {
    ($($(#[$doc:meta])* $section:ident = $name:literal: $sql:literal;)+) => {
        /// A part of an export.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Section { $($(#[$doc])* $section,)+ }

        impl Section {
            /// Every part, in the order of an export.
            pub const ALL: &[Self] = &[$(Self::$section,)+];

            /// The `type` of its lines.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$section => $name,)+ }
            }
        }

        fn rows<'a>(
            db: &'a mut PgConnection,
            section: Section,
            user: &'a str,
        ) -> BoxStream<'a, Result<String, sqlx::Error>> {
            match section {
                $(Section::$section => sqlx::query_scalar!(
                    r#"SELECT row_to_json(line)::text AS "line!" FROM ("# + $sql + ") AS line",
                    user
                )
                .fetch(db)
                .boxed(),)+
            }
        }
    };
}

sections! {
    /// The user, as the platform told of it.
    User = "user":
        "SELECT user_id, email, first_name, last_name, created_at FROM polar_sync.platform_user WHERE user_id = $1";
    /// Ways to the consent page that were begun.
    Authorization = "authorization":
        "SELECT user_id, redirect_uri, created_at, expires_at, taken_at
         FROM polar_sync.oauth_state WHERE user_id = $1 ORDER BY created_at";
    /// Erasures: of one that the user came back from, only that it was.
    Erasure = "erasure":
        "SELECT * FROM polar_sync.erasure WHERE user_id = $1 ORDER BY began_at";
    /// Connections, also those that ended.
    Connection = "connection":
        "SELECT connection_id, user_id, polar_user_id, state, state_reason, state_since, ended_at, connected_at,
                registered_at, token_generation, token_expires_at, suspect_since, recheck_at
         FROM polar_sync.connection WHERE user_id = $1 ORDER BY connected_at";
    /// How each connection stands in the queue.
    SyncState = "sync_state":
        "SELECT s.connection_id, s.lease_until, s.queued_lane, s.queued_entry, s.queued_at, s.last_success_at
         FROM polar_sync.connection c JOIN polar_sync.sync_state s USING (connection_id) WHERE c.user_id = $1";
    /// How each kind of data of a connection fared.
    KindState = "kind_state":
        "SELECT k.* FROM polar_sync.connection c JOIN polar_sync.kind_state k USING (connection_id)
         WHERE c.user_id = $1 ORDER BY k.connection_id, k.kind";
    /// Workouts; their `type` is `workout_type`, beside that of the line.
    Workout = "workout":
        "SELECT user_id, workout_id, polar_id, polar_hashed_id, type AS workout_type, polar_sport, start_at, end_at,
                utc_offset_minutes, duration_s, distance_m, calories_kcal, heart_rate_avg_bpm, heart_rate_max_bpm,
                training_load, running_index, device, has_route, samples_state, zones_state, route_state, revision,
                updated_at, uploaded_at, device_id, fat_percentage, carbohydrate_percentage, protein_percentage,
                club_id, club_name, cardio_load, muscle_load, perceived_load, cardio_load_interpretation,
                muscle_load_interpretation, perceived_load_interpretation, user_rpe
         FROM api_v1.workouts WHERE user_id = $1 ORDER BY start_at, workout_id";
    /// Time in heart-rate zones.
    WorkoutZone = "workout_zone":
        "SELECT * FROM api_v1.workout_zones WHERE user_id = $1 ORDER BY workout_id, zone_index";
    /// Routes, one line each: arrays of equal length.
    WorkoutRoute = "workout_route":
        "SELECT c.user_id, r.record_id AS workout_id, r.started_at, r.offsets_ms,
                ARRAY(SELECT p.e7 / 1e7::float8 FROM unnest(r.latitudes_e7) WITH ORDINALITY AS p (e7, seq)
                      ORDER BY p.seq) AS latitudes,
                ARRAY(SELECT p.e7 / 1e7::float8 FROM unnest(r.longitudes_e7) WITH ORDINALITY AS p (e7, seq)
                      ORDER BY p.seq) AS longitudes,
                CASE WHEN r.altitudes_mm IS NOT NULL THEN
                    ARRAY(SELECT p.mm / 1e3::float8 FROM unnest(r.altitudes_mm) WITH ORDINALITY AS p (mm, seq)
                          ORDER BY p.seq) END AS altitudes_m
         FROM polar_sync.connection c JOIN polar_sync.route r USING (connection_id)
         WHERE c.user_id = $1 ORDER BY r.record_id";
    /// Samples, a line a chunk: values in the unit beside them, null for a gap.
    Timeseries = "timeseries":
        "SELECT c.user_id, s.record_id, s.position, s.series, t.unit, s.started_at, s.utc_offset_minutes,
                s.interval_ms, s.offsets_ms,
                ARRAY(SELECT v.value / s.divisor FROM unnest(COALESCE(s.values_small::float8[],
                          s.values_wide::float8[], s.values_single::float8[], s.values_double))
                          WITH ORDINALITY AS v (value, place) ORDER BY v.place) AS values
         FROM polar_sync.connection c JOIN polar_sync.series s USING (connection_id)
         JOIN polar_sync.series_type t USING (series)
         WHERE c.user_id = $1 ORDER BY s.connection_id, s.record_id, s.position";
    /// Nights.
    Sleep = "sleep":
        "SELECT * FROM api_v1.sleeps WHERE user_id = $1 ORDER BY start_at, sleep_id";
    /// The stages of nights.
    SleepStage = "sleep_stage":
        "SELECT * FROM api_v1.sleep_stages WHERE user_id = $1 ORDER BY sleep_id, start_at";
    /// Recovery.
    NightlyRecharge = "nightly_recharge":
        "SELECT * FROM api_v1.nightly_recharges WHERE user_id = $1 ORDER BY date, record_id";
    /// Days of activity.
    DailyActivity = "daily_activity":
        "SELECT * FROM api_v1.daily_activities WHERE user_id = $1 ORDER BY date, record_id";
    /// Activity zones, a line a day: arrays of equal length.
    ActivityZones = "activity_zones":
        "SELECT c.user_id, a.record_id, a.starts_at, a.zones, a.in_zone_s
         FROM polar_sync.connection c JOIN polar_sync.activity_zone_sample a USING (connection_id)
         WHERE c.user_id = $1 ORDER BY a.record_id";
    /// Physical information.
    PhysicalInformation = "physical_information":
        "SELECT * FROM api_v1.physical_information WHERE user_id = $1 ORDER BY recorded_at, record_id";
    /// Wishes for a sync.
    SyncRequest = "sync_request":
        "SELECT r.* FROM polar_sync.connection c JOIN polar_sync.sync_request r USING (connection_id)
         WHERE c.user_id = $1 ORDER BY r.created_at, r.task_id";
    /// Executions of syncs.
    SyncRun = "sync_run":
        "SELECT r.connection_id, r.run_id, r.worker, r.lane, r.cause, r.request_ids, r.started_at, r.finished_at,
                r.outcome, r.error_class, r.error, r.items_new, r.items_changed, r.items_same
         FROM polar_sync.connection c JOIN polar_sync.sync_run r USING (connection_id)
         WHERE c.user_id = $1 ORDER BY r.started_at, r.run_id";
    /// Transactions of AccessLink.
    Transaction = "transaction":
        "SELECT t.* FROM polar_sync.connection c JOIN polar_sync.remote_transaction t USING (connection_id)
         WHERE c.user_id = $1 ORDER BY t.created_at, t.remote_id";
    /// The feed of changes.
    Change = "change":
        "SELECT * FROM polar_sync.change WHERE user_id = $1 ORDER BY seq";
    /// Changes that have no number yet.
    UnnumberedChange = "unnumbered_change":
        "SELECT connection_id, user_id, record_id, kind, change, revision, changed_at
         FROM polar_sync.outbox WHERE user_id = $1 ORDER BY outbox_id";
    /// Bodies that could not be understood.
    Quarantine = "quarantine":
        "SELECT q.connection_id, q.kind, q.item, q.version, q.part, encode(q.sha256, 'hex') AS sha256, q.reason,
                q.quarantined_at
         FROM polar_sync.connection c JOIN polar_sync.quarantine q USING (connection_id)
         WHERE c.user_id = $1 ORDER BY q.quarantined_at, q.kind, q.item, q.version, q.part";
    /// What was given up for now.
    Dead = "dead":
        "SELECT d.* FROM polar_sync.dead d
         WHERE d.user_id = $1
             OR d.connection_id IN (SELECT connection_id FROM polar_sync.connection WHERE user_id = $1)
         ORDER BY d.died_at, d.dead_id";
    /// What operators did to the connections.
    OperatorDeed = "operator_deed":
        "SELECT l.* FROM polar_sync.connection c JOIN polar_sync.operator_log l USING (connection_id)
         WHERE c.user_id = $1 ORDER BY l.logged_at, l.entry_id";
    /// What Polar answered, by item and part; the bodies follow.
    RawItem = "raw_item":
        "SELECT i.connection_id, i.kind, i.item, i.version, i.part, encode(i.sha256, 'hex') AS sha256, i.fetched_at
         FROM polar_sync.connection c JOIN polar_sync.raw_item i USING (connection_id)
         WHERE c.user_id = $1 ORDER BY i.connection_id, i.kind, i.item, i.version, i.part";
}
