//! The partner answers a message of ours with an error: for good, or for the moment (PLN-4.6).

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{
    foreign::{Content, Foreign, Say, answered_pid, negotiation},
    proposal, settled,
    trade::Market,
};

/// An offer of ours under a scripted answer to it; gives what becomes of the exchange.
async fn offered(market: &Market, partner: &Foreign, dataset: &str, say: Say) -> (String, String) {
    partner.desk.once("/negotiations/offers", say);
    let view = market.firm.node().offer(proposal(&partner.id, dataset, None)).await.unwrap();
    let heard = partner.desk.next("/negotiations/offers").await.json();
    (view.id, heard["providerPid"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_good_ends_the_exchange_and_says_why() {
    // PLN-4.6
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let body = json!({"@type": "ContractNegotiationError", "code": "their_code", "reason": ["their reason"]});
    for (status, say) in [
        (400, Say::json(400, &body)),
        (401, Say::empty(401)),
        (403, Say::text(403, "text/html", "<h1>Forbidden</h1>")),
        (405, Say::text(405, "text/plain", "\u{0}garbage {")),
        (307, Say::empty(307).with("location", "http://127.0.0.1:9/elsewhere")),
        (422, Say::json(422, &json!({"reason": [1, null, "x".repeat(5000)]}))),
    ] {
        let (id, _) = offered(&market, partner, &dataset, say).await;
        let view = market.firm.until(&id, |v| v.refusal.is_some() && v.waits_for.is_none()).await;
        let refusal = view.refusal.unwrap();
        assert_eq!(refusal.side, "peer", "{status}");
        assert!(
            refusal.reasons.iter().all(|r| r.len() <= 1200 && !r.contains('\u{0}')),
            "{status}: {refusal:?}"
        );
        if status == 400 {
            assert!(refusal.reasons.contains(&"their reason".to_owned()), "{refusal:?}");
        }
    }
    // An agreement that is refused is ended; an end that is refused too is an end here.
    for refused in [400, 403] {
        partner.desk.once("/agreement", Say::json(refused, &body));
        partner.desk.once("/termination", Say::empty(403));
        let pids = partner.asks(&dataset).await;
        partner.desk.next(&format!("/negotiations/{}/termination", pids.consumer)).await;
        let path = format!("/negotiations/{}", pids.provider);
        while partner.state(&path).await != "TERMINATED" {
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }
    let all = market.firm.node().exchanges().await.unwrap();
    assert!(all.iter().all(settled), "{all:#?}");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_repeated_and_the_deal_goes_on() {
    // PLN-4.6
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let mut deals = Vec::new();
    for say in [
        Say::empty(408),
        Say::empty(425),
        Say::empty(429),
        Say::text(500, "text/html", "<html>Internal Server Error</html>"),
        Say::json(503, &json!({"reason": []})),
        Say::empty(404),
        Say::empty(409),
        Say::new(200, Content::Broken(b"{\"a\":".to_vec(), 100)),
        Say::new(200, Content::Endless),
    ] {
        let what = format!("{say:?}");
        let pids = partner.asks_under(&dataset, |pid| {
            partner.desk.once(&format!("/negotiations/{pid}/agreement"), say);
        });
        let pids = pids.await;
        let end = format!("/negotiations/{}/agreement", pids.consumer);
        partner.desk.next(&end).await;
        deals.push((pids, end, what));
    }
    for (pids, end, what) in deals {
        println!("{what}");
        partner.desk.next(&end).await;
        let sent = partner.desk.all(&end);
        assert!(sent.len() >= 2 && sent.iter().all(|h| h.body == sent[0].body), "the same message: {end}");
        partner.verifies(&pids).await;
        partner.desk.next(&format!("/negotiations/{}/events", pids.consumer)).await;
    }
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_404_or_409_for_ever_is_refused_after_a_few_times() {
    // PLN-4.6
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let began = Instant::now();
    let mut ends = Vec::new();
    for status in [404, 409] {
        let pids = partner.asks_under(&dataset, |pid| {
            partner.desk.always(&format!("/negotiations/{pid}/agreement"), move |_| Say::empty(status));
        });
        ends.push(pids.await);
    }
    for pids in ends {
        partner.desk.next(&format!("/negotiations/{}/termination", pids.consumer)).await;
        let tries = partner.desk.all(&format!("/negotiations/{}/agreement", pids.consumer)).len();
        assert!((3..=12).contains(&tries), "{tries}");
    }
    assert!(began.elapsed() > Duration::from_secs(2), "a connector that stores slowly has time");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_may_ask_for_an_exchange_before_its_answer_has_been_read() {
    // PLN-4.9
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    for (pause, status) in [(Duration::from_millis(400), 200), (Duration::from_secs(4), 404)] {
        partner.desk.always("/negotiations/offers", move |heard| {
            let ours = heard.json()["providerPid"].as_str().unwrap().to_owned();
            Say::json(201, &negotiation(&ours, &answered_pid(&ours), "OFFERED")).after(pause)
        });
        let view = market.firm.node().offer(proposal(&partner.id, &dataset, None)).await.unwrap();
        let heard = partner.desk.next("/negotiations/offers").await.json();
        let path = format!("/negotiations/{}", heard["providerPid"].as_str().unwrap());
        let reply = partner.get(&path).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        if status == 200 {
            assert_eq!(reply.json()["state"], "OFFERED");
        }
        market.firm.until(&view.id, |v| v.state == "OFFERED").await;
        assert_eq!(partner.state(&path).await, "OFFERED");
    }
    market.close().await;
}
