//! Carries a plan out: round by round, each of which ends with everything in step again.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, ToSpan as _, civil::DateTime, tz::TimeZone};
use polar_sync::{
    job::request::{Desk, plain},
    model::{Cause, ConnectionId, Lane, TaskId},
};
use serde_json::json;
use tokio::{process::Command, task::JoinSet, time::Instant};

use super::{
    database::Database,
    faults,
    fleet::{Fleet, panics},
    plan::{Action, Disturbance, Plan, Round, UNREGISTERED, USERS, Upload},
    reader::{Reader, whole_feed},
    recovery::{self, DatabaseClock, Disturbed},
    report::{Report, calls, part_used},
    verdict::{compare, feed_failures, records, unanswered, unsettled},
    world::{FIRST_ACCOUNT, World, user, within},
};

/// Length of the life of Polar's transactions: many end in the middle of what a disturbance delays.
const TRANSACTION_LIFE: &str = "12s";

/// How much of Polar's limits there is: so much that a round uses the short window up.
const QUOTA_SCALE: &str = "2";

/// A window of which this part is used lets nobody but persons ask any more, and them not for long.
const SPENT: f64 = 0.85;

/// Between two looks whether a step is due, or everything is settled.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long it may take until everything is in step again once nothing disturbs it.
const SETTLED_WITHIN: Duration = Duration::from_mins(3);

/// How often a person tries again whose request was not taken: each time may meet a connection that a crash of Postgres
/// left behind.
const TRIES_MAX: usize = 20;

/// The length of Polar's short window, and a second.
const WINDOW: Duration = Duration::from_secs(15 * 60 + 1);

/// The length of the long window, and a bit. A soak spends several of them.
const DAY: Duration = Duration::from_secs(24 * 3600 + 1);

/// A watch is not synchronized twice within this time.
const UPLOADS_APART: Duration = Duration::from_millis(1_100);

/// Lets windows of the quota end by Redis' clock, which nobody can move: it is the ends of the windows that move.
const END_WINDOWS: &str = "for _, reset in ipairs(ARGV) do
        if redis.call('HEXISTS', KEYS[1], reset) == 1 then redis.call('HSET', KEYS[1], reset, 1) end
    end
    return 0";

/// The end of the short window in Redis, and those of both.
const SHORT: [&str; 1] = ["short.reset"];
const BOTH: [&str; 2] = ["short.reset", "long.reset"];

/// A campaign under way.
pub(crate) struct Campaign {
    world: World,
    fleet: Fleet,
    desk: Desk,
    connections: Vec<ConnectionId>,
    clock: DatabaseClock,
    disturbances: Vec<Disturbed>,
    /// Requests that are being handed in; the ones that Postgres took.
    requests: JoinSet<Option<TaskId>>,
    accepted: Vec<TaskId>,
    sessions: Sessions,
    report: Report,
    logs: PathBuf,
}

/// What was uploaded by hand.
struct Sessions {
    /// The next one's beginning.
    next_start: DateTime,
    by_user: HashMap<u32, Vec<u64>>,
    last_upload: HashMap<u32, Instant>,
}

/// Carries a plan out. The failures are in the report; the logs are left in `logs`.
pub(crate) async fn run(plan: &Plan, seed: u64, logs: &Path) -> Report {
    let mut campaign = Campaign::begin(seed, logs).await;
    let reader = Reader::start(campaign.world.database.url().to_owned());
    for (number, round) in plan.rounds.iter().enumerate() {
        let failures = campaign.round(round).await;
        let number = number + 1;
        println!(
            "round {number} of {}: {} failures",
            plan.rounds.len(),
            failures.len()
        );
        campaign.report.failures.extend(failures);
        if !campaign.report.failures.is_empty() {
            // While everybody still runs.
            campaign.keep_evidence().await;
            break;
        }
        if number < plan.rounds.len() {
            campaign.pass(WINDOW, &SHORT).await;
        }
    }
    campaign.end(reader).await
}

