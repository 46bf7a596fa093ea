//! A worker's run, a call or a Postgres transaction a step. The order of the stages is that of
//! `sync::pull`; every decision is asked of [`Decisions`].

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::Timestamp;
use polar_sync::{
    accesslink::{
        Answer, Error, Operation,
        error::Meaning,
        meter::{Closed as WindowClosed, ClosedBy},
    },
    model::Details,
    store::raw::Held,
    sync::{
        Failure,
        decide::{Checklist, Fetched, FetchedItem, Next, Part, Rounds, SUMMARY, Sealed, Trouble},
        lifecycle::{Step, Transactions},
    },
};

use crate::{
    decisions::Decisions,
    ledger::{Promise, Row, TICK, Violation, aged, exists, now, part_of},
    machine::{Machine, Outcome, Put, State},
    polar::{Reply, VERSIONS},
};

/// One run of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Worker {
    /// What it knows of the ledger's row.
    pub(crate) row: Row,
    asked: Details,
    rounds: Rounds,
    written: i32,
    pub(crate) stage: Stage,
}

/// What a run does next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// Sends the create that it wrote down; the row before, and when it did.
    Creating(Row, Timestamp),
    Listing(u8),
    Fetching(Fetching),
    ListingAgain(Fetching),
    Recording(Fetching, Ended),
    Committing(u8),
}

/// A transaction that is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Fetching {
    pub(crate) id: u8,
    checklist: Checklist,
    /// When the last list was sent.
    listed_at: Timestamp,
    batch: Vec<FetchedItem>,
    /// The item that is being fetched, and how many of its parts were asked for.
    item: Option<(FetchedItem, usize)>,
}

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ended {
    Full,
    Last,
    Gone,
    Failed(Cause),
}

/// Why a call gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cause {
    TimedOut,
    WindowClosed,
}

impl Cause {
    fn failure(self) -> Failure {
        Failure::Call(Error {
            operation: Operation::GetItem,
            meaning: match self {
                Self::TimedOut => Meaning::TimedOut,
                Self::WindowClosed => Meaning::WindowClosed(WindowClosed {
                    until: now(),
                    why: ClosedBy::Quota,
                }),
            },
        })
    }

    /// The cause of a failure that ended a batch.
    fn of(failure: &Failure) -> Self {
        match failure {
            Failure::Call(Error {
                meaning: Meaning::WindowClosed(_),
                ..
            }) => Self::WindowClosed,
            _ => Self::TimedOut,
        }
    }
}

/// A reply as the client gives it.
fn answer(reply: Reply, body: impl FnOnce() -> String) -> Result<Answer, Failure> {
    match reply {
        Reply::Body => Ok(Answer::Body(Bytes::from(body()))),
        Reply::NoContent => Ok(Answer::Empty),
        Reply::Done => Ok(Answer::Done),
        Reply::NotFound => Err(Failure::Call(Error {
            operation: Operation::GetItem,
            meaning: Meaning::NotFound,
        })),
        Reply::Silence => Err(Cause::TimedOut.failure()),
    }
}

/// What the client gives after an outcome.
fn reply_or_failure(
    outcome: Outcome,
    reply: Reply,
    body: impl FnOnce() -> String,
) -> Result<Answer, Failure> {
    match outcome {
        Outcome::Answered | Outcome::SpuriousNotFound => answer(reply, body),
        Outcome::NotSent => Err(Cause::WindowClosed.failure()),
        Outcome::RequestLost | Outcome::AnswerLost | Outcome::StaysOnTheWire => {
            Err(Cause::TimedOut.failure())
        }
    }
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &[u8]) -> T {
    str::from_utf8(text).unwrap().parse().unwrap()
}

impl Worker {
    pub(crate) fn tick(&mut self) {
        self.row.tick();
        match &mut self.stage {
            Stage::Creating(before, sent_at) => {
                before.tick();
                *sent_at = aged(*sent_at);
            }
            // Only of the last list it matters, and where there is doubt.
            Stage::Recording(fetching, Ended::Last) if self.row.doubt.is_some() => {
                fetching.listed_at = aged(fetching.listed_at);
            }
            Stage::Recording(fetching, _) => fetching.listed_at = now(),
            Stage::Listing(_)
            | Stage::Fetching(_)
            | Stage::ListingAgain(_)
            | Stage::Committing(_) => {}
        }
    }

