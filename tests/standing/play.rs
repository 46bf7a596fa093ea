//! Plays all cases at once, each with a user of its own, to two workers and a scheduler.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use futures::stream::{self, StreamExt as _};
use jiff::SignedDuration;
use polar_sync::clock::Clock;
use rstest::rstest;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, Row as _};

use super::{
    case::{Answer, Case, Expiry, ROUNDS, Refresh, Round},
    oracle::{End, Foretold, cases},
    polar::{Office, Polar, user},
    world::World,
};

/// Users in good standing beside hundreds of cases, whom Polar accepts whenever a refusal is weighed. Witnesses are
/// drawn from everybody who is active, users with a case included; a doubt that comes of an unlucky draw is resolved by
/// looking again.
const WITNESSES: usize = 150;

/// As many as a case needs that is alone.
const WITNESSES_OF_ONE: usize = 10;

/// Draws of three witnesses until one of them stands well, at worst.
const DOUBTS_MAX: usize = 12;

/// Fewer cases than this would be a slip of the oracle's.
const CASES_MIN: usize = 400;

/// Differences that a failure tells of.
const DIFFERENCES_SHOWN: usize = 20;

/// Users who are connected at once.
const CONNECTING: usize = 4;

/// What failed is not tried again by itself in the middle of a round.
const NO_RETRIES: &str = "
    CREATE FUNCTION put_off() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.next_due_at := polar_sync.now() + interval '1 day';
        RETURN NEW;
    END $$;
    CREATE TRIGGER put_off BEFORE UPDATE ON polar_sync.kind_state
    FOR EACH ROW WHEN (NEW.due_cause = 'retry') EXECUTE FUNCTION put_off()";

/// Brings the time of the next look: what was suspected, or waits for a consent, has been so for long enough.
const AGE: &str = "
    UPDATE polar_sync.connection SET recheck_at = polar_sync.now(),
        suspect_since = suspect_since - interval '11 minutes'
    WHERE state IN ('suspect', 'consent_required')";

/// As above, for those alone whom no witness spoke for or against.
const AGE_DOUBTS: &str = "
    UPDATE polar_sync.connection SET recheck_at = polar_sync.now(),
        suspect_since = suspect_since - interval '11 minutes'
    WHERE state = 'suspect' AND state_reason IN ('held', 'unknown')";

const DOUBTS: &str = "SELECT count(*) FROM polar_sync.connection
    WHERE state = 'suspect' AND state_reason IN ('held', 'unknown')";

/// What is under way: open requests, unless they are held until a suspect is looked at again; runs; looks that are due;
/// events that are not published.
const UNDER_WAY: &str = "SELECT
    (SELECT count(*) FROM polar_sync.sync_request r JOIN polar_sync.connection c USING (connection_id)
     WHERE r.state = 'running' OR r.state = 'open' AND (c.state <> 'suspect' OR c.recheck_at <= polar_sync.now()))
    + (SELECT count(*) FROM polar_sync.sync_state WHERE lease_until IS NOT NULL)
    + (SELECT count(*) FROM polar_sync.connection
       WHERE state IN ('suspect', 'consent_required') AND recheck_at <= polar_sync.now())
    + (SELECT count(*) FROM polar_sync.event)";

const STANDINGS: &str = "SELECT c.user_id, c.state, coalesce(c.state_reason, ''), p.attempts, p.consent,
        s.last_success_at IS NOT NULL
    FROM polar_sync.connection c
    JOIN polar_sync.kind_state p ON p.connection_id = c.connection_id AND p.kind = 'physical_information'
    JOIN polar_sync.kind_state s ON s.connection_id = c.connection_id AND s.kind = 'sleep'";

/// A world in which every case has a user of its own.
struct Stage {
    world: World,
    polar: Arc<Polar>,
    cases: Vec<Foretold>,
    doubts: usize,
}

