//! What a node needs of the other nodes of its cluster, and what it does for them.
//!
//! - [`Peers`]: finds the storage units, sequencers and lease keepers of all nodes; [`Remote`](remote::Remote): another
//!   node; [`LaterUnit`](later_unit::LaterUnit): a unit that this node cannot reach yet
//! - [`peer_worker`]: the Worker that carries all calls between nodes, so that load of clients never delays a heartbeat
//! - [`take_seat`]: a node with a new data directory asks the others for the seat of its member; [`check_seat`]: a
//!   node with an old data directory asks them whether it still has the seat; [`JoinDesk`]: where the others ask this
//!   node
//! - [`follow_seats`]: a node that starts learns of new data directories from the others
//! - [`Reconciler`]: makes links, voters and the view follow the seats; [`keep_up`]: does the same on a log server or a
//!   sequencer; [`Removal`]: how long a removed member goes on
//! - [`SnapshotDesk`]: where the other nodes ask for snapshots
//! - [`own_beat`]: what this node tells the others about itself
//! - [`wait_until_admitted`]: a start waits until the other nodes have noted it; [`Starts`]: the starts of other nodes
//!   that this node has noted; [`mark_old_copy`]: notes that the others have refused this data directory for good
//! - [`found_cluster`]: agrees with the other members on the log of a new cluster; [`enter_cluster`]: learns of a cluster
//!   that this member was added to
//! - [`check_list`]: compares the members that a program lists with those that its data directory knows
//! - [`discover`]: asks the DNS for the members of a new cluster (`--discovery-srv`)
//! - [`AddressBook`]: where the members are reached; [`read_members`], [`write_members`]: the file `members`, from
//!   which the next start learns who the members are and where they are reached
//! - [`open_log`]: opens the log, or founds it, with a majority of the nodes
//! - [`peer_port`], [`peer_tls`]: the port for other nodes, and TLS in both directions

mod address_book;
mod admitted;
mod check_list;
mod cluster_view;
mod discovery;
mod enter;
mod follow_seats;
mod founders;
mod join;
mod join_desk;
mod keep_up;
mod later_unit;
mod members_file;
mod old_copy;
pub(super) mod open_log;
mod own_beat;
mod peer_port;
pub(super) mod peer_tls;
pub(super) mod peer_worker;
mod peers;
mod reconciler;
mod remote;
mod removal;
mod small_file;
mod snapshot_desk;
mod starts;
mod tell;
mod voters;

pub(super) use address_book::{AddressBook, MemberAddress};
pub(super) use admitted::wait_until_admitted;
pub(super) use check_list::check_list;
pub(super) use cluster_view::cluster_view;
pub(super) use discovery::{DiscoveryError, discover};
pub(super) use enter::enter_cluster;
pub(super) use follow_seats::{Followers, follow_seats};
pub(super) use founders::{Founders, found_cluster};
pub(super) use join::{check_seat, take_seat};
pub(super) use join_desk::JoinDesk;
pub(super) use keep_up::{KeepUp, keep_up};
pub(super) use members_file::{MEMBERS_FILE, read_members, write_members};
pub(super) use old_copy::{check_no_old_copy, mark_old_copy};
pub(super) use own_beat::OwnBeat;
pub(super) use peer_port::PeerPort;
pub(super) use peers::Peers;
pub(super) use reconciler::Reconciler;
pub(super) use removal::Removal;
pub(super) use snapshot_desk::SnapshotDesk;
pub(super) use starts::Starts;
pub(super) use voters::{meta_voting, roles, servers_min};
