//! The two contracts of an engine (Delos, SOSP'21, figure 2): [`Engine`] to the layer above, [`Applicator`] to the
//! layer below. An engine has a lower half, which implements [`Engine`], and an upper half, which implements
//! [`Applicator`]. Two engines implement only one of the contracts: Base, the lowest engine, has the log below it, and
//! Batching, the highest one, has the application above it.
//!
//! - [`Engine`], [`Applicator`]: the contracts; [`Proposal`], [`ProposeError`]: what is sent down, and why it can fail
//! - [`ApplyCost`]: how long apply takes for a proposal
//! - [`EngineInfo`]: the description of an engine; [`EngineSwitch`]: whether it is enabled

mod applicator;
mod apply_cost;
#[expect(clippy::module_inception, reason = "the contract of this name lives here")]
mod engine;
mod info;
mod proposal;
mod propose_error;
mod switch;

pub use applicator::Applicator;
pub use apply_cost::ApplyCost;
pub use engine::{Below, Engine};
pub use info::EngineInfo;
pub use proposal::Proposal;
pub use propose_error::ProposeError;
pub use switch::EngineSwitch;
