//! Whether a campaign did any harm: the ledger of the simulator against Postgres.

use std::collections::{BTreeMap, HashMap, HashSet};

use polar_sync::model::TaskId;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, Row as _};

use super::{
    plan::USERS,
    reader::Change,
    world::{FIRST_ACCOUNT, World, user, wanted_parts},
};

/// What must be zero when nothing is under way, and what it means if it is not.
const NOTHING_LEFT: [(&str, &str); 8] = [
    (
        "changes wait to be numbered",
        "SELECT count(*) FROM polar_sync.outbox",
    ),
    (
        "events wait to be published",
        "SELECT count(*) FROM polar_sync.event",
    ),
    (
        "connections are not active",
        "SELECT count(*) FROM polar_sync.connection WHERE state <> 'active' OR suspect_since IS NOT NULL",
    ),
    (
        "leases have an owner",
        "SELECT count(*) FROM polar_sync.sync_state WHERE lease_owner IS NOT NULL",
    ),
    (
        "runs have no end",
        "SELECT count(*) FROM polar_sync.sync_run WHERE finished_at IS NULL",
    ),
    (
        "requests were refused",
        "SELECT count(*) FROM polar_sync.sync_request WHERE state = 'refused'",
    ),
    (
        "kinds lack a consent",
        "SELECT count(*) FROM polar_sync.kind_state WHERE NOT consent",
    ),
    (
        "bodies are in quarantine",
        "SELECT count(*) FROM polar_sync.quarantine",
    ),
];

/// Records that are there more often than once.
const TWICE: &str = "SELECT count(*) FROM (
    SELECT FROM api_v1.workouts GROUP BY user_id, polar_id HAVING count(*) > 1
    UNION ALL SELECT FROM api_v1.sleeps GROUP BY user_id, date HAVING count(*) > 1
    UNION ALL SELECT FROM api_v1.nightly_recharges GROUP BY user_id, date HAVING count(*) > 1
    UNION ALL SELECT FROM api_v1.daily_activities GROUP BY user_id, date HAVING count(*) > 1
    UNION ALL SELECT FROM api_v1.physical_information GROUP BY user_id, recorded_at, weight_kg HAVING count(*) > 1
) AS twice";

/// Every record with its revision.
const RECORDS: &str = "SELECT workout_id::text, revision FROM api_v1.workouts
    UNION ALL SELECT sleep_id::text, revision FROM api_v1.sleeps
    UNION ALL SELECT record_id::text, revision FROM api_v1.nightly_recharges
    UNION ALL SELECT record_id::text, revision FROM api_v1.daily_activities
    UNION ALL SELECT record_id::text, revision FROM api_v1.physical_information";

/// What readers see of the newest revisions.
const VALUES: &str =
    "SELECT user_id || ' exercise ' || polar_id || ' ' || calories_kcal FROM api_v1.workouts
    UNION ALL SELECT user_id || ' sleep ' || date || ' ' || score FROM api_v1.sleeps
    UNION ALL SELECT user_id || ' activity ' || date || ' ' || steps FROM api_v1.daily_activities";

/// The lanes.
const LANES: [&str; 3] = ["interactive", "event", "periodic"];

/// What a check of everything gave.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) failures: Vec<String>,
    pub(crate) items: usize,
    pub(crate) parts: usize,
    pub(crate) lost: usize,
    pub(crate) duplicated: i64,
}

/// What is still under way: empty when everything is in step and quiet.
pub(crate) async fn unsettled(world: &World) -> Vec<String> {
    let mut unsettled = world.differences().await;
    for (what, sql) in NOTHING_LEFT {
        let count = world.number(sql).await;
        if count > 0 {
            unsettled.push(format!("{count} {what}"));
        }
    }
    for lane in LANES {
        let stream = format!("polar-sync:jobs:{lane}");
        let entries: i64 = world.redis.command(&["XLEN", &stream]).await;
        if entries > 0 {
            unsettled.push(format!("{entries} entries on the lane {lane}"));
        }
    }
    unsettled
}

/// Compares everything.
pub(crate) async fn compare(world: &World) -> Verdict {
    let mut verdict = Verdict {
        failures: unsettled(world).await,
        duplicated: world.number(TWICE).await,
        ..Verdict::default()
    };
    let kept = world.kept_parts().await;
    let shown = texts(world, VALUES).await;
    for number in 0..USERS {
        let account = FIRST_ACCOUNT + i64::from(number);
        let ledger = world.sim.get(&format!("/ledger/users/{account}")).await;
        let wanted = wanted_parts(&ledger);
        let values = wanted_values(&ledger, user(number).as_str());
        (verdict.items, verdict.parts) =
            (verdict.items + values.len(), verdict.parts + wanted.len());
        let lost = wanted.iter().filter(|part| !kept.contains(*part));
        let stale = values.iter().filter(|value| !shown.contains(*value));
        for missing in lost.chain(stale) {
            verdict.lost += 1;
            verdict
                .failures
                .push(format!("not stored as Polar had it: {account} {missing}"));
        }
    }
    if verdict.duplicated > 0 {
        let twice = format!("{} records are stored twice", verdict.duplicated);
        verdict.failures.push(twice);
    }
    verdict.failures.extend(dishonesty(world).await);
    verdict
}

