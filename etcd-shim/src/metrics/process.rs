//! What the operating system knows about this process, read at each scrape.

use std::fmt::Write;

/// The soft limit of open files of this process.
pub(crate) fn descriptor_limit() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Appends `process_*` and `os_fd_*`. Without a /proc, the number of open descriptors is 0, and CPU time and memory are
/// left out.
pub(super) fn write(out: &mut String, start_seconds: f64) {
    let limit = descriptor_limit();
    let open = std::fs::read_dir("/proc/self/fd").map(|d| d.count() as u64).unwrap_or(0);
    let mut row = |name: &str, kind: &str, help: &str, value: f64| {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    };
    row("os_fd_limit", "gauge", "File descriptors allowed", limit as f64);
    row("os_fd_used", "gauge", "File descriptors in use", open as f64);
    row("process_max_fds", "gauge", "Maximum number of open file descriptors", limit as f64);
    row("process_open_fds", "gauge", "Number of open file descriptors", open as f64);
    row("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds", start_seconds);
    let Some(usage) = std::fs::read_to_string("/proc/self/stat").ok().and_then(|s| Usage::parse(&s)) else { return };
    row("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds", usage.cpu_seconds);
    row("process_resident_memory_bytes", "gauge", "Resident memory size in bytes", usage.resident_bytes);
    row("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes", usage.virtual_bytes);
}

struct Usage {
    cpu_seconds: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
}

impl Usage {
    /// Reads `/proc/<pid>/stat`. The fields after the program's name are numbered from 3 on.
    fn parse(stat: &str) -> Option<Usage> {
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let field = |n: usize| fields.get(n - 3).and_then(|f| f.parse::<f64>().ok());
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        Some(Usage {
            cpu_seconds: (field(14)? + field(15)?) / ticks,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * rustix::param::page_size() as f64,
        })
    }
}
