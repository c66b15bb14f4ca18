//! How long a small message and its answer take through a [`DelayProxy`].

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::pace;
use crate::report::median;
use crate::servers::delay_proxy::DelayProxy;

/// Number of messages that are timed.
const MESSAGES: usize = 50;

/// Size of a message. A put of 256 bytes is a little larger on its way between members.
const MESSAGE_BYTES: usize = 300;

/// The median time of a message and its answer in microseconds, if each is delayed by `delay`.
pub(super) fn round_trip_us(delay: Duration) -> Result<f64> {
    pace::runtime()?.block_on(async {
        let server = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = DelayProxy::start(server.local_addr()?.to_string(), delay)?;
        let mut client = TcpStream::connect(proxy.address()).await.context("connect through a proxy")?;
        let (mut far, _) = server.accept().await?;
        client.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let answers = async {
            let mut message = [0; MESSAGE_BYTES];
            for _ in 0..MESSAGES {
                far.read_exact(&mut message).await?;
                far.write_all(&message).await?;
            }
            anyhow::Ok(())
        };
        let questions = async {
            let (mut message, mut times) = ([0; MESSAGE_BYTES], Vec::new());
            for _ in 0..MESSAGES {
                let begun = pace::now();
                client.write_all(&message).await?;
                client.read_exact(&mut message).await?;
                times.push(begun.elapsed().as_secs_f64() * 1e6);
            }
            anyhow::Ok(times)
        };
        let (mut times, ()) = tokio::try_join!(questions, answers)?;
        Ok(median(&mut times))
    })
}
