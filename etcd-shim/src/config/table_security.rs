//! Flags about TLS and about users.

use super::flag::{Flag, Kind::*, ignored, not_built, used};

/// The group "Security".
pub(super) const SECURITY: &[Flag] = &[
    used("cert-file", Text, "", "Certificate chain (PEM) shown to clients. Read again when the file changes."),
    used("key-file", Text, "", "Private key (PEM) of --cert-file. Read again when the file changes."),
    used(
        "trusted-ca-file",
        Text,
        "",
        "Certificate authorities (PEM) that sign client certificates; clients then must have one.",
    ),
    used("client-cert-auth", Bool, "false", "Refuse clients without a certificate that --trusted-ca-file signed."),
    used("client-cert-allowed-hostname", List, "", "Host names, one of which a client's certificate must hold."),
    used(
        "client-cert-file",
        Text,
        "",
        "Certificate for connections that this member opens to itself and others. Default: --cert-file.",
    ),
    used("client-key-file", Text, "", "Private key of --client-cert-file."),
    not_built("client-crl-file", Text, "", "a revocation list for client certificates"),
    not_built("auto-tls", Bool, "false", "TLS with certificates that the server makes itself"),
    used("peer-cert-file", Text, "", "Certificate chain (PEM) shown to other members."),
    used("peer-key-file", Text, "", "Private key (PEM) of --peer-cert-file."),
    used("peer-trusted-ca-file", Text, "", "Certificate authorities (PEM) that sign the members' certificates."),
    used(
        "peer-client-cert-auth",
        Bool,
        "false",
        "Refuse members without a certificate that --peer-trusted-ca-file signed.",
    ),
    used("peer-client-cert-file", Text, "", "Certificate for connections to other members. Default: --peer-cert-file."),
    used("peer-client-key-file", Text, "", "Private key of --peer-client-cert-file."),
    used("peer-cert-allowed-cn", List, "", "Common names, one of which a member's certificate must hold."),
    used("peer-cert-allowed-hostname", List, "", "Host names, one of which a member's certificate must hold."),
    used(
        "peer-skip-client-san-verification",
        Bool,
        "false",
        "Do not compare a member's address with the names in its certificate.",
    ),
    not_built("peer-crl-file", Text, "", "a revocation list for the members' certificates"),
    not_built("peer-auto-tls", Bool, "false", "TLS with certificates that the server makes itself"),
    ignored("self-signed-cert-validity", Uint, "1", "the server makes no certificates yet"),
    used("cipher-suites", List, "", "Cipher suites for TLS 1.2, by their IANA names. Default: the safe ones."),
    used("tls-min-version", Text, "TLS1.2", "Lowest TLS version: TLS1.2 or TLS1.3."),
    used("tls-max-version", Text, "", "Highest TLS version: TLS1.2 or TLS1.3. Default: the highest there is."),
    used("cors", Origins, "*", "Origins that browsers may call from; * for all."),
    used("host-whitelist", Set, "*", "Host names that requests without TLS may ask for; * for all."),
];

/// The group "Auth".
pub(super) const AUTH: &[Flag] = &[
    used("auth-token", Text, "simple", "Kind of token for logged-in users: simple (jwt is not there yet)."),
    used("bcrypt-cost", Uint, "10", "Work that one hash of a password takes, 4 to 31."),
    used("auth-token-ttl", Uint, "300", "Seconds that a simple token lives."),
];
