//! [`wait_until_admitted`]: a node that has just started takes part in nothing until the others have noted its start.

use std::time::Duration;

use naxos_client::failure::{Admission, Disowned};
use naxos_proto::seams::Clock;

use crate::node::attempts::Attempts;

/// How long the start waits to hear each node that has a seat. After that it waits only for the majority. At the same
/// interval the start checks whether a message about what it waits for is due.
const HEAR_MAX: Duration = Duration::from_millis(500);

/// Waits until a majority of the voters has noted this start, and each node that has a seat was heard or had the time
/// to answer.
///
/// # Errors
/// If another node remembers more of this data directory than the directory does: a later start, or durable batches
/// that the journal does not have. Then the directory is an old copy or is damaged.
/// # Cancel safety
/// Cancel safe.
pub(in crate::node) async fn wait_until_admitted(admission: &Admission, clock: &dyn Clock) -> Result<(), Disowned> {
    let (mut admitted, mut disowned) = (admission.admitted(), admission.disowned());
    let mut attempts = Attempts::new(clock);
    loop {
        if let Some(disowned) = disowned.borrow_and_update().clone() {
            return Err(disowned);
        }
        if *admitted.borrow_and_update() {
            return Ok(());
        }
        let tell = || {
            let lacks: Vec<String> = admission.lacks().iter().map(|voter| format!("{:016x}", voter.0)).collect();
            tracing::info!(
                lacks = lacks.join(", "),
                "waiting until a majority of the voters has noted this start: each of them must reach this process at the \
                 member's advertised peer URL, and find no other process with this data directory there"
            );
        };
        tokio::select! {
            biased;
            // The senders live as long as the admission.
            _ = disowned.changed() => {}
            _ = admitted.changed() => {}
            () = attempts.pause(HEAR_MAX, tell) => admission.has_waited(),
        }
    }
}
