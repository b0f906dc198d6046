//! One port for all services: accepts requests, finds their service, and answers.
//!
//! Every request passes the faults, the latency and the journal here and nowhere else. Never knows how a service works
//! inside.

mod door;
mod reply;
mod scope;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use door::Door;
use reply::{Lost, plain};

use crate::service::Body;

/// How long requests in progress may take to finish when the server stops.
const GRACE: Duration = Duration::from_millis(500);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    /// Stops accepting connections and requests.
    stop: CancellationToken,
    /// Stops everything.
    end: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    /// Starts to accept connections on the listener.
    pub(crate) fn start(listener: TcpListener, door: Door) -> std::io::Result<Self> {
        let server = Self {
            address: listener.local_addr()?,
            stop: CancellationToken::new(),
            end: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let port =
            Arc::new(Port { door, stop: server.stop.clone(), end: server.end.clone(), tasks: server.tasks.clone() });
        let accept = accept(listener, port);
        server.tasks.spawn(server.stop.clone().run_until_cancelled_owned(accept));
        Ok(server)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, gives requests in progress a moment to finish, and ends the rest. Nothing runs afterwards.
    pub(crate) async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(GRACE, self.tasks.wait()).await.is_err() {
            self.end.cancel();
            self.tasks.wait().await;
        }
    }
}

/// A server that is dropped without a shutdown ends at once.
impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.end.cancel();
    }
}

/// The state that all connections share.
struct Port {
    door: Door,
    stop: CancellationToken,
    end: CancellationToken,
    tasks: TaskTracker,
}

async fn accept(listener: TcpListener, port: Arc<Port>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = connection(stream, Arc::clone(&port));
                port.tasks.spawn(port.end.clone().run_until_cancelled_owned(connection));
            }
            Err(error) => {
                // The most likely cause is too many open files. That passes when others close, and a hot loop would not
                // help.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, port: Arc<Port>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection goes without TCP_NODELAY");
    }
    let stop = port.stop.clone();
    let service = service_fn(move |request| answer(Arc::clone(&port), request));
    let mut connection = std::pin::pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        // Killed clients and deliberately lost replies end here too.
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Executes a request in its own task. AWS executes a request that has arrived even if its sender dies meanwhile, and
/// tests that kill senders must see the same.
async fn answer(port: Arc<Port>, request: http::Request<Incoming>) -> Result<http::Response<Body>, Lost> {
    let request = port.door.admit(request).await;
    if !request.outlives_client() {
        return port.door.execute(request).await;
    }
    let execution = {
        let port = Arc::clone(&port);
        async move { port.door.execute(request).await }
    };
    let task = port.tasks.spawn(port.end.clone().run_until_cancelled_owned(execution));
    match task.await {
        Ok(Some(answer)) => answer,
        Ok(None) => Err(Lost),
        Err(error) => {
            tracing::error!(%error, "a request could not be executed to its end");
            Ok(plain(http::StatusCode::INTERNAL_SERVER_ERROR, "the stand-in failed; see its log"))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
