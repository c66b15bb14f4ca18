//! One command line flag: its name, how its value is read, and what Naxos does with it.

/// How the text of a flag is read. Go's `flag` and `strconv` define which texts are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Go's `strconv.ParseBool`. The flag without a value means true.
    Bool,
    /// An unsigned number of 64 bits.
    Uint,
    /// An unsigned number of 32 bits.
    Uint32,
    /// A signed number of 64 bits.
    Int,
    /// Go's `time.ParseDuration`.
    Duration,
    /// URLs separated by commas. The empty text keeps the default.
    Urls,
    /// `*` or URLs.
    Origins,
    /// Texts separated by commas. Order and repetition have no meaning.
    Set,
    /// Texts separated by commas.
    List,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// Any number of these texts, separated by commas.
    Choices(&'static [&'static str]),
    /// `Name=bool` pairs separated by commas.
    Gates,
    /// A flag that etcd dropped long ago and still accepts, with or without a value.
    Dropped,
}

/// What Naxos does with a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// The flag takes effect.
    Used,
    /// The flag is accepted and has no effect. The text says why.
    Ignored(&'static str),
    /// Any value but the default ends the start. The text names the missing feature.
    NotBuilt(&'static str),
    /// The flag is an old name of another flag. The text is the new name.
    Renamed(&'static str),
    /// The flag is an old boolean flag for a feature gate. The text is the gate's name.
    Gate(&'static str),
}

/// A row of the table of flags. The command line, `--help`, the environment and the configuration file all use the
/// table.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// The name without dashes in front.
    pub name: &'static str,
    /// How the value is read.
    pub kind: Kind,
    /// The default, as text.
    pub default: &'static str,
    /// What Naxos does with it.
    pub handling: Handling,
    /// One line for `--help`; empty where the line comes from `handling`.
    pub help: &'static str,
}

impl Flag {
    /// The name of the environment variable with the same meaning.
    pub fn variable(&self) -> String {
        format!("ETCD_{}", self.name.to_uppercase().replace('-', "_"))
    }

    /// Whether `--name` may stand without a value.
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

/// A flag whose feature is not built yet.
pub(super) const fn not_built(name: &'static str, kind: Kind, default: &'static str, what: &'static str) -> Flag {
    Flag { name, kind, default, handling: Handling::NotBuilt(what), help: "" }
}

/// An old name of another flag.
pub(super) const fn renamed(name: &'static str, kind: Kind, default: &'static str, to: &'static str) -> Flag {
    Flag { name, kind, default, handling: Handling::Renamed(to), help: "" }
}

/// An old boolean flag for a feature gate.
pub(super) const fn gate(name: &'static str, default: &'static str, feature: &'static str) -> Flag {
    Flag { name, kind: Kind::Bool, default, handling: Handling::Gate(feature), help: "" }
}
