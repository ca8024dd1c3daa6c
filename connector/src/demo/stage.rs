//! The demo's two nodes: separate processes with folders, keys, stores and logs of their own.
//!
//! Talks to them only through the local door, as every command does.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use naru_protocol::error::Code;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    cli::init::{self, Init},
    control::{self, Failure},
};

/// How long a node may take to open its door.
const START: Duration = Duration::from_secs(60);
/// How long an exchange of the demo may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One node of the demo.
#[derive(Debug)]
pub(super) struct Actor {
    /// What it is called in the story.
    pub name: &'static str,
    /// Its folder.
    pub dir: PathBuf,
    /// Its root identity.
    pub did: String,
    /// What partners compare.
    pub fingerprint: String,
    child: Option<Child>,
}

impl Actor {
    /// Makes the folder and starts the process.
    pub(super) async fn start(
        name: &'static str,
        dir: PathBuf,
        firm: &str,
        country: &str,
        size: &str,
    ) -> Result<Self, Failure> {
        let made = init::create(&Init {
            dir: dir.clone(),
            name: firm.to_owned(),
            country: country.to_owned(),
            size: size.to_owned(),
            host: "127.0.0.1".to_owned(),
            port: None,
            https: None,
            https_host: None,
            about: Vec::new(),
        })?;
        let mut actor = Self { name, dir, did: made.did, fingerprint: made.fingerprint, child: None };
        actor.run().await?;
        Ok(actor)
    }

    async fn run(&mut self) -> Result<(), Failure> {
        let io = |e: std::io::Error| Failure::new(Code::FileUnusable, format!("{}: {e}", self.name));
        let exe = std::env::current_exe().map_err(io)?;
        let log = fs::File::create(self.dir.join("node.log")).map_err(io)?;
        let child = Command::new(exe)
            .arg("run")
            .arg("--dir")
            .arg(&self.dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(io)?)
            .stderr(log)
            .spawn()
            .map_err(io)?;
        self.child = Some(child);
        let deadline = Instant::now() + START;
        while self.get("status").await.is_err() {
            if let Some(status) = self.child.as_mut().and_then(|c| c.try_wait().ok().flatten()) {
                let said = fs::read_to_string(self.dir.join("node.log")).unwrap_or_default();
                let last = said.lines().last().unwrap_or_default().to_owned();
                return Err(Failure::new(
                    Code::NotRunning,
                    format!("{} stopped at its start ({status}): {last}", self.name),
                ));
            }
            if Instant::now() > deadline {
                return Err(Failure::new(Code::TimedOut, format!("{} did not start", self.name)));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Asks the node.
    pub(super) async fn get(&self, verb: &str) -> Result<Value, Failure> {
        control::call(&self.dir, verb, None).await
    }

    /// Tells the node to do something.
    pub(super) async fn post(&self, verb: &str, request: Value) -> Result<Value, Failure> {
        control::call(&self.dir, verb, Some(&request)).await
    }

    /// Writes the operator's private facts.
    pub(super) fn facts(&self, facts: &Value) -> Result<(), Failure> {
        fs::write(self.dir.join("facts.json"), facts.to_string())
            .map_err(|e| Failure::new(Code::FileUnusable, format!("facts.json: {e}")))
    }

    /// Waits until an exchange of this node satisfies a condition.
    pub(super) async fn until(&self, id: &str, done: impl Fn(&Value) -> bool) -> Result<Value, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let view = self.post("exchange", json!({"id": id})).await;
            match view {
                Ok(view) if done(&view) => return Ok(view),
                Ok(_) => {}
                // The other side may not have heard of it yet.
                Err(failure) if failure.code == Code::NotFound.as_str() => {}
                Err(failure) => return Err(failure),
            }
            if Instant::now() > deadline {
                return Err(Failure::new(
                    Code::TimedOut,
                    format!("{}: exchange {id} did not get there", self.name),
                ));
            }
            sleep(Duration::from_millis(15)).await;
        }
    }

    /// Stops the process and waits for it.
    pub(super) async fn stop(&mut self) {
        let _ = self.post("stop", json!({})).await;
        if let Some(mut child) = self.child.take() {
            for _ in 0..200 {
                if matches!(child.try_wait(), Ok(Some(_))) {
                    return;
                }
                sleep(Duration::from_millis(10)).await;
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Leaves the process running after the demo.
    pub(super) fn leave(&mut self) {
        self.child = None;
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Copies a folder and flips one bit of one byte in one file of the copy.
pub(super) fn copy_and_break(from: &Path, to: &Path, file: &Path) -> std::io::Result<()> {
    copy(from, to)?;
    let path = to.join(file);
    let mut bytes = fs::read(&path)?;
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    fs::write(path, bytes)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?
        } else {
            fs::copy(entry.path(), target).map(drop)?
        }
    }
    Ok(())
}
