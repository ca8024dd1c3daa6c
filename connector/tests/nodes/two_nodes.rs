//! Deals between two real nodes: started by either side, dialled by either side, refused by law, ended (spec chapters
//! 03, 06, 07 and 08). What they did is read from views, exports and files; what they kept inside is not looked at.

use crate::common::{Dials, Pair, approval, core_technology, harmless, private, proposal, publish};
use naru::node::verbs::{End, ExchangeView, Retry};
use naru_protocol::{error::Code, log::entry::EntryType};
use serde_json::{Value, json};

/// The names of acts in the order of a log.
fn story(log: &crate::common::Log, exchange: &str) -> Vec<EntryType> {
    log.of(exchange).filter(|l| l.entry.act().is_some()).map(|l| l.entry.kind()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_that_the_consumer_starts_is_concluded_and_logged_once_on_both_sides() {
    // NEG-9.1, TRF-3.1, ACT-6.5, ACT-6.6, LOG-7.5
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let out = pair.temp.join("out");
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    let transfer = pair.concluded(&asked.id, &out).await;
    assert_eq!(pair.buyer.connected(&pair.seller.did).await.as_deref(), Some("we dialled"));
    let (ours, _) = pair.logs_agree(&[&asked.id, &transfer]).await;
    use EntryType as E;
    assert_eq!(
        story(&ours, &asked.id),
        [E::NegotiationRequest, E::NegotiationAgreement, E::NegotiationVerification, E::NegotiationFinalized]
    );
    assert_eq!(
        story(&ours, &transfer),
        [E::TransferRequest, E::TransferStart, E::TransferReceipt, E::TransferCompletion]
    );
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_that_the_provider_starts_over_the_connection_that_it_dialled_is_concluded() {
    // NEG-3.5, NEG-9.1: nobody listens at the provider's.
    let pair = Pair::new(Dials::Seller, harmless()).await;
    let out = pair.temp.join("out");
    let catalog = crate::common::catalog(&pair.buyer, &pair.seller.did).await;
    assert_eq!(catalog.len(), 1);
    pair.buyer.expect(&pair.seller.did, out.clone()).await;
    let offered = pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap();
    let transfer = pair.concluded(&offered.id, &out).await;
    assert_eq!(pair.seller.connected(&pair.buyer.did).await.as_deref(), Some("we dialled"));
    let (ours, _) = pair.logs_agree(&[&offered.id, &transfer]).await;
    use EntryType as E;
    assert_eq!(
        story(&ours, &offered.id),
        [
            E::NegotiationOffer,
            E::NegotiationAccept,
            E::NegotiationAgreement,
            E::NegotiationVerification,
            E::NegotiationFinalized
        ]
    );
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn either_side_may_start_whoever_dialled() {
    // The consumer asks over the provider's connection, the provider offers over the consumer's.
    let pair = Pair::new(Dials::Seller, harmless()).await;
    let out = pair.temp.join("out");
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    let transfer = pair.concluded(&asked.id, &out).await;
    pair.logs_agree(&[&asked.id, &transfer]).await;
    pair.close().await;

    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let out = pair.temp.join("out");
    assert_eq!(crate::common::catalog(&pair.buyer, &pair.seller.did).await.len(), 1);
    pair.buyer.expect(&pair.seller.did, out.clone()).await;
    let offered = pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap();
    let transfer = pair.concluded(&offered.id, &out).await;
    pair.logs_agree(&[&offered.id, &transfer]).await;
    pair.close().await;
}

/// What the termination of an exchange said, as it stands in the seller's export.
fn termination(log: &crate::common::Log, exchange: &str) -> Value {
    let line = log.of(exchange).find(|l| l.entry.kind() == EntryType::NegotiationTermination).unwrap();
    let path = log.dir.join(format!("acts/{}.json", line.entry.act().unwrap()));
    let act: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let content = naru_protocol::encoding::from_base64url(act["content"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&content).unwrap()
}

/// The rules that an own evaluation names, and those of them that its packs let the peer see.
fn rules(view: &ExchangeView) -> Vec<String> {
    let result = view.decision.as_ref().unwrap()["result"].clone();
    let findings = ["deny", "undetermined"].map(|name| result[name].as_array().unwrap().clone()).concat();
    findings.iter().map(|f| f["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn core_technology_without_approval_is_refused_and_with_it_allowed() {
    // NEG-3.9: 201, then a termination with the code. The declared facts stay as they are.
    let pair = Pair::new(Dials::Buyer, core_technology()).await;
    let (seller, buyer) = (&pair.seller, &pair.buyer);
    let asked = buyer.request(&seller.did, &pair.dataset, None).await.unwrap();
    let (here, there) = pair.settled(&asked.id).await;
    assert_eq!((here.state.as_str(), there.state.as_str()), ("TERMINATED", "TERMINATED"));
    assert!(here.in_force.is_none() && there.in_force.is_none());
    let told = there.refusal.unwrap();
    assert_eq!((told.code.as_str(), told.side.as_str()), (Code::Denied.as_str(), "peer"));
    let own = rules(&here);
    assert!(own.iter().any(|id| id == "KR-ITA-001"), "{own:?}");
    // No more than ids that the rules' own metadata allow to be named.
    assert!(told.reasons.iter().all(|id| own.contains(id)), "{:?}", told.reasons);
    let (ours, _) = pair.logs_agree(&[&asked.id]).await;
    let said = termination(&ours, &asked.id);
    let reasons = said.get("reason").and_then(Value::as_array).cloned().unwrap_or_default();
    assert_eq!(json!(reasons), json!(told.reasons));
    assert_eq!(said["dxp"], json!({"v": 1, "code": "denied"}));

    seller.facts(&private(&[&buyer.did], &[approval(&pair.dataset, &buyer.did)]));
    let out = pair.temp.join("out");
    let again = buyer.request(&seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    let transfer = pair.concluded(&again.id, &out).await;
    pair.logs_agree(&[&asked.id, &again.id, &transfer]).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_that_may_not_be_explained_is_the_same_whatever_its_cause() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let (seller, buyer) = (&pair.seller, &pair.buyer);
    let mut licensed = harmless();
    licensed["technology"]["strategic"]["status"] = json!("listed");
    let strategic = publish(seller, &pair.temp.join("strategic"), licensed).await;
    let core = publish(seller, &pair.temp.join("core"), core_technology()).await;
    let mut facts = private(&[&buyer.did], &[]);
    facts["stop_orders"] = json!([{"ref": "S-1", "dataset": pair.dataset}]);
    let mut said = Vec::new();
    for (dataset, rule) in [(&strategic, "KR-FTA-001"), (&core, "KR-ITA-001"), (&pair.dataset, "CORE-006")] {
        // The order comes between catalog and request: what it stops is not even shown.
        let asked = buyer.request(&seller.did, dataset, None);
        let asked = if rule == "CORE-006" {
            let terms = asked.await.unwrap();
            pair.settled(&terms.id).await;
            seller.facts(&facts);
            assert_eq!(crate::common::catalog(buyer, &seller.did).await.len(), 2);
            let error = buyer.request(&seller.did, dataset, None).await.unwrap_err();
            assert_eq!(error.code(), Code::DatasetNotOffered);
            continue;
        } else {
            asked.await.unwrap()
        };
        let (here, there) = pair.settled(&asked.id).await;
        assert_eq!((here.state.as_str(), there.state.as_str()), ("TERMINATED", "TERMINATED"), "{rule}");
        assert!(rules(&here).iter().any(|id| id == rule), "{rule}");
        let mut message = termination(&seller.log(&pair.temp).await, &asked.id);
        for pid in ["providerPid", "consumerPid"] {
            message[pid] = json!("");
        }
        said.push(message.to_string());
    }
    assert_eq!(said.len(), 2);
    assert_eq!(said[0], said[1]);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_that_was_ended_carries_no_new_transfer() {
    // NEG-9.4
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, None).await.unwrap();
    pair.settled(&asked.id).await;
    // By the agreement itself, or by the negotiation that made it.
    let made = pair.buyer.node().agreements().await.unwrap().remove(0);
    assert_eq!(made.exchange, asked.id);
    let end = End { id: made.agreement, reason: "the project is over".to_owned() };
    let ended = pair.buyer.node().end(end.clone()).await.unwrap();
    assert_eq!(ended.id, asked.id);
    let end = End { id: asked.id.clone(), ..end };
    let (here, there) = pair.settled(&asked.id).await;
    let ended = pair.seller.until(&asked.id, |v| v.refusal.is_some()).await;
    assert_eq!((here.state.as_str(), there.state.as_str()), ("FINALIZED", "FINALIZED"));
    assert_eq!(ended.refusal.unwrap().reasons, ["the project is over"]);
    // Neither side shows it as in force any more, and both say why.
    assert_eq!((there.in_force, ended.in_force), (None, None));
    assert_eq!(there.refusal.unwrap().code, "agreement_ended");
    // `end` is taken once, and nothing begins under what has ended.
    assert_eq!(pair.seller.node().end(End { ..end.clone() }).await.unwrap_err().code(), Code::AgreementEnded);
    assert_eq!(pair.buyer.node().end(end).await.unwrap_err().code(), Code::AgreementEnded);
    let again = Retry { id: asked.id.clone(), out: Some(pair.temp.join("out")) };
    assert_eq!(pair.buyer.node().retry(again).await.unwrap_err().code(), Code::AgreementEnded);
    pair.logs_agree(&[&asked.id]).await;
    pair.close().await;
}
