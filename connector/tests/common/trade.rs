//! Deals with a plain partner, step by step, as far as a test needs them: it buys from a node, or sells to it.

use naru::{
    audit::{Anchors, Report, verify},
    node::verbs::{AddPlain, ExchangeView, Propose, Publish},
};
use serde_json::{Value, json};

use super::{
    Firm, Temp,
    foreign::{Foreign, answered_pid, dsp, uuid},
    harmless, now, policy_with,
};

/// The partner's participant id.
pub(crate) const PARTNER: &str = "BPNL00000003CRHK";
/// What the node publishes for it.
pub(crate) fn content() -> Vec<u8> {
    (0..400_000_u32).flat_map(|n| n.to_le_bytes()).collect()
}

/// A Korean node with an HTTPS door and a partner in Singapore.
pub(crate) struct Market {
    pub(crate) firm: Firm,
    pub(crate) partner: Foreign,
    pub(crate) temp: Temp,
}

impl Market {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut AddPlain)) -> Self {
        Self::of("KR", false, change).await
    }

    /// One that has the other door too, or not.
    pub(crate) async fn at(both: bool) -> Self {
        Self::of("KR", both, |_| {}).await
    }

    pub(crate) async fn of(country: &str, both: bool, change: impl FnOnce(&mut AddPlain)) -> Self {
        let temp = Temp::new();
        let firm = firm_with(&temp, "한강모터스", country, both).await;
        let partner = Foreign::join_as(&firm, PARTNER, change).await;
        Self { firm, partner, temp }
    }

    /// Publishes one file without a framework.
    pub(crate) async fn dataset(&self) -> String {
        self.dataset_under(policy_with("framework", None), harmless()).await
    }

    pub(crate) async fn dataset_under(&self, policy: Value, facts: Value) -> String {
        let path = self.temp.join("table.bin");
        std::fs::write(&path, content()).unwrap();
        publish_path(&self.firm, path, policy, facts).await
    }

    /// What an auditor says of the firm's export.
    pub(crate) async fn audit(&self) -> Report {
        let super::Log { dir, .. } = self.firm.log(&self.temp).await;
        let path = self.temp.join("anchors.toml");
        let did = &self.firm.did;
        let anchor = format!(
            "version = 1\n[[participant]]\ndid = \"{did}\"\nname = \"한강모터스\"\ncountry = \"KR\"\n"
        );
        std::fs::write(&path, anchor).unwrap();
        let report = verify(&[dir], &Anchors::read(&path).unwrap()).unwrap();
        assert!(report.holds(), "{}", report.to_text());
        report
    }

    pub(crate) async fn close(mut self) {
        self.firm.stop().await;
    }
}

pub(crate) async fn publish_path(
    firm: &Firm,
    path: std::path::PathBuf,
    policy: Value,
    facts: Value,
) -> String {
    let title = [("en".to_owned(), "test records".to_owned())].into();
    firm.node().publish(Publish { path, title, policy, facts, ..Publish::default() }).await.unwrap().dataset
}

/// A firm that is reached by HTTPS alone.
pub(crate) async fn firm(temp: &Temp, name: &str, country: &str) -> Firm {
    firm_with(temp, name, country, false).await
}

async fn firm_with(temp: &Temp, name: &str, country: &str, both: bool) -> Firm {
    let made = super::init(&temp.join(name), name, country, (!both).then_some(0));
    Firm::of(naru::cli::init::Init { https: Some(0), ..made }).await
}

/// An exchange by both its process ids.
#[derive(Debug, Clone)]
pub(crate) struct Pids {
    pub(crate) provider: String,
    pub(crate) consumer: String,
}

impl Pids {
    pub(crate) fn message(&self, kind: &str, mut more: Value) -> Value {
        more["providerPid"] = json!(self.provider);
        more["consumerPid"] = json!(self.consumer);
        dsp(kind, more)
    }
}

