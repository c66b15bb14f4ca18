//! [`Applicator`]: a program's own state machine.

use super::{Refused, Rows};

/// A program's own state machine. Each node applies the same commands in the same order, and so comes to the same rows and
/// the same answers. The node takes care of the rest: the log, the disk, the other nodes, snapshots and restarts.
///
/// The state is in the [`Rows`], and only there. `apply` must depend on nothing but the rows and the command: not on a
/// clock, random numbers, the environment, threads, or the order of a `HashMap`. What comes from outside, such as the time,
/// belongs in the command. A replica that comes to other rows than the others is found by its checksum, and stops
/// serving; the crate `naxos-sim` finds this in tests.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use naxos::{Applicator, Freshness, Naxos, Refused, Rows};
///
/// struct Counter;
///
/// impl Applicator for Counter {
///     fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
///         let old = rows.get("total").map_or(Ok(0), |bytes| bytes[..].try_into().map(u64::from_le_bytes))?;
///         let step = u64::from_le_bytes(command.try_into()?);
///         let total = old.checked_add(step).ok_or_else(|| Refused::because("the counter is full"))?;
///         rows.put("total", total.to_le_bytes());
///         Ok(total.to_le_bytes().to_vec())
///     }
/// }
///
/// let counter = Naxos::memory().applicator(Counter).await?;
/// assert_eq!(counter.propose(2u64.to_le_bytes()).await?.answer, 2u64.to_le_bytes()[..]);
/// assert_eq!(counter.propose(3u64.to_le_bytes()).await?.answer, 5u64.to_le_bytes()[..]);
/// assert!(counter.propose("three").await.is_err());
/// let total = counter.query(Freshness::Linearizable, |rows| rows.get("total")).await?;
/// assert_eq!(total.unwrap(), 5u64.to_le_bytes()[..]);
/// # Ok::<(), naxos::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Applicator: Send + Sync + 'static {
    /// Applies a command to the rows, and returns the answer for the caller that proposed it. If the command is refused,
    /// the rows are afterwards as they were before.
    ///
    /// A panic ends the node, on each replica, whenever it comes to this command. The calls of the program fail with its
    /// text. So refuse what cannot be carried out.
    ///
    /// # Errors
    /// If the command is refused.
    fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused>;
}
