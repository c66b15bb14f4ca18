//! Makes a [`ServerConfig`] from settings: conversions, and the checks of etcd's `Validate` in etcd's order.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use naxos_proto::contracts::APPEND_BYTES_MAX;
use naxos_proto::role::Role;

use super::cluster::{check_distinct, check_self, parse_members};
use super::compaction::AutoCompaction;
use super::note::Note;
use super::server_config::{
    AuthConfig, ClusterConfig, ClusterState, Keepalive, Limits, MetricsLevel, Program, ServerConfig,
};
use super::settings::Settings;
use super::srv_domain::SrvDomain;
use super::tls_files::{TlsFiles, TlsOptions};
use super::url::{Url, join};
use super::{log_config::LogConfig, old_names, tls_options};

/// The longest election time-out in milliseconds.
const ELECTION_MS_MAX: u64 = 50_000;
/// The largest request that `--max-request-bytes` can allow: the most that etcd recommends. In the log it becomes an
/// append, which has some more bytes.
const REQUEST_BYTES_MAX: usize = 10 << 20;
const _: () = assert!(REQUEST_BYTES_MAX + (512 << 10) <= APPEND_BYTES_MAX, "a request becomes one append");
/// The name of a member when no name was given.
const DEFAULT_NAME: &str = "default";
/// The values of `--bcrypt-cost` that bcrypt accepts.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=31;
/// The cost that is used if the flag's value is outside [`BCRYPT_COSTS`], as in etcd.
const BCRYPT_COST: u32 = 10;

/// Makes the configuration. The error says what is wrong with the settings.
pub(super) fn assemble(
    mut settings: Settings,
    (program, role): (Program, Role),
    from_file: bool,
    notes: &mut Vec<Note>,
) -> Result<ServerConfig, String> {
    let feature_gates = old_names::resolve(&mut settings, notes)?;
    let s = &settings;
    let log =
        LogConfig::parse(&s.text("logger"), &s.text("log-level"), &s.text("log-format"), s.set_of("log-outputs"))?;
    check_urls(s, from_file, notes)?;
    check_no_clients(s, role)?;
    let name = s.text("name");
    let advertise_peer_urls = s.urls("initial-advertise-peer-urls");
    let cluster = cluster(s, &name, &advertise_peer_urls, from_file)?;
    let ignored = old_names::refuse_not_built(s, notes)?;
    check_timing(s)?;
    let tls = tls_options(s, notes)?;
    let client_tls = client_tls(s, notes)?;
    let peer_tls = peer_tls(s, notes)?;
    note_plain_urls(s, &client_tls, notes);
    if name == DEFAULT_NAME {
        notes.push(Note::DefaultName(name.clone()));
    }
    let of_clients = |name| if role.has_state() { s.urls(name) } else { Vec::new() };
    Ok(ServerConfig {
        program,
        role,
        data_dir: data_dir(s, program, &name, notes),
        name,
        listen_client_urls: of_clients("listen-client-urls"),
        listen_client_http_urls: s.urls("listen-client-http-urls"),
        listen_metrics_urls: s.urls("listen-metrics-urls"),
        listen_peer_urls: s.urls("listen-peer-urls"),
        advertise_client_urls: of_clients("advertise-client-urls"),
        advertise_peer_urls,
        cluster,
        limits: limits(s)?,
        keepalive: Keepalive {
            min_time: time(s, "grpc-keepalive-min-time"),
            interval: time(s, "grpc-keepalive-interval"),
            timeout: time(s, "grpc-keepalive-timeout"),
        },
        heartbeat: Duration::from_millis(s.uint("heartbeat-interval")),
        election_timeout: Duration::from_millis(s.uint("election-timeout")),
        auto_compaction: AutoCompaction::parse(&s.text("auto-compaction-mode"), &s.text("auto-compaction-retention"))?,
        compaction_batch_limit: usize::try_from(s.int("compaction-batch-limit"))
            .ok()
            .filter(|n| *n > 0)
            .unwrap_or(1000),
        compaction_sleep_interval: time_or(s, "compaction-sleep-interval", Duration::from_millis(10)),
        watch_progress_notify_interval: time_or(s, "watch-progress-notify-interval", Duration::from_secs(600)),
        warning_unary_request_duration: time_or(s, "warning-unary-request-duration", Duration::from_millis(300)),
        warning_apply_duration: time(s, "warning-apply-duration"),
        corrupt_check_time: time(s, "corrupt-check-time"),
        compact_hash_check_time: time(s, "compact-hash-check-time"),
        client_tls,
        peer_tls,
        tls,
        cors: s.set_of("cors"),
        host_whitelist: s.set_of("host-whitelist"),
        auth: AuthConfig {
            token: auth_token(s)?,
            bcrypt_cost: bcrypt_cost(s),
            token_ttl: Duration::from_secs(s.uint("auth-token-ttl")),
        },
        feature_gates,
        metrics: if s.text("metrics") == "extensive" { MetricsLevel::Extensive } else { MetricsLevel::Basic },
        log,
        unsafe_no_fsync: s.bool("unsafe-no-fsync"),
        ignored,
    })
}

