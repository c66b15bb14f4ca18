//! [`SeededRuntime`]: tokio's runtime for openraft, with a random generator that is set by a seed.
//!
//! The methods of openraft's `AsyncRuntime` have no `self`, so the generator is a thread-local. The Worker `meta` seeds
//! it before it starts openraft. The generator is used for nothing but election time-outs.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use naxos_proto::splitmix::SplitMix64;
use openraft::{AsyncRuntime, OptionalSend, TokioRuntime};

thread_local! {
    static GENERATOR: Cell<SplitMix64> = const { Cell::new(SplitMix64::new(0)) };
}

/// Seeds the generator of this thread.
pub(crate) fn seed_thread(seed: u64) {
    GENERATOR.set(SplitMix64::new(seed));
}

/// Draws from the thread's generator.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SeededRng;

impl rand::RngCore for SeededRng {
    fn next_u32(&mut self) -> u32 {
        u32::try_from(self.next_u64() >> 32).expect("the upper half of a u64")
    }

    fn next_u64(&mut self) -> u64 {
        let mut generator = GENERATOR.get();
        let drawn = generator.draw();
        GENERATOR.set(generator);
        drawn
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

/// tokio's runtime, with the seeded generator in place of its own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SeededRuntime;

type Tokio = TokioRuntime;

impl AsyncRuntime for SeededRuntime {
    type JoinError = <Tokio as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <Tokio as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <Tokio as AsyncRuntime>::Sleep;
    type Instant = <Tokio as AsyncRuntime>::Instant;
    type TimeoutError = <Tokio as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = <Tokio as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = SeededRng;
    type OneshotSender<T: OptionalSend> = <Tokio as AsyncRuntime>::OneshotSender<T>;
    type OneshotReceiver<T: OptionalSend> = <Tokio as AsyncRuntime>::OneshotReceiver<T>;
    type OneshotReceiverError = <Tokio as AsyncRuntime>::OneshotReceiverError;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        Tokio::spawn(future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        Tokio::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        Tokio::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> Self::Timeout<R, F> {
        Tokio::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(deadline: Self::Instant, future: F) -> Self::Timeout<R, F> {
        Tokio::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        Tokio::is_panic(join_error)
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        SeededRng
    }

    fn oneshot<T: OptionalSend>() -> (Self::OneshotSender<T>, Self::OneshotReceiver<T>) {
        Tokio::oneshot()
    }
}

#[cfg(test)]
mod tests {
    use rand::RngCore;

    use super::*;

    #[test]
    fn the_seed_decides() {
        seed_thread(7);
        let first = [SeededRng.next_u64(), SeededRng.next_u64()];
        seed_thread(7);
        assert_eq!([SeededRng.next_u64(), SeededRng.next_u64()], first);
    }
}
