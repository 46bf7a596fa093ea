//! `users import FILE|-`: takes over connections from another system.

use std::{
    collections::HashSet,
    io::{self, Write},
    path::Path,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use anyhow::Context;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde::Serialize;

use super::{
    line::{Line, parse},
    reader::{Lines, Numbered},
};
use crate::{
    cli::UsersImportArgs,
    config::{Config, ReplaceConnection},
    connection::{ConnectError, Connected, NewTokens, Replace, connect},
    exit::{Code, Failure, WithExit},
    job::request::plain,
    model::{Cause, ConnectionId, Lane, UserId},
    ops::{
        Output,
        reach::{self, Queue},
    },
    secret::Keyring,
};

/// Lines that are stored at once.
const CONCURRENCY: usize = 16;

/// Bad lines that are listed; the others are only counted.
const LISTED_MAX: usize = 10_000;

/// What became of the lines.
#[derive(Debug, Default, Serialize)]
struct Tally {
    /// Connections that did not exist before.
    imported: u64,
    /// Connections that exist already, and have these tokens now.
    reconnected: u64,
    failed: Vec<Failed>,
    /// Bad lines beyond those that are listed.
    failed_unlisted: u64,
}

#[derive(Debug, Serialize)]
struct Failed {
    line: u64,
    error: String,
}

/// Imports every line that can be imported.
pub(super) async fn run(
    config: &Config,
    args: &UsersImportArgs,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let (needs, _) = config.for_tokens("users import")?;
    let keyring = Keyring::from_config(&config.security)?;
    let lines = Lines::open(&args.file).await?;
    let connections = u32::try_from(CONCURRENCY).unwrap_or(1);
    let queue = reach::connect_queue(config, needs, connections).await?;
    queue.store.check_keys(&keyring).await?;
    let replace = match config.connections.replace {
        ReplaceConnection::Reject => Replace::Reject,
        ReplaceConnection::New => Replace::New,
    };
    let importer = Importer {
        wakes_left: AtomicU32::new(config.schedule.backlog_max.get()),
        queue,
        keyring,
        replace,
    };
    let mut tally = Tally::default();
    let ended = importer.import(lines, &mut tally).await;
    tally.failed.sort_by_key(|failed| failed.line);
    output.show(&tally, write)?;
    ended?;
    tally.judge(&args.file)
}

impl Tally {
    fn fail(&mut self, line: u64, error: String) {
        if self.failed.len() < LISTED_MAX {
            self.failed.push(Failed { line, error });
        } else {
            self.failed_unlisted += 1;
        }
    }

    fn judge(&self, file: &Path) -> anyhow::Result<()> {
        let bad = self.failed.len() as u64 + self.failed_unlisted;
        if bad == 0 {
            return Ok(());
        }
        let lines = if bad == 1 { "line" } else { "lines" };
        Err(Failure::new(
            Code::Refused,
            format!("{bad} {lines} of {} not imported", file.display()),
            "correct the lines that are listed and import them; the others are done",
        )
        .into())
    }
}

fn write(tally: &Tally, out: &mut dyn Write) -> io::Result<()> {
    for Failed { line, error } in &tally.failed {
        writeln!(out, "line {line}: {error}")?;
    }
    if tally.failed_unlisted > 0 {
        writeln!(out, "and {} other bad lines", tally.failed_unlisted)?;
    }
    let (new, again) = (tally.imported, tally.reconnected);
    writeln!(
        out,
        "imported {new} new connections; {again} existing ones have new tokens"
    )
}

async fn next(lines: &mut Lines) -> Result<Option<Numbered<'_>>, Failure> {
    let line = lines.next().await.context("cannot read the next line");
    line.exit(
        Code::NotFound,
        "name a file that can be read to its end; what was read before is imported",
    )
}

/// What it takes to store a line.
struct Importer {
    /// Workers are woken for so many more; the scheduler wakes them for the others, when there is room.
    wakes_left: AtomicU32,
    queue: Queue,
    keyring: Keyring,
    replace: Replace,
}

