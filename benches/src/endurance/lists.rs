//! Clients that list many keys, again and again.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use naxos_proto::etcd::client::etcdserverpb as pb;
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceExt};

use super::deeds::Deeds;
use crate::load::connection::{Connection, Endpoint};
use crate::load::keys::{Keys, Values};
use crate::load::preload::preload;
use crate::pace;

/// Number of clients that list at the same time.
const CLIENTS: usize = 4;
/// Size of a value in bytes. With [`KEYS`] of them a list has 160 MB.
const VALUE_BYTES: usize = 1_000;
const KEYS: u64 = 160_000;

fn keys() -> Keys {
    Keys { prefix: "lists/".to_owned(), count: KEYS }
}

/// Writes the keys for the lists, unless they exist already.
pub(super) fn prepare(endpoint: &Endpoint) -> Result<()> {
    preload(endpoint, &keys(), &Values::new(VALUE_BYTES)).map(drop)
}

/// Lists until `end`. Unfinished lists are dropped then.
pub(super) async fn list_until(endpoint: &Endpoint, end: Instant) -> Result<Deeds> {
    let clients = (0..CLIENTS).map(|_| async {
        let mut deeds = Deeds::default();
        let mut connection = Connection::open(endpoint).await?;
        loop {
            let begun = pace::now();
            let left = end.saturating_duration_since(begun);
            let Some(bytes) = pace::within(left, list(&mut connection, endpoint)).await.transpose()? else {
                return anyhow::Ok(deeds);
            };
            ensure!(bytes >= VALUE_BYTES * KEYS as usize, "a list of {bytes} bytes is not whole");
            deeds.finished += 1;
            deeds.seconds.push(begun.elapsed().as_secs_f64());
        }
    });
    let mut all = Deeds::default();
    for deeds in futures::future::try_join_all(clients).await? {
        all.finished += deeds.finished;
        all.seconds.extend(deeds.seconds);
    }
    Ok(all)
}

/// Lists all keys once. Returns the size of the answer in bytes. The answer is not decoded, because the generator
/// shares the machine with the server.
async fn list(connection: &mut Connection, endpoint: &Endpoint) -> Result<usize> {
    let keys = keys();
    let range = pb::RangeRequest { key: keys.prefix.clone().into(), range_end: keys.end(), ..Default::default() };
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(u32::try_from(range.encoded_len())?);
    range.encode(&mut message)?;
    let request = http::Request::post(format!("{}etcdserverpb.KV/Range", endpoint.origin()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(Full::<Bytes>::from(message.freeze())))?;
    let mut body = connection.ready().await?.call(request).await?.into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        if let Some(data) = frame.data_ref() {
            bytes += data.len();
        } else if let Some(trailers) = frame.trailers_ref() {
            let status = Status::from_header_map(trailers).context("a list without a status")?;
            ensure!(status.code() == tonic::Code::Ok, "{status}");
        }
    }
    Ok(bytes)
}
