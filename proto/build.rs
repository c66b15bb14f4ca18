//! Compiles the `.proto` files with protox, which needs no `protoc`. etcd's files are compiled twice: for servers, with
//! hand-written types in place of some messages (the twins and `TxnRequest`), and for clients, with generated types
//! only. The file of the feature `peer` is compiled once, for both sides.

#[cfg(feature = "etcd")]
mod etcd {
    use std::io::Result;
    use std::path::PathBuf;

    use super::subfolder;

    const ETCD: [&str; 5] = ["kv.proto", "auth.proto", "rpc.proto", "v3lock.proto", "v3election.proto"];

    /// The answers that carry key-value pairs or events. The store holds these in encoded form: see
    /// `src/etcd/twins.rs`.
    const TWINS: [&str; 4] = ["RangeResponse", "PutResponse", "DeleteRangeResponse", "WatchResponse"];

    pub(super) fn compile() -> Result<()> {
        let root = PathBuf::from("proto/etcd");
        let files = protox::compile(ETCD.map(|f| root.join(f)), [&root]).map_err(std::io::Error::other)?;
        let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets OUT_DIR"));

        let server = subfolder(&out, "server")?;
        let mut config = tonic_prost_build::configure().build_client(false).bytes(".").out_dir(&server);
        config = config.codec_path("crate::fitting_codec::FittingCodec");
        for twin in TWINS {
            config = config.extern_path(format!(".etcdserverpb.{twin}"), format!("crate::etcd::twins::{twin}"));
        }
        config = config.extern_path(".etcdserverpb.TxnRequest", "crate::etcd::txn_request::TxnRequest");
        config.include_file("etcd.rs").compile_fds(files.clone())?;

        let client = subfolder(&out, "client")?;
        tonic_prost_build::configure()
            .build_server(false)
            .bytes(".")
            .out_dir(&client)
            .include_file("etcd.rs")
            .compile_fds(files)?;

        let control = PathBuf::from("proto/naxos");
        let files = protox::compile([control.join("control.proto")], [&control]).map_err(std::io::Error::other)?;
        let folder = subfolder(&out, "control")?;
        tonic_prost_build::configure().out_dir(&folder).include_file("naxos.rs").compile_fds(files)?;
        Ok(())
    }
}

/// The contracts between nodes.
#[cfg(feature = "peer")]
mod peer {
    use std::path::PathBuf;

    pub(super) fn compile() -> std::io::Result<()> {
        let root = PathBuf::from("proto/naxos");
        let files = protox::compile([root.join("peer.proto")], [&root]).map_err(std::io::Error::other)?;
        let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
        let folder = super::subfolder(&out, "peer")?;
        // Cells stay in the buffer in which they arrived, and a frame is encoded into a buffer of its size.
        tonic_prost_build::configure()
            .bytes(".")
            .codec_path("crate::fitting_codec::FittingCodec")
            .out_dir(&folder)
            .include_file("naxos.rs")
            .compile_fds(files)
    }
}

#[cfg(any(feature = "etcd", feature = "peer"))]
fn subfolder(out: &std::path::Path, name: &str) -> std::io::Result<std::path::PathBuf> {
    let folder = out.join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=proto");
    #[cfg(feature = "etcd")]
    etcd::compile()?;
    #[cfg(feature = "peer")]
    peer::compile()?;
    Ok(())
}
