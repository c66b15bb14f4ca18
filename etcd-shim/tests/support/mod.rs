//! Runs the program in a process of its own, and looks at its data directory.
#![expect(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use naxos::config::{Program, load};
use naxos::node::{Node, StartError};
use naxos_log_server::LogServerConfig;
use naxos_proto::control::control_client::ControlClient;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use naxos_proto::seams::{BootClock, Clock, Disk, OsEntropy, Seams, SocketNet, ThreadWorker, Worker, start};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

/// A program with bad input must end within this time.
const REFUSAL_LIMIT: Duration = Duration::from_secs(20);
/// A server must write the line that a test waits for within this time.
const LINE_LIMIT: Duration = Duration::from_secs(60);
/// How many lines may wait until the test reads them.
const LINES_MAX: usize = 65_536;

/// Listen on free ports. The advertised client URL is never used.
pub const ANYWHERE: [&str; 3] = [
    "--listen-client-urls=http://127.0.0.1:0",
    "--advertise-client-urls=http://127.0.0.1:1",
    "--listen-peer-urls=http://127.0.0.1:0",
];

/// The program, to be run in `dir` with only PATH in its environment.
pub fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_naxos"));
    command.current_dir(dir).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A node in this process, with small segments.
pub async fn start_node(disk: Arc<dyn Disk>, worker: Arc<dyn Worker>, runtimes: usize) -> Result<Node, StartError> {
    let words: Vec<String> = ANYWHERE.iter().map(ToString::to_string).collect();
    let config = load(Program::Naxos, &words, &BTreeMap::new()).unwrap().config;
    let (clock, entropy, net) = (Arc::new(BootClock), Arc::new(OsEntropy), Arc::new(SocketNet));
    let seams = Seams { clock, entropy, net, disk, worker };
    let unit = LogServerConfig { segment_bytes: 1 << 20, reserve_bytes: 0, ..LogServerConfig::default() };
    Node::start_with(&CancellationToken::new(), config, seams, runtimes, unit, None).await
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub err: String,
}

/// How a command of `naxos ctl` ended.
pub struct CtlEnded {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs a command of `naxos ctl` in `dir` to its end.
pub fn ctl(dir: &Path, command: &str, words: &[&str]) -> CtlEnded {
    let done = program(dir).args(["ctl", command]).args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    CtlEnded { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
}

/// Runs the program in `dir` to its end. Panics if the program does not end soon, or if it panics itself.
pub fn run(dir: &Path, words: &[&str], variables: &[(&str, &str)]) -> Ended {
    ended(program(dir).args(words).envs(variables.iter().copied()))
}

/// Runs this command to its end. Panics if the program does not end soon, or if it panics itself.
pub fn ended(command: &mut Command) -> Ended {
    let mut child = command.spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let (tx, rx) = sync_channel(1);
    let read = async move {
        let mut text = Vec::new();
        stderr.read_to_end(&mut text).unwrap();
        // The test may have stopped waiting.
        let _ = tx.send(String::from_utf8_lossy(&text).into_owned());
    };
    drop(start(&ThreadWorker, "stderr", CancellationToken::new(), |_| read));
    let received = rx.recv_timeout(REFUSAL_LIMIT);
    // If the test goes well, the program has already ended.
    let _ = child.kill();
    let code = child.wait().unwrap().code();
    let err = received.unwrap_or_else(|_| panic!("{command:?} does not end"));
    assert!(!err.contains("panicked"), "{command:?}: {err}");
    Ended { code, err }
}

/// The names of all files and folders below `dir`, with the lengths and checksums of the files.
pub fn contents(dir: &Path) -> BTreeMap<PathBuf, (u64, u32)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().to_owned();
            if path.is_dir() {
                found.insert(name, (0, 0));
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                found.insert(name, (bytes.len() as u64, crc32c::crc32c(&bytes)));
            }
        }
    }
    found
}

/// A running server.
pub struct Server {
    pub child: Child,
    lines: Receiver<serde_json::Value>,
    pub seen: Vec<serde_json::Value>,
}

impl Server {
    /// Starts a server. Every line that it writes to stderr must be JSON.
    pub fn start(dir: &Path, words: &[&str]) -> Server {
        let mut child = program(dir).args(words).spawn().unwrap();
        let lines = read_lines(child.stderr.take().unwrap());
        Server { child, lines, seen: Vec::new() }
    }

    /// Starts a server on free ports and waits until it serves. Returns it with the address of its client port.
    pub fn serving(dir: &Path, more: &[&str]) -> (Server, String) {
        let words: Vec<&str> = ANYWHERE.iter().chain(more).copied().collect();
        let mut server = Server::start(dir, &words);
        let line = server.wait_for("serving client traffic insecurely; this is strongly discouraged!");
        server.wait_for("ready to serve client requests");
        let address = line["address"].as_str().unwrap().to_owned();
        (server, address)
    }

