//! The bytes of the founding's messages and of their parts (`docs/formats.md`, "Founding").

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::{DecodeError, Reader};
use crate::contracts::{
    Ballot, FOUNDING_SEATS_MAX, Founder, FoundingAnswer, FoundingRefusal, FoundingReply, FoundingRequest,
    FoundingRuleBroken, FoundingStep, FoundingValue,
};
use crate::ids::{ClusterId, LogId, MemberId, StorageId};

/// Version of the messages.
const VERSION: u8 = 1;

impl Founder {
    /// Writes the founder.
    pub fn put(&self, out: &mut BytesMut) {
        out.put_u64_le(self.seat.0);
        out.put_u64_le(self.storage.0);
    }

    /// Reads a founder.
    pub fn take(from: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { seat: MemberId(from.u64()?), storage: StorageId(from.u64()?) })
    }
}

impl Ballot {
    /// Writes the ballot.
    pub fn put(&self, out: &mut BytesMut) {
        out.put_u64_le(self.round);
        out.put_u64_le(self.seat.0);
        out.put_u64_le(self.storage.0);
    }

    /// Reads a ballot.
    pub fn take(from: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { round: from.u64()?, seat: MemberId(from.u64()?), storage: StorageId(from.u64()?) })
    }
}

impl FoundingValue {
    /// Writes the value. Panics if it has more than [`FOUNDING_SEATS_MAX`] founders.
    pub fn put(&self, out: &mut BytesMut) {
        assert!(self.founders.len() <= FOUNDING_SEATS_MAX, "{} founders", self.founders.len());
        out.put_u64_le(self.log.0);
        out.put_u16_le(u16::try_from(self.founders.len()).expect("it was just checked"));
        for founder in &self.founders {
            founder.put(out);
        }
    }

    /// Reads a value.
    pub fn take(from: &mut Reader) -> Result<Self, DecodeError> {
        let (log, count) = (LogId(from.u64()?), usize::from(from.u16()?));
        if count > FOUNDING_SEATS_MAX {
            return Err(from.rule("has more founders than a cluster can have seats"));
        }
        let founders = (0..count).map(|_| Founder::take(from)).collect::<Result<Vec<_>, _>>()?;
        if !founders.is_sorted_by(|a, b| a.seat < b.seat) {
            return Err(from.rule("must name its founders in ascending order, each once"));
        }
        Ok(Self { log, founders })
    }
}

/// Writes 1, the ballot and the value, or only 0 if no value was accepted.
pub fn put_accepted(accepted: Option<&(Ballot, FoundingValue)>, out: &mut BytesMut) {
    out.put_u8(u8::from(accepted.is_some()));
    if let Some((ballot, value)) = accepted {
        ballot.put(out);
        value.put(out);
    }
}

/// Reads what [`put_accepted`] wrote.
pub fn take_accepted(from: &mut Reader) -> Result<Option<(Ballot, FoundingValue)>, DecodeError> {
    match from.u8()? {
        0 => Ok(None),
        1 => Ok(Some((Ballot::take(from)?, FoundingValue::take(from)?))),
        _ => Err(from.rule("must say by 0 or 1 whether a value was accepted")),
    }
}

impl FoundingRequest {
    /// The request as bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(VERSION);
        out.put_u64_le(self.cluster.0);
        self.from.put(&mut out);
        out.put_u64_le(self.to.0);
        match &self.step {
            FoundingStep::Promise { ballot } => {
                out.put_u8(1);
                ballot.put(&mut out);
            }
            FoundingStep::Accept { ballot, storage, value } => {
                out.put_u8(2);
                ballot.put(&mut out);
                out.put_u64_le(storage.0);
                value.put(&mut out);
            }
            FoundingStep::Learn { value } => {
                out.put_u8(3);
                value.put(&mut out);
            }
        }
        out.freeze()
    }

    /// Reads the bytes of [`Self::encode`].
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut from = Reader::new(bytes, "a request of the founding");
        from.version(VERSION)?;
        let (cluster, sender) = (ClusterId(from.u64()?), Founder::take(&mut from)?);
        let to = MemberId(from.u64()?);
        let step = match from.u8()? {
            1 => FoundingStep::Promise { ballot: Ballot::take(&mut from)? },
            2 => FoundingStep::Accept {
                ballot: Ballot::take(&mut from)?,
                storage: StorageId(from.u64()?),
                value: FoundingValue::take(&mut from)?,
            },
            3 => FoundingStep::Learn { value: FoundingValue::take(&mut from)? },
            _ => return Err(from.rule("asks for something that this build does not know")),
        };
        from.end()?;
        Ok(Self { cluster, from: sender, to, step })
    }
}

