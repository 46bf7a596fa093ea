//! The interface in process, over a database of the test's own.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, header},
};
use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use polar_sync::{
    config::{Config, Live, Sources},
    http::{Api, Foundation, router},
    model::ConnectionId,
    ops::servers::Keeps,
    role::Ground,
    telemetry::{health::Readiness, metrics::Metrics},
};
use serde_json::Value;
use tower::ServiceExt;

use crate::{
    fixtures::{Home, connect, run},
    test_redis::TestRedis,
};

/// The key of every call.
pub(crate) const KEY: &str = "your_key";

/// The most that an answer of these tests has.
const BODY_MAX_BYTES: usize = 256 * 1024 * 1024;

/// Pages of one list, at most.
const PAGES_MAX: usize = 2_000;

/// The interface, and a user with a connection.
pub(crate) struct World {
    pub(crate) home: Home,
    router: Router,
    _redis: TestRedis,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Got {
    /// The JSON of an answer that must be a success.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The `ETag`.
    #[track_caller]
    pub(crate) fn tag(&self) -> String {
        let tag = self.headers.get(header::ETAG).expect("a tag");
        tag.to_str().unwrap().to_owned()
    }

    /// Checks that it is a refusal, with a text that holds this.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, holds: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(holds), "{detail} lacks {holds}");
        assert!(problem["code"].is_string());
    }
}

impl World {
    /// The interface on the day after the tests' day.
    pub(crate) async fn new() -> Self {
        let home = Home::new().await;
        let redis = TestRedis::start(Keeps::Nothing).await;
        let config = config(&home, &redis);
        let ground = Ground::lay(&config, Duration::ZERO).await.unwrap();
        let now: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        let shift = now.duration_since(ground.clock.now());
        ground.clock.set_shift(shift);
        let foundation = Foundation {
            store: ground.store.clone(),
            desk: ground.desk(),
            permits: ground.permits.clone(),
            access: ground.access(&config).await.unwrap(),
            clock: ground.clock.clone(),
            bootstrap_key: Live::new(config.api.bootstrap_key.clone()),
        };
        let probe = Arc::new(|| async { Readiness::default() }.boxed());
        let world = Self {
            router: router(
                Api::new(foundation, &config),
                Metrics::install().unwrap(),
                probe,
            ),
            home,
            _redis: redis,
        };
        world.know("user_001").await;
        world
    }

    /// Writes a user down.
    pub(crate) async fn know(&self, user: &str) {
        let statement = format!(
            "INSERT INTO polar_sync.platform_user (user_id, created_at) VALUES ('{user}', now())"
        );
        run(&mut self.home.sql().await, &statement).await;
    }

    /// Ends the user's connection and makes another one.
    pub(crate) async fn reconnect(&mut self) -> ConnectionId {
        let ended = self.home.connection;
        let statement = format!(
            "UPDATE polar_sync.connection SET ended_at = now() WHERE connection_id = '{ended}'"
        );
        run(&mut self.home.sql().await, &statement).await;
        let (connection, _) = connect(&self.home.db, "user_001", 2).await;
        self.home.connection = connection;
        ended
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Got {
        let mut request = Request::get(path).header("X-Open-Wearables-API-Key", KEY);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Got {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: to_bytes(body, BODY_MAX_BYTES).await.unwrap().to_vec(),
        }
    }

    /// The body of a success, to be read bit by bit.
    pub(crate) async fn open(&self, path: &str, accept: &str) -> Body {
        let request = Request::get(path)
            .header("X-Open-Wearables-API-Key", KEY)
            .header("accept", accept)
            .body(Body::empty())
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        response.into_body()
    }

    /// The rows of every page from the first on, and the same going back from the last one.
    pub(crate) async fn pages(&self, path: &str) -> (Vec<Value>, Vec<Value>) {
        let (mut there, mut cursor) = (Vec::new(), String::new());
        let at = |cursor: &str| format!("{path}&cursor={cursor}");
        for _ in 0..PAGES_MAX {
            let page = self.get(&at(&cursor)).await.json();
            there.extend(rows(&page));
            let pagination = &page["pagination"];
            assert_eq!(pagination["has_more"], !pagination["next_cursor"].is_null());
            assert_eq!(pagination["total_count"], Value::Null);
            match pagination["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        let mut back = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = self.get(&at(&cursor)).await.json();
            back.splice(0..0, rows(&page));
            match page["pagination"]["previous_cursor"].as_str() {
                Some(previous) => previous.clone_into(&mut cursor),
                None => break,
            }
        }
        (there, back)
    }
}

/// The rows of a page.
pub(crate) fn rows(page: &Value) -> Vec<Value> {
    let rows = page["data"].as_array().unwrap().clone();
    assert_eq!(page["metadata"]["sample_count"], rows.len());
    rows
}

/// One member of each row.
pub(crate) fn column(rows: &[Value], name: &str) -> Vec<Value> {
    rows.iter().map(|row| row[name].clone()).collect()
}

fn config(home: &Home, redis: &TestRedis) -> Config {
    let key = "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let redis_url = redis.url();
    let settings = [
        ("DATABASE__URL", home.db.url()),
        ("DATABASE__ALLOW_UNSAFE", "true"),
        ("REDIS__URL", &redis_url),
        ("ACCESSLINK__CLIENT_ID", "id"),
        ("ACCESSLINK__CLIENT_SECRET", "secret"),
        ("SECURITY__KEYS", key),
        ("API__BOOTSTRAP_KEY", KEY),
        ("API__RATE_LIMIT", "100000"),
    ];
    let environment = settings.map(|(name, value)| {
        let name = format!("POLAR_SYNC__{name}");
        (name.into(), value.into())
    });
    let sources = Sources {
        environment: environment.to_vec(),
        ..Sources::default()
    };
    sources.load().unwrap().config
}

/// Some time after an instant.
pub(crate) fn later(at: Timestamp, hours: i64) -> Timestamp {
    at + SignedDuration::from_hours(hours)
}
