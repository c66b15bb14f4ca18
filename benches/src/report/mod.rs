//! Tables in Markdown, files in JSON.

pub mod markdown;
pub(crate) mod verdict;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::load::measure::Measured;
use markdown::Table;

/// Writes `value` to `file`, if one is asked for.
pub fn write_json<T: Serialize>(file: Option<&Path>, value: &T) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    fs::write(file, text).with_context(|| file.display().to_string())
}

/// One line for each run, with its label.
pub fn measured_table(rows: &[(&str, &Measured)]) -> Table {
    let mut table = Table::new(&[
        "server",
        "work",
        "clients",
        "ops/s",
        "p50 us",
        "p99 us",
        "p99.9 us",
        "max us",
        "CPU us/op",
        "RSS MiB",
        "other cores",
        "errors",
    ]);
    for (label, run) in rows {
        let loop_kind = run.rate.map_or(String::new(), |rate| format!(", open loop {rate:.0}/s"));
        let puts = run.puts_per_second.map_or(String::new(), |puts| format!(" ({puts:.0} puts/s)"));
        let work = serde_json::to_value(run.work).ok();
        table.row(vec![
            (*label).to_owned(),
            format!("{}{loop_kind}", work.as_ref().and_then(|work| work.as_str()).unwrap_or_default()),
            clients(run),
            format!("{:.0}{puts}", run.per_second),
            run.p50_us.to_string(),
            run.p99_us.to_string(),
            run.p999_us.to_string(),
            run.max_us.to_string(),
            run.cpu_us.map_or("-".to_owned(), |cpu| format!("{cpu:.1}")),
            run.rss_bytes.map_or("-".to_owned(), mebibytes),
            format!("{:.2}", run.other_cores),
            match &run.first_error {
                None => "0".to_owned(),
                Some(first) => format!("{}: {first}", run.errors),
            },
        ]);
    }
    table
}

/// The middle figure, or the mean of the two middle ones. Not a number if there are no figures.
pub fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => figures[middle],
        _ => f64::midpoint(figures[middle - 1], figures[middle]),
    }
}

/// The smallest figure that is at least as high as this share of the figures (nearest rank). Not a number if there are
/// no figures.
pub fn percentile(figures: &mut [f64], share: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    let rank = (share * figures.len() as f64).ceil() as usize;
    figures.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// A time in milliseconds.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Bytes as whole MiB.
pub fn mebibytes(bytes: u64) -> String {
    (bytes >> 20).to_string()
}

fn clients(run: &Measured) -> String {
    let shape = run.shape;
    let watchers = if shape.watchers > 0 { format!(", {} watchers", shape.watchers) } else { String::new() };
    format!("{} over {}{watchers}", shape.clients, shape.connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn a_percentile_is_one_of_the_figures() {
        let mut figures: Vec<f64> = (1..=50).rev().map(f64::from).collect();
        assert_eq!([0.5, 0.98, 0.99, 1.0].map(|share| percentile(&mut figures, share)), [25.0, 49.0, 50.0, 50.0]);
    }
}
