//! Calls that a peer gave up while nothing got through.

use std::io;
use std::time::Duration;

use futures::stream;
use hyper_util::rt::TokioIo;
use naxos_proto::peer::serve;
use naxos_proto::seams::BoxConnection;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};

use crate::world::{SERVER, home, simulate};

/// How many calls are given up. By itself, h2 would close a connection on which more than 20 calls were cancelled before
/// the server looked at them.
const GIVEN_UP: usize = 60;

async fn call(channel: Channel) -> Code {
    let mut client = Grpc::new(channel);
    client.ready().await.expect("the connection is open");
    let path = PathAndQuery::from_static("/nobody/serves");
    let answer: Result<tonic::Response<()>, _> =
        client.unary(tonic::Request::new(()), path, tonic_prost::ProstCodec::default()).await;
    answer.expect_err("nobody serves it").code()
}

#[test]
fn calls_that_were_given_up_while_nothing_got_through_do_not_cost_the_connection() {
    simulate(async {
        let (near, far) = tokio::io::duplex(1 << 20);
        let (connects, mut connected) = mpsc::channel::<BoxConnection>(1);
        let connections = stream::poll_fn(move |cx| connected.poll_recv(cx));
        home(SERVER).tasks.start("server", async move {
            serve(Routes::default(), connections, CancellationToken::new()).await.expect("it serves");
        });
        let mut only = Some(near);
        let connector = tower::service_fn(move |_| {
            let near = only.take().map(TokioIo::new).ok_or(io::Error::from(io::ErrorKind::ConnectionRefused));
            std::future::ready(near)
        });
        let channel = Endpoint::from_static("http://server").connect_with_connector_lazy(connector);
        let clock = home(SERVER).clock;
        for _ in 0..GIVEN_UP {
            tokio::select! {
                biased;
                code = call(channel.clone()) => panic!("answered: {code:?}"),
                () = clock.sleep(Duration::from_millis(1)) => {}
            }
        }
        connects.send(Box::new(far)).await.expect("the server runs");
        assert_eq!(call(channel).await, Code::Unimplemented, "on the same connection");
    });
}
