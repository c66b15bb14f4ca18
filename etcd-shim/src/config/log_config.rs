//! Where the log is written, and in which form.

use std::path::PathBuf;

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object.
    Json,
    /// Fields with tabs between them, for people.
    Console,
}

/// A place to which lines are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogOutput {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file. Lines are appended.
    File(PathBuf),
}

/// The settings of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The lowest level that is logged.
    pub level: tracing::Level,
    /// The form of a line.
    pub format: LogFormat,
    /// The places to write to, each of them once.
    pub outputs: Vec<LogOutput>,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig { level: tracing::Level::INFO, format: LogFormat::Json, outputs: vec![LogOutput::Stderr] }
    }
}

impl LogConfig {
    /// Reads the flags' values. Refuses what etcd refuses, and `systemd/journal`, which etcd accepts. Most error texts
    /// begin with etcd's, and some go on with what was expected.
    pub(super) fn parse(
        logger: &str,
        level: &str,
        format: &str,
        outputs: impl IntoIterator<Item = String>,
    ) -> Result<LogConfig, String> {
        match logger {
            "zap" => {}
            "capnslog" => return Err("--logger=capnslog is removed in v3.5, expected zap".to_owned()),
            _ => return Err(format!("unknown logger option {logger:?}, expected zap")),
        }
        let level = match level {
            "debug" => tracing::Level::DEBUG,
            "info" | "" => tracing::Level::INFO,
            "warn" => tracing::Level::WARN,
            "error" | "dpanic" | "panic" | "fatal" => tracing::Level::ERROR,
            _ => {
                return Err(format!(
                    "unknown level {level:?} for --log-level (expected debug, info, warn, error, panic or fatal)"
                ));
            }
        };
        let format = match format {
            "json" | "" => LogFormat::Json,
            "console" => LogFormat::Console,
            _ => return Err(format!("unknown log format: {format}, supported values json, console")),
        };
        let outputs: Vec<String> = outputs.into_iter().collect();
        if outputs.len() > 1 && outputs.iter().any(|o| o == "default") {
            return Err("multi logoutput for \"default\" is not supported yet".to_owned());
        }
        let mut places = Vec::new();
        for output in outputs {
            let place = match output.as_str() {
                "default" | "stderr" | "" => LogOutput::Stderr,
                "stdout" => LogOutput::Stdout,
                "systemd/journal" => {
                    return Err("--log-outputs=systemd/journal is not built yet; systemd reads stderr too".to_owned());
                }
                path => LogOutput::File(path.into()),
            };
            if !places.contains(&place) {
                places.push(place);
            }
        }
        Ok(LogConfig { level, format, outputs: places })
    }
}