impl Campaign {
    async fn begin(seed: u64, logs: &Path) -> Self {
        let seed = seed.to_string();
        let life = format!(
            "transaction_life_s={}",
            TRANSACTION_LIFE.trim_end_matches('s')
        );
        let simulator = [
            "--seed",
            &seed,
            "--switch",
            &life,
            "--quota-scale",
            QUOTA_SCALE,
            "--days",
            "1",
        ];
        let database = Database::own().await;
        let mut world = World::start_on(database, USERS, "small", &simulator).await;
        world.set("ACCESSLINK__TRANSACTION_LIFE", TRANSACTION_LIFE);
        world.set("ACCESSLINK__REQUEST_TIMEOUT", "5s");
        world.set("WORKER__JOB_TIMEOUT", "11s");
        world.set("WORKER__DRAIN", "4s");
        let mut connections = Vec::new();
        for number in 0..USERS {
            let registered = number < USERS - UNREGISTERED;
            world
                .connect_by(number, json!({ "registered": registered }))
                .await;
            let row = world.store.connection_of_user(&user(number)).await;
            connections.push(row.unwrap().expect("a connection").connection_id);
        }
        let now = world.sim.get("/clock").await;
        let now: Timestamp = now["now"].as_str().unwrap().parse().unwrap();
        Self {
            fleet: Fleet::start(world.settings.clone(), logs),
            desk: world.desk().await,
            clock: DatabaseClock::new(world.database.url()).await,
            sessions: Sessions::beginning_at(now - SignedDuration::from_hours(20)),
            connections,
            disturbances: Vec::new(),
            requests: JoinSet::new(),
            accepted: Vec::new(),
            report: Report::default(),
            logs: logs.to_owned(),
            world,
        }
    }

    /// Disturbs everything, and waits until it is in step again; what is not as it must be.
    async fn round(&mut self, round: &Round) -> Vec<String> {
        let switches: BTreeMap<_, _> = round.switches.iter().copied().collect();
        self.world.sim.put("/switches", json!(switches)).await;
        faults::begin(&self.world.sim).await;
        let calls_before = self.calls().await;
        let start = Instant::now();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        for step in &round.steps {
            while start.elapsed() < step.at {
                looks.tick().await;
            }
            self.perform(step.action).await;
        }
        let settling = Instant::now();
        self.report.calls_under_fire += self.calls().await - calls_before;
        self.calm_down().await;
        self.settle().await;
        self.report.settling.push(settling.elapsed().as_secs_f64());
        let mut verdict = compare(&self.world).await;
        self.report.count(&verdict);
        let failures = &mut verdict.failures;
        failures.extend(unanswered(&self.world, &self.accepted).await);
        verdict.failures
    }

    async fn calls(&self) -> u64 {
        calls(&self.world.sim.get("/stats").await, |_| true)
    }

    async fn perform(&mut self, action: Action) {
        match action {
            Action::Process(disturbance, seat) => {
                self.note(disturbance, self.fleet.pid(seat));
                match disturbance {
                    Disturbance::KillWorker | Disturbance::KillScheduler => {
                        self.fleet.kill(seat).await;
                    }
                    Disturbance::StopWorker | Disturbance::StopScheduler => {
                        self.fleet.terminate(seat).await;
                    }
                    _ => self.fleet.freeze(seat).await,
                }
            }
            Action::Start(seat) | Action::Thaw(seat) => self.fleet.revive(seat).await,
            Action::Server(disturbance) => {
                self.note(disturbance, None);
                match disturbance {
                    Disturbance::RestartRedis => self.world.redis.restart().await,
                    Disturbance::CrashPostgres => self.world.database.restart().await,
                    _ => self.world.redis.command(&["FLUSHALL"]).await,
                }
            }
            Action::Silence(disturbance, lasts) => {
                self.note(disturbance, None);
                if disturbance == Disturbance::FreezeRedis {
                    self.signal_redis("-STOP").await;
                } else {
                    let ms = lasts.as_millis().to_string();
                    let pause = ["CLIENT", "PAUSE", &ms, "ALL"];
                    self.world.redis.command::<()>(&pause).await;
                }
            }
            Action::ThawRedis => self.signal_redis("-CONT").await,
            Action::Upload(number, upload) => self.upload(number, upload).await,
            Action::Request(number, is_urgent) => self.request(number, is_urgent),
        }
    }

    fn note(&mut self, by: Disturbance, pid: Option<u32>) {
        let at = Instant::now();
        self.disturbances.push(Disturbed { by, at, pid });
        *self.report.disturbances.entry(by).or_default() += 1;
    }

    async fn signal_redis(&self, signal: &str) {
        let pid = self.world.redis.server.id().expect("a server that runs");
        let pid = pid.to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().await;
        assert!(sent.unwrap().success());
    }