impl Stage {
    async fn set(cases: Vec<Foretold>, witnesses: usize) -> Self {
        let polar = Polar::new(&cases);
        let origin = polar.listen().await;
        let mut world = World::start(0, "small", &[]).await;
        world.set("ACCESSLINK__API_URL", &origin);
        world.set(
            "ACCESSLINK__TOKEN_URL",
            &format!("{origin}/v2/oauth2/token"),
        );
        world.set("ACCESSLINK__REQUEST_TIMEOUT", "2s");
        world.set("SCHEDULE__NOTIFICATIONS_EVERY", "1h");
        world.set("SYNC__KINDS", "physical_information,sleep");
        // The mass guard has its own tests.
        world.set("REVOCATION__HOLD_SHARE", "1");
        world.set("REVOCATION__HOLD_MIN", "100000");
        world.set("TELEMETRY__LOG", "error");
        let office = Arc::new(Office {
            store: world.store.clone(),
            keyring: world.keyring(),
        });
        polar.open_office(&office);
        stream::iter(0..cases.len() + witnesses)
            .for_each_concurrent(CONNECTING, async |number| {
                if let Some(foretold) = cases.get(number) {
                    connect(&office, number, &foretold.case).await;
                } else {
                    let token = format!("g-{number}-1");
                    office.connect(number, &token, None, None, true).await;
                }
            })
            .await;
        world.execute(NO_RETRIES).await;
        // Witnesses are asked about others only.
        world
            .execute(
                "UPDATE polar_sync.sync_request SET state = 'done', finished_at = polar_sync.now();
                 DELETE FROM polar_sync.event",
            )
            .await;
        Self {
            world,
            polar,
            cases,
            doubts: 0,
        }
    }

    /// Wishes for a sync of these users.
    async fn ask(&self, numbers: impl Iterator<Item = usize>) {
        let mut numbers = numbers.peekable();
        if numbers.peek().is_none() {
            return;
        }
        let client = redis::Client::open(self.world.redis.url()).unwrap();
        let mut redis = client.get_multiplexed_async_connection().await.unwrap();
        let mut wishes = redis::pipe();
        for number in numbers {
            let job = format!(r#"{{"v":1,"user_id":"{}"}}"#, user(number));
            let mut wish = redis::cmd("XADD");
            wish.arg("polar-sync:jobs:event")
                .arg("*")
                .arg("job")
                .arg(job);
            wishes.add_command(wish).ignore();
        }
        let () = wishes.query_async(&mut redis).await.unwrap();
    }

    /// Waits until nothing is under way any more.
    async fn settle(&mut self) {
        for _ in 0..DOUBTS_MAX {
            self.rest().await;
            let doubts = self.world.number(DOUBTS).await;
            if doubts == 0 {
                return;
            }
            self.doubts += usize::try_from(doubts).unwrap();
            self.world.execute(AGE_DOUBTS).await;
        }
        panic!("no witness spoke for those who stand well");
    }

    async fn rest(&self) {
        self.world
            .until_true("everything to come to rest", async || {
                let lanes = ["interactive", "event", "periodic"];
                for lane in lanes {
                    let stream = format!("polar-sync:jobs:{lane}");
                    let entries: usize = self.world.redis.command(&["XLEN", &stream]).await;
                    if entries > 0 {
                        return false;
                    }
                }
                self.world.number(UNDER_WAY).await == 0
            })
            .await;
    }

    /// Waits until a window that was spent is open again, and no process keeps another answer than that.
    async fn until_open(&self) {
        const KEPT_MS: u64 = 1_000;
        self.world
            .until_true("the window to open", async || {
                let redis = &self.world.redis;
                let closed = ["HGET", "polar-sync:quota", "closed"];
                let closed_until_ms: Option<u64> = redis.command(&closed).await;
                let (seconds, micros): (u64, u64) = redis.command(&["TIME"]).await;
                let now_ms = seconds * 1_000 + micros / 1_000;
                now_ms > closed_until_ms.unwrap_or(0) + KEPT_MS
            })
            .await;
    }

    /// How every user stands, by user id.
    async fn ends(&self) -> HashMap<String, End> {
        let mut events = self.events().await;
        let mut db = PgConnection::connect(self.world.database.url())
            .await
            .unwrap();
        let rows = sqlx::raw_sql(STANDINGS).fetch_all(&mut db).await.unwrap();
        let end = |row: &sqlx::postgres::PgRow| {
            let user: String = row.get(0);
            let mut events = events.remove(&user).unwrap_or_default();
            events.sort_unstable();
            let end = End {
                state: known(&row.get::<String, _>(1)),
                reason: known(&row.get::<String, _>(2)),
                attempt: row.get::<i32, _>(3) > 0,
                consent: row.get(4),
                other_kind: row.get(5),
                events,
            };
            (user, end)
        };
        rows.iter().map(end).collect()
    }

    /// The events of connections in Redis, once each, by user id.
    async fn events(&self) -> HashMap<String, Vec<&'static str>> {
        let range: redis::streams::StreamRangeReply = self
            .world
            .redis
            .command(&["XRANGE", "polar-sync:events", "-", "+"])
            .await;
        let once: BTreeMap<String, Value> = range
            .ids
            .iter()
            .map(|entry| {
                let event = entry.get::<String>("event").unwrap();
                let event: Value = serde_json::from_str(&event).unwrap();
                (event["id"].to_string(), event)
            })
            .collect();
        let mut events: HashMap<String, Vec<&'static str>> = HashMap::new();
        for event in once.values() {
            let (user, kind) = (&event["user_id"], event["type"].as_str().unwrap());
            let of_user = events.entry(user.as_str().unwrap().to_owned()).or_default();
            if kind.starts_with("connection.") {
                of_user.push(known(kind));
            }
        }
        events
    }

