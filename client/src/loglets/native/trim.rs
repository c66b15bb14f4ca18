//! Trims a loglet, and drops one whose segment has left the chain. All units are asked, even if one of them fails.

use futures::future::join_all;
use naxos_proto::contracts::UnitError;
use naxos_proto::ids::Offset;

use super::NativeLoglet;
use crate::loglet::LogletError;

impl NativeLoglet {
    pub(super) async fn trim_units(&self, up_to: Offset) -> Result<(), LogletError> {
        let answers = join_all(self.units.iter().map(|u| u.trim(self.params.id, up_to))).await;
        self.all_done("trim", answers)
    }

    pub(super) async fn drop_from_units(&self) -> Result<(), LogletError> {
        let answers = join_all(self.units.iter().map(|u| u.drop_loglet(self.params.id))).await;
        self.all_done("drop it", answers)
    }

    fn all_done(&self, what: &str, answers: Vec<Result<(), UnitError>>) -> Result<(), LogletError> {
        let errors: Vec<UnitError> = answers.into_iter().filter_map(Result::err).collect();
        if errors.is_empty() { Ok(()) } else { Err(self.unavailable(what, &errors)) }
    }
}
