//! The decisions that the model takes: those of production, and variants that have something wrong.

use bytes::Bytes;
use jiff::Timestamp;
use polar_sync::{
    accesslink::{Answer, call::ItemPart},
    store::raw::Held,
    sync::{
        Failure,
        decide::{self, Checklist, Fetched, FetchedItem, Next, Part, Sealed, Trouble},
        lifecycle::{Rules, Step, Transactions},
    },
};

use crate::ledger::{RULES, now};

/// How the life cycle is run. What a variant does not say is what production does.
pub(crate) trait Decisions: Copy {
    fn rules(self) -> Rules {
        RULES
    }

    fn step(self, transactions: &Transactions) -> Step {
        transactions.step(self.rules(), now())
    }

    fn after_create(
        self,
        transactions: &mut Transactions,
        answer: Result<Answer, Failure>,
    ) -> Result<Option<Bytes>, Failure> {
        decide::after_create(transactions, answer, now())
    }

    fn after_list(self, answer: Result<Answer, Failure>) -> Result<Option<Bytes>, Failure> {
        decide::after_list(answer)
    }

    fn after_part(self, answer: Result<Answer, Failure>) -> Result<Part, Failure> {
        decide::after_part(answer)
    }

    fn is_kept(self, held: Option<Held>, part: &ItemPart) -> bool {
        decide::is_kept(held, part)
    }

    fn is_read_again(self, checklist: &Checklist, batch: &[FetchedItem]) -> bool {
        checklist.is_read_again(batch)
    }

    fn after_batch(
        self,
        transactions: &mut Transactions,
        checklist: &Checklist,
        trouble: Option<Trouble>,
        is_last: bool,
    ) -> Result<Next, Failure> {
        decide::after_batch(transactions, self.rules(), checklist, trouble, is_last)
    }

    fn seal(
        self,
        transactions: &mut Transactions,
        checklist: &Checklist,
        listed_at: Timestamp,
        is_covered: bool,
    ) -> Result<Sealed, Failure> {
        decide::seal(
            transactions,
            self.rules(),
            now(),
            checklist,
            listed_at,
            is_covered,
            true,
        )
    }

    fn may_commit(self, transactions: &Transactions) -> Result<(), Failure> {
        decide::may_commit(transactions, self.rules(), now())
    }

    fn after_commit(
        self,
        transactions: &mut Transactions,
        answer: Result<Answer, Failure>,
    ) -> Result<bool, Failure> {
        decide::after_commit(transactions, self.rules(), answer)
    }

    /// Whether every Postgres transaction begins by checking the token of the lease.
    fn is_fenced(self) -> bool {
        true
    }

    /// Whether what was fetched is recorded before the commit is sent.
    fn records_first(self) -> bool {
        true
    }

    /// Whether `committing` is written before the commit is sent.
    fn writes_committing(self) -> bool {
        true
    }

    /// Whether the parts are kept of an item that was not fetched to its end.
    fn keeps_what_is_cut_off(self) -> bool {
        true
    }

    /// Whether a transaction that is gone is created anew, rather than taken for done.
    fn creates_anew(self) -> bool {
        true
    }
}

/// What production does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Production;

impl Decisions for Production {}

/// Defines a variant by what is wrong with it.
macro_rules! broken {
    ($(#[doc = $doc:literal] $name:ident { $($body:tt)* })*) => { $(
        #[doc = $doc]
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name;

        impl Decisions for $name { $($body)* }
    )* };
}

broken! {
    /// Commits what was fetched before it is recorded.
    CommitsBeforeRecording {
        fn records_first(self) -> bool {
            false
        }
    }
    /// Sends the commit without writing down that it is under way.
    CommitsUnwritten {
        fn writes_committing(self) -> bool {
            false
        }
    }
    /// Takes a 404 on a part for its absence.
    TakesMissingForAbsent {
        fn after_part(self, answer: Result<Answer, Failure>) -> Result<Part, Failure> {
            Ok(match decide::after_part(answer)? {
                Part::Fetched(Fetched::Missing) => Part::Fetched(Fetched::Absent),
                part => part,
            })
        }

        fn is_kept(self, held: Option<Held>, part: &ItemPart) -> bool {
            held == Some(Held::Nothing) || decide::is_kept(held, part)
        }
    }
    /// Believes every empty answer to a create.
    BelievesEmptyAnswers {
        fn after_create(
            self,
            transactions: &mut Transactions,
            answer: Result<Answer, Failure>,
        ) -> Result<Option<Bytes>, Failure> {
            match decide::after_create(transactions, answer, now()) {
                Err(Failure::Doubtful { .. }) => Ok(None),
                other => other,
            }
        }
    }
    /// Takes a transaction that is gone for one that is done.
    TakesGoneForDone {
        fn creates_anew(self) -> bool {
            false
        }
    }
    /// Knows no age that is too high for a commit.
    CommitsLate {
        fn rules(self) -> Rules {
            Rules { life: RULES.life * 1_000 }
        }
    }
    /// Does not list once more before the transaction is sealed.
    ListsOnce {
        fn is_read_again(self, _: &Checklist, _: &[FetchedItem]) -> bool {
            false
        }
    }
    /// Writes with a lease that is lost.
    WritesUnfenced {
        fn is_fenced(self) -> bool {
            false
        }
    }
    /// Fetches an item from its beginning when it was not fetched to its end.
    DropsWhatIsCutOff {
        fn keeps_what_is_cut_off(self) -> bool {
            false
        }
    }
    /// Does not look what requests want that came during the run.
    SealsUnasked {
        fn seal(
            self,
            transactions: &mut Transactions,
            checklist: &Checklist,
            listed_at: Timestamp,
            _: bool,
        ) -> Result<Sealed, Failure> {
            decide::seal(transactions, RULES, now(), checklist, listed_at, true, true)
        }
    }
    /// Does not look whether a create may have come after the last list.
    SealsUnsettled {
        fn seal(
            self,
            transactions: &mut Transactions,
            checklist: &Checklist,
            _: Timestamp,
            is_covered: bool,
        ) -> Result<Sealed, Failure> {
            let later = now() + RULES.life;
            decide::seal(transactions, RULES, now(), checklist, later, is_covered, true)
        }
    }
}
