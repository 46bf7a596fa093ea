//! `audit USER`, `audit --all`: compares what Polar still shows with what is stored, and has what is
//! missing fetched again by a sync.
//!
//! A comparison reads three lists that delete nothing: exercises of the last 30 days, nights and nightly
//! recharges of the last 28. What is missing is asked for with the cause `backfill`, which makes the
//! worker look for it; the command waits for that, and looks again.
//!
//! What a lost row of each table is found by, and what brings it back:
//!
//! | Table | found by | brought back from |
//! |---|---|---|
//! | `workout` | Polar's list, raw bodies | raw bodies, else Polar |
//! | `workout_zone`, `route`, `series` of a workout | states and hashes in `workout` | raw bodies, else Polar; else `gone` |
//! | `sleep`, `nightly_recharge` | Polar's list, raw bodies | Polar, else raw bodies |
//! | `sleep_stage`, `series` of a night | `content_hash` of the night | Polar, else raw bodies |
//! | `daily_activity`, `physical_information` | raw bodies | raw bodies |
//! | `activity_zone_sample`, `series` of a day | states and hashes in `daily_activity` | raw bodies; else `gone` |
//! | `raw_item`, `raw_body` | each other, and records that are younger than they are kept | Polar, of nights that it shows |
//!
//! Where nothing brings it back and no record is left to say so, rows of others may tell: those that a
//! lost record left behind, and the items of transactions that were committed. Then nobody can tell what
//! it was.

mod ask;
mod compare;
mod kept;
mod report;

use std::{
    collections::{BTreeSet, HashSet},
    io::Write,
    time::Duration,
};

use futures::{StreamExt, stream};
use jiff::SignedDuration;
use uuid::Uuid;

use super::{Output, reach, when::span, words};
use crate::{
    accesslink::Urgency,
    cli::AuditArgs,
    config::Config,
    connection::{Access, Session},
    job::request::Desk,
    model::{ConnectionId, ConnectionState, Details, Kind, Lane, RecordId, TaskId, UserId},
    role::Ground,
    store::{
        Store, StoreError, connection::ConnectionRow, overview::RequestState, raw::RawError,
        records::find_workouts,
    },
    telemetry,
};
use ask::{Patience, ask, follow};
use compare::{Comparison, KindLook, Look, What};
use report::{Audited, CannotTell, KindNumbers, Summary, Sync};

/// Users whose comparison, and then whose sync, is under way at once.
const PAGE: u32 = 16;

/// Comparisons under way at once.
const CONCURRENCY: usize = 4;

/// Runs the command.
pub async fn run(
    config: &Config,
    args: &AuditArgs,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    config.for_polar("audit")?;
    let ground = Ground::lay(config, Duration::ZERO).await?;
    let auditor = Auditor {
        access: ground.access(config).await?,
        desk: ground.desk(),
        store: ground.store.clone(),
        kinds: &config.sync.kinds,
        sync_max: SignedDuration::try_from(config.worker.job_timeout.get())?,
        retention: SignedDuration::try_from(config.raw.retention.get())?,
        wait: args.wait.get(),
        // A reserve of the quota is for people: an audit of everybody leaves it to them.
        urgency: if args.all {
            Urgency::Normal
        } else {
            Urgency::Interactive
        },
    };
    let done = match &args.user {
        Some(user) => auditor.one(user, output).await,
        None => auditor.all(args.after, output).await,
    };
    // What these calls took of the quota is told to everybody.
    ground.permits.give_back().await;
    done
}

/// What an audit works with.
struct Auditor<'a> {
    access: Access,
    desk: Desk,
    store: Store,
    kinds: &'a BTreeSet<Kind>,
    sync_max: SignedDuration,
    retention: SignedDuration,
    wait: Duration,
    urgency: Urgency,
}

