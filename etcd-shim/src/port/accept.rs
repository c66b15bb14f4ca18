//! The accept Worker: binds every address, then hands each socket to the runtime with the fewest connections.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures::future::join_all;
use naxos_proto::seams::{Address, Clock, Listener, Seams};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::bind::bind;
use super::config::ListenerConfig;
use super::error::PortError;
use super::handoff::RuntimeInlet;

/// The pause after an accept that failed. The usual reason is that the process has no free file descriptor.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// What the accept Worker needs to run.
pub(super) struct Acceptor {
    pub(super) seams: Seams,
    pub(super) listeners: Vec<ListenerConfig>,
    pub(super) connections_max: usize,
    /// Gets the bound addresses once everything is bound, or the error.
    pub(super) bound: oneshot::Sender<Result<Vec<Address>, PortError>>,
    /// Gets the runtimes' inlets when sockets may be accepted.
    pub(super) inlets: oneshot::Receiver<Vec<RuntimeInlet>>,
}

impl Acceptor {
    /// Binds, waits for the runtimes, accepts until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut listeners = Vec::new();
        for config in &self.listeners {
            match bind(self.seams.net.as_ref(), &config.address).await {
                Ok(listener) => listeners.push(listener),
                Err(error) => {
                    // If the caller does not wait any more, it does not need the ports either.
                    let _ = self.bound.send(Err(error));
                    return;
                }
            }
        }
        let addresses = listeners.iter().map(|l| l.local()).collect();
        if self.bound.send(Ok(addresses)).is_err() {
            return;
        }
        let inlets = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            inlets = self.inlets => inlets,
        };
        let Ok(inlets) = inlets else { return };
        let slots = Arc::new(Semaphore::new(self.connections_max));
        let loops = listeners
            .into_iter()
            .enumerate()
            .map(|(index, listener)| accept(index, listener, &inlets, slots.clone(), self.seams.clock.as_ref(), &stop));
        join_all(loops).await;
        // Without listeners the runtimes still serve calls within the process.
        stop.cancelled().await;
    }
}

async fn accept(
    index: usize,
    mut listener: Box<dyn Listener>,
    inlets: &[RuntimeInlet],
    slots: Arc<Semaphore>,
    clock: &dyn Clock,
    stop: &CancellationToken,
) {
    loop {
        let next = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            next = next => next,
        };
        // An error cannot happen here: the semaphore is never closed.
        let Ok(slot) = slot else { return };
        match accepted {
            Ok((socket, address)) => {
                let Some(inlet) = inlets.iter().min_by_key(|i| i.load.load(Relaxed)) else { return };
                if !inlet.send(socket, address, index, slot).await {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(address = %listener.local(), %error, "failed to accept a connection");
                clock.sleep(FAILURE_PAUSE).await;
            }
        }
    }
}
