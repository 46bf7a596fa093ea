//! `accesslink-sim`: Polar AccessLink v3 over HTTP, with a world behind it and faults on demand.
//!
//! Two ports: the API as clients see it ([`api`]), and a control port for tests and demonstrations ([`control`]).
//! Between them is the state ([`sim`]) with the world ([`world`]): people, their data, and the life of
//! transactions. Deterministic from `--seed` and `--start`. What nobody knows about the real service is a switch
//! ([`switches`]); what can go wrong is a fault ([`faults`]); what was offered, served and deleted is in the
//! [`ledger`]. New data is announced to the client's webhook ([`webhooks`]). The program shares no types with its clients, so that a misunderstanding cannot pass on both sides.

mod api;
mod clock;
mod control;
mod faults;
mod grants;
mod ledger;
mod lock;
mod quota;
mod sim;
mod stats;
mod switches;
mod violations;
mod webhooks;
mod world;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::serve::ListenerExt as _;
use clap::Parser;
use jiff::Timestamp;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::sim::{Settings, Sim};
use crate::switches::Switches;
use crate::webhooks::Webhooks;
use crate::world::Profile;

/// A simulator of Polar AccessLink v3.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Where the API listens; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:18080")]
    listen: SocketAddr,
    /// Where the control port listens; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:18081")]
    control: SocketAddr,
    /// Beginning of the URLs in answers, where clients know the API under another name than --listen.
    #[arg(long)]
    public_url: Option<url::Url>,
    /// Polar accounts at the start, with ids from 10000001 up.
    #[arg(long, default_value_t = 25)]
    users: u64,
    /// The number that all content follows from.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Factor on Polar's rate limits.
    #[arg(long, default_value_t = 1.0, value_parser = scale)]
    quota_scale: f64,
    /// Days before its registration that count as just uploaded for an account.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=365))]
    days: u32,
    /// The client that may call.
    #[arg(long, default_value = "sim-client")]
    client_id: String,
    /// Its secret.
    #[arg(long, default_value = "sim-secret")]
    client_secret: String,
    /// Turns a switch; `GET /switches` of the control port lists them.
    #[arg(long = "switch", value_name = "KEY=VALUE", value_parser = switch)]
    switches: Vec<(String, String)>,
    /// What the virtual clock shows at the start; now, where it is left out.
    #[arg(long)]
    start: Option<Timestamp>,
    /// How much the people do.
    #[arg(long, value_enum, default_value = "realistic")]
    profile: Profile,
    /// Ends the program when its standard input is closed, so that whoever started it never leaves it behind.
    #[arg(long)]
    exit_on_stdin_close: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::new("warn"))
        .init();
    let api = bind(cli.listen).await?;
    let control = bind(cli.control).await?;
    let (api_at, control_at) = (api.local_addr()?, control.local_addr()?);
    let exit_on_stdin_close = cli.exit_on_stdin_close;
    let (webhooks, outbox) =
        Webhooks::new(cli.seed).context("build the HTTP client of webhooks")?;
    let sim = Sim::new(settings(cli, api_at)?, webhooks).context("build the world")?;
    let sim = Arc::new(sim);
    announce(api_at, control_at)?;
    tokio::select! {
        served = serve(api, api::router(sim.clone())) => served,
        served = serve(control, control::router(sim.clone())) => served,
        () = webhooks::run(&sim, outbox) => Ok(()),
        ended = end(exit_on_stdin_close) => ended,
    }
}

/// A switch with a value that it can have.
fn switch(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("a switch is written KEY=VALUE")?;
    Switches::default().set(key, value)?;
    Ok((key.to_owned(), value.to_owned()))
}

fn scale(text: &str) -> Result<f64, String> {
    let scale = text
        .parse()
        .ok()
        .filter(|scale: &f64| scale.is_finite() && *scale > 0.0);
    scale.ok_or_else(|| "a factor is a number above zero".to_owned())
}

fn settings(cli: Cli, api_at: SocketAddr) -> anyhow::Result<Settings> {
    let mut switches = Switches::default();
    for (key, value) in &cli.switches {
        switches.set(key, value).map_err(anyhow::Error::msg)?;
    }
    let public_url = cli
        .public_url
        .map(|url| url.as_str().trim_end_matches('/').to_owned());
    Ok(Settings {
        seed: cli.seed,
        users: cli.users,
        days: cli.days,
        profile: cli.profile,
        quota_scale: cli.quota_scale,
        client_id: cli.client_id,
        client_secret: cli.client_secret,
        start_at: cli.start.unwrap_or_else(now),
        switches,
        own_origin: public_url.unwrap_or_else(|| format!("http://{api_at}")),
    })
}

async fn bind(at: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(at)
        .await
        .with_context(|| format!("listen on {at}: choose another address"))
}

/// The one line on standard output: both addresses, once both ports are open.
fn announce(api_at: SocketAddr, control_at: SocketAddr) -> anyhow::Result<()> {
    let line = json!({"listen": api_at.to_string(), "control": control_at.to_string()});
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .context("announce the addresses")
}

async fn serve(listener: TcpListener, router: Router) -> anyhow::Result<()> {
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "answers on this connection may be delayed");
        }
    });
    axum::serve(listener, router).await.context("serve")
}

/// Waits for a signal to stop, or for the end of standard input.
async fn end(exit_on_stdin_close: bool) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stdin_closed = async {
        if !exit_on_stdin_close {
            std::future::pending::<()>().await;
        }
        let (mut stdin, mut ignored) = (tokio::io::stdin(), [0; 256]);
        while stdin.read(&mut ignored).await.is_ok_and(|bytes| bytes > 0) {}
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stdin_closed => {}
    }
    Ok(())
}

/// The only look at the system's clock: from here on it is shifted.
#[expect(clippy::disallowed_methods, reason = "a clock begins somewhere")]
fn now() -> Timestamp {
    Timestamp::now()
}
