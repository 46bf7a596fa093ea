//! What an audit says of a user, and of all.

use std::io::{self, Write};

use serde::Serialize;

use crate::{
    exit::{Code, Failure},
    model::{ConnectionId, Kind, TaskId, UserId},
    ops::table::Table,
    store::overview::RequestState,
};

/// What no audit can see, and so no audit speaks of.
const UNSEEN: &str = "Polar shows no day of activity and no physical information once they are committed, no exercise \
                      30 days after its upload, and no night after 28 days: those are only compared with what is kept raw";

/// How a user stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// Everything that Polar shows is stored.
    Ok,
    /// Something was missing and is back, or nobody can tell.
    Warns,
    /// Something is missing.
    Fails,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warns => "warns",
            Self::Fails => "fails",
        }
    }
}

/// Numbers of items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Numbers {
    /// What was compared.
    pub(super) checked: usize,
    /// What was stored.
    pub(super) stored: usize,
    /// What came to Polar since the last sync, and is stored by now.
    pub(super) new: usize,
    /// What was not stored.
    pub(super) missing: usize,
    /// What of that is stored by now.
    pub(super) refetched: usize,
}

impl Numbers {
    fn add(&mut self, other: Self) {
        self.checked += other.checked;
        self.stored += other.stored;
        self.new += other.new;
        self.missing += other.missing;
        self.refetched += other.refetched;
    }
}

/// One kind of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct KindNumbers {
    pub(super) kind: Kind,
    #[serde(flatten)]
    pub(super) numbers: Numbers,
}

/// What nobody can tell, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct CannotTell {
    /// Of which kind; of all of them when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<Kind>,
    pub(super) why: String,
}

/// The sync that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Sync {
    pub(super) task_id: TaskId,
    pub(super) state: RequestState,
    /// Whether it waits for quota or for an outage to end.
    #[serde(skip)]
    pub(super) waits: bool,
    /// Why it did not bring back everything, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) because: Option<String>,
}

impl Sync {
    /// Whether nobody has begun it, though nothing keeps it waiting: those of other users would lie
    /// there as well.
    pub(super) fn is_left_lying(&self) -> bool {
        self.state == RequestState::Open && !self.waits
    }
}

/// What is said of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Audited {
    pub(super) user_id: UserId,
    pub(super) connection_id: ConnectionId,
    pub(super) verdict: Verdict,
    #[serde(flatten)]
    pub(super) numbers: Numbers,
    pub(super) kinds: Vec<KindNumbers>,
    pub(super) cannot_tell: Vec<CannotTell>,
    /// What no audit speaks of.
    unseen: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sync: Option<Sync>,
}

impl Audited {
    pub(super) fn new(
        user_id: UserId,
        connection_id: ConnectionId,
        kinds: Vec<KindNumbers>,
        cannot_tell: Vec<CannotTell>,
        sync: Option<Sync>,
    ) -> Self {
        let mut numbers = Numbers::default();
        for kind in &kinds {
            numbers.add(kind.numbers);
        }
        let verdict = if numbers.missing > numbers.refetched {
            Verdict::Fails
        } else if numbers.missing > 0 || !cannot_tell.is_empty() {
            Verdict::Warns
        } else {
            Verdict::Ok
        };
        Self {
            user_id,
            connection_id,
            verdict,
            numbers,
            kinds,
            cannot_tell,
            unseen: UNSEEN,
            sync,
        }
    }

    /// Everything, for one user.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: {}", self.user_id, self.verdict.as_str())?;
        let mut table = Table::new(["kind", "checked", "stored", "new", "missing", "refetched"]);
        let compared = self.kinds.iter().filter(|kind| kind.numbers.checked > 0);
        for KindNumbers { kind, numbers } in compared {
            let mut cells = [const { String::new() }; 6];
            let counts = [
                numbers.checked,
                numbers.stored,
                numbers.new,
                numbers.missing,
                numbers.refetched,
            ];
            let texts = counts.iter().map(ToString::to_string);
            for (cell, text) in cells
                .iter_mut()
                .zip([kind.to_string()].into_iter().chain(texts))
            {
                *cell = text;
            }
            table.row(cells);
        }
        table.write(out, "nothing was compared")?;
        for reason in &self.cannot_tell {
            writeln!(out, "cannot tell: {}", said(reason))?;
        }
        if let Some(sync) = &self.sync {
            writeln!(out, "{}", told(sync))?;
        }
        writeln!(out, "{UNSEEN}")
    }

    /// The same in one line, for a user among all.
    pub(super) fn write_line(&self, out: &mut dyn Write) -> io::Result<()> {
        let Numbers {
            checked,
            stored,
            new,
            missing,
            refetched,
        } = self.numbers;
        let (user, verdict) = (&self.user_id, self.verdict.as_str());
        write!(
            out,
            "{user}: {verdict}: {checked} checked, {stored} stored, {new} new, {missing} missing, {refetched} refetched"
        )?;
        for reason in &self.cannot_tell {
            write!(out, "; cannot tell: {}", said(reason))?;
        }
        if let Some(sync) = self
            .sync
            .as_ref()
            .filter(|_| self.verdict == Verdict::Fails)
        {
            write!(out, "; {}", told(sync))?;
        }
        writeln!(out)
    }

    /// What the command ends with.
    pub(super) fn judge(&self) -> Result<(), Failure> {
        let user = &self.user_id;
        let Numbers {
            missing, refetched, ..
        } = self.numbers;
        match self.verdict {
            Verdict::Ok => Ok(()),
            Verdict::Warns if missing > 0 => Err(Failure::new(
                Code::Warns,
                format!("{missing} items of {user} were not stored, and are now"),
                "find out what lost them; the lines above tell what else was noticed",
            )),
            Verdict::Warns => Err(Failure::new(
                Code::Warns,
                format!("nobody can tell whether everything of {user} is stored"),
                "the lines above tell why",
            )),
            Verdict::Fails => Err(Failure::new(
                Code::Fails,
                format!(
                    "{} items of {user} are not stored, and could not be refetched",
                    missing - refetched
                ),
                format!("the lines above tell why; `polar-sync explain {user}` tells more"),
            )),
        }
    }
}

