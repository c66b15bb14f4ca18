//! Eight writers in three processes run transactions over five objects, and the processes are killed again and again.
//! The result is as if the transactions had run one after the other, and an aborted transaction leaves nothing.

#[path = "../examples/bank.rs"]
#[expect(dead_code, reason = "this test does not call `main`")]
mod bank;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bank::{ACCOUNTS, Bank};
use naxos::Naxos;
use naxos::objects::{Decision, Version, Write};
use naxos_proto::seams::{BootClock, Clock, ThreadWorker, start};
use parking_lot::Mutex;
use support::{block_on, free_urls};
use tokio_util::sync::CancellationToken;

/// The number of writers in each process.
const WRITERS: [usize; 3] = [3, 3, 2];
/// How often a process is killed.
const KILLS: usize = 6;
const BETWEEN_KILLS: Duration = Duration::from_millis(1_200);
const DOWN: Duration = Duration::from_millis(400);

/// The variables by which a process of the test knows what it is.
const OWN: &str = "BANK_OWN";
const FOLDER: &str = "BANK_FOLDER";
const PEERS: &str = "BANK_PEERS";
const START: &str = "BANK_START";

/// Waits in a test that has no runtime.
fn pause(time: Duration) {
    block_on(async { BootClock.sleep(time).await });
}

fn now() -> u64 {
    BootClock.now().0
}

/// One of the three processes. Does nothing in an ordinary run of the tests.
#[test]
fn a_member_of_the_bank() {
    let Ok(own) = std::env::var(OWN) else { return };
    let variable = |name| std::env::var(name).unwrap();
    let own: usize = own.parse().unwrap();
    let peers: Vec<String> = variable(PEERS).split(',').map(str::to_owned).collect();
    block_on(async {
        let store = Naxos::open(variable(FOLDER)).peers(own, peers).await.unwrap();
        let bank = Arc::new(Bank::open(&store).await.unwrap());
        let stop = CancellationToken::new();
        let told = stop.clone();
        drop(start(&ThreadWorker, "stdin", CancellationToken::new(), move |_| async move {
            std::io::stdin().lines().next();
            told.cancel();
        }));
        println!("serves");
        let writers = (0..WRITERS[own]).map(|writer| {
            let name = format!("{own}.{}.{writer}", variable(START));
            write(Arc::clone(&bank), name, stop.clone())
        });
        futures::future::join_all(writers).await;
        // All changes of the register up to now: each transaction that was committed, in the order of the log.
        let balances = bank.balances().await.unwrap();
        let mut changes = bank.last.object().changes_after(Version::ZERO);
        let last = bank.last.get().linearizable().await.unwrap().unwrap();
        loop {
            let change = changes.next().await.unwrap();
            let Write::Put(_, value) = change.write else { panic!("a register is put: {:?}", change.write) };
            println!("change|{}|{}", change.version, String::from_utf8_lossy(&value));
            if value == last {
                break;
            }
        }
        println!("end|{balances:?}");
    });
}

async fn write(bank: Arc<Bank>, writer: String, stop: CancellationToken) {
    for n in 0.. {
        if stop.is_cancelled() {
            return;
        }
        let name = format!("{writer}.{n}");
        let (from, to) = (n % ACCOUNTS.len(), (n * 7 + writer.len() + 1) % ACCOUNTS.len());
        let began = now();
        let outcome = bank.transfer(&name, from, to, 1 + (n % 10) as i64).await;
        let ended = now();
        match outcome {
            Ok(Ok(Decision::Committed(version))) => println!("did|{name}|{began}|{ended}|{version}"),
            Ok(Ok(Decision::Aborted(_))) => println!("not|{name}"),
            Ok(Err(_)) => println!("unknown|{name}"),
            // It could not even begin.
            Err(_) => BootClock.sleep(Duration::from_millis(20)).await,
        }
    }
}

/// A running process, and what all processes of its member have said.
struct Member {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(own: usize, at: usize, folder: &str, peers: &str, said: &Arc<Mutex<Vec<String>>>) -> Member {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["a_member_of_the_bank", "--exact", "--nocapture"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let variables = [(OWN, own.to_string()), (FOLDER, folder.to_owned()), (PEERS, peers.to_owned())];
    command.envs(variables).env(START, at.to_string());
    let mut child = command.spawn().unwrap();
    let (lines, heard) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(said));
    drop(start(&ThreadWorker, "stdout", CancellationToken::new(), |_| async move {
        // The last line of a process that was killed may be cut off.
        for line in lines.split(b'\n').map_while(Result::ok) {
            heard.lock().push(String::from_utf8_lossy(&line).into_owned());
        }
    }));
    Member { child, said: Arc::clone(said) }
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if condition() {
            return;
        }
        pause(Duration::from_millis(20));
    }
    panic!("this did not happen within a minute: {what}");
}

