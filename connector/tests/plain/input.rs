//! Bad input of a partner: each answered with its own status and the error body of the binding, and nothing changed (PLN-2.5,
//! PLN-3.2, PLN-4.1, PLN-4.2, PLN-4.5).

use serde_json::{Value, json};

use crate::common::{
    foreign::{CONTEXT, Foreign, Reply, dsp, uuid},
    trade::{Market, Pids},
};

/// A change to a message, and why it must not be taken.
type Fault = (&'static str, fn(&mut Value));

const FAULTS: [Fault; 16] = [
    ("no @context", |m| drop(m.as_object_mut().unwrap().remove("@context"))),
    ("another @context", |m| m["@context"] = json!(["https://w3id.org/dspace/2024/1/context.json"])),
    ("@context as a string", |m| m["@context"] = json!(CONTEXT)),
    ("an inline context", |m| m["@context"] = json!([CONTEXT, {"x": "urn:x"}])),
    ("@context as an object", |m| m["@context"] = json!({"@vocab": CONTEXT})),
    ("no @type", |m| drop(m.as_object_mut().unwrap().remove("@type"))),
    ("an unknown @type", |m| m["@type"] = json!("dspace:Something")),
    ("the @type of another message", |m| m["@type"] = json!("ContractOfferMessage")),
    ("@type as a list", |m| m["@type"] = json!(["ContractRequestMessage"])),
    ("no consumerPid", |m| drop(m.as_object_mut().unwrap().remove("consumerPid"))),
    ("consumerPid is a number", |m| m["consumerPid"] = json!(7)),
    ("consumerPid cannot stand in a path", |m| m["consumerPid"] = json!("a/../b?c")),
    ("no offer", |m| drop(m.as_object_mut().unwrap().remove("offer"))),
    ("an offer without rules", |m| m["offer"] = json!({"@id": "o", "@type": "Offer", "target": "x"})),
    ("a right operand that is a number", |m| {
        m["offer"]["permission"][0]["constraint"][0]["rightOperand"] = json!(5);
    }),
    ("a duty inside a permission", |m| m["offer"]["permission"][0]["duty"] = json!([{"action": "use"}])),
];

async fn size(market: &Market) -> (u64, usize) {
    let node = market.firm.node();
    (node.status().await.unwrap().log_size, node.exchanges().await.unwrap().len())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_is_400_and_leaves_no_trace() {
    // PLN-3.2, PLN-4.1, PLN-4.2
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let (consumer, offer) = (uuid(), partner.offer_for(&dataset).await);
    let good = partner.request_for(&consumer, &offer);
    let before = size(&market).await;
    for (why, change) in FAULTS {
        let mut message = good.clone();
        change(&mut message);
        partner.post("/negotiations/request", &message).await.refused(400, "malformed", why);
    }
    let text = good.to_string();
    let deep = format!(
        "{}\"x\": {}{}}}",
        &text[..text.len() - 1].to_owned().add(","),
        "[".repeat(60),
        "]".repeat(60)
    );
    let cases: [(&str, Vec<u8>); 8] = [
        ("nothing", Vec::new()),
        ("half", text.as_bytes()[..text.len() / 2].to_vec()),
        ("a list", b"[]".to_vec()),
        ("null", b"null".to_vec()),
        ("HTML", b"<!DOCTYPE html><html><body>no</body></html>".to_vec()),
        ("not UTF-8", [text.as_bytes(), &[0xff, 0xfe]].concat()),
        ("one member twice", text.replacen('{', "{\"@type\":\"x\",", 1).into_bytes()),
        ("nested deep", deep.into_bytes()),
    ];
    for (why, body) in cases {
        let reply = partner.post_bytes("/negotiations/request", body).await;
        let code = reply.json()["code"].as_str().unwrap_or_default().to_owned();
        reply.refused(400, &code, why);
    }
    let mut long = good.clone();
    long["filler"] = json!("x".repeat((1 << 20) + 1 - text.len()));
    assert!(long.to_string().len() > 1 << 20);
    partner.post("/negotiations/request", &long).await.refused(413, "too_large", "1 MiB and more");
    let zipped = [("content-encoding", "gzip")];
    let url = format!("{}/negotiations/request", partner.node);
    let reply = partner.call("POST", &url, &zipped, text.clone().into_bytes()).await;
    reply.refused(415, "encoding_refused", "encoded content");
    for path in ["/negotiations", "/nothing", "/negotiations//request", "/negotiations/a/b/c/d", ""] {
        partner.post(path, &good).await.refused(404, "not_found", path);
    }
    assert_eq!(size(&market).await, before, "nothing was begun and nothing logged");
    partner.desk.none("/agreement");
    // The very message that was spoilt above is good.
    partner.post("/negotiations/request", &good).await.taken(201, "the same without a fault");
    market.close().await;
}

use std::ops::Add as _;

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_leads_to_the_recorded_address_or_nowhere() {
    // PLN-2.5
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let (_, agreement) = partner.buys(&dataset).await;
    let trap = Foreign::join(&market.firm, "EVE").await;
    let port = |origin: &str| origin.rsplit(':').next().unwrap().to_owned();
    let (offer, before) = (partner.offer_for(&dataset).await, size(&market).await);
    let elsewhere = [
        trap.base.clone(),
        format!("http://localhost:{}/protocol/2025-1", port(&partner.origin)),
        format!("http://127.0.0.2:{}", port(&partner.origin)),
        "http://127.0.0.1".to_owned(),
        "http://[::1]:80/x".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://metadata.google.internal/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "https://partner.example/protocol".to_owned(),
        partner.base.replacen("http://", "https://", 1),
        partner.base.replacen("http://", "http://x@", 1),
        format!("http://127.0.0.1:{}@{}", port(&partner.origin), trap.origin.trim_start_matches("http://")),
        "file:///etc/passwd".to_owned(),
        "/protocol".to_owned(),
        "x".to_owned(),
    ];
    for callback in &elsewhere {
        let mut message = partner.request_for(&uuid(), &offer);
        message["callbackAddress"] = json!(callback);
        partner.post("/negotiations/request", &message).await.refused(400, "callback_refused", callback);
        let mut message = partner.transfer_for(&uuid(), &agreement, "HttpData-PULL");
        message["callbackAddress"] = json!(callback);
        partner.post("/transfers/request", &message).await.refused(400, "callback_refused", callback);
        let (offer, provider) = (
            json!({"@id": "o", "@type": "Offer", "target": "x",
            "permission": [{"action": "use"}]}),
            uuid(),
        );
        let message = json!({"providerPid": provider, "offer": offer, "callbackAddress": callback});
        let reply = partner.post("/negotiations/offers", &dsp("ContractOfferMessage", message)).await;
        reply.refused(400, "callback_refused", callback);
    }
    for missing in [json!(null), json!("")] {
        let mut message = partner.request_for(&uuid(), &offer);
        message["callbackAddress"] = missing;
        let reply = partner.post("/negotiations/request", &message).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
    }
    assert_eq!(size(&market).await, before);
    trap.desk.none("");
    // Another path of the same address is the peer's own affair, with a slash at its end or not.
    let mut message = partner.request_for(&uuid(), &offer);
    message["callbackAddress"] = json!(format!("{}/other/", partner.origin));
    partner.post("/negotiations/request", &message).await.taken(201, "the recorded address");
    let pid = message["consumerPid"].as_str().unwrap();
    assert_eq!(partner.desk.next("/agreement").await.path, format!("/other/negotiations/{pid}/agreement"));
    market.close().await;
}

/// Everything that a partner may post in a deal, by what follows the pid.
fn messages(pids: &Pids, offer: &Value) -> Vec<(&'static str, Value)> {
    let event = |what: &str| pids.message("ContractNegotiationEventMessage", json!({"eventType": what}));
    let mut agreement = offer.clone();
    for (member, value) in [("@type", "Agreement"), ("@id", "urn:a"), ("assigner", "x"), ("assignee", "y")] {
        agreement[member] = json!(value);
    }
    vec![
        ("request", pids.message("ContractRequestMessage", json!({"offer": offer}))),
        ("offers", pids.message("ContractOfferMessage", json!({"offer": offer}))),
        ("events", event("ACCEPTED")),
        ("events", event("FINALIZED")),
        ("agreement", pids.message("ContractAgreementMessage", json!({"agreement": agreement}))),
        ("agreement/verification", pids.message("ContractAgreementVerificationMessage", json!({}))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_arrow_is_exactly_400() {
    // PLN-4.1, PLN-4.2, PLN-3.2: never 401, 403, 404 or 409, and the body says code, reason and both pids.
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let offer = partner.offer_for(&dataset).await;
    let agreed = partner.asks(&dataset).await;
    partner.gets_agreement(&agreed).await;
    let (finalized, agreement) = partner.buys(&dataset).await;
    let ended = partner.asks(&dataset).await;
    partner.gets_agreement(&ended).await;
    let end = ended.message("ContractNegotiationTerminationMessage", json!({"code": "x", "reason": ["y"]}));
    let path = format!("/negotiations/{}/termination", ended.provider);
    partner.post(&path, &end).await.taken(200, "a termination");
    let legal = |pids: &Pids, what: &str| pids.provider == agreed.provider && what.contains("verification");
    for pids in [&agreed, &finalized, &ended] {
        for (what, message) in messages(pids, &offer) {
            // What was taken and comes again has its own answer; see there.
            if legal(pids, what) || (pids.provider == finalized.provider && what.contains("verification")) {
                continue;
            }
            let before = size(&market).await;
            let path = format!("/negotiations/{}/{what}", pids.provider);
            let said = partner.post(&path, &message).await.refused(400, "illegal_state", &path);
            assert_eq!(said["providerPid"], json!(pids.provider), "{said}");
            assert_eq!(said["consumerPid"], json!(pids.consumer), "{said}");
            assert_eq!(size(&market).await, before, "{path}");
        }
    }
    let end = finalized.message("ContractNegotiationTerminationMessage", json!({}));
    let path = format!("/negotiations/{}/termination", finalized.provider);
    partner.post(&path, &end).await.refused(400, "illegal_state", "what is finalized is not terminated");
    let pull = partner.pulls(&agreement).await;
    pull.says(partner, "start", "TransferStartMessage").await.refused(
        400,
        "illegal_state",
        "started already",
    );
    pull.says(partner, "completion", "TransferCompletionMessage").await.taken(200, "completion");
    for (what, kind) in [
        ("start", "TransferStartMessage"),
        ("suspension", "TransferSuspensionMessage"),
        ("termination", "TransferTerminationMessage"),
    ] {
        let said = pull.says(partner, what, kind).await.refused(400, "illegal_state", what);
        assert_eq!(
            (&said["@type"], &said["providerPid"]),
            (&json!("TransferError"), &json!(pull.pids.provider))
        );
    }
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_names_the_two_processes_that_it_is_posted_to() {
    // PLN-4.1
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let (pids, other) = (partner.asks(&dataset).await, partner.asks(&dataset).await);
    partner.gets_agreement(&pids).await;
    partner.gets_agreement(&other).await;
    let path = format!("/negotiations/{}/agreement/verification", pids.provider);
    for (provider, consumer) in [
        (&other.provider, &other.consumer),
        (&pids.provider, &other.consumer),
        (&other.provider, &pids.consumer),
        (&pids.consumer, &pids.provider),
        (&String::from("urn:x"), &pids.consumer),
    ] {
        let wrong = Pids { provider: provider.clone(), consumer: consumer.clone() };
        let message = wrong.message("ContractAgreementVerificationMessage", json!({}));
        let said = partner.post(&path, &message).await.refused(400, "malformed", "other processes");
        assert_eq!(said["consumerPid"], json!(pids.consumer));
    }
    assert_eq!(partner.state(&format!("/negotiations/{}", pids.provider)).await, "AGREED");
    partner.verifies(&pids).await;
    // A process of the other protocol is unknown there.
    let path = format!("/transfers/{}/termination", pids.provider);
    let message = pids.message("TransferTerminationMessage", json!({}));
    partner.post(&path, &message).await.refused(404, "not_found", "a negotiation is no transfer");
    market.close().await;
}

async fn same(partner: &Foreign, path: &str, message: &Value, first: &Reply) {
    let again = partner.post(path, message).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body), "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_message_again_has_the_same_answer_and_changes_nothing() {
    // PLN-4.5
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let offer = partner.offer_for(&dataset).await;
    let consumer = uuid();
    let request = partner.request_for(&consumer, &offer);
    let first = partner.post("/negotiations/request", &request).await.taken(201, "first");
    same(partner, "/negotiations/request", &request, &first).await;
    let provider = first.json()["providerPid"].as_str().unwrap().to_owned();
    let pids = Pids { provider, consumer: consumer.clone() };
    let agreement = partner.gets_agreement(&pids).await;
    let before = size(&market).await;
    same(partner, "/negotiations/request", &request, &first).await;
    // Another message under the same process id is no repetition.
    for (why, change) in [
        (
            "another offer id",
            &(|m: &mut Value| m["offer"]["@id"] = json!("urn:other")) as &dyn Fn(&mut Value),
        ),
        ("another callback", &|m| m["callbackAddress"] = json!(format!("{}/x", partner.origin))),
    ] {
        let mut other = request.clone();
        change(&mut other);
        partner.post("/negotiations/request", &other).await.refused(400, "illegal_state", why);
    }
    assert_eq!(size(&market).await, before);
    let path = format!("/negotiations/{}/agreement/verification", pids.provider);
    let message = pids.message("ContractAgreementVerificationMessage", json!({}));
    let verified = partner.post(&path, &message).await.taken(200, "first");
    partner.desk.next("/events").await;
    same(partner, &path, &message, &verified).await;
    let id = agreement["@id"].as_str().unwrap();
    let ask = partner.transfer_for(&uuid(), id, "HttpData-PULL");
    let started = partner.post("/transfers/request", &ask).await.taken(201, "first");
    partner.desk.next("/start").await;
    same(partner, "/transfers/request", &ask, &started).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!((partner.desk.all("/agreement").len(), partner.desk.all("/events").len()), (1, 1));
    assert_eq!(partner.desk.all("/start").len(), 1);
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_many_times_at_once_begins_one_exchange() {
    // PLN-4.5, PLN-4.1
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let request = partner.request_for(&uuid(), &partner.offer_for(&dataset).await);
    let posts = (0..12).map(|_| partner.post("/negotiations/request", &request));
    let replies = futures::future::join_all(posts).await;
    assert!(replies.iter().all(|r| (r.status, &r.body) == (201, &replies[0].body)), "{replies:?}");
    partner.desk.next("/agreement").await;
    assert_eq!(market.firm.node().exchanges().await.unwrap().len(), 1);
    assert_eq!(partner.desk.all("/agreement").len(), 1);
    market.close().await;
}
