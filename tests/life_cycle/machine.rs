//! The whole of it: Polar, the ledger, workers, what is on the wire, and everything that can happen next.

use polar_sync::model::{Detail, Details};

use crate::{
    decisions::Decisions,
    ledger::{LIFE, Ledger, TICK, Violation, now},
    polar::{Open, Polar, PutAnswer, Reply, Switches},
    worker::{Running, Stage, Worker},
};

/// Ticks until a window of the rate limit opens again: longer than any transaction lives.
const WINDOW: u32 = 7;

/// What a configuration of the model allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) switches: Switches,
    /// What is uploaded, in this order; the first is there from the beginning.
    pub(crate) uploads: &'static [usize],
    /// What every sync stores.
    pub(crate) include: Details,
    /// Crashes, losses, refusals and leases lost, together.
    pub(crate) faults: u8,
    /// Whether a request may come that wants the route as well.
    pub(crate) widens: bool,
    /// Whether Polar may add what is uploaded to a transaction that is open.
    pub(crate) grows: bool,
    /// Whether a batch may be full after any item.
    pub(crate) splits: bool,
    /// Whether a call may arrive after its sender has given it up.
    pub(crate) wire: Wire,
    /// Calls of a window of the rate limit, if it has a limit.
    pub(crate) window: Option<u8>,
}

/// When calls arrive that their sender has given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// At once or never.
    Prompt,
    /// A commit within a fifth of a transaction's life.
    Slow,
    /// A commit at any time.
    Endless,
    /// A commit at any time, and a create within a tenth of a transaction's life, even after others
    /// that were sent later.
    CreatesToo,
}

/// A commit on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Put {
    pub(crate) id: u8,
    /// For how many ticks.
    pub(crate) flown: u8,
}

/// A state of everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) polar: Polar,
    pub(crate) ledger: Ledger,
    pub(crate) workers: [Option<Worker>; 2],
    pub(crate) puts_on_the_wire: Vec<Put>,
    pub(crate) creates_on_the_wire: u8,
    to_upload: &'static [usize],
    faults: u8,
    has_widened: bool,
    /// Calls that are left in the window.
    window: Option<u8>,
}

/// What comes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    RequestLost,
    AnswerLost,
    /// The sender gives it up, and it arrives later.
    StaysOnTheWire,
    /// The window of the rate limit is closed.
    NotSent,
    /// A 404 for a transaction that is there.
    SpuriousNotFound,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Tick,
    Upload,
    Widen,
    Grow,
    PutArrives(u8),
    CreateArrives,
    Claim(usize),
    TakeOver(usize),
    Crash(usize),
    Call(usize, Outcome),
    EndBatch(usize),
    Record(usize),
}

/// A life cycle in a world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine<D> {
    pub(crate) decisions: D,
    pub(crate) bounds: Bounds,
}

impl State {
    /// An id that nothing names: which one it is tells nothing.
    pub(crate) fn fresh_id(&self) -> u8 {
        (1..u8::MAX).find(|id| !self.names(*id)).unwrap()
    }

    fn names(&self, id: u8) -> bool {
        let polar = &self.polar;
        polar.open.as_ref().is_some_and(|open| open.id == id) || self.remembers(id)
    }

    /// Whether anybody but Polar may still speak of a transaction.
    fn remembers(&self, id: u8) -> bool {
        let mut workers = self.workers.iter().flatten();
        self.ledger.row.id() == Some(id)
            || workers.any(|worker| worker.id() == Some(id) || worker.row.id() == Some(id))
            || self.puts_on_the_wire.iter().any(|put| put.id == id)
    }

    /// Forgets what makes no difference any more.
    fn tidy(&mut self) {
        let mut closed = std::mem::take(&mut self.polar.closed);
        closed.retain(|closed| self.remembers(closed.id));
        closed.sort_by_key(|closed| closed.id);
        self.polar.closed = closed;
        let mut sealed = std::mem::take(&mut self.ledger.sealed);
        sealed.retain(|(id, _)| self.names(*id));
        sealed.sort_by_key(|(id, _)| *id);
        sealed.dedup();
        self.ledger.sealed = sealed;
        self.puts_on_the_wire.sort();
        self.puts_on_the_wire.dedup();
    }

    pub(crate) fn window_is_closed(&self) -> bool {
        self.window == Some(0)
    }

    pub(crate) fn use_window(&mut self) {
        self.window = self.window.map(|left| left - 1);
    }

    /// After a run that found the window closed.
    pub(crate) fn wait_for_window(&mut self) {
        if self.window.is_some() {
            self.ledger.due = Some(now() + TICK * WINDOW);
        }
    }

