//! The architecture as data: who may import whom, who owns which foreign system, and why.

pub(crate) struct Module {
    pub(crate) name: &'static str,
    pub(crate) sees: &'static [&'static str],
    pub(crate) why: &'static str,
}

pub(crate) struct Owner {
    pub(crate) word: &'static str,
    pub(crate) paths: &'static [&'static str],
    pub(crate) why: &'static str,
}

/// Who may import whom. Reading from top to bottom, a module sees only what stands above it.
pub(crate) const IMPORTS: &[Module] = &[
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
            "http",
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
            "queue",
            "schedule",
            "secret",
            "store",
            "sync",
            "telemetry",
        ],
        why: "wires a process together, so it sees everything but commands",
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
            "http",
            "job",
            "model",
            "normalize",
            "queue",
            "role",
            "schedule",
            "secret",
            "store",
            "telemetry",
        ],
        why: "enqueues; it never syncs inline. It stands on the same ground as a role, and an audit compares what Polar \
              shows as records",
    },
];

/// Words that only the owner of a foreign system may use in code.
pub(crate) const OWNERS: &[Owner] = &[
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
        paths: &["queue", "ops/servers"],
        why: "every mention of Redis is in queue; ops/servers only starts one",
    },
    Owner {
        word: "apalis",
        paths: &["queue", "role"],
        why: "apalis is a shell around our lane; roles run its monitor",
    },
    Owner {
        word: "reqwest::",
        paths: &["accesslink", "ops/demo/loopback.rs"],
        why: "one client, with its limits, talks to Polar; the demo plays a user's browser on loopback",
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
pub(crate) const NEVER_POLAR: &[&str] = &["store", "sync/record.rs"];

/// The longest file: what is longer holds more than one noun.
pub(crate) const FILE_LINES_MAX: usize = 500;
