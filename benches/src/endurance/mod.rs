//! The long runs.
pub mod soak {
    #[derive(Debug, clap::Args)]
    pub struct Args {}
    pub fn run(_: &Args) -> anyhow::Result<bool> {
        Ok(true)
    }
}
pub mod disturb {
    #[derive(Debug, clap::Args)]
    pub struct Args {}
    pub fn run(_: Args) -> anyhow::Result<bool> {
        Ok(true)
    }
}
pub mod million {
    #[derive(Debug, clap::Args)]
    pub struct Args {}
    pub fn run(_: &Args) -> anyhow::Result<bool> {
        Ok(true)
    }
}
