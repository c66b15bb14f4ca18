//! The gRPC codec of etcd's services and of the calls between nodes: prost's, with buffers of the right size.
//!
//! tonic's own codec takes 8 KiB for each message and doubles that as needed. So an answer of 40 bytes touches new
//! cache lines for nothing, and a list of 160 KiB is copied twice. But the length of an answer is known before it is
//! encoded.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::{ProstCodec, ProstDecoder};

/// The first size of a message's buffer, enough for most answers.
const ENCODE_BYTES: usize = 128;
/// The first size of the buffer into which messages are received.
const DECODE_BYTES: usize = 1 << 10;
/// Streamed messages are passed on when this many bytes are encoded.
const YIELD_BYTES: usize = 32 << 10;

/// A codec that encodes `T` and decodes `U`.
#[derive(Clone, Debug)]
pub struct FittingCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for FittingCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for FittingCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = FittingEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        FittingEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(DECODE_BYTES, YIELD_BYTES))
    }
}

/// An encoder that makes room for the whole message before it encodes it.
#[derive(Clone, Debug)]
pub struct FittingEncoder<T>(PhantomData<T>);

impl<T: Message> Encoder for FittingEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.reserve(item.encoded_len());
        item.encode_raw(into);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(ENCODE_BYTES, YIELD_BYTES)
    }
}
