//! Three real members that show each other certificates: they are one etcd, and a member whose certificate another
//! authority has signed is not let in.
#![cfg(test)]

use std::path::Path;
use std::time::Duration;

use naxos_jepsen::cluster::start_all;
use naxos_jepsen::etcd_server::EtcdServer;
use naxos_jepsen::machine::WholeMachine;
use naxos_jepsen::pace;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use naxos_proto::etcd::client::etcdserverpb::{PutRequest, RangeRequest};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::runtime::Runtime;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

/// The names of the members.
const NAMES: [&str; 3] = ["a", "b", "c"];
/// How long a call may take.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// How long a member may take to log that it rejected a connection.
const REJECT_LIMIT: Duration = Duration::from_secs(20);
/// What a member logs when the certificate of another member is not good.
const REJECTED: &str = "rejected connection on peer endpoint";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("an authority needs no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority signs itself")
}

/// Writes the pair of a member, `<name>.crt` and `<name>.key`, for 127.0.0.1. `authority` signs it.
fn write_pair(folder: &Path, name: &str, authority: &Authority) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
    let cert = params.signed_by(&key, authority).expect("the authority signs");
    std::fs::write(folder.join(format!("{name}.crt")), cert.pem()).expect("the certificate is written");
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).expect("the key is written");
}

fn client(member: &EtcdServer) -> KvClient<Channel> {
    KvClient::new(Endpoint::from_shared(member.client_url().to_owned()).expect("a URL").connect_lazy())
}

/// Puts the value. After a leader was killed, the outcome of a put may be unknown. Then the put is made again.
async fn put(member: &EtcdServer, value: &'static str) {
    let put = PutRequest { key: "key".into(), value: value.into(), ..PutRequest::default() };
    let attempts = async {
        loop {
            match client(member).put(put.clone()).await {
                Ok(_) => return,
                Err(status) if status.code() == Code::Unavailable => pace::pause(Duration::from_millis(50)).await,
                Err(status) => panic!("a put is refused: {status}"),
            }
        }
    };
    pace::within(CALL_LIMIT, attempts).await.expect("a put is done in time");
}

async fn get(member: &EtcdServer) -> String {
    let get = RangeRequest { key: "key".into(), ..RangeRequest::default() };
    let answer = pace::within(CALL_LIMIT, client(member).range(get)).await.expect("a read ends in time");
    let answer = answer.expect("a read is answered").into_inner();
    String::from_utf8_lossy(&answer.kvs[0].value).into_owned()
}

#[test]
fn members_with_certificates_are_one_etcd_and_let_no_stranger_in() {
    let _alone = WholeMachine::take();
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (own, other) = (authority(), authority());
    NAMES.iter().for_each(|name| write_pair(folder.path(), name, &own));
    std::fs::write(folder.path().join("ca.crt"), own.pem()).expect("the authority is written");
    let file = |flag: &str, name: &str| format!("--{flag}={}", folder.path().join(name).display());
    let flags = [
        file("peer-cert-file", "{name}.crt"),
        file("peer-key-file", "{name}.key"),
        file("peer-trusted-ca-file", "ca.crt"),
        "--peer-client-cert-auth".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let program = Path::new(env!("CARGO_BIN_EXE_naxos-jepsen-node"));
    let mut members = EtcdServer::members(program, folder.path(), &NAMES, &flags);
    start_all(&mut members).expect("three members with certificates serve");
    runtime.block_on(put(&members[0], "first"));
    assert_eq!(runtime.block_on(get(&members[2])), "first");

    // The third one comes back with a pair of another authority. It waits for the others, and they go on.
    members[2].kill();
    write_pair(folder.path(), "c", &other);
    let from = [members[0].log().length(), members[1].log().length()];
    let stranger = std::thread::scope(|scope| {
        let (others, last) = members.split_at_mut(2);
        let starts = scope.spawn(|| last[0].try_start());
        assert!(others[0].log().wait_for(from[0], REJECTED, REJECT_LIMIT), "{}", others[0].log().tail());
        runtime.block_on(put(&others[0], "second"));
        assert_eq!(runtime.block_on(get(&others[1])), "second");
        write_pair(folder.path(), "c", &own);
        starts.join().expect("the thread that starts a member ends")
    });
    stranger.expect("with the right pair it is let in, without another start");
    assert_eq!(runtime.block_on(get(&members[2])), "second");
}
