//! The script of faults: what goes wrong with which request.
//!
//! A fault waits in the list until a request matches it, and then spoils that request before or after it takes
//! effect. The first match of the list wins. To add an action, add it to [`Action`] and to `api/spoil.rs`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::lock::lock;
use crate::world::Rng;

/// A fault as it is posted to the control port.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultSpec {
    #[serde(default)]
    pub(crate) id: String,
    /// An operation, or a prefix of one with `*`.
    op: String,
    #[serde(default)]
    user: Option<u64>,
    #[serde(default)]
    path_contains: Option<String>,
    /// Matching requests to leave alone first.
    #[serde(default)]
    skip: u64,
    /// Requests to spoil; null for all from now on.
    #[serde(default = "once")]
    times: Option<u64>,
    #[serde(default = "always")]
    probability: f64,
    #[serde(default)]
    pub(crate) when: When,
    pub(crate) action: Action,
}

/// Whether the request still takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum When {
    /// The request has no effect, except where the action only makes it wait.
    #[default]
    Before,
    /// The request takes effect, and then its answer is spoilt.
    After,
}

/// What goes wrong.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Action {
    /// This status with these headers and this body.
    Status {
        status: u16,
        #[serde(default)]
        headers: Map<String, Value>,
        #[serde(default)]
        body: String,
    },
    /// The answer comes late.
    Delay { ms: u64 },
    /// The answer never comes.
    Hang,
    /// The connection breaks within the body.
    Reset { after_bytes: usize },
    /// The body ends too early, as if that were all.
    Truncate { after_bytes: usize },
    /// A page for people, with status 200.
    Html,
    /// This body with status 200.
    Body {
        body: String,
        #[serde(default = "json_type")]
        content_type: String,
    },
    /// URLs in the answer point to another host.
    ForeignUrl,
    /// A redirect to this location.
    Redirect { location: String },
    /// A body of this size.
    Huge { bytes: usize },
    /// The request waits until the fault is released.
    Hold,
}

/// What a fault is matched with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) op: &'static str,
    pub(crate) user: Option<u64>,
    pub(crate) path: &'a str,
}

/// A fault that has hit a request.
#[derive(Debug)]
pub(crate) struct Hit {
    pub(crate) when: When,
    pub(crate) action: Action,
    gate: watch::Receiver<Gate>,
    turnstile: watch::Sender<Gate>,
}

/// How many requests a fault holds, and whether it lets them go.
#[derive(Debug, Clone, Copy, Default)]
struct Gate {
    held: u64,
    open: bool,
}

#[derive(Debug)]
struct Fault {
    spec: FaultSpec,
    seen: u64,
    hits: u64,
    gate: watch::Sender<Gate>,
}

/// All faults that were posted and not deleted.
#[derive(Debug)]
pub(crate) struct Faults {
    list: Mutex<List>,
    /// Length of the list, to be read without its lock by the many requests that meet no fault.
    count: AtomicUsize,
}

#[derive(Debug)]
struct List {
    faults: Vec<Fault>,
    next_id: u64,
    rng: Rng,
}

impl Faults {
    /// No faults yet; probabilities are drawn from this seed.
    pub(crate) fn new(seed: u64) -> Self {
        let list = List {
            faults: Vec::new(),
            next_id: 1,
            rng: Rng::of(&[seed, 0xFA]),
        };
        Self {
            list: Mutex::new(list),
            count: AtomicUsize::new(0),
        }
    }

    /// Adds a fault and returns its id; one with the same id is replaced.
    pub(crate) fn add(&self, mut spec: FaultSpec) -> String {
        let mut list = lock(&self.list);
        if spec.id.is_empty() {
            spec.id = format!("fault-{}", list.next_id);
            list.next_id += 1;
        }
        let id = spec.id.clone();
        list.faults.retain(|fault| fault.spec.id != id);
        let gate = watch::Sender::new(Gate::default());
        list.faults.push(Fault {
            spec,
            seen: 0,
            hits: 0,
            gate,
        });
        self.count.store(list.faults.len(), Ordering::Relaxed);
        id
    }

