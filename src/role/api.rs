//! The HTTP interface.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::ground::Ground;
use crate::{
    config::Config,
    http::{self, Api, Foundation, HttpServer},
    telemetry::metrics::Metrics,
};

/// Answers calls until `stop`, and then what is under way.
pub(super) async fn run(
    config: &Config,
    ground: &Arc<Ground>,
    foundation: Foundation,
    server: HttpServer,
    metrics: Metrics,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    warn_without_key(config, ground).await?;
    let api = Api::new(foundation, config);
    let probe = Arc::clone(ground);
    let probe = Arc::new(move || probe.readiness());
    let router = http::router(Arc::clone(&api), metrics, probe);
    tracing::info!(address = %server.address(), "answering calls");
    let ended = stop.child_token();
    let serving = async {
        let result = server.serve(router, stop.clone()).await;
        ended.cancel();
        result
    };
    let (result, ()) = futures::join!(serving, api.tidy(&ended));
    api.finish().await;
    Ok(result?)
}

/// An interface that nobody has a key to lets nobody in: somebody should know.
async fn warn_without_key(config: &Config, ground: &Ground) -> anyhow::Result<()> {
    if config.api.bootstrap_key.is_some() {
        return Ok(());
    }
    let keys = ground.store.api_keys().await?;
    if keys.iter().all(|key| key.revoked_at.is_some()) {
        tracing::warn!(
            "nobody has a key: make one with `polar-sync api-keys create`, or set api.bootstrap_key"
        );
    }
    Ok(())
}
