//! Where lines go.

use std::fs::File;
use std::io::{self, Write};

use super::log_error::LogError;
use crate::config::LogOutput;

/// The opened places.
pub(super) struct Outputs(Vec<Box<dyn Write + Send>>);

impl Outputs {
    /// Opens every place; the error names the file.
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

    /// Writes to each of them. A place that fails is skipped: there is nowhere to complain.
    pub(super) fn write(&mut self, text: &[u8]) {
        for place in &mut self.0 {
            let _ = place.write_all(text).and_then(|()| place.flush());
        }
    }
}
