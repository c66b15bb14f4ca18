//! Whether this member may show its state.

use tonic::Status;

use super::Backend;

impl Backend {
    /// Refuses to show the state of this member: if a command of the program's own state machine cannot be applied, and if
    /// the state differs from that of the other members.
    pub(crate) fn check_state(&self) -> Result<(), Status> {
        self.check_applied()?;
        Ok(self.fence.check()?)
    }

    /// Refuses to show the state if a command of the program's own state machine cannot be applied. The commands before it
    /// in its entry have changed the state in memory already, but their rows were undone.
    pub(crate) fn check_applied(&self) -> Result<(), Status> {
        self.failure.why().map_or(Ok(()), |why| Err(Status::unavailable(why)))
    }

    /// Why the state of this member may not be shown, in words.
    pub(crate) fn state_problem(&self) -> Option<String> {
        let differs = || self.fence.problem().filter(|_| self.fence.is_up());
        self.failure.why().map(str::to_owned).or_else(differs)
    }
}
