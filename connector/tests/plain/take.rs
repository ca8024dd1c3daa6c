//! Data that a partner delivers to us: taken under the token of our request alone, named when they are whole (PLN-8.9).

use std::{fs, path::Path};

use naru::node::verbs::Propose;
use serde_json::Value;

use crate::common::{
    foreign::{Reply, answered_pid},
    settled,
    trade::{Market, Pids, WARE, content, order, ware_policy},
};

const EDC: &str = "https://w3id.org/edc/v0.0.1/ns/";

/// A delivery that the node has asked for.
struct Delivery {
    pids: Pids,
    id: String,
    url: String,
    token: String,
}

fn property(address: &Value, name: &str) -> String {
    let properties = address["endpointProperties"].as_array().unwrap();
    let found = properties.iter().find(|p| p["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {address}"))["value"].as_str().unwrap().to_owned()
}

async fn ordered(market: &Market, out: &Path) -> Delivery {
    let partner = &market.partner;
    partner.offers(&ware_policy());
    let ask = Propose { push: true, ..order(&partner.id, WARE, Some(out.to_owned())) };
    let asked = market.firm.node().request(ask).await.unwrap();
    let sale = partner.asked_as(asked).await;
    let agreement = partner.agreement_for(&sale);
    partner.agrees(&sale, &agreement).await.taken(200, "an agreement as asked for");
    partner.finalizes(&sale).await;
    let said = partner.desk.next("/transfers/request").await.json();
    assert_eq!(said["format"], "HttpData-PUSH");
    let address = &said["dataAddress"];
    let url = address["endpoint"].as_str().unwrap().to_owned();
    let token = property(address, "authorization");
    for (name, value) in [
        ("endpoint", &url),
        ("baseUrl", &url),
        ("authorization", &token),
        ("authCode", &token),
        ("authKey", &"Authorization".to_owned()),
    ] {
        assert_eq!(property(address, &format!("{EDC}{name}")), *value, "{name}");
    }
    let consumer = said["consumerPid"].as_str().unwrap().to_owned();
    let pids = Pids { provider: answered_pid(&consumer), consumer };
    let id = market.firm.until(&sale.id, |v| v.other.is_some()).await.other.unwrap();
    market.firm.until(&id, |v| v.state == "REQUESTED").await;
    Delivery { pids, id, url, token }
}

async fn put(market: &Market, delivery: &Delivery, name: &str, body: Vec<u8>) -> Reply {
    let named = format!("attachment; filename=\"{name}\"");
    let headers = [("authorization", delivery.token.as_str()), ("content-disposition", named.as_str())];
    market.partner.call("POST", &delivery.url, &headers, body).await
}

/// The data address opens nothing.
fn closed(reply: &Reply, why: &str) {
    assert_eq!(
        (reply.status, &reply.json()["code"]),
        (401, &serde_json::json!("capability_invalid")),
        "{why}"
    );
}

fn names(out: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(out)
        .map(|all| all.map(|e| e.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

async fn completes(market: &Market, delivery: &Delivery) {
    let path = format!("/transfers/{}/completion", delivery.pids.consumer);
    let done = delivery.pids.message("TransferCompletionMessage", serde_json::json!({}));
    market.partner.post(&path, &done).await.taken(200, "completion");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_is_taken_under_the_token_and_named_when_it_is_whole() {
    // PLN-8.9
    let market = Market::new().await;
    let out = market.temp.join("out");
    let delivery = ordered(&market, &out).await;
    // Before its START too: law was asked over the request.
    put(&market, &delivery, "../../etc/one.csv", content()).await.taken(200, "before START");
    market.partner.starts(&delivery.pids, None).await.taken(200, "START");
    put(&market, &delivery, "two.csv", b"2".to_vec()).await.taken(200, "after START");
    put(&market, &delivery, "two.csv", b"another".to_vec()).await.taken(200, "the same name again");
    assert_eq!(names(&out), ["_.._etc_one.csv", "two.csv", "two.csv.2"]);
    assert!(fs::read(out.join("_.._etc_one.csv")).unwrap() == content());
    assert_eq!(fs::read(out.join("two.csv")).unwrap(), b"2");
    let wrong = Delivery { token: "another".to_owned(), ..copy(&delivery) };
    closed(&put(&market, &wrong, "x", b"x".to_vec()).await, "another token");
    let get =
        market.partner.call("GET", &delivery.url, &[("authorization", &delivery.token)], Vec::new()).await;
    assert_eq!(get.status, 401, "what is delivered to us is not served from there");
    completes(&market, &delivery).await;
    let done = market.firm.until(&delivery.id, settled).await;
    assert_eq!((done.state.as_str(), done.bytes), ("COMPLETED", Some(content().len() as u64 + 8)));
    assert!(done.refusal.is_none(), "{done:#?}");
    closed(&put(&market, &delivery, "x", b"x".to_vec()).await, "after the end");
    assert_eq!(names(&out).len(), 3);
    market.close().await;
}

fn copy(of: &Delivery) -> Delivery {
    let pids = Pids { provider: of.pids.provider.clone(), consumer: of.pids.consumer.clone() };
    Delivery { pids, id: of.id.clone(), url: of.url.clone(), token: of.token.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_suspended_or_empty_is_no_delivery() {
    // PLN-8.9
    let market = Market::new().await;
    let out = market.temp.join("out");
    let delivery = ordered(&market, &out).await;
    market.partner.starts(&delivery.pids, None).await.taken(200, "START");
    let path = format!("/transfers/{}/suspension", delivery.pids.consumer);
    let pause = delivery.pids.message("TransferSuspensionMessage", serde_json::json!({}));
    market.partner.post(&path, &pause).await.taken(200, "suspension");
    closed(&put(&market, &delivery, "x", b"x".to_vec()).await, "suspended");
    market.partner.starts(&delivery.pids, None).await.taken(200, "START again");
    completes(&market, &delivery).await;
    let done = market.firm.until(&delivery.id, settled).await;
    assert_eq!(done.state, "COMPLETED");
    assert_eq!(done.refusal.unwrap().code, "answer_malformed", "the provider says that all is there");
    assert!(names(&out).is_empty());
    market.close().await;
}