    /// The transaction that it works on.
    pub(crate) fn id(&self) -> Option<u8> {
        match &self.stage {
            Stage::Creating(..) => None,
            Stage::Listing(id) | Stage::Committing(id) => Some(*id),
            Stage::Fetching(fetching)
            | Stage::ListingAgain(fetching)
            | Stage::Recording(fetching, _) => Some(fetching.id),
        }
    }

    /// Whether it has read the list for the last time, so that it would not see what is added now.
    pub(crate) fn has_listed_last(&self) -> bool {
        matches!(
            self.stage,
            Stage::Recording(_, Ended::Last) | Stage::Committing(_)
        )
    }

    fn wanted(&self, state: &State) -> Details {
        state.ledger.include.union(self.asked)
    }

    /// The next step of the run, where there is a choice: whether the batch is full.
    pub(crate) fn may_be_full(&self) -> bool {
        let Stage::Fetching(fetching) = &self.stage else {
            return false;
        };
        fetching.item.is_none() && !fetching.batch.is_empty()
    }
}

/// A run ends here.
enum Run {
    GoesOn(Box<Worker>),
    Ends(Result<(), Failure>),
    /// Its lease is lost: nothing is written.
    Stops,
}

/// A step of a run.
pub(crate) struct Running<'a, D> {
    pub(crate) machine: &'a Machine<D>,
    pub(crate) state: &'a mut State,
    pub(crate) me: usize,
    /// What happened, in words, when somebody wants to read them.
    pub(crate) said: &'a mut Option<String>,
}

