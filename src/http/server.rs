//! The listener: an address, connections with limits, and an orderly end.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use axum::Router;
use axum_server::{Handle, accept::NoDelayAcceptor};
use hyper_util::rt::TokioTimer;
use tokio_util::sync::CancellationToken;

/// The longest wait for the head of a request; an idle connection is closed after it too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The most bytes of a head.
const HEAD_MAX_BYTES: usize = 32 * 1024;

/// The longest wait for calls under way when the process is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// The interface cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Somebody else listens there.
    #[error("api.listen: {listen} is in use")]
    AddressInUse {
        /// The address.
        listen: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("api.listen: cannot listen on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server broke.
    #[error("the HTTP server broke")]
    Serve(#[source] io::Error),
}

/// A server that has its address and does not answer yet.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl HttpServer {
    /// Takes the address, so that a role finds out at its start when somebody else has it.
    pub fn bind(listen: SocketAddr) -> Result<Self, ServeError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ServeError::AddressInUse { listen },
            _ => ServeError::Listen { listen, source },
        };
        let listener = TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// The address it listens on: the one that was asked for, or the one that the system chose.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`, and then what is under way.
    pub async fn serve(
        self,
        router: Router,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        let handle = Handle::new();
        let mut server = axum_server::from_tcp(self.listener)
            .map_err(ServeError::Serve)?
            .handle(handle.clone())
            // The end of an answer is not held back until what was sent before it is acknowledged.
            .acceptor(NoDelayAcceptor::new())
            // One protocol, so that nobody is waited for who does not say which: telling them apart has no timeout, and
            // HTTP/2 would have none of these limits. The builder of the server cannot say so, only the server itself.
            .http1_only();
        server
            .http_builder()
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_MAX_BYTES);
        let mut serving = Box::pin(server.serve(router.into_make_service()));
        let ended = tokio::select! {
            ended = &mut serving => ended,
            () = shutdown.cancelled() => {
                handle.graceful_shutdown(Some(DRAIN));
                serving.await
            }
        };
        ended.map_err(ServeError::Serve)
    }
}
