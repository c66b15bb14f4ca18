//! Flags about TLS and about users.

use super::flag::{Flag, Kind::*, among_members, ignored, not_built, used};
use super::table_member::ALONE;

const NO_USERS: &str = "there are no users and roles yet";

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
    ignored("client-cert-file", Text, "", ALONE),
    ignored("client-key-file", Text, "", ALONE),
    not_built("client-crl-file", Text, "", "a revocation list for client certificates"),
    not_built("auto-tls", Bool, "false", "TLS with certificates that the server makes itself"),
    among_members("peer-cert-file", Text, "", "Certificate that this member shows to others."),
    among_members("peer-key-file", Text, "", "Private key of --peer-cert-file."),
    among_members("peer-trusted-ca-file", Text, "", "Authorities that sign the certificates of members."),
    among_members(
        "peer-client-cert-auth",
        Bool,
        "false",
        "Other members must show a certificate. --peer-trusted-ca-file alone has this effect too.",
    ),
    among_members(
        "peer-client-cert-file",
        Text,
        "",
        "Certificate for connections to other members; --peer-cert-file if empty.",
    ),
    among_members("peer-client-key-file", Text, "", "Private key of --peer-client-cert-file."),
    ignored("peer-cert-allowed-cn", List, "", ALONE),
    among_members(
        "peer-cert-allowed-hostname",
        List,
        "",
        "Host names of which the certificate of another member must have one.",
    ),
    ignored("peer-skip-client-san-verification", Bool, "false", ALONE),
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
    ignored("auth-token", Text, "simple", NO_USERS),
    ignored("bcrypt-cost", Uint, "10", NO_USERS),
    ignored("auth-token-ttl", Uint, "300", NO_USERS),
];