fn check_urls(s: &Settings, from_file: bool, notes: &mut Vec<Note>) -> Result<(), String> {
    for name in ["listen-peer-urls", "listen-client-urls", "listen-client-http-urls", "listen-metrics-urls"] {
        s.urls(name).iter().try_for_each(Url::check_bind)?;
    }
    if s.urls("listen-client-http-urls").is_empty() {
        notes.push(Note::SinglePort);
    }
    for name in ["initial-advertise-peer-urls", "advertise-client-urls"] {
        let urls = s.urls(name);
        // The URL of a Unix socket with an absolute path has an empty host, and is correct.
        if let Some(empty) = urls.iter().find(|u| !u.is_unix() && u.host_name().is_empty()) {
            return Err(format!("--{name} {:?} must be \"host:port\" (unexpected empty host ({empty}))", join(&urls)));
        }
    }
    if !from_file && s.is_set("listen-client-urls") && !s.is_set("advertise-client-urls") {
        return Err("--advertise-client-urls is required when --listen-client-urls is set explicitly".to_owned());
    }
    let grpc = s.urls("listen-client-urls");
    if let Some(twice) =
        s.urls("listen-client-http-urls").iter().find(|u| grpc.iter().any(|g| g.address() == u.address()))
    {
        return Err(format!(
            "cannot bind both --listen-client-urls and --listen-client-http-urls on the same url {twice}"
        ));
    }
    check_certificates(s)
}

/// Refuses URLs for clients if the process serves none.
fn check_no_clients(s: &Settings, role: Role) -> Result<(), String> {
    let given = ["listen-client-urls", "advertise-client-urls", "listen-client-http-urls"];
    match given.into_iter().find(|name| s.is_set(name)) {
        Some(name) if !role.has_state() => Err(format!(
            "--{name} is set, but `{}` serves no clients: expected --listen-peer-urls, and perhaps --listen-metrics-urls for \
             health checks",
            role.command()
        )),
        _ => Ok(()),
    }
}

/// Checks that a certificate is given if TLS is used.
fn check_certificates(s: &Settings) -> Result<(), String> {
    let has_certificate = !s.text("cert-file").is_empty() && !s.text("key-file").is_empty();
    if has_certificate || s.bool("auto-tls") {
        return Ok(());
    }
    for name in ["listen-client-urls", "listen-client-http-urls"] {
        if let Some(url) = s.urls(name).iter().find(|u| u.is_secure()) {
            return Err(format!(
                "TLS key/cert (--cert-file, --key-file) must be provided for client url {url} with HTTPS scheme"
            ));
        }
    }
    if s.urls("listen-metrics-urls").iter().any(Url::is_secure) {
        return Err("client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url".to_owned());
    }
    Ok(())
}

fn check_timing(s: &Settings) -> Result<(), String> {
    let (heartbeat, election) = (s.uint("heartbeat-interval"), s.uint("election-timeout"));
    if heartbeat == 0 {
        return Err(format!("--heartbeat-interval must be >0 (set to {heartbeat}ms)"));
    }
    if election == 0 {
        return Err(format!("--election-timeout must be >0 (set to {election}ms)"));
    }
    if heartbeat.saturating_mul(5) > election {
        return Err(format!(
            "--election-timeout[{election}ms] should be at least as 5 times as --heartbeat-interval[{heartbeat}ms]"
        ));
    }
    if election > ELECTION_MS_MAX {
        return Err(format!(
            "--election-timeout[{election}ms] is too long, and should be set less than {ELECTION_MS_MAX}ms"
        ));
    }
    if s.int("corrupt-check-time") < 0 {
        return Err(format!(
            "--corrupt-check-time: expected 0s (never) or more, found {}",
            super::go_duration::format_duration(s.int("corrupt-check-time"))
        ));
    }
    if s.int("compact-hash-check-time") <= 0 {
        return Err(format!(
            "--compact-hash-check-time must be >0 (set to {})",
            super::go_duration::format_duration(s.int("compact-hash-check-time"))
        ));
    }
    Ok(())
}

