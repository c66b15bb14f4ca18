//! `naxos ctl`: looks at a running server and commands it, in words and tables for people.
//!
//! It speaks the service `naxos.control.v1.Control` on the client URLs, with etcdctl's flags and `ETCDCTL_*` variables
//! for endpoints and certificates.

mod arguments;
mod chain;
mod client;
mod engines;
mod status;
mod table;
mod trust;
mod units;

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use naxos_proto::control::control_client::ControlClient;
use naxos_proto::control::{ChainRequest, EnginesRequest, ReconfigureRequest, SetEngineRequest, StatusRequest};
use naxos_proto::seams::Clock;
use tonic::transport::Channel;

use arguments::{Arguments, Command};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CtlError {
    /// The connection's arguments do not fit.
    #[error("{0}")]
    Arguments(String),
    /// The server said no.
    #[error("{}{}", .status.message(), hint(.status, *.secure))]
    Refused {
        /// Its words.
        status: Box<tonic::Status>,
        /// Whether it was asked with TLS.
        secure: bool,
    },
    /// The answer cannot be written.
    #[error("writing the answer: {0}")]
    Output(io::Error),
    /// No answer.
    #[error("no answer from {endpoint} within {}", humantime::format_duration(*.limit))]
    Late {
        /// Who was asked.
        endpoint: String,
        /// How long.
        limit: Duration,
    },
}

fn hint(status: &tonic::Status, secure: bool) -> &'static str {
    match status.code() {
        tonic::Code::Unimplemented => " (a real etcd has no such service)",
        // What is left of a connection that the server has closed at once.
        tonic::Code::Cancelled => {
            " (the server closed the connection; if it demands certificates, give --cert and --key)"
        }
        _ if !secure && status.message().contains("h2 protocol error") => {
            " (if the server demands TLS, give --endpoints as https://)"
        }
        _ => "",
    }
}

/// Runs `naxos ctl` with these words (the program's name first) and prints the answer.
pub async fn run(words: Vec<OsString>, clock: &dyn Clock) -> ExitCode {
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Printing fails only when nobody listens.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    match answers(&arguments, clock).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may listen there either.
            let _ = writeln!(io::stderr(), "Error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Asks each endpoint (a change only the first) and prints.
async fn answers(arguments: &Arguments, clock: &dyn Clock) -> Result<(), CtlError> {
    let trust = trust::Trust::read(&arguments.connection)?;
    let endpoints = arguments.connection.endpoints();
    let asked = if arguments.command.changes() { 1 } else { endpoints.len() };
    for endpoint in &endpoints[..asked] {
        if asked > 1 {
            print(&format!("{endpoint}\n"))?;
        }
        let (client, secure) = client::connect(endpoint, &trust)?;
        let limit = arguments.connection.command_timeout;
        let text = tokio::select! {
            biased;
            text = ask(client, &arguments.command) => {
                text.map_err(|status| CtlError::Refused { status: Box::new(status), secure })?
            }
            () = clock.sleep(limit) => return Err(CtlError::Late { endpoint: endpoint.clone(), limit }),
        };
        print(&format!("{text}\n"))?;
    }
    Ok(())
}

/// As `print!`, but a reader that went away (`naxos ctl status | head`) is no error.
fn print(text: &str) -> Result<(), CtlError> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CtlError::Output(error)),
        _ => Ok(()),
    }
}

async fn ask(mut client: ControlClient<Channel>, command: &Command) -> Result<String, tonic::Status> {
    Ok(match command {
        Command::Chain => chain::chain(&client.chain(ChainRequest {}).await?.into_inner()),
        Command::Reconfigure { kind } => {
            let request = ReconfigureRequest { kind: kind.clone().unwrap_or_default() };
            chain::reconfigured(&client.reconfigure(request).await?.into_inner())
        }
        Command::Engines { switch: None } => engines::engines(&client.engines(EnginesRequest {}).await?.into_inner()),
        Command::Engines { switch: Some(switch) } => {
            let (name, on) = switch.parts();
            engines::switched(&client.set_engine(SetEngineRequest { name: name.to_owned(), on }).await?.into_inner())
        }
        Command::Status => status::status(&client.status(StatusRequest {}).await?.into_inner()),
    })
}

#[cfg(test)]
mod tests;
