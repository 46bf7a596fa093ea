//! What is written down and what is built are the same: settings, metrics, exit codes.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that called it"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use polar_sync::{
    cli::Cli,
    config::{DEFAULT_TOML, Loaded, SECRET_KEYS, Sources},
    exit::Code,
    telemetry::metrics,
};

/// Keys of the manual that have no default, each with a value of the right form.
const UNSET: [(&str, &str); 9] = [
    (
        "accesslink.client_id",
        "12345678-1234-1234-1234-123456789012",
    ),
    ("accesslink.client_secret", "secret"),
    ("api.bootstrap_key", "secret"),
    ("database.url", "postgres://localhost/polar_sync"),
    ("redis.ca_file", "/etc/ssl/ca.pem"),
    ("redis.url", "rediss://localhost"),
    ("sync.commit_kinds.activity", "off"),
    ("sync.commit_kinds.exercise", "off"),
    ("sync.commit_kinds.physical_information", "off"),
];

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap()
}

/// Every source file of the library and the executable.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn variable(key: &str) -> String {
    format!(
        "POLAR_SYNC__{}",
        key.to_ascii_uppercase().replace('.', "__")
    )
}

fn load(environment: &[(&str, &str)]) -> Loaded {
    let set = |(key, value): &(&str, &str)| (variable(key).into(), (*value).into());
    let environment = environment.iter().map(set).collect();
    Sources {
        environment,
        ..Sources::default()
    }
    .load()
    .unwrap()
}

/// The keys that the structs know.
fn keys_of_the_structs() -> BTreeSet<String> {
    load(&[])
        .shown()
        .into_iter()
        .map(|shown| shown.key)
        .collect()
}

/// A key line of the manual: its section, name, and the comment above it.
struct Line {
    key: String,
    has_default: bool,
    comment: String,
}

fn lines_of_the_manual() -> Vec<Line> {
    let (mut lines, mut section, mut comment) = (Vec::new(), String::new(), String::new());
    for line in DEFAULT_TOML.lines() {
        let assigned = line.strip_prefix("# ").unwrap_or(line).split_once(" = ");
        let name = assigned.map(|(name, _)| name).filter(|name| {
            !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
        });
        if let Some(name) = name {
            let key = format!("{section}.{name}");
            let has_default = !line.starts_with('#');
            // A line without a comment of its own shares the one above its group.
            lines.push(Line {
                key,
                has_default,
                comment: comment.clone(),
            });
        } else if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut section);
        } else if let Some(text) = line.strip_prefix('#') {
            comment.push_str(text);
        } else if line.is_empty() {
            comment.clear();
        }
    }
    lines
}

#[test]
fn the_manual_explains_every_key_and_no_other() {
    let lines = lines_of_the_manual();
    let keys: BTreeSet<_> = lines.iter().map(|line| line.key.clone()).collect();
    assert_eq!(keys.len(), lines.len(), "a key is explained twice");
    assert_eq!(keys, keys_of_the_structs());
    for line in &lines {
        assert!(
            line.comment.trim().len() > 10,
            "{} lacks its comment",
            line.key
        );
    }
}

#[test]
fn what_has_no_default_is_shown_as_a_comment() {
    let unset: BTreeSet<_> = UNSET.iter().map(|(key, _)| (*key).to_owned()).collect();
    let commented = lines_of_the_manual()
        .into_iter()
        .filter(|line| !line.has_default);
    assert_eq!(
        commented.map(|line| line.key).collect::<BTreeSet<_>>(),
        unset
    );
    let null = load(&[])
        .shown()
        .into_iter()
        .filter(|shown| shown.value.is_null());
    assert_eq!(null.map(|shown| shown.key).collect::<BTreeSet<_>>(), unset);
}

#[test]
fn every_key_can_be_set_by_its_variable() {
    let loaded = load(&UNSET);
    for shown in loaded
        .shown()
        .into_iter()
        .filter(|shown| !shown.value.is_null())
    {
        let text = match &shown.value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(items) => items
                .iter()
                .filter_map(|item| item.as_str())
                .collect::<Vec<_>>()
                .join(","),
            value => value.to_string(),
        };
        let again = load(&[(&shown.key, &text)]);
        let again = again
            .shown()
            .into_iter()
            .find(|other| other.key == shown.key)
            .unwrap();
        assert_eq!(
            again.origin,
            format!("environment variable {}", variable(&shown.key))
        );
        assert_eq!(again.value, shown.value, "{}", shown.key);
    }
}

#[test]
fn secrets_are_keys_and_are_masked() {
    let mut environment = UNSET.to_vec();
    environment.retain(|(key, _)| SECRET_KEYS.contains(key) && !key.ends_with("url"));
    let shown = load(&environment).shown();
    let values: BTreeMap<_, _> = shown
        .iter()
        .map(|shown| (shown.key.as_str(), &shown.value))
        .collect();
    for key in SECRET_KEYS {
        assert!(values.contains_key(key), "{key} does not exist");
    }
    for (key, _) in environment {
        assert_eq!(*values[key], "***", "{key}");
    }
}