    /// Where a round ended otherwise than foretold.
    async fn differences(&self, round: usize) -> Vec<String> {
        let ends = self.ends().await;
        let mut differences = Vec::new();
        for (number, foretold) in self.cases.iter().enumerate() {
            let last = round.min(foretold.ends.len() - 1);
            let (wanted, found) = (&foretold.ends[last], &ends[user(number).as_str()]);
            if wanted != found {
                let name = foretold.case.name();
                let round = round + 1;
                differences.push(format!(
                    "{name}: round {round}\n  foretold {wanted:?}\n  found    {found:?}"
                ));
            }
        }
        differences
    }

    /// The users whose case is at this state after a round.
    fn at(&self, round: usize, is: fn(&End) -> bool) -> impl Iterator<Item = usize> {
        let after = move |foretold: &Foretold| {
            let last = round.min(foretold.ends.len() - 1);
            is(&foretold.ends[last])
        };
        let cases = self.cases.iter().enumerate();
        cases.filter_map(move |(number, foretold)| after(foretold).then_some(number))
    }

    /// Calls so far for everybody who is not to be called any more after a round.
    fn last_calls(&self, round: usize) -> Vec<(usize, usize)> {
        let calls = |number| (number, self.polar.calls(number));
        self.at(round, End::is_final).map(calls).collect()
    }

    /// Who was called since, though Polar has refused for good.
    fn called_since(&self, last_calls: &[(usize, usize)]) -> Vec<String> {
        let called = last_calls
            .iter()
            .filter(|(number, calls)| self.polar.calls(*number) != *calls);
        let name = |(number, _): &(usize, usize)| self.cases[*number].case.name();
        called
            .map(|called| format!("{}: called again after its end", name(called)))
            .collect()
    }
}

async fn connect(office: &Office, number: usize, case: &Case) {
    let refresh = match case.refresh {
        None | Some(Refresh::None) => None,
        Some(_) => Some(format!("r-{number}-1")),
    };
    let hour = SignedDuration::from_hours(1);
    let expires_at = match case.expiry {
        None | Some(Expiry::None) => None,
        Some(Expiry::Past) => Some(Clock::default().now() - hour),
        Some(Expiry::Future) => Some(Clock::default().now() + hour),
    };
    let registered = case.registered != Some(false);
    office
        .connect(
            number,
            &format!("a-{number}-1"),
            refresh,
            expires_at,
            registered,
        )
        .await;
}

/// A word of the oracle's vocabulary.
fn known(word: &str) -> &'static str {
    const WORDS: [&str; 20] = [
        "",
        "active",
        "suspect",
        "revoked",
        "expired",
        "consent_required",
        "paused",
        "unauthorized",
        "unanswered",
        "unknown",
        "held",
        "token_refused",
        "token_expired",
        "deregistered",
        "consent_missing",
        "connection.active",
        "connection.revoked",
        "connection.expired",
        "connection.consent_required",
        "connection.erased",
    ];
    let known = WORDS.into_iter().find(|known| *known == word);
    known.unwrap_or_else(|| panic!("{word} is not in the oracle's vocabulary"))
}

