//! Runs many seeds of the simulator, each in a fresh process, some of them twice.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use super::cluster::extra::Extra;
use super::cluster::reached;
use crate::differential::dice::Dice;
use crate::pace;

/// The chance that an extra is drawn for a seed, in percent. It is left out if it does not go with one that was drawn
/// before it, or if the cluster has too few members for it.
const EXTRA_PERCENT: u64 = 30;

/// Which seeds run, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program `naxos-simulate`.
    pub program: PathBuf,
    /// How many members each cluster has. With 1, a single node runs without a cluster.
    pub members: u8,
    /// The first seed.
    pub first: u64,
    /// How many seeds run.
    pub seeds: u64,
    /// How many of them, from the first one on, run twice. The two traces must be equal to the byte.
    pub twice: u64,
    /// How many processes run at the same time.
    pub jobs: usize,
    /// A folder for traces.
    pub folder: PathBuf,
}

/// The results of all seeds.
#[derive(Debug, Default)]
pub struct Sums {
    /// The sums of the numbers in the summaries, by their names.
    pub counts: BTreeMap<String, u64>,
    /// One text for each seed that failed, with the command that replays it.
    pub failures: Vec<String>,
    /// How many seeds have ended.
    pub ended: u64,
    /// How long they took.
    pub took: Duration,
}

impl Sums {
    /// The rare events that no seed reached.
    pub fn never_reached(&self) -> Vec<&'static str> {
        reached::expected().filter(|event| !self.counts.contains_key(*event)).collect()
    }

    fn add(&mut self, summary: &str) {
        for (name, number) in summary.split_whitespace().filter_map(|pair| pair.split_once('=')) {
            let number = number.strip_suffix("ms").unwrap_or(number).parse::<u64>();
            if let (Ok(number), false) = (number, matches!(name, "seed" | "trace")) {
                *self.counts.entry(name.to_owned()).or_default() += number;
            }
        }
    }
}

impl fmt::Display for Sums {
    /// Seeds, simulated time, how much faster it ran than real time, and failures.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let simulated = Duration::from_millis(self.counts.get("simulated").copied().unwrap_or(0));
        let hours = simulated.as_secs_f64() / 3_600.0;
        let speed = simulated.as_secs_f64() / self.took.as_secs_f64().max(0.001);
        let (ended, failed) = (self.ended, self.failures.len());
        write!(f, "{ended} seeds, {hours:.2} simulated hours, {speed:.0} x real time, {failed} failed")
    }
}

/// Runs the plan. `tell` is called after each seed.
pub fn run(plan: &Plan, tell: impl Fn(&Sums) + Sync) -> Sums {
    let (next, begun, sums) = (AtomicU64::new(plan.first), pace::now(), Mutex::new(Sums::default()));
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= plan.first + plan.seeds {
                        break;
                    }
                    let outcome = run_seed(plan, seed);
                    let mut sums = sums.lock();
                    sums.ended += 1;
                    sums.took = begun.elapsed();
                    match outcome {
                        Ok(summary) => sums.add(&summary),
                        Err(failure) => sums.failures.push(failure),
                    }
                    tell(&sums);
                }
            });
        }
    });
    sums.into_inner()
}

fn run_seed(plan: &Plan, seed: u64) -> Result<String, String> {
    let replay = |reason| {
        let command = "cargo run -p naxos-jepsen --bin naxos-simulate --";
        format!("seed {seed}: {reason}\nreplay: {command} {} --trace FILE", arguments(plan.members, seed).join(" "))
    };
    if seed >= plan.first + plan.twice {
        return simulate(plan, seed, None).map_err(replay);
    }
    let traces = ["first", "second"].map(|run| plan.folder.join(format!("{seed}-{run}")));
    let summary = simulate(plan, seed, Some(&traces[0])).map_err(replay)?;
    simulate(plan, seed, Some(&traces[1])).map_err(replay)?;
    let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(|e| replay(format!("{}: {e}", path.display())));
    let (first, second) = (read(&traces[0])?, read(&traces[1])?);
    for path in &traces {
        // A trace that cannot be removed here is removed later, together with its folder.
        let _ = std::fs::remove_file(path);
    }
    if first == second { Ok(summary) } else { Err(replay(format!("two runs differ: {}", difference(&first, &second)))) }
}

/// The arguments of `naxos-simulate` for a seed.
fn arguments(members: u8, seed: u64) -> Vec<String> {
    let mut arguments = vec![seed.to_string(), "--members".to_owned(), members.to_string()];
    if members > 1 {
        let mut dice = Dice::new(seed ^ 0xe87a);
        let mut drawn: Vec<Extra> = Vec::new();
        for extra in Extra::ALL {
            let fits = members >= extra.members_min() && drawn.iter().all(|other| extra.goes_with(*other));
            if dice.chance(EXTRA_PERCENT) && fits {
                drawn.push(extra);
            }
        }
        arguments.extend(drawn.into_iter().map(|extra| extra.flag().to_owned()));
    }
    arguments
}

/// Runs a seed in a fresh process and returns its summary.
fn simulate(plan: &Plan, seed: u64, trace: Option<&Path>) -> Result<String, String> {
    let mut command = Command::new(&plan.program);
    command.args(arguments(plan.members, seed));
    if let Some(trace) = trace {
        command.arg("--trace").arg(trace);
    }
    let output = command.output().map_err(|e| format!("{}: {e}", plan.program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!("{}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

/// The first line in which two traces differ.
fn difference(first: &str, second: &str) -> String {
    let pair = first.lines().zip(second.lines()).enumerate().find(|(_, (a, b))| a != b);
    match pair {
        Some((at, (a, b))) => format!("line {}: {a:?} and {b:?}", at + 1),
        None => format!("one ends early: {} and {} lines", first.lines().count(), second.lines().count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_extra_has_a_part_of_the_seeds_and_some_seeds_have_several() {
        let all: Vec<_> = (0..200).map(|seed| arguments(3, seed)).collect();
        for extra in Extra::ALL {
            let with = all.iter().filter(|arguments| arguments.iter().any(|text| text == extra.flag())).count();
            assert!((20..80).contains(&with), "{extra:?}: {with}");
        }
        let with_extras = |count: usize| all.iter().filter(|arguments| arguments.len() == 3 + count).count();
        assert!(with_extras(0) > 10 && with_extras(1) > 40 && with_extras(2) > 10, "none, one and several");
        assert!((0..200).all(|seed| !arguments(2, seed).contains(&"--rot".to_owned())));
        assert_eq!(arguments(1, 10), ["10", "--members", "1"]);
    }

    #[test]
    fn numbers_of_summaries_are_added_and_what_was_never_reached_is_named() {
        let mut sums = Sums { ended: 2, took: Duration::from_secs(4), ..Sums::default() };
        sums.add("seed=1 trace=00000000000000ff kill=2 simulated=10000ms");
        sums.add("seed=2 trace=0000000000000011 kill=1 simulated=20000ms");
        assert_eq!(sums.counts["kill"], 3);
        assert_eq!(sums.to_string(), "2 seeds, 0.01 simulated hours, 8 x real time, 0 failed");
        assert!(sums.never_reached().contains(&"power_cut") && !sums.never_reached().contains(&"kill"));
    }
}
