//! The command line, as types.
//!
//! Owns names, arguments and help texts of every command. Must never do what a command does.
//!
//! To add a command: its arguments here, a variant of [`Command`] with the first line of its help, an
//! arm in `main.rs`, and a row in the README.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use url::Url;
use uuid::Uuid;

use crate::{
    config::{Duration, Setting},
    model::{ConnectionState, Detail, Kind, Lane, Scope, UserId},
};

/// Keeps Postgres in step with Polar AccessLink for every connected user.
#[derive(Debug, Parser)]
#[command(
    name = "polar-sync",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
}

/// What holds for every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Configuration file (TOML) above the defaults.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting above file and environment, for example telemetry.log=debug; may be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub settings: Vec<Setting>,
    /// Print data and errors as JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run jobs: take them from the lanes until told to stop.
    Worker,
    /// Decide who is due, and number the changes; one leads, others stand by.
    Scheduler,
    /// Answer HTTP calls: connect users, trigger syncs, read what is stored.
    Api,
    /// Worker, scheduler and api in one process.
    All,
    /// Bring the schema of Postgres up to date.
    Migrate,
    /// Ask for a sync of a user.
    Enqueue(EnqueueArgs),
    /// List, show, import, pause, resume, erase and export users.
    #[command(subcommand)]
    Users(UsersCommand),
    /// Show lanes, runs, connections, quota, intervals, and what needs somebody.
    Status,
    /// Look whether everything is as it has to be: servers, keys, Polar, work. It changes nothing.
    Doctor,
    /// Explain in plain words how a user stands, and what happens next.
    Explain(ExplainArgs),
    /// Compare what Polar still shows with what is stored, and fetch again what is missing.
    Audit(AuditArgs),
    /// List what was given up for now, try it again, or forget it.
    #[command(subcommand)]
    Dead(DeadCommand),
    /// List AccessLink transactions, or accept the loss of items that keep one from being committed.
    #[command(subcommand)]
    Transactions(TransactionsCommand),
    /// Record, list and change the keys that seal tokens.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Make, list and revoke keys to the HTTP interface.
    #[command(subcommand)]
    ApiKeys(ApiKeysCommand),
    /// Make, show, activate and delete the webhook by which Polar tells of new data.
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Check or show the configuration in force.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Run everything on private servers, against the simulator.
    Demo(DemoArgs),
}

/// `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration, and that the roles have what they need.
    Check(ConfigCheckArgs),
    /// Print every key with its value and where that came from; secrets are masked.
    Show,
}

/// `config check`.
#[derive(Debug, Args)]
pub struct ConfigCheckArgs {
    /// Check only what this role needs.
    #[arg(long, value_name = "ROLE")]
    pub role: Option<Role>,
}

/// A role whose needs can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Runs jobs.
    Worker,
    /// Decides who is due.
    Scheduler,
    /// Answers HTTP calls.
    Api,
    /// All three in one process.
    All,
    /// Brings the schema up to date.
    Migrate,
}

/// `enqueue USER`.
#[derive(Debug, Args)]
pub struct EnqueueArgs {
    /// The platform's id of the user.
    pub user: UserId,
    /// Details that must be stored: samples, zones, route.
    #[arg(long, value_delimiter = ',', value_name = "DETAIL")]
    pub include: Vec<Detail>,
    /// Only these kinds, for example exercise,sleep; all of them when none is named.
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    pub kinds: Vec<Kind>,
    /// The queue: interactive, event, periodic.
    #[arg(long, default_value_t = Lane::Interactive)]
    pub lane: Lane,
    /// Your own id of this request, in 1 to 128 characters; repeated in runs, events and logs.
    #[arg(long, value_parser = text::<128>, value_name = "ID")]
    pub request_id: Option<String>,
    /// Why, in 1 to 200 characters; kept with the request.
    #[arg(long, value_parser = text::<200>)]
    pub reason: Option<String>,
    /// Wait for the end of the run, at most 10 minutes, and print its outcome.
    #[arg(long)]
    pub wait: bool,
}

