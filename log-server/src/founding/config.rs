//! [`FoundingConfig`]: the settings of a seat that founds a cluster.

use std::time::Duration;

use naxos_proto::contracts::FOUNDING_SEATS_MAX;
use naxos_proto::ids::{ClusterId, MemberId};
use naxos_proto::role::Role;

use crate::open_error::OpenError;

/// The settings of a seat. All seats should have the same times.
#[derive(Clone, Debug)]
pub struct FoundingConfig {
    /// The cluster: etcd's cluster id.
    pub cluster: ClusterId,
    /// This seat.
    pub seat: MemberId,
    /// What is to run on the data directory. A directory that is a seat already keeps its role.
    pub role: Role,
    /// All listed seats, this one among them, in any order.
    pub seats: Vec<MemberId>,
    /// Once a majority has promised, how long a candidate waits for the other seats. The founding goes on without the
    /// seats that do not promise in this time.
    pub wait_for_all: Duration,
    /// How long a candidate waits for one answer.
    pub answer_max: Duration,
    /// How long a candidate waits before it asks a seat again. It also asks seats that have answered, so that they hear
    /// that the candidate is alive.
    pub retry: Duration,
    /// How long a seat that heard from another candidate lets the other one go on. Must be well above `retry`.
    pub patience: Duration,
    /// How long a candidate waits for a majority before it lets the others try.
    pub round_max: Duration,
    /// Before its first round, a seat waits this time for each seat with a lower id. So the lowest seat goes first.
    pub stagger: Duration,
}

impl FoundingConfig {
    /// The settings for a whole node.
    pub fn new(cluster: ClusterId, seat: MemberId, seats: Vec<MemberId>) -> Self {
        Self {
            cluster,
            seat,
            role: Role::Node,
            seats,
            wait_for_all: Duration::from_secs(2),
            answer_max: Duration::from_secs(1),
            retry: Duration::from_millis(200),
            patience: Duration::from_secs(2),
            round_max: Duration::from_secs(10),
            stagger: Duration::from_millis(300),
        }
    }

    /// Checks the list of seats and sorts it. The times are not checked.
    pub(super) fn checked(mut self) -> Result<Self, OpenError> {
        self.seats.sort_unstable();
        let expected = "1 to 64 different member ids, with that of this seat among them";
        let is_good = (1..=FOUNDING_SEATS_MAX).contains(&self.seats.len())
            && self.seats.is_sorted_by(|a, b| a < b)
            && self.seats.contains(&self.seat);
        if is_good { Ok(self) } else { Err(OpenError::Config { field: "the seats of the cluster", expected }) }
    }
}
