//! [`strangers`]: processes and calls that do not belong to the cluster.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use naxos_proto::peer::generated::BeatMessage;
use naxos_proto::peer::generated::heartbeat_client::HeartbeatClient;
use tonic::{Code, Request};

use super::NAMES;
use super::members::{Members, channel};
use crate::differential::dice::Dice;
use crate::etcd_server::{EtcdServer, free_ports, member_list};
use crate::pace;

/// How long a process may take to say why it does not start.
const SAYS_LIMIT: Duration = Duration::from_secs(20);
/// How long a member may take to close a connection on which it got garbage.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);
/// If the log was not reconfigured for this long, no change is due.
const QUIET: Duration = Duration::from_secs(4);
/// The text that a process logs if its flags name another cluster.
const OTHER_CLUSTER: &str = "the two have different member lists or tokens";
/// What a member logs when it changes the log.
const RECONFIGURES: &str = "reconfiguring the log";

/// Where a member listens.
struct Place {
    client: u16,
    peer: u16,
}

impl Place {
    fn free() -> Self {
        let [client, peer] = free_ports();
        Self { client, peer }
    }

    fn peer_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.peer)
    }
}

/// Starts a process that must not become a member, and waits until it logs that its flags name another cluster.
fn is_no_member(mut stranger: EtcdServer) -> anyhow::Result<()> {
    stranger.begin();
    let log = stranger.log();
    ensure!(log.wait_for(0, OTHER_CLUSTER, SAYS_LIMIT), "it does not say why it waits:\n{}", log.tail());
    Ok(())
}

/// Sends bytes to a port for peers, and reads until the member closes the connection.
fn is_cut_off(port: u16, bytes: &[u8]) -> anyhow::Result<()> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(CLOSE_LIMIT))?;
    // The member may close the connection before it has read everything.
    let _ = connection.write_all(bytes);
    match connection.read_to_end(&mut Vec::new()) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error).context("the connection stays open"),
        _ => Ok(()),
    }
}

/// Bytes that do not follow the protocol of the peers, each with a description.
fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    let mut dice = Dice::new(1);
    let noise: Vec<u8> = (0..65_536).map(|_| dice.below(256) as u8).collect();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
    vec![
        ("noise", noise.clone()),
        ("a request of HTTP/1.1", b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n".to_vec()),
        ("the beginning of TLS", [&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3], &noise[..505]].concat()),
        ("noise after the preface of HTTP/2", [preface, &noise].concat()),
    ]
}

/// Calls a member with these headers, and returns why it refuses.
async fn refusal(url: &str, headers: &[(&'static str, &str)]) -> anyhow::Result<String> {
    let mut request = Request::new(BeatMessage::default());
    for (name, value) in headers {
        request.metadata_mut().insert(*name, value.parse()?);
    }
    let refused = HeartbeatClient::new(channel(url)).beat(request).await.err().context("it answers")?;
    ensure!(refused.code() == Code::FailedPrecondition, "{refused:?}");
    Ok(refused.message().to_owned())
}

/// Lets strangers come to a running cluster, which must not be disturbed by them:
///
/// - A process with another token, and a process with the name of a member and another member list. Each must log that
///   its flags name another cluster.
/// - Garbage at the ports for peers. The member must close the connection.
/// - Callers without a version, with another version, or of another cluster. Each must be told what was expected.
///
/// # Errors
/// If one of these checks fails.
pub fn strangers(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let [a, b, c] = [0, 1, 2];
    let places = [Place::free(), Place::free(), Place::free()];
    let listed = member_list(NAMES.iter().zip(&places).map(|(name, place)| (name, place.peer_url())));
    let member = |folder: &Path, at: &Place, number: usize, listed: &str, extra: &[&str]| {
        EtcdServer::member(program, folder, (NAMES[number], at.client, &at.peer_url()), listed, extra)
    };
    let members = [a, b, c].map(|number| member(folder, &places[number], number, &listed, &[])).into();
    let mut all = Members::of(members, 2)?;
    all.write(&[a, b], 4)?;

    let strange = folder.join("strange");
    let with_token = member(&strange, &places[c], c, &listed, &["--initial-cluster-token=other"]);
    is_no_member(with_token).context("a process with another token")?;
    let elsewhere = Place::free();
    let urls = [places[a].peer_url(), places[b].peer_url(), elsewhere.peer_url()];
    let other_list = member_list(NAMES.iter().zip(urls));
    let twin = member(&folder.join("twin"), &elsewhere, c, &other_list, &[]);
    is_no_member(twin).context("a process with a member's name and another list")?;

    all.start_member(c).context("the member itself")?;
    all.write(&[a, b, c], 3)?;
    let changes = |all: &Members| -> usize { all.members.iter().map(|m| m.log().matching(RECONFIGURES).len()).sum() };
    // The log is reconfigured to take in the member that was started last. Wait until this is over.
    let mut before = changes(&all);
    loop {
        pace::sleep(QUIET);
        let now = changes(&all);
        if now == std::mem::replace(&mut before, now) {
            break;
        }
    }
    for (what, bytes) in garbage() {
        for place in &places {
            is_cut_off(place.peer, &bytes).with_context(|| what.to_owned())?;
        }
    }
    for (headers, expected) in [
        (&[][..], "expected a header naxos-wire, found none"),
        (&[("naxos-wire", "999")], "the caller speaks another version of the peer protocol: expected 1, found 999"),
        (&[("naxos-wire", "1"), ("naxos-log", "0000000000000001")], "the caller belongs to another cluster: expected"),
    ] {
        for place in &places {
            let found = all.call(refusal(&place.peer_url(), headers))?;
            ensure!(found.contains(expected), "expected {expected:?}, found {found:?}");
        }
    }
    all.write(&[a, b, c], 6).context("after garbage and false calls")?;
    ensure!(changes(&all) == before, "the log was reconfigured");
    all.compare()
}
