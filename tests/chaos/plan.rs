//! What a campaign does and when: a pure function of its seed and its length.

use std::{collections::VecDeque, time::Duration};

/// Accounts of the campaign. Small ones: there is always work, and none of it takes long.
pub(crate) const USERS: u32 = 40;

/// Of these, so many are not registered with Polar when the campaign begins, so that workers register them
/// under fire. Nobody uploads anything for them.
pub(crate) const UNREGISTERED: u32 = 8;

/// Processes that schedule: one leads, one stands by.
pub(crate) const SCHEDULERS: usize = 2;

/// Processes that work.
pub(crate) const WORKERS: usize = 4;

/// The length of a round of a campaign; a shorter campaign has one round.
const ROUND: Duration = Duration::from_mins(1);

/// About how long a round takes from the end of its steps until everything was checked.
const SETTLING: Duration = Duration::from_secs(20);

/// Between two disturbances.
const DISTURBANCE_EVERY_MS: (u64, u64) = (700, 2_500);

/// Between two uploads.
const UPLOAD_EVERY_MS: (u64, u64) = (80, 320);

/// Between two requests of a platform.
const REQUEST_EVERY_MS: (u64, u64) = (300, 1_500);

/// A freeze: beyond the lease of 10 s, and often beyond the 15 s after which its entries are claimed.
const FREEZE_MS: (u64, u64) = (11_000, 18_000);

/// From a kill to the next start.
const DOWN_MS: (u64, u64) = (200, 4_000);

/// From SIGTERM to the next start; the end is awaited.
const DRAIN_MS: (u64, u64) = (2_000, 6_000);

/// How long Redis does not answer.
const SILENCE_MS: (u64, u64) = (500, 6_000);

/// How often each disturbance is chosen. Each comes once in a round before any comes again.
const WEIGHTS: [(Disturbance, u64); 11] = [
    (Disturbance::KillWorker, 6),
    (Disturbance::KillScheduler, 2),
    (Disturbance::FreezeWorker, 4),
    (Disturbance::FreezeScheduler, 2),
    (Disturbance::StopWorker, 2),
    (Disturbance::StopScheduler, 1),
    (Disturbance::RestartRedis, 1),
    (Disturbance::FlushRedis, 2),
    (Disturbance::FreezeRedis, 1),
    (Disturbance::PauseRedis, 1),
    (Disturbance::CrashPostgres, 2),
];

/// What nobody knows of Polar, and what it may do: each round draws one of each.
const SWITCHES: [(&str, &[&str]); 6] = [
    (
        "second_create",
        &["204", "same-id", "same-id-more-items", "new-id"],
    ),
    ("expired_resource", &["404", "204"]),
    ("late_put", &["no-op-404", "no-op-204", "deletes"]),
    ("put_answer", &["200", "204", "404"]),
    ("activity_reoffer", &["new-id", "same-id"]),
    ("retry_after", &["off", "on"]),
];

/// What is done to the processes and their servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Disturbance {
    /// `kill -9`, and a new start.
    KillWorker,
    /// `kill -9`, and a new start.
    KillScheduler,
    /// SIGSTOP, and SIGCONT when the lease is over.
    FreezeWorker,
    /// SIGSTOP, and SIGCONT when the lease is over.
    FreezeScheduler,
    /// SIGTERM, and a new start.
    StopWorker,
    /// SIGTERM, and a new start.
    StopScheduler,
    /// `kill -9`, and a new start.
    RestartRedis,
    /// FLUSHALL.
    FlushRedis,
    /// SIGSTOP, and SIGCONT.
    FreezeRedis,
    /// CLIENT PAUSE.
    PauseRedis,
    /// An immediate shutdown, and a new start.
    CrashPostgres,
}

impl Disturbance {
    /// Whether a process stands still, and goes on as if nothing had been.
    const fn is_a_freeze(self) -> bool {
        matches!(self, Self::FreezeWorker | Self::FreezeScheduler)
    }

    /// As the report calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::KillWorker => "kill -9 of a worker",
            Self::KillScheduler => "kill -9 of a scheduler",
            Self::FreezeWorker => "SIGSTOP of a worker",
            Self::FreezeScheduler => "SIGSTOP of a scheduler",
            Self::StopWorker => "SIGTERM of a worker",
            Self::StopScheduler => "SIGTERM of a scheduler",
            Self::RestartRedis => "kill -9 of Redis",
            Self::FlushRedis => "FLUSHALL",
            Self::FreezeRedis => "SIGSTOP of Redis",
            Self::PauseRedis => "CLIENT PAUSE",
            Self::CrashPostgres => "crash of Postgres",
        }
    }
}

/// What a person's watch uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upload {
    /// A new session of so many seconds.
    Session { duration_s: u64 },
    /// New calories of a session that was uploaded before, or a new session where there is none.
    Edit { calories: u64 },
    /// Last night, or a new score of it.
    Night,
    /// Today's activity, or more of it.
    Activity,
    /// A weighing.
    Weight { weight_kg: u64 },
}

