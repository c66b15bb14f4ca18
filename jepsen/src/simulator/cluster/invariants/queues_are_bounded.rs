//! [`QueuesAreBounded`]: no queue of a node has more entries than its bound (safety rule 12).

use naxos::node::probe::View;

/// Remembers nothing.
#[derive(Debug, Default)]
pub struct QueuesAreBounded;

impl QueuesAreBounded {
    /// Looks at the queues of all nodes.
    ///
    /// # Errors
    /// If one is too long.
    pub fn look(&self, views: &[&View]) -> Result<(), String> {
        for view in views {
            if let Some((name, now, max)) = view.queues.iter().find(|(_, now, max)| now > max) {
                return Err(format!("{now} {name} wait on {:?}, at most {max} may", view.incarnation));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::view;
    use super::*;

    #[test]
    fn a_queue_beyond_its_bound_is_found() {
        let mut node = view(1, 1);
        node.queues = vec![("letters", 3, 3)];
        assert_eq!(QueuesAreBounded.look(&[&node]), Ok(()));
        node.queues.push(("parcels", 4, 3));
        assert!(QueuesAreBounded.look(&[&node]).is_err());
    }
}
