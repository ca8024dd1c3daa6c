//! A partner behind TLS: believed under what the operator trusts, asked nothing otherwise (PLN-2.5, PLN-8.6); and many deals at
//! once.

use std::sync::Arc;

use naru_protocol::error::Code;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;

use crate::common::{
    foreign::{BASE, Content, Desk, Foreign, Say, listen_tls},
    settled,
    trade::{Market, WARE, content, order, ware_policy},
};

/// A certificate for this machine, its key, and its PEM.
fn certificate() -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    (made, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_behind_tls_is_believed_under_what_the_operator_trusts() {
    // PLN-2.5, PLN-8.7
    let market = Market::new().await;
    let (made, key) = certificate();
    let desk = Arc::new(Desk::default());
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let (origin, door) = listen_tls(Arc::clone(&desk), made.der().clone(), private).await;
    let base = format!("{origin}{BASE}");
    let join = async |trust: Option<String>| {
        let mut partner = Foreign::join_as(&market.firm, "urn:tls", |ask| {
            (ask.url, ask.trust) = (base.clone(), trust);
            ask.authorization = Some("a text that is a secret".to_owned());
        })
        .await;
        (partner.base, partner.origin) = (base.clone(), origin.clone());
        // Its server is the one behind TLS.
        desk.is("urn:tls");
        partner.desk = Arc::clone(&desk);
        partner.offers(&ware_policy());
        partner
    };
    for trust in [None, Some(certificate().0.pem())] {
        let partner = join(trust).await;
        let error = market.firm.node().request(order(&partner.id, WARE, None)).await.unwrap_err();
        assert_eq!(error.code(), Code::TlsFailed, "{error}");
    }
    desk.none("");
    let partner = join(Some(made.pem())).await;
    desk.always("/data", |_| Say::new(200, Content::Whole(content())));
    let out = market.temp.join("out");
    let haul = partner.delivers(&market.firm, &out, Some(&partner.place("/data"))).await;
    assert_eq!(market.firm.until(&haul.id, settled).await.state, "COMPLETED");
    assert!(std::fs::read(out.join(WARE)).unwrap() == content());
    let asked = desk.all("/negotiations/request");
    assert_eq!(asked[0].header("authorization"), Some("a text that is a secret"));
    // Its certificate changes under a deal: what is unanswered waits, and goes out once it is trusted again.
    let sale = partner.is_asked(&market.firm, None).await;
    join(Some(certificate().0.pem())).await;
    partner.agrees(&sale, &partner.agreement_for(&sale)).await.taken(200, "an agreement");
    let waits = market.firm.until(&sale.id, |v| v.trouble.is_some()).await.trouble.unwrap();
    assert_eq!((waits.code.as_str(), waits.goes_on), ("tls_failed", true), "{waits:?}");
    join(Some(made.pem())).await;
    partner.finalizes(&sale).await;
    assert!(market.firm.until(&sale.id, settled).await.in_force.is_some());
    drop(door);
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_deals_at_once_are_all_concluded() {
    // PLN-4.3, PLN-4.5
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let (partner, other) = (&market.partner, Foreign::join(&market.firm, "EVE").await);
    let deals = (0..24).map(|n| if n % 2 == 0 { partner.buys(&dataset) } else { other.buys(&dataset) });
    let done = futures::future::join_all(deals).await;
    let mut agreements: Vec<String> = done.into_iter().map(|(_, id)| id).collect();
    agreements.sort();
    agreements.dedup();
    assert_eq!(agreements.len(), 24, "each has an agreement of its own");
    let all = market.firm.node().exchanges().await.unwrap();
    assert!(all.len() == 24 && all.iter().all(|v| v.in_force.is_some()), "{}", json!(all.len()));
    market.close().await;
}
