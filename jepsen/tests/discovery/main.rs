//! `--discovery-srv` with real processes and a real DNS server: three members that are told only a domain become one
//! cluster, and a member that is not in the records says so. The real etcd is given the same flags and the same
//! records, and its clusters must have the same ids and members.
//!
//! The test has its own network, in which port 53 is free, and each server sees a `resolv.conf` of the test in place of
//! the machine's.
#![cfg(test)]

mod name_server;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use naxos_jepsen::cluster::start_all;
use naxos_jepsen::etcd_server::EtcdServer;
use naxos_jepsen::kubernetes::network::{NODE_ADDRESSES, Network};
use naxos_jepsen::machine::{self, WholeMachine};
use naxos_jepsen::pace;
use naxos_jepsen::process::{Ended, finish};
use naxos_jepsen::servers::Server;
use naxos_proto::etcd::client::etcdserverpb::cluster_client::ClusterClient;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use naxos_proto::etcd::client::etcdserverpb::{MemberAddRequest, MemberListRequest, PutRequest, RangeRequest};
use tokio::runtime::Runtime;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use self::name_server::NameServer;

const DOMAIN: &str = "naxos.example";
/// The names of the members. Each has a host of this name in the domain.
const NAMES: [&str; 3] = ["a", "b", "c"];
const PEER_PORT: u16 = 2380;
/// How long a call may take.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// One way to list a cluster.
struct Way {
    service: &'static str,
    scheme: &'static str,
    flags: &'static [&'static str],
    /// Hosts of the domain that are in the records beside the members' hosts.
    further: &'static [&'static str],
}

/// The host `gone` has no address, so every member ignores the record that names it.
const PLAIN: Way = Way { service: "etcd-server", scheme: "http", flags: &[], further: &["gone"] };
const SECURE: Way = Way {
    service: "etcd-server-ssl-green",
    scheme: "https",
    flags: &["--discovery-srv-name=green", "--peer-auto-tls"],
    further: &[],
};

const JOINS: Way = Way { flags: &["--initial-cluster-state=existing"], ..PLAIN };

fn host(name: &str) -> String {
    format!("{name}.{DOMAIN}")
}

/// The network, its DNS server, and the folder of everything that the servers write.
struct World {
    // Dropped in this order.
    names: NameServer,
    _network: Network,
    folder: tempfile::TempDir,
    _alone: WholeMachine,
}

impl World {
    fn enter() -> Self {
        let alone = WholeMachine::take();
        let network = Network::enter();
        let folder = tempfile::tempdir().expect("a temporary directory");
        let text = format!("nameserver {}\noptions timeout:1 attempts:2\n", NameServer::ADDRESS);
        std::fs::write(folder.path().join("resolv.conf"), text).expect("resolv.conf is written");
        let addresses = NODE_ADDRESSES.map(|address| address.parse::<Ipv4Addr>().expect("an address"));
        let names = NameServer::start(NAMES.iter().map(|name| host(name)).zip(addresses));
        World { names, _network: network, folder, _alone: alone }
    }

    /// Puts the records of a cluster with these members into the DNS.
    fn list(&self, way: &Way, names: &[&str]) {
        let hosts = names.iter().chain(way.further).map(|name| (host(name), PEER_PORT));
        self.names.list(&format!("_{}._tcp.{DOMAIN}", way.service), hosts);
    }

    /// The words after `unshare` that run `program`, with the test's `resolv.conf` in place of the machine's.
    fn words(&self, program: &Path, flags: Vec<String>) -> Vec<String> {
        let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        let resolv_conf = self.folder.path().join("resolv.conf").display().to_string();
        let words = ["--mount".to_owned(), "sh".to_owned(), "-c".to_owned(), script.to_owned(), resolv_conf];
        words.into_iter().chain([program.display().to_string()]).chain(flags).collect()
    }

    /// The flags of a member. They name no other member.
    fn flags(&self, at: usize, data: &str, way: &Way) -> Vec<String> {
        let (name, address, scheme) = (NAMES[at], NODE_ADDRESSES[at], way.scheme);
        // The first member advertises its address, the others their hosts' names.
        let advertised = if at == 0 { address.to_owned() } else { host(name) };
        let own = [
            format!("--name={name}"),
            format!("--data-dir={}", self.folder.path().join(data).join(name).display()),
            format!("--listen-client-urls=http://{address}:2379"),
            format!("--advertise-client-urls=http://{address}:2379"),
            format!("--listen-peer-urls={scheme}://{address}:{PEER_PORT}"),
            format!("--initial-advertise-peer-urls={scheme}://{advertised}:{PEER_PORT}"),
            format!("--discovery-srv={DOMAIN}"),
        ];
        own.into_iter().chain(way.flags.iter().map(ToString::to_string)).collect()
    }

