//! What a log, an export, an audit and people are told of exchanges that nobody signed; and what none of them is ever told
//! (PLN-2.6, PLN-3).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write},
    path::Path,
    sync::{Mutex, OnceLock},
    time::Duration,
};

use naru_protocol::{
    encoding::{Digest, from_base64url},
    json as jcs,
    log::entry::{EntryType, Side},
    plain::{PlainAct, WITHHELD},
};
use serde_json::{Value, json};

use crate::common::{
    foreign::{Content, Foreign, Say, uuid},
    settled,
    trade::{Market, PARTNER, content},
};

/// Everything that this process said by tracing.
static SAID: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Ear;

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        SAID.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Listens from now on, to whatever level.
fn listen() {
    static ONCE: OnceLock<bool> = OnceLock::new();
    ONCE.get_or_init(|| {
        let filter = tracing_subscriber::EnvFilter::new("debug,naru=trace");
        let made = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| Ear);
        made.try_init().is_ok()
    });
}

/// Every text in an export: its files, and what is in them in base64.
fn texts(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            found.extend(texts(&entry));
            continue;
        }
        let bytes = fs::read(&entry).unwrap();
        let name = entry.display().to_string();
        if let Ok(Value::Object(members)) = serde_json::from_slice(&bytes) {
            for (member, value) in members {
                if let Some(Ok(inner)) = value.as_str().map(from_base64url) {
                    found.push((format!("{name} {member}"), inner));
                }
            }
        }
        found.push((name, bytes));
    }
    found
}

fn holds(text: &[u8], secret: &str) -> bool {
    text.windows(secret.len()).any(|window| window == secret.as_bytes())
}

/// The secret segment of a base.
fn segment(partner: &Foreign) -> String {
    partner.node.split("/dsp/").nth(1).unwrap().split('/').next().unwrap().to_owned()
}

