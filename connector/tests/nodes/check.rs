//! `naru check`: folders in order and not, with the node running and not; each failure under its own code. And what exit codes
//! say (real folders, real SQLite, the real program).

use std::{fs, path::Path, process::Command};

use naru::{
    check::{Outcome, Report, check},
    config::Folder,
};
use naru_protocol::error::{Code, Lang};
use serde_json::Value;

use crate::common::{Firm, Temp, init};

/// Looks, and compares what is not in order with what should not be.
async fn looked(dir: &Path, failed: &[(&str, Code)]) -> Report {
    let report = check(&Folder::new(dir)).await;
    let bad = report.checks.iter().filter(|item| item.outcome == Outcome::Failed);
    let bad: Vec<(&str, Code)> = bad.map(|item| (item.name, item.code.unwrap())).collect();
    assert_eq!(bad, failed, "{:#?}", report.checks);
    for item in &report.checks {
        assert_eq!(item.code.is_some(), item.outcome != Outcome::Ok, "{item:?}");
        assert_eq!(item.hint.is_some(), item.code.is_some(), "{item:?}");
    }
    report
}

fn said<'a>(report: &'a Report, name: &str) -> &'a str {
    report
        .checks
        .iter()
        .find(|item| item.name == name)
        .unwrap_or_else(|| panic!("{name}: {report:#?}"))
        .message
        .text(Lang::En)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_order_is_found_so_before_while_and_after_its_node_runs() {
    let temp = Temp::new();
    let dir = temp.join("firm");
    naru::cli::init::create(&init(&dir, "firm", "KR", None)).unwrap();
    let before = looked(&dir, &[]).await;
    assert!(said(&before, "store").contains("no database yet") && !before.running);
    let node = naru::node::Node::open(&Folder::new(&dir)).await.unwrap();
    let (stop, _) = tokio::sync::watch::channel(false);
    naru::control::serve(node.clone(), &Folder::new(&dir), stop.clone()).await.unwrap();
    let during = looked(&dir, &[]).await;
    assert!(during.running);
    assert!(said(&during, "address").contains("answers"), "{during:#?}");
    assert!(said(&during, "log").starts_with("3 entries, hashed again"), "{during:#?}");
    assert!(said(&during, "from outside").contains("cannot be known"), "{during:#?}");
    // 127.0.0.1 is said to be what it is; how full the disk is, is this machine's matter.
    let warned = during.checks.iter().filter(|i| i.outcome == Outcome::Warning && i.name != "disk");
    assert_eq!(warned.map(|i| i.name).collect::<Vec<_>>(), ["address"], "{during:#?}");
    stop.send(true).unwrap();
    node.close().await.unwrap();
    let after = looked(&dir, &[]).await;
    assert!(said(&after, "high water").contains("agrees at 3"), "{after:#?}");
    assert!(said(&after, "root key").contains("may be moved"));
    fs::remove_file(dir.join("keys/root.key")).unwrap();
    assert!(said(&looked(&dir, &[]).await, "root key").contains("kept elsewhere"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_order_has_its_own_code() {
    let temp = Temp::new();
    let mut firm = Firm::start(temp.join("firm"), "firm", "KR", None).await;
    firm.stop().await;
    let dir = firm.dir.clone();
    let file = |name: &str| dir.join(name);
    let text = |name: &str| fs::read_to_string(file(name)).unwrap();

    let toml = text("naru.toml");
    fs::write(file("naru.toml"), toml.replace("version = 1", "version = 9")).unwrap();
    looked(&dir, &[("folder", Code::FolderVersion)]).await;
    fs::write(file("naru.toml"), toml.replace("port", "prot")).unwrap();
    let report = looked(&dir, &[("folder", Code::ConfigInvalid)]).await;
    assert!(said(&report, "folder").contains("did you mean `listen.port`"));
    fs::write(file("naru.toml"), &toml).unwrap();

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode =
            |mode| fs::set_permissions(file("keys/log.key"), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o640);
        let report = looked(&dir, &[("permissions", Code::KeyFileOpen)]).await;
        assert!(said(&report, "permissions").contains("log.key"));
        mode(0o600);
    }
    let key = text("keys/log.key");
    fs::copy(file("keys/signing.key"), file("keys/log.key")).unwrap();
    looked(&dir, &[("keys", Code::KeyFileUnusable)]).await;
    fs::write(file("keys/log.key"), key).unwrap();

    fs::write(file("facts.json"), "[").unwrap();
    looked(&dir, &[("facts", Code::PolicyInput)]).await;
    fs::remove_file(file("facts.json")).unwrap();

    let port = Folder::new(&dir).config().unwrap().listen.port;
    let held = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    looked(&dir, &[("address", Code::PortInUse)]).await;
    drop(held);

    // The mark says that more was signed than the database has.
    let mark = text("high-water.json");
    fs::write(file("high-water.json"), mark.replace("\"size\":3", "\"size\":4")).unwrap();
    looked(&dir, &[("log", Code::StoreRolledBack)]).await;
    fs::remove_file(file("high-water.json")).unwrap();
    let report = looked(&dir, &[]).await;
    assert!(report.checks.iter().any(|i| i.name == "high water" && i.outcome == Outcome::Warning));
    fs::write(file("high-water.json"), mark).unwrap();

    // One byte of an entry.
    let database = fs::read(file("naru.db")).unwrap();
    let at = database.windows(9).position(|bytes| bytes == b"\"genesis\"").unwrap();
    let mut damaged = database.clone();
    damaged[at + 1] = b'G';
    fs::write(file("naru.db"), damaged).unwrap();
    looked(&dir, &[("log", Code::StoreCorrupt)]).await;
    fs::write(file("naru.db"), &database[..database.len() / 2]).unwrap();
    let report = check(&Folder::new(&dir)).await;
    assert!(
        report.checks.iter().any(|i| i.name == "store" && i.code == Some(Code::StoreCorrupt)),
        "{report:#?}"
    );
    fs::write(file("naru.db"), database).unwrap();
    looked(&dir, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_looked_at_with_its_key_its_names_and_its_dates() {
    // NET-8.1
    let temp = Temp::new();
    let dir = temp.join("firm");
    let mut ask = init(&dir, "firm", "KR", None);
    ask.https = Some(0);
    naru::cli::init::create(&ask).unwrap();
    let report = looked(&dir, &[]).await;
    assert!(said(&report, "certificate").contains("self-signed"), "{report:#?}");
    let made = |names: &str, from: i32, to: i32, by: Option<&str>| {
        let mut params = rcgen::CertificateParams::new(vec![names.to_owned()]).unwrap();
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(from, 1, 1), rcgen::date_time_ymd(to, 1, 1));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, names);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = match by {
            None => params.self_signed(&key).unwrap(),
            Some(by) => {
                let root_key = rcgen::KeyPair::generate().unwrap();
                let mut root = rcgen::CertificateParams::new(vec![by.to_owned()]).unwrap();
                root.distinguished_name.push(rcgen::DnType::CommonName, by);
                let root = root.self_signed(&root_key).unwrap();
                params.signed_by(&key, &root, &root_key).unwrap()
            }
        };
        fs::write(dir.join("https/cert.pem"), certificate.pem()).unwrap();
        fs::write(dir.join("https/key.pem"), key.serialize_pem()).unwrap();
    };
    let bad = [("certificate", Code::CertificateInvalid)];
    made("127.0.0.1", 2001, 2002, None);
    assert!(said(&looked(&dir, &bad).await, "certificate").contains("2002"));
    // Who pinned its digest asks for no name; others do.
    made("other.example", 2020, 2090, None);
    assert!(said(&looked(&dir, &[]).await, "certificate").contains("does not name 127.0.0.1"));
    made("other.example", 2020, 2090, Some("authority"));
    looked(&dir, &bad).await;
    made("127.0.0.1", 2020, 2090, Some("authority"));
    assert!(said(&looked(&dir, &[]).await, "certificate").contains("vouched for"));
    fs::write(dir.join("https/key.pem"), rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    looked(&dir, &bad).await;
}

/// A proxy that answers every request with this.
async fn proxy(answer: &'static str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = socket.read_u8().await else { break };
                head.push(byte);
            }
            assert!(head.starts_with(b"CONNECT naru.invalid:443 "), "nobody is disturbed");
            let _ =
                socket.write_all(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await;
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_and_a_relay_are_asked_and_what_they_answer_is_told() {
    // NET-10.4, NET-11.1
    use naru::transport::{Config, Network, Transport};
    let temp = Temp::new();
    let dir = temp.join("firm");
    naru::cli::init::create(&init(&dir, "firm", "KR", Some(0))).unwrap();
    let toml = fs::read_to_string(dir.join("naru.toml")).unwrap();
    let with =
        |lines: &str| fs::write(dir.join("naru.toml"), format!("{toml}\n[network]\n{lines}\n")).unwrap();
    let refused = [("proxy", Code::ProxyRefused)];
    with(&format!("proxy = \"{}\"", proxy("502 Bad Gateway").await));
    assert!(said(&looked(&dir, &[]).await, "proxy").contains("502"));
    with(&format!("proxy = \"{}\"", proxy("407 Proxy Authentication Required").await));
    let report = looked(&dir, &refused).await;
    let item = report.checks.iter().find(|item| item.name == "proxy").unwrap();
    assert!(
        item.message.text(Lang::En).contains("407")
            && item.hint.as_ref().unwrap().contains("NARU_PROXY_CREDENTIALS")
    );
    assert!(item.hint_in(naru_protocol::error::Lang::Ko).unwrap().contains("넣으세요"));
    // Nobody listens there; of the relays behind it nothing can be said then.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    with(&format!(
        "proxy = \"http://{free}\"\nrelay = [\"/ip4/192.0.2.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN\"]"
    ));
    assert!(said(&looked(&dir, &refused).await, "proxy").contains("cannot be reached"));

    let mut config = Config::new([9; 32], vec!["/ip4/127.0.0.1/tcp/0".to_owned()]);
    config.network = Network { relays_others: true, ..Network::default() };
    let (relay, _incoming) = Transport::start(config).await.unwrap();
    let address = relay.listen_addrs()[0].clone();
    with(&format!("relay = [\"{address}\"]"));
    assert!(said(&looked(&dir, &[]).await, "relay").contains("shows while the node runs"));
    let other = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    with(&format!("relay = [\"{}\"]", address.replace(relay.peer_id(), other)));
    looked(&dir, &[("relay", Code::PeerMismatch)]).await;
    with(&format!("relay = [\"/ip4/127.0.0.1/tcp/{}/p2p/{other}\"]", free.port()));
    looked(&dir, &[("relay", Code::Unreachable)]).await;

    // The running node has a place there only once the relay serves it.
    with(&format!("relay = [\"{address}\"]"));
    let node = naru::node::Node::open(&Folder::new(&dir)).await.unwrap();
    let (stop, _) = tokio::sync::watch::channel(false);
    naru::control::serve(node.clone(), &Folder::new(&dir), stop.clone()).await.unwrap();
    let report = looked(&dir, &[]).await;
    assert!(said(&report, "relay").contains("keeps no place"), "{report:#?}");
    let id = naru::keys::show(&Folder::new(&dir)).unwrap().peer_id;
    relay.set_served([id.as_str()]);
    let started = std::time::Instant::now();
    while !said(&looked(&dir, &[]).await, "relay").contains("keeps a place") {
        assert!(started.elapsed() < crate::common::PATIENCE);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    stop.send(true).unwrap();
    node.close().await.unwrap();
    relay.shutdown().await;
}

/// Runs the program; gives its exit code and what it wrote.
fn naru(arguments: &[&str]) -> (Option<i32>, String, String) {
    let run =
        Command::new(env!("CARGO_BIN_EXE_naru")).args(arguments).env_remove("NARU_DIR").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (run.status.code(), text(run.stdout), text(run.stderr))
}

#[test]
fn exit_codes_tell_done_from_failed_from_what_cannot_be_meant() {
    let temp = Temp::new();
    let dir = temp.join("firm");
    let at = dir.to_str().unwrap();
    for json in [&[][..], &["--json"][..]] {
        let code = |arguments: &[&str]| naru(&[arguments, json].concat());
        assert_eq!(code(&["get"]).0, Some(2));
        assert_eq!(code(&["nothing"]).0, Some(2));
        assert_eq!(code(&["get", "no-slash", "--purpose", "p", "--out", "x", "--dir", at]).0, Some(2));
        let (status, out, said) = code(&["check", "--dir", at]);
        assert_eq!(status, Some(1), "{out}{said}");
        assert!(out.contains("not_initialised"), "{out}");
        assert_eq!(code(&["status", "--dir", at]).0, Some(1));
    }
    assert_eq!(
        naru(&["init", "--dir", at, "--name", "n", "--country", "KR", "--host", "127.0.0.1"]).0,
        Some(0)
    );
    let (status, out, _) = naru(&["check", "--dir", at, "--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &report["v"], &report["ok"]), (Some(0), &1.into(), &true.into()), "{out}");
    // The sources of settings, as a person and as a program see them.
    let run = Command::new(env!("CARGO_BIN_EXE_naru"))
        .args(["config", "show", "--dir", at, "--json", "--host", "127.0.0.2"])
        .env("NARU_LISTEN_PORT", "4999")
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&run.stdout).unwrap();
    let source = |key: &str| {
        let settings = shown["settings"].as_array().unwrap();
        settings.iter().find(|s| s["key"] == key).unwrap().clone()
    };
    assert_eq!(source("listen.port")["value"], 4999);
    assert_eq!(source("listen.port")["source"]["name"], "NARU_LISTEN_PORT");
    assert_eq!(source("listen.host")["source"]["name"], "--host");
    assert_eq!(source("country")["source"]["kind"], "file");
    let (status, out, _) = naru(&["config", "check", "--dir", at]);
    assert!(status == Some(0) && out.contains("usable"), "{out}");
    assert_eq!(naru(&["config", "check", "--dir", at, "--port", "x"]).0, Some(2));
    let (status, out, _) = naru(&["help"]);
    assert!(status == Some(0) && out.contains("Exit codes:"), "{out}");
}

#[test]
fn packs_are_compiled_once_and_anew_where_what_was_kept_is_not_to_be_trusted() {
    let temp = Temp::new();
    let dir = temp.join("firm");
    let at = dir.to_str().unwrap();
    assert_eq!(
        naru(&["init", "--dir", at, "--name", "n", "--country", "KR", "--host", "127.0.0.1"]).0,
        Some(0)
    );
    let caches = temp.join("caches/naru");
    let kept = caches.join("compiled-packs");
    let looks = |caches: &Path| {
        let run = Command::new(env!("CARGO_BIN_EXE_naru"))
            .args(["check", "--dir", at])
            .env_remove("NARU_DIR")
            .env("NARU_CACHE", caches)
            .output()
            .unwrap();
        let out = String::from_utf8(run.stdout).unwrap();
        assert!(run.status.success() && out.contains("compiled: ") && out.contains("core "), "{out}");
    };
    let size = || fs::metadata(&kept).unwrap().len();
    looks(&caches);
    let first = size();
    looks(&caches);
    // A few functions have another key each time; the others are not kept twice, so they were taken up.
    let second = size();
    assert!(second < first + first / 2, "{first}, then {second}");
    let mut damaged = fs::read(&kept).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&kept, &damaged).unwrap();
    looks(&caches);
    assert!(size() < second, "all compiled anew, and nothing of what was damaged is in it");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o620)).unwrap();
        looks(&caches);
        let mode = fs::metadata(&kept).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "compiled anew, and written for its owner alone");
    }
    // Nothing is kept where nothing shall be, and a place that cannot be written stops nothing.
    looks(Path::new(""));
    looks(&kept);
}
