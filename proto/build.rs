//! Compiles the `.proto` files with protox, which needs no `protoc`. etcd's files are compiled twice: for servers, with
//! hand-written types in place of some messages (the twins), and for clients, with generated types only.

#[cfg(feature = "etcd")]
mod etcd {
    use std::io::Result;
    use std::path::{Path, PathBuf};

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
        if control.join("control.proto").exists() {
            let files = protox::compile([control.join("control.proto")], [&control]).map_err(std::io::Error::other)?;
            let folder = subfolder(&out, "naxos")?;
            tonic_prost_build::configure().out_dir(&folder).include_file("naxos.rs").compile_fds(files)?;
        }
        Ok(())
    }

    fn subfolder(out: &Path, name: &str) -> Result<PathBuf> {
        let folder = out.join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=proto");
    #[cfg(feature = "etcd")]
    etcd::compile()?;
    Ok(())
}
