//! [`run`]: the program from `main` to its end.

use std::process::ExitCode;
use std::sync::Arc;

use naxos_log_server::LogServerConfig;
use naxos_proto::seams::{BootClock, ThreadWorker};

use super::environment::{Given, raise_descriptor_limit};
use super::panics::log_panics;
use super::signals::Signals;
use super::{exit, readiness};
use crate::config::{self, Loaded, LogConfig, Note, ServerConfig, Stop};
use crate::logging::{Log, LogError};
use crate::metrics::descriptor_limit;
use crate::node::{Running, StartError};
use crate::port::DESCRIPTORS_RESERVED;
use crate::production::production;

/// With fewer file descriptors than this, not even the log can be opened. The error is then printed on stderr.
const LOG_DESCRIPTORS: u64 = 32;

/// Runs the program: a server, or `ctl`.
pub fn run() -> ExitCode {
    let given = Given::read();
    raise_descriptor_limit();
    let limit = descriptor_limit();
    if limit < LOG_DESCRIPTORS {
        eprintln!(
            "{}: file descriptor limit {limit}, expected more than {DESCRIPTORS_RESERVED}: see `ulimit -n`",
            given.argv0
        );
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{}: expected file descriptors for a runtime: {error}", given.argv0);
            return ExitCode::FAILURE;
        }
    };
    if given.words.first().is_some_and(|w| w == "ctl") {
        let words = std::env::args_os().skip(2);
        let words = ["naxos ctl".into()].into_iter().chain(words).collect();
        return runtime.block_on(crate::ctl::run(words, &BootClock));
    }
    let program = config::program(&given.argv0);
    let loaded = match &given.no_text {
        None => config::load(program, &given.words, &given.variables),
        Some(found) => Err(Stop::Usage(format!("expected flags and variables in UTF-8, found {found}"))),
    };
    if let Err(stop) = &loaded
        && let Some(code) = exit::without_log(stop, &given.argv0)
    {
        return code;
    }
    runtime.block_on(logged(loaded, &given))
}

/// Starts the log, and then logs the refusal or runs the server.
async fn logged(loaded: Result<Loaded, Stop>, given: &Given) -> ExitCode {
    let chosen = loaded.as_ref().map(|l| l.config.log.clone()).unwrap_or_default();
    let (log, opened) = match install(&chosen) {
        Ok(log) => (log, None),
        Err(error) => match install(&LogConfig::default()) {
            Ok(log) => (log, Some(error)),
            Err(error) => {
                eprintln!("{}: {error}", given.argv0);
                return ExitCode::FAILURE;
            }
        },
    };
    log_panics();
    let code = match (loaded, opened) {
        (Err(stop), _) => refuse(stop, given),
        (Ok(loaded), Some(error)) => refuse(Stop::Invalid { error: error.to_string(), notes: loaded.notes }, given),
        (Ok(loaded), None) => serve(loaded, given).await,
    };
    log.finish().await;
    code
}

fn install(config: &LogConfig) -> Result<Log, LogError> {
    Log::install(config, Arc::new(BootClock), &ThreadWorker)
}

/// Logs the notes, and the command line of the program.
fn introduce(notes: &[Note], given: &Given) {
    notes.iter().for_each(Note::log);
    tracing::info!(args = ?given.command_line(), "Running: ");
}

/// Logs why the configuration is refused.
fn refuse(stop: Stop, given: &Given) -> ExitCode {
    match stop {
        Stop::Conflict { variable, notes } => {
            notes.iter().for_each(Note::log);
            tracing::error!(
                fatal = true,
                "environment-variable" = variable,
                "conflicting environment variable is shadowed by corresponding command-line flag (either unset \
                 environment variable or disable flag)"
            );
        }
        Stop::Invalid { error, notes } => {
            introduce(&notes, given);
            tracing::warn!(error, "failed to verify flags");
        }
        Stop::Usage(_) | Stop::Help | Stop::Version => {}
    }
    ExitCode::FAILURE
}

/// Runs a server from its start to its end.
async fn serve(loaded: Loaded, given: &Given) -> ExitCode {
    introduce(&loaded.notes, given);
    let limit = descriptor_limit();
    if limit <= DESCRIPTORS_RESERVED {
        tracing::error!(
            fatal = true,
            limit,
            "recommended-limit" = DESCRIPTORS_RESERVED,
            "file descriptor limit of etcd process is too low; please set higher"
        );
        return ExitCode::FAILURE;
    }
    let config = loaded.config;
    let mut signals = match Signals::catch() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(fatal = true, %error, "signals cannot be caught");
            return ExitCode::FAILURE;
        }
    };
    loop {
        if let End::Exit(code) = live(&config, &mut signals, given).await {
            return code;
        }
    }
}

/// How one life of a node ends.
enum End {
    /// The program ends too.
    Exit(ExitCode),
    /// The node starts again, in this process.
    Again,
}

/// Runs a node from its start to its end.
async fn live(config: &ServerConfig, signals: &mut Signals, given: &Given) -> End {
    let started = start(config.clone());
    let node = tokio::select! {
        biased;
        signal = signals.next() => {
            tracing::info!(signal, "received signal; shutting down");
            return End::Exit(ExitCode::SUCCESS);
        }
        node = started => node,
    };
    let node = match node {
        Ok(node) => node,
        Err(error) => {
            tracing::error!(fatal = true, error, "failed to start");
            return End::Exit(ExitCode::FAILURE);
        }
    };
    tell_systemd(given);
    let end = tokio::select! {
        biased;
        signal = signals.next() => {
            tracing::info!(signal, "received signal; shutting down");
            End::Exit(ExitCode::SUCCESS)
        }
        error = node.ended() => {
            tracing::error!(fatal = true, error, "the node ended");
            End::Exit(ExitCode::FAILURE)
        }
        () = node.removed() => {
            tracing::info!("the member was removed from the cluster; the program ends");
            End::Exit(ExitCode::SUCCESS)
        }
        () = node.fell_behind() => {
            tracing::warn!("the log no longer holds what this member has to apply next: starting again from a snapshot");
            End::Again
        }
    };
    tokio::select! {
        biased;
        () = node.stop() => {}
        signal = signals.next() => {
            tracing::warn!(signal, "received a second signal; ending at once");
            return End::Exit(ExitCode::FAILURE);
        }
    }
    if matches!(end, End::Exit(_)) {
        tracing::info!(name = config.name, "data-dir" = %config.data_dir.display(), "closed etcd server");
    }
    end
}

async fn start(config: ServerConfig) -> Result<Running, String> {
    let seams = production(&config.data_dir);
    let data_dir = config.data_dir.display().to_string();
    let runtimes = std::thread::available_parallelism().map_or(1, usize::from);
    Running::start(config, seams, runtimes, LogServerConfig::default()).await.map_err(|e| match e {
        StartError::LogServer(_) | StartError::Store(_) | StartError::Stack(_) => format!("--data-dir {data_dir}: {e}"),
        other => other.to_string(),
    })
}

fn tell_systemd(given: &Given) {
    match readiness::notify(given.variables.get("NOTIFY_SOCKET").map(String::as_str)) {
        Ok(true) => tracing::info!("successfully notified init daemon"),
        Ok(false) => {}
        Err(error) => tracing::warn!(%error, "failed to notify systemd for readiness"),
    }
}
