//! The configuration of a server: etcd 3.6's flags, `ETCD_*` variables and YAML file, read as etcd reads them.
//!
//! One table of flags ([`table`]) is used for the command line, the environment, the file and `--help`; [`load`]
//! combines them and returns a [`ServerConfig`]. Reading the configuration writes nothing to the log, because the form
//! of the log is configured here: lines for the log are returned as [`Note`]s.

mod argv;
mod assemble;
mod cluster;
mod compaction;
mod environment;
mod error;
mod feature_gates;
mod file;
mod flag;
mod go_bool;
mod go_duration;
mod go_number;
mod help;
mod load;
mod log_config;
mod note;
mod old_names;
mod server_config;
mod settings;
mod srv_domain;
pub mod table;
mod table_cluster;
mod table_features;
mod table_member;
mod table_security;
mod tls_files;
pub(crate) mod tls_options;
mod url;
mod value;

#[cfg(test)]
mod file_tests;
#[cfg(test)]
mod load_tests;

pub(crate) use cluster::{check_distinct, check_self, members_of, parse_members};
pub use compaction::AutoCompaction;
pub use error::Stop;
pub use feature_gates::{FeatureGates, GATES, Stage};
pub use flag::{Flag, Handling, Kind};
pub use go_duration::{DurationError, format_duration, parse_duration};
pub use help::{help, usage};
pub use load::{Loaded, load, program};
pub use log_config::{LogConfig, LogFormat, LogOutput};
pub use note::Note;
pub use server_config::{
    AuthConfig, ClusterConfig, ClusterState, Keepalive, Limits, MetricsLevel, Program, ServerConfig,
};
pub use srv_domain::SrvDomain;
pub use tls_files::{TlsFiles, TlsOptions, TlsVersion};
pub use url::{Scheme, Url, join};
