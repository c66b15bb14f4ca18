use super::*;
use crate::config::LogOutput;
use naxos_proto::seams::{BootClock, ThreadWorker};
use std::io::Read;

fn config(format: LogFormat, file: &std::path::Path) -> LogConfig {
    LogConfig { level: tracing::Level::INFO, format, outputs: vec![LogOutput::File(file.to_owned())] }
}

async fn lines(format: LogFormat, make: impl FnOnce()) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log");
    let (log, layer) = Log::start(&config(format, &file), Arc::new(BootClock), &ThreadWorker).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), make);
    log.finish().await;
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_line_has_the_fields_and_the_order_of_zap() {
    let lines = lines(LogFormat::Json, || {
        tracing::warn!("remote-addr" = "1.2.3.4:5", count = 3_u64, good = true, part = 0.5, "a \"quoted\"\nline");
        tracing::error!(fatal = true, error = %std::io::Error::other("x"), "end");
    })
    .await;
    let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(line["level"], "warn");
    assert_eq!(line["msg"], "a \"quoted\"\nline");
    assert_eq!(line["remote-addr"], "1.2.3.4:5");
    assert_eq!((&line["count"], &line["good"], &line["part"]), (&3.into(), &true.into(), &0.5.into()));
    assert!(line["caller"].as_str().unwrap().starts_with("logging/log_tests.rs:"));
    let time = line["ts"].as_str().unwrap();
    assert_eq!((time.len(), time.as_bytes()[26]), ("2026-11-21T06:12:08.838416Z".len(), b'Z'), "{time}");
    assert!(lines[0].starts_with("{\"level\":\"warn\",\"ts\":\""));
    let end: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!((&end["level"], &end["error"]), (&"fatal".into(), &"x".into()));
    assert!(end.get("fatal").is_none());
}

#[tokio::test]
async fn the_console_form_has_tabs() {
    let lines = lines(LogFormat::Console, || {
        tracing::info!(a = 1, "with");
        tracing::info!("without");
    })
    .await;
    let parts: Vec<_> = lines[0].split('\t').collect();
    assert_eq!((parts[1], parts[3], parts[4]), ("info", "with", "{\"a\":1}"));
    assert_eq!(lines[1].split('\t').count(), 4);
}

#[tokio::test]
async fn a_log_that_nobody_reads_drops_lines_counts_them_and_blocks_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    // Open both ends, so that opening does not wait. Nothing is read yet.
    let mut reader = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    let (log, layer) = Log::start(&config(LogFormat::Json, &path), Arc::new(BootClock), &ThreadWorker).unwrap();
    let count = 4 * LINES_MAX;
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for i in 0..count {
            tracing::info!(i, "{}", "x".repeat(100));
        }
    });
    let reading = std::thread::Builder::new().spawn(move || {
        let mut text = Vec::new();
        let mut buffer = [0; 65536];
        while !String::from_utf8_lossy(&text).contains("log lines dropped") {
            let n = reader.read(&mut buffer).unwrap();
            text.extend_from_slice(&buffer[..n]);
        }
        text
    });
    log.finish().await;
    let text = String::from_utf8(reading.unwrap().join().unwrap()).unwrap();
    let report = text.lines().find(|l| l.contains("log lines dropped")).unwrap();
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    assert!(report["count"].as_u64().unwrap() > 0);
}
