//! Certificates, keys and authorities that are wrong: the start fails, and the error names the file and what was
//! expected in it.

mod support;

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};
use support::{Server, contents, run};

/// Writes a self-signed certificate to `<name>.crt`, and its key to `<name>.key`.
fn issue(dir: &Path, name: &str) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(dir.join(format!("{name}.crt")), certificate.pem()).unwrap();
    std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    issue(dir.path(), "a");
    issue(dir.path(), "b");
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    write("text", b"this is no certificate\n");
    write("empty", b"");
    write("bytes", &[0, 159, 146, 150, 255]);
    write("cut.crt", b"-----BEGIN CERTIFICATE-----\nMIIB\n");
    write("not-base64.crt", b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
    write("not-der.crt", b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n");
    write("not-der.key", b"-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n");
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    dir
}

fn refused(dir: &Path, words: &[&str], texts: &[&str]) {
    let all = ["--listen-client-urls=https://127.0.0.1:0", "--advertise-client-urls=https://127.0.0.1:1"];
    let all: Vec<&str> = all.iter().chain(words).copied().collect();
    let before = contents(dir);
    let ended = run(dir, &all, &[]);
    let context = format!("{words:?}: {}", ended.err);
    assert_eq!(ended.code, Some(1), "{context}");
    for text in texts {
        assert!(ended.err.contains(text), "{text:?} is not in {context}");
    }
    assert_eq!(contents(dir), before, "{context}");
}

#[test]
fn a_bad_certificate_or_key_is_named_with_what_was_expected() {
    let dir = prepared();
    for (file, expected) in [
        ("none", "open none: no such file or directory"),
        ("folder", "open folder: is a directory"),
        ("text", "text: expected PEM blocks CERTIFICATE, found none"),
        ("empty", "empty: expected PEM blocks CERTIFICATE, found none"),
        ("bytes", "bytes: expected PEM blocks CERTIFICATE"),
        ("cut.crt", "cut.crt: expected PEM blocks CERTIFICATE"),
        ("not-base64.crt", "not-base64.crt: expected PEM blocks CERTIFICATE"),
        ("a.key", "a.key: expected PEM blocks CERTIFICATE, found none"),
        ("not-der.crt", "not-der.crt"),
        ("b.crt", "a.key is not the private key of the certificate in b.crt: expected a pair"),
    ] {
        refused(dir.path(), &[&format!("--cert-file={file}"), "--key-file=a.key"], &[expected]);
    }
    for (file, expected) in [
        ("none", "open none: no such file or directory"),
        ("folder", "open folder: is a directory"),
        ("text", "text: expected a PEM block PRIVATE KEY"),
        ("empty", "empty: expected a PEM block PRIVATE KEY"),
        ("a.crt", "a.crt: expected a PEM block PRIVATE KEY"),
        ("not-der.key", "not-der.key"),
        ("b.key", "b.key is not the private key of the certificate in a.crt: expected a pair"),
    ] {
        refused(dir.path(), &["--cert-file=a.crt", &format!("--key-file={file}")], &[expected]);
    }
    refused(
        dir.path(),
        &["--cert-file=a.crt"],
        &["TLS key/cert (--cert-file, --key-file) must be provided for client url"],
    );
    refused(dir.path(), &[], &["TLS key/cert (--cert-file, --key-file) must be provided for client url"]);
}

#[test]
fn a_bad_authority_is_named_with_what_was_expected() {
    let dir = prepared();
    for (file, expected) in [
        ("none", "open none: no such file or directory"),
        ("folder", "open folder: is a directory"),
        ("text", "text: expected PEM blocks CERTIFICATE, found none"),
        ("not-der.crt", "not-der.crt: expected X.509 certificates of authorities"),
        ("a.key", "a.key: expected PEM blocks CERTIFICATE, found none"),
    ] {
        refused(
            dir.path(),
            &["--cert-file=a.crt", "--key-file=a.key", &format!("--trusted-ca-file={file}")],
            &[expected],
        );
    }
    let demand = ["--cert-file=a.crt", "--key-file=a.key", "--client-cert-auth"];
    refused(dir.path(), &demand, &["a check of client certificates needs --trusted-ca-file"]);
    let names =
        ["--cert-file=a.crt", "--key-file=a.key", "--trusted-ca-file=a.crt", "--client-cert-allowed-hostname=a b"];
    refused(dir.path(), &names, &["--client-cert-allowed-hostname: expected host names, found \\\"a b\\\""]);
}

#[test]
fn naxos_ctl_names_a_bad_file_too() {
    let dir = prepared();
    for (words, expected) in [
        (&["--cacert=none", "--endpoints=https://127.0.0.1:1"][..], "open none: no such file or directory"),
        (&["--cacert=text"], "text: expected PEM blocks CERTIFICATE, found none"),
        (&["--cert=a.crt"], "--cert or --key is missing: expected both or none"),
        (&["--cert=a.crt", "--key=text"], "text: expected a PEM block PRIVATE KEY"),
        (&["--cert=a.crt", "--key=b.key"], "b.key is not the private key of the certificate in a.crt: expected a pair"),
        (&["--endpoints=ftp://127.0.0.1:1"], "ftp://127.0.0.1:1"),
    ] {
        let all: Vec<&str> = ["ctl", "status"].iter().chain(words).copied().collect();
        let ended = run(dir.path(), &all, &[]);
        assert_ne!(ended.code, Some(0), "{words:?}");
        assert!(ended.err.contains(expected), "{words:?}: {}", ended.err);
    }
}

/// etcd logs the same lines. Without them, the operator may believe that the port is secured.
#[test]
fn certificates_beside_a_plain_url_are_named_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let words = ["--cert-file=c.pem", "--key-file=k.pem", "--trusted-ca-file=ca.pem", "--client-cert-auth"];
    let (mut server, _) = Server::serving(dir.path(), &words);
    let log = server.log();
    assert!(log.contains("scheme is http or unix while key and cert files are present"), "{log}");
    assert!(log.contains("scheme is http or unix while --client-cert-auth is enabled"), "{log}");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn files_for_members_are_read_though_no_member_connects_yet() {
    let dir = prepared();
    let peers = "--listen-peer-urls=https://127.0.0.1:1";
    for (words, expected) in [
        (&[peers][..], "cannot listen on TLS for 127.0.0.1:1: KeyFile and CertFile are not presented"),
        (&["--peer-cert-file=none", "--peer-key-file=a.key"], "open none: no such file or directory"),
        (&[peers, "--peer-cert-file=b.crt", "--peer-key-file=a.key"], "a.key is not the private key"),
        (
            &["--peer-cert-file=a.crt", "--peer-key-file=a.key", "--peer-trusted-ca-file=text"],
            "text: expected PEM blocks CERTIFICATE, found none",
        ),
    ] {
        let own = ["--cert-file=a.crt", "--key-file=a.key"];
        let words: Vec<&str> = own.iter().chain(words).copied().collect();
        refused(dir.path(), &words, &[expected]);
    }
    let lenient = ["--peer-cert-file=a.crt", "--peer-key-file=a.key", "--peer-client-cert-auth"];
    let (server, _) = Server::serving(dir.path(), &lenient);
    assert_eq!(server.terminate(), Some(0), "etcd asks for no authority either");
}