    /// Deletes one fault, or all; requests that they hold go on.
    pub(crate) fn remove(&self, id: Option<&str>) -> bool {
        let mut list = lock(&self.list);
        let before = list.faults.len();
        for fault in list
            .faults
            .iter()
            .filter(|fault| id.is_none_or(|id| fault.spec.id == id))
        {
            fault.open();
        }
        list.faults
            .retain(|fault| id.is_some_and(|id| fault.spec.id != id));
        self.count.store(list.faults.len(), Ordering::Relaxed);
        list.faults.len() < before
    }

    /// Lets the held requests of a fault go; it holds no further ones.
    pub(crate) fn release(&self, id: &str) -> bool {
        let list = lock(&self.list);
        let fault = list.faults.iter().find(|fault| fault.spec.id == id);
        fault.inspect(|fault| fault.open()).is_some()
    }

    /// Waits until a fault holds a request; none where there is no such fault or time runs out.
    pub(crate) async fn held(&self, id: &str, limit: Duration) -> Option<u64> {
        let mut gate = {
            let list = lock(&self.list);
            list.faults
                .iter()
                .find(|fault| fault.spec.id == id)?
                .gate
                .subscribe()
        };
        let held = tokio::time::timeout(limit, gate.wait_for(|gate| gate.held > 0)).await;
        held.ok()?.ok().map(|gate| gate.held)
    }

    /// The fault that this request runs into.
    pub(crate) fn hit(&self, subject: Subject<'_>) -> Option<Hit> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut list = lock(&self.list);
        let List { faults, rng, .. } = &mut *list;
        faults.iter_mut().find_map(|fault| fault.hit(subject, rng))
    }

    /// All faults with how often each hit.
    pub(crate) fn to_json(&self) -> Value {
        let list = lock(&self.list);
        let one = |fault: &Fault| {
            let mut entry = serde_json::to_value(&fault.spec).unwrap_or_default();
            entry["hits"] = fault.hits.into();
            entry["held"] = fault.gate.borrow().held.into();
            entry
        };
        list.faults.iter().map(one).collect()
    }
}

impl Fault {
    fn hit(&mut self, subject: Subject<'_>, rng: &mut Rng) -> Option<Hit> {
        let spec = &self.spec;
        let matches = op_matches(&spec.op, subject.op)
            && (spec.user.is_none() || spec.user == subject.user)
            && spec
                .path_contains
                .as_ref()
                .is_none_or(|part| subject.path.contains(part))
            && spec.times.is_none_or(|times| self.hits < times)
            && !self.gate.borrow().open;
        if !matches {
            return None;
        }
        self.seen += 1;
        if self.seen <= spec.skip || !rng.chance(spec.probability) {
            return None;
        }
        self.hits += 1;
        let (when, action) = (spec.when, spec.action.clone());
        Some(Hit {
            when,
            action,
            gate: self.gate.subscribe(),
            turnstile: self.gate.clone(),
        })
    }

    fn open(&self) {
        self.gate.send_modify(|gate| gate.open = true);
    }
}

impl Hit {
    /// Whether the action only makes the request wait and leaves its answer whole.
    pub(crate) fn only_waits(&self) -> bool {
        matches!(self.action, Action::Delay { .. } | Action::Hold)
    }

    /// Waits until the fault is released.
    pub(crate) async fn wait_for_release(&mut self) {
        self.turnstile.send_modify(|gate| gate.held += 1);
        // An error would mean that no sender is left, but this hit holds one itself.
        _ = self.gate.wait_for(|gate| gate.open).await;
        self.turnstile.send_modify(|gate| gate.held -= 1);
    }
}

/// Whether the pattern, an operation or a prefix with `*`, means this operation.
pub(crate) fn op_matches(pattern: &str, op: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == op, |prefix| op.starts_with(prefix))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the default of a field that may be null"
)]
fn once() -> Option<u64> {
    Some(1)
}

fn always() -> f64 {
    1.0
}

fn json_type() -> String {
    "application/json".to_owned()
}
