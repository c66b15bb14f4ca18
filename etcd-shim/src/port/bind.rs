//! Binds addresses as Go does: `localhost` is 127.0.0.1, or else ::1, and 0.0.0.0 also listens for IPv6 if the system
//! has it.

use std::io;
use std::os::unix::fs::FileTypeExt;

use naxos_proto::seams::{Address, Listener, Net};

use super::error::PortError;

/// Tries the addresses that `address` stands for, one after the other, and binds the first one that works. If one is in
/// use, the others are not tried.
pub(super) async fn bind(net: &dyn Net, address: &Address) -> Result<Box<dyn Listener>, PortError> {
    if let Address::Unix(path) = address {
        remove_stale(path);
    }
    let mut last = None;
    for form in forms(address) {
        match net.listen(&form).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(PortError::Bind { address: address.clone(), error });
            }
            Err(error) => last = Some(error),
        }
    }
    let error = last.unwrap_or_else(|| io::Error::other("no form of the address to try"));
    Err(PortError::Bind { address: address.clone(), error })
}

/// The file of a socket remains after its process was killed, and prevents binding to the path again. Files of other
/// kinds are not removed.
fn remove_stale(path: &std::path::Path) {
    if std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket()) {
        // If it cannot be removed, binding fails and gives the reason.
        let _ = std::fs::remove_file(path);
    }
}

fn forms(address: &Address) -> Vec<Address> {
    let Address::Tcp(text) = address else { return vec![address.clone()] };
    let with = |host: &str, rest: &str| Address::Tcp(format!("{host}:{rest}"));
    match text.rsplit_once(':') {
        Some(("localhost", port)) => vec![with("127.0.0.1", port), with("[::1]", port)],
        Some(("0.0.0.0", port)) => vec![with("[::]", port), address.clone()],
        _ => vec![address.clone()],
    }
}
