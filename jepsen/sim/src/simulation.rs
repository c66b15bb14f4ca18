//! [`Simulation`]: what a test sets.

use std::sync::Arc;

use naxos::{Applicator, View};

use crate::children::{TestName, run_children};
use crate::dice::Dice;
use crate::seed::run_seed;

/// The environment variable with the only seed that is to be run.
pub(crate) const SEED: &str = "NAXOS_SIM_SEED";
/// How many seeds a run has unless it is told otherwise.
const SEEDS: u64 = 20;

pub(crate) type Make = Arc<dyn Fn() -> Box<dyn Applicator> + Send + Sync>;
pub(crate) type Commands = Arc<dyn Fn(&mut Dice) -> Vec<u8> + Send + Sync>;
pub(crate) type Invariant = Arc<dyn Fn(&View<'_>) -> Result<(), String> + Send + Sync>;

/// A simulation of a program's own state machine. See the crate.
#[must_use = "nothing is simulated before `run`"]
pub struct Simulation {
    pub(crate) make: Make,
    pub(crate) commands: Commands,
    pub(crate) invariant: Invariant,
    seeds: u64,
}

impl Simulation {
    /// A simulation of the state machine that `make` makes. `make` is called for each start of a node.
    pub fn of<A: Applicator>(make: impl Fn() -> A + Send + Sync + 'static) -> Self {
        let make: Make = Arc::new(move || Box::new(make()));
        let commands: Commands = Arc::new(|dice| dice.roll().to_le_bytes().to_vec());
        Self { make, commands, invariant: Arc::new(|_| Ok(())), seeds: SEEDS }
    }

    /// Sets how a client draws its next command. Without this call, commands are eight random bytes.
    pub fn commands(mut self, draw: impl Fn(&mut Dice) -> Vec<u8> + Send + Sync + 'static) -> Self {
        self.commands = Arc::new(draw);
        self
    }

    /// Sets a rule that must hold for the rows of every node after every command. `rule` returns an error that
    /// says how the rows break it.
    pub fn invariant(mut self, rule: impl Fn(&View<'_>) -> Result<(), String> + Send + Sync + 'static) -> Self {
        self.invariant = Arc::new(rule);
        self
    }

    /// Sets how many seeds are run: the seeds 1 to `count`. Without this call there are 20.
    pub fn seeds(mut self, count: u64) -> Self {
        self.seeds = count;
        self
    }

    /// Runs all seeds, or the one in the environment variable `NAXOS_SIM_SEED`.
    ///
    /// # Panics
    /// If a rule is broken. The text says which one, in which seed, and how to replay it. Also if the variable is not a
    /// number.
    pub fn run(self) {
        let one = |seed| match run_seed(&self, seed) {
            Ok(summary) => println!("naxos-sim: seed {seed}: {summary}"),
            Err(broken) => panic!("naxos-sim: seed {seed}: {broken}"),
        };
        match (std::env::var(SEED), TestName::of_this_thread()) {
            (Ok(text), _) => {
                one(text.parse().unwrap_or_else(|_| panic!("expected a number in {SEED}, found {text:?}")))
            }
            (Err(_), Some(test)) => {
                if let Err(broken) = run_children(&test, self.seeds) {
                    panic!("{broken}");
                }
            }
            // This thread belongs to no test, so a process of its own could not be told what to run.
            (Err(_), None) => (1..=self.seeds).for_each(one),
        }
    }
}
