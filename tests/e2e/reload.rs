//! Secrets and the brake, which change under processes that run.

use std::{fs, path::PathBuf};

use polar_sync::ops::servers::TemporaryFolder;
use reqwest::Method;
use serde_json::json;

use super::{
    database::Database,
    http::Api,
    processes::Role,
    world::{FIRST_ACCOUNT, KEY, OTHER_KEY, World},
};

/// A file that is replaced as whole, as a mounted one is.
struct MountedFile {
    folder: TemporaryFolder,
    name: &'static str,
}

impl MountedFile {
    async fn create(name: &'static str, content: &str) -> Self {
        let folder = TemporaryFolder::create().await.unwrap();
        let file = Self { folder, name };
        file.put(content);
        file
    }

    /// Has the secret `key` come from a file.
    async fn of(world: &mut World, key: &'static str, value: &str) -> Self {
        let file = Self::create(key, value).await;
        world.unset(key);
        world.set(&format!("{key}_FILE"), file.path().to_str().unwrap());
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.name)
    }

    fn put(&self, content: &str) {
        let new = self.path().with_extension("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, self.path()).unwrap();
    }
}

/// A process, and where it logs.
struct Logging {
    role: Role,
    log: PathBuf,
    _folder: TemporaryFolder,
}

impl Logging {
    /// Spawns a role, which its options may follow.
    async fn spawn(world: &World, line: &str) -> Self {
        let folder = TemporaryFolder::create().await.unwrap();
        let log = folder.path().join("log");
        Self {
            role: world.spawn_logging_to(line, &log),
            log,
            _folder: folder,
        }
    }

    fn count(&self, text: &str) -> usize {
        let log = fs::read_to_string(&self.log).unwrap();
        log.lines().filter(|line| line.contains(text)).count()
    }

    /// Waits until the log holds a text so many times.
    async fn until_logged(&self, world: &World, text: &str, times: usize) {
        let what = format!("the log to hold {text:?}");
        world
            .until_true(&what, async || self.count(text) >= times)
            .await;
    }
}

const FAILED_RUNS: &str =
    "SELECT count(*) FROM api_v1.sync_runs WHERE outcome = 'failed' OR error_class = 'key'";

