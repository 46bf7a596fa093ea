//! The architecture, held by a scan of the source: who may import whom, and who owns which foreign system.
//!
//! The scan reads text, not types: it sees `crate::module` and the names of foreign crates in code,
//! outside of comments. That is enough to stop what happens by accident.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Who may import whom. Reading from top to bottom, a module sees only what stands above it.
const IMPORTS: &[Module] = &[
    Module {
        name: "model",
        sees: &[],
        why: "the vocabulary that all others speak",
    },
    Module {
        name: "clock",
        sees: &[],
        why: "asks the system for the time, and nothing else",
    },
    Module {
        name: "config",
        sees: &["model"],
        why: "plumbing: values, not behaviour",
    },
    Module {
        name: "secret",
        sees: &["config"],
        why: "plumbing: seals under the configured keys",
    },
    Module {
        name: "telemetry",
        sees: &["config", "model"],
        why: "plumbing: everybody may report",
    },
    Module {
        name: "accesslink",
        sees: &["clock", "config", "model", "secret", "telemetry"],
        why: "Polar's HTTP API and nothing of ours: no store, no queue",
    },
    Module {
        name: "normalize",
        sees: &["accesslink", "model"],
        why: "pure, from wire to model: no I/O, no clock, no log",
    },
    Module {
        name: "store",
        sees: &["clock", "config", "model", "secret", "telemetry"],
        why: "opens database transactions, so it never sees accesslink: no network call within one",
    },
    Module {
        name: "queue",
        sees: &["clock", "config", "model", "telemetry"],
        why: "a lane compiles with any job, so it knows neither store nor sync",
    },
    Module {
        name: "connection",
        sees: &[
            "accesslink",
            "clock",
            "config",
            "model",
            "secret",
            "store",
            "telemetry",
        ],
        why: "returns what happened to a connection; it does not enqueue",
    },
    Module {
        name: "sync",
        sees: &[
            "accesslink",
            "clock",
            "config",
            "connection",
            "model",
            "normalize",
            "secret",
            "store",
            "telemetry",
        ],
        why: "returns an outcome; it does not enqueue",
    },
    Module {
        name: "job",
        sees: &[
            "accesslink",
            "clock",
            "config",
            "connection",
            "model",
            "queue",
            "secret",
            "store",
            "sync",
            "telemetry",
        ],
        why: "the only way to enqueue, and the handler that runs the pipeline",
    },
    Module {
        name: "schedule",
        sees: &[
            "accesslink",
            "clock",
            "config",
            "connection",
            "job",
            "model",
            "queue",
            "secret",
            "store",
            "telemetry",
        ],
        why: "enqueues; it never syncs inline",
    },
    Module {
        name: "http",
        sees: &[
            "accesslink",
            "clock",
            "config",
            "connection",
            "job",
            "model",
            "queue",
            "secret",
            "store",
            "telemetry",
        ],
        why: "enqueues; it never syncs inline",
    },
    Module {
        name: "cli",
        sees: &["config", "model"],
        why: "arguments as types, no behaviour",
    },
    Module {
        name: "exit",
        sees: &[
            "accesslink",
            "config",
            "connection",
            "job",
            "queue",
            "secret",
            "store",
            "sync",
            "telemetry",
        ],
        why: "knows the error types that mean the same everywhere",
    },
    Module {
        name: "ops",
        sees: &[
            "accesslink",
            "cli",
            "clock",
            "config",
            "connection",
            "exit",
            "job",
            "model",
            "queue",
            "schedule",
            "secret",
            "store",
            "telemetry",
        ],
        why: "enqueues; it never syncs inline",
    },
    Module {
        name: "role",
        sees: &[
            "accesslink",
            "cli",
            "clock",
            "config",
            "connection",
            "exit",
            "http",
            "job",
            "model",
            "normalize",
            "ops",
            "queue",
            "schedule",
            "secret",
            "store",
            "sync",
            "telemetry",
        ],
        why: "wires a process together, so it sees everything",
    },
];

/// Words that only the owner of a foreign system may use in code.
const OWNERS: &[Owner] = &[
    Owner {
        word: "sqlx::query",
        paths: &["store"],
        why: "every SQL statement is in store",
    },
    Owner {
        word: "PgPool",
        paths: &["store"],
        why: "a pool outside of store could hold a tx over a network call",
    },
    Owner {
        word: "redis::",
        paths: &["queue"],
        why: "every mention of Redis is in queue",
    },
    Owner {
        word: "apalis",
        paths: &["queue", "role"],
        why: "apalis is a shell around our lane; roles run its monitor",
    },
    Owner {
        word: "reqwest::",
        paths: &["accesslink"],
        why: "one client, with its limits, talks to Polar",
    },
    Owner {
        word: "env::var",
        paths: &["config"],
        why: "settings are read once, and all of them are known",
    },
    Owner {
        word: "Timestamp::now",
        paths: &["clock.rs"],
        why: "whoever decides by time takes a Clock",
    },
    Owner {
        word: "tracing::",
        paths: ANY_BUT_NORMALIZE,
        why: "normalize is pure: it returns what it cannot read",
    },
];

/// The folders that may log: all of them but `normalize` and the plain vocabulary.
const ANY_BUT_NORMALIZE: &[&str] = &[
    "accesslink",
    "connection",
    "http",
    "job",
    "main.rs",
    "ops",
    "queue",
    "role",
    "schedule",
    "store",
    "sync",
    "telemetry",
];

