//! The simulator finds state machines that are wrong, says how, and lets a right one pass.

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};

use naxos::{Applicator, Keys, Refused, Rows};
use naxos_sim::{Dice, Simulation};

/// A bank: `from, to, amount` moves money between ten accounts, which begin with 100.
struct Bank;

impl Applicator for Bank {
    fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
        let &[from, to, amount] = command else { return Err(Refused::because("expected from, to and amount")) };
        let left =
            balance(rows, from).checked_sub(amount.into()).ok_or_else(|| Refused::because("too little money"))?;
        rows.put([from], left.to_le_bytes());
        rows.put([to], (balance(rows, to) + u64::from(amount)).to_le_bytes());
        Ok(left.to_string().into_bytes())
    }
}

fn balance(rows: &Rows<'_>, account: u8) -> u64 {
    rows.get([account]).map_or(100, |bytes| u64::from_le_bytes(bytes[..].try_into().expect("eight bytes")))
}

fn transfer(dice: &mut Dice) -> Vec<u8> {
    vec![dice.below(10) as u8, dice.below(10) as u8, dice.below(60) as u8]
}

/// Checks that no money is made and none is lost: each account begins with 100.
fn money_stays(view: &naxos::View<'_>) -> Result<(), String> {
    let rows = view.list(Keys::all(), usize::MAX);
    let sum: u64 = rows.iter().map(|(_, value)| u64::from_le_bytes(value[..].try_into().expect("eight bytes"))).sum();
    let expected = 100 * rows.len() as u64;
    if sum == expected { Ok(()) } else { Err(format!("{sum} are in accounts that began with {expected}")) }
}

#[test]
fn a_right_one_passes() {
    Simulation::of(|| Bank).commands(transfer).invariant(money_stays).seeds(6).run();
}

/// The text with which a simulation of this state machine ends, in this process.
fn found(simulation: Simulation) -> String {
    let simulate = move || simulation.commands(transfer).seeds(3).run();
    // A thread without the name of a test, so that the seeds run here.
    let ended = std::thread::scope(|scope| scope.spawn(|| catch_unwind(std::panic::AssertUnwindSafe(simulate))).join());
    let panic = ended.expect("it was caught").expect_err("a mistake is found");
    panic.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn one_that_reads_a_clock_is_found() {
    struct Clock;
    impl Applicator for Clock {
        #[expect(clippy::disallowed_methods, reason = "this is the mistake")]
        fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
            rows.put([command[0]], now.as_nanos().to_string());
            Ok(Vec::new())
        }
    }
    let text = found(Simulation::of(|| Clock));
    assert!(
        text.contains("seed 1: the state machine is not deterministic") && text.contains("Look for a clock"),
        "{text}"
    );
    assert!(text.contains("on node a") || text.contains("on node b"), "{text}");
}

#[test]
fn one_that_iterates_a_hash_map_is_found() {
    struct Hashed;
    impl Applicator for Hashed {
        fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
            #[expect(clippy::disallowed_types, reason = "this is the mistake")]
            let parts: std::collections::HashMap<u8, usize> =
                command.iter().enumerate().map(|(at, part)| (*part, at)).collect();
            let first = parts.keys().next().copied().unwrap_or_default();
            rows.put("first", [first]);
            Ok(vec![first])
        }
    }
    let text = found(Simulation::of(|| Hashed));
    assert!(text.contains("not deterministic") && text.contains("HashMap"), "{text}");
}

#[test]
fn one_with_state_outside_of_the_rows_is_found() {
    #[derive(Default)]
    struct Outside(AtomicU64);
    impl Applicator for Outside {
        fn apply(&self, rows: &mut Rows<'_>, _: &[u8]) -> Result<Vec<u8>, Refused> {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            rows.put("count", count.to_le_bytes());
            Ok(count.to_string().into_bytes())
        }
    }
    let text = found(Simulation::of(Outside::default));
    assert!(text.contains("not deterministic") && text.contains("state outside of the rows"), "{text}");
}

#[test]
fn a_broken_invariant_and_a_panic_are_found() {
    struct Generous;
    impl Applicator for Generous {
        fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
            let old = balance(rows, command[1]);
            rows.put([command[1]], (old + u64::from(command[2])).to_le_bytes());
            Ok(Vec::new())
        }
    }
    let text = found(Simulation::of(|| Generous).invariant(money_stays));
    assert!(text.contains("the invariant does not hold on node") && text.contains("began with"), "{text}");

    struct Panicking;
    impl Applicator for Panicking {
        fn apply(&self, _: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
            panic!("cannot carry out {command:?}");
        }
    }
    let text = found(Simulation::of(|| Panicking));
    assert!(text.contains("panics on node") && text.contains("cannot carry out"), "{text}");
}

/// Fails on purpose, if it is asked to: the next test runs it in a process of its own.
#[test]
fn fails_in_seed_2() {
    if std::env::var_os("FAIL_ON_PURPOSE").is_none() {
        return;
    }
    struct Wrong;
    impl Applicator for Wrong {
        fn apply(&self, _: &mut Rows<'_>, _: &[u8]) -> Result<Vec<u8>, Refused> {
            Ok(Vec::new())
        }
    }
    let is_second = std::env::var("NAXOS_SIM_SEED").is_ok_and(|seed| seed == "2");
    let rule = move |_: &naxos::View<'_>| if is_second { Err("the second".to_owned()) } else { Ok(()) };
    Simulation::of(|| Wrong).commands(transfer).invariant(rule).seeds(3).run();
}

#[test]
fn a_failing_seed_says_how_to_replay_it() {
    let program = std::env::current_exe().unwrap();
    let run = |seed: Option<&str>| {
        let mut command = std::process::Command::new(&program);
        command.args(["fails_in_seed_2", "--exact", "--nocapture"]).env("FAIL_ON_PURPOSE", "1");
        seed.map(|seed| command.env("NAXOS_SIM_SEED", seed));
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (passes, text) = run(None);
    assert!(!passes && text.contains("seed 2: the invariant does not hold"), "{text}");
    assert!(text.contains("to replay it: NAXOS_SIM_SEED=2 cargo test fails_in_seed_2 -- --exact"), "{text}");
    assert!(run(Some("1")).0);
    let (passes, text) = run(Some("2"));
    assert!(!passes && text.contains("naxos-sim: seed 2: the invariant does not hold"), "{text}");
}
