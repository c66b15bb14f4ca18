//! [`Note`]: a line for the log that comes up while the configuration is read. The log starts only when the
//! configuration is known, so these lines are kept as values.

/// One line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The value of a variable is used.
    VariableUsed {
        /// The variable.
        name: String,
        /// Its value.
        value: String,
    },
    /// A variable begins with `ETCD_` but belongs to no flag, or is empty. The text is `NAME=value`.
    VariableUnknown(String),
    /// `ETCD_VERSION` is set, although this name is reserved. The text is its value.
    VersionVariable(String),
    /// The configuration file was read. The text is its path.
    FileLoaded(String),
    /// A key of the configuration file that is not a flag.
    KeyUnknown(String),
    /// An old name was used.
    Deprecated {
        /// The old name.
        old: &'static str,
        /// What to write instead.
        new: String,
    },
    /// A flag without effect was set.
    Ignored {
        /// The flag.
        flag: &'static str,
        /// Why it has no effect.
        why: &'static str,
    },
    /// HTTP and gRPC use the same port.
    SinglePort,
    /// The member has the default name. The text is that name.
    DefaultName(String),
    /// `--data-dir` was not given. The text is the default directory.
    DefaultDataDir(String),
    /// A cipher suite of `--cipher-suites` is left out. It is a suite for TLS 1.3, which cannot be chosen, or it is not
    /// built in because it is not safe enough. The text is its name.
    CipherSuiteLeftOut(String),
    /// There is a certificate, but this URL does not use TLS.
    CertificateUnused(String),
    /// Clients must show certificates, but this URL does not use TLS.
    ClientAuthUnused(String),
}

impl Note {
    /// Writes the line to the log.
    pub fn log(&self) {
        match self {
            Note::VariableUsed { name, value } => {
                tracing::info!(
                    "variable-name" = name,
                    "variable-value" = value,
                    "recognized and used environment variable"
                );
            }
            Note::VariableUnknown(text) => {
                tracing::warn!("environment-variable" = text, "unrecognized environment variable");
            }
            Note::VersionVariable(value) => {
                tracing::warn!(key = "ETCD_VERSION", value, "cannot set special environment variable");
            }
            Note::FileLoaded(path) => tracing::info!(
                path,
                "loaded server configuration, other configuration command line flags and environment variables will be \
                 ignored if provided"
            ),
            Note::KeyUnknown(key) => tracing::warn!(key, "unrecognized key in the configuration file"),
            Note::Deprecated { old, new } => {
                tracing::warn!("flag-name" = format!("--{old}"), "use-instead" = new, "deprecated flag");
            }
            Note::Ignored { flag, why } => {
                tracing::warn!("flag-name" = format!("--{flag}"), why, "flag has no effect - ignoring");
            }
            Note::SinglePort => {
                tracing::warn!("Running http and grpc server on single port. This is not recommended for production.")
            }
            Note::DefaultName(name) => tracing::warn!(
                name,
                "it isn't recommended to use default name, please set a value for --name. Note that etcd might run \
                 into issue when multiple members have the same default name"
            ),
            Note::DefaultDataDir(dir) => {
                tracing::warn!("data-dir" = dir, "'data-dir' was empty; using default");
            }
            Note::CertificateUnused(url) => tracing::warn!(
                "client-url" = url,
                "scheme is http or unix while key and cert files are present; ignoring key and cert files"
            ),
            Note::ClientAuthUnused(url) => tracing::warn!(
                "client-url" = url,
                "scheme is http or unix while --client-cert-auth is enabled; ignoring client cert auth for this URL"
            ),
            Note::CipherSuiteLeftOut(suite) => {
                tracing::warn!(
                    "cipher-suite" = suite,
                    "cipher suite cannot be chosen: all suites of TLS 1.3 are always offered, and of the other suites \
                     only those with forward secrecy and AEAD are built in"
                );
            }
        }
    }
}
