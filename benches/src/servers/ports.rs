//! [`free_ports`]: ports for servers that are about to start.

use std::net::TcpListener;
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, ensure};

/// Linux gives the ports from 32768 on to outgoing connections. If a server is to listen on one of them, a connection
/// of another server may take that port first. So these ports lie below.
const PORTS: Range<u16> = 10_000..32_000;

/// How many ports this process has looked at.
static LOOKED_AT: AtomicU16 = AtomicU16::new(0);

/// Returns `count` different ports of the loopback interface on which nothing listens.
pub fn free_ports(count: usize) -> Result<Vec<u16>> {
    let len = PORTS.end - PORTS.start;
    // Two processes begin at different places. The number is a prime, so that neighbouring process ids are far apart.
    let begin = (std::process::id().wrapping_mul(7_919) % u32::from(len)) as u16;
    let next = |_| PORTS.start + begin.wrapping_add(LOOKED_AT.fetch_add(1, Ordering::Relaxed)) % len;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let found: Vec<u16> = PORTS.map(next).filter(is_free).take(count).collect();
    ensure!(found.len() == count, "expected {count} free ports in {PORTS:?}, found {}", found.len());
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ports_differ_and_are_free_and_no_outgoing_connection_gets_them() {
        let found: Vec<u16> = (0..50).flat_map(|_| free_ports(4).expect("ports")).collect();
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 200);
        assert!(found.iter().all(|port| PORTS.contains(port)), "{found:?}");
        let taken = TcpListener::bind(("127.0.0.1", found[0])).expect("it is free");
        assert!(TcpListener::bind(taken.local_addr().expect("an address")).is_err(), "a taken port is seen");
    }
}
