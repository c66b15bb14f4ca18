//! Frames: how messages travel over a connection.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the message in bytes, big endian |
//! | length | the message in JSON |

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Length of the field that tells a message's length, in bytes.
const LENGTH_BYTES: usize = 4;
/// A longer message is refused. openraft sends at most 300 entries or 3 MiB of a snapshot at once, and a byte of a
/// snapshot takes up to 4 bytes in JSON.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

fn check(message_bytes: usize) -> io::Result<()> {
    if message_bytes <= MESSAGE_BYTES_MAX {
        return Ok(());
    }
    Err(io::Error::other(format!("the message is longer than {MESSAGE_BYTES_MAX} bytes: {message_bytes}")))
}

/// Sends a message.
///
/// # Cancel safety
/// If the call is dropped, part of the message may have been sent. The connection is then of no use.
pub(crate) async fn write(stream: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    let mut frame = vec![0; LENGTH_BYTES];
    serde_json::to_writer(&mut frame, message)?;
    let message_bytes = frame.len() - LENGTH_BYTES;
    check(message_bytes)?;
    let length = u32::try_from(message_bytes).map_err(io::Error::other)?;
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    stream.write_all(&frame).await
}

/// Receives a message.
///
/// # Cancel safety
/// If the call is dropped, part of the message may have been received. The connection is then of no use.
pub(crate) async fn read<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let message_bytes = usize::try_from(stream.read_u32().await?).map_err(io::Error::other)?;
    check(message_bytes)?;
    let mut message = vec![0; message_bytes];
    stream.read_exact(&mut message).await?;
    Ok(serde_json::from_slice(&message)?)
}