impl<D: Decisions> Running<'_, D> {
    fn say(&mut self, words: impl FnOnce() -> String) {
        if let Some(said) = self.said {
            said.push_str(&words());
        }
    }

    fn decisions(&self) -> D {
        self.machine.decisions
    }

    /// Takes the lease, and begins a run.
    pub(crate) fn claim(&mut self) -> Result<(), Violation> {
        let ledger = &mut self.state.ledger;
        ledger.holder = Some(self.me);
        ledger.taken = ledger.taken.union(ledger.open);
        ledger.open = Details::NONE;
        ledger.due = None;
        let worker = Worker {
            row: ledger.row.clone(),
            asked: ledger.taken,
            rounds: Rounds::after(0),
            written: 0,
            stage: Stage::Listing(0),
        };
        self.say(|| "claims the lease".to_owned());
        let transactions = worker.row.read();
        let run = self.round(worker, transactions);
        self.put_back(run)
    }

    fn put_back(&mut self, run: Run) -> Result<(), Violation> {
        match run {
            Run::GoesOn(worker) => self.state.workers[self.me] = Some(*worker),
            Run::Stops => {
                self.say(|| "; its lease is lost, so it stops".to_owned());
                self.state.workers[self.me] = None;
            }
            Run::Ends(result) => {
                self.state.workers[self.me] = None;
                return self.settle(&result);
            }
        }
        Ok(())
    }

    fn holds_lease(&self) -> bool {
        self.state.ledger.holder == Some(self.me) || !self.decisions().is_fenced()
    }

    /// Writes memory down, if the lease still holds. Production keeps some of it in memory until the
    /// next write; to lose it in between is the same as never to have heard the answer.
    fn save(&mut self, transactions: &Transactions) -> bool {
        let holds = self.holds_lease();
        if holds {
            self.state.ledger.row = Row::of(transactions);
        }
        holds
    }

    /// Writes down how the run ended, and gives up the lease.
    fn settle(&mut self, result: &Result<(), Failure>) -> Result<(), Violation> {
        if self.state.ledger.holder != Some(self.me) {
            return Ok(());
        }
        let offered = self.state.polar.offered();
        if result.is_ok() && !self.state.ledger.are_durable(offered) {
            let how = format!(
                "a run is done while Polar holds {} and {} is stored",
                offered.text(),
                self.state.ledger.stored()
            );
            return Err(Promise::NothingNewIsTrue.broken(how));
        }
        self.say(|| match result {
            Ok(()) => "; the run is done".to_owned(),
            Err(failure) => format!("; the run ends: {failure}"),
        });
        let ledger = &mut self.state.ledger;
        ledger.holder = None;
        if result.is_err() {
            ledger.open = ledger.open.union(ledger.taken);
        }
        ledger.taken = Details::NONE;
        ledger.due = match result {
            Err(
                Failure::TooOld { until }
                | Failure::Doubtful { until }
                | Failure::Unsettled { until },
            ) => Some(*until),
            // What failed is tried again after a while, and sooner if somebody asks for it.
            Err(Failure::Call(_) | Failure::Blocked { .. } | Failure::NoProgress) => {
                Some(now() + TICK)
            }
            _ => None,
        }
        .filter(|due| now() < *due);
        if matches!(
            result,
            Err(Failure::Call(Error {
                meaning: Meaning::WindowClosed(_),
                ..
            }))
        ) {
            self.state.wait_for_window();
        }
        Ok(())
    }

    /// Begins a round: what to do with the transaction, if there is one.
    fn round(&mut self, mut worker: Worker, mut transactions: Transactions) -> Run {
        match self.decisions().step(&transactions) {
            Step::Create => {
                let before = Row::of(&transactions);
                if self.state.window_is_closed() {
                    self.save(&transactions);
                    return Run::Ends(Err(Cause::WindowClosed.failure()));
                }
                transactions.create_sent(self.decisions().rules(), now());
                if !self.save(&transactions) {
                    return Run::Stops;
                }
                worker.row = Row::of(&transactions);
                worker.stage = Stage::Creating(before, now());
            }
            Step::Fetch { transaction_id } => {
                worker.row = Row::of(&transactions);
                worker.stage = Stage::Listing(u8::try_from(transaction_id).unwrap());
            }
            Step::Commit { transaction_id } => {
                worker.row = Row::of(&transactions);
                worker.stage = Stage::Committing(u8::try_from(transaction_id).unwrap());
            }
            Step::Wait { until } => return Run::Ends(Err(Failure::TooOld { until })),
        }
        Run::GoesOn(Box::new(worker))
    }

    /// Ends a round, and begins the next.
    fn next_round(
        &mut self,
        mut worker: Worker,
        transactions: Transactions,
        is_confirmed: bool,
    ) -> Run {
        if let Err(failure) = worker.rounds.ended(is_confirmed, worker.written) {
            self.save(&transactions);
            return Run::Ends(Err(failure));
        }
        if worker.rounds == Rounds::after(worker.written) {
            // Only the difference counts.
            (worker.rounds, worker.written) = (Rounds::after(0), 0);
        }
        self.round(worker, transactions)
    }

    /// Sends the next call.
    pub(crate) fn call(&mut self, outcome: Outcome) -> Result<(), Violation> {
        let worker = self.state.workers[self.me].take().unwrap();
        let outcome = if self.state.window_is_closed() {
            Outcome::NotSent
        } else {
            outcome
        };
        if outcome != Outcome::NotSent {
            self.state.use_window();
        }
        let run = match worker.stage.clone() {
            Stage::Creating(before, sent_at) => self.create(worker, &before, sent_at, outcome),
            Stage::Listing(id) => self.list(worker, id, outcome),
            Stage::Fetching(fetching) => self.fetch(worker, fetching, outcome),
            Stage::ListingAgain(fetching) => self.list_again(worker, fetching, outcome),
            Stage::Committing(id) => self.commit(worker, id, outcome)?,
            Stage::Recording(..) => unreachable!("it sends nothing"),
        };
        self.put_back(run)
    }

    fn create(
        &mut self,
        mut worker: Worker,
        before: &Row,
        sent_at: Timestamp,
        outcome: Outcome,
    ) -> Run {
        let mut transactions = worker.row.read();
        if before.is_opening() {
            // Memory also knows that an earlier create may have opened what this one is given.
            transactions = before.read();
            transactions.create_sent(self.decisions().rules(), sent_at);
            transactions.saved();
        }
        let fresh = self.state.fresh_id();
        let switches = self.machine.bounds.switches;
        let result = match outcome {
            Outcome::Answered | Outcome::AnswerLost => {
                let opened = self.state.polar.create(switches, fresh);
                self.say(|| match opened {
                    Some(id) => format!("create → 201 #{id}"),
                    None => "create → 204".to_owned(),
                });
                match (outcome, opened) {
                    (Outcome::AnswerLost, _) => answer(Reply::Silence, String::new),
                    (_, Some(id)) => answer(Reply::Body, || id.to_string()),
                    (_, None) => answer(Reply::NoContent, String::new),
                }
            }
            Outcome::RequestLost => answer(Reply::Silence, String::new),
            Outcome::StaysOnTheWire => {
                self.state.creates_on_the_wire += 1;
                answer(Reply::Silence, String::new)
            }
            Outcome::NotSent | Outcome::SpuriousNotFound => Err(Cause::WindowClosed.failure()),
        };
        self.say_outcome(outcome, "create");
        let after = self.decisions().after_create(&mut transactions, result);
        if let Ok(Some(body)) = &after {
            let id = number(body);
            transactions.created(self.decisions().rules(), now(), id);
        }
        if !self.save(&transactions) {
            return Run::Stops;
        }
        match after {
            Ok(Some(body)) => {
                let id = number(&body);
                worker.row = Row::of(&transactions);
                worker.stage = Stage::Listing(id);
                Run::GoesOn(Box::new(worker))
            }
            Ok(None) => Run::Ends(Ok(())),
            Err(failure) => Run::Ends(Err(failure)),
        }
    }

    /// Reads the list of a transaction.
    fn read_list(&mut self, id: u8, outcome: Outcome) -> Result<Option<BTreeSet<i64>>, Failure> {
        let (reply, entries) = self.state.polar.list(id, self.machine.bounds.switches);
        let reply = match outcome {
            Outcome::SpuriousNotFound => Reply::NotFound,
            _ => reply,
        };
        let list = || {
            let items: Vec<_> = entries.items().map(|item| item.to_string()).collect();
            items.join(" ")
        };
        let result = reply_or_failure(outcome, reply, list);
        self.say(|| match outcome {
            Outcome::Answered | Outcome::SpuriousNotFound if reply == Reply::Body => {
                format!("list #{id} → {}", entries.text())
            }
            _ => format!("list #{id} → {reply:?}"),
        });
        self.say_outcome(outcome, "list");
        let body = self.decisions().after_list(result)?;
        let numbers = |body: Bytes| {
            let items = body.split(|byte| *byte == b' ');
            items.map(number).collect::<BTreeSet<i64>>()
        };
        Ok(body.map(numbers))
    }

    fn say_outcome(&mut self, outcome: Outcome, call: &str) {
        self.say(|| match outcome {
            Outcome::Answered => String::new(),
            Outcome::RequestLost => format!(" ({call}: the request is lost)"),
            Outcome::AnswerLost => format!(" ({call}: the answer is lost)"),
            Outcome::StaysOnTheWire => format!(" ({call}: it stays on the wire)"),
            Outcome::NotSent => format!(" ({call}: not sent, the window is closed)"),
            Outcome::SpuriousNotFound => " (which is not so)".to_owned(),
        });
    }

    fn list(&mut self, mut worker: Worker, id: u8, outcome: Outcome) -> Run {
        match self.read_list(id, outcome) {
            Ok(Some(items)) => {
                let mut checklist = Checklist::default();
                checklist.read(items);
                worker.stage = Stage::Fetching(Fetching {
                    id,
                    checklist,
                    listed_at: now(),
                    batch: Vec::new(),
                    item: None,
                });
                Run::GoesOn(Box::new(worker))
            }
            Ok(None) => {
                let mut transactions = worker.row.read();
                transactions.gone(self.decisions().rules());
                self.gone(worker, transactions)
            }
            Err(failure) => Run::Ends(Err(failure)),
        }
    }

    fn gone(&mut self, worker: Worker, transactions: Transactions) -> Run {
        if self.decisions().creates_anew() {
            return self.next_round(worker, transactions, false);
        }
        self.save(&transactions);
        Run::Ends(Ok(()))
    }

    /// Asks for the next part of the next item.
    fn fetch(&mut self, mut worker: Worker, mut fetching: Fetching, outcome: Outcome) -> Run {
        let id = fetching.id;
        let Some((mut item, asked)) = fetching.item.take() else {
            let item_id = fetching.checklist.pending().next().unwrap();
            return self.fetch_summary(worker, fetching, item_id, outcome);
        };
        let wanted: Vec<_> = self.worker_parts(&worker);
        let detail = wanted[asked];
        let shown = self
            .state
            .polar
            .item(id, item.item_id, self.machine.bounds.switches);
        let reply = match shown {
            Ok(version) if exists(version, detail) => Reply::Body,
            Ok(_) => Reply::NoContent,
            Err(reply) => reply,
        };
        let result = reply_or_failure(outcome, reply, || "part".to_owned());
        let name = part_of(detail).path();
        self.say(|| format!("part {name} of item {} → {reply:?}", item.item_id));
        self.say_outcome(outcome, "part");
        match self.decisions().after_part(result) {
            Ok(Part::Fetched(fetched)) => item.parts.push((name, fetched)),
            Ok(Part::Broken(error)) => {
                item.broken.get_or_insert(error);
            }
            Err(failure) => {
                fetching.item = Some((item, asked));
                return Self::cut_short(worker, fetching, &failure);
            }
        }
        fetching.item = Some((item, asked + 1));
        self.take_kept(&worker, &mut fetching);
        self.after_call(&mut worker, fetching);
        Run::GoesOn(Box::new(worker))
    }

    fn worker_parts(&self, worker: &Worker) -> Vec<polar_sync::model::Detail> {
        worker.wanted(self.state).iter().collect()
    }

    fn fetch_summary(
        &mut self,
        mut worker: Worker,
        mut fetching: Fetching,
        item_id: i64,
        outcome: Outcome,
    ) -> Run {
        let shown = self
            .state
            .polar
            .item(fetching.id, item_id, self.machine.bounds.switches);
        let reply = shown.map_or_else(|reply| reply, |_| Reply::Body);
        let text = || VERSIONS[shown.unwrap()].text.to_owned();
        let result = reply_or_failure(outcome, reply, text);
        self.say(|| format!("summary of item {item_id} → {reply:?}"));
        self.say_outcome(outcome, "summary");
        let mut item = FetchedItem {
            item_id,
            version: String::new(),
            parts: Vec::new(),
            broken: None,
        };
        match self.decisions().after_part(result) {
            Ok(Part::Fetched(fetched)) => {
                if let Fetched::Body(body) = &fetched {
                    item.version = String::from_utf8(body.to_vec()).unwrap();
                }
                item.parts.push((SUMMARY.to_owned(), fetched));
                fetching.item = Some((item, 0));
                self.take_kept(&worker, &mut fetching);
            }
            Ok(Part::Broken(error)) => {
                item.broken = Some(error);
                fetching.checklist.fetched(item_id);
                fetching.batch.push(item);
            }
            Err(failure) => return Self::cut_short(worker, fetching, &failure),
        }
        self.after_call(&mut worker, fetching);
        Run::GoesOn(Box::new(worker))
    }

    /// Takes parts from the ledger that need no call, and the item when it is complete.
    fn take_kept(&mut self, worker: &Worker, fetching: &mut Fetching) {
        let Some((mut item, mut asked)) = fetching.item.take() else {
            return;
        };
        let wanted = self.worker_parts(worker);
        while let Some(detail) = wanted.get(asked) {
            let part = part_of(*detail);
            let held = self
                .state
                .ledger
                .of_part(item.item_id, &item.version, &part);
            if !self.decisions().is_kept(held, &part) {
                fetching.item = Some((item, asked));
                return;
            }
            let kept = match held {
                Some(Held::Body) => Fetched::Body(Bytes::from_static(b"part")),
                _ => Fetched::Absent,
            };
            item.parts.push((part.path(), kept));
            asked += 1;
        }
        fetching.checklist.fetched(item.item_id);
        fetching.batch.push(item);
    }

    /// A call ended the batch; what was fetched so far is recorded.
    fn cut_short(mut worker: Worker, fetching: Fetching, failure: &Failure) -> Run {
        worker.stage = Self::recording(fetching, Ended::Failed(Cause::of(failure)));
        Run::GoesOn(Box::new(worker))
    }

    /// What is missing of an item that may be gone is not recorded.
    fn recording(mut fetching: Fetching, ended: Ended) -> Stage {
        fetching.batch.retain(|item| !item.has_missing());
        Stage::Recording(fetching, ended)
    }

    fn after_call(&mut self, worker: &mut Worker, fetching: Fetching) {
        if fetching.item.is_some() || fetching.checklist.pending().next().is_some() {
            worker.stage = Stage::Fetching(fetching);
        } else {
            worker.stage = self.end_of_batch(fetching);
        }
    }

    fn end_of_batch(&self, fetching: Fetching) -> Stage {
        if self
            .decisions()
            .is_read_again(&fetching.checklist, &fetching.batch)
        {
            return Stage::ListingAgain(fetching);
        }
        let is_last = fetching.checklist.pending().next().is_none();
        Self::recording(fetching, if is_last { Ended::Last } else { Ended::Full })
    }

    /// The batch is full.
    pub(crate) fn end_batch(&mut self) {
        self.say(|| "has a full batch".to_owned());
        let mut worker = self.state.workers[self.me].take().unwrap();
        if let Stage::Fetching(fetching) = worker.stage {
            worker.stage = self.end_of_batch(fetching);
        }
        self.state.workers[self.me] = Some(worker);
    }

    fn list_again(&mut self, mut worker: Worker, mut fetching: Fetching, outcome: Outcome) -> Run {
        let ended = match self.read_list(fetching.id, outcome) {
            Ok(Some(items)) => {
                fetching.checklist.read(items);
                fetching.listed_at = now();
                if fetching.checklist.settle(&mut fetching.batch) {
                    Ended::Last
                } else {
                    Ended::Full
                }
            }
            Ok(None) => Ended::Gone,
            Err(failure) => Ended::Failed(Cause::of(&failure)),
        };
        worker.stage = if ended == Ended::Last && !self.decisions().records_first() {
            Stage::Committing(fetching.id)
        } else {
            Self::recording(fetching, ended)
        };
        Run::GoesOn(Box::new(worker))
    }

    /// The Postgres transaction that makes a batch durable, and may seal the transaction.
    pub(crate) fn record(&mut self) -> Result<(), Violation> {
        let worker = self.state.workers[self.me].take().unwrap();
        let run = if self.holds_lease() {
            self.store(worker)
        } else {
            Run::Stops
        };
        self.put_back(run)
    }

    fn store(&mut self, mut worker: Worker) -> Run {
        let Stage::Recording(mut fetching, ended) = worker.stage.clone() else {
            unreachable!("it has nothing to record");
        };
        let mut transactions = worker.row.read();
        for item in &fetching.batch {
            worker.written += i32::from(self.state.ledger.store(item));
            fetching.checklist.note(item);
        }
        if let Some((item, _)) = fetching.item.take()
            && self.decisions().keeps_what_is_cut_off()
        {
            self.state.ledger.keep(&item);
        }
        self.say(|| format!("records {} items", fetching.batch.len()));
        fetching.batch.clear();
        let trouble = match ended {
            Ended::Full | Ended::Last => None,
            Ended::Gone => Some(Trouble::Gone),
            Ended::Failed(cause) => Some(Trouble::Failed(cause.failure())),
        };
        let is_last = ended == Ended::Last;
        let checklist = &fetching.checklist;
        let next = self
            .decisions()
            .after_batch(&mut transactions, checklist, trouble, is_last);
        let wanted = worker.wanted(self.state);
        let sealed = match next {
            Ok(Next::Fetch) => {
                worker.stage = Stage::Fetching(fetching);
                return Run::GoesOn(Box::new(worker));
            }
            Ok(Next::Gone) => return self.gone(worker, transactions),
            Ok(Next::Seal) => {
                let is_covered = wanted.covers(self.state.ledger.open);
                let listed_at = fetching.listed_at;
                self.decisions()
                    .seal(&mut transactions, checklist, listed_at, is_covered)
            }
            Err(failure) => Err(failure),
        };
        worker.row = Row::of(&transactions);
        match sealed {
            Ok(Sealed::Committing) => {
                self.say(|| "; seals the transaction".to_owned());
                if self.decisions().writes_committing() {
                    self.save(&transactions);
                    let wanted = self.state.ledger.wanted();
                    self.state.ledger.sealed.push((fetching.id, wanted));
                }
                worker.stage = Stage::Committing(fetching.id);
                Run::GoesOn(Box::new(worker))
            }
            Ok(Sealed::NotToBeCommitted) => unreachable!("commits are on"),
            Err(failure) => {
                self.save(&transactions);
                Run::Ends(Err(failure))
            }
        }
    }

    fn commit(&mut self, worker: Worker, id: u8, outcome: Outcome) -> Result<Run, Violation> {
        let mut transactions = worker.row.read();
        if worker.row.is_committing()
            && let Err(failure) = self.decisions().may_commit(&transactions)
        {
            self.say(|| "does not commit".to_owned());
            return Ok(Run::Ends(Err(failure)));
        }
        let result = match outcome {
            Outcome::Answered | Outcome::AnswerLost => {
                let reply = self.state.deliver_put(id, self.machine.bounds.switches)?;
                self.say(|| format!("commit #{id} → {reply:?}"));
                let heard = if outcome == Outcome::Answered {
                    reply
                } else {
                    Reply::Silence
                };
                answer(heard, String::new)
            }
            Outcome::StaysOnTheWire => {
                self.state.puts_on_the_wire.push(Put { id, flown: 0 });
                Err(Cause::TimedOut.failure())
            }
            Outcome::RequestLost | Outcome::SpuriousNotFound => Err(Cause::TimedOut.failure()),
            Outcome::NotSent => Err(Cause::WindowClosed.failure()),
        };
        self.say_outcome(outcome, "commit");
        Ok(
            match self.decisions().after_commit(&mut transactions, result) {
                Ok(is_confirmed) => self.next_round(worker, transactions, is_confirmed),
                Err(failure) => Run::Ends(Err(failure)),
            },
        )
    }
}
