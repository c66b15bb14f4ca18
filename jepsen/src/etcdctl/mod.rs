//! `etcdctl` as an operator uses it: commands on keys, transactions, leases, watches and maintenance, and their output.
//!
//! - [`plain`]: the output without ids, sizes, times and addresses

pub mod plain;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::etcd_server::EtcdServer;
use crate::pace;
use crate::process::{Process, output};
use plain::Plain;

/// How long a watch may take to print events that have happened already.
const WATCH_LIMIT: Duration = Duration::from_secs(15);

/// One server, one `etcdctl`, and everything that was typed and printed.
#[derive(Debug)]
pub struct Session {
    etcdctl: PathBuf,
    endpoint: String,
    plain: Plain,
    transcript: Vec<String>,
}

impl Session {
    /// A session without commands so far.
    pub fn new(etcdctl: &Path, server: &EtcdServer) -> Self {
        let endpoint = server.client_url().to_owned();
        Session { etcdctl: etcdctl.to_owned(), plain: Plain::new(&endpoint), endpoint, transcript: Vec::new() }
    }

    /// One text for each command: the command line and its output, without the parts that may differ between two
    /// servers.
    pub fn transcript(&self) -> &[String] {
        &self.transcript
    }

    /// Runs a command and returns its unchanged output. If the command fails, a line `failed` precedes the output.
    pub fn types(&mut self, line: &str) -> String {
        self.types_with(line, "")
    }

