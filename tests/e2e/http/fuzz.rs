//! Calls that nobody would think of: schemathesis makes them from `/openapi.json`, and holds what comes back against
//! it. What it is told is in `tests/schemathesis.toml`.

use std::{path::Path, process::Stdio, time::Duration};

use polar_sync::ops::servers::TemporaryFolder;
use serde_json::Value;
use tokio::process::Command;

use super::{Api, KEY};
use crate::world::World;

/// The same calls each time.
const SEED: &str = "20260301";

/// Far longer than it takes.
const LONGEST: Duration = Duration::from_mins(4);

/// Real ids for the parameters of paths, by the names that `tests/schemathesis.toml` has for them.
async fn dictionaries(api: &Api) -> String {
    let ids = async |path: &str, key: &str| -> Vec<String> {
        let (status, page) = api.get(path).await;
        assert_eq!(status, 200, "{path}: {page}");
        let rows = page["data"].as_array().unwrap().iter();
        let ids = rows.map(|row| row[key].as_str().unwrap().to_owned());
        ids.take(5).collect()
    };
    let workouts = "/api/v1/users/user_001/events/workouts?start_date=2000-01-01";
    let known = [
        ("workouts", ids(workouts, "id").await),
        (
            "tasks",
            ids("/api/v1/users/user_001/sync/runs", "task_id").await,
        ),
    ];
    let table = |(name, ids): (&str, Vec<String>)| {
        assert!(!ids.is_empty(), "{name} to ask for");
        format!("\n[dictionaries.{name}]\nvalues = {}\n", Value::from(ids))
    };
    known.map(table).concat()
}

#[tokio::test]
async fn the_interface_is_as_it_is_described() {
    let tool = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("schemathesis");
    assert!(
        tool.join("bin").exists(),
        "schemathesis is not installed; `make test` installs it"
    );
    let mut world = World::start(3, "small", &[]).await;
    world.set("API__RATE_LIMIT", "100000");
    world.set("API__SYNC_WAIT", "1s");
    world.connect(3).await;
    let api = world.spawn_api("all").await;
    world.until_in_step().await;

    let folder = TemporaryFolder::create().await.unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let told = std::fs::read_to_string(tests.join("schemathesis.toml")).unwrap();
    let config = folder.path().join("schemathesis.toml");
    std::fs::write(&config, told + dictionaries(&api).await.as_str()).unwrap();
    let run = Command::new(tool.join("bin/python"))
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(&config)
        .args(["run", &format!("{}openapi.json", api.base), "--seed", SEED])
        .args(["--header", &format!("X-Open-Wearables-API-Key: {KEY}")])
        .current_dir(folder.path())
        .env("SCHEMATHESIS_HOOKS", tests.join("schemathesis_hooks.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(LONGEST, run).await;
    let ended = ended.expect("an end of schemathesis").unwrap();
    let (said, warned) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    assert!(ended.status.success(), "{said}\n{warned}");
    world.assert_honest().await;
}
