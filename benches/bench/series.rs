//! The store alone: hours of heart rate made durable, and the disk that they take.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::{SignedDuration, Timestamp};
use polar_sync::{
    model::{
        ConnectionId, UserId,
        record::{Part, SampleTimes, Series, SeriesType, Workout, WorkoutSource},
    },
    store::{Store, records::upsert_workout},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    Scale,
    servers::Servers,
    table::Row,
    world::{execute, number},
};

/// Samples of an hour at 1 Hz.
const SAMPLES: usize = 3_600;

/// Hours that differ; a workout has one of them.
const HOURS: usize = 64;

/// Writers at once, each with a connection of its own.
const WRITERS: usize = 8;

/// Samples made durable in a second.
const RATE: f64 = 1_000_000.0;

/// Bytes that an hour may take on the disk.
const BYTES: f64 = 6_000.0;

/// A database with one user for each writer.
struct Home {
    url: String,
    store: Store,
    users: Vec<(ConnectionId, UserId)>,
    hours: Vec<Vec<Option<f64>>>,
    next_id: AtomicI64,
}

pub(crate) async fn measure(servers: &Servers, scale: Scale) -> Vec<Row> {
    let home = Arc::new(Home::new(servers).await);
    let mut admin = servers.admin().await;
    let before = home.size(&mut admin, &["series"]).await;
    let all_before = home
        .size(&mut admin, &["series", "workout", "outbox"])
        .await;
    let mut alone = Vec::new();
    let mut together = Vec::new();
    for _ in 0..scale.repetitions(5) {
        alone.push(home.write(1, scale.count(300)).await);
        together.push(home.write(WRITERS, scale.count(1_600)).await);
    }
    let workouts = number(
        &mut home.sql().await,
        "SELECT count(*) FROM polar_sync.series",
    )
    .await;
    let after = home.size(&mut admin, &["series"]).await;
    let all_after = home
        .size(&mut admin, &["series", "workout", "outbox"])
        .await;
    vec![
        Row::of(
            format!("store: samples, {WRITERS} connections"),
            "/s",
            &together,
        )
        .at_least(RATE)
        .note("upsert_workout with an hour of heart rate, one Postgres transaction each"),
        Row::of("store: samples, 1 connection", "/s", &alone),
        Row::of(
            "store: an hour of heart rate on disk",
            "bytes",
            &[(after - before) / workouts],
        )
        .at_most(BYTES)
        .note(format!(
            "series with its indexes and TOAST, {workouts} hours of noisy heart rate"
        )),
        Row::of(
            "store: the whole workout on disk",
            "bytes",
            &[(all_after - all_before) / workouts],
        )
        .note("with the workout's row, its indexes and the change feed; without raw bodies"),
    ]
}

impl Home {
    async fn new(servers: &Servers) -> Self {
        let url = servers.create_database("series").await;
        let connections = u32::try_from(WRITERS).unwrap();
        let store = Store::connect(&url, connections).await.unwrap();
        let mut rng = StdRng::seed_from_u64(7);
        let user = |number| {
            let user: UserId = format!("user_{number}").parse().unwrap();
            (ConnectionId::new(), user)
        };
        Self {
            url,
            store,
            users: (0..WRITERS).map(user).collect(),
            hours: (0..HOURS).map(|_| heart_rate(&mut rng)).collect(),
            next_id: AtomicI64::new(1),
        }
    }

    async fn sql(&self) -> sqlx::PgConnection {
        use sqlx::Connection as _;
        sqlx::PgConnection::connect(&self.url).await.unwrap()
    }

    /// So many workouts by so many writers; samples a second.
    async fn write(self: &Arc<Self>, writers: usize, workouts: usize) -> f64 {
        let started = Instant::now();
        let mut running = JoinSet::new();
        for writer in 0..writers {
            let home = Arc::clone(self);
            running.spawn(async move {
                for _ in 0..workouts / writers {
                    home.write_one(writer).await;
                }
            });
        }
        running.join_all().await;
        let samples = workouts / writers * writers * SAMPLES;
        f64::from(u32::try_from(samples).unwrap()) / started.elapsed().as_secs_f64()
    }

    async fn write_one(&self, writer: usize) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (connection, user) = &self.users[writer];
        let workout = self.workout(id);
        let mut tx = self.store.begin("bench").await.unwrap();
        upsert_workout(&mut tx, *connection, user, &workout)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    fn workout(&self, id: i64) -> Workout {
        let start_at = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(400_000 + 2 * id);
        let end_at = start_at + SignedDuration::from_hours(1);
        let hour = usize::try_from(id).unwrap() % HOURS;
        let heart_rate = Series {
            series: SeriesType::HeartRate,
            started_at: start_at,
            utc_offset_minutes: Some(120),
            times: SampleTimes::Regular { interval_ms: 1_000 },
            values: self.hours[hour].clone(),
        };
        Workout {
            source: WorkoutSource::Transactional(id),
            uploaded_at: end_at,
            start_at,
            end_at,
            utc_offset_minutes: Some(120),
            duration_s: 3_600.0,
            workout_type: "strength_training",
            polar_sport: Some("STRENGTH_TRAINING".to_owned()),
            distance_m: None,
            calories_kcal: Some(546),
            heart_rate_avg_bpm: Some(140),
            heart_rate_max_bpm: Some(171),
            training_load: Some(85.0),
            running_index: None,
            device: Some("Polar Vantage M".to_owned()),
            device_id: Some("1111AAAA".to_owned()),
            has_route: false,
            fat_percentage: Some(20),
            carbohydrate_percentage: Some(75),
            protein_percentage: Some(5),
            club_id: None,
            club_name: None,
            training_load_pro: None,
            zones: Part::Absent,
            samples: Part::Present(vec![heart_rate]),
            route: Part::Absent,
        }
    }

    /// Bytes that tables take on the disk, with everything that belongs to them.
    async fn size(&self, admin: &mut sqlx::PgConnection, tables: &[&str]) -> f64 {
        let mut sql = self.sql().await;
        execute(&mut sql, "VACUUM").await;
        execute(admin, "CHECKPOINT").await;
        let mut bytes = 0.0;
        for table in tables {
            let query = format!("SELECT pg_total_relation_size('polar_sync.{table}')");
            bytes += number(&mut sql, &query).await;
        }
        bytes
    }
}

/// An hour of intervals: efforts and rests of some minutes, which the heart follows slowly, with the
/// noise of beats and of the sensor.
fn heart_rate(rng: &mut StdRng) -> Vec<Option<f64>> {
    let (mut target, mut bpm) = (110.0, 95.0);
    let mut values = Vec::with_capacity(SAMPLES);
    for second in 0..SAMPLES {
        if second % 180 == 0 {
            target = f64::from(rng.random_range(105..175));
        }
        bpm += (target - bpm) * 0.03 + rng.random_range(-1.0..1.0);
        values.push(Some(f64::round(bpm)));
    }
    values
}
