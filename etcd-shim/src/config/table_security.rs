//! Flags about TLS and about users.

use super::flag::{Flag, Kind::*, ignored, not_built, used};

const NO_USERS: &str = "there are no users and roles yet";
const NO_OWN_CLIENT: &str = "Naxos never connects to a client URL itself";

/// The group "Security".
pub(super) const SECURITY: &[Flag] = &[
    used("cert-file", Text, "", "Certificate chain (PEM) shown to clients. Read again when the file changes."),
    used("key-file", Text, "", "Private key (PEM) of --cert-file. Read again when the file changes."),
    used(
        "trusted-ca-file",
        Text,
        "",
        "Certificate authorities (PEM) that sign client certificates. If set, clients must show a certificate.",
    ),
    used("client-cert-auth", Bool, "false", "Refuse clients without a certificate that --trusted-ca-file signed."),
    used("client-cert-allowed-hostname", List, "", "A client's certificate must have one of these host names."),
    ignored("client-cert-file", Text, "", NO_OWN_CLIENT),
    ignored("client-key-file", Text, "", NO_OWN_CLIENT),
    not_built("client-crl-file", Text, "", "a revocation list for client certificates"),
    used(
        "auto-tls",
        Bool,
        "false",
        "Serve TLS with a certificate that the server makes at each start. Clients cannot verify the server.",
    ),
    used("peer-cert-file", Text, "", "Certificate that this member shows to others."),
    used("peer-key-file", Text, "", "Private key of --peer-cert-file."),
    used("peer-trusted-ca-file", Text, "", "Authorities that sign the certificates of members."),
    used(
        "peer-client-cert-auth",
        Bool,
        "false",
        "Other members must show a certificate. --peer-trusted-ca-file alone has this effect too.",
    ),
    used("peer-client-cert-file", Text, "", "Certificate for connections to other members; --peer-cert-file if empty."),
    used("peer-client-key-file", Text, "", "Private key of --peer-client-cert-file."),
    used("peer-cert-allowed-cn", List, "", "Another member's certificate must have one of these common names."),
    used("peer-cert-allowed-hostname", List, "", "Another member's certificate must have one of these host names."),
    ignored(
        "peer-skip-client-san-verification",
        Bool,
        "false",
        "the address from which another member connects is never compared with the names in its certificate",
    ),
    not_built("peer-crl-file", Text, "", "a revocation list for the members' certificates"),
    used(
        "peer-auto-tls",
        Bool,
        "false",
        "TLS between members with certificates that they make at each start. Members cannot verify each other.",
    ),
    ignored("self-signed-cert-validity", Uint, "1", "a certificate of the server's own is made again at each start"),
    used("cipher-suites", List, "", "Cipher suites for TLS 1.2, by their IANA names. Default: the safe ones."),
    used("tls-min-version", Text, "TLS1.2", "Lowest TLS version: TLS1.2 or TLS1.3."),
    used("tls-max-version", Text, "", "Highest TLS version: TLS1.2 or TLS1.3. Default: the highest there is."),
    used("cors", Origins, "*", "Origins that browsers may call from; * for all."),
    used("host-whitelist", Set, "*", "Host names that requests without TLS may ask for; * for all."),
];

/// The group "Auth".
pub(super) const AUTH: &[Flag] = &[
    ignored("auth-token", Text, "simple", NO_USERS),
    ignored("bcrypt-cost", Uint, "10", NO_USERS),
    ignored("auth-token-ttl", Uint, "300", NO_USERS),
];
