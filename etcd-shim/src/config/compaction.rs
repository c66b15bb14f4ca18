//! `--auto-compaction-*`: which history the server drops automatically.

use std::time::Duration;

use super::go_duration::parse_duration;

/// Which history to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCompaction {
    /// All history.
    Off,
    /// History that is younger than this.
    Periodic(Duration),
    /// This many revisions.
    Revisions(i64),
}

impl AutoCompaction {
    /// Reads mode and retention; each error begins as etcd's error does. A number without a unit means hours or
    /// revisions, depending on the mode.
    pub(super) fn parse(mode: &str, retention: &str) -> Result<AutoCompaction, String> {
        let number = retention.parse::<i64>().ok().filter(|n| *n >= 0);
        match mode {
            "" => Err("undefined auto-compaction-mode".to_owned()),
            "periodic" => {
                let nanos = match number {
                    Some(hours) => hours.checked_mul(3_600_000_000_000).ok_or_else(|| {
                        format!("error parsing CompactionRetention: {retention} hours do not fit (expected at most 292 years)")
                    })?,
                    None => Self::duration(retention)?,
                };
                Ok(match u64::try_from(nanos) {
                    Ok(nanos) if nanos > 0 => AutoCompaction::Periodic(Duration::from_nanos(nanos)),
                    _ => AutoCompaction::Off,
                })
            }
            "revision" => {
                // The nanoseconds of a duration count as revisions. This is strange, but etcd does so.
                let revisions = number.map_or_else(|| Self::duration(retention), Ok)?;
                Ok(if revisions > 0 { AutoCompaction::Revisions(revisions) } else { AutoCompaction::Off })
            }
            _ => Err(format!("unknown auto-compaction-mode {mode:?}, expected periodic or revision")),
        }
    }

    fn duration(text: &str) -> Result<i64, String> {
        let expected = "--auto-compaction-retention: expected a number, or a duration such as 1h30m";
        parse_duration(text).map_err(|e| format!("error parsing CompactionRetention: {e} ({expected})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_reads_as_in_etcd() {
        let hours = |h: u64| AutoCompaction::Periodic(Duration::from_secs(3600 * h));
        let table = [
            ("periodic", "0", Ok(AutoCompaction::Off)),
            ("periodic", "1", Ok(hours(1))),
            ("periodic", "30m", Ok(AutoCompaction::Periodic(Duration::from_secs(1800)))),
            ("periodic", "-1h", Ok(AutoCompaction::Off)),
            ("revision", "1000", Ok(AutoCompaction::Revisions(1000))),
            ("revision", "0", Ok(AutoCompaction::Off)),
            ("revision", "1us", Ok(AutoCompaction::Revisions(1000))),
            (
                "periodic",
                "x",
                Err(
                    "error parsing CompactionRetention: time: invalid duration \"x\" (--auto-compaction-retention: expected a number, or a duration such as 1h30m)",
                ),
            ),
            (
                "periodic",
                "-1",
                Err(
                    "error parsing CompactionRetention: time: missing unit in duration \"-1\" (--auto-compaction-retention: expected a number, or a duration such as 1h30m)",
                ),
            ),
            ("x", "0", Err("unknown auto-compaction-mode \"x\", expected periodic or revision")),
            ("", "0", Err("undefined auto-compaction-mode")),
        ];
        for (mode, retention, wanted) in table {
            assert_eq!(AutoCompaction::parse(mode, retention), wanted.map_err(str::to_owned), "{mode} {retention}");
        }
    }
}