/// A line that is stored.
struct Stored {
    number: u64,
    user_id: UserId,
    polar_user_id: i64,
    result: Result<Connected, ConnectError>,
}

/// The lines that are being stored. Two lines of one user or one account are stored one after the
/// other, so that the later one holds.
#[derive(Default)]
struct InFlight<'a> {
    storing: FuturesUnordered<BoxFuture<'a, Stored>>,
    users: HashSet<UserId>,
    accounts: HashSet<i64>,
}

impl<'a> InFlight<'a> {
    fn has_room_for(&self, line: &Line) -> bool {
        self.storing.len() < CONCURRENCY
            && !self.users.contains(&line.user_id)
            && !self.accounts.contains(&line.polar_user_id)
    }

    fn add(&mut self, importer: &'a Importer, number: u64, line: Line) {
        self.users.insert(line.user_id.clone());
        self.accounts.insert(line.polar_user_id);
        self.storing.push(importer.store(number, line).boxed());
    }

    async fn next(&mut self) -> Option<Stored> {
        let stored = self.storing.next().await?;
        self.users.remove(&stored.user_id);
        self.accounts.remove(&stored.polar_user_id);
        Some(stored)
    }
}

impl Importer {
    /// Imports all lines. What is under way when Postgres fails is still counted.
    async fn import(&self, mut lines: Lines, tally: &mut Tally) -> anyhow::Result<()> {
        let mut in_flight = InFlight::default();
        let mut ended = Ok(());
        while ended.is_ok() {
            let Some(Numbered { number, text }) = next(&mut lines).await? else {
                break;
            };
            match text.and_then(parse) {
                Ok(line) => {
                    while ended.is_ok() && !in_flight.has_room_for(&line) {
                        ended = in_flight
                            .next()
                            .await
                            .map_or(Ok(()), |stored| tally.note(stored));
                    }
                    if ended.is_ok() {
                        in_flight.add(self, number, line);
                    }
                }
                Err(error) => tally.fail(number, error.to_string()),
            }
        }
        while let Some(stored) = in_flight.next().await {
            ended = ended.and(tally.note(stored));
        }
        ended
    }

    async fn store(&self, number: u64, line: Line) -> Stored {
        let new = NewTokens {
            user_id: &line.user_id,
            polar_user_id: line.polar_user_id,
            tokens: &line.tokens,
            registered: false,
            connection_id: ConnectionId::new(),
        };
        let first_sync = plain(Lane::Periodic, Cause::Connect, Vec::new());
        let Queue { store, desk } = &self.queue;
        let result = connect(store, &self.keyring, &new, self.replace, &first_sync).await;
        let less = |left: u32| left.checked_sub(1);
        let may_wake = || self.wakes_left.fetch_update(Relaxed, Relaxed, less).is_ok();
        if result.is_ok() && may_wake() {
            let (cause, task) = (first_sync.cause, first_sync.task_id);
            desk.wake(&line.user_id, first_sync.lane, cause, task).await;
        }
        Stored {
            number,
            user_id: line.user_id,
            polar_user_id: line.polar_user_id,
            result,
        }
    }
}

impl Tally {
    /// Counts a line; an error that the next lines would meet too ends the import.
    fn note(&mut self, stored: Stored) -> anyhow::Result<()> {
        let number = stored.number;
        match stored.result {
            Ok(Connected::New(_)) => self.imported += 1,
            Ok(Connected::Again(_)) => self.reconnected += 1,
            Err(
                error @ (ConnectError::AccountTaken { .. }
                | ConnectError::OtherAccount { .. }
                | ConnectError::Erasing { .. }),
            ) => {
                self.fail(number, error.to_string());
            }
            Err(ConnectError::Key(error)) => {
                return Err(anyhow::Error::new(error).context(stopped(number)));
            }
            Err(ConnectError::Store(error)) => {
                return Err(anyhow::Error::new(error).context(stopped(number)));
            }
        }
        Ok(())
    }
}

fn stopped(number: u64) -> String {
    format!(
        "the import stopped near line {number}; run it again, what is imported already does no harm"
    )
}
