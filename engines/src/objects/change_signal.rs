//! [`ChangeSignal`]: tells subscriptions that something changed.

use naxos_proto::ids::Lsn;
use tokio::sync::watch;

/// Tells subscriptions that an entry has changed an object. It carries no changes: subscriptions read them from the
/// local store, so a slow subscriber never makes apply wait.
#[derive(Clone)]
pub struct ChangeSignal(pub(super) watch::Receiver<Lsn>);
