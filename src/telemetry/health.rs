//! `/livez`, `/readyz` and `/metrics`, and the small server that has nothing else, for worker and scheduler.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::future::BoxFuture;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::metrics::Metrics;

/// The longest that a check may take before it counts as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether a role can do its work, and what keeps it from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether all that the role cannot do without is there.
    pub ready: bool,
    /// What was looked at, each with `ok` or what is wrong. Never a URL: it may hold a password.
    pub checks: BTreeMap<&'static str, String>,
}

/// The server cannot start, or broke.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// Somebody else listens there.
    #[error("telemetry.metrics_listen: {listen} is in use")]
    AddressInUse {
        /// The address.
        listen: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("telemetry.metrics_listen: cannot listen on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server broke.
    #[error("the health server broke")]
    Serve(#[source] io::Error),
}

/// The server, listening but not answering yet.
#[derive(Debug)]
pub struct HealthServer {
    listener: TcpListener,
    address: SocketAddr,
    metrics: Metrics,
}

/// Asks whether a role can do its work, anew each time.
pub type Probe = Arc<dyn Fn() -> BoxFuture<'static, Readiness> + Send + Sync>;

#[derive(Clone)]
struct Shared {
    probe: Probe,
    metrics: Metrics,
}

/// `/livez`, `/readyz` and `/metrics`.
pub fn routes(probe: Probe, metrics: Metrics) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(Shared { probe, metrics })
}

impl HealthServer {
    /// Takes the address, so that a role finds out at its start when somebody else has it.
    pub async fn bind(listen: SocketAddr, metrics: Metrics) -> Result<Self, HealthError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => HealthError::AddressInUse { listen },
            _ => HealthError::Listen { listen, source },
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            address,
            metrics,
        })
    }

    /// The address it listens on: the one that was asked for, or the one that the system chose.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`. `readiness` is asked anew for every `/readyz`.
    pub async fn serve(
        self,
        readiness: impl Fn() -> BoxFuture<'static, Readiness> + Send + Sync + 'static,
        shutdown: CancellationToken,
    ) -> Result<(), HealthError> {
        let router = routes(Arc::new(readiness), self.metrics.clone());
        let serving = axum::serve(self.listener, router).into_future();
        tokio::select! {
            served = serving => served.map_err(HealthError::Serve),
            // Nothing here is worth waiting for: a probe that is cut off asks again.
            () = shutdown.cancelled() => Ok(()),
        }
    }
}

async fn readyz(State(shared): State<Shared>) -> (StatusCode, Json<Readiness>) {
    let readiness = tokio::time::timeout(CHECK_TIMEOUT, (shared.probe)()).await;
    let readiness = readiness.unwrap_or_else(|_| Readiness {
        ready: false,
        checks: BTreeMap::from([("checks", format!("no answer within {CHECK_TIMEOUT:?}"))]),
    });
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness))
}

async fn render(State(shared): State<Shared>) -> Response {
    const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
    (
        [(header::CONTENT_TYPE, CONTENT_TYPE)],
        shared.metrics.render(),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::FutureExt;

    use super::*;

    const ANY_PORT: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    async fn ask(address: SocketAddr, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("http://{address}{path}"))
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    #[tokio::test]
    async fn readiness_is_asked_anew_each_time() {
        let up = Arc::new(AtomicBool::new(false));
        let server = HealthServer::bind(ANY_PORT, Metrics::install().unwrap())
            .await
            .unwrap();
        let (address, shutdown) = (server.address(), CancellationToken::new());
        let probe = Arc::clone(&up);
        let readiness = move || {
            let ready = probe.load(Ordering::SeqCst);
            let word = if ready { "ok" } else { "unreachable" };
            let checks = BTreeMap::from([("postgres", word.to_owned())]);
            async move { Readiness { ready, checks } }.boxed()
        };
        let serving = tokio::spawn(server.serve(readiness, shutdown.clone()));

        assert_eq!(ask(address, "/livez").await, (200, "ok\n".to_owned()));
        let down = ask(address, "/readyz").await;
        assert_eq!(
            down,
            (
                503,
                r#"{"ready":false,"checks":{"postgres":"unreachable"}}"#.to_owned()
            )
        );
        up.store(true, Ordering::SeqCst);
        assert_eq!(ask(address, "/readyz").await.0, 200);
        let (status, metrics) = ask(address, "/metrics").await;
        assert!(
            status == 200 && metrics.contains("# TYPE polar_sync_jobs_total counter"),
            "{metrics}"
        );

        shutdown.cancel();
        serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_address_in_use_is_told_at_once() {
        let metrics = Metrics::install().unwrap();
        let first = HealthServer::bind(ANY_PORT, metrics.clone()).await.unwrap();
        let second = HealthServer::bind(first.address(), metrics).await;
        assert!(
            matches!(second, Err(HealthError::AddressInUse { .. })),
            "{second:?}"
        );
    }
}