    /// Reads the lines that the server logs, up to the next one with this message. Returns that line.
    pub fn wait_for(&mut self, message: &str) -> serde_json::Value {
        let deadline = BootClock.now().after(LINE_LIMIT);
        loop {
            let left = deadline.since(BootClock.now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("{message} never came: {:?}", self.seen));
            self.seen.push(line.clone());
            if line["msg"] == message {
                return line;
            }
        }
    }

    /// Waits until the server serves, or has ended with exit code 1. Returns all lines that it logged if it ended;
    /// `None` if it serves.
    pub fn refusal(&mut self) -> Option<String> {
        let deadline = BootClock.now().after(LINE_LIMIT);
        loop {
            match self.lines.recv_timeout(deadline.since(BootClock.now())) {
                Ok(line) if line["msg"] == "ready to serve client requests" => return None,
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("neither refused nor serving: {:?}", self.seen),
            }
        }
        assert_eq!(self.child.wait().unwrap().code(), Some(1), "{:?}", self.seen);
        Some(self.log())
    }

    /// Everything that the server has written so far.
    pub fn log(&mut self) -> String {
        self.seen.extend(self.lines.try_iter());
        self.seen.iter().map(|l| format!("{l}\n")).collect()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Sends SIGTERM, and returns the exit code.
    pub fn terminate(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.wait_for("closed etcd server");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // If the test went well, the server has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the lines of the program's log. A thread reads them, so that the program never waits for the test. The
/// thread ends with the program.
fn read_lines(stderr: ChildStderr) -> Receiver<serde_json::Value> {
    let (tx, lines) = sync_channel(LINES_MAX);
    let body = async move {
        for line in BufReader::new(stderr).lines() {
            let line = line.unwrap();
            let line = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
            if tx.send(line).is_err() {
                return;
            }
        }
    };
    drop(start(&ThreadWorker, "stderr", CancellationToken::new(), |_| body));
    lines
}

/// A client of the server at `address`, without a limit on the length of messages.
pub fn kv(address: &str) -> KvClient<Channel> {
    let endpoint = Endpoint::new(format!("http://{address}")).unwrap();
    KvClient::new(endpoint.connect_lazy()).max_decoding_message_size(usize::MAX).max_encoding_message_size(usize::MAX)
}

/// A client of `naxos ctl`'s calls.
pub fn control(address: &str) -> ControlClient<Channel> {
    ControlClient::new(Endpoint::new(format!("http://{address}")).unwrap().connect_lazy())
}

/// Ports that are free now.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let taken = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    taken.map(|listener| listener.local_addr().expect("it is bound").port())
}

/// URLs of this machine with ports that are free now.
pub fn free_urls<const N: usize>() -> [String; N] {
    free_ports().map(|port| format!("http://127.0.0.1:{port}"))
}

/// Runs `body` on this thread.
pub fn block_on<T>(body: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(body)
}

/// The answer of the server at `address` to a GET, including the headers.
pub fn get(address: &str, path: &str) -> String {
    let mut io = std::net::TcpStream::connect(address).unwrap();
    io.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).unwrap();
    answer
}

/// The answer to a gRPC call, as HTTP shows it.
pub struct RawAnswer {
    pub http: u16,
    pub code: tonic::Code,
    pub text: String,
    pub body: Vec<u8>,
}

/// Makes a call with the message `message` on a connection of its own, with `headers` in addition to the required ones.
/// The HTTP method and the content type are parameters, because they may be wrong.
pub async fn raw_call(
    address: &str,
    (method, kind): (&str, &str),
    path: &str,
    headers: &[(&str, &str)],
    message: &[u8],
) -> RawAnswer {
    let io = tokio::net::TcpStream::connect(address).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(io);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "there is no node to end: the call fails if the connection does")]
    tokio::spawn(connection);
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    let request = http::Request::builder().method(method).uri(format!("http://localhost{path}"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = request.header("content-type", kind).header("te", "trailers");
    let answer =
        sender.send_request(request.body(http_body_util::Full::new(bytes::Bytes::from(frame))).unwrap()).await.unwrap();
    let (http, status) = (answer.status().as_u16(), tonic::Status::from_header_map(answer.headers()));
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
    let status = status.or_else(|| body.trailers().and_then(tonic::Status::from_header_map)).expect("a status");
    RawAnswer { http, code: status.code(), text: status.message().to_owned(), body: body.to_bytes().to_vec() }
}
