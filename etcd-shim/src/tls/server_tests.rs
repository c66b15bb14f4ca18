use super::super::testing::{Authority, options};
use super::*;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Makes one handshake in memory. Returns the certificate that the client saw, or the server's error.
async fn handshake(server: Arc<ServerConfig>, client: Arc<rustls::ClientConfig>) -> Result<Vec<u8>, String> {
    let (a, b) = tokio::io::duplex(65536);
    let name = "localhost".try_into().unwrap();
    let (client, server) =
        tokio::join!(TlsConnector::from(client).connect(name, a), TlsAcceptor::from(server).accept(b));
    server.map_err(|e| e.to_string())?;
    let client = client.map_err(|e| e.to_string())?;
    Ok(client.get_ref().1.peer_certificates().unwrap()[0].to_vec())
}

#[tokio::test]
async fn a_changed_certificate_is_served_from_the_next_handshake_on() {
    let authority = Authority::new();
    authority.issue("server", &["localhost"]);
    let config = server_config(&authority.server("server", false), &options()).unwrap();
    let first = handshake(config.clone(), authority.client(None, &["h2"])).await.unwrap();
    authority.issue("server", &["localhost"]);
    let second = handshake(config.clone(), authority.client(None, &["h2"])).await.unwrap();
    assert_ne!(first, second);
    std::fs::write(authority.path("server.crt"), "broken").unwrap();
    let third = handshake(config, authority.client(None, &["h2"])).await.unwrap();
    assert_eq!(second, third, "a broken file keeps the last good certificate");
}

#[tokio::test]
async fn a_client_without_a_good_certificate_is_refused_when_one_is_demanded() {
    let authority = Authority::new();
    authority.issue("server", &["localhost"]);
    authority.issue("client", &["good.example"]);
    let config = server_config(&authority.server("server", true), &options()).unwrap();
    assert!(handshake(config.clone(), authority.client(None, &["h2"])).await.is_err());
    assert!(handshake(config.clone(), authority.client(Some("client"), &["h2"])).await.is_ok());
    let stranger = Authority::new();
    stranger.issue("client", &["good.example"]);
    std::fs::copy(authority.path("ca.crt"), stranger.path("ca.crt")).unwrap();
    assert!(handshake(config, stranger.client(Some("client"), &["h2"])).await.is_err());

    let mut files = authority.server("server", true);
    files.allowed_hostname = vec!["other.example".to_owned(), "good.example".to_owned()];
    let config = server_config(&files, &options()).unwrap();
    assert!(handshake(config, authority.client(Some("client"), &["h2"])).await.is_ok());
    files.allowed_hostname = vec!["other.example".to_owned()];
    let config = server_config(&files, &options()).unwrap();
    assert!(handshake(config, authority.client(Some("client"), &["h2"])).await.is_err());
    files.allowed_hostname = Vec::new();
    for (allowed, is_good) in [("client", true), ("server", false)] {
        files.allowed_cn = vec!["another".to_owned(), allowed.to_owned()];
        let config = server_config(&files, &options()).unwrap();
        let made = handshake(config, authority.client(Some("client"), &["h2"])).await;
        assert_eq!(made.is_ok(), is_good, "only the common names another and {allowed} are allowed: {made:?}");
    }
}

#[tokio::test]
async fn an_authority_vouches_for_clients_only_while_it_is_valid_itself() {
    let (authority, ended) = (Authority::new(), Authority::valid_until(2020));
    authority.issue("server", &["localhost"]);
    authority.issue("client", &["localhost"]);
    ended.issue("client", &["localhost"]);
    let both = [&ended, &authority].map(|a| std::fs::read_to_string(a.path("ca.crt")).unwrap()).concat();
    std::fs::write(authority.path("both.crt"), both).unwrap();
    // Makes the clients in the folder of `files` trust the server, whose certificate `authority` has issued.
    let trusts = |files: &Authority| std::fs::copy(authority.path("ca.crt"), files.path("ca.crt")).unwrap();
    let mut files = authority.server("server", true);
    files.trusted_ca = Some(ended.path("old.crt"));
    std::fs::copy(ended.path("ca.crt"), ended.path("old.crt")).unwrap();
    trusts(&ended);
    let by_ended = server_config(&files, &options()).unwrap();
    let refused = handshake(by_ended, ended.client(Some("client"), &["h2"])).await.unwrap_err();
    assert!(refused.contains("Expired"), "{refused}");
    files.trusted_ca = Some(authority.path("both.crt"));
    let by_both = server_config(&files, &options()).unwrap();
    let refused = handshake(by_both.clone(), ended.client(Some("client"), &["h2"])).await.unwrap_err();
    assert!(refused.contains("Expired"), "{refused}");
    assert!(handshake(by_both, authority.client(Some("client"), &["h2"])).await.is_ok());
}

