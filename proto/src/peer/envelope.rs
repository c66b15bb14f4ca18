//! [`Envelope`]: the headers of calls and of streams that name the caller and the called node. Only the calls of a
//! founding and of joining have no envelope.
//!
//! These facts stand in headers and not in the messages. Headers of HTTP/2 are compressed by a table that both ends of
//! a connection keep: a value that was sent once takes a byte or two from then on. And the receiver checks headers in
//! one place, before it reads a message, for unary calls and for streams alike. The frames of a long stream carry the
//! version of the chain once more, because it changes while the stream lives.

use tonic::metadata::{AsciiMetadataValue, MetadataMap};

use crate::ids::{Boot, ChainVersion, Incarnation, LogId, StorageId};
use crate::peer::limits::WIRE_VERSION;

/// The version of the wire, decimal.
pub(super) const WIRE: &str = "naxos-wire";
/// The log of the cluster, 16 hexadecimal digits.
pub(super) const LOG: &str = "naxos-log";
/// The process that calls: its storage id as 16 hexadecimal digits, a dot, and its boot count, decimal.
pub(super) const FROM: &str = "naxos-from";
/// The storage id of the node that is called, 16 hexadecimal digits.
pub(super) const TO: &str = "naxos-to";
/// The version of the newest chain that the sender has, decimal. In calls and in answers.
pub(super) const CHAIN: &str = "naxos-chain";

/// How many batches of the sender's journal are durable: its boot count, a dot, and the number, both decimal. In answers.
const SYNCED: &str = "naxos-synced";

/// The headers that are the same in all calls to one peer.
pub(super) struct Envelope {
    wire: AsciiMetadataValue,
    log: AsciiMetadataValue,
    from: AsciiMetadataValue,
    to: AsciiMetadataValue,
}

/// A header's value from text of digits and dots.
fn value(text: String) -> AsciiMetadataValue {
    text.try_into().expect("digits and dots are allowed in a header")
}

impl Envelope {
    /// The headers of the calls that the process `from` makes to `to`, a node of the cluster with this log.
    pub(super) fn new(log: LogId, from: Incarnation, to: StorageId) -> Self {
        Self {
            wire: value(WIRE_VERSION.to_string()),
            log: value(format!("{:016x}", log.0)),
            from: value(from.to_string()),
            to: value(format!("{:016x}", to.0)),
        }
    }

    /// Adds all headers of a call.
    pub(super) fn write(&self, headers: &mut MetadataMap, chain: ChainVersion) {
        for (name, value) in [(WIRE, &self.wire), (LOG, &self.log), (FROM, &self.from), (TO, &self.to)] {
            headers.insert(name, value.clone());
        }
        write_chain(headers, chain);
    }
}

/// Adds the version of the chain, to a call or to an answer.
pub(super) fn write_chain(headers: &mut MetadataMap, chain: ChainVersion) {
    headers.insert(CHAIN, value(chain.to_string()));
}

/// The version of the chain in the headers of an answer.
pub(super) fn read_chain(headers: &MetadataMap) -> Option<ChainVersion> {
    headers.get(CHAIN)?.to_str().ok()?.parse().ok().map(ChainVersion)
}

/// Adds the number of durable batches to an answer.
pub(super) fn write_synced(headers: &mut MetadataMap, boot: Boot, count: u64) {
    headers.insert(SYNCED, value(format!("{boot}.{count}")));
}

/// The boot count and the number of durable batches in the headers of an answer.
pub(super) fn read_synced(headers: &MetadataMap) -> Option<(Boot, u64)> {
    let (boot, count) = headers.get(SYNCED)?.to_str().ok()?.split_once('.')?;
    Some((Boot(boot.parse().ok()?), count.parse().ok()?))
}
