//! `naru run`: opens the folder, starts the node, and stops it cleanly.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use naru_protocol::error::Code;
use tokio::sync::watch;

use super::config::At;
use crate::{
    config::Folder,
    control::{self, Failure},
    manage::Door,
    node::{Latches, Node},
    store::{FolderLock, StoreError},
    telemetry::Exporting,
};

/// How long a node may take to stop before `naru stop` says that it has not.
const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// Runs until ctrl-c, a termination signal or `naru stop`.
pub(super) async fn run(at: &At) -> Result<bool, Failure> {
    let folder = at.folder();
    // What is wrong with the settings is said where they are used.
    let telemetry = folder.config().ok().and_then(|config| Exporting::begin(&config));
    super::logs::start(telemetry.as_ref());
    let ran = run_in(&folder).await;
    if let Some(telemetry) = telemetry {
        telemetry.end().await;
    }
    ran
}

async fn run_in(folder: &Folder) -> Result<bool, Failure> {
    let (stop, mut stopped) = watch::channel(false);
    let latches = Arc::new(Latches::default());
    // First, so that `/live` and `/ready` tell what a node that starts is at.
    let door = Door::open(folder, Arc::clone(&latches), stop.clone()).await?;
    let node = Node::open_noting(folder, &latches).await?;
    door.hand_over(node.clone())?;
    tracing::info!(port = door.port(), "the management API answers");
    let status = node.status().await?;
    if let Some(why) = &status.clock {
        tracing::error!(code = %Code::ClockWrong, clock = why.as_str(), "the clock of this machine is wrong");
    }
    println!("ready {} {}", status.name, status.fingerprint);
    tokio::select! {
        _ = stopped.wait_for(|s| *s) => {}
        () = signalled() => {
            let _ = stop.send(true);
        }
    }
    node.close().await?;
    door.closed().await;
    println!("stopped");
    Ok(true)
}

/// Has the node stop, and waits until its folder is free: whatever comes next may need it.
pub(super) async fn stop(dir: &Path, json: bool) -> Result<bool, Failure> {
    let answer = control::call(dir, "stop", Some(&serde_json::json!({}))).await?;
    let began = Instant::now();
    loop {
        match FolderLock::acquire(dir) {
            Ok(lock) => {
                drop(lock);
                break;
            }
            Err(StoreError::FolderLocked(_)) if began.elapsed() < STOPS_WITHIN => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(Failure::new(error.code(), error.to_string())),
        }
    }
    super::shown(&answer, json);
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
