//! [`Tokens`]: the offsets of a loglet whose clients write their cells themselves (CORFU, section 3.2.1).

use bytes::Bytes;
use naxos_proto::contracts::{AppendError, Refusal};
use naxos_proto::ids::{LogletId, Lsn, Offset, StreamId};
use naxos_proto::streams::StreamTails;
use parking_lot::Mutex;

use crate::stream_table::StreamTable;

struct State {
    next: Offset,
    streams: StreamTable,
    is_retired: bool,
}

/// A counter of offsets. Its only purpose is that clients try different offsets. Safety does not depend on it: the first
/// unit of the chain writes each cell once, and so decides which value an offset has.
pub(crate) struct Tokens(Mutex<State>);

impl Tokens {
    /// No offset is given out yet. `start` is the position of the first one in the log.
    pub(crate) fn new(loglet: LogletId, start: Lsn) -> Self {
        let streams = StreamTable::new(loglet, start);
        Self(Mutex::new(State { next: Offset::ZERO, streams, is_retired: false }))
    }

    /// Gives out `count` consecutive offsets and returns the first of them. They are never given out again. After
    /// [`Self::retire`] none is given out.
    pub(crate) fn grant(&self, count: u32) -> Result<Offset, AppendError> {
        self.0.lock().grant(count)
    }

    /// As [`Self::grant`], one offset for each header. A header that is not empty gets its pointers.
    pub(crate) fn grant_in_streams(&self, headers: Vec<Bytes>) -> Result<(Offset, Vec<Bytes>), AppendError> {
        let mut state = self.0.lock();
        let has_streams = |header: &&Bytes| !header.is_empty();
        if let Some(refusal) =
            headers.iter().filter(has_streams).find_map(|header| state.streams.refusal_of(header, state.next))
        {
            return Err(refusal.into());
        }
        let at = state.grant(u32::try_from(headers.len()).expect("a batch is small"))?;
        let next = state.next;
        let filled = headers.into_iter().zip(0..).map(|(header, nth)| match header.is_empty() {
            true => header,
            false => state.streams.filled(header, at.plus(nth)),
        });
        let filled = filled.collect();
        state.streams.settled(next);
        Ok((at, filled))
    }

    /// Where the newest entries of these streams are.
    pub(crate) fn stream_tails(&self, streams: &[StreamId]) -> StreamTails {
        let state = self.0.lock();
        state.streams.tails(streams, state.next)
    }

    /// Notes that the chain has ended the loglet.
    pub(crate) fn retire(&self) {
        let mut state = self.0.lock();
        state.is_retired = true;
        state.streams.forget_all();
    }

    /// The next offset that will be given out.
    pub(crate) fn next(&self) -> Offset {
        self.0.lock().next
    }
}

impl State {
    fn grant(&mut self, count: u32) -> Result<Offset, AppendError> {
        if self.is_retired {
            return Err(AppendError::Sealed);
        }
        let next = self.next.checked_add(count.into()).filter(|_| count > 0);
        let Some(next) = next else {
            let text = format!("a grant of {count} offsets from {} on is not possible", self.next);
            return Err(Refusal::Unsupported(text).into());
        };
        Ok(std::mem::replace(&mut self.next, next))
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::streams::{StreamHeader, Unchanged};

    use super::*;

    #[test]
    fn a_cell_in_streams_gets_its_pointers_with_its_offset() {
        let tokens = Tokens::new(LogletId { ordinal: 1, ..LogletId::default() }, Lsn(10));
        let stream = StreamId(7);
        let header = |since| StreamHeader::blank(&[stream], Some(Unchanged { stream, since: Lsn(since) }), b"");
        assert!(tokens.grant(2).is_ok());
        let (at, headers) = tokens.grant_in_streams(vec![Bytes::new(), header(12)]).unwrap();
        assert_eq!((at, headers[0].is_empty()), (Offset(2), true));
        let refusal = Refusal::StreamChanged(Unchanged { stream, since: Lsn(13) });
        assert_eq!(tokens.grant_in_streams(vec![header(13)]), Err(refusal.into()), "position 13 is in the stream");
        assert_eq!(tokens.next(), Offset(4), "a refusal takes no offset");
        let (at, headers) = tokens.grant_in_streams(vec![header(14)]).unwrap();
        let (header, _) = StreamHeader::decode(headers[0].clone()).unwrap();
        assert_eq!((at, header.of(stream).unwrap().positions[..].to_vec()), (Offset(4), vec![Lsn(13)]));
        assert_eq!(tokens.stream_tails(&[stream]).tails[0].positions[..], [Lsn(14), Lsn(13)]);
    }

    #[test]
    fn an_offset_is_given_out_once_and_none_after_the_end() {
        let tokens = Tokens::new(LogletId::default(), Lsn::ZERO);
        assert_eq!(tokens.grant(2), Ok(Offset(0)));
        assert_eq!(tokens.grant(1), Ok(Offset(2)));
        assert!(matches!(tokens.grant(0), Err(AppendError::Refused(_))), "an append has a cell");
        assert_eq!(tokens.next(), Offset(3));
        tokens.retire();
        assert_eq!(tokens.grant(1), Err(AppendError::Sealed));
    }
}
