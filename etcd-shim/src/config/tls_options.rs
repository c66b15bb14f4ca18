//! Reads TLS versions and cipher suites from the flags.

use super::note::Note;
use super::tls_files::{TlsOptions, TlsVersion};

/// The suites for TLS 1.2 that are built in, by Go's names (which are IANA's).
pub(crate) const SUITES: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// Suites that Go knows and that cannot be chosen here. The first three are for TLS 1.3: they are always on, and Go
/// does not let anyone choose them either. The others are not built in, because they have no forward secrecy or no
/// authenticated cipher.
const OTHERS: [&str; 17] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
];

/// Reads the three flags. The errors are etcd's, except for two about cipher suites. The error for an unknown suite
/// also gives an example. The error for suites that are not built in does not exist in etcd.
pub(super) fn parse(min: &str, max: &str, suites: &[String], notes: &mut Vec<Note>) -> Result<TlsOptions, String> {
    let (lowest, highest) = (TlsVersion::parse(min)?, TlsVersion::parse(max)?);
    let lowest_or_default = lowest.unwrap_or(TlsVersion::Tls12);
    if highest.is_some_and(|h| lowest_or_default > h) {
        return Err(format!("min version ({min}) is greater than max version ({max})"));
    }
    if lowest == Some(TlsVersion::Tls13) && !suites.is_empty() {
        return Err("cipher suites cannot be configured when only TLS1.3 is enabled".to_owned());
    }
    let mut chosen = Vec::new();
    for suite in suites {
        // Go's old names for the two ChaCha suites do not end with `_SHA256`.
        let full = format!("{suite}_SHA256");
        if let Some(known) = SUITES.iter().find(|s| **s == suite || (suite.ends_with("POLY1305") && **s == full)) {
            chosen.push((*known).to_owned());
        } else if OTHERS.contains(&suite.as_str()) || suite.starts_with("TLS_ECDHE_") && suite.ends_with("_CBC_SHA256")
        {
            notes.push(Note::CipherSuiteLeftOut(suite.clone()));
        } else {
            return Err(format!("unexpected TLS cipher suite {suite:?} (expected names such as {})", SUITES[0]));
        }
    }
    if chosen.is_empty() && !suites.is_empty() {
        let expected = SUITES.join(", ");
        return Err(format!("--cipher-suites names no suite of TLS 1.2 that is built in (expected one of {expected})"));
    }
    Ok(TlsOptions { min: lowest_or_default, max: highest.unwrap_or(TlsVersion::Tls13), cipher_suites: chosen })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_suites_read_as_in_etcd() {
        let suites = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let mut notes = Vec::new();
        let given = suites(&[
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
            "TLS_RSA_WITH_AES_128_GCM_SHA256",
        ]);
        let options = parse("TLS1.2", "", &given, &mut notes).unwrap();
        assert_eq!(
            options.cipher_suites,
            ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"]
        );
        assert_eq!(notes, [Note::CipherSuiteLeftOut("TLS_RSA_WITH_AES_128_GCM_SHA256".to_owned())]);
        let table = [
            (("x", "", &[][..]), "unexpected TLS version \"x\" (must be one of: TLS1.2, TLS1.3)"),
            (("TLS1.3", "TLS1.2", &[]), "min version (TLS1.3) is greater than max version (TLS1.2)"),
            (("TLS1.3", "", &["a"]), "cipher suites cannot be configured when only TLS1.3 is enabled"),
        ];
        for ((min, max, names), error) in table {
            assert_eq!(parse(min, max, &suites(names), &mut notes).unwrap_err(), error);
        }
        assert!(
            parse("", "", &suites(&["foo"]), &mut notes)
                .unwrap_err()
                .starts_with("unexpected TLS cipher suite \"foo\"")
        );
        assert!(parse("", "", &suites(&["TLS_RSA_WITH_RC4_128_SHA"]), &mut notes).is_err());
    }
}