/// Requests that were accepted and have no end, or are gone.
pub(crate) async fn unanswered(world: &World, accepted: &[TaskId]) -> Option<String> {
    let mut db = PgConnection::connect(world.database.url()).await.unwrap();
    let sql = "SELECT count(*) FROM polar_sync.sync_request
        WHERE task_id = ANY ($1) AND state IN ('done', 'failed') AND finished_at IS NOT NULL";
    let ids: Vec<_> = accepted.iter().map(|task| task.0).collect();
    let answered: i64 = sqlx::query_scalar(sql)
        .bind(ids)
        .fetch_one(&mut db)
        .await
        .unwrap();
    let missing = accepted.len() - usize::try_from(answered).unwrap();
    (missing > 0).then(|| format!("{missing} accepted requests were not answered"))
}

/// What the simulator says that no honest client does; a spent window is one of these.
async fn dishonesty(world: &World) -> Vec<String> {
    let violations = world.sim.get("/ledger").await["violations"].clone();
    let stats = world.sim.get("/stats").await;
    let mut found: Vec<String> = violations
        .as_array()
        .unwrap()
        .iter()
        .map(|violation| format!("the simulator saw what no honest client does: {violation}"))
        .collect();
    let refused = stats["refused"].as_u64().unwrap();
    if refused > 0 {
        found.push(format!(
            "{refused} calls were sent although their window was spent: {}",
            stats["windows"]
        ));
    }
    found
}

/// As [`VALUES`], of an account's ledger.
fn wanted_values(ledger: &Value, user_id: &str) -> Vec<String> {
    let items = &ledger["items"];
    let values = |kind: &str, value: fn(&Value) -> String| -> Vec<String> {
        let items = items[kind].as_array().unwrap().iter();
        let text = |item| format!("{user_id} {kind} {}", value(item));
        items.map(text).collect()
    };
    let mut wanted = values("exercise", |item| {
        let body = &item["parts"]["summary"]["body"];
        format!("{} {}", item["id"], body["calories"])
    });
    wanted.extend(values("sleep", |item| {
        let date = item["date"].as_str().unwrap();
        format!("{date} {}", item["parts"]["summary"]["body"]["sleep_score"])
    }));
    wanted.extend(values("activity", |item| {
        let date = item["date"].as_str().unwrap();
        format!(
            "{date} {}",
            item["parts"]["summary"]["body"]["active-steps"]
        )
    }));
    wanted
}

/// Whether the feed is what a reader was promised: `seen` is what one saw who polled all along, `whole` what there
/// is in the end.
pub(crate) fn feed_failures(
    seen: &[Change],
    whole: &[Change],
    records: &HashMap<String, i32>,
) -> Vec<String> {
    let mut failures = Vec::new();
    let known: HashSet<i64> = seen.iter().map(|change| change.seq).collect();
    for missed in whole.iter().filter(|change| !known.contains(&change.seq)) {
        failures.push(format!("appeared behind a reader's back: {missed:?}"));
    }
    if failures.is_empty() && seen != whole {
        failures.push("a reader saw rows that changed later, or are gone".to_owned());
    }
    let mut revisions: BTreeMap<&str, i32> = BTreeMap::new();
    for change in whole.iter().filter(|change| change.what != "deleted") {
        let before = revisions.insert(&change.record_id, change.revision);
        let is_first = before.is_none();
        if change.revision != before.unwrap_or(0) + 1 || is_first != (change.what == "added") {
            failures.push(format!("follows revision {before:?}: {change:?}"));
        }
    }
    for (record, revision) in records {
        let told = revisions.get(record.as_str());
        if told != Some(revision) {
            failures.push(format!(
                "record {record} has revision {revision}, and the feed told of {told:?}"
            ));
        }
    }
    failures
}

/// Every record with its revision.
pub(crate) async fn records(world: &World) -> HashMap<String, i32> {
    let mut db = PgConnection::connect(world.database.url()).await.unwrap();
    let rows = sqlx::raw_sql(RECORDS).fetch_all(&mut db).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn texts(world: &World, sql: &'static str) -> HashSet<String> {
    let mut db = PgConnection::connect(world.database.url()).await.unwrap();
    let rows = sqlx::raw_sql(sql).fetch_all(&mut db).await.unwrap();
    rows.iter()
        .filter_map(|row| row.get::<Option<String>, _>(0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(seq: i64, record_id: &str, revision: i32) -> Change {
        Change {
            seq,
            record_id: record_id.to_owned(),
            revision,
            kind: "exercise".to_owned(),
            what: if revision == 1 { "added" } else { "updated" }.to_owned(),
        }
    }

    fn failures(seen: &[Change], whole: &[Change], revision: i32) -> usize {
        let records = HashMap::from([("a".to_owned(), revision)]);
        feed_failures(seen, whole, &records).len()
    }

    #[test]
    fn a_feed_that_keeps_its_promise_may_skip_numbers() {
        let whole = [change(1, "a", 1), change(4, "b", 1), change(5, "a", 2)];
        assert_eq!(failures(&whole, &whole, 2), 0);
    }

    #[test]
    fn whatever_a_reader_would_miss_or_see_twice_is_found() {
        let whole = [change(1, "a", 1), change(2, "a", 2)];
        assert_eq!(failures(&whole[1..], &whole, 2), 1, "appeared late");
        assert_eq!(failures(&whole, &whole[..1], 1), 1, "disappeared");
        assert_eq!(failures(&whole, &whole, 3), 1, "never told");
        let twice = [change(1, "a", 1), change(2, "a", 1)];
        assert_eq!(failures(&twice, &twice, 1), 1, "told twice");
        let gap = [change(1, "a", 1), change(2, "a", 3)];
        assert_eq!(failures(&gap, &gap, 3), 1, "a revision left out");
    }
}