/// The cluster that the flags describe. If this member is not one of its members, the flags cannot create a cluster. That is
/// no error here, because only a first start creates a cluster: the result says why in its field `refusal`.
fn cluster(s: &Settings, name: &str, advertised: &[Url], from_file: bool) -> Result<ClusterConfig, String> {
    let text = s.text("initial-cluster");
    let discovery_srv = SrvDomain::read(s, from_file)?;
    let members = if discovery_srv.is_some() {
        BTreeMap::new()
    } else if text.is_empty() {
        // etcd uses the advertised URLs here only if the member was given a name.
        let named = name != DEFAULT_NAME;
        let urls = if named { advertised } else { &Settings::default().urls("initial-advertise-peer-urls") };
        let name = if name.is_empty() { DEFAULT_NAME } else { name };
        parse_members(&urls.iter().map(|u| format!("{name}={u}")).collect::<Vec<_>>().join(","))?
    } else {
        parse_members(&text)?
    };
    let refusal = if discovery_srv.is_some() {
        None
    } else {
        SrvDomain::without_domain(s, from_file, name).or_else(|| check_self(name, advertised, &members).err())
    };
    check_distinct(&members)?;
    let state = if s.text("initial-cluster-state") == "existing" { ClusterState::Existing } else { ClusterState::New };
    let token = s.text("initial-cluster-token");
    let strict_reconfig_check = s.bool("strict-reconfig-check");
    let learners_max = u32::try_from(s.int("max-learners"))
        .map_err(|_| format!("--max-learners: expected 0 to {}, found {}", u32::MAX, s.int("max-learners")))?;
    let force_new = s.bool("force-new-cluster");
    Ok(ClusterConfig {
        members,
        is_compared: false,
        discovery_srv,
        refusal,
        state,
        token,
        strict_reconfig_check,
        learners_max,
        force_new,
    })
}

fn limits(s: &Settings) -> Result<Limits, String> {
    let size = |name: &str, max: usize| {
        let value = s.uint(name);
        let read = usize::try_from(value).ok().filter(|v| (1..=max).contains(v));
        read.ok_or_else(|| format!("--{name}: expected 1 to {max}, found {value}"))
    };
    Ok(Limits {
        quota_backend_bytes: s.int("quota-backend-bytes"),
        max_txn_ops: size("max-txn-ops", i32::MAX.unsigned_abs() as usize)?,
        resident_bytes: usize::try_from(s.uint("naxos-resident-bytes")).unwrap_or(usize::MAX),
        held_log_bytes: s.uint("naxos-held-log-bytes"),
        max_request_bytes: size("max-request-bytes", REQUEST_BYTES_MAX)?,
        max_concurrent_streams: u32::try_from(s.uint("max-concurrent-streams"))
            .ok()
            .filter(|n| *n > 0)
            .unwrap_or(u32::MAX),
    })
}

fn auth_token(s: &Settings) -> Result<String, String> {
    let token = s.text("auth-token");
    match token.split(',').next().unwrap_or_default() {
        "simple" | "" => Ok("simple".to_owned()),
        "jwt" => Err("--auth-token=jwt is not built yet, expected simple".to_owned()),
        _ => Err(format!("auth: invalid auth options {token:?}, expected simple")),
    }
}

fn data_dir(s: &Settings, program: Program, name: &str, notes: &mut Vec<Note>) -> PathBuf {
    let given = s.text("data-dir");
    if !given.is_empty() {
        return given.into();
    }
    let suffix = match program {
        Program::Naxos => "naxos",
        Program::Etcd => "etcd",
    };
    let dir = format!("{name}.{suffix}");
    notes.push(Note::DefaultDataDir(dir.clone()));
    dir.into()
}

