//! [`Registrar`]: a client that changes the members and moves the lead while others read and write.

use std::time::Duration;

use tonic::Status;

use super::super::calls::Caller;
use super::super::host::Host;
use super::super::record::Shared;
use super::super::trace::{Trace, simulated_now};
use super::reached::Reached;
use crate::differential::dice::Dice;
use crate::pace;

/// Pause between two changes, in milliseconds: the shortest pause, and the limit of the random part that is added.
const PAUSE_MILLIS: (u64, u64) = (150, 900);
/// How often one change is tried. It may fail because of a fault, or because a learner is not ready to be promoted.
const ATTEMPTS: u64 = 20;
/// Pause between two attempts.
const RETRY: Duration = Duration::from_millis(50);
/// How long the last change may take, after the last fault.
const SETTLE_MAX: Duration = Duration::from_secs(8);

/// Where the newcomer stands in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Out,
    Learner(u64),
    Member(u64),
}

/// A client that adds a member, promotes it if it is a learner, removes it, adds it again, and moves the lead.
///
/// The outcome of a call may be unknown. So the registrar never relies on an outcome, and looks at the list of members
/// instead.
pub struct Registrar {
    caller: Caller,
    newcomer: Host,
    trace: Trace,
    reached: Reached,
    dice: Dice,
    known: Standing,
    /// Whether a removal may still take effect although its call failed.
    may_go: bool,
}

impl Registrar {
    /// The registrar of a run. There is only one.
    pub fn new(caller: Caller, newcomer: Host, trace: &Trace, reached: &Reached, seed: u64) -> Self {
        let dice = Dice::new(seed ^ 0x3e6);
        let (trace, reached) = (trace.clone(), reached.clone());
        Registrar { caller, newcomer, trace, reached, dice, known: Standing::Out, may_go: false }
    }

    /// The name of the newcomer.
    pub fn name(&self) -> &'static str {
        self.newcomer.name
    }

    /// Makes one change after another. Never returns.
    pub async fn run(&mut self) {
        loop {
            let pause = PAUSE_MILLIS.0 + self.dice.below(PAUSE_MILLIS.1);
            pace::pause(Duration::from_millis(pause)).await;
            let (moves, stays) = (self.dice.chance(25), self.dice.chance(60));
            for _ in 0..ATTEMPTS {
                let outcome = self.step(moves, stays).await;
                let told = outcome.as_ref().map_err(|status| (status.code(), status.message()));
                self.trace.line(&format!("registrar: {:?}, {told:?}", self.known));
                if outcome.is_ok() {
                    break;
                }
                pace::pause(RETRY).await;
            }
        }
    }

    async fn step(&mut self, moves: bool, stays: bool) -> Result<(), Status> {
        let standing = self.look().await?;
        if moves {
            return self.move_leader().await;
        }
        match standing {
            // The machine still has the node of the member that was removed before.
            Standing::Out if !self.newcomer.is_unused() => {}
            Standing::Out => {
                let is_learner = self.dice.chance(50);
                self.caller.add_member(format!("http://{}:2380", self.newcomer.name), is_learner).await?;
            }
            Standing::Learner(id) if stays => {
                self.caller.promote_member(id).await?;
                self.reached.count("learner_promoted");
            }
            Standing::Member(_) if stays => {}
            Standing::Learner(id) | Standing::Member(id) => self.remove(id).await?,
        }
        self.look().await.map(drop)
    }

    async fn remove(&mut self, id: u64) -> Result<(), Status> {
        self.newcomer.may_leave();
        self.may_go = true;
        self.caller.remove_member(id).await
    }

    async fn move_leader(&mut self) -> Result<(), Status> {
        let members = self.caller.members().await?;
        let target = self.dice.pick(&members).id;
        self.caller.move_leader(target).await?;
        self.reached.count("leader_moved");
        Ok(())
    }

    /// Looks at the list of members, and starts or ends the newcomer's node accordingly.
    async fn look(&mut self) -> Result<Standing, Status> {
        let url = format!("http://{}:2380", self.newcomer.name);
        let members = self.caller.members().await?;
        let standing = match members.iter().find(|member| member.peer_ur_ls.contains(&url)) {
            None => Standing::Out,
            Some(member) if member.is_learner => Standing::Learner(member.id),
            Some(member) => Standing::Member(member.id),
        };
        if standing != self.known {
            self.trace.line(&format!("registrar: the newcomer is {standing:?}"));
            match standing {
                Standing::Out => {
                    self.reached.count("member_removed");
                    self.newcomer.has_left();
                    self.may_go = false;
                }
                _ if self.known == Standing::Out => {
                    self.reached.count("member_added");
                    self.newcomer.joins();
                }
                _ => {}
            }
            self.known = standing;
        }
        Ok(standing)
    }

    /// Called after the last fault. Keeps the newcomer if it is a member with a vote. Removes it if it is a learner, or
    /// if an earlier call may still remove it. Returns whether it is a member. It is a violation if this takes too
    /// long.
    pub async fn settle(&mut self, record: &Shared) -> bool {
        let end = simulated_now() + SETTLE_MAX;
        loop {
            let outcome = match self.look().await {
                Ok(Standing::Out) => return false,
                Ok(Standing::Member(_)) if !self.may_go => return true,
                Ok(Standing::Member(id) | Standing::Learner(id)) => self.remove(id).await,
                Err(status) => Err(status),
            };
            if let Err(status) = outcome
                && simulated_now() > end
            {
                record.borrow_mut().broken.push(format!("the newcomer did not settle in time: {status:?}"));
                return false;
            }
            pace::pause(RETRY).await;
        }
    }
}