/// A text of the lengths that the queue's contract allows. Postgres cannot keep NUL in one.
fn text<const MAX_CHARS: usize>(text: &str) -> Result<String, String> {
    if (1..=MAX_CHARS).contains(&text.chars().count()) && !text.contains('\0') {
        Ok(text.to_owned())
    } else {
        Err(format!("it has to have 1 to {MAX_CHARS} characters"))
    }
}

/// `users`.
#[derive(Debug, Subcommand)]
pub enum UsersCommand {
    /// List connections with their states.
    List(UsersListArgs),
    /// Show one connection.
    Show(UserArgs),
    /// Take over connections from another system: JSON lines from a file or standard input.
    Import(UsersImportArgs),
    /// Stop syncing a user until `resume`.
    Pause(UserArgs),
    /// Sync a user again; of one whom Polar refused (suspect, revoked, expired, no consent), ask Polar at once.
    Resume(UserArgs),
    /// Delete everything that is stored of a user, and have Polar forget the user; run again, it goes on.
    Erase(UsersEraseArgs),
    /// Write everything that is stored of a user, without tokens, as JSON lines.
    Export(UsersExportArgs),
}

/// `users export`.
#[derive(Debug, Args)]
pub struct UsersExportArgs {
    /// The platform's id of the user.
    pub user: UserId,
    /// Write to this file, which must not exist yet and which you alone may read, instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `users list`.
#[derive(Debug, Args)]
pub struct UsersListArgs {
    /// Only connections in this state, for example active, suspect or revoked.
    #[arg(long)]
    pub state: Option<ConnectionState>,
    /// Only users after this one: the last of the list before.
    #[arg(long, value_name = "USER")]
    pub after: Option<UserId>,
    /// At most this many.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub limit: u32,
}

/// A command on one user.
#[derive(Debug, Args)]
pub struct UserArgs {
    /// The platform's id of the user.
    pub user: UserId,
}

/// `users import`.
#[derive(Debug, Args)]
pub struct UsersImportArgs {
    /// JSON lines, a connection each, as the README describes them; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `users erase`.
#[derive(Debug, Args)]
pub struct UsersEraseArgs {
    /// The platform's id of the user.
    pub user: UserId,
    /// Do not tell Polar: for a user whose tokens no key opens any more, or while Polar cannot be reached.
    #[arg(long)]
    pub without_polar: bool,
    /// What destroys needs a yes.
    #[command(flatten)]
    pub consent: Consent,
}

/// `dead`.
#[derive(Debug, Subcommand)]
pub enum DeadCommand {
    /// List what was given up.
    List(DeadListArgs),
    /// Try it again now.
    Retry(DeadRetryArgs),
    /// Forget it.
    Drop(DeadDropArgs),
}

/// `dead list`.
#[derive(Debug, Args)]
pub struct DeadListArgs {
    /// Only of this user.
    #[arg(long)]
    pub user: Option<UserId>,
    /// At most this many.
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub limit: u32,
}

/// `dead retry`.
#[derive(Debug, Args)]
pub struct DeadRetryArgs {
    /// Ids, as `dead list` prints them.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub ids: Vec<Uuid>,
    /// Everything that was given up.
    #[arg(long)]
    pub all: bool,
}

/// `dead drop`.
#[derive(Debug, Args)]
pub struct DeadDropArgs {
    /// Ids, as `dead list` prints them.
    #[arg(required = true)]
    pub ids: Vec<Uuid>,
    /// What destroys needs a yes.
    #[command(flatten)]
    pub consent: Consent,
}

/// The yes that a destructive command needs where nobody can be asked.
#[derive(Debug, Clone, Copy, Args)]
pub struct Consent {
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// `transactions`.
#[derive(Debug, Subcommand)]
pub enum TransactionsCommand {
    /// List AccessLink transactions that are open, blocked or not confirmed.
    List(TransactionsListArgs),
    /// Commit a blocked transaction although items of it are not stored; they are lost at Polar.
    AcceptLoss(AcceptLossArgs),
}

/// `transactions list`.
#[derive(Debug, Args)]
pub struct TransactionsListArgs {
    /// Only of this user.
    #[arg(long)]
    pub user: Option<UserId>,
    /// Also those that ended.
    #[arg(long)]
    pub all: bool,
    /// At most this many.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub limit: u32,
}

/// `transactions accept-loss`.
#[derive(Debug, Args)]
pub struct AcceptLossArgs {
    /// The transaction, as `transactions list` prints it.
    pub id: Uuid,
    /// The items to give up; all that are missing, when none is named.
    #[arg(long, value_delimiter = ',', value_name = "ITEM")]
    pub items: Vec<String>,
    /// What destroys needs a yes.
    #[command(flatten)]
    pub consent: Consent,
}

/// `keys`.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Record the keys of security.keys that are new, so that a changed one is noticed.
    Add,
    /// List keys, whether they are configured, and how many connections' tokens each seals.
    List,
    /// Seal everything anew with the first key of security.keys, so that the others can go. Syncs go on; it may be
    /// stopped and run again at any time.
    Rotate,
}

/// `api-keys`.
#[derive(Debug, Subcommand)]
pub enum ApiKeysCommand {
    /// Make a key, and print it: it is shown this once.
    Create(ApiKeysCreateArgs),
    /// List keys with what they allow and when they were last used.
    List,
    /// Revoke a key: from now on it lets nobody in.
    Revoke(ApiKeysRevokeArgs),
}

/// `api-keys create`.
#[derive(Debug, Args)]
pub struct ApiKeysCreateArgs {
    /// What you call it, for example the name of the platform.
    #[arg(value_parser = text::<100>)]
    pub name: String,
    /// What it allows: read, sync, connect, or admin, which is everything.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "read,sync,connect",
        value_name = "SCOPE"
    )]
    pub scopes: Vec<Scope>,
}

