//! [`world`]: a simulated network without hosts.

use std::time::{Duration, UNIX_EPOCH};

use turmoil::{Builder, Sim};

/// The wall time at the start of a run.
pub const EPOCH: Duration = Duration::from_secs(1_700_000_000);
/// The longest time that a message takes on a link without a fault.
pub const LATENCY_MAX: Duration = Duration::from_millis(3);

/// A simulated network without hosts. The seed decides the times of the messages and the order in which hosts run.
pub fn world<'a>(seed: u64, duration_max: Duration) -> Sim<'a> {
    Builder::new()
        .rng_seed(seed)
        .epoch(UNIX_EPOCH + EPOCH)
        .enable_random_order()
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(LATENCY_MAX)
        .simulation_duration(duration_max)
        .tcp_capacity(4096)
        .build()
}
