//! [`FollowersArrive`]: an entry that one node has applied reaches all nodes and the programs that follow the log there, also
//! if it is the last one for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use naxos_proto::ids::Lsn;

/// How long a node or a follower may lack an entry that another node has applied, while there are no faults.
const LATE_MAX: Duration = Duration::from_millis(500);

/// For each node, the position that it and its follower have reached, and since when they lack the entry there although a
/// node has applied it.
#[derive(Debug, Default)]
pub struct FollowersArrive(BTreeMap<&'static str, (Lsn, Duration)>);

impl FollowersArrive {
    /// Looks at the node `name`. It and the follower of its log have reached `reached`, and some node has applied everything
    /// below `applied`. `now` is the simulated time. Called only while there are no faults.
    ///
    /// # Errors
    /// If the node or its follower has lacked an entry for too long.
    pub fn look(&mut self, name: &'static str, reached: Lsn, applied: Lsn, now: Duration) -> Result<(), String> {
        let (at, since) = self.0.entry(name).or_insert((reached, now));
        if *at != reached || reached >= applied {
            (*at, *since) = (reached, now);
        }
        let late = now.saturating_sub(*since);
        if late <= LATE_MAX {
            return Ok(());
        }
        Err(format!(
            "a node has applied everything below {applied}, and {name} or a follower there is at {reached} for {late:?}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_that_stands_still_behind_a_node_is_found() {
        let mut rule = FollowersArrive::default();
        let mut look =
            |reached, applied, millis| rule.look("a", Lsn(reached), Lsn(applied), Duration::from_millis(millis));
        assert_eq!(look(4, 4, 0), Ok(()));
        assert_eq!(look(4, 4, 6_000), Ok(()), "it lacks nothing");
        assert_eq!(look(4, 9, 6_100), Ok(()));
        assert_eq!(look(8, 9, 6_500), Ok(()), "it moves");
        assert_eq!(look(8, 9, 7_000), Ok(()));
        assert!(look(8, 9, 7_001).is_err(), "it stands still");
    }
}
