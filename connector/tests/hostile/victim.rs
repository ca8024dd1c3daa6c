//! A node in a process of its own, and what the system says of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::common::Temp;

pub(crate) struct Victim {
    process: Child,
    dir: PathBuf,
    _temp: Temp,
}

fn naru(dir: &Path, verb: &[&str]) -> Option<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_naru"));
    let done = command.args(verb).arg("--dir").arg(dir).arg("--json").output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    let line = text.lines().last()?;
    done.status.success().then(|| serde_json::from_str(line).unwrap())
}

impl Victim {
    pub(crate) fn start() -> Self {
        let temp = Temp::new();
        let dir = temp.join("victim");
        naru(&dir, &["init", "--name", "victim", "--country", "KR", "--host", "127.0.0.1"]).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_naru"));
        command.arg("run").arg("--dir").arg(&dir).env("NARU_LOG", "error");
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let victim = Self { process, dir, _temp: temp };
        let began = Instant::now();
        while naru(&victim.dir, &["status"]).is_none() {
            assert!(began.elapsed() < Duration::from_secs(60), "it does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        victim
    }

    /// A new ticket, which accepts whoever redeems it.
    pub(crate) fn ticket(&self) -> String {
        let made = naru(&self.dir, &["ticket", "--auto-accept"]).unwrap();
        made["ticket"].as_str().unwrap().to_owned()
    }

    fn proc(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.process.id().to_string()).join(name)
    }

    /// Resident memory, MiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(self.proc("status")).expect("the node is alive");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).expect("the node is alive").count()
    }

    fn status(&self, number: &str) -> u64 {
        naru(&self.dir, &["status"]).unwrap()[number].as_u64().unwrap()
    }

    /// Entries in its log.
    pub(crate) fn entries(&self) -> u64 {
        self.status("log_size")
    }

    /// What strangers tried.
    pub(crate) fn strangers(&self) -> u64 {
        self.status("strangers")
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
