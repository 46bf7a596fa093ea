//! The executable as a shell sees it: output, errors, exit codes.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that called it"
)]

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::Value;

/// 32 bytes and an id, as an operator would write them.
const KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

fn polar_sync(line: &str, environment: &[(&str, &str)]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polar-sync"));
    command
        .args(line.split_whitespace())
        .env_clear()
        .envs(environment.iter().copied());
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    Run {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// A file in a folder of this test alone.
fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn usage_is_explained_with_code_2() {
    let run = polar_sync("frobnicate", &[]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("frobnicate"), "{}", run.stderr);
    assert_eq!(polar_sync("", &[]).code, 2);
    let help = polar_sync("--help", &[]);
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    assert!(help.stdout.contains("config"), "{}", help.stdout);
    assert_eq!(polar_sync("config show --set nonsense", &[]).code, 2);
}

#[test]
fn a_misspelt_key_of_a_file_is_one_line_with_the_right_key() {
    let path = file("misspelt.toml", "[worker]\njob_timeot = \"5m\"\n");
    let run = polar_sync(&format!("config check --config {}", path.display()), &[]);
    assert_eq!(run.code, 10);
    let expected = format!(
        "error: unknown key worker.job_timeot ({}); did you mean worker.job_timeout?\n",
        path.display()
    );
    assert_eq!(run.stderr, expected);
}

#[test]
fn a_misspelt_section_is_noticed_even_when_it_is_empty() {
    let empty = file("empty.toml", "[sync.commit_kinds]\n[worker]\n");
    let line = |path: &PathBuf| format!("config show --config {}", path.display());
    assert_eq!(polar_sync(&line(&empty), &[]).code, 0);
    let misspelt = file("misspelt-section.toml", "[workers]\n");
    let run = polar_sync(&line(&misspelt), &[]);
    assert_eq!(run.code, 10);
    assert!(run.stderr.contains("unknown key workers"), "{}", run.stderr);
}

#[test]
fn a_misspelt_variable_is_told_as_a_variable() {
    let run = polar_sync(
        "config check",
        &[("POLAR_SYNC__WORKER__CONCURENCY__EVENT", "4")],
    );
    assert_eq!(run.code, 10);
    assert!(
        run.stderr
            .contains("unknown key POLAR_SYNC__WORKER__CONCURENCY__EVENT"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr
            .contains("did you mean POLAR_SYNC__WORKER__CONCURRENCY__EVENT?"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_wrong_value_names_key_problem_and_origin() {
    let cases = [
        (
            "worker.concurrency.interactive=many",
            "worker.concurrency.interactive: string \"many\" is not",
        ),
        (
            "worker.concurrency.event=0",
            "worker.concurrency.event: 0 is out of range; write a whole number from 1",
        ),
        (
            "accesslink.api_url=www.polaraccesslink.com",
            "accesslink.api_url: \"www.polaraccesslink.com\" is not an origin",
        ),
        (
            "sync.include=samples,laps",
            "sync.include: \"laps\" is not a detail; it must be one of samples, zones, route",
        ),
        (
            "sync.commit=maybe",
            "sync.commit: \"maybe\" is not a switch; it must be one of on, off",
        ),
        (
            "sync.commit_kinds.sleep=off",
            "unknown key sync.commit_kinds.sleep",
        ),
        (
            "quota.interactive_reserve=10",
            "quota.interactive_reserve: 10 is not a share",
        ),
        ("startup.wait=30", "startup.wait: \"30\" is not a duration"),
        (
            "telemetry.metrics_listen=9464",
            "telemetry.metrics_listen: \"9464\" is not an address",
        ),
        (
            "telemetry.log=loud=1=2",
            "telemetry.log: \"loud=1=2\" is not a log filter",
        ),
        ("sync.kinds=", "sync.kinds: it is empty"),
        ("raw.retention=1h", "raw.retention: 1h is below 1d"),
    ];
    for (setting, expected) in cases {
        let run = polar_sync(&format!("config check --set {setting}"), &[]);
        assert_eq!(run.code, 10, "{setting}: {}", run.stderr);
        assert!(
            run.stderr.starts_with(&format!("error: {expected}")),
            "{setting}: {}",
            run.stderr
        );
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    }
}

#[test]
fn a_missing_need_is_told_for_the_role_that_has_it() {
    let database = [("DATABASE_URL", "postgres://localhost/polar")];
    assert_eq!(polar_sync("config check --role migrate", &database).code, 0);
    let run = polar_sync("--json config check --role worker", &database);
    assert_eq!(run.code, 10);
    let error: Value = serde_json::from_str(&run.stderr).unwrap();
    let expected = "worker cannot start without redis.url, accesslink.client_id, accesslink.client_secret, security.keys";
    assert_eq!(error["error"], expected);
    assert_eq!(error["exit_code"], 10);
    assert!(
        error["next_step"]
            .as_str()
            .unwrap()
            .contains("POLAR_SYNC__REDIS__URL"),
        "{error}"
    );
}

#[test]
fn what_is_stronger_wins_and_is_shown_with_its_origin() {
    let path = file(
        "layers.toml",
        "[worker]\ndrain = \"11s\"\njob_timeout = \"5m\"\n[redis]\nurl = \"redis://file\"\n",
    );
    let environment = [
        ("POLAR_SYNC__WORKER__DRAIN", "12s"),
        ("POLAR_SYNC__SYNC__INCLUDE", "zones, route"),
        ("REDIS_URL", "redis://alias"),
        ("DATABASE_URL", "postgres://alias/polar"),
    ];
    let line = format!(
        "--json config show --config {} --set worker.drain=13s",
        path.display()
    );
    let run = polar_sync(&line, &environment);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let keys: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
    let shown = |key: &str| {
        let shown = keys.iter().find(|shown| shown["key"] == key).unwrap();
        (
            shown["value"].clone(),
            shown["origin"].as_str().unwrap().to_owned(),
        )
    };
    let file = path.display().to_string();
    assert_eq!(shown("worker.drain"), ("13s".into(), "--set".to_owned()));
    assert_eq!(shown("worker.job_timeout"), ("5m".into(), file.clone()));
    assert_eq!(shown("redis.url"), ("redis://file".into(), file));
    let alias = "environment variable DATABASE_URL".to_owned();
    assert_eq!(
        shown("database.url"),
        ("postgres://alias/polar".into(), alias)
    );
    assert_eq!(
        shown("sync.include").0,
        serde_json::json!(["zones", "route"])
    );
    assert_eq!(
        shown("database.pool_max"),
        (16.into(), "default".to_owned())
    );
    assert_eq!(shown("accesslink.client_id").0, Value::Null);
}

#[test]
fn no_secret_is_shown_wherever_it_comes_from() {
    let secret = file("secret", "canary-from-file\n");
    let environment = [
        (
            "POLAR_SYNC__DATABASE__URL",
            "postgres://me:canary-password@localhost/polar",
        ),
        (
            "POLAR_SYNC__REDIS__URL",
            "redis://:canary-password@localhost",
        ),
        ("POLAR_SYNC__ACCESSLINK__CLIENT_ID", "client"),
        (
            "POLAR_SYNC__ACCESSLINK__CLIENT_SECRET_FILE",
            secret.to_str().unwrap(),
        ),
        ("POLAR_SYNC__SECURITY__KEYS", KEY),
        ("POLAR_SYNC__API__BOOTSTRAP_KEY", "canary-key"),
    ];
    assert_eq!(polar_sync("config check", &environment).code, 0);
    for line in ["config show", "config show --json"] {
        let run = polar_sync(line, &environment);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(
            run.stdout.contains("***") && run.stdout.contains("k1:***"),
            "{}",
            run.stdout
        );
        assert!(
            !run.stdout.contains("canary") && !run.stdout.contains("AAECAw"),
            "{}",
            run.stdout
        );
    }
}

#[test]
fn a_wrong_secret_is_explained_without_repeating_it() {
    let number = file("number.toml", "[security]\nkeys = 424242\n");
    let broken = file("broken.toml", "[accesslink]\nclient_secret = \"canary\n");
    let cases = [
        (
            "config check".to_owned(),
            "POLAR_SYNC__SECURITY__KEYS",
            "k1:Y2FuYXJ5",
            "key k1 has 6 bytes",
        ),
        (
            "config check".to_owned(),
            "POLAR_SYNC__DATABASE__URL",
            "canary@host/polar",
            "not a Postgres URL",
        ),
        (
            "config check".to_owned(),
            "POLAR_SYNC__REDIS__URL",
            "canary:6379",
            "not a Redis URL",
        ),
        (
            format!("config check --config {}", number.display()),
            "HOME",
            "/",
            "security.keys: it is not a list",
        ),
        (
            format!("config check --config {}", broken.display()),
            "HOME",
            "/",
            "line 2",
        ),
        (
            "config check --set accesslink.client_secret=canary".to_owned(),
            "HOME",
            "/",
            "not taken from arguments",
        ),
    ];
    for (line, name, value, expected) in cases {
        let run = polar_sync(&line, &[(name, value)]);
        assert_eq!(run.code, 10, "{line} {name}: {}", run.stderr);
        assert!(
            run.stderr.contains(expected),
            "{line} {name}: {}",
            run.stderr
        );
        for canary in ["canary", "Y2FuYXJ5", "424242"] {
            assert!(
                !run.stderr.contains(canary),
                "{line} {name}: {}",
                run.stderr
            );
        }
    }
}

#[test]
fn a_database_that_is_away_is_told_with_code_11() {
    let nowhere = [("DATABASE_URL", "postgres:///polar_sync?host=/nowhere")];
    let run = polar_sync("migrate", &nowhere);
    assert_eq!(run.code, 11, "{}", run.stderr);
    assert!(
        run.stderr.starts_with("error: Postgres cannot be reached"),
        "{}",
        run.stderr
    );
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    let run = polar_sync("migrate", &[]);
    assert_eq!(run.code, 10);
    assert!(
        run.stderr
            .contains("migrate cannot start without database.url"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_secret_has_one_source() {
    let secret = file("one-source", "from-file");
    let environment = [
        ("POLAR_SYNC__API__BOOTSTRAP_KEY", "direct"),
        (
            "POLAR_SYNC__API__BOOTSTRAP_KEY_FILE",
            secret.to_str().unwrap(),
        ),
    ];
    let run = polar_sync("config check", &environment);
    assert_eq!(run.code, 10);
    assert!(run.stderr.contains("are both set"), "{}", run.stderr);
    let missing = [("POLAR_SYNC__API__BOOTSTRAP_KEY_FILE", "/nowhere/secret")];
    let run = polar_sync("config check", &missing);
    assert_eq!(run.code, 10);
    assert!(run.stderr.contains("/nowhere/secret"), "{}", run.stderr);
}

#[test]
fn two_keys_need_two_ids() {
    let keys = format!("{KEY},{KEY}");
    let run = polar_sync("config show", &[("POLAR_SYNC__SECURITY__KEYS", &keys)]);
    assert_eq!(run.code, 10);
    assert!(
        run.stderr.contains("security.keys: the id k1 occurs twice"),
        "{}",
        run.stderr
    );
}