/// The partner as buyer.
impl Foreign {
    /// The first offer of a dataset as the node shows it, with its target.
    pub(crate) async fn offer_for(&self, dataset: &str) -> Value {
        let shown =
            self.get(&format!("/catalog/datasets/{dataset}")).await.taken(200, "the dataset is shown");
        let mut offer = shown.json()["hasPolicy"][0].clone();
        offer["target"] = json!(dataset);
        offer["@type"] = json!("Offer");
        offer
    }

    pub(crate) fn request_for(&self, consumer: &str, offer: &Value) -> Value {
        let members = json!({"consumerPid": consumer, "offer": offer, "callbackAddress": self.base});
        dsp("ContractRequestMessage", members)
    }

    /// Asks for a dataset; the node has answered 201.
    pub(crate) async fn asks(&self, dataset: &str) -> Pids {
        self.asks_under(dataset, |_| {}).await
    }

    /// The same, with a script for the process that is begun.
    pub(crate) async fn asks_under(&self, dataset: &str, script: impl FnOnce(&str)) -> Pids {
        let (consumer, offer) = (uuid(), self.offer_for(dataset).await);
        script(&consumer);
        let reply = self.post("/negotiations/request", &self.request_for(&consumer, &offer)).await;
        let said = reply.taken(201, "a request for what is offered").json();
        assert_eq!((&said["@type"], &said["state"]), (&json!("ContractNegotiation"), &json!("REQUESTED")));
        assert_eq!(said["consumerPid"], json!(consumer));
        Pids { provider: said["providerPid"].as_str().unwrap().to_owned(), consumer }
    }

    /// The agreement that the node sends for it.
    pub(crate) async fn gets_agreement(&self, pids: &Pids) -> Value {
        let heard = self.desk.next(&format!("/negotiations/{}/agreement", pids.consumer)).await;
        heard.json()["agreement"].clone()
    }

    pub(crate) async fn verifies(&self, pids: &Pids) {
        let path = format!("/negotiations/{}/agreement/verification", pids.provider);
        let message = pids.message("ContractAgreementVerificationMessage", json!({}));
        self.post(&path, &message).await.taken(200, "a verification");
    }

    /// A whole negotiation; gives the agreement's id.
    pub(crate) async fn buys(&self, dataset: &str) -> (Pids, String) {
        let pids = self.asks(dataset).await;
        let agreement = self.gets_agreement(&pids).await;
        self.verifies(&pids).await;
        let event = self.desk.next(&format!("/negotiations/{}/events", pids.consumer)).await.json();
        assert_eq!(event["eventType"], json!("FINALIZED"));
        let path = format!("/negotiations/{}", pids.provider);
        // The node takes it as finalized with our answer, a moment after we heard.
        while self.state(&path).await != "FINALIZED" {
            tokio::time::sleep(super::LOOK).await;
        }
        (pids, agreement["@id"].as_str().unwrap().to_owned())
    }

    pub(crate) fn transfer_for(&self, consumer: &str, agreement: &str, format: &str) -> Value {
        let members = json!({"consumerPid": consumer, "agreementId": agreement, "format": format,
            "callbackAddress": self.base});
        dsp("TransferRequestMessage", members)
    }

    pub(crate) async fn asks_for_data(&self, agreement: &str) -> Pids {
        let consumer = uuid();
        let message = self.transfer_for(&consumer, agreement, "HttpData-PULL");
        let said = self.post("/transfers/request", &message).await.taken(201, "a transfer request").json();
        assert_eq!((&said["@type"], &said["state"]), (&json!("TransferProcess"), &json!("REQUESTED")));
        Pids { provider: said["providerPid"].as_str().unwrap().to_owned(), consumer }
    }

    /// A pull that has started.
    pub(crate) async fn pulls(&self, agreement: &str) -> Pull {
        let pids = self.asks_for_data(agreement).await;
        self.is_started(pids).await
    }

