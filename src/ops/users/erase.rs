//! `users erase USER`: deletes everything that is stored of a user.
//!
//! Work stops first, then Polar forgets the user, then rows go in batches, and the connection at the end. Each step
//! may be done again, so whoever is interrupted calls it again; until then the connection is `erasing`.

use std::{
    io::{self, Write},
    time::Duration,
};

use serde::Serialize;

use crate::{
    cli::UsersEraseArgs,
    config::{Config, QueueNeeds},
    connection::{SessionError, begin_erasure, deregister_erased},
    exit::{Code, Failure, WithExit},
    model::{ConnectionState, UserId},
    ops::{Output, consent, progress::Teller, reach},
    queue::{Enqueuer, Keys, erase::News},
    role::Ground,
    store::{Store, connection::ConnectionRow, erasure::Erasure, event::Event, operator::Deed},
};

/// Rows of one statement.
const BATCH: i64 = 2_000;

/// What became of it.
#[derive(Debug, Serialize)]
struct Erased<'a> {
    user_id: &'a UserId,
    /// Rows that were deleted in this call.
    rows: u64,
    /// Entries that were taken out of Redis in this call.
    redis_entries: usize,
    /// Whether Polar was told, now or before, or did not have to be.
    deregistered: bool,
    #[serde(flatten)]
    erasure: Erasure,
}

impl<'a> Erased<'a> {
    fn of(user_id: &'a UserId, erasure: Erasure, rows: u64, redis_entries: usize) -> Self {
        Self {
            user_id,
            rows,
            redis_entries,
            deregistered: erasure.deregistered_at.is_some(),
            erasure,
        }
    }
}

pub(super) async fn run(
    config: &Config,
    args: &UsersEraseArgs,
    operator: &str,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let needs = config.for_queue("users erase")?;
    if !args.without_polar {
        config.for_polar("users erase")?;
    }
    let work = Work::reach(config, needs, args).await?;
    let is_known = work.is_known().await?;
    let before = work.store.erasure(&args.user).await?;
    let is_under_way = before.as_ref().is_some_and(|it| it.erased_at.is_none());
    if is_known || is_under_way {
        let deed = format!(
            "this deletes everything that is stored of user {}, and has Polar forget the user",
            args.user
        );
        consent::ask(args.consent, &deed)?;
        if let Some(erased) = work.erase(config, operator).await? {
            output.show(&erased, write)?;
            return Ok(());
        }
        // Another call ended it meanwhile. What there is of the user by now may be of a new life.
        let ended = work.store.erasure(&args.user).await?;
        let ended = ended.ok_or_else(|| reach::no_connection(&args.user))?;
        let erased = Erased::of(&args.user, ended, 0, 0);
        output.show(&erased, write_again)?;
        return Ok(());
    }
    let Some(erasure) = before else {
        return Err(reach::no_connection(&args.user).into());
    };
    // Erased before; what came in since goes as well.
    let rows = work.delete(&erasure, &Teller::new()).await?;
    let redis_entries = work.erase_from_redis().await?;
    work.check(&erasure).await?;
    let erased = Erased::of(&args.user, erasure, rows, redis_entries);
    output.show(&erased, write_again)?;
    Ok(())
}

/// What an erasure works with.
struct Work<'a> {
    store: Store,
    enqueuer: Enqueuer,
    args: &'a UsersEraseArgs,
}

impl<'a> Work<'a> {
    async fn reach(
        config: &Config,
        needs: QueueNeeds<'_>,
        args: &'a UsersEraseArgs,
    ) -> anyhow::Result<Self> {
        let store = reach::connect_postgres(needs.database_url, reach::CONNECTIONS).await?;
        let redis = reach::redis(needs.redis_url).await?;
        let enqueuer = Enqueuer::new(redis, Keys::new(config.redis.prefix.as_str()));
        Ok(Self {
            store,
            enqueuer,
            args,
        })
    }

    /// Whether anything is known of the user.
    async fn is_known(&self) -> anyhow::Result<bool> {
        let user = &self.args.user;
        Ok(self.store.user(user).await?.is_some()
            || self.store.connection_of_user(user).await?.is_some()
            || self.store.is_authorizing(user).await?)
    }