impl Auditor<'_> {
    async fn one(&self, user: &UserId, output: &mut Output<impl Write>) -> anyhow::Result<()> {
        let row = reach::connection(&self.store, user).await?;
        let looks = vec![self.look(row).await?];
        for audited in self.bring_back(looks).await? {
            output.show(&audited, |audited, out| audited.write(out))?;
            audited.judge()?;
        }
        Ok(())
    }

    /// Everybody who is active, in the order of connection ids.
    async fn all(
        &self,
        after: Option<Uuid>,
        output: &mut Output<impl Write>,
    ) -> anyhow::Result<()> {
        let mut summary = Summary {
            last: after.map(ConnectionId),
            ..Summary::default()
        };
        while summary.stopped.is_none() {
            let after = summary.last.map_or(Uuid::nil(), |last| last.0);
            let rows = self.store.connections_to_audit(after, PAGE.into()).await?;
            if rows.is_empty() {
                break;
            }
            let looks = self.looks(rows, &mut summary).await?;
            for audited in self.bring_back(looks).await? {
                if audited.sync.as_ref().is_some_and(Sync::is_left_lying) {
                    let wait = span(self.wait);
                    let why = format!("no worker has taken a sync within {wait}; does one run?");
                    summary.stopped.get_or_insert(why);
                }
                summary.add(&audited);
                output.show_line(&audited, |audited, out| audited.write_line(out))?;
            }
        }
        output.show_line(&summary, |summary, out| summary.write(out))?;
        summary.judge()?;
        Ok(())
    }

    /// Compares a page of users, up to the first about whom Polar cannot be asked now.
    async fn looks(
        &self,
        rows: Vec<ConnectionRow>,
        summary: &mut Summary,
    ) -> Result<Vec<(ConnectionRow, Look)>, StoreError> {
        let mut compared = stream::iter(rows)
            .map(|row| self.look(row))
            .buffered(CONCURRENCY);
        let mut looks = Vec::new();
        while let Some(look) = compared.next().await {
            let (row, look) = look?;
            if let Some(why) = look.stop {
                summary.stopped = Some(why);
                break;
            }
            looks.push((row, look));
        }
        Ok(looks)
    }

    /// Compares a user, if Polar may be asked about it.
    async fn look(&self, row: ConnectionRow) -> Result<(ConnectionRow, Look), StoreError> {
        let refused = |why: String| Look {
            cannot_tell: vec![CannotTell { kind: None, why }],
            ..Look::default()
        };
        if row.state != ConnectionState::Active {
            let meaning = words::meaning(row.state, words::is_held(&row));
            let look = refused(format!("the connection is {}: {meaning}", row.state));
            return Ok((row, look));
        }
        let session = match Session::open(self.access.clone(), row.clone(), self.urgency) {
            Ok(session) => session,
            Err(error) => {
                return Ok((row, refused(format!("its token cannot be opened: {error}"))));
            }
        };
        let comparison = Comparison {
            store: &self.store,
            session: &session,
            kinds: self.kinds,
            sync_max: self.sync_max,
            retention: self.retention,
        };
        let look = match comparison.look().await {
            Ok(look) => look,
            Err(RawError::Store(error)) => return Err(error),
            Err(error) => refused(telemetry::chain(&error)),
        };
        Ok((row, look))
    }

    /// Has what is missing fetched again, waits for that, and says how it is then.
    async fn bring_back(
        &self,
        looks: Vec<(ConnectionRow, Look)>,
    ) -> Result<Vec<Audited>, StoreError> {
        let patience = Patience::from_now(self.wait);
        let mut asked = Vec::with_capacity(looks.len());
        for (row, look) in looks {
            let task_id = self.ask(&row, &look).await?;
            asked.push((row, look, task_id));
        }
        let ends = asked
            .into_iter()
            .map(|(row, look, task_id)| self.end(row, look, task_id, patience));
        stream::iter(ends)
            .buffered(PAGE as usize)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .collect()
    }

    /// Asks for what is missing, if anything is.
    async fn ask(&self, row: &ConnectionRow, look: &Look) -> Result<Option<TaskId>, StoreError> {
        if look.kinds_lacking().is_empty() {
            return Ok(None);
        }
        let lane = match self.urgency {
            Urgency::Interactive => Lane::Interactive,
            Urgency::Normal => Lane::Periodic,
        };
        ask(&self.desk, row, look, lane).await.map(Some)
    }

    async fn end(
        &self,
        row: ConnectionRow,
        look: Look,
        task_id: Option<TaskId>,
        patience: Patience,
    ) -> Result<Audited, StoreError> {
        let sync = match task_id {
            Some(task_id) => {
                let kinds = look.kinds_lacking();
                Some(follow(&self.store, &row, task_id, &kinds, patience).await?)
            }
            None => None,
        };
        let mut cannot_tell = look.cannot_tell;
        let strays = self.store.strays(row.connection_id).await?;
        if strays > 0 {
            let why = format!(
                "{strays} records are lost of which rows are left: samples, zones, stages or a route"
            );
            cannot_tell.push(CannotTell { kind: None, why });
        }
        let mut kinds = Vec::with_capacity(look.kinds.len());
        for kind in look.kinds {
            kinds.push(
                self.look_again(&row, kind, sync.as_ref(), &mut cannot_tell)
                    .await?,
            );
        }
        Ok(Audited::new(
            row.user_id,
            row.connection_id,
            kinds,
            cannot_tell,
            sync,
        ))
    }

    /// What is stored by now of what was absent.
    async fn look_again(
        &self,
        row: &ConnectionRow,
        look: KindLook,
        sync: Option<&Sync>,
        cannot_tell: &mut Vec<CannotTell>,
    ) -> Result<KindNumbers, StoreError> {
        let mut told = look.numbers();
        let numbers = &mut told.numbers;
        let mut pending = 0_usize;
        let lost = self.still_lost(row.connection_id, &look).await?;
        for absent in &look.absent {
            let now = self
                .stored_now(row.connection_id, look.kind, &absent.what, &lost)
                .await?;
            match (now, absent.is_new) {
                // Nothing was lost: the sync brought it by the way on which everything comes.
                (Now::Stored, true) => numbers.new += 1,
                (Now::Stored | Now::BroughtBack, _) => {
                    numbers.missing += 1;
                    numbers.refetched += 1;
                }
                (Now::Absent, true) => pending += 1,
                (Now::Absent, false) => numbers.missing += 1,
            }
        }
        if pending > 0 {
            let has_run = sync.is_some_and(|sync| sync.state == RequestState::Done);
            let why = if has_run {
                "came to Polar since the last sync, and another sync did not bring them"
            } else {
                "came to Polar since the last sync, and the next one has yet to end"
            };
            cannot_tell.push(CannotTell {
                kind: Some(look.kind),
                why: format!("{pending} {why}"),
            });
        }
        Ok(told)
    }

    /// What is still lost of a kind of which something was.
    async fn still_lost(
        &self,
        connection: ConnectionId,
        look: &KindLook,
    ) -> Result<StillLost, StoreError> {
        let was_lost =
            |is_such: fn(&What) -> bool| look.absent.iter().any(|absent| is_such(&absent.what));
        let mut lost = StillLost::default();
        if was_lost(|what| matches!(what, What::Rows(_))) {
            let damaged = self.store.damaged(connection, look.kind).await?;
            lost.rows = damaged.iter().map(|damaged| damaged.record_id).collect();
        }
        if was_lost(|what| matches!(what, What::Raw(_))) {
            let orphans = self.store.orphans(connection, look.kind, &[]).await?;
            lost.items = orphans.into_iter().map(|orphan| orphan.item).collect();
        }
        if was_lost(|what| matches!(what, What::Body(_))) {
            let since = self.store.now().await? - self.retention;
            let bodies = self.store.lost_bodies(connection, look.kind).await?;
            let without = self.store.without_raw(connection, look.kind, since).await?;
            lost.bodies = bodies.into_iter().chain(without).collect();
        }
        Ok(lost)
    }

    async fn stored_now(
        &self,
        connection: ConnectionId,
        kind: Kind,
        what: &What,
        lost: &StillLost,
    ) -> Result<Now, StoreError> {
        let is_stored = match what {
            What::Workout(workout) => {
                let workouts = std::slice::from_ref(&**workout);
                let found = find_workouts(&self.store, connection, workouts).await?;
                // What comes by transaction was only new; what is lost comes from the list.
                return Ok(match found.first() {
                    Some(Some(found)) if found.is_transactional => Now::Stored,
                    Some(Some(_)) => Now::BroughtBack,
                    Some(None) | None => Now::Absent,
                });
            }
            What::Rows(damaged) => {
                let (record, details) = (damaged.record_id, damaged.details);
                !lost.rows.contains(&record)
                    && (details == Details::NONE
                        || self.store.has_parts(connection, record, details).await?)
            }
            What::Day(date) => {
                let stored = self.store.dates_stored(connection, kind, &[*date]).await?;
                stored.contains(date)
            }
            What::Raw(item) => !lost.items.contains(item),
            What::Body(item) => !lost.bodies.contains(item),
        };
        Ok(if is_stored { Now::Stored } else { Now::Absent })
    }
}

