//! The database roles: everything works with them, each process and command with a login of its own. (So do all tests
//! of this kind; here nothing is left out, and the server's log is read.)
//! None of them works on a server that may lose what it committed.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    database::Database,
    http::Api,
    world::{FIRST_ACCOUNT, KEY, OTHER_KEY, World},
};

/// Calls that change nothing, for every path of the interface.
async fn read_everything(api: &Api) {
    let description = Api::answer(api.bare(Method::GET, "/openapi.json")).await.1;
    let (_, workouts) = api.get("/api/v1/users/user_001/events/workouts").await;
    let workout = workouts["data"][0]["id"].as_str().expect("a workout");
    let mut paths = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        if methods.get("get").is_none() || path.contains("/oauth/") {
            continue;
        }
        let path = path
            .replace("{user_id}", "user_001")
            .replace("{provider}", "polar")
            .replace("{task_id}", &Uuid::nil().to_string())
            .replace("{workout_id}", workout);
        let query = "start_date=2020-01-01&end_date=2040-01-01&start_time=2020-01-01T00:00:00Z&end_time=2040-01-01T00:00:00Z\
             &types=heart_rate&samples=true&zones=true&route=true";
        let (status, body) = api.get(&format!("{path}?{query}")).await;
        let known: Vec<&str> = body["detail"].as_str().into_iter().collect();
        // A parameter that a path does not know is refused: then without any.
        let (status, body) = if status == 400 {
            let with_range = ["/timeseries", "/summaries/"];
            assert!(
                !with_range.iter().any(|it| path.contains(it)),
                "{path}: {known:?}"
            );
            api.get(&path).await
        } else {
            (status, body)
        };
        let expected = if path.contains(&Uuid::nil().to_string()) {
            404
        } else {
            200
        };
        assert_eq!(status, expected, "{path}: {body}");
        paths += 1;
    }
    assert!(paths >= 12, "{paths}");
}

async fn connect_by_browser(world: &World, api: &Api, user: &str) {
    let page = api.consent_page(user, None).await;
    let account = FIRST_ACCOUNT.to_string();
    let decision = [("account", account.as_str()), ("decision", "allow")];
    let back = world.sim.redirect(page, &decision).await;
    assert_eq!(api.come_back(&back).await.status(), 200);
}

/// Runs commands, each of which succeeds.
async fn run_all(world: &World, lines: &[&str]) {
    for line in lines {
        let said = world.command(line, "").await;
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
    }
}

const LEFT_OVERS: &str = "
    INSERT INTO polar_sync.dead (dead_id, connection_id, user_id, kind, error_class, error, attempts, died_at)
    SELECT dead_id::uuid, connection_id, user_id, 'sleep', 'no_answer', 'timed_out', 8, polar_sync.now()
    FROM polar_sync.connection, unnest(ARRAY['00000000-0000-0000-0000-000000000001',
        '00000000-0000-0000-0000-000000000002']) AS dead_id
    WHERE user_id = 'user_001';
    INSERT INTO polar_sync.remote_transaction (connection_id, remote_id, kind, phase, polar_transaction_id, created_at,
        last_create_at, items, updated_at)
    SELECT connection_id, '00000000-0000-0000-0000-000000000003', 'activity', 'blocked', 7, polar_sync.now(),
        polar_sync.now(), '{1001}', polar_sync.now()
    FROM polar_sync.connection WHERE user_id = 'user_001'";

async fn imported(world: &World, number: i64) -> String {
    let account = FIRST_ACCOUNT + number;
    let wish = json!({ "registered": true, "refresh": true });
    let tokens = world
        .sim
        .post(&format!("/users/{account}/token"), wish)
        .await;
    let line = json!({
        "user_id": format!("user_00{}", number + 1), "polar_user_id": account,
        "access_token": tokens["access_token"], "refresh_token": tokens["refresh_token"],
    });
    line.to_string()
}

/// Users who come through the browser and by an import; some tokens are refused, and so refreshed.
async fn users_come(world: &World, api: &Api) {
    let refused = json!({ "op": "exercise.create", "times": 2, "action": { "type": "status", "status": 401 } });
    world.sim.post("/faults", refused).await;
    let lines = format!("{}\n{}", imported(world, 1).await, imported(world, 2).await);
    let said = world.command("users import -", &lines).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    connect_by_browser(world, api, "user_001").await;
    world.until_in_step().await;
    connect_by_browser(world, api, "user_001").await;
    let refreshed = "SELECT least(max(token_generation), 2) FROM polar_sync.connection WHERE user_id <> 'user_001'";
    assert_eq!(world.number(refreshed).await, 2);
}

