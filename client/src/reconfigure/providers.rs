//! [`Providers`]: the kinds of loglets that this process can open.

use std::collections::BTreeMap;
use std::sync::Arc;

use naxos_proto::chain::{LogletKind, LogletParams};

use crate::loglet::{Loglet, LogletError, LogletProvider};
use crate::reconfigure::ReconfigureError;

/// The providers of this process, by kind.
#[derive(Clone)]
pub(crate) struct Providers(BTreeMap<LogletKind, Arc<dyn LogletProvider>>);

impl Providers {
    pub(crate) fn new(providers: Vec<Arc<dyn LogletProvider>>) -> Self {
        Self(providers.into_iter().map(|p| (p.kind(), p)).collect())
    }

    /// The provider of `kind`. A chain may name a kind that this process does not have.
    pub(crate) fn of(&self, kind: LogletKind) -> Result<&dyn LogletProvider, ReconfigureError> {
        self.0.get(&kind).map(|p| &**p).ok_or(ReconfigureError::Kind(kind))
    }

    /// Opens a loglet with the provider of its kind.
    pub(crate) fn open(&self, params: &LogletParams) -> Result<Arc<dyn Loglet>, LogletError> {
        let provider = self.0.get(&params.kind).ok_or(LogletError::UnknownKind(params.id, params.kind))?;
        provider.open(params)
    }
}
