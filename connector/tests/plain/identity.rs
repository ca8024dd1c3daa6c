//! Who is plain, how it is recognised, and what opens nothing (PLN-1, PLN-2).

use naru::{
    node::verbs::{Distrust, Propose},
    transport::https::Identity,
};
use naru_protocol::error::Code;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};

use crate::common::{
    Firm,
    foreign::{Foreign, dsp, plain, uuid},
    hand::Hand,
    trade::{Market, PARTNER, firm},
};

const FOR_FREE: &str = "/catalog/request";

fn catalog_request() -> Value {
    dsp("CatalogRequestMessage", json!({}))
}

/// A certificate with its key, as PEM for the operator and as identity for the partner.
fn certificate() -> (String, Identity) {
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec!["partner.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    (made.pem(), Identity::new(vec![made.der().clone()], private).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_operator_set_opens_the_door() {
    // PLN-1.1, PLN-2.1, PLN-2.3, PLN-2.4
    let market = Market::new().await;
    let (pem, identity) = certificate();
    let header = Some("Bearer something that the partner's connector sends".to_owned());
    let mut by_header =
        Foreign::join_as(&market.firm, "urn:by:header", |ask| ask.header.clone_from(&header)).await;
    let mut by_certificate =
        Foreign::join_as(&market.firm, "urn:by:certificate", |ask| ask.certificate = Some(pem)).await;
    let door = market.firm.node().https_url().unwrap().to_owned();
    assert_eq!((by_header.node.clone(), by_certificate.node.clone()), {
        let base = format!("{door}/dsp/2025-1");
        (base.clone(), base)
    });
    assert_ne!(market.partner.node, format!("{door}/dsp/2025-1"));
    let ask = catalog_request();
    // A claim in the message makes nobody anybody.
    let mut claims = ask.clone();
    claims["participantId"] = json!(PARTNER);
    for stranger in [&by_header, &by_certificate] {
        assert_eq!(stranger.post(FOR_FREE, &claims).await.status, 401, "nothing shown");
    }
    by_header.authorization = Some("Bearer something else".to_owned());
    assert_eq!(by_header.post(FOR_FREE, &ask).await.status / 100, 4, "another text");
    by_header.authorization = header;
    by_header.post(FOR_FREE, &ask).await.taken(200, "the text that was set");
    by_certificate.identity(certificate().1);
    assert_eq!(by_certificate.post(FOR_FREE, &ask).await.status, 401, "another certificate");
    by_certificate.identity(identity);
    by_certificate.post(FOR_FREE, &ask).await.taken(200, "the certificate that was set");
    market.partner.post(FOR_FREE, &ask).await.taken(200, "the secret that was set");
    // The document of versions lies beside the base, and its path leads back to it.
    let root = market.partner.node.strip_suffix("/2025-1").unwrap();
    let url = format!("{root}/.well-known/dspace-version");
    let said = market.partner.call("GET", &url, &[], Vec::new()).await.taken(200, "versions").json();
    let one = &said["protocolVersions"][0];
    assert_eq!((&one["version"], &one["binding"]), (&json!("2025-1"), &json!("HTTPS")));
    assert_eq!(format!("{root}{}", one["path"].as_str().unwrap()), market.partner.node);
    // Nobody's secret is 404 whatever follows, and counted.
    let before = market.firm.node().status().await.unwrap().strangers;
    let secret = root.rsplit('/').next().unwrap();
    let near = format!("{}A", &secret[..secret.len() - 1]);
    for path in [
        format!("/dsp/{near}x/2025-1/catalog/request"),
        format!("/dsp/{}/2025-1/negotiations/request", secret.to_uppercase()),
        "/dsp/x/anything/at/all".to_owned(),
        "/dsp/x".to_owned(),
    ] {
        let reply = market.partner.call("POST", &format!("{door}{path}"), &[], b"{}".to_vec()).await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.text());
        assert!(!reply.text().contains(secret));
    }
    assert_eq!(market.firm.node().status().await.unwrap().strangers, before + 4);
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_secret_and_a_blocked_peer_open_nothing() {
    // PLN-2.2
    let mut market = Market::new().await;
    let dataset = market.dataset().await;
    let (_, agreement) = market.partner.buys(&dataset).await;
    let pull = market.partner.pulls(&agreement).await;
    let old = market.partner.node.clone();
    let ask = || {
        let mut ask = plain(PARTNER, &market.partner.base);
        ask.renew = true;
        ask
    };
    let view = market.firm.node().add_plain(ask()).await.unwrap();
    assert_ne!(view.base, old);
    assert_eq!((post(&market.partner, &old).await, post(&market.partner, &view.base).await), (404, 200));
    // Without `renew` it keeps what it has.
    let same = market.firm.node().add_plain(plain(PARTNER, &market.partner.base)).await.unwrap();
    assert_eq!(same.base, view.base);
    let got = pull.get(&market.partner, &[]).await;
    assert_eq!(got.status, 401, "a token from before the renewal: {}", got.text());
    market.partner.node.clone_from(&view.base);
    let pull = market.partner.pulls(&agreement).await;
    pull.get(&market.partner, &[("range", "bytes=0-9")]).await.taken(206, "a token since");
    let reason = "the contract has ended".to_owned();
    let ask = Distrust { peer: view.alias.clone(), reason, only_say: false };
    assert_eq!(market.firm.node().distrust(ask).await.unwrap().status, "blocked");
    assert_eq!(post(&market.partner, &view.base).await, 404);
    let got = pull.get(&market.partner, &[]).await;
    assert_eq!(got.status, 401, "a blocked peer's token: {}", got.text());
    for error in [
        market.firm.node().request(order_of(PARTNER)).await.unwrap_err(),
        market.firm.node().offer(order_of(PARTNER)).await.unwrap_err(),
    ] {
        assert_eq!(error.code(), Code::PeerBlocked, "{error}");
    }
    // Blocked is blocked after a restart too.
    market.firm.stop().await;
    market.firm.open().await;
    assert_eq!(post(&market.partner, &view.base).await, 404);
    // Let in again: by another secret, and nothing from before opens anything.
    let again = market.firm.node().add_plain(plain(PARTNER, &market.partner.base)).await.unwrap();
    assert_eq!(
        (
            post(&market.partner, &view.base).await,
            post(&market.partner, &old).await,
            post(&market.partner, &again.base).await
        ),
        (404, 404, 200)
    );
    let got = pull.get(&market.partner, &[]).await;
    assert_eq!(got.status, 401, "a token from before it was blocked: {}", got.text());
    market.close().await;
}

async fn post(partner: &Foreign, base: &str) -> u16 {
    let body = catalog_request().to_string().into_bytes();
    partner.call("POST", &format!("{base}{FOR_FREE}"), &[], body).await.status
}

fn order_of(peer: &str) -> Propose {
    crate::common::proposal(peer, "urn:x", None)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_sign_is_never_plain() {
    // PLN-1.2
    let market = Market::new().await;
    let node = market.firm.node();
    let dids =
        [market.firm.did.clone(), "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK".to_owned()];
    for id in dids.iter().map(String::as_str).chain(["", "a b", "x\u{7}"]) {
        let error = node.add_plain(plain(id, "http://127.0.0.1:1")).await.unwrap_err();
        assert_eq!(error.code(), Code::ArgumentInvalid, "{id:?}: {error}");
    }
    // Somebody whose keys are pinned stays who it is, whatever a plain peer is called.
    let other = firm(&market.temp, "other", "SG").await;
    other.trust(market.firm.ticket().await).await;
    let mut named = plain("urn:x", "http://127.0.0.1:1");
    named.alias = node.peers().await.unwrap().iter().find(|p| p.did == other.did).unwrap().alias.clone();
    assert!(node.add_plain(named).await.is_err(), "another's alias");
    let peers = node.peers().await.unwrap();
    let speaks = |id: &str| peers.iter().find(|p| p.did == id).unwrap().speaks.clone();
    assert_ne!(speaks(&other.did), speaks(PARTNER));
    for mut firm in [other, market.firm] {
        firm.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_an_https_door_has_no_plain_peers() {
    // PLN-1.1
    let temp = crate::common::Temp::new();
    let mut bare = Firm::start(temp.join("bare"), "bare", "KR", Some(0)).await;
    let error = bare.node().add_plain(plain(PARTNER, "http://127.0.0.1:1")).await.unwrap_err();
    assert_eq!(error.code(), Code::ConfigInvalid, "{error}");
    bare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_records_must_make_sense() {
    // PLN-1.4
    let market = Market::new().await;
    let node = market.firm.node();
    let wrong = async |change: &dyn Fn(&mut naru::node::verbs::AddPlain)| {
        let mut ask = plain("urn:y", "http://127.0.0.1:1");
        change(&mut ask);
        node.add_plain(ask).await.map(|_| ()).unwrap_err().code()
    };
    assert_eq!(wrong(&|a| "ZZ".clone_into(&mut a.country)).await, Code::ArgumentInvalid);
    assert_eq!(wrong(&|a| a.local = false).await, Code::ArgumentInvalid, "http outside the own network");
    assert_eq!(wrong(&|a| "ftp://x".clone_into(&mut a.url)).await, Code::ArgumentInvalid);
    assert_eq!(wrong(&|a| "nothing".clone_into(&mut a.url)).await, Code::ArgumentInvalid);
    assert_eq!(wrong(&|a| a.header = Some("a\nb".to_owned())).await, Code::ArgumentInvalid);
    assert_eq!(wrong(&|a| a.trust = Some("no PEM".to_owned())).await, Code::ArgumentInvalid);
    // Country and name are the operator's word: what a message says of them changes nothing.
    let dataset = market.dataset().await;
    let (consumer, offer) = (uuid(), market.partner.offer_for(&dataset).await);
    let mut message = market.partner.request_for(&consumer, &offer);
    message["country"] = json!("KP");
    message["participantId"] = json!("EVE");
    message["offer"]["dct:creator"] = json!("EVE");
    let reply = market.partner.post("/negotiations/request", &message).await;
    reply.taken(201, "members that are nobody's are dropped");
    let id = node.exchanges().await.unwrap()[0].id.clone();
    let view = market.firm.until(&id, |v| v.decision.is_some()).await;
    let shown = node.peers().await.unwrap();
    let peer = shown.iter().find(|p| p.did == PARTNER).unwrap();
    assert_eq!((peer.country.as_str(), view.peer.as_str()), ("SG", peer.alias.as_str()));
    let asked = market.firm.log(&market.temp).await;
    let evaluated = crate::law::evaluated(&asked.dir).remove(0)["shared"].clone();
    assert_eq!(evaluated["consumer"]["country"], json!("SG"));
    assert_eq!(evaluated["consumer"]["id"], json!(PARTNER));
    assert_eq!(evaluated["destination"]["storage_countries"], json!(["SG"]));
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sees_and_moves_only_its_own() {
    // PLN-1.1, PLN-1.3
    let market = Market::at(true).await;
    let other = Foreign::join(&market.firm, "EVE").await;
    let dataset = market.dataset().await;
    let pids = market.partner.asks(&dataset).await;
    market.partner.gets_agreement(&pids).await;
    // A signed exchange of somebody who is paired.
    let hand = Hand::paired(&market.firm).await;
    let packs = market.firm.node().status().await.unwrap().packs;
    let terms = hand.terms(&packs, &json!([]), crate::common::now() + 3600).await;
    let (_, signed) = hand.ask(&terms).await;
    for stranger in [&market.partner, &other] {
        stranger.get(&format!("/negotiations/{signed}")).await.refused(404, "not_found", "a signed exchange");
        let end =
            dsp("ContractNegotiationTerminationMessage", json!({"providerPid": signed, "consumerPid": "x"}));
        let path = format!("/negotiations/{signed}/termination");
        stranger.post(&path, &end).await.refused(404, "not_found", "a signed exchange");
    }
    for path in [
        format!("/negotiations/{}", pids.provider),
        format!("/negotiations/{}", pids.consumer),
        format!("/transfers/{}", pids.provider),
        "/negotiations/urn:uuid:0".to_owned(),
        "/transfers/urn:uuid:0".to_owned(),
    ] {
        other.get(&path).await.refused(404, "not_found", &path);
    }
    let end = pids.message("ContractNegotiationTerminationMessage", json!({}));
    let path = format!("/negotiations/{}/termination", pids.provider);
    let said = other.post(&path, &end).await.refused(404, "not_found", "another's negotiation");
    assert_eq!(said["consumerPid"], json!(""), "and what it is is not told: {said}");
    let verification = pids.message("ContractAgreementVerificationMessage", json!({}));
    let path = format!("/negotiations/{}/agreement/verification", pids.provider);
    other.post(&path, &verification).await.refused(404, "not_found", "another's negotiation");
    assert_eq!(market.partner.state(&format!("/negotiations/{}", pids.provider)).await, "AGREED");
    // Nor by the other door, whatever is shown there.
    let target = format!("{}/catalog/request", market.partner.node.split_once("/dsp/").unwrap().1);
    let body = catalog_request().to_string().into_bytes();
    let reply = hand.call("POST", &format!("/dsp/{target}"), None, None, body).await;
    assert_eq!(reply.status / 100, 4, "{}", reply.json());
    // Nothing of the profile's own is for plain peers, under either base.
    let door = market.firm.node().https_url().unwrap();
    let root = market.partner.node.strip_suffix("/dsp/2025-1").unwrap_or(&market.partner.node);
    for path in ["/keys", "/log/checkpoint", "/log/yours?from=0", "/tickets"] {
        let reply = market.partner.call("GET", &format!("{door}/dxp/1{path}"), &[], Vec::new()).await;
        assert_eq!(reply.status / 100, 4, "{path}");
        let root = root.strip_suffix("/2025-1").unwrap_or(root);
        let reply = market.partner.call("GET", &format!("{root}/dxp/1{path}"), &[], Vec::new()).await;
        assert_eq!(reply.status, 404, "{path}");
    }
    let end = format!("/negotiations/{}/end", pids.provider);
    market.partner.post(&end, &json!({})).await.refused(404, "not_found", "the profile's own message");
    market.close().await;
}
