//! `naru run`: opens the folder, starts the node, and stops it cleanly.

use std::io::IsTerminal as _;

use tokio::sync::watch;

use super::config::At;
use crate::{
    control::{self, Failure},
    node::Node,
};

/// Runs until ctrl-c, a termination signal or `naru stop`.
pub(super) async fn run(at: &At) -> Result<bool, Failure> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("NARU_LOG")
                .unwrap_or_else(|_| "info,libp2p=warn".into()),
        )
        .with_writer(std::io::stderr)
        // A file that the log is sent to is read by programs too.
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let folder = at.folder();
    let node = Node::open(&folder).await?;
    let (stop, mut stopped) = watch::channel(false);
    control::serve(node.clone(), &folder, stop.clone()).await?;
    let status = node.status().await?;
    println!("ready {} {}", status.name, status.fingerprint);
    tokio::select! {
        _ = stopped.wait_for(|s| *s) => {}
        () = signalled() => {
            let _ = stop.send(true);
        }
    }
    node.close().await?;
    println!("stopped");
    Ok(true)
}

/// Ends with ctrl-c or a termination signal.
#[cfg(unix)]
pub(crate) async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

/// Ends with ctrl-c.
#[cfg(not(unix))]
pub(crate) async fn signalled() {
    drop(tokio::signal::ctrl_c().await);
}
