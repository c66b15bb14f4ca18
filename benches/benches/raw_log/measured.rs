//! [`measure`]: makes calls with many writers in a closed loop. Prints the outcome as a row of a table in Markdown.

use std::time::Duration;

use futures::future::join_all;
use hdrhistogram::Histogram;
use naxos_benches::pace;

/// How long the writers run before calls are counted.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long calls are counted.
pub(crate) const WINDOW: Duration = Duration::from_secs(4);

/// Calls per second, and how long a call took.
pub(crate) struct Measured {
    per_second: f64,
    p50_us: u64,
    p99_us: u64,
}

impl Measured {
    fn of(all: impl IntoIterator<Item = Histogram<u64>>) -> Self {
        let mut sum = Histogram::<u64>::new(3).expect("a histogram");
        all.into_iter().for_each(|one| sum.add(one).expect("histograms of one kind"));
        let per_second = sum.len() as f64 / WINDOW.as_secs_f64();
        Self { per_second, p50_us: sum.value_at_quantile(0.5), p99_us: sum.value_at_quantile(0.99) }
    }

    /// Prints the head of the table.
    pub(crate) fn print_head() {
        println!("| what | writers | bytes | per second | p50 us | p99 us |\n|---|---|---|---|---|---|");
    }

    /// Prints a row of the table.
    pub(crate) fn print(&self, what: &str, writers: usize, bytes: usize) {
        let Self { per_second, p50_us, p99_us } = self;
        println!("| {what} | {writers} | {bytes} | {per_second:.0} | {p50_us} | {p99_us} |");
    }
}

/// Makes calls with this many writers, each with one call in flight. `call` gets the number of the writer, and that of
/// the call from 1 on.
pub(crate) async fn measure(writers: usize, call: impl AsyncFn(usize, u64)) -> Measured {
    let begun = pace::now();
    let writer = async |number| {
        let mut latencies = Histogram::<u64>::new(3).expect("a histogram");
        for count in 1.. {
            let asked = pace::now();
            call(number, count).await;
            if begun.elapsed() >= WARM_UP {
                latencies.record(u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX)).expect("it fits");
            }
            if begun.elapsed() >= WARM_UP + WINDOW {
                break;
            }
        }
        latencies
    };
    Measured::of(join_all((0..writers).map(writer)).await)
}
