//! [`Networks`]: makes a [`Network`] for each other node.

use openraft::BasicNode;
use openraft::network::RaftNetworkFactory;

use super::network::Network;
use super::types::TypeConfig;

/// Makes connections to other nodes. Their addresses are in openraft's membership.
pub(crate) struct Networks;

impl RaftNetworkFactory<TypeConfig> for Networks {
    type Network = Network;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Network {
        Network::new(target, node.addr.clone())
    }
}
