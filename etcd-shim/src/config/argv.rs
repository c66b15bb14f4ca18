//! Reads the command line as Go's `flag` package does. A flag begins with one or two dashes. Its value follows after
//! `=`, or is the next word. A boolean never takes the next word.

use super::error::Stop;
use super::go_bool::parse_bool;
use super::settings::Settings;
use super::table;

/// The settings of a command line, and the words after them.
pub(super) struct CommandLine {
    /// The settings that the flags gave.
    pub(super) settings: Settings,
    /// The first word that is neither a flag nor its value, and all words after it. The word `--` also ends the flags,
    /// but is not in this list.
    pub(super) rest: Vec<String>,
}

/// Reads the words after the program's name.
pub(super) fn parse(words: &[String]) -> Result<CommandLine, Stop> {
    let mut settings = Settings::default();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let Some(dashless) = word.strip_prefix('-').filter(|w| !w.is_empty()) else { break };
        at += 1;
        if dashless == "-" {
            break;
        }
        let body = dashless.strip_prefix('-').unwrap_or(dashless);
        if body.is_empty() || body.starts_with('-') || body.starts_with('=') {
            return Err(Stop::Usage(format!("bad flag syntax: {word}")));
        }
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (body, None),
        };
        let Some(flag) = table::find(name) else {
            return Err(if matches!(name, "help" | "h") {
                Stop::Help
            } else {
                Stop::Usage(format!("flag provided but not defined: -{name}"))
            });
        };
        let value = match (value, words.get(at)) {
            (Some(value), _) => value,
            (None, _) if flag.is_bool() => "true",
            (None, Some(next)) => {
                at += 1;
                next.as_str()
            }
            (None, None) => return Err(Stop::Usage(format!("flag needs an argument: -{name}"))),
        };
        settings.set(flag, value).map_err(|error| {
            let what =
                if flag.is_bool() && parse_bool(value).is_none() { "invalid boolean value" } else { "invalid value" };
            let place = if flag.is_bool() { "" } else { "flag " };
            Stop::Usage(format!("{what} {value:?} for {place}-{name}: {error}"))
        })?;
    }
    Ok(CommandLine { settings, rest: words[at..].to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<CommandLine, String> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        parse(&words).map_err(|e| e.to_string())
    }

    #[test]
    fn every_form_of_a_flag_is_read() {
        for words in [&["-name=a b"][..], &["--name=a b"], &["--name", "a b"], &["-name", "x", "--name", "a b"]] {
            assert_eq!(read(words).unwrap().settings.text("name"), "a b", "{words:?}");
        }
        let line = read(&["--client-cert-auth", "--strict-reconfig-check=false", "--name", "-x", "--v", "rest", "-y"])
            .unwrap();
        assert!(line.settings.bool("client-cert-auth"));
        assert!(!line.settings.bool("strict-reconfig-check"));
        assert_eq!(line.settings.text("name"), "-x", "a value may begin with a dash");
        assert_eq!(line.rest, ["rest", "-y"]);
        assert_eq!(read(&["--", "--name"]).unwrap().rest, ["--name"]);
        assert_eq!(read(&["-"]).unwrap().rest, ["-"]);
        assert_eq!(read(&["--client-cert-auth", "false"]).unwrap().rest, ["false"], "a boolean takes no next word");
    }

    #[test]
    fn bad_command_lines_are_refused_as_by_etcd() {
        let table: [(&[&str], &str); 12] = [
            (&["--bogus"], "flag provided but not defined: -bogus"),
            (&["-bogus=1"], "flag provided but not defined: -bogus"),
            (&["--name"], "flag needs an argument: -name"),
            (&["--=x"], "bad flag syntax: --=x"),
            (&["---a"], "bad flag syntax: ---a"),
            (&["-="], "bad flag syntax: -="),
            (&["--auto-tls=foo"], "invalid boolean value \"foo\" for -auto-tls: parse error (expected true or false)"),
            (
                &["--heartbeat-interval=abc"],
                "invalid value \"abc\" for flag -heartbeat-interval: parse error (expected a whole number, 0 or more)",
            ),
            (
                &["--heartbeat-interval=99999999999999999999"],
                "invalid value \"99999999999999999999\" for flag -heartbeat-interval: value out of range (expected a whole number, 0 or more)",
            ),
            (
                &["--grpc-keepalive-interval=5"],
                "invalid value \"5\" for flag -grpc-keepalive-interval: parse error (expected a duration such as 100ms, 5s or 1h0m0s)",
            ),
            (
                &["--initial-cluster-state=x"],
                "invalid value \"x\" for flag -initial-cluster-state: invalid value (expected new or existing)",
            ),
            (
                &["--max-concurrent-streams=-1"],
                "invalid value \"-1\" for flag -max-concurrent-streams: strconv.ParseUint: parsing \"-1\": invalid syntax (expected a whole number from 0 to 4294967295)",
            ),
        ];
        for (words, error) in table {
            assert_eq!(read(words).err().unwrap(), error, "{words:?}");
        }
        assert!(matches!(parse(&["-h".to_owned()]), Err(Stop::Help)));
        assert!(matches!(parse(&["--help=x".to_owned()]), Err(Stop::Help)));
    }

    #[test]
    fn feature_gates_given_twice_add_up() {
        let line = read(&["--feature-gates=LeaseCheckpoint=true", "--feature-gates", "CompactHashCheck=true"]).unwrap();
        let gates = line.settings.gates("feature-gates");
        assert!(gates.enabled("LeaseCheckpoint") && gates.enabled("CompactHashCheck"));
    }
}
