//! Readers of the HTTP interface: how many answers a second, how long one takes, and the memory that a hundred of
//! them need.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use reqwest::header::ACCEPT;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    Scale, process,
    role::Role,
    servers::Servers,
    table::{Row, quantile},
    world::{World, execute},
};

/// Users with data, and the days that each has: a workout and 86,400 heart rates a day.
const USERS: usize = 1_000;
const DAYS: usize = 30;

/// Readers at once, where a time is measured.
const READERS: usize = 4;

/// Readers at once, where memory is.
const CROWD: usize = 100;

/// Between two looks at the memory.
const LOOK_EVERY: Duration = Duration::from_millis(20);

const KEY: &str = "bench-key";

/// The longest that a page of workouts may take, in one of a hundred cases.
const WORKOUTS_P99_MS: f64 = 10.0;

/// The longest that a page of 10,000 samples may take, in one of a hundred cases.
const SAMPLES_P99_MS: f64 = 50.0;

/// The longest that a day at 1 Hz may take as lines of JSON.
const DAY_S: f64 = 0.5;

/// The most memory that a crowd may need.
const CROWD_MIB: f64 = 32.0;

/// An interface with data behind it.
struct Library {
    role: Role,
    http: reqwest::Client,
    users: usize,
}

/// What pages took.
struct Pages {
    a_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

pub(crate) async fn measure(servers: &Servers, scale: Scale) -> Vec<Row> {
    let users = scale.count(USERS);
    let mut world = World::new(servers, "http", "single-summary", 1).await;
    world.set("API__BOOTSTRAP_KEY", KEY);
    world.set("API__RATE_LIMIT", "1000000");
    let mut sql = world.sql().await;
    execute(&mut sql, &insert(users)).await;
    execute(&mut sql, "VACUUM ANALYZE").await;
    let library = Arc::new(Library {
        role: world.start("api").await,
        http: reqwest::Client::builder().no_gzip().build().unwrap(),
        users,
    });
    let mut rows = Vec::new();
    let repetitions = scale.repetitions(5);
    let workouts = |user: usize, _: usize| format!("/users/user_{user}/events/workouts?limit=50");
    let pages = repeated(&library, repetitions, scale.count(2_000), workouts).await;
    rows.extend(of_pages("50 workouts", &pages, Some(WORKOUTS_P99_MS)));
    let raw = |user: usize, n: usize| {
        let day = 1 + n % 28;
        format!(
            "/users/user_{user}/timeseries?limit=10000&start_time=2026-03-{day:02}T03:00:00Z&end_time=2026-03-{day:02}"
        )
    };
    let pages = repeated(&library, repetitions, scale.count(400), raw).await;
    rows.extend(of_pages(
        "10,000 samples at 1 Hz",
        &pages,
        Some(SAMPLES_P99_MS),
    ));
    let minutes = |user: usize, _: usize| {
        format!(
            "/users/user_{user}/timeseries?limit=10000&resolution=1min&start_time=2026-03-01&end_time=2026-03-30"
        )
    };
    let pages = repeated(&library, repetitions, scale.count(200), minutes).await;
    rows.extend(of_pages("10,000 minutes of 30 days at 1 min", &pages, None));
    let mut days = Vec::new();
    for user in 0..repetitions {
        days.push(library.day(user).await);
    }
    rows.push(
        Row::of("http: a day at 1 Hz", "s", &days)
            .at_most(DAY_S)
            .note("86,400 lines of JSON, one reader, not compressed"),
    );
    rows.push(crowd(&library).await);
    if let Some(library) = Arc::into_inner(library) {
        library.role.stop().await;
    }
    rows
}

fn of_pages(what: &str, pages: &[Pages], p99_ms: Option<f64>) -> Vec<Row> {
    let each = |of: fn(&Pages) -> f64| pages.iter().map(of).collect::<Vec<_>>();
    let p99 = Row::of(format!("http: {what}, p99"), "ms", &each(|one| one.p99_ms));
    vec![
        Row::of(format!("http: {what}"), "/s", &each(|one| one.a_second)).note(format!(
            "{READERS} readers, not compressed; load generator, interface and Postgres share the cores"
        )),
        Row::of(format!("http: {what}, p50"), "ms", &each(|one| one.p50_ms)),
        match p99_ms {
            Some(aim) => p99.at_most(aim),
            None => p99,
        },
    ]
}

/// Has readers fetch pages, again and again.
async fn repeated(
    library: &Arc<Library>,
    repetitions: usize,
    count: usize,
    path: impl Fn(usize, usize) -> String + Copy + Send + Sync + 'static,
) -> Vec<Pages> {
    let mut pages = Vec::new();
    for _ in 0..repetitions {
        pages.push(fetch(library, count, path).await);
    }
    pages
}

async fn fetch(
    library: &Arc<Library>,
    count: usize,
    path: impl Fn(usize, usize) -> String + Copy + Send + Sync + 'static,
) -> Pages {
    let started = Instant::now();
    let readers = (0..READERS).map(|reader| {
        let library = Arc::clone(library);
        tokio::spawn(async move {
            let mut took_ms = Vec::new();
            for n in (reader..count).step_by(READERS) {
                // Users far apart, so that nobody is read twice in a row.
                let path = path(n * 7919 % library.users, n);
                let asked = Instant::now();
                library.get(&path).await;
                took_ms.push(asked.elapsed().as_secs_f64() * 1e3);
            }
            took_ms
        })
    });
    let mut took_ms: Vec<f64> = Vec::new();
    for reader in join_all(readers).await {
        took_ms.extend(reader.expect("a reader that ended"));
    }
    took_ms.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers of requests are far below 2^52"
    )]
    let answered = took_ms.len() as f64;
    Pages {
        a_second: answered / started.elapsed().as_secs_f64(),
        p50_ms: quantile(&took_ms, 0.5),
        p99_ms: quantile(&took_ms, 0.99),
    }
}