/// What is lost after the sync that was to bring it back.
#[derive(Debug, Default)]
struct StillLost {
    rows: HashSet<RecordId>,
    items: HashSet<String>,
    bodies: HashSet<String>,
}

/// How something is stored that was not.
enum Now {
    Absent,
    Stored,
    /// From what Polar shows, and not by transaction.
    BroughtBack,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parsed(line: &str) -> Option<AuditArgs> {
        let words = ["polar-sync", "audit"].into_iter().chain(line.split(' '));
        match Cli::try_parse_from(words).ok()?.command {
            Command::Audit(args) => Some(args),
            _ => None,
        }
    }

    #[test]
    fn an_audit_is_of_one_user_or_of_all() {
        let id = Uuid::from_u128(7);
        let one = parsed("user_1 --wait 30s").unwrap();
        assert_eq!((one.all, one.wait.get()), (false, Duration::from_secs(30)));
        let all = parsed(&format!("--all --after {id}")).unwrap();
        assert_eq!((all.all, all.after), (true, Some(id)));
        for wrong in ["user_1 --all", &format!("user_1 --after {id}"), "--wait 1m"] {
            assert!(parsed(wrong).is_none(), "{wrong}");
        }
        assert!(parsed(&format!("--after {id}")).is_none());
    }
}
