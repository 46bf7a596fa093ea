//! Bad input: each a clear refusal, never a failure.

use crate::harness::World;

const LISTS: [&str; 5] = [
    "events/workouts",
    "events/sleep",
    "summaries/activity",
    "summaries/sleep",
    "summaries/recovery",
];

/// What is refused everywhere, with what the refusal tells.
const REFUSED: &[(&str, &str)] = &[
    ("limit=0", "limit: it is not a whole number from 1 to"),
    ("limit=-1", "limit: "),
    ("limit=1.5", "limit: "),
    ("limit=99999999999999999999", "limit: "),
    ("limit=10001", "limit: "),
    ("limit=many", "limit: "),
    ("limit=1&limit=2", "limit: it is given more than once"),
    ("cursor=x", "cursor: it is not one of this server's"),
    ("cursor=%F0%9F%92%A9", "cursor: "),
    ("cursor=AAAAAAAAAAAAAAAAAAAAAAAA", "cursor: "),
    ("cursor=a&cursor=b", "cursor: it is given more than once"),
    (
        "include_total=perhaps",
        "include_total: it is neither true nor false",
    ),
    ("limit=%ff", "it is not UTF-8"),
    ("x=%00", "it contains NUL"),
];

/// The same of the two ends of a range.
const RANGES: &[(&str, &str)] = &[
    ("START=yesterday", "START: it is neither a date"),
    ("START=2026-02-30", "START: "),
    ("END=2026-03-01T25:00:00Z", "END: "),
    ("END=infinity", "END: "),
    ("START=0000-01-01", "START: "),
    ("START=-99999999999", "START: "),
    ("END=999999999999999999", "END: "),
    ("START=2026-03-02&END=2026-03-01", "END: it is not after"),
    (
        "START=2026-03-02T00:00:01Z&END=2026-03-02T00:00:00Z",
        "END: it is not after",
    ),
    (
        "START=2026-03-01&START=2026-03-02",
        "START: it is given more than once",
    ),
    ("START=%C3%28", "it is not UTF-8"),
];

async fn refuses(world: &World, path: &str, ends: (&str, &str)) {
    for (query, holds) in REFUSED.iter().chain(RANGES) {
        let named = |text: &str| text.replace("START", ends.0).replace("END", ends.1);
        let got = world.get(&format!("{path}?{}", named(query))).await;
        got.refused(400, &named(holds));
    }
}

#[tokio::test]
async fn bad_parameters_are_refused_with_a_cause() {
    let world = World::new().await;
    for list in LISTS {
        let path = format!("/api/v1/users/user_001/{list}");
        refuses(&world, &path, ("start_date", "end_date")).await;
    }
    let path = "/api/v1/users/user_001/timeseries";
    refuses(&world, path, ("start_time", "end_time")).await;
}

#[tokio::test]
async fn bad_words_are_refused_with_the_good_ones() {
    let world = World::new().await;
    for (path, holds) in [
        (
            "events/workouts?record_type=ironing",
            "record_type: it is not a workout type; it must be one of aerobics",
        ),
        (
            "events/workouts?record_type=running&record_type=yoga",
            "record_type: it is given more than once",
        ),
        (
            "timeseries?types=hart_rate",
            "types: \"hart_rate\" is not a series type; it must be one of heart_rate",
        ),
        ("timeseries?types=heart_rate,%00", "types: it contains NUL"),
        (
            "timeseries?resolution=1m",
            "resolution: \"1m\" is not a resolution; it must be one of raw, 1min",
        ),
        (
            "timeseries?resolution=raw&resolution=raw",
            "resolution: it is given more than once",
        ),
        (
            "summaries/sleep?sort_order=up",
            "sort_order: \"up\" is not a sort order; it must be one of asc, desc",
        ),
        (
            "summaries/sleep?limit=401",
            "limit: it is not a whole number from 1 to 400",
        ),
        (
            "events/sleep?limit=1001",
            "limit: it is not a whole number from 1 to 1000",
        ),
        (
            "events/workouts/01890000-0000-7000-8000-000000000000?samples=yes",
            "samples: it is neither",
        ),
        ("events/workouts/not-a-uuid", "workout_id: "),
        ("events/workouts/%ff", "it is not UTF-8"),
    ] {
        let got = world.get(&format!("/api/v1/users/user_001/{path}")).await;
        got.refused(400, holds);
    }
    for (path, holds) in [
        ("after=-1", "after: "),
        ("after=x", "after: "),
        ("after=9223372036854775808", "after: "),
        ("limit=10001", "limit: "),
        ("after=1&after=1", "after: it is given more than once"),
    ] {
        world
            .get(&format!("/api/v1/changes?{path}"))
            .await
            .refused(400, holds);
    }
    let user = world.get("/api/v1/users/a%20b/timeseries").await;
    user.refused(400, "user_id: ");
}

#[tokio::test]
async fn a_stream_has_no_pages() {
    let world = World::new().await;
    let accept = [("accept", "application/x-ndjson")];
    for page in ["limit=5", "limit=5&resolution=1min"] {
        let path = format!("/api/v1/users/user_001/timeseries?{page}");
        world
            .get_with(&path, &accept)
            .await
            .refused(400, "a stream of lines has no pages");
    }
}

#[tokio::test]
async fn the_edges_of_time_are_no_failure() {
    let world = World::new().await;
    for range in [
        ("0001-01-01", "9999-12-30"),
        ("-62135596800", "0001-01-01"),
        ("9999-12-28", "9999-12-28"),
    ] {
        for (list, start, end) in [
            ("events/workouts", "start_date", "end_date"),
            ("events/sleep", "start_date", "end_date"),
            ("timeseries", "start_time", "end_time"),
            ("summaries/activity", "start_date", "end_date"),
        ] {
            let path = format!(
                "/api/v1/users/user_001/{list}?{start}={}&{end}={}&include_total=true",
                range.0, range.1
            );
            let got = world.get(&path).await;
            assert_eq!(got.status, 200, "{path}: {}", got.text());
        }
    }
}