/// A committed transaction, as the history has it: its version, its name, from, to, the amount, the balances that it saw.
type Moved = (String, String, usize, usize, i64, Vec<i64>);

fn moved(line: &str) -> Moved {
    let mut parts = line.splitn(3, '|').skip(1);
    let (version, text) = (parts.next().unwrap().to_owned(), parts.next().unwrap());
    let (head, seen) = text.split_once('[').unwrap();
    let head: Vec<&str> = head.split_whitespace().collect();
    let number = |at: usize| head[at].parse::<i64>().unwrap();
    let seen = seen.trim_end_matches(']').split(", ").map(|one| one.parse().unwrap()).collect();
    (version, head[0].to_owned(), number(1) as usize, number(2) as usize, number(3), seen)
}

#[test]
fn transactions_of_eight_writers_on_three_killed_nodes_are_serializable() {
    let dir = tempfile::tempdir().unwrap();
    let peers = free_urls::<3>().join(",");
    let folder = |own: usize| dir.path().join(own.to_string()).to_str().unwrap().to_owned();
    let said: [Arc<Mutex<Vec<String>>>; 3] = Default::default();
    let mut members: Vec<Member> = (0..3).map(|own| launch(own, 0, &folder(own), &peers, &said[own])).collect();
    let serves = |own: usize, starts: usize| {
        let said = Arc::clone(&said[own]);
        move || said.lock().iter().filter(|line| line.ends_with("serves")).count() == starts
    };
    let mut starts = [1; 3];
    for own in 0..3 {
        wait_for("a member serves", serves(own, 1));
    }
    for kill in 0..KILLS {
        pause(BETWEEN_KILLS);
        let own = kill % 3;
        members[own].child.kill().unwrap();
        pause(DOWN);
        members[own] = launch(own, kill + 1, &folder(own), &peers, &said[own]);
        starts[own] += 1;
        wait_for("the killed member serves again", serves(own, starts[own]));
    }
    pause(BETWEEN_KILLS);
    for member in &mut members {
        member.child.stdin.take().unwrap().write_all(b"end\n").unwrap();
    }
    let ended = |member: &Member| member.said.lock().iter().any(|line| line.starts_with("end|"));
    wait_for("all members have told what they have", || members.iter().all(ended));

    // Three tellings of one history: the shorter ones are its beginning.
    let told: Vec<Vec<String>> = said
        .iter()
        .map(|said| said.lock().iter().filter(|line| line.starts_with("change|")).cloned().collect())
        .collect();
    let longest = told.iter().max_by_key(|told| told.len()).unwrap();
    assert!(told.iter().all(|told| longest.starts_with(told)), "the members tell different histories");

    let mut balances = vec![0; ACCOUNTS.len()];
    let mut committed = BTreeMap::new();
    for (at, line) in longest.iter().enumerate() {
        let (version, name, from, to, amount, seen) = moved(line);
        assert_eq!(seen, balances, "{line} saw other balances than those that the transactions before it left");
        balances[from] -= amount;
        balances[to] += amount;
        assert_eq!(committed.insert(name, (at, version)), None, "{line} was committed twice");
    }
    let (mut did, mut aborted) = (Vec::new(), BTreeSet::new());
    for line in said.iter().flat_map(|said| said.lock().clone()) {
        let parts: Vec<&str> = line.split('|').collect();
        match parts[..] {
            ["did", name, began, ended, version] => {
                let (at, found) = committed.get(name).unwrap_or_else(|| panic!("{name} was acknowledged, and is lost"));
                assert_eq!(found, version, "the version of {name}");
                did.push((began.parse::<u64>().unwrap(), ended.parse::<u64>().unwrap(), *at, name.to_owned()));
            }
            ["not", name] => {
                assert!(!committed.contains_key(name), "{name} was aborted, and is in the history");
                aborted.insert(name.to_owned());
            }
            _ => {}
        }
    }
    // A transaction that was acknowledged before another one began comes before that one in the history.
    did.sort();
    let mut by_end = did.clone();
    by_end.sort_by_key(|(_, ended, ..)| *ended);
    let (mut by_end, mut last) = (by_end.into_iter().peekable(), None);
    for (began, _, at, name) in &did {
        while let Some((_, _, earlier, _)) = by_end.next_if(|(_, ended, ..)| ended < began) {
            last = last.max(Some(earlier));
        }
        assert!(last < Some(*at), "{name} began after a transaction was acknowledged, and comes before it");
    }
    assert!(did.len() > 100 && aborted.len() > 10, "{} committed, {} aborted", did.len(), aborted.len());
    println!("{} committed, {} acknowledged, {} aborted", committed.len(), did.len(), aborted.len());
}