/// Asks for a sync of everybody, and waits until it is done.
async fn sync(world: &World, users: u32) {
    let before = world.number(DONE).await;
    for number in 1..=users {
        let job = format!(r#"{{"v":1,"user_id":"user_{number:03}","request_id":"asked"}}"#);
        world.xadd("interactive", &job).await;
    }
    world
        .until("everybody to be synced", DONE, before + i64::from(users))
        .await;
}

const DONE: &str =
    "SELECT count(*) FROM polar_sync.sync_request WHERE request_id = 'asked' AND state = 'done'";

#[tokio::test]
async fn keys_are_rotated_under_a_worker_that_runs() {
    const USERS: u32 = 6;
    let changed = "security.keys has changed, and is in force";
    let mut world = World::start(USERS, "small", &["--switch", "refresh_tokens=rotating"]).await;
    for number in 0..USERS {
        world.connect_with_refresh_token(number).await;
    }
    let keys = MountedFile::of(&mut world, "SECURITY__KEYS", KEY).await;
    let scheduler = world.spawn("scheduler");
    let worker = Logging::spawn(&world, "worker").await;
    world.until_in_step().await;

    // Nobody tells it to look.
    keys.put(&format!("{KEY}\n{OTHER_KEY}\n"));
    worker.until_logged(&world, changed, 1).await;
    keys.put(&format!("{OTHER_KEY},{KEY}"));
    worker.role.signal("-HUP").await;
    worker.until_logged(&world, changed, 2).await;
    // Tokens are refreshed and sealed with the new key while the others are sealed anew.
    let refused = json!({ "op": "exercise.create", "times": 3, "action": { "type": "status", "status": 401 } });
    world.sim.post("/faults", refused).await;
    sync(&world, USERS).await;
    let by_refresh = "SELECT count(*) FROM polar_sync.connection WHERE key_id = 'k2'";
    assert_eq!(world.number(by_refresh).await, 3);
    let rotated = world.command("--json keys rotate", "").await;
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    keys.put(OTHER_KEY);
    worker.role.signal("-HUP").await;
    worker.until_logged(&world, changed, 3).await;
    sync(&world, USERS).await;
    assert_eq!(world.number(FAILED_RUNS).await, 0);
    assert_eq!(world.number(by_refresh).await, i64::from(USERS));
    assert_eq!(worker.role.stop().await, Some(0));
    scheduler.stop().await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_named_and_the_old_one_stays() {
    let mut world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let keys = MountedFile::of(&mut world, "SECURITY__KEYS", KEY).await;
    let worker = Logging::spawn(&world, "worker").await;
    world.until_in_step().await;
    let impostor = OTHER_KEY.replacen("k2:", "k1:", 1);
    for (value, problem) in [
        (
            impostor.as_str(),
            "security.keys has changed; the old one stays: ",
        ),
        (
            "k1:nonsense",
            "nothing changes: security.keys: key k1 has 6 bytes",
        ),
        (
            " ",
            "security.keys has changed; the old one stays: security.keys is empty",
        ),
    ] {
        keys.put(value);
        worker.role.signal("-HUP").await;
        worker.until_logged(&world, problem, 1).await;
        sync(&world, 1).await;
    }
    fs::remove_file(keys.path()).unwrap();
    worker.role.signal("-HUP").await;
    let unreadable = "nothing changes: POLAR_SYNC__SECURITY__KEYS_FILE";
    worker.until_logged(&world, unreadable, 1).await;
    sync(&world, 1).await;
    assert_eq!(world.number(FAILED_RUNS).await, 0);
    assert_eq!(worker.count("is in force"), 0);
    assert_eq!(worker.count("MDEyMzQ1") + worker.count("nonsense"), 0);
    worker.role.stop().await;
}

#[tokio::test]
async fn a_password_of_the_database_changes_under_a_worker_that_runs() {
    let changed = "database.url has changed, and is in force";
    let mut world = World::start_on(Database::own().await, 1, "small", &[]).await;
    world.database.ask_for_passwords("worker_login").await;
    world
        .execute("ALTER ROLE worker_login PASSWORD 'first'")
        .await;
    world.connect(1).await;
    let with = |url: String, password: &str| url.replacen('@', &format!(":{password}@"), 1);
    let url = world.database.url_of("worker");
    let other = url.replacen("/polar_sync?", "/postgres?", 1);
    let first = with(url.clone(), "first");
    let file = MountedFile::of(&mut world, "DATABASE__URL", &first).await;
    let worker = Logging::spawn(&world, "worker").await;
    world.until_in_step().await;

    // The file comes first: nothing is lost by that.
    file.put(&with(url, "second"));
    worker.role.signal("-HUP").await;
    let stays = "database.url has changed; the old one stays: Postgres cannot be reached";
    worker.until_logged(&world, stays, 1).await;
    sync(&world, 1).await;
    world
        .execute("ALTER ROLE worker_login PASSWORD 'second'")
        .await;
    worker.until_logged(&world, changed, 1).await;
    world
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'worker_login'",
        )
        .await;
    let exercise = json!({ "duration_s": 60, "sport": "RUNNING" });
    world.sim.post("/users/10000001/exercises", exercise).await;
    sync(&world, 1).await;
    world.until_in_step().await;

    file.put(&with(other, "second"));
    worker.role.signal("-HUP").await;
    worker
        .until_logged(&world, "that of another database, which takes a restart", 1)
        .await;
    sync(&world, 1).await;
    assert_eq!(worker.count("first") + worker.count("second"), 0);
    worker.role.stop().await;
}

#[tokio::test]
async fn a_secret_of_our_client_changes_under_a_scheduler_that_runs() {
    let mut world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let file = MountedFile::of(&mut world, "ACCESSLINK__CLIENT_SECRET", "outdated").await;
    let scheduler = world.spawn("scheduler");
    let refused =
        "SELECT count(*) FROM polar_sync.pace WHERE notifications_failing_since IS NOT NULL";
    world.until("notifications to be refused", refused, 1).await;
    file.put("sim-secret");
    scheduler.signal("-HUP").await;
    let read = "SELECT count(*) FROM polar_sync.pace
        WHERE notifications_failing_since IS NULL AND notifications_read_at IS NOT NULL";
    world.until("notifications to be read", read, 1).await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_first_key_to_the_interface_changes() {
    let mut world = World::start(0, "small", &[]).await;
    let file = MountedFile::of(&mut world, "API__BOOTSTRAP_KEY", "first").await;
    let api = world.spawn_api_as_it_is("api").await;
    let status = async |key: &str| {
        let call = api.bare(Method::GET, "/api/v1/users");
        Api::answer(call.header("X-Open-Wearables-API-Key", key))
            .await
            .0
    };
    assert_eq!((status("first").await, status("second").await), (200, 401));
    file.put("second");
    api.role.signal("-HUP").await;
    world
        .until_true("the new key", async || status("second").await == 200)
        .await;
    assert_eq!(status("first").await, 401);
    api.role.stop().await;
}

/// Commits of every kind that Polar has answered.
async fn commits(world: &World) -> [u64; 3] {
    let requests = async |kind: &str| world.sim.requests(&format!("{kind}.commit")).await;
    [
        requests("exercise").await,
        requests("activity").await,
        requests("physical_information").await,
    ]
}

#[tokio::test]
async fn a_brake_that_is_released_has_everything_committed_that_was_stored_before() {
    let world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let file = MountedFile::create("polar-sync.toml", "sync.commit = 'off'").await;
    let scheduler = world.spawn("scheduler");
    let line = format!("worker --config {}", file.path().display());
    let worker = Logging::spawn(&world, &line).await;
    // Every record is here, and one transaction of each kind stays open on both sides.
    let held = ["3 transactions open at Polar, 3 unfinished here"];
    let durable = "SELECT count(*) FROM polar_sync.remote_transaction WHERE phase = 'durable'";
    world
        .until_true("everything to be stored", async || {
            world.differences().await == held && world.number(durable).await == 3
        })
        .await;
    sync(&world, 1).await;
    // It is read again when the process is told to, and not before.
    file.put("sync.commit = 'on'");
    sync(&world, 1).await;
    assert_eq!(commits(&world).await, [0; 3]);
    assert_eq!(world.number(durable).await, 3);

    worker.role.signal("-HUP").await;
    worker
        .until_logged(&world, "sync.commit is set anew", 1)
        .await;
    sync(&world, 1).await;
    world.until_in_step().await;
    assert_eq!(commits(&world).await, [1; 3]);
    world.assert_content(FIRST_ACCOUNT).await;
    world.assert_honest().await;
    assert_eq!(world.number(FAILED_RUNS).await, 0);
    worker.role.stop().await;
    scheduler.stop().await;
}
