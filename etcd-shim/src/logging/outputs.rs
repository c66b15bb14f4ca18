//! [`Outputs`]: the places to which lines are written.

use std::fs::File;
use std::io::{self, Write};

use super::log_error::LogError;
use crate::config::LogOutput;

/// The places, opened.
pub(super) struct Outputs(Vec<Box<dyn Write + Send>>);

impl Outputs {
    /// Opens all places. The error names the file.
    pub(super) fn open(places: &[LogOutput]) -> Result<Outputs, LogError> {
        let open = |place: &LogOutput| -> Result<Box<dyn Write + Send>, LogError> {
            Ok(match place {
                LogOutput::Stderr => Box::new(io::stderr()),
                LogOutput::Stdout => Box::new(io::stdout()),
                LogOutput::File(path) => {
                    let file = File::options().create(true).append(true).open(path);
                    Box::new(file.map_err(|error| LogError::Open { path: path.clone(), error })?)
                }
            })
        };
        Ok(Outputs(places.iter().map(open).collect::<Result<_, _>>()?))
    }

    /// Writes to all places. A place that fails is skipped, because there is nowhere to report that.
    pub(super) fn write(&mut self, text: &[u8]) {
        for place in &mut self.0 {
            let _ = place.write_all(text).and_then(|()| place.flush());
        }
    }
}
