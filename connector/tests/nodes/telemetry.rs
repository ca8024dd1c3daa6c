//! Spans of a whole deal at a real collector: those of both nodes, with the ids of the exchanges, and the last ones too; and a collector
//! that takes nothing, which costs a deal nothing. Nodes are processes here: a program has one subscriber.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::getting::{naru, run};
use crate::common::{Dials, Pair, harmless, same_files};

/// A collector: takes OTLP as JSON, or takes requests and answers none.
struct Collector {
    url: String,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    fn start(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let taken: Arc<Mutex<Vec<Value>>> = Arc::default();
        let all = Arc::clone(&taken);
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let all = Arc::clone(&all);
                thread::spawn(move || while take(&socket, &all, answers).is_some() {});
            }
        });
        Self { url, taken }
    }

    /// Every span as its attributes, with its name and trace id among them, and the service beside it.
    fn spans(&self) -> Vec<BTreeMap<String, String>> {
        let mut spans = Vec::new();
        for post in self.taken.lock().unwrap().iter() {
            for of in list(&post["resourceSpans"]) {
                let service = attributes(&of["resource"])["service.name"].clone();
                for span in list(&of["scopeSpans"]).iter().flat_map(|scope| list(&scope["spans"])) {
                    let mut all = attributes(span);
                    let text = |name: &str| span[name].as_str().unwrap_or_default().to_owned();
                    all.insert("name".to_owned(), text("name"));
                    all.insert("trace".to_owned(), text("traceId"));
                    all.insert("service".to_owned(), service.clone());
                    spans.push(all);
                }
            }
        }
        spans
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn attributes(of: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| {
        let value = value.as_object().unwrap().values().next().unwrap();
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    };
    let pair = |a: &Value| (a["key"].as_str().unwrap().to_owned(), text(&a["value"]));
    list(&of["attributes"]).iter().map(pair).collect()
}

/// One request; none at the end.
fn take(socket: &TcpStream, all: &Mutex<Vec<Value>>, answers: bool) -> Option<()> {
    let mut reader = BufReader::new(socket);
    let (mut length, mut json, mut line) = (0, false, String::new());
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    assert!(line.starts_with("POST /v1/traces "), "{line}");
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        json |= line == "content-type: application/json";
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    let mut content = vec![0; length];
    reader.read_exact(&mut content).ok()?;
    assert!(json, "it is JSON");
    if !answers {
        thread::sleep(Duration::from_secs(600));
    }
    all.lock().unwrap().push(serde_json::from_slice(&content).unwrap());
    let mut socket = socket;
    socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}").ok()
}

/// Starts a node that sends its spans there, and waits until it is ready.
fn start(dir: &Path, collector: &str, service: &str) -> Child {
    let mut command = naru(dir, &["run"]);
    command
        .env("NARU_TELEMETRY_OTLP", collector)
        .env("NARU_TELEMETRY_SERVICE", service)
        .env_remove("NARU_LOG");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("ready "), "{line}");
    child
}

/// Stops a node; gives what it logged.
async fn stop(dir: &Path, child: Child) -> String {
    assert!(run(naru(dir, &["stop"])).await.status.success());
    let done = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    String::from_utf8(done.stderr).unwrap()
}

/// Two processes make a deal; gives the ids of negotiation and transfer, and what each logged.
async fn deal(collector: &Collector) -> ([String; 2], [String; 2]) {
    let mut pair = Pair::new(Dials::Buyer, harmless()).await;
    pair.seller.stop().await;
    pair.buyer.stop().await;
    let (seller, buyer) = (pair.seller.dir.clone(), pair.buyer.dir.clone());
    let (sells, buys) = (start(&seller, &collector.url, "seller"), start(&buyer, &collector.url, "buyer"));
    let (out, reference) = (pair.temp.join("in"), format!("other/{}", pair.dataset));
    let out_text = out.to_str().unwrap().to_owned();
    let ask = [
        "get",
        &reference,
        "--purpose",
        "quality_analysis",
        "--country",
        "SG",
        "--out",
        &out_text,
        "--yes",
        "--json",
    ];
    let got = run(naru(&buyer, &ask)).await;
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    same_files(&out);
    let view: Value = serde_json::from_slice(&got.stdout).unwrap();
    let id = |name: &str| view[name].as_str().unwrap().to_owned();
    let logs = [stop(&buyer, buys).await, stop(&seller, sells).await];
    ([id("other"), id("id")], logs)
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_a_whole_deal_reach_the_collector_with_the_ids_that_both_logs_have() {
    let collector = Collector::start(true);
    let ([negotiation, transfer], logs) = deal(&collector).await;
    let spans = collector.spans();
    let has = |service: &str, name: &str, what: &str, exchange: &str| {
        let of = |span: &&BTreeMap<String, String>, key: &str| span.get(key).cloned().unwrap_or_default();
        let fits = |span: &&BTreeMap<String, String>| {
            of(span, "service") == service
                && of(span, "name") == name
                && of(span, "exchange") == exchange
                && (what.is_empty() || of(span, "what") == what)
        };
        let found: Vec<_> = spans.iter().filter(fits).collect();
        assert!(!found.is_empty(), "{service}: {name} {what} {exchange}: {spans:#?}");
        found.iter().map(|span| span["trace"].clone()).collect::<BTreeSet<_>>()
    };
    let sent = has("buyer", "act sent", "request", &negotiation);
    let received = has("seller", "act received", "request", &negotiation);
    assert!(sent == received && sent.len() == 1, "both are in one trace: {sent:?} {received:?}");
    has("seller", "act sent", "agreement", &negotiation);
    has("buyer", "act received", "agreement", &negotiation);
    has("seller", "act sent", "start", &transfer);
    has("seller", "range given", "", &transfer);
    has("buyer", "transfer received", "", &transfer);
    // The last act of all: what is under way when a node stops is sent before it ends.
    has("seller", "act received", "receipt", &transfer);
    // The same id stands in the log of both, and no span does.
    assert!(logs.iter().all(|log| !log.contains("act sent") && !log.contains("the collector")), "{logs:#?}");

    let known =
        ["name", "trace", "service", "exchange", "peer", "what", "status", "code", "attempt", "bytes"];
    let names: BTreeSet<&str> = spans.iter().flat_map(|span| span.keys().map(String::as_str)).collect();
    assert!(names.iter().all(|name| known.contains(name) || *name == "busy_ns"), "{names:?}");
    for span in &spans {
        for (name, value) in span {
            assert!(value.len() <= 80 && !value.contains('.') || name == "service", "{name}: {value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_costs_a_deal_nothing_and_the_log_one_line() {
    let collector = Collector::start(false);
    let (_, logs) = deal(&collector).await;
    for log in logs {
        assert!(log.matches("the collector of telemetry").count() <= 1, "{log}");
    }
    assert!(collector.spans().is_empty());
}