/// What is done at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A process is disturbed: its number, schedulers first.
    Process(Disturbance, usize),
    /// A process that was killed or stopped is started again.
    Start(usize),
    /// A frozen process goes on.
    Thaw(usize),
    /// A server is disturbed.
    Server(Disturbance),
    /// Redis does not answer for so long.
    Silence(Disturbance, Duration),
    /// Redis goes on.
    ThawRedis,
    /// A watch of this user uploads something.
    Upload(u32, Upload),
    /// The platform asks for a sync of this user, whether a person waits for it or not.
    Request(u32, bool),
}

/// An action with its moment, counted from the beginning of the round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) at: Duration,
    pub(crate) action: Action,
}

/// Disturbances, after which everything has to be in step again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Round {
    /// How the simulator behaves.
    pub(crate) switches: Vec<(&'static str, &'static str)>,
    /// In their order.
    pub(crate) steps: Vec<Step>,
}

/// A campaign.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) rounds: Vec<Round>,
}

impl Plan {
    /// The plan of a campaign of about this length.
    pub(crate) fn new(seed: u64, length: Duration) -> Self {
        let mut dice = Dice::new(seed);
        let rounds = (length.as_secs() / (ROUND + SETTLING).as_secs()).max(1);
        let lasts = length.saturating_sub(SETTLING).min(ROUND);
        let rounds = (0..rounds).map(|_| Round::new(&mut dice, lasts)).collect();
        Self { rounds }
    }
}

impl Round {
    fn new(dice: &mut Dice, lasts: Duration) -> Self {
        let switches = SWITCHES.map(|(key, values)| (key, *dice.one_of(values)));
        let mut steps = uploads(dice, lasts);
        steps.extend(requests(dice, lasts));
        steps.extend(disturbances(dice, lasts));
        steps.sort_by_key(|step| step.at);
        Self {
            switches: switches.to_vec(),
            steps,
        }
    }
}

fn uploads(dice: &mut Dice, lasts: Duration) -> Vec<Step> {
    let upload = |dice: &mut Dice| {
        let user = dice.below(u64::from(USERS - UNREGISTERED));
        let upload = match dice.below(10) {
            0..=3 => Upload::Session {
                duration_s: 30 + dice.below(120),
            },
            4 | 5 => Upload::Edit {
                calories: 1 + dice.below(4_000),
            },
            6 => Upload::Night,
            7 | 8 => Upload::Activity,
            _ => Upload::Weight {
                weight_kg: 50 + dice.below(60),
            },
        };
        Action::Upload(user_number(user), upload)
    };
    every(dice, lasts, UPLOAD_EVERY_MS, upload)
}

fn requests(dice: &mut Dice, lasts: Duration) -> Vec<Step> {
    let request = |dice: &mut Dice| {
        let user = dice.below(u64::from(USERS));
        Action::Request(user_number(user), dice.below(2) == 0)
    };
    every(dice, lasts, REQUEST_EVERY_MS, request)
}

fn every(
    dice: &mut Dice,
    lasts: Duration,
    pause_ms: (u64, u64),
    action: impl Fn(&mut Dice) -> Action,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = dice.between(pause_ms);
    while at < lasts {
        let action = action(dice);
        steps.push(Step { at, action });
        at += dice.between(pause_ms);
    }
    steps
}

fn disturbances(dice: &mut Dice, lasts: Duration) -> Vec<Step> {
    let mut scene = Scene::new(lasts);
    let mut unseen = WEIGHTS.map(|(disturbance, _)| disturbance);
    dice.shuffle(&mut unseen);
    // What takes longest has to begin early.
    unseen.sort_by_key(|disturbance| !disturbance.is_a_freeze());
    let mut unseen = VecDeque::from(unseen);
    let mut at = dice.between(DISTURBANCE_EVERY_MS);
    while at < lasts {
        let next = unseen.pop_front();
        let disturbance = next.unwrap_or_else(|| dice.weighed(&WEIGHTS));
        // Where nobody is there to be disturbed like that, it has its turn later.
        let is_done = scene.add(dice, at, disturbance);
        unseen.extend(next.filter(|_| !is_done));
        at += dice.between(DISTURBANCE_EVERY_MS);
    }
    scene.steps
}

/// Who can be disturbed when: whoever is down or frozen cannot.
struct Scene {
    lasts: Duration,
    processes_free_from: [Duration; SCHEDULERS + WORKERS],
    redis_free_from: Duration,
    steps: Vec<Step>,
}

impl Scene {
    fn new(lasts: Duration) -> Self {
        Self {
            lasts,
            processes_free_from: [Duration::ZERO; SCHEDULERS + WORKERS],
            redis_free_from: Duration::ZERO,
            steps: Vec::new(),
        }
    }