    /// A commit arrives at Polar.
    pub(crate) fn deliver_put(&mut self, id: u8, switches: Switches) -> Result<Reply, Violation> {
        let Self { polar, ledger, .. } = self;
        polar.put(id, switches, |version| ledger.may_delete(id, version))
    }

    fn is_busy(&self) -> bool {
        self.workers.iter().any(Option::is_some)
    }

    /// Whether a worker holds the list of a transaction for complete.
    fn is_listed_last(&self) -> bool {
        self.ledger.row.is_committing()
            || self.workers.iter().flatten().any(Worker::has_listed_last)
    }

    /// Everything that was uploaded is durable and committed, and nobody is at it.
    pub(crate) fn is_in_step(&self) -> bool {
        let asked = self.ledger.open.union(self.ledger.taken);
        let is_asked = asked != Details::NONE;
        self.polar.offered().is_empty()
            && self.ledger.row.remote.is_none()
            && !self.is_busy()
            && !is_asked
    }

    /// As it is written in a trace.
    pub(crate) fn text(&self) -> String {
        let open = self.polar.open.as_ref();
        let open = open.map_or("-".to_owned(), |Open { id, age, entries }| {
            format!("#{id} {} aged {age}", entries.text())
        });
        format!(
            "Polar: pool {} open {open} | ledger: {} stored {}",
            self.polar.pool.text(),
            self.ledger.row.text(),
            self.ledger.stored()
        )
    }
}

impl<D: Decisions> Machine<D> {
    /// Where everything begins.
    pub(crate) fn start(&self) -> State {
        let mut polar = Polar::default();
        let (first, later) = self.bounds.uploads.split_first().unwrap();
        polar.upload(*first);
        State {
            polar,
            ledger: Ledger::new(self.bounds.include),
            workers: [None, None],
            puts_on_the_wire: Vec::new(),
            creates_on_the_wire: 0,
            to_upload: later,
            faults: self.bounds.faults,
            has_widened: false,
            window: self.bounds.window,
        }
    }

    /// What can happen, and whether it will if nothing else goes wrong: workers run, time passes while
    /// they wait, and what is on the wire arrives.
    pub(crate) fn actions(&self, state: &State) -> Vec<(Action, bool)> {
        let mut actions = Vec::new();
        let is_due = state.ledger.due.is_none();
        let is_free = state.ledger.holder.is_none();
        if is_free && let Some(free) = state.workers.iter().position(Option::is_none) {
            // Before it is due it runs as well, if somebody asks for it.
            actions.push((Action::Claim(free), is_due));
        }
        actions.push((Action::Tick, is_free && !is_due));
        if !state.to_upload.is_empty() {
            actions.push((Action::Upload, false));
        }
        if self.bounds.widens && !state.has_widened {
            actions.push((Action::Widen, false));
        }
        if self.bounds.grows && !state.is_listed_last() {
            actions.push((Action::Grow, false));
        }
        let puts = state.puts_on_the_wire.iter().map(|put| put.id);
        actions.extend(puts.map(|id| (Action::PutArrives(id), true)));
        if state.creates_on_the_wire > 0 {
            actions.push((Action::CreateArrives, true));
        }
        for (me, worker) in state.workers.iter().enumerate() {
            if let Some(worker) = worker {
                self.actions_of(state, me, worker, &mut actions);
            }
        }
        actions
    }

    fn actions_of(
        &self,
        state: &State,
        me: usize,
        worker: &Worker,
        actions: &mut Vec<(Action, bool)>,
    ) {
        let can_fail = state.faults > 0;
        if can_fail {
            actions.push((Action::Crash(me), false));
            // With the fence, a worker without the lease is one that has crashed, but for its calls
            // on the wire.
            if !self.decisions.is_fenced() && state.ledger.holder == Some(me) {
                let free = state.workers.iter().position(Option::is_none);
                actions.extend(free.map(|free| (Action::TakeOver(free), false)));
            }
        }
        if let Stage::Recording(..) = worker.stage {
            actions.push((Action::Record(me), true));
            return;
        }
        actions.push((Action::Call(me, Outcome::Answered), true));
        if self.bounds.splits && worker.may_be_full() {
            actions.push((Action::EndBatch(me), true));
        }
        if can_fail && !state.window_is_closed() {
            let outcomes = self.failures_of(&worker.stage);
            // A create of which nothing is heard arrives soon, or never.
            let is_late = matches!(worker.stage, Stage::Creating(_, sent_at) if sent_at != now());
            let outcomes = outcomes.filter(move |outcome| {
                !is_late || !matches!(outcome, Outcome::AnswerLost | Outcome::StaysOnTheWire)
            });
            let failed = outcomes.map(|outcome| (Action::Call(me, outcome), false));
            actions.extend(failed);
        }
    }

