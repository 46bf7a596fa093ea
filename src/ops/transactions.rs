//! `transactions`: AccessLink transactions, and the loss of what keeps one from being committed.

use std::io::Write;

use serde_json::json;

use super::{
    Output, consent,
    reach::{self, Queue},
    table::{Table, cell},
    when::Present,
    words,
};
use crate::{
    cli::{AcceptLossArgs, TransactionsCommand, TransactionsListArgs},
    config::Config,
    exit::{Code, Failure},
    job::request::plain,
    model::{Cause, Kind, Lane},
    store::{
        Store, Tx,
        operator::{BlockedTransaction, Deed},
        overview::TransactionSummary,
        remote::Phase,
        request::NewRequest,
    },
};

/// Runs the command for `operator`.
pub async fn run(
    config: &Config,
    command: TransactionsCommand,
    operator: &str,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    match command {
        TransactionsCommand::List(args) => list(config, &args, output).await,
        TransactionsCommand::AcceptLoss(args) => accept_loss(config, args, operator, output).await,
    }
}

async fn list(
    config: &Config,
    args: &TransactionsListArgs,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let store = reach::postgres(config, "transactions list").await?;
    let connection = match &args.user {
        Some(user) => Some(reach::connection(&store, user).await?.connection_id),
        None => None,
    };
    let transactions = store
        .transactions(connection, args.all, args.limit.into())
        .await?;
    let now = Present(store.now().await?);
    output.show(&transactions, |transactions, out| {
        table(transactions, now).write(out, "no transaction is open, blocked or not confirmed")
    })?;
    Ok(())
}

fn table(transactions: &[TransactionSummary], now: Present) -> Table<8> {
    let mut table = Table::new([
        "id", "user", "kind", "phase", "polar id", "age", "items", "given up",
    ]);
    for transaction in transactions {
        table.row([
            transaction.id.to_string(),
            transaction.user_id.clone(),
            transaction.kind.to_string(),
            transaction.phase.to_string(),
            cell(transaction.polar_transaction_id),
            now.since(transaction.created_at),
            cell(Some(transaction.items.join(",")).filter(|items| !items.is_empty())),
            cell(Some(transaction.accepted_loss.join(",")).filter(|items| !items.is_empty())),
        ]);
    }
    table
}

async fn accept_loss(
    config: &Config,
    args: AcceptLossArgs,
    operator: &str,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let Queue { store, desk } = reach::queue(config, "transactions accept-loss").await?;
    let (transaction, items) = looked_at(&store, &args).await?;
    let (user, count) = (transaction.user_id, items.len());
    let deed = format!(
        "this gives up {count} items of {user} ({}): the commit that follows deletes them at Polar",
        items.join(", ")
    );
    consent::ask(args.consent, &deed)?;
    // While somebody was asked, a worker may have gone on: everything is checked again, under a lock.
    let mut tx = store.begin("accept_loss").await?;
    let transaction = lock(&mut tx, &args).await?;
    check(&transaction, &items)?;
    let request = accept(&mut tx, &args, &transaction, &items, operator).await?;
    tx.commit().await?;
    desk.wake(&user, request.lane, request.cause, request.task_id)
        .await;
    let left: Vec<_> = transaction
        .items
        .iter()
        .filter(|item| !items.contains(item) && !transaction.accepted_loss.contains(item))
        .collect();
    let accepted = json!({
        "id": args.id, "user_id": user, "kind": transaction.kind, "accepted_loss": items,
        "still_blocking": left, "task_id": request.task_id,
    });
    output.show(&accepted, |_, out| {
        if left.is_empty() {
            writeln!(
                out,
                "{count} items are given up; a worker tries them once more, and commits the transaction without \
                 those that still fail. `polar-sync explain {user}` tells how far it is"
            )
        } else {
            let left = left.len();
            writeln!(out, "{count} items are given up; {left} others still keep the transaction from being committed")
        }
    })?;
    Ok(())
}

/// The transaction as it is now, and the items that would be given up.
async fn looked_at(
    store: &Store,
    args: &AcceptLossArgs,
) -> anyhow::Result<(BlockedTransaction, Vec<String>)> {
    let mut tx = store.begin("look_at_transaction").await?;
    let transaction = lock(&mut tx, args).await?;
    let items = if args.items.is_empty() {
        transaction.items.clone()
    } else {
        args.items.clone()
    };
    check(&transaction, &items)?;
    Ok((transaction, items))
}

async fn lock(tx: &mut Tx, args: &AcceptLossArgs) -> anyhow::Result<BlockedTransaction> {
    let id = args.id;
    tx.lock_transaction(id).await?.ok_or_else(|| {
        Failure::new(
            Code::NotFound,
            format!("there is no transaction {id}"),
            "`polar-sync transactions list` shows those that are open or blocked",
        )
        .into()
    })
}

/// Only items that cannot be fetched may be given up, and only while they block.
fn check(transaction: &BlockedTransaction, items: &[String]) -> Result<(), Failure> {
    let user = &transaction.user_id;
    if transaction.phase != Phase::Blocked {
        return Err(Failure::new(
            Code::Refused,
            format!(
                "the transaction is not blocked but {}: {}",
                transaction.phase,
                words::phase(transaction.phase)
            ),
            format!(
                "nothing has to be given up; `polar-sync explain {user}` tells what happens next"
            ),
        ));
    }
    words::check_state(transaction.state, user)?;
    let strangers: Vec<_> = items
        .iter()
        .filter(|item| !transaction.items.contains(item))
        .map(String::as_str)
        .collect();
    if strangers.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Code::NotFound,
        format!(
            "{} does not keep the transaction from being committed",
            strangers.join(", ")
        ),
        format!("name items out of {}", transaction.items.join(", ")),
    ))
}

/// Writes it down, and has the kind synced at once.
async fn accept(
    tx: &mut Tx,
    args: &AcceptLossArgs,
    transaction: &BlockedTransaction,
    items: &[String],
    operator: &str,
) -> anyhow::Result<NewRequest> {
    let kind = Kind::from(transaction.kind);
    let request = plain(Lane::Interactive, Cause::Cli, vec![kind]);
    tx.accept_loss(args.id, items).await?;
    tx.make_due(transaction.connection, &[kind]).await?;
    tx.insert_request(transaction.connection, &request).await?;
    tx.log_deed(&Deed {
        operator,
        command: "transactions accept-loss",
        connection: Some(transaction.connection),
        detail: &format!("{} {kind}: {}", args.id, items.join(", ")),
    })
    .await?;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConnectionId, ConnectionState, TransactionalKind};

    fn blocked(phase: Phase) -> BlockedTransaction {
        BlockedTransaction {
            connection: ConnectionId::new(),
            user_id: "user_001".parse().unwrap(),
            state: ConnectionState::Active,
            kind: TransactionalKind::Exercise,
            phase,
            items: vec!["7".into(), "8".into()],
            accepted_loss: Vec::new(),
        }
    }

    #[test]
    fn only_items_of_a_blocked_transaction_are_given_up() {
        let items = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        assert!(check(&blocked(Phase::Blocked), &items(&["8"])).is_ok());
        let stranger = check(&blocked(Phase::Blocked), &items(&["8", "9"])).unwrap_err();
        assert!(
            stranger.to_string().starts_with("9 does not keep"),
            "{stranger}"
        );
        for phase in Phase::ALL.iter().filter(|phase| **phase != Phase::Blocked) {
            let refused = check(&blocked(*phase), &items(&["7"]))
                .unwrap_err()
                .to_string();
            assert!(refused.contains(phase.as_str()), "{refused}");
        }
    }
}