/// `api-keys revoke`.
#[derive(Debug, Args)]
pub struct ApiKeysRevokeArgs {
    /// The name of the key, or its id.
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// `webhook`.
#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// Make the webhook: Polar pings the api role at once, so start that first.
    Create(WebhookCreateArgs),
    /// Show the webhook as Polar and we know it.
    Status,
    /// Have Polar send events again that stopped to be answered.
    Activate,
    /// Delete the webhook: users are polled as often as without one.
    Delete(WebhookDeleteArgs),
}

/// `webhook create`.
#[derive(Debug, Args)]
pub struct WebhookCreateArgs {
    /// Where Polar sends events, if not below the public URL of the api.
    #[arg(long)]
    pub url: Option<Url>,
    /// Delete the webhook that there is, and make a new one with a new secret.
    #[arg(long)]
    pub replace: bool,
}

/// `webhook delete`.
#[derive(Debug, Args)]
pub struct WebhookDeleteArgs {
    /// What destroys needs a yes.
    #[command(flatten)]
    pub consent: Consent,
}

/// `explain USER`.
pub type ExplainArgs = UserArgs;

/// `audit USER`, `audit --all`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The platform's id of the user.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub user: Option<UserId>,
    /// Everybody whose connection is active, in the order of connection ids.
    #[arg(long)]
    pub all: bool,
    /// Only connections after this one: the last that an audit of all named.
    #[arg(long, conflicts_with = "user", value_name = "CONNECTION")]
    pub after: Option<Uuid>,
    /// The longest wait for the syncs that fetch what is missing, for example 30s.
    #[arg(long, default_value = "5m", value_name = "DURATION")]
    pub wait: Duration,
}

/// `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Simulated users.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub users: u32,
    /// Keep everything in this folder between runs, instead of a temporary one.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// End when everything is synced.
    #[arg(long)]
    pub exit: bool,
    /// Where the HTTP interface listens; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Multiplies the quota of the simulated Polar; at 1, a month of data takes over an hour.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "N")]
    pub quota_scale: u32,
}

#[cfg(test)]
mod tests;