/// Plays cases to their ends; everything that came otherwise than foretold.
async fn play(stage: &mut Stage) -> Vec<String> {
    let workers = [(); 2].map(|()| stage.world.spawn("worker"));
    let scheduler = stage.world.spawn("scheduler");
    let mut differences = Vec::new();
    stage.ask(0..stage.cases.len()).await;
    for round in 0..ROUNDS {
        stage.settle().await;
        differences.extend(stage.differences(round).await);
        let last_calls = stage.last_calls(round);
        // Whoever is refused for good is asked for by somebody who has not heard of it.
        stage.ask(stage.at(round, End::is_final)).await;
        if round + 1 < ROUNDS {
            stage.until_open().await;
            stage.polar.begin_round(round + 1);
            stage.world.execute(AGE).await;
        }
        stage.settle().await;
        differences.extend(stage.called_since(&last_calls));
    }
    differences.extend(stage.polar.unforeseen());
    for worker in workers {
        assert_eq!(worker.stop().await, Some(0));
    }
    scheduler.stop().await;
    differences
}

fn assert_none(differences: &[String]) {
    let some = differences.len().min(DIFFERENCES_SHOWN);
    assert!(
        differences.is_empty(),
        "{} differences, for example\n{}",
        differences.len(),
        differences[..some].join("\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sequence_of_answers_is_classified_right() {
    let mut stage = Stage::set(cases(), WITNESSES).await;
    let differences = play(&mut stage).await;
    eprintln!(
        "{} cases, {} unlucky draws of witnesses, {} differences",
        stage.cases.len(),
        stage.doubts,
        differences.len()
    );
    assert!(stage.cases.len() >= CASES_MIN);
    assert_none(&differences);
}

fn first(
    data: Option<Answer>,
    look: Option<Answer>,
    register: Option<Answer>,
    after: Option<Answer>,
) -> Round {
    Round {
        data,
        look,
        register,
        after,
        reconnects: None,
    }
}

fn case(registered: bool, rounds: &[Round], ends: &[End]) -> Foretold {
    let mut case = Case {
        registered: Some(registered),
        ..Case::default()
    };
    case.rounds[..rounds.len()].copy_from_slice(rounds);
    let ends = ends.to_vec();
    Foretold { case, ends }
}

fn one(registered: bool, round: Round, end: &End) -> Foretold {
    case(registered, &[round], std::slice::from_ref(end))
}

/// A 429 at every place of a sequence.
fn limited_cases() -> Vec<Foretold> {
    use Answer::{Forbidden, Good, Limited, NotFound, Refused};
    let active = End::begin();
    let served = End {
        other_kind: true,
        ..active.clone()
    };
    let without_consent = End {
        consent: false,
        ..served.clone()
    };
    let state = |state, reason, events: &[&'static str]| End {
        state,
        reason,
        events: events.to_vec(),
        ..active.clone()
    };
    let missing = state(
        "consent_required",
        "consent_missing",
        &["connection.consent_required"],
    );
    vec![
        one(true, first(Some(Limited), None, None, None), &served),
        one(
            true,
            first(Some(Forbidden), Some(Limited), None, None),
            &without_consent,
        ),
        one(
            true,
            first(
                Some(Forbidden),
                Some(Forbidden),
                Some(Limited),
                Some(Forbidden),
            ),
            &missing,
        ),
        one(false, first(Some(Good), Some(Limited), None, None), &served),
        one(
            false,
            first(Some(Good), Some(NotFound), Some(Limited), Some(Good)),
            &served,
        ),
        one(
            false,
            first(Some(Good), Some(NotFound), Some(Good), Some(Limited)),
            &served,
        ),
        case(
            true,
            &[
                first(Some(Refused), Some(Refused), None, None),
                first(Some(Good), Some(Limited), None, None),
                first(Some(Good), Some(Good), None, None),
            ],
            &[
                state("suspect", "unauthorized", &[]),
                state("suspect", "unanswered", &[]),
                End {
                    events: vec!["connection.active"],
                    ..served.clone()
                },
            ],
        ),
    ]
}

/// A spent window says nothing about anybody, wherever in a sequence it comes: it is waited for, and costs no attempt.
/// It stops the whole fleet, so every case has a world of its own.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spent_window_costs_nobody_anything(#[values(0, 1, 2, 3, 4, 5, 6)] case: usize) {
    let mut cases = limited_cases();
    assert_eq!(cases.len(), 7, "every case is played");
    let mut stage = Stage::set(vec![cases.swap_remove(case)], WITNESSES_OF_ONE).await;
    assert_none(&play(&mut stage).await);
}
