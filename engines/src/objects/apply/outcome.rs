//! [`Outcome`]: what became of a command.

use crate::objects::aborted::Aborted;
use crate::objects::object_id::ObjectId;
use crate::objects::open_refused::OpenRefused;
use crate::objects::output::Output;
use crate::objects::version::Version;

/// The output of a command.
#[derive(Debug)]
pub struct Applied(pub(in crate::objects) Outcome);

/// What became of a command.
#[derive(Debug)]
pub(in crate::objects) enum Outcome {
    /// The object that was opened.
    Opened(Result<ObjectId, OpenRefused>),
    /// The version and the outputs of a commit.
    Decided(Result<(Version, Vec<Output>), Aborted>),
    /// History is kept as asked.
    Kept,
}
