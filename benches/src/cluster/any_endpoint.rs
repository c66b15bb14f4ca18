//! [`AnyEndpoint`]: a client that knows all members and uses one of them at a time.

use std::error::Error;
use std::time::Duration;

use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::kv_client::KvClient;
use tonic::Status;

use crate::load::connection::{Connection, Endpoint};
use crate::pace;

/// Why a put was not acknowledged.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// It was never sent, because the member could not be reached. It is certain that it was not done, and a client
    /// library would go to the next member without telling anyone. The text says why.
    NotSent(String),
    /// The member answered with an error, the connection broke, or there was no answer in time. The text says which.
    Error(String),
}

/// A client with one call in flight. After a failure the next call goes to the next member.
#[derive(Debug)]
pub struct AnyEndpoint {
    endpoints: Vec<Endpoint>,
    at: usize,
    connection: Option<Connection>,
    patience: Duration,
}

impl AnyEndpoint {
    /// A client of these members, which waits for an answer for as long as `patience`. It begins with the member
    /// number `first`, modulo the number of members.
    pub fn new(endpoints: Vec<Endpoint>, first: usize, patience: Duration) -> Self {
        let at = first % endpoints.len();
        Self { endpoints, at, connection: None, patience }
    }

    /// From now on uses the member number `to`, modulo the number of members.
    pub fn go_to(&mut self, to: usize) {
        let to = to % self.endpoints.len();
        if to != self.at {
            (self.at, self.connection) = (to, None);
        }
    }

    /// Puts a key. Returns the revision.
    pub async fn put(&mut self, put: pb::PutRequest) -> Result<i64, Failure> {
        let outcome = match pace::within(self.patience, self.try_put(put)).await {
            Some(outcome) => outcome,
            None if self.connection.is_none() => Err(Failure::NotSent("no connection in time".to_owned())),
            None => Err(Failure::Error(format!("no answer within {} ms", self.patience.as_millis()))),
        };
        outcome.map_err(|failure| {
            let asked = self.endpoints[self.at].origin();
            self.go_to(self.at + 1);
            match failure {
                Failure::NotSent(text) => Failure::NotSent(format!("{asked} {text}")),
                Failure::Error(text) => Failure::Error(format!("{asked} {text}")),
            }
        })
    }

    async fn try_put(&mut self, put: pb::PutRequest) -> Result<i64, Failure> {
        let endpoint = &self.endpoints[self.at];
        self.connection.take_if(|connection| connection.is_closed());
        let connection = match &self.connection {
            Some(open) => open.clone(),
            None => {
                let open = Connection::open(endpoint).await.map_err(|error| Failure::NotSent(format!("{error:#}")))?;
                self.connection.insert(open).clone()
            }
        };
        let mut kv = KvClient::with_origin(connection, endpoint.origin());
        match kv.put(put).await {
            Ok(answer) => Ok(answer.into_inner().header.map_or(0, |header| header.revision)),
            Err(status) => {
                let text = format!("{:?}: {}", status.code(), status.message());
                Err(if was_not_sent(&status) { Failure::NotSent(text) } else { Failure::Error(text) })
            }
        }
    }
}

/// Whether the connection was closed before the request was written.
fn was_not_sent(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_cannot_be_reached_is_no_error_and_the_next_one_is_tried() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = |address: std::net::SocketAddr| address.to_string().parse::<Endpoint>().expect("an endpoint");
        let members = vec![endpoint(closed), endpoint(silent.local_addr().expect("its address"))];
        let runtime = pace::runtime().expect("a runtime");
        runtime.block_on(async {
            let mut client = AnyEndpoint::new(members, 2, Duration::from_millis(20));
            assert!(matches!(client.put(pb::PutRequest::default()).await, Err(Failure::NotSent(_))));
            // The handshake of HTTP/2 needs no answer, so the request is sent.
            let Err(Failure::Error(text)) = client.put(pb::PutRequest::default()).await else { panic!("no answer") };
            assert!(text.contains("no answer within 20 ms"), "{text}");
            let Err(Failure::NotSent(text)) = client.put(pb::PutRequest::default()).await else { panic!("no member") };
            assert!(text.contains("Connection refused"), "{text}");
        });
    }
}