/// Every call of the interface, and events of Polar's.
async fn everything_is_called(world: &World, api: &Api) {
    let lines = ["webhook create", "webhook status", "webhook activate"];
    run_all(world, &lines).await;
    let exercise = json!({ "duration_s": 60, "sport": "RUNNING" });
    world.sim.post("/users/10000001/exercises", exercise).await;
    let told = "SELECT count(*) FROM polar_sync.webhook WHERE last_event_at IS NOT NULL AND ended_at IS NULL";
    world.until("an event", told, 1).await;
    world.until_in_step().await;

    let made = world.command("--json api-keys create platform", "").await;
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let key = made["key"].as_str().unwrap();
    let call = api.bare(Method::GET, "/api/v1/users");
    let (status, users) = Api::answer(call.header("X-Open-Wearables-API-Key", key)).await;
    assert_eq!(status, 200, "{users}");
    let sync = "/api/v1/providers/polar/users/user_001/sync?async=false";
    assert_eq!(api.post(sync).await.0, 200);
    let user = api.call(Method::POST, "/api/v1/users");
    let user = user.json(&json!({ "external_user_id": "user_009" }));
    let (status, told) = Api::answer(user).await;
    assert!([200, 201].contains(&status), "{told}");
    read_everything(api).await;
}

#[tokio::test]
async fn every_process_and_command_does_its_work_with_the_rights_of_its_role() {
    let switches = ["--switch", "refresh_tokens=rotating"];
    let mut world = World::start_on(Database::own().await, 3, "small", &switches).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    let api = world.spawn_api("api").await;
    run_all(&world, &["keys add", "keys list"]).await;
    users_come(&world, &api).await;
    everything_is_called(&world, &api).await;

    // Every command.
    let lines = [
        "api-keys list",
        "api-keys revoke platform",
        "users list",
        "users show user_001",
        "status",
        "explain user_001",
        "enqueue user_001 --wait",
        "users pause user_002",
        "users resume user_002",
        "dead list",
        "transactions list",
    ];
    run_all(&world, &lines).await;
    world.until_in_step().await;
    assert_eq!(worker.stop().await, Some(0));
    world.execute(LEFT_OVERS).await;
    let lines = [
        "dead retry 00000000-0000-0000-0000-000000000001",
        "dead drop 00000000-0000-0000-0000-000000000002 --yes",
        "transactions accept-loss 00000000-0000-0000-0000-000000000003 --yes",
    ];
    run_all(&world, &lines).await;
    world.set("SECURITY__KEYS", &format!("{OTHER_KEY},{KEY}"));
    run_all(&world, &["keys rotate", "webhook delete --yes"]).await;
    assert_eq!(api.role.stop().await, Some(0));

    // Users who go: one by the interface, one by an operator, after whom nothing is left in the end.
    let api = world.spawn_api("api").await;
    let path = "/api/v1/users/user_002/connections/polar";
    let (status, gone) = Api::answer(api.call(Method::DELETE, path)).await;
    assert!([200, 204].contains(&status), "{gone}");
    run_all(&world, &["users erase user_003 --yes"]).await;
    assert_eq!(scheduler.stop().await, Some(0));
    world
        .execute("UPDATE polar_sync.clock SET shift = shift + interval '31 days'")
        .await;
    let scheduler = world.spawn("scheduler");
    let forgotten = "SELECT count(*) FROM polar_sync.erasure WHERE user_id IS NULL";
    world.until("the notice to end", forgotten, 1).await;
    assert_eq!(scheduler.stop().await, Some(0));
    assert_eq!(api.role.stop().await, Some(0));

    let log = world.database.log();
    let denied: Vec<_> = log.lines().filter(|line| line.contains("denied")).collect();
    assert_eq!(denied, [""; 0], "{log}");
    assert!(!log.contains("must be owner"), "{log}");
}

#[rstest]
#[tokio::test]
async fn no_role_works_on_a_database_that_may_lose_what_it_committed(
    #[values("worker", "scheduler", "api", "all")] role: &str,
) {
    let mut world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    assert_eq!(world.text("SHOW fsync").await, "off");
    world.set("API__LISTEN", "127.0.0.1:0");
    world.unset("DATABASE__ALLOW_UNSAFE");
    let (code, log) = world.spawn_logged(role).ended().await;
    assert_eq!(code, Some(18), "{log}");
    assert!(log.contains("Postgres runs with fsync off"), "{log}");
    assert!(log.contains("database.allow_unsafe"), "{log}");
    let requests = world.sim.get("/stats").await["requests"].clone();
    assert_eq!(requests, json!({}), "nothing is asked of Polar");
}