impl FoundingAnswer {
    /// The answer as bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(VERSION);
        out.put_u64_le(self.cluster.0);
        self.from.put(&mut out);
        match &self.reply {
            FoundingReply::Promised { ballot, accepted } => {
                out.put_u8(1);
                ballot.put(&mut out);
                put_accepted(accepted.as_ref(), &mut out);
            }
            FoundingReply::Accepted { ballot } => {
                out.put_u8(2);
                ballot.put(&mut out);
            }
            FoundingReply::Outbid { promised } => {
                out.put_u8(3);
                promised.put(&mut out);
            }
            FoundingReply::Founded(value) => {
                out.put_u8(4);
                value.put(&mut out);
            }
            FoundingReply::Refused(refusal) => {
                let (kind, asked, own) = refusal_numbers(refusal);
                out.put_u8(5);
                out.put_u8(kind);
                out.put_u64_le(asked);
                out.put_u64_le(own);
            }
        }
        out.freeze()
    }

    /// Reads the bytes of [`Self::encode`].
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut from = Reader::new(bytes, "an answer of the founding");
        from.version(VERSION)?;
        let (cluster, sender) = (ClusterId(from.u64()?), Founder::take(&mut from)?);
        let reply = match from.u8()? {
            1 => FoundingReply::Promised { ballot: Ballot::take(&mut from)?, accepted: take_accepted(&mut from)? },
            2 => FoundingReply::Accepted { ballot: Ballot::take(&mut from)? },
            3 => FoundingReply::Outbid { promised: Ballot::take(&mut from)? },
            4 => FoundingReply::Founded(FoundingValue::take(&mut from)?),
            5 => FoundingReply::Refused(take_refusal(&mut from)?),
            _ => return Err(from.rule("says something that this build does not know")),
        };
        from.end()?;
        Ok(Self { cluster, from: sender, reply })
    }
}

/// The kind of a refusal, and its two numbers.
fn refusal_numbers(refusal: &FoundingRefusal) -> (u8, u64, u64) {
    match refusal {
        FoundingRefusal::OtherCluster { asked, own } => (1, asked.0, own.0),
        FoundingRefusal::NotListed { seat, cluster } => (2, seat.0, cluster.0),
        FoundingRefusal::OtherSeat { asked, own } => (3, asked.0, own.0),
        FoundingRefusal::OtherDisk { asked, own } => (4, asked.0, own.0),
        FoundingRefusal::Rule(FoundingRuleBroken::ForeignBallot) => (5, 1, 0),
        FoundingRefusal::Rule(FoundingRuleBroken::Founders) => (5, 2, 0),
        FoundingRefusal::Rule(FoundingRuleBroken::TwoValues) => (5, 3, 0),
    }
}

