//! A connected user in a database of their own, and records to store.

use std::{io, sync::Mutex};

use jiff::{SignedDuration, Timestamp, civil::date};
use polar_sync::{
    model::{ConnectionId, UserId, record::*},
    store::{
        Store, StoreError, Tx,
        records::{
            Upserted, upsert_daily_activity, upsert_nightly_recharge, upsert_physical_information,
            upsert_sleep, upsert_workout,
        },
    },
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::postgres::TestDatabase;

/// Enough for every writer of a test at once.
const STORE_CONNECTIONS: u32 = 16;

/// Every table that an upsert may write.
const TABLES: [&str; 11] = [
    "workout",
    "workout_zone",
    "route",
    "series",
    "sleep",
    "sleep_stage",
    "nightly_recharge",
    "daily_activity",
    "activity_zone_sample",
    "physical_information",
    "outbox",
];

/// What was logged.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<Vec<u8>>);

impl Lines {
    /// How many lines contain this.
    pub(crate) fn count_of(&self, pattern: &str) -> usize {
        let log = self.0.lock().unwrap();
        let log = String::from_utf8_lossy(&log);
        log.lines().filter(|line| line.contains(pattern)).count()
    }
}

impl io::Write for &Lines {
    fn write(&mut self, log: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(log)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connected user.
pub(crate) struct Home {
    pub(crate) db: TestDatabase,
    pub(crate) store: Store,
    pub(crate) connection: ConnectionId,
    pub(crate) user: UserId,
}

impl Home {
    pub(crate) async fn new() -> Self {
        let db = TestDatabase::create().await;
        let (connection, user) = connect(&db, "user_001", 1).await;
        Self {
            store: Store::connect(db.url(), STORE_CONNECTIONS).await.unwrap(),
            db,
            connection,
            user,
        }
    }

    /// A connection for what tests look at behind the store's back.
    pub(crate) async fn sql(&self) -> PgConnection {
        sql(&self.db).await
    }

    /// Runs one operation in a transaction of its own.
    pub(crate) async fn tx<T>(
        &self,
        work: impl AsyncFnOnce(&mut Tx) -> Result<T, StoreError>,
    ) -> T {
        let mut tx = self.store.begin("test").await.unwrap();
        let done = work(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        done
    }

    pub(crate) async fn workout(&self, workout: &Workout) -> Upserted {
        self.tx(async |tx| upsert_workout(tx, self.connection, &self.user, workout).await)
            .await
    }

    pub(crate) async fn sleep(&self, sleep: &Sleep, fetched_at: Timestamp) -> Upserted {
        self.tx(async |tx| upsert_sleep(tx, self.connection, &self.user, sleep, fetched_at).await)
            .await
    }

    pub(crate) async fn recharge(
        &self,
        recharge: &NightlyRecharge,
        fetched_at: Timestamp,
    ) -> Upserted {
        self.tx(async |tx| {
            upsert_nightly_recharge(tx, self.connection, &self.user, recharge, fetched_at).await
        })
        .await
    }

    pub(crate) async fn activity(&self, activity: &DailyActivity) -> Upserted {
        self.tx(async |tx| upsert_daily_activity(tx, self.connection, &self.user, activity).await)
            .await
    }

    pub(crate) async fn physical(&self, physical: &PhysicalInformation) -> Upserted {
        self.tx(async |tx| {
            upsert_physical_information(tx, self.connection, &self.user, physical).await
        })
        .await
    }

    /// Where every row lies and which transaction wrote it: equal exactly when nothing was written.
    pub(crate) async fn rows_as_they_lie(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for table in TABLES {
            rows.extend(self.rows_of(table).await);
        }
        rows
    }

    pub(crate) async fn rows_of(&self, table: &str) -> Vec<String> {
        self.texts(&format!(
            "SELECT '{table} ' || t.ctid || ' ' || t.xmin FROM polar_sync.{table} t ORDER BY 1"
        ))
        .await
    }

    /// The rows of a query, each as one text.
    pub(crate) async fn texts(&self, query: &str) -> Vec<String> {
        texts(&mut self.sql().await, query).await
    }

    /// The one number that a query tells.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(query.to_owned()))
            .fetch_one(&mut self.sql().await)
            .await
            .unwrap()
    }

    /// What a reader sees of everything but ids, revisions and times of storing.
    pub(crate) async fn content_of(&self, view: &str) -> Vec<String> {
        self.texts(&format!(
            "SELECT (to_jsonb(v) - 'workout_id' - 'record_id' - 'revision' - 'updated_at')::text
            FROM api_v1.{view} v ORDER BY 1"
        ))
        .await
    }
}

async fn sql(db: &TestDatabase) -> PgConnection {
    PgConnection::connect(db.url()).await.unwrap()
}

/// Runs statements behind the store's back.
pub(crate) async fn run(connection: &mut PgConnection, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
        .execute(connection)
        .await
        .unwrap();
}

pub(crate) async fn texts(connection: &mut PgConnection, query: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(query.to_owned()))
        .fetch_all(connection)
        .await
        .unwrap()
}

/// Adds a connection to the ledger.
pub(crate) async fn connect(
    db: &TestDatabase,
    user: &str,
    polar_user_id: i64,
) -> (ConnectionId, UserId) {
    let connection = ConnectionId::new();
    let statements = format!(
        "INSERT INTO polar_sync.connection
            (connection_id, user_id, polar_user_id, state, state_since, connected_at)
        VALUES ('{connection}', '{user}', {polar_user_id}, 'active', now(), now());
        INSERT INTO polar_sync.sync_state (connection_id) VALUES ('{connection}');"
    );
    run(&mut sql(db).await, &statements).await;
    (connection, user.parse().unwrap())
}

/// A second of the tests' day.
pub(crate) fn at(second: i64) -> Timestamp {
    "2026-03-01T06:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

/// One sample a second.
pub(crate) fn series(kind: SeriesType, start: Timestamp, values: Vec<Option<f64>>) -> Series {
    Series {
        series: kind,
        started_at: start,
        utc_offset_minutes: Some(120),
        times: SampleTimes::Regular { interval_ms: 1_000 },
        values,
    }
}

/// A run from an exercise transaction, without any part.
pub(crate) fn workout() -> Workout {
    Workout {
        source: WorkoutSource::Transactional(296_013_011),
        uploaded_at: at(7_200),
        start_at: at(0),
        end_at: at(2_645),
        utc_offset_minutes: Some(120),
        duration_s: 2_645.252,
        workout_type: "running",
        polar_sport: Some("RUNNING".to_owned()),
        distance_m: Some(5_995.0),
        calories_kcal: Some(546),
        heart_rate_avg_bpm: Some(140),
        heart_rate_max_bpm: Some(171),
        training_load: Some(85.0),
        running_index: Some(46),
        device: Some("Polar Vantage M".to_owned()),
        device_id: Some("1111AAAA".to_owned()),
        has_route: true,
        fat_percentage: Some(20),
        carbohydrate_percentage: Some(75),
        protein_percentage: Some(5),
        club_id: None,
        club_name: None,
        training_load_pro: Some(TrainingLoadPro {
            cardio_load: Some(146.411),
            muscle_load: None,
            perceived_load: Some(0.0),
            cardio_load_interpretation: Some("VERY_HIGH".to_owned()),
            muscle_load_interpretation: Some("NOT_AVAILABLE".to_owned()),
            perceived_load_interpretation: None,
            user_rpe: Some("RPE_NONE".to_owned()),
        }),
        zones: Part::NotRequested,
        samples: Part::NotRequested,
        route: Part::NotRequested,
    }
}

/// The same run with every part.
pub(crate) fn workout_with_parts() -> Workout {
    let zone = |zone_index, lower_bpm, upper_bpm, in_zone_s| Zone {
        zone_index,
        lower_bpm,
        upper_bpm,
        in_zone_s,
    };
    let point = |second, latitude| RoutePoint {
        at: Some(at(second)),
        latitude,
        longitude: 25.472_901_2,
        altitude_m: Some(12.345),
    };
    Workout {
        zones: Part::Present(vec![
            zone(1, 98, 117, 60.0),
            zone(2, 117, 137, 1_200.5),
            zone(3, 137, 156, 1_384.0),
        ]),
        samples: Part::Present(vec![
            series(
                SeriesType::HeartRate,
                at(0),
                vec![Some(97.0), None, Some(98.0), Some(101.0)],
            ),
            series(
                SeriesType::Speed,
                at(0),
                [0.0, 7.2, 10.8, 11.3].map(|v| Some(v / 3.6)).to_vec(),
            ),
            series(
                SeriesType::Distance,
                at(0),
                [0.0, 2.0, 5.0, 8.100_000_381_469_727].map(Some).to_vec(),
            ),
        ]),
        route: Part::Present(vec![point(0, 65.012_345_6), point(1, 65.012_355_6)]),
        ..workout()
    }
}

/// The same run as `/v3/exercises` tells it: another id, no fraction of a second, fewer fields.
pub(crate) fn hashed(workout: &Workout) -> Workout {
    Workout {
        source: WorkoutSource::Hashed("PknlZNpd".to_owned()),
        uploaded_at: Timestamp::from_second(workout.uploaded_at.as_second()).unwrap(),
        training_load: None,
        fat_percentage: None,
        running_index: Some(47),
        ..workout.clone()
    }
}

/// A night with stages and a heart rate every five minutes.
pub(crate) fn sleep() -> Sleep {
    let stage = |stage, from, to| SleepStageInterval {
        stage,
        start_at: at(from),
        end_at: at(to),
    };
    Sleep {
        date: date(2026, 3, 1),
        start_at: at(-27_600),
        end_at: at(0),
        utc_offset_minutes: Some(60),
        light_s: Some(14_000),
        deep_s: Some(5_000),
        rem_s: Some(6_000),
        unrecognized_s: Some(0),
        interruption_s: Some(2_600),
        short_interruption_s: Some(600),
        long_interruption_s: Some(2_000),
        score: Some(79),
        continuity: Some(2.6),
        continuity_class: Some(3),
        cycles: Some(5),
        sleep_charge: Some(4),
        rating: None,
        goal_s: Some(28_800),
        duration_score: Some(88.5),
        solidity_score: Some(60.1),
        regeneration_score: Some(91.0),
        device_id: Some("1111AAAA".to_owned()),
        stages: vec![
            stage(SleepStage::Light, -27_600, -20_000),
            stage(SleepStage::Deep, -20_000, -15_000),
            stage(SleepStage::Rem, -15_000, -9_000),
            stage(SleepStage::Awake, -9_000, 0),
        ],
        heart_rate: Some(Series {
            times: SampleTimes::Offsets(vec![0, 300_000, 610_000]),
            ..series(
                SeriesType::HeartRate,
                at(-27_600),
                vec![Some(55.0), None, Some(51.0)],
            )
        }),
    }
}

/// A night's recovery.
pub(crate) fn recharge() -> NightlyRecharge {
    NightlyRecharge {
        date: date(2026, 3, 1),
        utc_offset_minutes: Some(60),
        hrv_rmssd_ms: Some(38),
        breathing_rate_brpm: Some(14.1),
        heart_rate_avg_bpm: Some(52),
        beat_to_beat_avg_ms: Some(1_140),
        ans_charge: Some(-2.4),
        ans_charge_status: Some(2),
        status: Some(3),
        hrv: Some(series(
            SeriesType::HeartRateVariabilityRmssd,
            at(-20_000),
            vec![Some(38.0), Some(41.0)],
        )),
        breathing: Some(series(
            SeriesType::RespiratoryRate,
            at(-20_000),
            vec![Some(14.1), Some(13.9)],
        )),
    }
}

/// A day with hourly steps and zones.
pub(crate) fn activity() -> DailyActivity {
    let zone = |second, zone, in_zone_s| ActivityZoneSample {
        at: at(second),
        zone,
        in_zone_s,
    };
    DailyActivity {
        polar_id: 1_538_467_360,
        date: date(2026, 3, 1),
        created_at: at(36_000),
        calories_kcal: Some(2_341),
        active_calories_kcal: Some(612),
        active_s: Some(9_960.0),
        steps: Some(8_123),
        step_samples: Part::Present(Series {
            times: SampleTimes::Regular {
                interval_ms: 3_600_000,
            },
            utc_offset_minutes: None,
            ..series(
                SeriesType::Steps,
                at(-21_600),
                vec![Some(0.0), Some(512.0), None],
            )
        }),
        zone_samples: Part::Present(vec![
            zone(-21_600, ActivityZone::Rest, 3_600.0),
            zone(-18_000, ActivityZone::Sedentary, 1_800.5),
            zone(-18_000, ActivityZone::Light, 1_799.5),
        ]),
    }
}

/// A state of somebody's physical information.
pub(crate) fn physical(polar_id: i64) -> PhysicalInformation {
    PhysicalInformation {
        polar_id,
        recorded_at: at(100),
        weight_kg: Some(76.5),
        height_cm: Some(183.0),
        resting_heart_rate_bpm: Some(52),
        max_heart_rate_bpm: Some(188),
        aerobic_threshold_bpm: None,
        anaerobic_threshold_bpm: None,
        vo2_max: Some(48),
        weight_source: Some("SOURCE_MEASURED".to_owned()),
    }
}