    pub(crate) async fn is_started(&self, pids: Pids) -> Pull {
        let start = self.desk.next(&format!("/transfers/{}/start", pids.consumer)).await.json();
        let path = format!("/transfers/{}", pids.provider);
        while self.state(&path).await == "REQUESTED" {
            tokio::time::sleep(super::LOOK).await;
        }
        let address = start["dataAddress"].clone();
        let property = |name: &str| {
            let all = address["endpointProperties"].as_array().unwrap();
            let found = all.iter().find(|p| p["name"] == name).unwrap_or_else(|| panic!("{name}: {address}"));
            found["value"].as_str().unwrap().to_owned()
        };
        let (url, token) = (address["endpoint"].as_str().unwrap().to_owned(), property("authorization"));
        Pull { pids, url, token, address }
    }
}

/// A started pull: where the data are, and the token for them.
#[derive(Debug)]
pub(crate) struct Pull {
    pub(crate) pids: Pids,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) address: Value,
}

impl Pull {
    pub(crate) async fn get(&self, partner: &Foreign, headers: &[(&str, &str)]) -> super::foreign::Reply {
        let bearer = format!("Bearer {}", self.token);
        let headers = [&[("authorization", bearer.as_str())], headers].concat();
        partner.call("GET", &self.url, &headers, Vec::new()).await
    }

    pub(crate) async fn says(&self, partner: &Foreign, what: &str, kind: &str) -> super::foreign::Reply {
        let path = format!("/transfers/{}/{what}", self.pids.provider);
        partner.post(&path, &self.pids.message(kind, json!({}))).await
    }

    pub(crate) async fn state(&self, partner: &Foreign) -> String {
        partner.state(&format!("/transfers/{}", self.pids.provider)).await
    }
}

/// What the partner sells.
pub(crate) const WARE: &str = "asset-1";

pub(crate) fn ware_policy() -> Value {
    json!({"@id": "offer-1", "@type": "Offer", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "purpose", "operator": "eq", "rightOperand": "quality_analysis"},
        {"leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": "P30D"}]}]})
}

pub(crate) fn ware(id: &str, policy: &Value) -> Value {
    json!({"@id": id, "@type": "Dataset", "hasPolicy": [policy], "distribution": [
        {"@type": "Distribution", "format": "HttpData-PULL", "accessService": "urn:service:1"}]})
}

/// What the buyer says of a partner's data, where the partner signs nothing.
pub(crate) fn declared() -> Value {
    json!({"personal": {"kind": "none", "identifiers": [], "special": []}, "sector": "automotive",
        "public": {"is_public": false}, "battery_passport": {"tier": "none"}, "data_act": {"connected_product": false}})
}

/// What a Korean buyer asks a partner for; the data are nobody's personal data and none of what law of the European Union is
/// about, by the buyer's own word.
pub(crate) fn order(peer: &str, dataset: &str, out: Option<std::path::PathBuf>) -> Propose {
    Propose {
        peer: peer.to_owned(),
        dataset: dataset.to_owned(),
        purpose: "quality_analysis".to_owned(),
        countries: vec!["KR".to_owned()],
        out,
        facts: Some(declared()),
        keep_days: None,
        push: false,
    }
}

/// A negotiation that the node began at the partner, as the partner knows it.
#[derive(Debug)]
pub(crate) struct Sale {
    /// The node's name for it.
    pub(crate) id: String,
    pub(crate) pids: Pids,
    /// What was asked for.
    pub(crate) offer: Value,
}

impl Foreign {
    pub(crate) fn offers(&self, policy: &Value) {
        *self.desk.datasets.lock().unwrap() = vec![ware(WARE, policy)];
    }

    /// The node asks for the ware; the partner has answered as its script says.
    pub(crate) async fn is_asked(&self, firm: &Firm, out: Option<std::path::PathBuf>) -> Sale {
        if self.desk.datasets.lock().unwrap().is_empty() {
            self.offers(&ware_policy());
        }
        let asked = firm.node().request(order(&self.id, WARE, out)).await.unwrap();
        self.asked_as(asked).await
    }

