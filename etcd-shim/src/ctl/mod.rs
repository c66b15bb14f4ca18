//! `naxos ctl`: shows the state of a running server and changes it, recovers a cluster from what is left of it, or restores
//! one from a backup. Its answers are sentences and tables for people.
//!
//! It calls the service `naxos.control.v1.Control` on the client URLs. Endpoints and certificates are given by
//! etcdctl's flags and `ETCDCTL_*` variables.

mod arguments;
mod chain;
mod client;
mod ctl_error;
mod engines;
mod members;
mod print;
mod recover;
mod restore;
mod status;
mod table;
mod trust;
mod unit_table;
mod units;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use naxos_proto::control::control_client::ControlClient;
use naxos_proto::control::{
    ChainRequest, EnginesRequest, MembersRequest, ReconfigureRequest, SetEngineRequest, StatusRequest, UnitsRequest,
};
use naxos_proto::seams::Clock;
use tonic::transport::Channel;

use arguments::{Arguments, Command};
use ctl_error::CtlError;
use print::print;

/// Runs `naxos ctl` with these words, of which the first is the program's name, and prints the answer.
pub async fn run(words: Vec<OsString>, clock: &dyn Clock) -> ExitCode {
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Printing fails only if nobody reads the output.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    match answers(&arguments, clock).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If nobody reads stderr, there is no other place to report the error.
            let _ = writeln!(io::stderr(), "Error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the command and prints the answers. A command for servers asks all endpoints, or only the first one if it
/// changes something. It ends at the first endpoint that fails.
async fn answers(arguments: &Arguments, clock: &dyn Clock) -> Result<(), CtlError> {
    if let Command::Recover(wanted) = &arguments.command {
        return recover::recover(wanted).await;
    }
    if let Command::Restore(wanted) = &arguments.command {
        return restore::restore(wanted).await;
    }
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
        Command::Members => members::members(&client.members(MembersRequest {}).await?.into_inner()),
        Command::Units => unit_table::unit_table(&client.units(UnitsRequest {}).await?.into_inner()),
        Command::Recover(_) | Command::Restore(_) => unreachable!("it asks no server"),
        Command::Status => status::status(&client.status(StatusRequest {}).await?.into_inner()),
    })
}

#[cfg(test)]
mod tests;
