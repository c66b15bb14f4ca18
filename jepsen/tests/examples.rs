//! The examples, built and run from a copy outside the workspace, as a user's own project would be; and the number of
//! lines that the quick starts need.
#![cfg(test)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use naxos_jepsen::cargo::cargo;
use naxos_jepsen::pace;
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use naxos_proto::seams::{ThreadWorker, start};
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

/// How long a process may take for the next thing that a test waits for.
const LIMIT: Duration = Duration::from_secs(30);
/// At most this many lines of a process wait for the test.
const LINES_MAX: usize = 1_000;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// The lines of a program that are code.
fn code(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).collect()
}

/// The names and the texts of all examples.
fn examples() -> Vec<(String, String)> {
    let files = fs::read_dir(root().join("examples")).expect("the folder").map(|file| file.expect("a file").path());
    let name = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    files.map(|path| (name(&path), fs::read_to_string(&path).expect("a text"))).collect()
}

#[test]
fn the_quick_starts_are_short() {
    let examples = examples();
    let text = |wanted: &str| &examples.iter().find(|(name, _)| name == wanted).expect("it is there").1;
    let body = text("store").split_once("run(folder: String) -> Result<(), naxos::Error> {\n").expect("its body").1;
    // The last two lines return from the function.
    let body = code(body).len() - 2;
    assert!(body <= 10, "open, put, get, transaction and watch take {body} lines");
    let counter = code(text("counter")).len();
    assert!(counter <= 25, "a replicated counter takes {counter} lines, the whole program");
    let table = fs::read_to_string(root().join("docs/embedding.md")).expect("the document");
    for (what, lines) in
        [("open, put, get, transaction, watch", body), ("a replicated counter, the whole program", counter)]
    {
        let row = format!("| {what} | {lines} ");
        assert!(table.contains(&row), "docs/embedding.md has no row that begins with {row:?}");
    }
}

/// Cargo packs what a symbolic link in the folder of a crate points at, so whoever gets a package has these files.
#[test]
fn each_package_has_its_licence_its_readme_and_its_examples() {
    let at = |place: String| root().join(place);
    let whole = |place: String| fs::canonicalize(at(place.clone())).unwrap_or_else(|error| panic!("{place}: {error}"));
    for crate_at in ["proto", "log-server", "sequencer", "client", "engines", "etcd-shim", "jepsen/sim"] {
        assert_eq!(whole(format!("{crate_at}/LICENSE")), whole("LICENSE".to_owned()));
        assert!(at(format!("{crate_at}/README.md")).is_file(), "{crate_at} has no README");
    }
    for (name, _) in examples() {
        let places = ["client", "etcd-shim", "jepsen/sim"].map(|at| format!("{at}/examples/{name}.rs"));
        let found: Vec<String> = places.into_iter().filter(|place| at(place.clone()).is_file()).collect();
        assert_eq!(found.len(), 1, "the example {name} is in the packages of {found:?}");
        assert_eq!(whole(found[0].clone()), whole(format!("examples/{name}.rs")));
    }
}

/// Builds a project outside the workspace that has all examples as its programs. Returns the folder of the programs.
fn build() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside");
    fs::create_dir_all(folder.join("src/bin")).expect("a folder");
    for (name, text) in examples() {
        fs::write(folder.join(format!("src/bin/{name}.rs")), text).expect("a copy");
    }
    let crate_at = |name: &str, at: &str| format!("{name} = {{ path = {:?} }}\n", root().join(at));
    let mut manifest = "[package]\nname = \"outside\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
                        [profile.dev]\nopt-level = 0\ndebug = false\nincremental = false\n\n[dependencies]\n\
                        bytes = \"1\"\ntokio = { version = \"1\", features = [\"rt-multi-thread\", \"macros\", \"net\", \"io-util\", \
                        \"signal\", \"sync\", \"time\"] }\ntokio-stream = \"0.1\"\n"
        .to_owned();
    for (name, at) in
        [("naxos", "etcd-shim"), ("naxos-client", "client"), ("naxos-proto", "proto"), ("naxos-sim", "jepsen/sim")]
    {
        manifest += &crate_at(name, at);
    }
    fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
    fs::create_dir_all(folder.join(".cargo")).expect("a folder");
    let config =
        "[build]\nrustflags = [\"--cfg\", \"tokio_unstable\"]\nrustdocflags = [\"--cfg\", \"tokio_unstable\"]\n";
    fs::write(folder.join(".cargo/config.toml"), config).expect("a configuration");
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).expect("the versions");
    let target = folder.join("target");
    let mut build = cargo();
    build.args(["build", "--offline", "--bins", "--target-dir"]).arg(&target).current_dir(&folder);
    let output = build.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("debug")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A running example.
struct Running {
    child: Child,
    /// The lines that it prints. A thread reads them, so that a test can stop waiting.
    said: Receiver<String>,
}

impl Running {
    fn start(program: &Path, folder: &Path, argument: &str) -> Self {
        let mut command = Command::new(program);
        let mut child = command.arg(argument).current_dir(folder).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let (read, said) = sync_channel(LINES_MAX);
        // It ends when the process does, or when the test does not read any more.
        let pass_on = async move { drop(lines.try_for_each(|line| read.send(line))) };
        drop(start(&ThreadWorker, "stdout", CancellationToken::new(), |_| pass_on));
        Self { child, said }
    }