    pub(crate) async fn asked_as(&self, asked: ExchangeView) -> Sale {
        let said = self.desk.next("/negotiations/request").await.json();
        let consumer = said["consumerPid"].as_str().unwrap().to_owned();
        let provider = answered_pid(&consumer);
        Sale { id: asked.id, pids: Pids { provider, consumer }, offer: said["offer"].clone() }
    }

    /// The agreement that an honest provider makes of what was asked for.
    pub(crate) fn agreement_for(&self, sale: &Sale) -> Value {
        let mut agreement = sale.offer.clone();
        agreement["@type"] = json!("Agreement");
        agreement["@id"] = json!(uuid());
        agreement["target"] = json!(WARE);
        agreement["assigner"] = json!(self.id);
        agreement["assignee"] = json!(self.did);
        agreement["timestamp"] = json!(naru_protocol::dsp::datetime::to_date_time(now()));
        agreement
    }

    pub(crate) async fn agrees(&self, sale: &Sale, agreement: &Value) -> super::foreign::Reply {
        let path = format!("/negotiations/{}/agreement", sale.pids.consumer);
        self.post(&path, &sale.pids.message("ContractAgreementMessage", json!({"agreement": agreement})))
            .await
    }

    pub(crate) async fn finalizes(&self, sale: &Sale) {
        let path = format!("/negotiations/{}/agreement/verification", sale.pids.provider);
        self.desk.next(&path).await;
        let event = sale.pids.message("ContractNegotiationEventMessage", json!({"eventType": "FINALIZED"}));
        let path = format!("/negotiations/{}/events", sale.pids.consumer);
        self.post(&path, &event).await.taken(200, "FINALIZED");
    }

    /// A whole sale to the node.
    pub(crate) async fn sells(&self, firm: &Firm, out: Option<std::path::PathBuf>) -> Sale {
        let sale = self.is_asked(firm, out).await;
        let agreement = self.agreement_for(&sale);
        self.agrees(&sale, &agreement).await.taken(200, "an agreement as asked for");
        self.finalizes(&sale).await;
        sale
    }

    /// The transfer that the node asks for next.
    pub(crate) async fn is_asked_for_data(&self) -> Pids {
        let said = self.desk.next("/transfers/request").await.json();
        let consumer = said["consumerPid"].as_str().unwrap().to_owned();
        Pids { provider: answered_pid(&consumer), consumer }
    }

    pub(crate) fn place(&self, path: &str) -> Value {
        address(&format!("{}{path}", self.origin), Some("data-token"))
    }

    pub(crate) async fn starts(&self, pids: &Pids, address: Option<&Value>) -> super::foreign::Reply {
        let more = address.map_or_else(|| json!({}), |address| json!({"dataAddress": address}));
        let path = format!("/transfers/{}/start", pids.consumer);
        self.post(&path, &pids.message("TransferStartMessage", more)).await
    }

    /// Sells and starts the transfer with this address; gives the transfer as the node names it.
    pub(crate) async fn delivers(&self, firm: &Firm, out: &std::path::Path, address: Option<&Value>) -> Haul {
        let sale = self.sells(firm, Some(out.to_owned())).await;
        let pids = self.is_asked_for_data().await;
        self.starts(&pids, address).await.taken(200, "START");
        let id = firm.until(&sale.id, |v| v.other.is_some()).await.other.unwrap();
        Haul { id, sale, pids }
    }
}

/// A transfer to the node.
#[derive(Debug)]
pub(crate) struct Haul {
    pub(crate) id: String,
    pub(crate) sale: Sale,
    pub(crate) pids: Pids,
}

/// A data address in the spelling of DSP.
pub(crate) fn address(endpoint: &str, token: Option<&str>) -> Value {
    let property =
        |name: &str, value: &str| json!({"@type": "EndpointProperty", "name": name, "value": value});
    let mut properties = vec![property("authType", "bearer")];
    properties.extend(token.map(|token| property("authorization", token)));
    json!({"@type": "DataAddress", "endpointType": "https://w3id.org/idsa/v4.1/HTTP", "endpoint": endpoint,
        "endpointProperties": properties})
}
