//! What Polar does wrong while a round lasts: about every fifth request is spoilt.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::processes::Sim;

/// Reads that may be slow. Not a create: where Polar adds to an open transaction, a create that is late adds to
/// what another worker is about to commit, and nobody can guard against that.
const SLOW: [&str; 6] = [
    "exercise.list",
    "exercise.item",
    "exercise.sample",
    "activity.item",
    "sleep.list",
    "users.get",
];

/// Calls whose token may be refused although it is good; not the one that tells the truth about a user.
const REFUSED: [&str; 3] = ["exercise.list", "activity.item", "sleep.list"];

/// Kinds that are committed.
const COMMITTED: [&str; 3] = ["exercise", "activity", "physical_information"];

/// Begins to spoil requests. The first fault of the list that hits wins.
pub(crate) async fn begin(sim: &Sim) {
    for kind in COMMITTED {
        let commit = format!("{kind}.commit");
        let lost = json!({ "type": "reset", "after_bytes": 0 });
        add(sim, "answer of a commit lost", &commit, "after", 0.15, lost).await;
        let late = json!({ "type": "delay", "ms": 1_500 });
        add(sim, "commit late", &commit, "before", 0.05, late).await;
        let create = format!("{kind}.create");
        let lost = json!({ "type": "reset", "after_bytes": 0 });
        add(sim, "answer of a create lost", &create, "after", 0.08, lost).await;
    }
    for operation in SLOW {
        let slow = json!({ "type": "delay", "ms": 1_200 });
        add(sim, "slow", operation, "before", 0.04, slow).await;
    }
    for operation in REFUSED {
        let refused = json!({ "type": "status", "status": 401 });
        add(sim, "false 401", operation, "before", 0.03, refused).await;
    }
    let pause = json!({ "type": "status", "status": 429, "headers": { "retry-after": "1" } });
    add(sim, "429", "*", "before", 0.002, pause).await;
    for (name, probability, action) in [
        ("500", 0.03, json!({ "type": "status", "status": 500 })),
        ("503", 0.03, json!({ "type": "status", "status": 503 })),
        (
            "connection reset",
            0.035,
            json!({ "type": "reset", "after_bytes": 20 }),
        ),
        (
            "body cut off",
            0.035,
            json!({ "type": "truncate", "after_bytes": 30 }),
        ),
        ("HTML", 0.03, json!({ "type": "html" })),
    ] {
        add(sim, name, "*", "before", probability, action).await;
    }
}

async fn add(sim: &Sim, name: &str, operation: &str, when: &str, probability: f64, action: Value) {
    let fault = json!({
        "id": format!("{name}/{operation}"), "op": operation, "when": when, "times": null,
        "probability": probability, "action": action,
    });
    sim.post("/faults", fault).await;
}

/// Spoils nothing any more; how often each fault hit is added to `hits`.
pub(crate) async fn end(sim: &Sim, hits: &mut BTreeMap<String, u64>) {
    let faults = sim.get("/faults").await;
    for fault in faults["faults"].as_array().unwrap() {
        let (name, _) = fault["id"].as_str().unwrap().split_once('/').unwrap();
        *hits.entry(name.to_owned()).or_default() += fault["hits"].as_u64().unwrap();
    }
    sim.delete("/faults").await;
}