    /// The next line that it prints.
    fn line(&self) -> String {
        self.said.recv_timeout(LIMIT).expect("the next line")
    }

    /// Kills it with SIGKILL.
    fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Interrupts it as Ctrl-C does, and returns what it still prints.
    fn interrupt(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
        let rest = self.said.iter().collect::<Vec<_>>().join("\n");
        assert!(self.child.wait().expect("it ends").success(), "{rest}");
        rest
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a line to a node of the example `key_value`, and returns the line that it answers.
fn ask(node: usize, line: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", 13_700 + u16::try_from(node).expect("few"))).expect("it listens");
    stream.set_read_timeout(Some(LIMIT)).expect("a time");
    stream.write_all(format!("{line}\n").as_bytes()).expect("it reads");
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).expect("an answer");
    answer.trim_end().to_owned()
}

#[test]
fn every_example_runs_outside_the_workspace() {
    let programs = build();
    let dir = tempfile::tempdir().expect("a folder");
    let run = |name: &str, argument: &str| {
        let output = Command::new(programs.join(name)).arg(argument).current_dir(dir.path()).output().expect("it runs");
        assert!(output.status.success(), "{name}: {}", text(&output));
        text(&output)
    };
    let three = |name: &str| [0, 1, 2].map(|own| Running::start(&programs.join(name), dir.path(), &own.to_string()));

    assert!(run("store", "./data").contains("the sea is new: true"));
    assert!(run("store", "./data").contains("the sea is new: false"));
    assert!(run("raw_log", "").contains("the chain has 2 segments"));
    assert!(run("jobs", "./jobs").contains("10 in all"));
    for (times, first) in [(1, "3 transfers of 30"), (2, "3 transfers of 30"), (3, "4 transfers of 30")] {
        let said = run("ledger", "./ledger");
        let balances: Vec<i64> =
            said.lines().filter_map(|line| line.split_once(": ")).map(|(_, sum)| sum.parse().expect("a sum")).collect();
        assert!(said.starts_with(first) && balances[0] == -100 * times, "{said}");
        assert_eq!((balances.len(), balances.iter().sum::<i64>()), (4, 0), "{said}");
    }
    let simulated = run("simulated_counter", "");
    assert!(simulated.contains("naxos-sim: seed 3: "), "{simulated}");

    let mut counters = three("counter");
    let mut totals: Vec<u32> = counters.iter().map(|counter| counter.line().parse().expect("a number")).collect();
    totals.sort_unstable();
    assert_eq!(totals, [1, 2, 3]);
    counters[1].kill();
    counters[1] = Running::start(&programs.join("counter"), dir.path(), "1");
    assert_eq!(counters[1].line(), "4");
    counters.into_iter().for_each(|counter| drop(counter.interrupt()));

    let mut nodes = three("key_value");
    nodes.iter().for_each(|node| assert!(node.line().starts_with("listening on")));
    assert_eq!(ask(0, "set color blue"), "ok");
    assert_eq!(ask(1, "append color ish"), "ok");
    assert_eq!(ask(2, "append taste salt"), "refused: there is no key taste");
    nodes[0].kill();
    let answered = pace::wait_for(LIMIT, || Some(ask(2, "get color")).filter(|answer| answer == "blueish"));
    assert!(answered.is_some(), "after a kill: {}", ask(2, "get color"));
    drop(nodes);

    let mut tails = three("tail");
    let lines = tails.each_ref().map(|tail| [tail.line(), tail.line(), tail.line()]);
    assert!(lines.iter().all(|said| *said == lines[0]), "{lines:?}");
    assert_eq!((0..3).filter(|own| lines[0].iter().any(|said| said.ends_with(&format!("node {own}")))).count(), 3);
    tails[1].kill();
    tails[1] = Running::start(&programs.join("tail"), dir.path(), "1");
    assert_eq!([tails[1].line(), tails[1].line(), tails[1].line()], lines[0], "it reads the log again");
    assert_eq!(tails.each_ref().map(|tail| tail.line()).iter().filter(|said| said.ends_with("node 1")).count(), 3);
    tails.into_iter().for_each(|tail| drop(tail.interrupt()));

    let mut banks = three("bank");
    banks.iter().for_each(|bank| drop(bank.line()));
    banks[2].kill();
    banks[2] = Running::start(&programs.join("bank"), dir.path(), "2");
    drop(banks[2].line());
    // The third one still runs when the second one asks for the balances.
    let [one, two, _three] = banks;
    for bank in [one, two] {
        let said = bank.interrupt();
        let balances = said.lines().last().expect("the balances").trim_matches(['[', ']']);
        let sum: i64 = balances.split(", ").map(|balance| balance.parse::<i64>().expect("a number")).sum();
        assert_eq!(sum, 0, "{said}");
    }

    let mut inside = Running::start(&programs.join("etcd_inside"), dir.path(), "127.0.0.1:13799");
    assert_eq!(inside.line(), "serving etcd on 127.0.0.1:13799");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let channel = Endpoint::from_static("http://127.0.0.1:13799").connect_lazy();
        let put = pb::PutRequest { key: "color".into(), value: "blue".into(), ..Default::default() };
        KvClient::new(channel).put(put).await.expect("it serves etcd");
    });
    assert_eq!(inside.line(), "somebody changed color");
    assert!(inside.child.wait().expect("it ends").success());
}
