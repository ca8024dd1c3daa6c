//! Who is let in: every route under every scope, browsers and other names, too much at once, a node that only starts. And the
//! examples of `docs/management.md`.

use std::sync::Arc;

use naru::{
    config::{Folder, Management},
    manage::{Door, Scope, document, tokens},
    node::{Latch, Latches},
};
use serde_json::{Value, json};

use super::{Answer, Office};
use crate::common::{Firm, Temp, now};

const PAGE: &str = include_str!("../../../../docs/management.md");

/// Every route of the document: path, method, the scope that it needs.
fn routes() -> Vec<(String, String, Option<Scope>)> {
    let document = document();
    let scope = |operation: &Value| {
        let word = operation["x-scope"].as_str();
        word.map(|word| *Scope::ALL.iter().find(|scope| scope.as_str() == word).unwrap())
    };
    let paths = document["paths"].as_object().unwrap();
    let methods = |(path, methods): (&String, &Value)| {
        let of = methods.as_object().unwrap().iter();
        of.map(|(method, operation)| (path.clone(), method.to_uppercase(), scope(operation)))
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(methods).collect()
}

async fn firm(temp: &Temp) -> Firm {
    Firm::start(temp.join("firm"), "Hangang", "KR", Some(0)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_takes_the_scopes_that_open_it_and_no_other() {
    let temp = Temp::new();
    let mut firm = firm(&temp).await;
    let office = Office::of(&firm).await;
    let own = office.own();
    let expired = tokens::issue(&office.folder, Scope::Operate, Some(0), None, now()).unwrap().0;
    let routes = routes();
    assert!(routes.len() > 25, "{}", routes.len());
    // The one that ends it all comes last, with the tokens that may.
    let (stop, rest): (Vec<_>, Vec<_>) = routes.into_iter().partition(|(path, _, _)| path == "/v1/stop");
    for (path, method, needs) in rest.iter().chain(&stop) {
        let Some(needs) = needs else {
            let answer = office.ask(method, path, None, "").await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            continue;
        };
        for token in [None, Some(""), Some("naru_own_AAAA"), Some(expired.as_str())] {
            let answer = office.ask(method, path, token, "{}").await;
            assert_eq!((answer.status, answer.problem().as_str()), (401, "management_token"), "{path}");
            assert!(answer.headers["www-authenticate"].starts_with("Bearer"));
        }
        for scope in Scope::ALL.into_iter().filter(|scope| !scope.opens(*needs)) {
            let answer = office.ask(method, path, Some(&office.token(scope)), "{}").await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (403, "scope_missing"),
                "{path} {scope:?}"
            );
            assert!(answer.json()["message"].as_str().unwrap().contains(needs.as_str()), "{path}");
        }
        let opening = Scope::ALL.into_iter().filter(|scope| scope.opens(*needs) && path != "/v1/stop");
        for token in opening.map(|scope| office.token(scope)).chain([own.clone()]) {
            let answer = office.ask(method, path, Some(&token), "{}").await;
            assert!(!matches!(answer.status, 401 | 403), "{path}: {} {}", answer.status, answer.body);
            if answer.status != 200 {
                // An object without the members that the verb needs.
                assert_eq!(answer.problem(), "argument_invalid", "{path}");
            }
            assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        }
    }
    firm.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_other_names_and_too_much_are_refused() {
    let temp = Temp::new();
    let mut firm = firm(&temp).await;
    let office = Office::of(&firm).await;
    let (host, token) = (format!("127.0.0.1:{}", office.port), format!("Bearer {}", office.own()));
    let evil = format!("evil.example:{}", office.port);
    let base = [("Host", host.as_str()), ("Authorization", token.as_str())];
    // DNS rebinding: the page's own name is in `Host`, whatever it resolves to.
    let rebound = [("Host", evil.as_str()), ("Authorization", token.as_str())];
    let page = [base[0], base[1], ("Origin", "http://evil.example")];
    let frame = [base[0], base[1], ("Sec-Fetch-Site", "cross-site")];
    for path in ["/v1/status", "/live", "/ready", "/metrics", "/v1/openapi.json", "/nothing"] {
        for headers in [&rebound[..], &page, &frame] {
            let answer = office.send("GET", path, headers, "").await;
            assert_eq!((answer.status, answer.problem().as_str()), (403, "origin_refused"), "{path}");
        }
    }
    assert_eq!(office.send("GET", "/v1/status", &base, "").await.status, 200);
    let localhost = format!("localhost:{}", office.port);
    let named = [("Host", localhost.as_str()), base[1]];
    assert_eq!(office.send("GET", "/v1/status", &named, "").await.status, 200);

    let own = office.own();
    let own = Some(own.as_str());
    let large = format!("{{\"peer\": \"{}\"}}", "x".repeat(1 << 20));
    let answer = office.ask("POST", "/v1/dial", own, &large).await;
    assert_eq!((answer.status, answer.problem().as_str()), (413, "too_large"));
    let answer = office.ask("GET", "/v1/nothing", own, "").await;
    assert_eq!((answer.status, answer.problem().as_str()), (404, "not_found"));
    assert_eq!(answer.json()["side"], "local");
    let answer = office.ask("GET", "/v1/dial", own, "").await;
    assert_eq!((answer.status, answer.problem().as_str()), (405, "method_refused"));
    let answer = office.ask("POST", "/v1/dial", own, "{\"peer\": \"a\", \"colour\": 1}").await;
    assert_eq!((answer.status, answer.problem().as_str()), (400, "argument_invalid"));
    // A token that is revoked is over with its file.
    let token = office.token(Scope::Read);
    assert_eq!(office.ask("GET", "/v1/status", Some(&token), "").await.status, 200);
    tokens::revoke(&office.folder, &naru_protocol::encoding::Digest::of(token.as_bytes()).to_string())
        .unwrap();
    assert_eq!(office.ask("GET", "/v1/status", Some(&token), "").await.status, 401);
    let served = office.ask("GET", "/v1/openapi.json", None, "").await.json();
    assert_eq!(served, document());
    firm.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_is_live_and_becomes_ready_and_a_port_can_be_fixed() {
    let temp = Temp::new();
    let mut firm = firm(&temp).await;
    firm.stop().await;
    let folder = Folder::new(&firm.dir);
    let port = naru::config::bindable("127.0.0.1", 0).unwrap();
    let config = naru::config::Config {
        management: Some(Management { port: Some(port), open_metrics: true }),
        ..folder.config().unwrap()
    };
    let text = format!("{}\n", toml_of(&config));
    std::fs::write(folder.join("naru.toml"), text).unwrap();
    assert_eq!(folder.config().unwrap(), config);
    let (stop, _) = tokio::sync::watch::channel(false);
    let latches = Arc::new(Latches::default());
    let door = Door::open(&folder, Arc::clone(&latches), stop.clone()).await.unwrap();
    assert_eq!(door.port(), port);
    let second = Door::open(&folder, Arc::default(), stop.clone()).await.unwrap_err();
    assert_eq!(second.code, "port_in_use");
    let office = Office { port, folder: folder.clone(), stop };
    assert_eq!(office.ask("GET", "/live", None, "").await.status, 200);
    let token = office.token(Scope::Read);
    let waits = |answer: &Answer| answer.json()["waits"].clone();
    let answer = office.ask("GET", "/ready", None, "").await;
    assert_eq!((answer.status, waits(&answer)), (503, json!(["keys", "packs", "store", "listening"])));
    let answer = office.ask("GET", "/v1/status", Some(&token), "").await;
    assert_eq!((answer.status, answer.problem().as_str()), (503, "not_ready"));
    assert!(!folder.control().exists(), "no command finds a node that is not there yet");
    latches.close(Latch::Keys);
    assert_eq!(waits(&office.ask("GET", "/ready", None, "").await), json!(["packs", "store", "listening"]));
    firm.open().await;
    Latch::ALL.into_iter().for_each(|latch| latches.close(latch));
    door.hand_over(firm.node().clone()).unwrap();
    assert_eq!(office.ask("GET", "/ready", None, "").await.status, 200);
    // Opened to scrapers by the configuration, and nothing else with it.
    assert_eq!(office.ask("GET", "/metrics", None, "").await.status, 200);
    assert_eq!(office.ask("GET", "/v1/status", None, "").await.status, 401);
    office.stop.send(true).unwrap();
    door.closed().await;
    assert!(!folder.control().exists());
    firm.stop().await;
}

fn toml_of(config: &naru::config::Config) -> String {
    // The tests need no parser of their own: the folder writes what it reads.
    let dir = std::env::temp_dir().join(format!("naru-manage-toml-{}", std::process::id()));
    let folder = Folder::new(&dir);
    folder.create(config).unwrap();
    let text = std::fs::read_to_string(folder.join("naru.toml")).unwrap();
    std::fs::remove_dir_all(dir).unwrap();
    text
}

/// The arguments of a line, quotes taken off.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_page_do_what_they_say() {
    let temp = Temp::new();
    let firm = Firm::start(temp.join("firm"), "Hangang", "KR", None).await;
    let office = Office::of(&firm).await;
    let (read, operate) = (office.token(Scope::Read), office.token(Scope::Operate));
    let host = format!("127.0.0.1:{}", office.port);
    let blocks = PAGE.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut carried_out = 0;
    for line in blocks.flat_map(str::lines) {
        let words = words(line);
        let (mut method, mut body, mut url) = ("GET", String::new(), String::new());
        let mut headers = vec![("Host".to_owned(), host.clone())];
        let mut given = words.iter().skip(1);
        assert_eq!(words[0], "curl", "{line}");
        while let Some(word) = given.next() {
            match word.as_str() {
                "-sS" | "-N" => {}
                "-d" => (method, body) = ("POST", given.next().unwrap().clone()),
                "-H" => headers.push(match given.next().unwrap().as_str() {
                    "@read.header" => ("Authorization".to_owned(), format!("Bearer {read}")),
                    "@operate.header" => ("Authorization".to_owned(), format!("Bearer {operate}")),
                    other => {
                        let (name, value) = other.split_once(": ").unwrap();
                        (name.to_owned(), value.to_owned())
                    }
                }),
                word => url = word.to_owned(),
            }
        }
        let path = url.strip_prefix("http://127.0.0.1:4900").unwrap();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let answer = office.send(method, path, &headers, &body).await;
        assert_eq!(answer.status, 200, "{line}: {}", answer.body);
        assert!(path == "/v1/events" || !answer.body.is_empty(), "{line}");
        carried_out += 1;
    }
    assert!(carried_out >= 10, "{carried_out}");
    // Every path of the table of routes is one that the page or the document names; the page names those apart.
    for path in ["/live", "/ready", "/metrics", "/v1/events", "/v1/openapi.json"] {
        assert!(PAGE.contains(path), "{path}");
    }
    assert!(Scope::ALL.iter().all(|scope| PAGE.contains(&format!("| `{}` |", scope.as_str()))));
}