fn said(CannotTell { kind, why }: &CannotTell) -> String {
    kind.map_or_else(|| why.clone(), |kind| format!("{kind}: {why}"))
}

fn told(sync: &Sync) -> String {
    let because = sync.because.as_deref().map(|why| format!(": {why}"));
    let because = because.unwrap_or_default();
    format!("the sync {} is {}{because}", sync.task_id, sync.state)
}

/// What is said of all users.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    pub(super) ok: u64,
    pub(super) warns: u64,
    pub(super) fails: u64,
    /// The last connection that was audited.
    pub(super) last: Option<ConnectionId>,
    /// Why the connections after it were not.
    pub(super) stopped: Option<String>,
}

impl Summary {
    pub(super) fn add(&mut self, audited: &Audited) {
        *match audited.verdict {
            Verdict::Ok => &mut self.ok,
            Verdict::Warns => &mut self.warns,
            Verdict::Fails => &mut self.fails,
        } += 1;
        self.last = Some(audited.connection_id);
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let (ok, warns, fails) = (self.ok, self.warns, self.fails);
        writeln!(
            out,
            "{} users: {ok} ok, {warns} warn, {fails} fail",
            ok + warns + fails
        )?;
        if let Some(why) = &self.stopped {
            writeln!(out, "not all: {why}; {}", self.go_on())?;
        }
        writeln!(out, "{UNSEEN}")
    }

    fn go_on(&self) -> String {
        self.last.map_or_else(
            || "`polar-sync audit --all` begins again".to_owned(),
            |last| format!("`polar-sync audit --all --after {last}` goes on"),
        )
    }

    pub(super) fn judge(&self) -> Result<(), Failure> {
        let told = "the lines above tell of whom and why";
        if self.fails > 0 {
            let cause = format!("{} users lack what could not be refetched", self.fails);
            return Err(Failure::new(Code::Fails, cause, told));
        }
        if let Some(why) = &self.stopped {
            let cause = format!("not everybody was audited: {why}");
            return Err(Failure::new(Code::Warns, cause, self.go_on()));
        }
        if self.warns > 0 {
            let cause = format!("{} users lacked something, or nobody can tell", self.warns);
            return Err(Failure::new(Code::Warns, cause, told));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::exit::Report;

    fn audited(missing: usize, refetched: usize, cannot_tell: bool) -> Audited {
        let numbers = Numbers {
            checked: 5,
            stored: 5 - missing,
            new: 0,
            missing,
            refetched,
        };
        let kind = KindNumbers {
            kind: Kind::Exercise,
            numbers,
        };
        let reason = CannotTell {
            kind: Some(Kind::Sleep),
            why: "no answer".to_owned(),
        };
        Audited::new(
            "user_001".parse().unwrap(),
            ConnectionId::new(),
            vec![kind],
            Vec::from_iter(cannot_tell.then_some(reason)),
            None,
        )
    }

    fn code(judged: Result<(), Failure>) -> u8 {
        judged.map_or_else(|failure| Report::of(&failure.into()).code.number(), |()| 0)
    }

    #[rstest]
    #[case(0, 0, false, 0)]
    #[case(2, 2, false, 20)]
    #[case(0, 0, true, 20)]
    #[case(2, 1, false, 21)]
    #[case(2, 0, true, 21)]
    fn the_exit_code_tells_what_is_worst(
        #[case] missing: usize,
        #[case] refetched: usize,
        #[case] cannot_tell: bool,
        #[case] expected: u8,
    ) {
        let audited = audited(missing, refetched, cannot_tell);
        assert_eq!(code(audited.judge()), expected);
        let mut summary = Summary::default();
        summary.add(&audited);
        assert_eq!(code(summary.judge()), expected);
        summary.stopped = Some("the window is closed".to_owned());
        assert_eq!(code(summary.judge()), expected.max(20));
    }

    #[test]
    fn a_user_among_all_is_one_line() {
        let mut line = Vec::new();
        audited(2, 1, true).write_line(&mut line).unwrap();
        let line = String::from_utf8(line).unwrap();
        let expected = "user_001: fails: 5 checked, 3 stored, 0 new, 2 missing, 1 refetched; \
                        cannot tell: sleep: no answer\n";
        assert_eq!(line, expected);
    }
}
