//! Tells systemd that the server is ready (sd_notify(3)).

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sends `READY=1` to the socket in `NOTIFY_SOCKET`. Returns false if there is none.
pub(super) fn notify(socket: Option<&str>) -> io::Result<bool> {
    let Some(name) = socket.filter(|n| !n.is_empty()) else { return Ok(false) };
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_hears_that_the_server_is_ready() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        assert!(notify(path.to_str()).unwrap());
        let mut text = [0; 16];
        let count = socket.recv(&mut text).unwrap();
        assert_eq!(&text[..count], b"READY=1");
        assert!(!notify(None).unwrap() && !notify(Some("")).unwrap());
        assert!(notify(dir.path().join("nobody").to_str()).is_err());
    }
}