    fn members(&self, program: &Path, data: &str, way: &Way) -> Vec<EtcdServer> {
        let member = |at| {
            let words = self.words(program, self.flags(at, data, way));
            EtcdServer::from_command_line(Path::new("unshare"), &words)
        };
        (0..NAMES.len()).map(member).collect()
    }

    /// Runs the first member, which must end by itself, with `changed` at the end of its flags.
    fn refused(&self, program: &Path, data: &str, way: &Way, changed: &str) -> Ended {
        let mut flags = self.flags(0, data, way);
        flags.push(changed.to_owned());
        let mut command = Command::new("unshare");
        command.args(self.words(program, flags));
        finish(command, "")
    }
}

fn channel(at: usize) -> Channel {
    Endpoint::from_shared(format!("http://{}:2379", NODE_ADDRESSES[at])).expect("a URL").connect_lazy()
}

async fn put(at: usize, value: &'static str) {
    let put = PutRequest { key: "key".into(), value: value.into(), ..PutRequest::default() };
    pace::within(CALL_LIMIT, KvClient::new(channel(at)).put(put)).await.expect("in time").expect("a put is done");
}

async fn get(at: usize) -> String {
    let get = RangeRequest { key: "key".into(), ..RangeRequest::default() };
    let answer = pace::within(CALL_LIMIT, KvClient::new(channel(at)).range(get)).await.expect("in time");
    String::from_utf8_lossy(&answer.expect("a read is answered").into_inner().kvs[0].value).into_owned()
}

/// The id of the cluster, and the id, the name and the peer URLs of each member, by name.
type Listed = (u64, Vec<(String, u64, Vec<String>)>);

async fn listed(at: usize) -> Listed {
    let mut client = ClusterClient::new(channel(at));
    // A list that is not linearizable may be older than the announcement of a member's name, and still call the member
    // by the number that it got when the records were read.
    let asked = client.member_list(MemberListRequest { linearizable: true });
    let answer = pace::within(CALL_LIMIT, asked).await.expect("in time");
    let answer = answer.expect("the members are listed").into_inner();
    let mut members: Vec<_> =
        answer.members.into_iter().map(|member| (member.name, member.id, member.peer_ur_ls)).collect();
    members.sort();
    (answer.header.expect("a header").cluster_id, members)
}

/// Adds the third member to the cluster. This is refused until the other members have been together for some seconds.
async fn add_third() {
    let add =
        MemberAddRequest { peer_ur_ls: vec![format!("http://{}:{PEER_PORT}", host(NAMES[2]))], ..Default::default() };
    let attempts = async {
        loop {
            match ClusterClient::new(channel(0)).member_add(add.clone()).await {
                Ok(_) => return,
                Err(status) if status.code() == Code::Unavailable => pace::pause(Duration::from_millis(100)).await,
                Err(status) => panic!("the third member is refused: {status}"),
            }
        }
    };
    pace::within(CALL_LIMIT, attempts).await.expect("a member is added in time");
}

/// Founds a cluster from the records, and starts a member again when there are no records any more.
fn one_etcd(world: &World, runtime: &Runtime, program: &Path, data: &str, way: &Way) -> Listed {
    world.list(way, &NAMES);
    let mut members = world.members(program, data, way);
    start_all(&mut members).expect("three members that are listed serve");
    runtime.block_on(put(0, "first"));
    assert_eq!(runtime.block_on(get(2)), "first");
    let cluster = runtime.block_on(listed(1));

    world.names.forget_services();
    let questions = world.names.srv_questions();
    assert!(questions > 0, "the DNS was asked");
    members[2].kill();
    members[2].start_again();
    runtime.block_on(put(1, "second"));
    assert_eq!(runtime.block_on(get(2)), "second");
    assert_eq!(runtime.block_on(listed(2)), cluster);
    assert_eq!(world.names.srv_questions(), questions, "a member that holds a cluster does not ask");
    cluster
}

/// Founds a cluster of one. The member advertises an address, and the record names a host.
fn alone(world: &World, runtime: &Runtime, program: &Path, data: &str) -> Listed {
    world.list(&PLAIN, &NAMES[..1]);
    let mut member = world.members(program, data, &PLAIN).swap_remove(0);
    member.start_again();
    runtime.block_on(listed(0))
}

