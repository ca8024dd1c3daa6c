//! Catalogs: ours as a plain partner sees it, and the partner's as we read it (PLN-9).

use std::io::Read as _;

use naru::node::verbs::{DatasetName, PeerName};
use naru_protocol::error::Code;
use serde_json::{Value, json};

use crate::common::{
    catalog, core_technology,
    foreign::{Content, Foreign, Say, catalog_of, dsp},
    harmless, policy_with, private,
    trade::{Market, PARTNER, WARE, publish_path, ware, ware_policy},
};

fn request(filter: &Value) -> Value {
    let members = if filter.is_null() { json!({}) } else { json!({"filter": filter}) };
    dsp("CatalogRequestMessage", members)
}

async fn shown(partner: &Foreign, filter: &Value) -> Value {
    partner.post("/catalog/request", &request(filter)).await.taken(200, "a catalog").json()
}

fn names(catalog: &Value) -> Vec<String> {
    let all = catalog["dataset"].as_array().cloned().unwrap_or_default();
    all.iter().map(|d| d["@id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_sees_offers_in_its_own_spelling() {
    // PLN-9.1, PLN-4.2
    let market = Market::new().await;
    let partner = &market.partner;
    assert_eq!(
        shown(partner, &json!(null)).await.get("dataset"),
        None,
        "an empty catalog has no such member"
    );
    let dataset = market.dataset().await;
    let hidden = market.dataset_under(policy_with("framework", None), {
        // Somebody else's data, whose owner forbids it: law does not show them.
        let mut facts = harmless();
        facts["rights"] = json!({"basis": "recipient", "agreement_forbids": true});
        facts
    });
    let hidden = hidden.await;
    let text = partner.post("/catalog/request", &request(&json!(null))).await.taken(200, "a catalog").text();
    assert!(!text.contains("\"dxp\""), "{text}");
    let seen = shown(partner, &json!(null)).await;
    assert_eq!((&seen["participantId"], names(&seen)), (&json!(partner.did), vec![dataset.clone()]));
    assert_eq!(seen["service"][0]["endpointURL"], json!(partner.node));
    let one = &seen["dataset"][0];
    let formats: Vec<&str> =
        one["distribution"].as_array().unwrap().iter().map(|d| d["format"].as_str().unwrap()).collect();
    assert_eq!(formats, ["HttpData-PULL", "HttpData-PUSH"]);
    let offer = &one["hasPolicy"][0];
    assert_eq!(offer.get("target"), None, "an offer in a catalog names no target");
    assert_eq!(offer["prohibition"][0]["action"], json!("odrl:distribute"));
    let operands: Vec<&str> = offer["permission"][0]["constraint"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["leftOperand"].as_str().unwrap())
        .collect();
    assert_eq!(operands, ["odrl:purpose", "odrl:spatial", "odrl:elapsedTime", "odrl:count"]);
    assert_eq!(offer["permission"][0]["action"], json!("use"));
    let alone = partner.get(&format!("/catalog/datasets/{dataset}")).await.taken(200, "one dataset").json();
    assert_eq!((&alone["@type"], &alone["hasPolicy"]), (&json!("Dataset"), &one["hasPolicy"]));
    for id in [hidden.as_str(), "urn:dxp:0", ".."] {
        let path = format!("/catalog/datasets/{id}");
        let said = partner.get(&path).await.refused(404, "dataset_not_offered", id);
        assert_eq!((&said["@type"], said.get("providerPid")), (&json!("CatalogError"), None));
    }
    // A stop order hides, and what is withdrawn is gone.
    let mut facts = private(&[], &[]);
    facts["stop_orders"] = json!([{"ref": "STOP-4 (made up)", "consumer": PARTNER}]);
    market.firm.facts(&facts);
    assert!(names(&shown(partner, &json!(null)).await).is_empty());
    market.firm.facts(&private(&[], &[]));
    assert_eq!(names(&shown(partner, &json!(null)).await).len(), 1);
    market.firm.node().withdraw(DatasetName { dataset: dataset.clone() }).await.unwrap();
    assert!(names(&shown(partner, &json!(null)).await).is_empty());
    partner.get(&format!("/catalog/datasets/{dataset}")).await.refused(
        404,
        "dataset_not_offered",
        "withdrawn",
    );
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_understood_or_refused_and_pages_follow() {
    // PLN-9.2, PLN-9.3
    let market = Market::new().await;
    let partner = &market.partner;
    let path = market.temp.join("small.txt");
    std::fs::write(&path, "x").unwrap();
    // More than a page.
    for _ in 0..105 {
        publish_path(&market.firm, path.clone(), policy_with("framework", None), harmless()).await;
    }
    let first = partner.post("/catalog/request", &request(&json!(null))).await.taken(200, "the first page");
    let mut all = names(&first.json());
    assert_eq!(all.len(), 100);
    let link = first.header("link").unwrap().to_owned();
    let url = link.strip_prefix('<').and_then(|l| l.split_once(">; rel=\"next\"")).unwrap().0;
    assert!(url.starts_with(&format!("{}/catalog/request?", partner.node)), "under its own base: {link}");
    let body = request(&json!(null)).to_string().into_bytes();
    let second = partner.call("POST", url, &[], body).await.taken(200, "the second page");
    assert_eq!(second.header("link"), None);
    all.extend(names(&second.json()));
    let mut distinct = all.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((all.len(), distinct.len()), (105, 105));
    let query = |offset: u64, limit: u64| json!([{"@type": "QuerySpec", "offset": offset, "limit": limit, "filterExpression": []}]);
    for (offset, limit, wanted) in
        [(0, 3, &all[..3]), (3, 2, &all[3..5]), (103, 50, &all[103..]), (200, 5, &[][..])]
    {
        let seen = shown(partner, &query(offset, limit)).await;
        assert_eq!(names(&seen), wanted, "{offset} {limit}");
    }
    let edc = json!([{"@type": "https://w3id.org/edc/v0.0.1/ns/QuerySpec"}]);
    assert_eq!(names(&shown(partner, &edc).await).len(), 100);
    assert_eq!(names(&shown(partner, &json!([])).await).len(), 100);
    for filter in [
        json!([{"@type": "Something"}]),
        json!([{"sparql": "SELECT *"}]),
        json!(["x"]),
        json!([{"@type": "QuerySpec", "limit": -1}]),
        json!([{"@type": "QuerySpec", "offset": "1"}]),
        json!([{"@type": "QuerySpec", "filterExpression": [{"operandLeft": "id"}]}]),
        json!([{"@type": "QuerySpec"}, {"@type": "QuerySpec"}]),
    ] {
        let said = partner.post("/catalog/request", &request(&filter)).await;
        let said = said.refused(400, "malformed", &filter.to_string());
        assert_eq!(said["@type"], json!("CatalogError"));
    }
    // gzip where it is asked for, and only there.
    let zip = async |accept: &[(&str, &str)]| {
        let body = request(&json!(null)).to_string().into_bytes();
        partner
            .call("POST", &format!("{}/catalog/request", partner.node), accept, body)
            .await
            .taken(200, "gzip")
    };
    for accept in [&[][..], &[("accept-encoding", "br, identity")], &[("accept-encoding", "gzip;q=0")]] {
        let plain = zip(accept).await;
        assert_eq!((plain.header("content-encoding"), names(&plain.json()).len()), (None, 100), "{accept:?}");
    }
    for accept in ["gzip", "deflate, GZIP;q=0.5"] {
        let zipped = zip(&[("accept-encoding", accept)]).await;
        assert_eq!(zipped.header("content-encoding"), Some("gzip"), "{accept}");
        let mut text = String::new();
        flate2::read::GzDecoder::new(zipped.body.as_slice()).read_to_string(&mut text).unwrap();
        assert_eq!(names(&serde_json::from_str(&text).unwrap()), all[..100]);
    }
    market.close().await;
}

async fn read(market: &Market) -> Result<Vec<naru::node::verbs::CatalogItem>, Code> {
    let ask = PeerName { peer: PARTNER.to_owned() };
    market.firm.node().fetch_catalog(ask).await.map_err(|e| e.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_catalog_is_read_page_by_page_and_judged() {
    // PLN-9.4, PLN-9.3, PLN-2.5
    let market = Market::with(|ask| ask.authorization = Some("{\"clientId\":\"us\"}".to_owned())).await;
    let partner = &market.partner;
    let mut odd = ware_policy();
    odd["permission"][0]["constraint"] = json!([{"leftOperand": "x", "operator": "eq", "rightOperand": "y"}]);
    // Relative, absolute at the recorded address, and then somewhere else, which is not followed.
    let page = |n: u64| catalog_of(PARTNER, &[ware(&format!("asset-{n}"), &ware_policy())]);
    let trap = Foreign::join(&market.firm, "EVE").await;
    let next = |url: String| format!("<{url}>; rel=\"next\"");
    partner.desk.once(
        "/catalog/request",
        Say::json(200, &page(1)).with("link", next("/protocol/2025-1/p2".to_owned())),
    );
    partner.desk.once("/p2", Say::json(200, &page(2)).with("link", next(format!("{}/p3", partner.base))));
    let mut last = page(3);
    last["dataset"].as_array_mut().unwrap().extend([ware("asset-4", &odd), json!({"@id": "broken"})]);
    let elsewhere = next(format!("{}/p4", trap.base));
    partner.desk.once("/p3", Say::json(200, &last).with("link", elsewhere));
    let items = read(&market).await.unwrap();
    let seen: Vec<(&str, bool, bool)> =
        items.iter().map(|i| (i.dataset.as_str(), i.unsigned, i.not_understood.is_some())).collect();
    assert_eq!(
        seen,
        [
            ("asset-1", true, false),
            ("asset-2", true, false),
            ("asset-3", true, false),
            ("asset-4", true, true)
        ]
    );
    trap.desk.none("");
    assert!(partner.desk.all("/p3")[0].header("authorization") == Some("{\"clientId\":\"us\"}"));
    assert_eq!(items[0].terms.as_ref().unwrap().retention_days, 30);
    // Whose catalog it is must be who was recorded.
    for other in ["EVE", "", market.firm.did.as_str()] {
        partner
            .desk
            .once("/catalog/request", Say::json(200, &catalog_of(other, &[ware(WARE, &ware_policy())])));
        assert_eq!(read(&market).await.err(), Some(Code::AnswerMalformed), "{other}");
    }
    partner.desk.once("/catalog/request", Say::new(200, Content::Whole(vec![0xff; 10])));
    assert_eq!(read(&market).await.err(), Some(Code::AnswerMalformed));
    assert!(catalog(&market.firm, PARTNER).await.is_empty(), "an honest one without datasets");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_law_will_not_let_go_may_still_be_seen_and_is_not_agreed() {
    // PLN-9.1
    let market = Market::new().await;
    let dataset = market.dataset_under(policy_with("framework", None), core_technology()).await;
    let seen = shown(&market.partner, &json!(null)).await;
    assert_eq!(names(&seen), [dataset], "an approval may still come");
    market.close().await;
}
