//! Whole trades: the partner buys and fetches, is delivered to, sells and is fetched from; and what both logs say then.

use std::fs;

use naru_protocol::encoding::Digest;
use serde_json::json;

use crate::common::{
    foreign::{Content, Say, dsp, uuid},
    settled,
    trade::{Market, content},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_buys_and_fetches() {
    // PLN-2.1, PLN-4.1, PLN-4.8, PLN-6.2, PLN-8.1, PLN-8.2
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let segment = partner.node.split("/dsp/").nth(1).unwrap().split('/').next().unwrap();
    assert!(segment.len() * 6 >= 128 && partner.node.ends_with("/2025-1"), "{}", partner.node);
    let pids = partner.asks(&dataset).await;
    let agreement = partner.gets_agreement(&pids).await;
    assert_eq!((&agreement["assigner"], &agreement["assignee"]), (&json!(partner.did), &json!(partner.id)));
    assert_eq!(agreement["target"], json!(dataset));
    partner.verifies(&pids).await;
    let event = partner.desk.next("/events").await.json();
    assert_eq!(event["eventType"], json!("FINALIZED"));
    let pull = partner.pulls(agreement["@id"].as_str().unwrap()).await;
    for name in ["endpoint", "endpointType", "authType", "authorization"] {
        let long = format!("https://w3id.org/edc/v0.0.1/ns/{name}");
        let all = pull.address["endpointProperties"].as_array().unwrap();
        assert!(all.iter().any(|p| p["name"] == json!(long)), "{name}");
    }
    assert!(pull.token.len() * 6 >= 256);
    let got = pull.get(partner, &[]).await.taken(200, "the data");
    assert!(got.body == content());
    pull.says(partner, "completion", "TransferCompletionMessage").await.taken(200, "completion");
    assert_eq!(pull.state(partner).await, "COMPLETED");
    let views = market.firm.node().exchanges().await.unwrap();
    assert_eq!(views.len(), 2);
    assert!(views.iter().all(|v| v.unsigned && v.role == "provider" && settled(v)), "{views:#?}");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_delivered_to() {
    // PLN-8.8
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let (_, agreement) = partner.buys(&dataset).await;
    let consumer = uuid();
    let mut ask = partner.transfer_for(&consumer, &agreement, "HttpData-PUSH");
    ask["dataAddress"] = partner.place("/inbox");
    partner.desk.once("/inbox", Say::empty(503));
    partner.post("/transfers/request", &ask).await.taken(201, "a push");
    let start = partner.desk.next(&format!("/transfers/{consumer}/start")).await.json();
    assert_eq!(start.get("dataAddress"), None);
    partner.desk.next(&format!("/transfers/{consumer}/completion")).await;
    let delivered = partner.desk.all("/inbox");
    // Once refused for the moment, once taken; both before completion, which was heard afterwards.
    assert_eq!(delivered.len(), 2);
    let last = &delivered[1];
    assert_eq!((last.method.as_str(), last.header("authorization")), ("POST", Some("data-token")));
    assert!(last.body == content());
    assert!(last.header("repr-digest").is_some_and(|text| text.starts_with("sha-256=:")));
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_sells_and_is_fetched_from() {
    // PLN-4.8, PLN-5.3, PLN-8.7
    let market = Market::new().await;
    let (partner, out) = (&market.partner, market.temp.join("out"));
    partner.desk.always("/data", |_| Say::new(200, Content::Whole(content())));
    let haul = partner.delivers(&market.firm, &out, Some(&partner.place("/data"))).await;
    let done = market.firm.until(&haul.id, settled).await;
    assert_eq!((done.state.as_str(), done.bytes), ("COMPLETED", Some(content().len() as u64)), "{done:#?}");
    assert!(fs::read(out.join("asset-1")).unwrap() == content());
    let sha256: String = Digest::of(&content()).0.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(done.sha256, Some(sha256));
    assert_eq!(partner.desk.next("/data").await.header("authorization"), Some("data-token"));
    partner.desk.next(&format!("/transfers/{}/completion", haul.pids.provider)).await;
    assert_eq!(partner.desk.all("/data").len(), 1, "fetched once");
    let deal = market.firm.until(&haul.sale.id, settled).await;
    assert_eq!((deal.state.as_str(), deal.unsigned), ("FINALIZED", true));
    assert!(deal.in_force.is_some() && deal.took_ms.is_some());
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn we_offer_and_a_partner_takes_it_up() {
    // PLN-6.2, PLN-4.1
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let ask = crate::common::proposal(&partner.id, &dataset, None);
    let offered = market.firm.node().offer(ask).await.unwrap();
    let heard = partner.desk.next("/negotiations/offers").await.json();
    assert_eq!(heard["callbackAddress"], json!(partner.node));
    let provider = heard["providerPid"].as_str().unwrap().to_owned();
    let consumer = crate::common::foreign::answered_pid(&provider);
    let message = json!({"providerPid": provider, "consumerPid": consumer, "eventType": "ACCEPTED"});
    let path = format!("/negotiations/{provider}/events");
    partner.post(&path, &dsp("ContractNegotiationEventMessage", message)).await.taken(200, "ACCEPTED");
    let pids = crate::common::trade::Pids { provider, consumer };
    partner.gets_agreement(&pids).await;
    partner.verifies(&pids).await;
    let done = market.firm.until(&offered.id, settled).await;
    assert_eq!((done.state.as_str(), done.role.as_str()), ("FINALIZED", "provider"));
    market.close().await;
}