#[test]
fn the_readme_lists_every_key_with_its_default() {
    let readme = read("README.md");
    let rows: BTreeMap<_, _> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .filter(|(key, _)| key.contains('.') && !key.contains(' '))
        .map(|(key, rest)| {
            (
                key.to_owned(),
                rest.split(" | ")
                    .next()
                    .unwrap()
                    .trim_matches('`')
                    .to_owned(),
            )
        })
        .collect();
    let shown = load(&[]).shown();
    let expected: BTreeMap<_, _> = shown
        .into_iter()
        .map(|shown| {
            let text = match &shown.value {
                serde_json::Value::Null => "none".to_owned(),
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Array(items) if items.is_empty() => "empty".to_owned(),
                serde_json::Value::Array(_) => "all".to_owned(),
                value => value.to_string(),
            };
            (shown.key, text)
        })
        .collect();
    assert_eq!(rows, expected);
}

/// The commands of the README's table, for example `dead list`.
fn commands_of_the_readme() -> BTreeSet<String> {
    let readme = read("README.md");
    let rows = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `polar-sync ")?.split_once("` | "));
    let mut commands = BTreeSet::new();
    for (words, _) in rows {
        let mut words = words.split(' ');
        let command = words.next().unwrap();
        // What is written in capitals is an argument.
        match words.next().filter(|word| *word != word.to_uppercase()) {
            Some(group) => {
                commands.extend(group.split("\\|").map(|sub| format!("{command} {sub}")));
            }
            None => {
                commands.insert(command.to_owned());
            }
        }
    }
    commands
}

#[test]
fn the_readme_lists_every_command() {
    let cli = Cli::command();
    let mut commands = BTreeSet::new();
    for command in cli.get_subcommands() {
        let subs: Vec<_> = command.get_subcommands().collect();
        for sub in &subs {
            commands.insert(format!("{} {}", command.get_name(), sub.get_name()));
        }
        if subs.is_empty() {
            commands.insert(command.get_name().to_owned());
        }
    }
    assert_eq!(commands_of_the_readme(), commands);
}

#[test]
fn every_flag_of_enqueue_that_the_readme_names_exists() {
    let readme = read("README.md");
    let row = readme
        .lines()
        .find(|line| line.starts_with("| `polar-sync enqueue USER` |"))
        .unwrap();
    let named: BTreeSet<_> = row
        .split("`--")
        .skip(1)
        .map(|flag| flag.split('`').next().unwrap().to_owned())
        .collect();
    let cli = Cli::command();
    let enqueue = cli.find_subcommand("enqueue").unwrap();
    let flags: BTreeSet<_> = enqueue
        .get_arguments()
        .filter_map(|argument| argument.get_long().map(str::to_owned))
        .collect();
    assert_eq!(named, flags);
}

#[test]
fn the_readme_lists_every_exit_code() {
    let readme = read("README.md");
    for code in Code::ALL {
        let row = format!("| {} | ", code.number());
        assert!(readme.contains(&row), "{code:?} has no row {row:?}");
    }
}

#[test]
fn every_metric_that_the_code_names_is_declared() {
    let declared: BTreeSet<_> = metrics::ALL.iter().map(|metric| metric.name).collect();
    let mut files = Vec::new();
    sources(&project("src"), &mut files);
    let mut named = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        // A metric is a string of its own; a longer string that begins like one is not, nor a prefix.
        for string in text.split("\"polar_sync_").skip(1) {
            let Some((rest, _)) = string.split_once('"') else {
                continue;
            };
            if rest.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
                && !rest.is_empty()
                && !rest.ends_with('_')
            {
                let name = format!("polar_sync_{rest}");
                assert!(
                    declared.contains(name.as_str()),
                    "{name} of {} is not in the table",
                    file.display()
                );
                named.insert(name);
            }
        }
    }
    assert_eq!(
        named.len(),
        declared.len(),
        "the scan does not see the table itself"
    );
}

#[test]
fn the_readme_lists_every_metric() {
    let readme = read("README.md");
    for metric in metrics::ALL {
        let labels: Vec<_> = metric.labels.iter().map(|(name, _)| *name).collect();
        let shown = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let row = format!("| `{}{shown}` |", metric.name);
        assert!(readme.contains(&row), "the README lacks {row}");
    }
}