    /// How the next call can fail.
    fn failures_of(&self, stage: &Stage) -> impl Iterator<Item = Outcome> {
        use Outcome::{AnswerLost, NotSent, RequestLost, SpuriousNotFound, StaysOnTheWire};
        let wire = self.bounds.wire;
        let failures: &[Outcome] = match stage {
            Stage::Creating(..) if wire == Wire::CreatesToo => {
                &[RequestLost, AnswerLost, NotSent, StaysOnTheWire]
            }
            Stage::Creating(..) => &[RequestLost, AnswerLost, NotSent],
            Stage::Committing(_) if wire == Wire::Prompt => &[RequestLost, AnswerLost, NotSent],
            Stage::Committing(_) => &[RequestLost, AnswerLost, NotSent, StaysOnTheWire],
            Stage::Listing(_) | Stage::ListingAgain(_) => &[RequestLost, NotSent, SpuriousNotFound],
            Stage::Fetching(_) => &[RequestLost, NotSent],
            Stage::Recording(..) => &[],
        };
        // Where no answer ever comes, to lose one is nothing new.
        let is_silent = self.bounds.switches.put_answer == PutAnswer::Lost;
        let is_committing = matches!(stage, Stage::Committing(_));
        failures
            .iter()
            .copied()
            .filter(move |outcome| !(is_silent && is_committing && *outcome == AnswerLost))
    }

    /// What a state becomes. `said` gets words for it.
    pub(crate) fn next(
        &self,
        state: &State,
        action: Action,
        said: &mut Option<String>,
    ) -> Result<State, Violation> {
        let mut after = state.clone();
        if let Some(said) = said {
            said.push_str(&action.text());
        }
        let run = |state, me, said| Running {
            machine: self,
            state,
            me,
            said,
        };
        match action {
            Action::Tick => self.tick(&mut after),
            Action::Upload => {
                let (next, later) = after.to_upload.split_first().unwrap();
                after.polar.upload(*next);
                after.to_upload = later;
            }
            Action::Widen => {
                after.has_widened = true;
                after.ledger.open = after.ledger.open.union(Details::from_iter([Detail::Route]));
            }
            Action::Grow => after.polar.grow(),
            Action::PutArrives(id) => {
                after.puts_on_the_wire.retain(|put| put.id != id);
                after.deliver_put(id, self.bounds.switches)?;
            }
            Action::CreateArrives => {
                after.creates_on_the_wire -= 1;
                let fresh = after.fresh_id();
                after.polar.create(self.bounds.switches, fresh);
            }
            Action::Claim(me) => run(&mut after, me, said).claim()?,
            Action::TakeOver(me) => {
                after.faults -= 1;
                run(&mut after, me, said).claim()?;
            }
            Action::Crash(me) => {
                after.faults -= 1;
                after.workers[me] = None;
                if after.ledger.holder == Some(me) {
                    after.ledger.holder = None;
                }
            }
            Action::Call(me, outcome) => {
                after.faults -= u8::from(outcome != Outcome::Answered);
                run(&mut after, me, said).call(outcome)?;
            }
            Action::EndBatch(me) => run(&mut after, me, said).end_batch(),
            Action::Record(me) => run(&mut after, me, said).record()?,
        }
        after.tidy();
        Ok(after)
    }

    fn tick(&self, state: &mut State) {
        state.polar.tick(LIFE);
        state.ledger.tick();
        for worker in state.workers.iter_mut().flatten() {
            worker.tick();
        }
        if state.ledger.due.is_none() && state.window_is_closed() {
            state.window = self.bounds.window;
        }
        state.creates_on_the_wire = 0;
        if self.bounds.wire == Wire::Slow {
            state.puts_on_the_wire.retain(|put| put.flown == 0);
            for put in &mut state.puts_on_the_wire {
                put.flown += 1;
            }
        }
    }
}

impl Action {
    fn text(self) -> String {
        match self {
            Self::Tick => "a fifth of a life passes".to_owned(),
            Self::Upload => "upload".to_owned(),
            Self::Widen => "a request wants the route as well".to_owned(),
            Self::Grow => "Polar adds what waits to the open transaction".to_owned(),
            Self::PutArrives(id) => format!("wire: the commit of #{id} arrives"),
            Self::CreateArrives => "wire: a create arrives".to_owned(),
            Self::Crash(me) => format!("worker {me}: dies, or loses its lease"),
            Self::TakeOver(me) => format!("worker {me}: (the other one stands still) "),
            Self::Claim(me) | Self::Call(me, _) | Self::EndBatch(me) | Self::Record(me) => {
                format!("worker {me}: ")
            }
        }
    }
}
