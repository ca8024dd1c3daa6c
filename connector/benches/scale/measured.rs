//! The node that is measured, as a process: what it is asked, and what the system says of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use naru::control;
use serde_json::{Value, json};

use crate::common::{Temp, harmless, policy};

pub(crate) struct Measured {
    process: Child,
    pub(crate) dir: PathBuf,
    pub(crate) temp: Temp,
}

impl Measured {
    pub(crate) fn start(name: &str, country: &str) -> Self {
        let temp = Temp::new();
        let dir = temp.join(name);
        let mut init = Command::new(env!("CARGO_BIN_EXE_naru"));
        init.args(["init", "--name", name, "--country", country, "--host", "127.0.0.1", "--dir"]).arg(&dir);
        assert!(init.stdout(Stdio::null()).status().unwrap().success());
        let mut run = Command::new(env!("CARGO_BIN_EXE_naru"));
        run.arg("run").arg("--dir").arg(&dir).env("NARU_LOG", "error");
        let process = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let node = Self { process, dir, temp };
        let began = Instant::now();
        while !node.dir.join("control.json").exists() {
            assert!(began.elapsed() < Duration::from_secs(60), "it does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        node
    }

    /// Asks the management API; what is not ready yet is asked again.
    pub(crate) async fn ask(&self, verb: &str, request: Option<Value>) -> Value {
        let began = Instant::now();
        loop {
            match control::call(&self.dir, verb, request.as_ref()).await {
                Ok(answer) => return answer,
                Err(failure) if failure.code == "not_ready" && began.elapsed() < Duration::from_secs(60) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(failure) => panic!("{verb}: {}", failure.message),
            }
        }
    }

    pub(crate) async fn ticket(&self) -> String {
        let made = self.ask("ticket", Some(json!({"auto_accept": true, "ttl": 3600}))).await;
        made["ticket"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn publish(&self, path: &Path) -> String {
        let title = json!({"en": "scale"});
        let ask = json!({"path": path, "title": title, "policy": policy(), "facts": harmless()});
        self.ask("publish", Some(ask)).await["dataset"].as_str().unwrap().to_owned()
    }

    /// Resident memory, MiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    /// The database with what is written ahead of it, MiB.
    pub(crate) fn database(&self) -> u64 {
        let files = ["naru.db", "naru.db-wal"];
        files.iter().filter_map(|name| fs::metadata(self.dir.join(name)).ok()).map(|m| m.len()).sum::<u64>()
            >> 20
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// p50 and p99, milliseconds.
pub(crate) fn quantiles(mut took: Vec<f64>) -> (f64, f64) {
    took.sort_by(f64::total_cmp);
    let at = |share: usize| took.get((took.len().max(1) - 1) * share / 100).copied().unwrap_or(f64::NAN);
    (at(50), at(99))
}

pub(crate) fn ms(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}
