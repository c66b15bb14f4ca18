//! The lanes of a floor server (see [`super`]). A lane is a thread with a current-thread runtime; there is one for
//! each core. One more thread accepts connections and gives them to the lanes in turn.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;

use anyhow::{Context, Result, bail};
use naxos_proto::etcd::server::etcdserverpb::kv_server::KvServer;
use naxos_proto::etcd::server::etcdserverpb::watch_server::WatchServer;
use tokio_stream::wrappers::ReceiverStream;

use super::service::Floor;
use crate::pace;

/// How many connections may wait for a runtime to take them.
const ACCEPTED_MAX: usize = 1024;

/// Serves each of `floors` on a lane of its own, all on one port. Returns only with an error.
pub(super) fn serve(listen: SocketAddr, floors: Vec<Floor>) -> Result<bool> {
    let (ended, has_ended) = mpsc::sync_channel(floors.len() + 1);
    let listener = TcpListener::bind(listen).with_context(|| listen.to_string())?;
    let mut lanes = Vec::new();
    for (index, floor) in floors.into_iter().enumerate() {
        let (lane, accepted) = tokio::sync::mpsc::channel(ACCEPTED_MAX);
        lanes.push(lane);
        let ended = ended.clone();
        pace::thread(&format!("lane-{index}"), move || {
            // If this fails, another thread has ended before, and `serve` has returned its error.
            let _ = ended.send(run_lane(floor, accepted));
        });
    }
    pace::thread("accept", move || {
        let _ = ended.send(accept(&listener, &lanes));
    });
    has_ended.recv()??;
    bail!("a thread of the server ended")
}

fn accept(listener: &TcpListener, lanes: &[tokio::sync::mpsc::Sender<TcpStream>]) -> Result<()> {
    for lane in lanes.iter().cycle() {
        let (stream, _) = listener.accept()?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        lane.blocking_send(stream).context("a lane ended")?;
    }
    Ok(())
}

fn run_lane(floor: Floor, accepted: tokio::sync::mpsc::Receiver<TcpStream>) -> Result<()> {
    use tokio_stream::StreamExt;
    pace::runtime()?.block_on(async {
        let floor = floor.on_this_runtime();
        let streams = ReceiverStream::new(accepted).map(tokio::net::TcpStream::from_std);
        let server = tonic::transport::Server::builder()
            .add_service(KvServer::new(floor.clone()))
            .add_service(WatchServer::new(floor));
        server.serve_with_incoming(streams).await.context("serve")
    })
}