fn take_refusal(from: &mut Reader) -> Result<FoundingRefusal, DecodeError> {
    Ok(match (from.u8()?, from.u64()?, from.u64()?) {
        (1, asked, own) => FoundingRefusal::OtherCluster { asked: ClusterId(asked), own: ClusterId(own) },
        (2, seat, cluster) => FoundingRefusal::NotListed { seat: MemberId(seat), cluster: ClusterId(cluster) },
        (3, asked, own) => FoundingRefusal::OtherSeat { asked: MemberId(asked), own: MemberId(own) },
        (4, asked, own) => FoundingRefusal::OtherDisk { asked: StorageId(asked), own: StorageId(own) },
        (5, 1, _) => FoundingRefusal::Rule(FoundingRuleBroken::ForeignBallot),
        (5, 2, _) => FoundingRefusal::Rule(FoundingRuleBroken::Founders),
        (5, 3, _) => FoundingRefusal::Rule(FoundingRuleBroken::TwoValues),
        _ => return Err(from.rule("refuses for a reason that this build does not know")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Founder = Founder { seat: MemberId(1), storage: StorageId(0x11) };
    const B: Founder = Founder { seat: MemberId(2), storage: StorageId(0x22) };
    const BALLOT: Ballot = Ballot { round: 3, seat: A.seat, storage: A.storage };

    fn value() -> FoundingValue {
        FoundingValue { log: LogId(7), founders: vec![A, B] }
    }

    fn requests() -> Vec<FoundingRequest> {
        let steps = [
            FoundingStep::Promise { ballot: BALLOT },
            FoundingStep::Accept { ballot: BALLOT, storage: B.storage, value: value() },
            FoundingStep::Learn { value: value() },
        ];
        let request = |step| FoundingRequest { cluster: ClusterId(9), from: A, to: B.seat, step };
        steps.into_iter().map(request).collect()
    }

    fn answers() -> Vec<FoundingAnswer> {
        let (own, cluster) = (ClusterId(9), ClusterId(9));
        let refusals = [
            FoundingRefusal::OtherCluster { asked: ClusterId(8), own },
            FoundingRefusal::NotListed { seat: MemberId(5), cluster },
            FoundingRefusal::OtherSeat { asked: A.seat, own: B.seat },
            FoundingRefusal::OtherDisk { asked: A.storage, own: B.storage },
            FoundingRefusal::Rule(FoundingRuleBroken::ForeignBallot),
            FoundingRefusal::Rule(FoundingRuleBroken::Founders),
            FoundingRefusal::Rule(FoundingRuleBroken::TwoValues),
        ];
        let mut replies = vec![
            FoundingReply::Promised { ballot: BALLOT, accepted: None },
            FoundingReply::Promised { ballot: BALLOT, accepted: Some((BALLOT, value())) },
            FoundingReply::Accepted { ballot: BALLOT },
            FoundingReply::Outbid { promised: BALLOT },
            FoundingReply::Founded(FoundingValue { log: LogId(7), founders: Vec::new() }),
        ];
        replies.extend(refusals.map(FoundingReply::Refused));
        replies.into_iter().map(|reply| FoundingAnswer { cluster, from: B, reply }).collect()
    }

    #[test]
    fn messages_come_back_as_they_were_sent_and_a_part_of_one_is_refused() {
        for request in requests() {
            let bytes = request.encode();
            assert_eq!(FoundingRequest::decode(bytes.clone()), Ok(request));
            for cut in 0..bytes.len() {
                assert!(FoundingRequest::decode(bytes.slice(..cut)).is_err());
            }
        }
        for answer in answers() {
            let bytes = answer.encode();
            assert_eq!(FoundingAnswer::decode(bytes.clone()), Ok(answer));
            for cut in 0..bytes.len() {
                assert!(FoundingAnswer::decode(bytes.slice(..cut)).is_err());
            }
        }
    }

    #[test]
    fn a_later_version_and_disordered_founders_are_refused_in_words() {
        let mut later = requests()[0].encode().to_vec();
        later[0] = 2;
        let refused = FoundingRequest::decode(later.into()).unwrap_err().to_string();
        assert_eq!(refused, "a request of the founding has version 2, this build reads version 1");
        let value = FoundingValue { log: LogId(7), founders: vec![B, A] };
        let learn = FoundingRequest { step: FoundingStep::Learn { value }, ..requests()[0].clone() };
        let refused = FoundingRequest::decode(learn.encode()).unwrap_err().to_string();
        assert_eq!(refused, "a request of the founding must name its founders in ascending order, each once");
    }

    #[test]
    fn refusals_name_both_sides() {
        let refusal = FoundingRefusal::OtherCluster { asked: ClusterId(8), own: ClusterId(9) };
        assert_eq!(
            refusal.to_string(),
            "the message is for cluster 0000000000000008, this seat belongs to cluster 0000000000000009: \
             the two have different member lists or tokens. If cluster 0000000000000009 exists already, start the \
             member that sent the message with --initial-cluster-state existing"
        );
    }
}