    /// Like [`Session::types`], with `input` on the command's stdin.
    pub fn types_with(&mut self, line: &str, input: &str) -> String {
        let printed = match output(&self.etcdctl, &self.arguments(line), input) {
            Ok(printed) => printed,
            Err(printed) => format!("failed\n{printed}"),
        };
        let shown: Vec<_> = printed.lines().filter(|line| !line.starts_with(r#"{"level""#)).collect();
        let plain = self.plain.text(&shown.join("\n"));
        self.transcript.push(format!("$ etcdctl {}\n{plain}", self.plain.words(line)));
        printed
    }

    /// Runs a watch until it has printed `lines` lines, then stops it.
    ///
    /// # Panics
    /// If the watch prints fewer lines within the time limit.
    pub fn watches(&mut self, line: &str, lines: usize) {
        let mut command = Command::new(&self.etcdctl);
        command.args(self.arguments(line));
        let process = Process::start("etcdctl-watch", command);
        let printed = pace::wait_for(WATCH_LIMIT, || Some(process.log().lines()).filter(|all| all.len() >= lines));
        let printed = printed.unwrap_or_else(|| panic!("{line} prints {:?}, not {lines} lines", process.log().lines()));
        // Later lines may or may not have been printed yet, so they are cut off.
        let plain = self.plain.text(&printed[..lines].join("\n"));
        self.transcript.push(format!("$ etcdctl {line}\n{plain}"));
    }

    /// From now on the transcript shows `number` as `name`, whether etcdctl prints it in decimal or in hexadecimal.
    pub fn calls(&mut self, number: u64, name: &'static str) {
        self.plain.call(number, name);
    }

    fn arguments(&self, line: &str) -> Vec<String> {
        let mut arguments = vec![format!("--endpoints={}", self.endpoint)];
        arguments.extend(line.split_whitespace().map(str::to_owned));
        arguments
    }

    /// Runs commands on keys, transactions, leases, history and maintenance, always in the same order.
    ///
    /// # Panics
    /// If an id cannot be found in the output of a command, or if a watch prints too few lines.
    pub fn plays_a_day(&mut self) {
        self.learns_the_ids();
        self.keys();
        self.transactions();
        self.leases();
        self.history();
        self.maintenance();
    }

    fn learns_the_ids(&mut self) {
        let status = output(&self.etcdctl, &self.arguments("endpoint status -w json"), "").expect("a status");
        let status: serde_json::Value = serde_json::from_str(&status).expect("a status is JSON");
        let header = &status[0]["Status"]["header"];
        for (field, name) in [("cluster_id", "CLUSTER"), ("member_id", "MEMBER")] {
            let number = header[field].as_u64().unwrap_or_else(|| panic!("{field} in {status}"));
            self.calls(number, name);
        }
    }

    fn keys(&mut self) {
        for line in [
            "put a 1",
            "put a 2 --prev-kv",
            "put b -w json 1",
            "put ab 3 -w fields",
            "put missing --ignore-value",
            "put a --ignore-value",
            "get a",
            "get a -w json",
            "get a -w fields",
            "get a --print-value-only",
            "get a --prefix --keys-only",
            "get a --prefix --count-only -w fields",
            "get --from-key a --order=DESCEND --sort-by=MODIFY --limit=2",
            "get a zz",
            "get a --rev 2",
            "get a --rev 99",
            "get a --consistency=s",
            "get a --user=root:secret",
            "auth status",
            "get nothing",
            "del nothing",
            "del b --prev-kv",
            "del a --prefix -w json",
        ] {
            self.types(line);
        }
    }

    fn transactions(&mut self) {
        self.types_with("txn", "mod(\"a\") = \"0\"\n\nput a one\nget a\n\nget a\n\n");
        self.types_with("txn", "value(\"a\") = \"two\"\n\nput a three\n\nget a\ndel nothing\n\n");
        self.types_with("txn -w json", "version(\"a\") > \"0\"\n\nput a four\nget a --prefix\n\n\n");
        self.types_with("txn", "lease(\"a\") = \"0\"\n\nput a x\nput a y\n\n\n");
    }

    fn leases(&mut self) {
        let granted = self.granted("lease grant 1000");
        self.types(&format!("put leased 1 --lease={granted}"));
        self.types("lease list");
        self.types(&format!("lease timetolive {granted}"));
        self.types(&format!("lease timetolive {granted} --keys"));
        self.types(&format!("lease timetolive {granted} --keys -w json"));
        self.types(&format!("lease keep-alive --once {granted}"));
        self.types(&format!("lease revoke {granted}"));
        self.types(&format!("lease revoke {granted}"));
        self.types(&format!("lease timetolive {granted}"));
        self.types(&format!("lease keep-alive --once {granted}"));
        self.types("put leased 1 --lease=1234");
        self.types("get leased");
        self.types("lease list -w json");
        self.types("lease grant 9000000001");
    }

    /// Grants a lease and returns its id, which is shown as `LEASE` from now on.
    fn granted(&mut self, line: &str) -> String {
        let printed = output(&self.etcdctl, &self.arguments(line), "").expect("a lease");
        let id = printed.split_whitespace().nth(1).unwrap_or_else(|| panic!("no id in {printed}")).to_owned();
        self.calls(u64::from_str_radix(&id, 16).unwrap_or_else(|e| panic!("{id}: {e}")), "LEASE");
        let plain = self.plain.text(&printed);
        self.transcript.push(format!("$ etcdctl {line}\n{plain}"));
        id
    }

    fn history(&mut self) {
        for number in 0..5 {
            self.types(&format!("put history {number}"));
        }
        self.types("del history");
        // Each event has three lines, or five with the former value. The last line of the last event is the empty value
        // of the delete. It is not waited for.
        self.watches("watch history --rev 2", 6 * 3 - 1);
        self.watches("watch history --rev 2 --prev-kv", 3);
        self.watches("watch history --rev 2 -w json", 1);
        self.types("compaction 10");
        self.types("compaction 10");
        self.types("compaction 9999");
        self.types("compaction 12 --physical");
        self.types("get history --rev 5");
        // Two lines: the reason, and that the watch has ended.
        self.watches("watch history --rev 3", 2);
    }

    fn maintenance(&mut self) {
        for line in [
            "endpoint health",
            "endpoint health -w json",
            "endpoint status",
            "endpoint status -w table",
            "endpoint status -w json",
            "endpoint status -w fields",
            "endpoint status --cluster",
            "endpoint hashkv",
            "endpoint hashkv -w json",
            "endpoint hashkv --rev 13",
            "alarm list",
            "alarm disarm",
            "defrag",
            "member list",
            "member list -w table",
            "member list -w json",
            "member list -w fields",
            "version",
        ] {
            self.types(line);
        }
    }
}