    /// Adds a disturbance, if there is somebody to be disturbed.
    fn add(&mut self, dice: &mut Dice, at: Duration, disturbance: Disturbance) -> bool {
        match disturbance {
            Disturbance::KillWorker | Disturbance::KillScheduler => {
                self.disturb(dice, at, disturbance, DOWN_MS)
            }
            Disturbance::StopWorker | Disturbance::StopScheduler => {
                self.disturb(dice, at, disturbance, DRAIN_MS)
            }
            Disturbance::FreezeWorker | Disturbance::FreezeScheduler => {
                self.disturb(dice, at, disturbance, FREEZE_MS)
            }
            Disturbance::RestartRedis | Disturbance::FlushRedis => {
                let is_there = at >= self.redis_free_from;
                if is_there {
                    self.step(at, Action::Server(disturbance));
                }
                is_there
            }
            Disturbance::FreezeRedis | Disturbance::PauseRedis => {
                let lasts = dice.between(SILENCE_MS);
                let is_there = at >= self.redis_free_from && at + lasts < self.lasts;
                if is_there {
                    self.step(at, Action::Silence(disturbance, lasts));
                    self.redis_free_from = at + lasts;
                    if disturbance == Disturbance::FreezeRedis {
                        self.step(at + lasts, Action::ThawRedis);
                    }
                }
                is_there
            }
            Disturbance::CrashPostgres => {
                self.step(at, Action::Server(disturbance));
                true
            }
        }
    }

    /// Disturbs a process, if one is there, and brings it back.
    fn disturb(
        &mut self,
        dice: &mut Dice,
        at: Duration,
        disturbance: Disturbance,
        pause_ms: (u64, u64),
    ) -> bool {
        let taken = self.take(dice, at, disturbance, pause_ms);
        if let Some((process, until)) = taken {
            self.step(at, Action::Process(disturbance, process));
            let back = if disturbance.is_a_freeze() {
                Action::Thaw(process)
            } else {
                Action::Start(process)
            };
            self.step(until, back);
        }
        taken.is_some()
    }

    /// A process that is there at this moment, taken out until another.
    fn take(
        &mut self,
        dice: &mut Dice,
        at: Duration,
        disturbance: Disturbance,
        pause_ms: (u64, u64),
    ) -> Option<(usize, Duration)> {
        let candidates = match disturbance {
            Disturbance::KillScheduler
            | Disturbance::FreezeScheduler
            | Disturbance::StopScheduler => 0..SCHEDULERS,
            _ => SCHEDULERS..SCHEDULERS + WORKERS,
        };
        let until = at + dice.between(pause_ms);
        let free: Vec<_> = candidates
            .filter(|process| self.processes_free_from[*process] <= at)
            .collect();
        if free.is_empty() || until >= self.lasts {
            return None;
        }
        let process = *dice.one_of(&free);
        self.processes_free_from[process] = until;
        Some((process, until))
    }

    fn step(&mut self, at: Duration, action: Action) {
        self.steps.push(Step { at, action });
    }
}

/// Random numbers that are the same in every version of every library: `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.bits() % limit
    }

    fn between(&mut self, (min_ms, max_ms): (u64, u64)) -> Duration {
        Duration::from_millis(min_ms + self.below(max_ms - min_ms + 1))
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.index(end + 1));
        }
    }

    fn weighed<T: Copy>(&mut self, choices: &[(T, u64)]) -> T {
        let total = choices.iter().map(|(_, weight)| weight).sum();
        let mut left = self.below(total);
        let chosen = choices.iter().find(|(_, weight)| {
            let is_it = left < *weight;
            left = left.saturating_sub(*weight);
            is_it
        });
        chosen.expect("the weights' sum is the limit").0
    }
}

fn user_number(number: u64) -> u32 {
    u32::try_from(number).expect("below the number of users")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SHORT: Duration = Duration::from_secs(55);

    #[test]
    fn a_plan_is_a_pure_function_of_seed_and_length() {
        let long = Duration::from_mins(10);
        assert_eq!(Plan::new(7, long), Plan::new(7, long));
        assert_ne!(Plan::new(7, long), Plan::new(8, long));
        assert_eq!(Plan::new(7, long).rounds.len(), 7);
    }

    #[test]
    fn the_shortest_campaign_has_every_disturbance() {
        for seed in 0..50 {
            let plan = Plan::new(seed, SHORT);
            let steps = plan.rounds.iter().flat_map(|round| &round.steps);
            let seen: BTreeSet<_> = steps
                .filter_map(|step| match step.action {
                    Action::Process(disturbance, _)
                    | Action::Server(disturbance)
                    | Action::Silence(disturbance, _) => Some(disturbance),
                    _ => None,
                })
                .collect();
            assert_eq!(seen.len(), WEIGHTS.len(), "seed {seed}: {seen:?}");
        }
    }

    #[test]
    fn who_is_down_or_frozen_is_brought_back_before_it_is_disturbed_again() {
        for seed in 0..50 {
            for round in Plan::new(seed, Duration::from_mins(4)).rounds {
                let mut away = [false; SCHEDULERS + WORKERS];
                for step in round.steps {
                    match step.action {
                        Action::Process(_, process) => {
                            assert!(!std::mem::replace(&mut away[process], true), "{seed}");
                        }
                        Action::Start(process) | Action::Thaw(process) => {
                            assert!(std::mem::replace(&mut away[process], false), "{seed}");
                        }
                        _ => {}
                    }
                }
                assert_eq!(away, [false; SCHEDULERS + WORKERS]);
            }
        }
    }
}