#[tokio::test]
async fn a_client_certificate_that_is_trusted_itself_needs_no_other() {
    let authority = Authority::new();
    authority.issue("server", &["localhost"]);
    authority.issue("client", &["localhost"]);
    authority.issue("other", &["localhost"]);
    let mut files = authority.server("server", true);
    files.trusted_ca = Some(authority.path("client.crt"));
    let by_client = server_config(&files, &options()).unwrap();
    assert!(handshake(by_client.clone(), authority.client(Some("client"), &["h2"])).await.is_ok());
    assert!(handshake(by_client.clone(), authority.client(Some("other"), &["h2"])).await.is_err());
    authority.issue_by_issued("client", "minted", &["localhost"]);
    let refused = handshake(by_client, authority.client(Some("minted"), &["h2"])).await.unwrap_err();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let by_authority = server_config(&authority.server("server", true), &options()).unwrap();
    assert!(handshake(by_authority, authority.client(Some("ca"), &["h2"])).await.is_ok());
}

#[tokio::test]
async fn a_wildcard_of_a_client_certificate_stands_for_one_label() {
    let authority = Authority::new();
    authority.issue("server", &["localhost"]);
    for (name, alternative, is_good) in [
        ("short", "*.example", true),
        ("long", "*.good.example", false),
        ("other", "*.invalid", false),
        ("inside", "g*.example", false),
    ] {
        authority.issue(name, &[alternative]);
        let mut files = authority.server("server", true);
        files.allowed_hostname = vec!["good.example".to_owned()];
        let config = server_config(&files, &options()).unwrap();
        let made = handshake(config, authority.client(Some(name), &["h2"])).await;
        assert_eq!(made.is_ok(), is_good, "{alternative}: {made:?}");
    }
}

#[tokio::test]
async fn the_chosen_suite_of_tls_12_is_the_only_one() {
    let authority = Authority::new();
    authority.issue("server", &["localhost"]);
    let mut options = options();
    options.max = TlsVersion::Tls12;
    options.cipher_suites = vec!["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".to_owned()];
    // The certificate is ECDSA, so no suite is left.
    let config = server_config(&authority.server("server", false), &options).unwrap();
    assert!(handshake(config, authority.client(None, &["h2"])).await.is_err());
    options.cipher_suites = vec!["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384".to_owned()];
    let config = server_config(&authority.server("server", false), &options).unwrap();
    assert!(handshake(config, authority.client(None, &["h2"])).await.is_ok());
}

#[test]
fn every_suite_of_the_flag_is_built_in() {
    let built_in: Vec<_> = ring::default_provider().cipher_suites.iter().map(|s| format!("{:?}", s.suite())).collect();
    for suite in crate::config::tls_options::SUITES {
        assert!(built_in.iter().any(|b| b == suite), "{suite}");
    }
}

#[test]
fn bad_files_are_named_with_what_was_expected_in_them() {
    let authority = Authority::new();
    authority.issue("server", &["localhost"]);
    authority.issue("other", &["localhost"]);
    std::fs::write(authority.path("empty"), "").unwrap();
    std::fs::write(authority.path("junk"), "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n").unwrap();
    let with = |change: &dyn Fn(&mut TlsFiles)| {
        let mut files = authority.server("server", true);
        change(&mut files);
        server_config(&files, &options()).err().unwrap().to_string()
    };
    let at = |name: &str| Some(authority.path(name));
    let shown = |name: &str| authority.path(name).display().to_string();
    assert_eq!(with(&|f| f.cert = at("nope")), format!("open {}: no such file or directory", shown("nope")));
    assert_eq!(
        with(&|f| f.cert = at("empty")),
        format!("{}: expected PEM blocks CERTIFICATE, found none", shown("empty"))
    );
    assert!(
        with(&|f| f.cert = at("junk"))
            .starts_with(&format!("{}: expected PEM blocks CERTIFICATE, found broken PEM", shown("junk")))
    );
    let key = "expected a PEM block PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY, found none";
    assert_eq!(with(&|f| f.key = at("server.crt")), format!("{}: {key}", shown("server.crt")));
    assert!(with(&|f| f.key = at("other.key")).contains("is not the private key of the certificate"));
    assert_eq!(
        with(&|f| f.trusted_ca = at("empty")),
        format!("{}: expected PEM blocks CERTIFICATE, found none", shown("empty"))
    );
    assert!(with(&|f| f.trusted_ca = None).starts_with("a check of client certificates needs --trusted-ca-file"));
    assert!(with(&|f| f.allowed_hostname = vec!["a b".to_owned()]).contains("expected host names, found \"a b\""));
    assert!(with(&|f| f.key = None).contains("(--cert-file, --key-file) must be provided"));
}
