//! The other engines: `opa bench`, `opa run --server` and regorus, each as a process of its own.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Figures, us};

const DRAW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/draw/draw.sh");
const REGORUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/regorus/release/naru-second-engine");

/// The folders that `policy/build.sh` builds a pack of.
fn sources(pack: &str) -> Vec<&str> {
    let agreements = ["core", "dpa"].contains(&pack).then_some("agreements");
    ["lib"].into_iter().chain(agreements).chain([pack]).collect()
}

/// A file that goes away.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, content: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("naru-bench-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The sources with the plans that our bundles have, so that nobody draws them up at each decision.
fn drawn() -> Result<PathBuf, String> {
    static DRAWN: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let draw = || {
        let folder = std::env::temp_dir().join(format!("naru-decisions-{}-rego", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let ran =
            Command::new(DRAW).args(["opa", "--all"]).arg(&folder).output().map_err(|e| e.to_string())?;
        if ran.status.success() { Ok(folder) } else { Err(String::from_utf8_lossy(&ran.stderr).into_owned()) }
    };
    DRAWN.get_or_init(draw).clone()
}

/// regorus in one process, every pack after the other, JSON in and out.
pub(crate) fn regorus(packs: &[&str], input: &Value, times: usize) -> Result<Figures, String> {
    let binary = std::env::var_os("NARU_REGORUS").map_or_else(|| PathBuf::from(REGORUS), PathBuf::from);
    if !binary.exists() {
        let build =
            "CARGO_TARGET_DIR=target/regorus cargo build --release --manifest-path .ci/regorus/Cargo.toml";
        return Err(format!("not built: {build}"));
    }
    let file = Scratch::new("regorus.json", input.to_string().as_bytes());
    let mut command = Command::new(binary);
    command.arg("--bench").arg(drawn()?).arg(&file.0).arg(times.to_string()).args(packs);
    let ran = command.output().map_err(|e| e.to_string())?;
    if !ran.status.success() {
        return Err(String::from_utf8_lossy(&ran.stderr).into_owned());
    }
    let took = serde_json::from_slice(&ran.stdout).map_err(|e| e.to_string())?;
    Ok(Figures::of("regorus, one process, the packs one after the other", took))
}

/// `opa bench` and the REST servers.
pub(crate) fn opa(packs: &[&str], input: &Value, times: usize) -> Result<Vec<Figures>, String> {
    if !Command::new("opa").arg("version").stdout(Stdio::null()).status().is_ok_and(|s| s.success()) {
        return Err("not on PATH".to_owned());
    }
    let file = Scratch::new("opa.json", input.to_string().as_bytes());
    let mut benched = 0.0;
    for pack in packs {
        benched += opa_bench(pack, &file.0)?;
    }
    let mean = Figures::of("opa bench, means of the packs summed", vec![benched / 1000.0]);
    let rego = drawn()?;
    let servers: Vec<Server> = packs.iter().map(|pack| Server::start(pack, &rego)).collect();
    let body = json!({"input": input}).to_string();
    let mut lines: Vec<Line> = servers.iter().map(Server::line).collect();
    let mut decide = || {
        let began = Instant::now();
        lines.iter_mut().for_each(|line| line.ask(&body));
        us(began)
    };
    for _ in 0..times / 5 {
        decide();
    }
    let took = (0..times).map(|_| decide()).collect();
    Ok(vec![mean, Figures::of("opa run --server, one for each pack, kept connections", took)])
}

/// Mean nanoseconds of one pack's entrypoint.
fn opa_bench(pack: &str, input: &Path) -> Result<f64, String> {
    let mut command = Command::new("opa");
    command
        .current_dir(drawn()?)
        .args(["bench", "--format", "json", "--ignore", "*_test.rego", "--input"])
        .arg(input);
    for source in sources(pack) {
        command.args(["-d", source]);
    }
    let ran = command.arg(format!("data.naru.{pack}.result")).output().map_err(|e| e.to_string())?;
    let said: Value = serde_json::from_slice(&ran.stdout)
        .map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&ran.stderr)))?;
    let number = |name: &str| said[name].as_f64().ok_or_else(|| format!("opa bench: no {name}: {said}"));
    Ok(number("T")? / number("N")?)
}

/// One pack behind `opa run --server`.
struct Server {
    process: Child,
    port: u16,
    pack: String,
}

impl Server {
    fn start(pack: &str, rego: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("opa");
        command.current_dir(rego).args(["run", "--server", "--skip-version-check", "--log-level", "error"]);
        command.args(["--ignore", "*_test.rego", "--addr", &format!("127.0.0.1:{port}")]);
        let process =
            command.args(sources(pack)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { process, port, pack: pack.to_owned() }
    }

    fn line(&self) -> Line {
        let began = Instant::now();
        loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                stream.set_nodelay(true).unwrap();
                let reader = BufReader::new(stream.try_clone().unwrap());
                return Line { stream, reader, pack: self.pack.clone() };
            }
            assert!(began.elapsed() < Duration::from_secs(30), "opa run --server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A kept connection to a server.
struct Line {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    pack: String,
}

impl Line {
    /// Asks, and reads the whole answer.
    fn ask(&mut self, body: &str) {
        let head = format!(
            "POST /v1/data/naru/{}/result HTTP/1.1\r\nHost: opa\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.pack,
            body.len()
        );
        self.stream.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice()).unwrap();
        let (mut length, mut line) = (None, String::new());
        loop {
            line.clear();
            self.reader.read_line(&mut line).unwrap();
            if line.starts_with("HTTP/") {
                assert!(line.contains(" 200 "), "{line}");
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok();
            }
        }
        let mut answer = vec![0; length.expect("opa says how long its answer is")];
        self.reader.read_exact(&mut answer).unwrap();
        let said: Value = serde_json::from_slice(&answer).unwrap();
        assert!(said["result"].is_object(), "{}: {said}", self.pack);
    }
}