fn path(s: &Settings, name: &str) -> Option<PathBuf> {
    Some(s.text(name)).filter(|t| !t.is_empty()).map(PathBuf::from)
}

fn bcrypt_cost(s: &Settings) -> u32 {
    u32::try_from(s.uint("bcrypt-cost")).ok().filter(|cost| BCRYPT_COSTS.contains(cost)).unwrap_or(BCRYPT_COST)
}

fn client_tls(s: &Settings, notes: &mut Vec<Note>) -> Result<TlsFiles, String> {
    let files = TlsFiles {
        cert: path(s, "cert-file"),
        key: path(s, "key-file"),
        trusted_ca: path(s, "trusted-ca-file"),
        client_cert_auth: s.bool("client-cert-auth"),
        client_cert: path(s, "client-cert-file"),
        client_key: path(s, "client-key-file"),
        allowed_cn: Vec::new(),
        allowed_hostname: s.list("client-cert-allowed-hostname"),
        is_self_signed: false,
    };
    paired("", self_signed(s, "auto-tls", files, notes))
}

/// Adds a note for each plain-text URL if certificates are given, because the operator may believe that such a URL uses
/// TLS.
fn note_plain_urls(s: &Settings, tls: &TlsFiles, notes: &mut Vec<Note>) {
    for name in ["listen-client-urls", "listen-client-http-urls"] {
        for url in s.urls(name).iter().filter(|u| !u.is_secure()) {
            if !tls.is_empty() {
                notes.push(Note::CertificateUnused(url.to_string()));
            }
            if tls.client_cert_auth {
                notes.push(Note::ClientAuthUnused(url.to_string()));
            }
        }
    }
}

fn peer_tls(s: &Settings, notes: &mut Vec<Note>) -> Result<TlsFiles, String> {
    let files = TlsFiles {
        cert: path(s, "peer-cert-file"),
        key: path(s, "peer-key-file"),
        trusted_ca: path(s, "peer-trusted-ca-file"),
        client_cert_auth: s.bool("peer-client-cert-auth"),
        client_cert: path(s, "peer-client-cert-file"),
        client_key: path(s, "peer-client-key-file"),
        allowed_cn: s.list("peer-cert-allowed-cn"),
        allowed_hostname: s.list("peer-cert-allowed-hostname"),
        is_self_signed: false,
    };
    if !files.allowed_cn.is_empty() && !files.allowed_hostname.is_empty() {
        return Err(
            "--peer-cert-allowed-cn and --peer-cert-allowed-hostname are both set, expected at most one".to_owned()
        );
    }
    paired("peer-", self_signed(s, "peer-auto-tls", files, notes))
}

/// With the flag `flag` the server makes a certificate itself, unless the flags name one.
fn self_signed(s: &Settings, flag: &'static str, files: TlsFiles, notes: &mut Vec<Note>) -> TlsFiles {
    let has_certificate = !files.is_empty();
    if s.bool(flag) && has_certificate {
        notes.push(Note::Ignored { flag, why: "the flags name a certificate" });
    }
    TlsFiles { is_self_signed: s.bool(flag) && !has_certificate, ..files }
}

/// Checks that a certificate and its key are given together.
fn paired(prefix: &str, files: TlsFiles) -> Result<TlsFiles, String> {
    for (cert, key, what) in [(&files.cert, &files.key, ""), (&files.client_cert, &files.client_key, "client-")] {
        if cert.is_some() != key.is_some() {
            return Err(format!(
                "--{prefix}{what}cert-file and --{prefix}{what}key-file must both be present, found only one of them"
            ));
        }
    }
    Ok(files)
}

fn tls_options(s: &Settings, notes: &mut Vec<Note>) -> Result<TlsOptions, String> {
    tls_options::parse(&s.text("tls-min-version"), &s.text("tls-max-version"), &s.list("cipher-suites"), notes)
}

fn time(s: &Settings, name: &str) -> Duration {
    Duration::from_nanos(u64::try_from(s.int(name)).unwrap_or(0))
}

fn time_or(s: &Settings, name: &str, default: Duration) -> Duration {
    Some(time(s, name)).filter(|t| !t.is_zero()).unwrap_or(default)
}
