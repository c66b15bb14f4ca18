//! The clock of this process is the simulated one, also for code that asks the operating system for the time.
//!
//! Our own code asks the clock among its seams, and tokio's time is paused. But when h2 has reset a stream, it
//! remembers the stream for one second of [`std::time::Instant`]. It answers what comes for the stream later with a
//! message of its own. With the real clock, that message depended on how fast the machine was, and so did everything
//! after it. About one seed in a hundred gave two traces.
//!
//! The linker takes the function here instead of the one in the C library, for the standard library and for all crates.
#![expect(unsafe_code, reason = "a function of the C library is replaced, and its caller passes a pointer")]

use std::time::Duration;

use naxos_jepsen::simulator::process_clock::elapsed;

/// What the monotonic clock shows when the simulation begins. Some code subtracts a time from the current one, so this
/// is not zero.
const BOOTED: Duration = Duration::from_secs(100_000);

/// Replaces the function of the C library. It knows only the two clocks that the standard library uses.
///
/// # Safety
/// `at` must be valid for a write.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, at: *mut libc::timespec) -> libc::c_int {
    let since = match clock {
        libc::CLOCK_MONOTONIC => BOOTED,
        libc::CLOCK_REALTIME => naxos_sim::EPOCH,
        _ => return -1,
    };
    let now = since + elapsed();
    // Both numbers fit: the run begins in our age and lasts for minutes.
    let time = libc::timespec { tv_sec: now.as_secs().cast_signed(), tv_nsec: i64::from(now.subsec_nanos()) };
    // SAFETY: the caller passes a pointer to a `timespec` of its own, as the C library demands.
    unsafe { at.write(time) };
    0
}