    /// Erases the user; `None` when another call ended the same erasure meanwhile.
    async fn erase(&self, config: &Config, operator: &str) -> anyhow::Result<Option<Erased<'a>>> {
        let user = &self.args.user;
        let begun = begin_erasure(&self.store, user).await?;
        let mut erasure = begun.erasure;
        let teller = Teller::new();
        match begun.registered {
            Some(_) if self.args.without_polar => {}
            Some(row) => self.tell_polar(config, &erasure, row).await?,
            None if erasure.deregistered_at.is_none() => {
                self.store.note_deregistered(erasure.erasure_id).await?;
            }
            None => {}
        }
        let rows = self.delete(&erasure, &teller).await?;
        let mut tx = self.store.begin("users_erase").await?;
        if !tx.end_erasure(user, &erasure).await? {
            return Ok(None);
        }
        let news = Event::connection_state(ConnectionState::Erased, user);
        if let Some(event) = news.filter(|_| !erasure.connections.is_empty()) {
            tx.insert_event(&event).await?;
        }
        tx.log_deed(&Deed {
            operator,
            command: "users erase",
            connection: None,
            detail: &format!("receipt {}", erasure.erasure_id),
        })
        .await?;
        tx.commit().await?;
        let redis_entries = self.erase_from_redis().await?;
        teller.done();
        self.check(&erasure).await?;
        if let Some(ended) = self.store.erasure(user).await? {
            erasure = ended;
        }
        Ok(Some(Erased::of(user, erasure, rows, redis_entries)))
    }

    /// Has Polar forget the user.
    async fn tell_polar(
        &self,
        config: &Config,
        erasure: &Erasure,
        row: ConnectionRow,
    ) -> anyhow::Result<()> {
        let user = &self.args.user;
        let ground = Ground::lay(config, Duration::ZERO).await?;
        let access = ground.access(config).await?;
        let told = deregister_erased(&access, erasure, row).await;
        // What this call took of the quota is told to everybody.
        ground.permits.give_back().await;
        let again = format!("`polar-sync users erase {user}` goes on from here");
        match told {
            Err(SessionError::Key(error)) => Err(Failure::of(
                error,
                Code::Keys,
                format!(
                    "give security.keys the key that sealed the user's tokens, or add --without-polar; {again}"
                ),
            )
            .into()),
            Err(SessionError::Store(error)) => Err(error.into()),
            told @ (Ok(()) | Err(SessionError::Call(_) | SessionError::Refresh(_))) => {
                let next_step = format!(
                    "all work on the user has stopped, and nothing is deleted yet; {again}, with --without-polar if \
                     Polar stays away"
                );
                Ok(told.exit(Code::Fails, next_step)?)
            }
        }
    }

    /// Deletes the rows of the user's connections in batches; how many.
    async fn delete(&self, erasure: &Erasure, teller: &Teller) -> anyhow::Result<u64> {
        let mut rows = 0;
        loop {
            let deleted = self.store.erase_rows(&erasure.connections, BATCH).await?;
            rows += deleted;
            if deleted < BATCH.unsigned_abs() {
                return Ok(rows);
            }
            teller.say(&format!("{rows} rows are deleted"));
        }
    }

    async fn erase_from_redis(&self) -> anyhow::Result<usize> {
        let erased = self.enqueuer.erase(&self.args.user, News::AllButErased);
        let next_step = format!(
            "the rows are deleted; once Redis answers, `polar-sync users erase {}` deletes what it holds",
            self.args.user
        );
        Ok(erased.await.exit(Code::RedisUnreachable, next_step)?)
    }

    /// Looks for what an erasure must not leave.
    async fn check(&self, erasure: &Erasure) -> anyhow::Result<()> {
        let user = &self.args.user;
        match self.store.count_traces(user, &erasure.connections).await? {
            0 => Ok(()),
            traces => Err(Failure::new(
                Code::Fails,
                format!("{traces} rows of user {user} came in while they were deleted"),
                format!(
                    "the scheduler deletes them once erasure.notice is over; run `polar-sync users erase {user}` again \
                     to look once more (receipt {})",
                    erasure.erasure_id
                ),
            )
            .into()),
        }
    }
}

fn write_again(erased: &Erased<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (user, receipt) = (erased.user_id, erased.erasure.erasure_id);
    writeln!(
        out,
        "user {user} is erased already; the receipt is {receipt}"
    )
}

fn write(erased: &Erased<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Erased {
        user_id,
        rows,
        redis_entries,
        deregistered,
        erasure,
    } = erased;
    writeln!(
        out,
        "user {user_id} is erased: {rows} rows and {redis_entries} entries in Redis are deleted, and no trace was found \
         afterwards"
    )?;
    if !deregistered {
        writeln!(
            out,
            "Polar was not told: the user may still be registered with our client"
        )?;
    }
    writeln!(out, "receipt: {}", erasure.erasure_id)
}
