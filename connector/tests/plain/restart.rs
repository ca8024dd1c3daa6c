//! The node ends and begins again at the points between two messages: nothing is lost and nothing doubled (PLN-4.5, PLN-4.6).

use std::time::Duration;

use naru_protocol::log::entry::{EntryType, Side};

use crate::common::{
    foreign::{Content, Say},
    proposal, settled,
    trade::{Market, content},
};

async fn again(market: &mut Market) {
    market.firm.stop().await;
    market.firm.open().await;
}

/// Each kind of message of each exchange has one entry.
async fn once_each(market: &Market) {
    let log = market.firm.log(&market.temp).await;
    let mut seen = std::collections::BTreeMap::new();
    for line in log.lines.iter().filter(|l| l.entry.kind().is_act()) {
        let key =
            (line.entry.exchange().unwrap().to_string(), line.entry.kind(), line.entry.side() == Side::Sent);
        *seen.entry(key).or_insert(0) += 1;
    }
    // A start may come again after a suspension; nothing else may.
    for ((exchange, kind, sent), count) in seen {
        assert!(count == 1 || kind == EntryType::TransferStart, "{exchange} {kind} {sent}: {count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seller_that_restarts_between_any_two_messages_ends_where_it_would_have() {
    // PLN-4.5, PLN-4.6, PLN-8.1
    let mut market = Market::new().await;
    let dataset = market.dataset().await;
    let desk = std::sync::Arc::clone(&market.partner.desk);
    // The agreement is not answered before the node ends: it comes again afterwards, byte for byte.
    desk.times("/agreement", 1, |_| Say::empty(503));
    let pids = market.partner.asks(&dataset).await;
    desk.next("/agreement").await;
    again(&mut market).await;
    let agreement = market.partner.gets_agreement(&pids).await;
    let sent = desk.all("/agreement");
    assert_eq!(sent[0].body, sent[1].body);
    // FINALIZED likewise.
    desk.times("/events", 1, |_| Say::empty(503));
    market.partner.verifies(&pids).await;
    desk.next("/events").await;
    again(&mut market).await;
    desk.next("/events").await;
    // The very verification again gets the answer of before.
    market.partner.verifies(&pids).await;
    desk.times("/start", 1, |_| Say::empty(503));
    let transfer = market.partner.asks_for_data(agreement["@id"].as_str().unwrap()).await;
    desk.next("/start").await;
    again(&mut market).await;
    let pull = market.partner.is_started(transfer).await;
    assert!(pull.get(&market.partner, &[]).await.taken(200, "the data").body == content());
    again(&mut market).await;
    // The token outlives a restart, as it outlives a connection.
    let part = pull.get(&market.partner, &[("range", "bytes=5-8")]).await.taken(206, "a part");
    assert!(part.body == content()[5..9]);
    pull.says(&market.partner, "completion", "TransferCompletionMessage").await.taken(200, "completion");
    again(&mut market).await;
    assert_eq!(pull.state(&market.partner).await, "COMPLETED");
    assert!(market.firm.node().exchanges().await.unwrap().iter().all(settled));
    once_each(&market).await;
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_that_restarts_between_any_two_messages_ends_where_it_would_have() {
    // PLN-4.5, PLN-4.6, PLN-8.7
    let mut market = Market::new().await;
    let desk = std::sync::Arc::clone(&market.partner.desk);
    desk.times("/negotiations/request", 1, |_| Say::empty(503));
    let out = market.temp.join("out");
    let sale = market.partner.is_asked(&market.firm, Some(out.clone())).await;
    again(&mut market).await;
    desk.next("/negotiations/request").await;
    let sent = desk.all("/negotiations/request");
    assert_eq!(sent[0].body, sent[1].body, "the same process, not a second one");
    market.firm.until(&sale.id, |v| v.state == "REQUESTED").await;
    // The answer to the agreement is lost with the node; it comes again and gets the same.
    let agreement = market.partner.agreement_for(&sale);
    desk.times("/verification", 1, |_| Say::empty(503));
    market.partner.agrees(&sale, &agreement).await.taken(200, "an agreement");
    desk.next("/verification").await;
    again(&mut market).await;
    market.partner.agrees(&sale, &agreement).await.taken(200, "the same agreement");
    // The transfer is asked for as soon as it may be, and once; the node ends before it is answered.
    desk.times("/transfers/request", 1, |_| Say::empty(503));
    market.partner.finalizes(&sale).await;
    let pids = market.partner.is_asked_for_data().await;
    again(&mut market).await;
    assert_eq!(market.partner.is_asked_for_data().await.consumer, pids.consumer);
    let bytes = content();
    desk.times("/data", 1, move |_| {
        Say::new(200, Content::Stuck(bytes[..400_000].to_vec(), bytes.len())).with("etag", "\"one\"")
    });
    desk.times("/data", 1, |_| Say::empty(503));
    market.partner.starts(&pids, Some(&market.partner.place("/data"))).await.taken(200, "START");
    desk.next("/data").await;
    desk.next("/data").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let bytes = content();
    desk.always("/data", move |_| Say::new(200, Content::Whole(bytes.clone())));
    again(&mut market).await;
    let transfer = market.firm.until(&sale.id, |v| v.other.is_some()).await.other.unwrap();
    // What was under way is taken up by itself.
    let done = market.firm.until(&transfer, settled).await;
    assert_eq!(done.state, "COMPLETED");
    assert!(std::fs::read(out.join("asset-1")).unwrap() == content());
    once_each(&market).await;
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_and_a_standing_answer_survive_a_restart() {
    // PLN-4.3, PLN-8.8
    let mut market = Market::new().await;
    let dataset = market.dataset().await;
    let desk = std::sync::Arc::clone(&market.partner.desk);
    // Offered and cancelled while unanswered.
    desk.times("/negotiations/offers", 2, |_| Say::empty(503));
    let view = market.firm.node().offer(proposal(&market.partner.id, &dataset, None)).await.unwrap();
    desk.next("/negotiations/offers").await;
    let ask = naru::node::verbs::Cancel { id: view.id.clone(), reason: None };
    market.firm.node().cancel(ask).await.unwrap();
    again(&mut market).await;
    assert_eq!(market.firm.until(&view.id, settled).await.state, "TERMINATED");
    desk.none("/termination");
    // A push whose delivery was not taken.
    let (_, agreement) = market.partner.buys(&dataset).await;
    desk.times("/inbox", 1, |_| Say::empty(503));
    let consumer = crate::common::foreign::uuid();
    let mut message = market.partner.transfer_for(&consumer, &agreement, "HttpData-PUSH");
    message["dataAddress"] = market.partner.place("/inbox");
    market.partner.post("/transfers/request", &message).await.taken(201, "a push");
    desk.next("/inbox").await;
    again(&mut market).await;
    desk.next(&format!("/transfers/{consumer}/completion")).await;
    assert!(desk.all("/inbox").last().unwrap().body == content());
    once_each(&market).await;
    market.close().await;
}
