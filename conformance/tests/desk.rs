//! What the suite answers a node that was started again and asks what is held of its log (API-3.5), and how the suite waits
//! for a node that asks this first.
#![allow(clippy::unwrap_used)]

use naru_conformance::{
    acts::{Act, sign_token},
    encoding::b64url,
    identity::{Identity, Ring, now, random},
    json::Json,
    ledger::{Entry, Ledger},
    transport::{Answer, Call},
    wire::desk::{DSP, DXP, Desk},
};

/// A node with a log of its own, and the desk that it talks to.
struct Node {
    me: Identity,
    ledger: Ledger,
    desk: Desk,
    exchange: [u8; 16],
}

impl Node {
    fn new() -> Self {
        let me = Identity::fresh("Node", "KR").unwrap();
        let mut ring = Ring::default();
        ring.offer(&me.did(), &me.keys).unwrap();
        let desk = Desk::open(Identity::fresh("Suite", "SG").unwrap(), &me.did(), ring).unwrap();
        let exchange = random().unwrap();
        desk.begin(exchange, random().unwrap(), "urn:c");
        let ledger = Ledger::new(me.origin(), me.log.clone());
        Self { me, ledger, desk, exchange }
    }

    /// Logs and sends a termination with this much padding; gives the act, its index, its token and the answer.
    fn act(&mut self, padding: usize) -> (Act, u64, String, Answer) {
        let body = format!(r#"{{"providerPid":"urn:p","pad":"{}"}}"#, "x".repeat(padding));
        let act = Act {
            msg: random().unwrap(),
            iss: self.me.did(),
            aud: self.desk.me.did(),
            exchange: self.exchange,
            method: "POST".to_owned(),
            path: "/negotiations/urn:c/termination".to_owned(),
            body: body.into_bytes(),
            prev: None,
        };
        let entry = Entry { act: Some(act.digest()), side: "sent".to_owned(), ..Entry::default() };
        let index = self.ledger.append(entry.encode(&[0; 32], &act.msg));
        let token = sign_token(&act.token(now(), index, &self.ledger.checkpoint()), &self.me.signing);
        let call = Call::new("POST", &format!("{DSP}{}", act.path))
            .header("authorization", &format!("Bearer {token}"))
            .json(&*act.body);
        let answer = self.desk.answer(&call);
        (act, index, token, answer)
    }

    fn ask(&self, path: &str) -> Answer {
        let payload =
            naru_conformance::acts::read_token(&self.me.did(), &self.desk.me.did(), now(), "GET", path, b"");
        let token = sign_token(&payload, &self.me.signing);
        let call =
            Call::new("GET", &format!("{DXP}{path}")).header("authorization", &format!("Bearer {token}"));
        self.desk.answer(&call)
    }

    fn yours(&self, from: u64) -> Json {
        let answer = self.ask(&format!("/log/yours?from={from}"));
        assert_eq!(answer.status, 200);
        assert!(answer.body.len() <= 1 << 20, "{} bytes", answer.body.len());
        Json::parse(&answer.body).unwrap()
    }
}

/// API-3.5
#[test]
fn the_suite_gives_back_what_it_holds_of_a_nodes_log() {
    let mut node = Node::new();
    let none = node.yours(0);
    assert_eq!((none.get("checkpoint"), none.list("acts").len()), (Some(&Json::Null), 0));
    assert_eq!(none.keys(), ["acts", "checkpoint", "v"]);

    let (first, index, token, answer) = node.act(0);
    assert_eq!(answer.status, 200);
    node.act(0);
    // Turned away: its checkpoint is held, the act was never taken.
    node.desk.close(true);
    let (turned_away, ..) = node.act(0);
    node.desk.close(false);
    let held = node.yours(0);
    assert_eq!(held.text("checkpoint"), Some(node.ledger.checkpoint().as_str()));
    assert_eq!(held.list("acts").len(), 2);
    assert!(held.list("acts").iter().all(|act| act.text("act") != Some(&turned_away.digest())));
    let shown = &held.list("acts")[0];
    assert_eq!(shown.keys(), ["act", "content", "index", "path", "token"]);
    assert_eq!(shown.text("act"), Some(first.digest().as_str()));
    assert_eq!(shown.integer("index"), Some(index as i64));
    assert_eq!(shown.text("token"), Some(token.as_str()));
    assert_eq!(shown.text("path"), Some(first.path.as_str()));
    assert_eq!(shown.text("content"), Some(b64url(&first.body).as_str()));
    assert_eq!(node.yours(index + 1).list("acts").len(), 1);
    assert_eq!(node.yours(index + 2).list("acts").len(), 0);
    for path in ["/log/yours", "/log/yours?from=-1", "/log/yours?from=x", "/log/yours?size=0"] {
        assert_eq!(node.ask(path).status, 404, "{path}");
    }
}

/// API-3.5: a page has at most 256 acts and fits a message; the next begins after its last index.
#[test]
fn pages_of_a_nodes_acts_are_whole_together() {
    for (count, padding) in [(300, 0), (9, 300_000)] {
        let mut node = Node::new();
        for _ in 0..count {
            assert_eq!(node.act(padding).3.status, 200);
        }
        let (mut from, mut seen, mut pages) = (0, 0, 0);
        loop {
            let page = node.yours(from);
            let acts = page.list("acts");
            assert!(acts.len() <= 256);
            let Some(last) = acts.last() else { break };
            assert!(acts.iter().all(|act| act.integer("index") >= Some(from as i64)));
            (from, seen, pages) = (last.integer("index").unwrap() as u64 + 1, seen + acts.len(), pages + 1);
        }
        assert_eq!(seen, count);
        assert!(pages > 1, "{pages}");
    }
}
