//! [`FollowersArrive`]: a program that follows the log gets what its node has applied, and soon.

use std::collections::BTreeMap;
use std::time::Duration;

use naxos_proto::ids::Lsn;

/// How long a follower may lack an entry that its node has applied. The node reads the log in other ways, too, so it may be
/// ahead of a follower for as long as it takes to notice that a unit which is followed has hung.
pub const LATE_MAX: Duration = Duration::from_secs(5);

/// For each node, the position that its follower has reached, and since when the follower lacks the entry there although the
/// node has applied it.
#[derive(Debug, Default)]
pub struct FollowersArrive(BTreeMap<&'static str, (Lsn, Duration)>);

impl FollowersArrive {
    /// Looks at the follower of the node `name`, which has reached `followed`, while the node has applied everything below
    /// `applied`. Both are `None` while the node or the follower does not run. `now` is the simulated time.
    ///
    /// # Errors
    /// If the follower has lacked an entry for too long.
    pub fn look(
        &mut self,
        name: &'static str,
        applied: Option<Lsn>,
        followed: Option<Lsn>,
        now: Duration,
    ) -> Result<(), String> {
        let (Some(applied), Some(followed)) = (applied, followed) else {
            self.0.remove(name);
            return Ok(());
        };
        let (reached, since) = self.0.entry(name).or_insert((followed, now));
        if *reached != followed || followed >= applied {
            (*reached, *since) = (followed, now);
        }
        let late = now.saturating_sub(*since);
        if late <= LATE_MAX {
            return Ok(());
        }
        Err(format!(
            "{name} has applied everything below {applied}, and a follower of its log is at {followed} for {late:?}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_that_stands_still_behind_its_node_is_found() {
        let mut rule = FollowersArrive::default();
        let mut look = |applied, followed, seconds| {
            rule.look("a", Some(Lsn(applied)), Some(Lsn(followed)), Duration::from_secs(seconds))
        };
        assert_eq!(look(4, 4, 0), Ok(()));
        assert_eq!(look(4, 4, 60), Ok(()), "it lacks nothing");
        assert_eq!(look(9, 4, 61), Ok(()));
        assert_eq!(look(9, 8, 65), Ok(()), "it moves");
        assert_eq!(look(9, 8, 70), Ok(()));
        assert!(look(9, 8, 71).is_err(), "it stands still");
    }
}