#[test]
fn deployments_name_only_settings_that_exist() {
    let known: BTreeSet<_> = keys_of_the_structs()
        .iter()
        .map(|key| variable(key))
        .collect();
    let files = [
        "deploy/Dockerfile",
        "deploy/compose.yaml",
        "deploy/compose.demo.yaml",
        "deploy/README.md",
        "deploy/systemd/polar-sync-api@.service",
        "deploy/systemd/polar-sync-scheduler.service",
        "deploy/systemd/polar-sync-worker@.service",
    ];
    for path in files {
        let text = read(path);
        let names: Vec<_> = text
            .split("POLAR_SYNC__")
            .skip(1)
            .map(|rest| {
                let name = rest
                    .split(|c: char| !c.is_ascii_uppercase() && c != '_')
                    .next()
                    .unwrap();
                format!("POLAR_SYNC__{name}")
            })
            .collect();
        assert!(!names.is_empty(), "{path} sets nothing");
        for name in names {
            let name = name.strip_suffix("_FILE").unwrap_or(&name);
            assert!(
                known.contains(name),
                "{path} sets {name}, which does not exist"
            );
        }
    }
}

#[test]
fn deployments_wait_longer_than_a_worker_drains() {
    let shown = load(&[]).shown();
    let drain = shown
        .iter()
        .find(|shown| shown.key == "worker.drain")
        .unwrap();
    let drain_s: u32 = drain
        .value
        .as_str()
        .unwrap()
        .trim_end_matches('s')
        .parse()
        .unwrap();
    let patience = [
        ("deploy/compose.yaml", "stop_grace_period: "),
        (
            "deploy/systemd/polar-sync-worker@.service",
            "TimeoutStopSec=",
        ),
        (
            "deploy/systemd/polar-sync-scheduler.service",
            "TimeoutStopSec=",
        ),
        ("deploy/systemd/polar-sync-api@.service", "TimeoutStopSec="),
    ];
    for (path, name) in patience {
        let text = read(path);
        let rest = text
            .split(name)
            .nth(1)
            .unwrap_or_else(|| panic!("{path} lacks {name}"));
        let patience_s: u32 = rest.split('s').next().unwrap().parse().unwrap();
        assert!(
            patience_s > drain_s,
            "{path} waits {patience_s} s, and a drain may take {drain_s} s"
        );
    }
}

/// Every row of the page on reliability names the tests that hold it, and there are such tests.
#[test]
fn every_promise_of_reliability_names_its_tests() {
    let mut files = Vec::new();
    sources(&project("src"), &mut files);
    sources(&project("tests"), &mut files);
    let code: Vec<_> = files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let page = read("deploy/RELIABILITY.md");
    let rows: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.ends_with("| Held by |"))
        .collect();
    assert!(rows.len() > 30, "{}", rows.len());
    for row in rows {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let tests: Vec<_> = cell
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| !name.contains(' '))
            .collect();
        assert!(!tests.is_empty(), "no test is named: {row}");
        for test in tests {
            let definition = format!("fn {test}(");
            assert!(
                code.iter().any(|text| text.contains(&definition)),
                "there is no test {test}: {row}"
            );
        }
    }
}

/// A law of a parser is checked by the suite, and a target of the same name hands it what a fuzzer comes up with.
#[test]
fn every_law_of_a_parser_is_fuzzed() {
    let names = |folder: &str| -> BTreeSet<String> {
        let files = fs::read_dir(project(folder)).unwrap();
        let names = files.map(|file| file.unwrap().path());
        let names = names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
        names.filter(|name| name != "mod").collect()
    };
    let targets = names("fuzz/fuzz_targets");
    assert_eq!(targets, names("tests/hostile/laws"));

    let manifest: toml::Table = read("fuzz/Cargo.toml").parse().unwrap();
    let listed = manifest["bin"].as_array().unwrap().iter().map(|bin| {
        let name = bin["name"].as_str().unwrap();
        let path = format!("fuzz_targets/{name}.rs");
        assert_eq!(bin["path"].as_str(), Some(path.as_str()));
        let text = read(&format!("fuzz/{path}"));
        assert!(
            text.contains(&format!("/hostile/laws/{name}.rs\"]")),
            "{name} fuzzes another law"
        );
        name.to_owned()
    });
    assert_eq!(listed.collect::<BTreeSet<_>>(), targets);
}

#[test]
fn every_folder_of_seeds_exists() {
    let script = read("scripts/fuzz");
    assert!(script.contains("for file in fuzz/fuzz_targets/*.rs"));
    let folder_of = |variable: &str| {
        let value = script.split(&format!("\n{variable}=")).nth(1).unwrap();
        value.lines().next().unwrap().to_owned()
    };
    let mut seeds = vec![folder_of("polar")];
    let hostile = folder_of("hostile");
    for rest in script.split("$hostile/").skip(1) {
        let end = rest.find([' ', '"', '*']).unwrap();
        seeds.push(format!("{hostile}/{}", rest[..end].trim_end_matches('/')));
    }
    for path in seeds {
        assert!(project(&path).exists(), "there is no {path}");
    }
}