    async fn upload(&mut self, number: u32, upload: Upload) {
        if !self.sessions.may_upload(number) {
            return;
        }
        let path = format!("/users/{}", FIRST_ACCOUNT + i64::from(number));
        let (path, body) = match upload {
            Upload::Edit { calories } if self.sessions.newest(number).is_some() => {
                let session = self.sessions.newest(number).unwrap();
                let edit = json!({ "calories": calories });
                (format!("{path}/exercises/{session}/edit"), edit)
            }
            Upload::Session { .. } | Upload::Edit { .. } => {
                let duration_s = match upload {
                    Upload::Session { duration_s } => duration_s,
                    _ => 60,
                };
                let start = self.sessions.next_start();
                let session =
                    json!({ "duration_s": duration_s, "sport": "RUNNING", "start_time": start });
                (format!("{path}/exercises"), session)
            }
            Upload::Night => (format!("{path}/nights"), json!({})),
            Upload::Activity => (format!("{path}/activities"), json!({})),
            Upload::Weight { weight_kg } => {
                let weight = json!({ "weight_kg": weight_kg });
                (format!("{path}/physical-informations"), weight)
            }
        };
        let answer = self.world.sim.post(&path, body).await;
        self.report.uploads += 1;
        if let Some(id) = answer["id"]
            .as_u64()
            .filter(|_| path.ends_with("/exercises"))
        {
            self.sessions.by_user.entry(number).or_default().push(id);
        }
    }

    /// Hands a request in, as the HTTP interface does. One that Postgres did not take does not count.
    fn request(&mut self, number: u32, is_urgent: bool) {
        let lane = if is_urgent {
            Lane::Interactive
        } else {
            Lane::Periodic
        };
        let (desk, connection) = (self.desk.clone(), self.connections[number as usize]);
        self.requests.spawn(async move {
            let request = plain(lane, Cause::Http, Vec::new());
            let asked = desk.ask(connection, &user(number), &request).await;
            asked.is_ok().then_some(request.task_id)
        });
    }

    /// Hands in the request of a person who tries again when told that it was not taken.
    async fn insist(&self, number: u32) -> TaskId {
        let connection = self.connections[number as usize];
        let mut told = Vec::new();
        for _ in 0..TRIES_MAX {
            let request = plain(Lane::Interactive, Cause::Http, Vec::new());
            match self.desk.ask(connection, &user(number), &request).await {
                Ok(()) => return request.task_id,
                Err(error) => told.push(format!("{error:?}")),
            }
        }
        panic!("Postgres is there, and takes no request: {told:#?}");
    }

    /// Ends every disturbance.
    async fn calm_down(&mut self) {
        faults::end(&self.world.sim, &mut self.report.faults).await;
        self.signal_redis("-CONT").await;
        self.world.redis.command::<()>(&["CLIENT", "UNPAUSE"]).await;
        self.fleet.revive_all().await;
        self.answers().await;
    }

    /// Waits until every request was handed in.
    async fn answers(&mut self) {
        while let Some(accepted) = within("an answer", self.requests.join_next()).await {
            self.accepted.extend(accepted.unwrap());
        }
    }

    /// Lets a person ask for each user, which tries again at once what waits for hours else, and waits until
    /// everything is in step.
    async fn settle(&mut self) {
        self.pass_a_spent_window().await;
        self.ask_for_all().await;
        let mut start = Instant::now();
        let mut looks = tokio::time::interval(LOOK_EVERY * 25);
        let mut progress = File::create(self.logs.join("settling.log")).unwrap();
        while start.elapsed() < SETTLED_WITHIN {
            let unsettled = unsettled(&self.world).await;
            let since = start.elapsed().as_secs_f64();
            writeln!(progress, "{since:.1} s: {unsettled:?}").unwrap();
            if unsettled.is_empty() {
                break;
            }
            if self.pass_a_spent_window().await {
                // There may be nights by now that were none when it was asked for them.
                self.ask_for_all().await;
                start = Instant::now();
            }
            looks.tick().await;
        }
    }

    /// Has a person ask for each user.
    async fn ask_for_all(&mut self) {
        for number in 0..USERS {
            let task_id = self.insist(number).await;
            self.accepted.push(task_id);
        }
    }

