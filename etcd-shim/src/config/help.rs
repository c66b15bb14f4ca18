//! The text of `--help`, made from the tables of flags.

use std::fmt::Write;

use super::flag::{Flag, Handling, Kind};
use super::table::GROUPS;

/// The short text that follows an error of the command line.
pub fn usage(program: &str) -> String {
    format!(
        "Usage:\n
  {program} [flags]
    Start a server.\n
  {program} --config-file <file>
    Start a server as the YAML file says; other flags and ETCD_ variables then count for nothing.\n
  {program} ctl --help
    Look at a running server and command it, recover a cluster, or restore a backup.\n
  {program} log-server | sequencer | front-end [flags]
    Run one part of a node on a machine of its own: as a member of a cluster, with the same flags.\n
  {program} --version
    Print the versions.\n
  {program} -h | --help
    Explain every flag.\n"
    )
}

/// The full text of `--help`.
pub fn help() -> String {
    let mut text = String::from(
        "\nNaxos is an etcd v3 server on a durable shared log: what works with etcd works with it.\n\n\
         Every flag has a variable: --listen-client-urls is ETCD_LISTEN_CLIENT_URLS. A flag and its variable together\n\
         are refused. Without any flag: one durable node on 127.0.0.1:2379.\n\
         A cluster may keep its parts on machines of their own. `naxos log-server` stores the log and votes for its chain,\n\
         `naxos sequencer` gives out positions, `naxos front-end` replays the log and serves etcd's API; `naxos` does all\n\
         three. All of them are listed in --initial-cluster.\n\
         Durations are texts such as 100ms, 5s, 1h30m. A flag marked (ignored) is accepted and has no effect. A flag\n\
         marked (not yet) is not built: the server does not start if the flag has another value than its default.\n",
    );
    for group in GROUPS {
        let _ = write!(text, "\n{}:\n", group.title);
        for flag in group.flags.iter().filter(|f| f.kind != Kind::Dropped) {
            describe(&mut text, flag);
        }
    }
    text
}

fn describe(text: &mut String, flag: &Flag) {
    let mark = match flag.handling {
        Handling::Ignored(_) => " (ignored)",
        Handling::NotBuilt(_) => " (not yet)",
        _ => "",
    };
    let line = match flag.handling {
        Handling::Used => flag.help.to_owned(),
        Handling::Ignored(why) => format!("No effect: {why}."),
        Handling::NotBuilt(what) => format!("Not built yet: {what}."),
        Handling::Renamed(new) => format!("Old name of --{new}."),
        Handling::Gate(feature) => format!("Old form of --feature-gates={feature}=true."),
    };
    let _ = writeln!(text, "  --{} '{}'{mark}\n    {line}", flag.name, flag.default);
    if let Kind::Gates = flag.kind {
        for (name, stage, on) in super::feature_gates::GATES {
            let _ = writeln!(text, "    {name}=true|false ({stage:?}, default {on})");
        }
    }
}