async fn views(market: &Market) -> String {
    let node = market.firm.node();
    let mut said = serde_json::to_string(&node.exchanges().await.unwrap()).unwrap();
    said += &serde_json::to_string(&node.peers().await.unwrap()).unwrap();
    said += &serde_json::to_string(&node.status().await.unwrap()).unwrap();
    said += &serde_json::to_string(&node.datasets().await.unwrap()).unwrap();
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_stand_nowhere() {
    // PLN-2.6
    listen();
    let sent = "Basic our-text-for-the-partner";
    let market = Market::with(|ask| ask.authorization = Some(sent.to_owned())).await;
    let mut by_header = Foreign::join_as(&market.firm, "urn:by:header", |ask| {
        ask.header = Some("Bearer text-of-the-partner".to_owned());
    })
    .await;
    by_header.authorization = Some("Bearer text-of-the-partner".to_owned());
    let (partner, secret) = (&market.partner, segment(&market.partner));
    let dataset = market.dataset().await;
    let (_, agreement) = partner.buys(&dataset).await;
    let (_, others) = by_header.buys(&dataset).await;
    let pull = partner.pulls(&agreement).await;
    let other = by_header.pulls(&others).await;
    pull.get(partner, &[]).await.taken(200, "the data");
    let wrong = [("authorization", "Bearer wrong-token-of-somebody")];
    partner.call("GET", &pull.url, &wrong, Vec::new()).await;
    let mut push = partner.transfer_for(&uuid(), &agreement, "HttpData-PUSH");
    push["dataAddress"] = partner.place("/inbox");
    partner.desk.once("/inbox", Say::empty(503));
    partner.post("/transfers/request", &push).await.taken(201, "a push");
    partner.desk.next("/completion").await;
    // As buyer: the token of the partner's data, and answers that fail in many ways.
    partner.desk.always("/data", |_| Say::new(200, Content::Whole(content())));
    partner.desk.once("/data", Say::empty(503));
    partner.desk.once("/negotiations/request", Say::text(500, "text/html", "<html>"));
    let haul = partner.delivers(&market.firm, &market.temp.join("out"), Some(&partner.place("/data"))).await;
    market.firm.until(&haul.id, settled).await;
    partner.desk.always("/offers", |_| Say::empty(302).with("location", "http://127.0.0.1:9/"));
    let ask = crate::common::proposal(PARTNER, &dataset, None);
    let offered = market.firm.node().offer(ask).await.unwrap();
    market.firm.until(&offered.id, |v| v.trouble.is_some() || v.refusal.is_some()).await;
    let wrong = partner.call("POST", &format!("{}x/catalog/request", partner.node), &[], Vec::new()).await;
    let log = market.firm.log(&market.temp).await;
    let secrets = [
        secret.as_str(),
        &pull.token,
        &other.token,
        "data-token",
        "our-text-for",
        "text-of-the-partner",
        "wrong-token",
    ];
    let mut all = texts(&log.dir);
    all.push(("views".to_owned(), views(&market).await.into_bytes()));
    all.push(("an error".to_owned(), wrong.body));
    all.push(("tracing".to_owned(), SAID.lock().unwrap().clone()));
    let plain = all.iter().filter(|(name, _)| name.contains("/plain/") && name.ends_with(" content")).count();
    assert!(plain > 20, "messages are there to be looked through: {plain}");
    assert!(all.last().unwrap().1.len() > 1000, "something was said");
    let mut found = BTreeSet::new();
    for (name, text) in &all {
        for secret in secrets.iter().filter(|secret| holds(text, secret)) {
            let at = text.windows(secret.len()).position(|w| w == secret.as_bytes()).unwrap();
            let near = String::from_utf8_lossy(&text[at.saturating_sub(120)..at]).into_owned();
            found.insert(format!("{secret} in {name}: …{near}"));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert!(all.iter().any(|(name, text)| name.ends_with(" content") && holds(text, WITHHELD)));
    // Debug output of what holds them says nothing either.
    let view =
        market.firm.node().add_plain(crate::common::foreign::plain(PARTNER, &partner.base)).await.unwrap();
    assert!(!format!("{view:?}").contains(&secret) && view.base.contains(&secret));
    market.close().await;
}

/// A trade in both roles, with a deal that is ended by either side.
async fn traded() -> (Market, Vec<String>) {
    let market = Market::new().await;
    let partner = &market.partner;
    let dataset = market.dataset().await;
    let (_, agreement) = partner.buys(&dataset).await;
    let pull = partner.pulls(&agreement).await;
    pull.says(partner, "suspension", "TransferSuspensionMessage").await.taken(200, "suspension");
    pull.says(partner, "start", "TransferStartMessage").await.taken(200, "start");
    pull.says(partner, "completion", "TransferCompletionMessage").await.taken(200, "completion");
    partner.desk.always("/data", |_| Say::new(200, Content::Whole(content())));
    let haul = partner.delivers(&market.firm, &market.temp.join("out"), Some(&partner.place("/data"))).await;
    market.firm.until(&haul.id, settled).await;
    let sale = partner.is_asked(&market.firm, None).await;
    let mut other = partner.agreement_for(&sale);
    other["target"] = json!("asset-2");
    partner.agrees(&sale, &other).await.taken(200, "another target");
    market.firm.until(&sale.id, settled).await;
    // Their termination crosses our agreement, which is not answered yet.
    partner.desk.once("/agreement", Say::empty(200).after(Duration::from_millis(400)));
    let ended = partner.asks(&dataset).await;
    partner.gets_agreement(&ended).await;
    let end = ended.message("ContractNegotiationTerminationMessage", json!({}));
    let path = format!("/negotiations/{}/termination", ended.provider);
    partner.post(&path, &end).await.taken(200, "a termination");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let all = market.firm.node().exchanges().await.unwrap().into_iter().map(|v| v.id).collect();
    (market, all)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_has_one_entry_that_says_unsigned() {
    // PLN-3.1, PLN-4.3
    let (market, exchanges) = traded().await;
    let log = market.firm.log(&market.temp).await;
    log.lanes_have_no_gap();
    let mut acts = BTreeMap::new();
    for id in &exchanges {
        for line in log.of(id).filter(|l| l.entry.kind().is_act()) {
            assert_eq!(line.entry.token(), None);
            assert_eq!((&line.fields["unsigned"], &line.fields["peer"]), (&json!(true), &json!(PARTNER)));
            assert!(line.lanes.contains_key("KR") && line.lanes.contains_key("SG"), "{:?}", line.lanes);
            let file = log.dir.join(format!("plain/{}.json", line.entry.act().unwrap()));
            let file: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            let act: PlainAct = serde_json::from_value(file["act"].clone()).unwrap();
            let digest = Digest::of(&jcs::canonical(&file["act"]).unwrap());
            assert_eq!(Some(&digest), line.entry.act(), "SHA-256 over the JCS of the message's members");
            let (us, them) = (market.firm.did.as_str(), PARTNER);
            let sent = line.entry.side() == Side::Sent;
            assert_eq!((act.from.as_str(), act.to.as_str()), if sent { (us, them) } else { (them, us) });
            assert_eq!(act.exchange.to_string(), *id);
            let path = act.path.to_string();
            assert!(path.starts_with("/negotiations/") || path.starts_with("/transfers/"), "{path}");
            assert_eq!(act.body, Digest::of(&from_base64url(file["content"].as_str().unwrap()).unwrap()));
            assert!(acts.insert(digest, line.entry.kind()).is_none(), "one entry for each message");
        }
    }
    assert_eq!(fs::read_dir(log.dir.join("plain")).unwrap().count(), acts.len());
    // What the partner heard, each once: the repetition of a message is the same message.
    let heard = market.partner.desk.all("");
    let posts: BTreeSet<_> = heard
        .iter()
        .filter(|h| h.path.starts_with("/negotiations/") || h.path.starts_with("/transfers/"))
        .map(|h| (h.path.clone(), h.body.clone()))
        .collect();
    let sent = log.lines.iter().filter(|l| l.entry.kind().is_act() && l.entry.side() == Side::Sent).count();
    assert_eq!(sent, posts.len());
    let dropped: usize = exchanges.iter().map(|id| log.dropped(id).len()).sum();
    assert_eq!(dropped, 1, "the agreement that lost against the termination");
    let kinds: BTreeSet<EntryType> = acts.into_values().collect();
    assert!(kinds.len() >= 9, "{kinds:?}");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_holds_and_says_what_is_not_proved() {
    // PLN-3.1, PLN-6.1
    let (market, exchanges) = traded().await;
    let report = market.audit().await;
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    let listed = json["exchanges"].as_array().unwrap();
    assert_eq!(listed.len(), exchanges.len());
    assert!(listed.iter().all(|e| e["unsigned"] == json!(true)), "{listed:#?}");
    let mut words: Vec<&str> = listed.iter().map(|e| e["verdict"].as_str().unwrap()).collect();
    words.sort_unstable();
    assert_eq!(words.iter().filter(|w| **w == "agreed, unsigned").count(), 2, "{words:?}");
    assert_eq!(words.iter().filter(|w| **w == "transfer complete, unsigned").count(), 2, "{words:?}");
    assert!(report.to_text().contains("unsigned"));
    market.close().await;
}
