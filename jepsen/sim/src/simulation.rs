//! [`Simulation`]: what a test sets.

use std::sync::Arc;

use futures::FutureExt;
use naxos::{Applicator, Naxos, View};

use crate::children::{SEED, TestName, run_children};
use crate::dice::Dice;
use crate::program::{Beside, Commands, Make, Program};
use crate::seed::run_seed;

/// How many seeds a run has unless it is told otherwise.
const SEEDS: u64 = 20;

/// A simulation of a program's own state machine. See the crate.
#[must_use = "nothing is simulated before `run`"]
pub struct Simulation {
    program: Program,
    seeds: u64,
}

impl Simulation {
    /// A simulation of the state machine that `make` makes. `make` is called for each start of a node.
    pub fn of<A: Applicator>(make: impl Fn() -> A + Send + Sync + 'static) -> Self {
        let make: Make = Arc::new(move || Box::new(make()));
        let commands: Commands = Arc::new(|dice| dice.roll().to_le_bytes().to_vec());
        let beside: Beside = Arc::new(|_, _| Box::pin(std::future::ready(Ok(()))));
        let program = Program { make, commands, invariant: Arc::new(|_| Ok(())), beside };
        Self { program, seeds: SEEDS }
    }

    /// Sets how a client draws its next command. Without this call, commands are eight random bytes.
    pub fn commands(mut self, draw: impl Fn(&mut Dice) -> Vec<u8> + Send + Sync + 'static) -> Self {
        self.program.commands = Arc::new(draw);
        self
    }

    /// Sets a rule that must hold for the rows of every node after every command. `rule` returns an error that
    /// says how the rows break it.
    pub fn invariant(mut self, rule: impl Fn(&View<'_>) -> Result<(), String> + Send + Sync + 'static) -> Self {
        self.program.invariant = Arc::new(rule);
        self
    }

    /// Sets what else the program does on each node, for example with [`Naxos::log`] or [`Naxos::objects`]. It runs from each
    /// start of a node until that node crashes. Calls fail while the node cannot serve, so they have to be tried again.
    /// [`elapsed`](crate::elapsed) and [`FAULTS_END`](crate::FAULTS_END) say when the faults are over. A seed ends only
    /// after `run` has returned on every node. If `run` returns an error, the seed has failed.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use naxos::{Applicator, Refused, Rows};
    /// use naxos_sim::{FAULTS_END, Simulation, elapsed};
    ///
    /// struct Last;
    ///
    /// impl Applicator for Last {
    ///     fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
    ///         rows.put("last", command);
    ///         Ok(Vec::new())
    ///     }
    /// }
    ///
    /// let simulation = Simulation::of(|| Last).beside(|node, _| async move {
    ///     let mut highest = 0;
    ///     while elapsed() < FAULTS_END {
    ///         // An error means that the node cannot serve at the moment: go on.
    ///         if let Ok(revision) = node.put("color", "blue").await {
    ///             if revision <= highest {
    ///                 return Err(format!("the revision {revision} came after {highest}"));
    ///             }
    ///             highest = revision;
    ///         }
    ///         tokio::time::sleep(Duration::from_millis(50)).await;
    ///     }
    ///     Ok(())
    /// });
    /// simulation.seeds(1).run();
    /// ```
    pub fn beside<F>(mut self, run: impl Fn(Naxos, Dice) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + 'static,
    {
        self.program.beside = Arc::new(move |node, dice| run(node, dice).boxed_local());
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
        let one = |seed| match run_seed(&self.program, seed) {
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