/// Naxos, and the real etcd if it can be built here.
fn programs() -> Vec<(&'static str, PathBuf)> {
    let naxos = Some(("naxos", env!("CARGO_BIN_EXE_naxos-jepsen-node").into()));
    naxos.into_iter().chain(Server::Etcd.executable().map(|etcd| ("etcd", etcd))).collect()
}

fn can_run() -> bool {
    machine::is_root() && machine::has_program("unshare") && machine::has_program("ip")
}

#[test]
fn members_that_the_dns_lists_are_one_etcd_with_etcds_ids() {
    if !can_run() {
        return;
    }
    // They are built before the test enters its network, from which no module can be fetched.
    let programs = programs();
    let world = World::enter();
    let runtime = Runtime::new().expect("a runtime");
    for (way, tag) in [(PLAIN, "plain"), (SECURE, "secure")] {
        let found: Vec<Listed> = programs
            .iter()
            .map(|(name, program)| one_etcd(&world, &runtime, program, &format!("{name}-{tag}"), &way))
            .collect();
        let (_, members) = &found[0];
        let urls: Vec<_> = members.iter().map(|(name, _, urls)| (name.as_str(), urls.join(","))).collect();
        let expected = NAMES.map(|name| (name, format!("{}://{}:{PEER_PORT}", way.scheme, host(name))));
        assert_eq!(urls, expected);
        assert!(found.iter().all(|cluster| *cluster == found[0]), "{found:?}");
    }
    let single = programs.iter().map(|(name, program)| alone(&world, &runtime, program, &format!("{name}-alone")));
    let single: Vec<Listed> = single.collect();
    assert_eq!(single[0].1[0].2, [format!("http://{}:{PEER_PORT}", host(NAMES[0]))]);
    assert!(single.iter().all(|cluster| *cluster == single[0]), "{single:?}");
}

#[test]
fn records_that_do_not_fit_end_the_start_in_etcds_words() {
    if !can_run() {
        return;
    }
    let programs = programs();
    let world = World::enter();
    world.list(&PLAIN, &NAMES);
    let none = "error setting up initial cluster: error querying DNS SRV records for _etcd-server-ssl-blue lookup \
                _etcd-server-ssl-blue._tcp.naxos.example";
    let other = "error setting up initial cluster: cannot find local etcd member \"a\" in SRV records";
    for (name, program) in &programs {
        for (changed, text, expected) in [
            ("--discovery-srv-name=blue", none, "expected SRV records of --discovery-srv that list the members"),
            (
                "--initial-advertise-peer-urls=http://10.77.0.10:9",
                other,
                "expected a record with the address of one of http://10.77.0.10:9 (10.77.0.10:9), found \
                 http://a.naxos.example:2380 (10.77.0.10:2380)",
            ),
            ("--initial-cluster=a=http://10.77.0.10:2380", "multiple discovery or bootstrap flags are set", ""),
        ] {
            let ended = world.refused(program, &format!("{name}-refused"), &PLAIN, changed);
            // The lines of the log are JSON, in which quotes are escaped.
            let said = (ended.stdout + &ended.stderr).replace("\\\"", "\"");
            assert!(!ended.success && said.contains(text), "{name}: {said}");
            assert!(*name != "naxos" || said.contains(expected), "{said}");
        }
    }
}

#[test]
fn a_member_asks_when_it_joins_and_when_it_does_not_know_the_others_yet() {
    if !can_run() {
        return;
    }
    let world = World::enter();
    let runtime = Runtime::new().expect("a runtime");
    let program = Path::new(env!("CARGO_BIN_EXE_naxos-jepsen-node"));
    world.list(&PLAIN, &NAMES[..2]);
    let mut members = world.members(program, "data", &PLAIN);
    members.truncate(2);
    start_all(&mut members).expect("two members that are listed serve");
    runtime.block_on(put(0, "first"));

    // As if the process had ended right after the founding, before it wrote down who the members are.
    members[1].kill();
    std::fs::remove_file(world.folder.path().join("data/b/members")).expect("the file was there");
    let questions = world.names.srv_questions();
    members[1].start_again();
    assert!(world.names.srv_questions() > questions, "it did not ask the DNS:\n{}", members[1].log().tail());
    assert_eq!(runtime.block_on(get(1)), "first");

    runtime.block_on(add_third());
    world.list(&PLAIN, &NAMES);
    let mut third = world.members(program, "data", &JOINS).pop().expect("the last member");
    third.start_again();
    assert_eq!(runtime.block_on(get(2)), "first");
}