/// What a hundred readers need, each of whom reads a day at 1 Hz, above what the idle interface has.
async fn crowd(library: &Arc<Library>) -> Row {
    let idle_mib = process::memory_mib(library.role.pid, "VmRSS");
    let readers = (0..CROWD).map(|user| {
        let library = Arc::clone(library);
        tokio::spawn(async move { library.day(user).await })
    });
    let mut reading = Box::pin(join_all(readers));
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut most_mib = idle_mib;
    let read = loop {
        tokio::select! {
            read = &mut reading => break read,
            _ = looks.tick() => {
                most_mib = most_mib.max(process::memory_mib(library.role.pid, "VmRSS"));
            }
        }
    };
    for reader in read {
        reader.expect("a reader that ended");
    }
    Row::of(
        format!("http: memory of {CROWD} readers above idle"),
        "MiB",
        &[most_mib - idle_mib],
    )
    .at_most(CROWD_MIB)
    .note(format!(
        "each reads a day at 1 Hz as lines of JSON; idle: {idle_mib:.0} MiB, after the pages above"
    ))
}

impl Library {
    /// Reads a page to its end.
    async fn get(&self, path: &str) {
        let body = self.request(path).send().await.expect("an answer");
        let body = body.error_for_status().expect("a page");
        let rows = body.bytes().await.expect("a whole page");
        assert!(rows.len() > 1_000, "{}", String::from_utf8_lossy(&rows));
    }

    /// Reads a day as lines of JSON; how long that took, in seconds.
    async fn day(&self, user: usize) -> f64 {
        let user = user % self.users;
        let path =
            format!("/users/user_{user}/timeseries?start_time=2026-03-10&end_time=2026-03-10");
        let asked = Instant::now();
        let sent = self
            .request(&path)
            .header(ACCEPT, "application/x-ndjson")
            .send()
            .await;
        let mut answer = sent.expect("an answer").error_for_status().expect("lines");
        let (mut lines, mut last) = (0, Vec::new());
        while let Some(chunk) = answer.chunk().await.expect("the rest of the lines") {
            lines += chunk.split(|byte| *byte == b'\n').count() - 1;
            last = chunk.to_vec();
        }
        let took = asked.elapsed().as_secs_f64();
        assert_eq!(lines, 86_400);
        let line = last
            .rsplit(|byte| *byte == b'\n')
            .nth(1)
            .unwrap_or_default();
        assert!(
            serde_json::from_slice::<Value>(line)
                .is_ok_and(|sample| sample["type"] == "heart_rate")
        );
        took
    }

    fn request(&self, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v1{path}", self.role.base());
        self.http.get(url).header("X-Open-Wearables-API-Key", KEY)
    }
}

/// A month of data for so many users: values differ from chunk to chunk, and are the same for every user.
fn insert(users: usize) -> String {
    let last = users - 1;
    let last_day = DAYS - 1;
    format!(
        "INSERT INTO polar_sync.connection
             (connection_id, user_id, polar_user_id, state, state_since, connected_at)
         SELECT gen_random_uuid(), 'user_' || n, n, 'active', now(), now() FROM generate_series(0, {last}) n;
         INSERT INTO polar_sync.sync_state (connection_id) SELECT connection_id FROM polar_sync.connection;
         INSERT INTO polar_sync.platform_user (user_id, created_at) SELECT user_id, now() FROM polar_sync.connection;
         CREATE TEMPORARY TABLE day AS
         SELECT day, '2026-03-01'::timestamptz + day * interval '1 day' AS at
         FROM generate_series(0, {last_day}) day;
         INSERT INTO polar_sync.workout
             (connection_id, record_id, polar_id, uploaded_at, type, polar_sport, start_at, end_at,
             utc_offset_minutes, duration_s, distance_m, calories_kcal, heart_rate_avg_bpm, has_route,
             samples_state, zones_state, route_state, samples_transactional, zones_transactional,
             route_transactional, revision, updated_at)
         SELECT connection_id, gen_random_uuid(), day, at, 'running', 'RUNNING', w.start_at,
             w.start_at + interval '1 hour', 60, 3600, 10000, 700, 140, false, 'stored', 'absent', 'absent', true,
             true, true, 1, now()
         FROM polar_sync.connection
         CROSS JOIN (SELECT day, at, now() - (interval '1 day' * (day + 0.5) * 0.99) AS start_at FROM day) w;
         CREATE TEMPORARY TABLE chunk AS
         SELECT day, part, at + part * interval '4 hours' AS started_at,
             ARRAY(SELECT (110 + 40 * sin(i / 900.0) + random() * 6 + day + part)::int2
                   FROM generate_series(1, 14400) i) AS heart_rates
         FROM day CROSS JOIN generate_series(0, 5) part;
         INSERT INTO polar_sync.series
             (connection_id, record_id, position, series, started_at, ended_at, utc_offset_minutes,
             interval_ms, divisor, values_small, content_hash)
         SELECT connection_id, md5(user_id || day)::uuid, part, 'heart_rate', started_at,
             started_at + interval '14399 seconds', 60, 1000, 1, heart_rates, decode(md5(day || '-' || part), 'hex')
         FROM polar_sync.connection CROSS JOIN chunk;"
    )
}