    /// A window that is spent ends by itself, and nobody wants to wait for that. Whether time was passed.
    async fn pass_a_spent_window(&mut self) -> bool {
        let stats = self.world.sim.get("/stats").await;
        self.report.note_quota(&stats);
        let is_spent = |window: &str| part_used(&stats["windows"][window]) >= SPENT;
        let (time, windows) = if is_spent("long") {
            (DAY, &BOTH[..])
        } else if is_spent("short") {
            (WINDOW, &SHORT[..])
        } else {
            return false;
        };
        self.report.windows_spent += 1;
        self.pass(time, windows).await;
        true
    }

    /// So much time passes at Polar, in Postgres and in Redis: these windows are new ones, and who waits has waited.
    /// Nobody works meanwhile: a process that runs notices only after a while that the clock was moved, and would date
    /// what it does in the past.
    async fn pass(&mut self, time: Duration, windows: &[&str]) {
        self.fleet.stop().await;
        let advance = json!({ "advance_s": time.as_secs() });
        self.world.sim.post("/clock", advance).await;
        let total = self.clock.moved(time);
        let shift = SignedDuration::try_from(total).unwrap();
        self.world.store.set_clock_shift(shift).await.unwrap();
        let end = [&["EVAL", END_WINDOWS, "1", "polar-sync:quota"], windows].concat();
        self.world.redis.command::<i64>(&end).await;
        self.fleet.revive_all().await;
    }

    async fn end(mut self, reader: Reader) -> Report {
        let url = self.world.database.url().to_owned();
        // Whoever is asked to stop has to leave nothing behind.
        self.fleet.stop().await;
        let seen = reader.stop().await;
        let records = records(&self.world).await;
        let feed = feed_failures(&seen, &whole_feed(&url).await, &records);
        let report = &mut self.report;
        report.failures.extend(feed);
        report.failures.append(&mut self.fleet.misdeeds);
        report.failures.extend(panics(&self.logs));
        report.feed = seen.len();
        report.requests = self.accepted.len();
        report.recovery = recovery::times(&url, &self.clock, &self.disturbances).await;
        report.read(&self.world).await;
        if !self.report.failures.is_empty() {
            self.keep_evidence().await;
        }
        self.report
    }

    /// Writes down what there is to know when something is wrong.
    async fn keep_evidence(&self) {
        for path in ["/ledger", "/stats", "/switches"] {
            let text = format!("{:#}", self.world.sim.get(path).await);
            std::fs::write(
                self.logs
                    .join(format!("sim{}.json", path.replace('/', "-"))),
                text,
            )
            .unwrap();
        }
        for table in [
            "connection",
            "sync_state",
            "kind_state",
            "sync_request",
            "sync_run",
            "remote_transaction",
            "raw_item",
            "outbox",
            "change",
            "event",
            "dead",
            "leader",
            "quota",
            "workout",
            "daily_activity",
            "physical_information",
        ] {
            let rows = table_as_json(&self.world, table).await;
            std::fs::write(self.logs.join(format!("table-{table}.jsonl")), rows).unwrap();
        }
    }
}

/// A table, a row a line. Tokens stay out of it.
async fn table_as_json(world: &World, table: &str) -> String {
    use sqlx::{AssertSqlSafe, Connection as _, Row as _};
    let mut db = sqlx::PgConnection::connect(world.database.url())
        .await
        .unwrap();
    let sql = format!(
        "SELECT string_agg((to_jsonb(t) - 'access_token' - 'refresh_token')::text, E'\\n') FROM polar_sync.{table} t"
    );
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut db).await;
    let text: Option<String> = row.unwrap().get(0);
    text.unwrap_or_default()
}

impl Sessions {
    fn beginning_at(at: Timestamp) -> Self {
        Self {
            next_start: at.to_zoned(TimeZone::UTC).datetime(),
            by_user: HashMap::new(),
            last_upload: HashMap::new(),
        }
    }

    /// No two begin in the same second.
    fn next_start(&mut self) -> String {
        self.next_start += 17.seconds();
        self.next_start.strftime("%Y-%m-%dT%H:%M:%S").to_string()
    }

    fn newest(&self, number: u32) -> Option<u64> {
        self.by_user.get(&number)?.last().copied()
    }

    /// What is uploaded in the same second has the same version: no watch does that.
    fn may_upload(&mut self, number: u32) -> bool {
        let now = Instant::now();
        let last = self.last_upload.get(&number);
        let may = last.is_none_or(|last| *last + UPLOADS_APART <= now);
        if may {
            self.last_upload.insert(number, now);
        }
        may
    }
}