/// Files below a folder that opens database transactions, which must not reach Polar.
const NEVER_POLAR: &[&str] = &["store", "sync/record.rs"];

/// The longest file: what is longer holds more than one noun.
const FILE_LINES_MAX: usize = 500;

struct Module {
    name: &'static str,
    sees: &'static [&'static str],
    why: &'static str,
}

struct Owner {
    word: &'static str,
    paths: &'static [&'static str],
    why: &'static str,
}

/// A source file: its path below `src`, and its code without comments and tests.
struct File {
    path: String,
    code: String,
    lines: usize,
}

impl File {
    fn is_below(&self, folder: &str) -> bool {
        self.path == folder || self.path.starts_with(&format!("{folder}/"))
    }

    /// The top-level module, for example `store`.
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    fn is_simulator(&self) -> bool {
        self.is_below("bin")
    }
}

fn files_below(folder: &str) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    let file = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let path = path
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        File {
            path,
            code: code_of(&text),
            lines: text.lines().count(),
        }
    };
    paths.into_iter().map(file).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// What is compiled into the program: no comment lines, and nothing from the tests on, which stand last.
fn code_of(text: &str) -> String {
    let program = text
        .lines()
        .take_while(|line| line.trim() != "#[cfg(test)]");
    let code = program.filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// The modules of this crate that `code` names, as `crate::name` or within `use crate::{...}`.
fn imports_of(code: &str) -> BTreeSet<String> {
    let mut imports = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            imports.extend(heads_of(group));
        } else {
            imports.insert(word_at(rest));
        }
    }
    imports
}

/// The first words of a `{...}` group, without what is nested in it.
fn heads_of(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut at_head) = (0, Vec::new(), true);
    for (index, character) in group.char_indices() {
        match character {
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            '{' => depth += 1,
            ',' if depth == 0 => at_head = true,
            character if at_head && depth == 0 && !character.is_whitespace() => {
                heads.push(word_at(&group[index..]));
                at_head = false;
            }
            _ => {}
        }
    }
    heads
}

fn word_at(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect()
}

#[test]
fn imports_only_go_downwards() {
    let table: BTreeMap<_, _> = IMPORTS.iter().map(|module| (module.name, module)).collect();
    let mut checked = 0;
    for file in files_below("src")
        .iter()
        .filter(|file| !file.is_simulator())
    {
        if ["lib", "main"].contains(&file.module()) {
            continue;
        }
        let module = table.get(file.module());
        let module = module.unwrap_or_else(|| panic!("{} is in no row of the table", file.path));
        for import in imports_of(&file.code)
            .iter()
            .filter(|import| table.contains_key(import.as_str()))
        {
            let allowed = import == module.name || module.sees.contains(&import.as_str());
            assert!(
                allowed,
                "src/{} imports {import}; {}: {}",
                file.path, module.name, module.why
            );
            checked += 1;
        }
    }
    assert!(checked > 10, "the scan saw only {checked} imports");
}

#[test]
fn the_table_has_no_circle() {
    for (index, module) in IMPORTS.iter().enumerate() {
        for seen in module.sees {
            let above = IMPORTS[..index].iter().any(|other| other.name == *seen);
            assert!(
                above,
                "{} sees {seen}, which does not stand above it",
                module.name
            );
        }
    }
}

#[test]
fn each_foreign_system_has_one_owner() {
    for file in files_below("src")
        .iter()
        .filter(|file| !file.is_simulator())
    {
        for owner in OWNERS.iter().filter(|owner| file.code.contains(owner.word)) {
            let owns = owner.paths.iter().any(|path| file.is_below(path));
            assert!(owns, "src/{} uses {}; {}", file.path, owner.word, owner.why);
        }
    }
}

#[test]
fn what_opens_a_tx_never_reaches_polar() {
    for file in files_below("src") {
        if NEVER_POLAR.iter().any(|path| file.is_below(path)) {
            let imports = imports_of(&file.code);
            assert!(
                !imports.contains("accesslink"),
                "src/{} imports accesslink",
                file.path
            );
        }
    }
}

#[test]
fn the_simulator_shares_nothing_with_the_program() {
    for file in files_below("src").iter().filter(|file| file.is_simulator()) {
        assert!(
            !file.code.contains("polar_sync::"),
            "src/{} imports the program",
            file.path
        );
    }
}

#[test]
fn a_file_holds_one_noun() {
    for folder in ["src", "tests", "benches"] {
        for file in files_below(folder) {
            assert!(
                file.lines <= FILE_LINES_MAX,
                "{folder}/{} has {} lines",
                file.path,
                file.lines
            );
        }
    }
}

#[test]
fn tests_await_signals_instead_of_sleeping() {
    // Written apart, so that this file does not find itself.
    let sleep = ["sle", "ep("].concat();
    for file in files_below("tests") {
        assert!(!file.code.contains(&sleep), "tests/{} sleeps", file.path);
    }
}

#[test]
fn the_scan_sees_what_it_must() {
    let code = code_of(
        "// use crate::commented;\nuse crate::{\n    store::{Store, Tx},\n    model::Kind, sync,\n};\nfn f() -> crate::clock::Clock {}\n#[cfg(test)]\nmod tests { use crate::hidden; }",
    );
    let expected = ["clock", "model", "store", "sync"].map(str::to_owned);
    assert_eq!(imports_of(&code), BTreeSet::from(expected));
}
