//! A node in the scripted test profile, for the published test kit of the Dataspace Protocol (`conformance/dsp-tck`).
//!
//! Built with the feature `tck` only. Listens in plain HTTP on the loopback interface, since the kit does; has no other use.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use naru::{
    cli::init::{self, Init},
    config::Folder,
    node::{Node, plain::script},
};

/// A node in the scripted test profile.
#[derive(Debug, Parser)]
struct Args {
    /// The folder to make; it must not hold a node.
    #[arg(long)]
    dir: PathBuf,
    /// The port of 127.0.0.1 to listen on.
    #[arg(long)]
    port: u16,
    /// Where the kit takes callbacks.
    #[arg(long)]
    callback: String,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("NARU_LOG").unwrap_or_else(|_| "warn".into());
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return said(&error),
    };
    match runtime.block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => said(error.as_ref()),
    }
}

fn said(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("naru-tck: {error}");
    ExitCode::FAILURE
}

async fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let files = args.dir.join("files");
    let node = args.dir.join("node");
    std::fs::create_dir_all(&files)?;
    std::fs::write(files.join("readings.csv"), "t,v\n0,1\n")?;
    let made = Init {
        dir: node.clone(),
        name: "CONNECTOR_UNDER_TEST".to_owned(),
        country: "KR".to_owned(),
        size: "sme".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: Some(0),
        https: None,
        https_host: None,
        about: Vec::new(),
    };
    init::create(&made).map_err(|e| e.to_string())?;
    let node = Node::open(&Folder::new(&node)).await?;
    script::serve(node, args.port, &args.callback, &files).await?;
    Ok(())
}
