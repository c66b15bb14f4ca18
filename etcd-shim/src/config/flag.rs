//! One command line flag: its name, how its value reads and what Naxos does with it.

/// How a flag's text becomes a value. Texts are Go's: `flag` and `strconv` decide what parses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Go's `strconv.ParseBool`; alone it means true.
    Bool,
    /// An unsigned number of 64 bits.
    Uint,
    /// An unsigned number of 32 bits.
    Uint32,
    /// A signed number of 64 bits.
    Int,
    /// Go's `time.ParseDuration`.
    Duration,
    /// URLs with commas between them; the empty text keeps the default.
    Urls,
    /// `*` or URLs.
    Origins,
    /// Texts with commas between them, order and repetition without meaning.
    Set,
    /// Texts with commas between them.
    List,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// Any of these texts with commas between them, or none.
    Choices(&'static [&'static str]),
    /// `Name=bool` pairs with commas between them.
    Gates,
    /// A flag that etcd dropped long ago and still accepts, with or without a value.
    Dropped,
}

/// What Naxos does with a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// It takes effect.
    Used,
    /// Accepted, without effect; the text says why there is nothing to tune.
    Ignored(&'static str),
    /// Any value but the default ends the start; the text names what is not there yet.
    NotBuilt(&'static str),
    /// An old name of another flag.
    Renamed(&'static str),
    /// An old boolean for a feature gate.
    Gate(&'static str),
}

/// A row of the table that parses, explains and reads the environment and the configuration file.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Without dashes in front.
    pub name: &'static str,
    /// How its value reads.
    pub kind: Kind,
    /// The default, as text.
    pub default: &'static str,
    /// What Naxos does with it.
    pub handling: Handling,
    /// One line for `--help`.
    pub help: &'static str,
}

impl Flag {
    /// The environment variable of the same meaning.
    pub fn variable(&self) -> String {
        format!("ETCD_{}", self.name.to_uppercase().replace('-', "_"))
    }

    /// Whether `--name` without a value is complete.
    pub fn is_bool(&self) -> bool {
        matches!(self.kind, Kind::Bool | Kind::Dropped)
    }
}

/// A flag that takes effect.
pub(super) const fn used(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag { name, kind, default, handling: Handling::Used, help }
}

/// A flag without effect.
pub(super) const fn ignored(name: &'static str, kind: Kind, default: &'static str, why: &'static str) -> Flag {
    Flag { name, kind, default, handling: Handling::Ignored(why), help: "" }
}

/// A flag whose feature is not there yet.
pub(super) const fn not_built(name: &'static str, kind: Kind, default: &'static str, what: &'static str) -> Flag {
    Flag { name, kind, default, handling: Handling::NotBuilt(what), help: "" }
}

/// An old name.
pub(super) const fn renamed(name: &'static str, kind: Kind, default: &'static str, to: &'static str) -> Flag {
    Flag { name, kind, default, handling: Handling::Renamed(to), help: "" }
}

/// An old boolean for a feature gate.
pub(super) const fn gate(name: &'static str, default: &'static str, feature: &'static str) -> Flag {
    Flag { name, kind: Kind::Bool, default, handling: Handling::Gate(feature), help: "" }
}
