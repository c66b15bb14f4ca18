//! [`Program`]: what a test says about the program that is simulated.

use std::sync::Arc;

use futures::future::LocalBoxFuture;
use naxos::{Applicator, Naxos, View};

use crate::dice::Dice;

pub(crate) type Make = Arc<dyn Fn() -> Box<dyn Applicator> + Send + Sync>;
pub(crate) type Commands = Arc<dyn Fn(&mut Dice) -> Vec<u8> + Send + Sync>;
pub(crate) type Beside = Arc<dyn Fn(Naxos, Dice) -> LocalBoxFuture<'static, Result<(), String>> + Send + Sync>;
pub(crate) type Invariant = Arc<dyn Fn(&View<'_>) -> Result<(), String> + Send + Sync>;

/// The functions that a test gives to a [`Simulation`](crate::Simulation). Clones share them.
#[derive(Clone)]
pub(crate) struct Program {
    /// Makes the state machine, for each start of a node and for each replay of the history.
    pub(crate) make: Make,
    /// Draws the next command of a client.
    pub(crate) commands: Commands,
    /// The rule that must hold for the rows of every node.
    pub(crate) invariant: Invariant,
    /// Runs beside each node.
    pub(crate) beside: Beside,
}
