//! [`Matrix`]: which fault met which way to recover in all seeds of a run.

use std::collections::BTreeMap;
use std::fmt;

use super::reached::{FAULTS, RECOVERIES, pair};

/// How wide a column is.
const COLUMN: usize = 16;

/// The sums of all seeds, by the names of the events.
#[derive(Debug)]
pub struct Matrix<'a>(pub &'a BTreeMap<String, u64>);

impl Matrix<'_> {
    /// How often the fault met the way to recover.
    fn met(&self, fault: &str, recovery: &str) -> u64 {
        self.0.get(&pair(fault, recovery)).copied().unwrap_or(0)
    }
}

impl fmt::Display for Matrix<'_> {
    /// A row for each fault, a column for each way to recover.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:18}", "")?;
        RECOVERIES.iter().try_for_each(|recovery| write!(f, "{:>COLUMN$.15}", recovery))?;
        for fault in FAULTS {
            write!(f, "\n{fault:18}")?;
            RECOVERIES.iter().try_for_each(|recovery| write!(f, "{:>COLUMN$}", self.met(fault, recovery)))?;
        }
        Ok(())
    }
}
