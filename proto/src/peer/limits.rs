//! All limits and deadlines of the calls between nodes.

use std::time::Duration;

use crate::contracts::APPEND_BYTES_MAX;

/// Version of the wire: of the headers and of `peer.proto`. A node refuses any other version.
pub const WIRE_VERSION: u32 = 1;

/// How long it may take to connect. A host that is switched off answers nothing at all. TCP repeats a lost first packet
/// after one second, so this is longer. It is shorter than [`META_CALL_MAX`], so that a request of a replica to such a
/// host counts as not carried out.
pub const CONNECT_MAX: Duration = Duration::from_millis(1_500);
/// If nothing was received on a connection for this long, the peer is asked for a sign of life.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_millis(500);
/// How long the sign of life may take. After that the connection is closed, and its calls are lost.
pub const KEEPALIVE_MAX: Duration = Duration::from_secs(1);

/// How long a heartbeat may take. While one is unanswered, no other is sent to that node.
pub const BEAT_MAX: Duration = Duration::from_millis(500);
/// How long a call may take, from the moment it is made. It is longer than a slow disk needs for a sync.
pub const CALL_MAX: Duration = Duration::from_secs(5);
/// How long a call for the hashes of a replica's history may take. The replica reads the whole history for it.
pub const HASHES_MAX: Duration = Duration::from_secs(600);
/// How long a request to a replica of the MetaStore may take. Raft repeats a request that was lost. While a request is
/// unanswered, the next request to that replica waits. So this time is short: a replica that hangs holds up elections
/// and changes of the chain for no longer.
pub const META_CALL_MAX: Duration = Duration::from_secs(2);
/// After this time the server answers a wait for a tail with "not yet", and the caller asks again. So a wait may last
/// as long as it needs, and a peer that hangs is still noticed.
pub const WAIT_ROUND: Duration = Duration::from_secs(10);
/// A stream that follows a loglet sends an empty message this often when it has nothing else to send.
pub const FOLLOW_BEAT: Duration = Duration::from_secs(5);
/// A stream that follows a loglet counts as lost when nothing came on it for this long.
pub const FOLLOW_SILENCE_MAX: Duration = Duration::from_secs(15);

/// The pause after the first failed attempt to open a stream. It doubles up to [`BACKOFF_MAX`].
pub const BACKOFF_MIN: Duration = Duration::from_millis(10);
/// The longest pause between two attempts to open a stream.
pub const BACKOFF_MAX: Duration = Duration::from_millis(500);

/// The most nodes that a node remembers, and the most that a heartbeat may name. A cluster has far fewer.
pub const NODES_MAX: usize = 256;

/// How many calls of one stream may be unanswered. Calls that wait to be sent count too.
pub const LANE_CALLS_MAX: usize = 8_192;
/// How many bytes these calls may have.
pub const LANE_BYTES_MAX: usize = 64 << 20;
/// A frame is closed when its calls have this many bytes, so only its last call can make it larger.
pub const FRAME_BYTES: usize = 1 << 20;
/// A single call may have this many bytes: room for the largest append.
pub const CALL_BYTES_MAX: usize = 12 << 20;
const _: () = assert!(APPEND_BYTES_MAX < CALL_BYTES_MAX, "an append is one call");
/// About how many bytes a call has without its cells, and a cell without its payload.
pub const CELL_OVERHEAD_BYTES: usize = 64;
/// A message may have this many bytes. There is room for a frame of [`FRAME_BYTES`] and one call of [`CALL_BYTES_MAX`].
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// The answer to a read has about this many bytes at most, even if the caller asks for more.
pub const READ_BYTES_MAX: usize = 2 << 20;
/// The answer to a read of a snapshot has this many bytes at most, even if the caller asks for more.
pub const SNAPSHOT_READ_BYTES_MAX: u32 = 1 << 20;
/// How many loglets may have a known tail that waits to be sent. Known tails of further loglets are not sent.
pub const ADVANCES_MAX: usize = 64;

/// How many calls of one stream a server works on. It reads on when one of them is answered.
pub const SERVED_CALLS_MAX: usize = 4_096;
/// How many bytes these calls may have, unless a single call has more.
pub const SERVED_BYTES_MAX: usize = 32 << 20;

/// How many HTTP/2 streams a peer may have open on one connection. Each lane, each followed loglet, each stream of told
/// tails and each call without an answer is one.
pub const STREAMS_MAX: u32 = 1_024;
/// How many calls a peer may have cancelled on one connection before the server has looked at them. If there are more, the
/// connection is closed.
pub const RESETS_MAX: usize = 1_024;
/// How many bytes a peer may send on one stream before the receiver has taken them.
pub const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// How many bytes a peer may send on one connection before the receiver has taken them.
pub const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
