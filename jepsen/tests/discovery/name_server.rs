//! [`NameServer`]: a real DNS server for one small zone, on port 53 of the test's network.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Message, Metadata, ResponseCode};
use hickory_proto::rr::rdata::{A, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use naxos_jepsen::pace;
use parking_lot::Mutex;

/// How long the server waits for a question before it looks whether the test is over.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The largest question.
const QUESTION_BYTES_MAX: usize = 4096;

/// What the server knows.
struct Zone {
    hosts: BTreeMap<String, Ipv4Addr>,
    /// The host and the port in each SRV record, by the name of the records.
    services: Mutex<BTreeMap<String, Vec<(String, u16)>>>,
    /// How many questions asked for SRV records.
    srv_questions: AtomicUsize,
    ends: AtomicBool,
}

/// The server. It ends when this value is dropped.
pub(super) struct NameServer {
    zone: Arc<Zone>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// The address on which it answers.
    pub(super) const ADDRESS: &str = "127.0.0.1";

    /// Starts a server that knows these hosts.
    pub(super) fn start(hosts: impl IntoIterator<Item = (String, Ipv4Addr)>) -> Self {
        let socket = UdpSocket::bind((Self::ADDRESS, 53)).expect("port 53 is free in the test's network");
        socket.set_read_timeout(Some(LOOK_AGAIN)).expect("the time is not zero");
        let zone = Arc::new(Zone {
            hosts: hosts.into_iter().collect(),
            services: Mutex::default(),
            srv_questions: AtomicUsize::new(0),
            ends: AtomicBool::new(false),
        });
        let served = Arc::clone(&zone);
        let thread = pace::thread("name-server", move || {
            let mut question = [0; QUESTION_BYTES_MAX];
            while !served.ends.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut question) else { continue };
                if let Some(answer) = served.answer(&question[..length]) {
                    socket.send_to(&answer, from).expect("the answer is sent");
                }
            }
        });
        Self { zone, thread: Some(thread) }
    }

    /// From now on these are the SRV records with this name.
    pub(super) fn list(&self, name: &str, records: impl IntoIterator<Item = (String, u16)>) {
        self.zone.services.lock().insert(name.to_owned(), records.into_iter().collect());
    }

    /// From now on there are no SRV records.
    pub(super) fn forget_services(&self) {
        self.zone.services.lock().clear();
    }

    /// How many questions asked for SRV records so far.
    pub(super) fn srv_questions(&self) -> usize {
        self.zone.srv_questions.load(Ordering::Relaxed)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.zone.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The thread panics only if an answer could not be sent; then the test has failed already.
            let _ = thread.join();
        }
    }
}

impl Zone {
    /// The answer to a message. `None` if it is no question.
    fn answer(&self, message: &[u8]) -> Option<Vec<u8>> {
        let asked = Message::from_vec(message).ok()?;
        let query = asked.queries.first()?.clone();
        let name = query.name().to_ascii().to_ascii_lowercase();
        let known = self.records(name.trim_end_matches('.'), query.query_type());
        let mut metadata = Metadata::response_from_request(&asked.metadata);
        metadata.recursion_available = true;
        if known.is_none() {
            metadata.response_code = ResponseCode::NXDomain;
        }
        let mut answer = Message::new(metadata.id, metadata.message_type, metadata.op_code);
        answer.metadata = metadata;
        let record = |data| Record::from_rdata(query.name().clone(), 0, data);
        answer.add_answers(known.unwrap_or_default().into_iter().map(record));
        answer.add_query(query);
        Some(answer.to_vec().expect("the answer is small"))
    }

    /// The records with this name and type. `None` if there is no such name.
    fn records(&self, name: &str, kind: RecordType) -> Option<Vec<RData>> {
        if kind == RecordType::SRV {
            self.srv_questions.fetch_add(1, Ordering::Relaxed);
            let target = |host: &str| Name::from_ascii(format!("{host}.")).expect("a host name");
            let services = self.services.lock();
            let listed = services.get(name)?.iter();
            return Some(listed.map(|(host, port)| RData::SRV(SRV::new(0, 0, *port, target(host)))).collect());
        }
        let address = *self.hosts.get(name)?;
        Some(if kind == RecordType::A { vec![RData::A(A::from(address))] } else { Vec::new() })
    }
}
