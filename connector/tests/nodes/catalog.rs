//! What is offered and who sees it (spec chapter 04, CAT-2.3, CAT-6.2 and CAT-7): catalogs of a real node read by a peer made
//! by hand, and catalogs of that peer read by a real node.

use crate::common::{
    Dials, Firm, Pair, Temp, core_technology,
    deals::Provider,
    files,
    hand::{DSP, DXP, Hand, Prepared, decision, offer_of, random, shown_dataset, urn},
    harmless, now, private, publish, settled,
};
use naru::node::verbs::{DatasetName, PeerName};
use naru_protocol::{
    encoding::{Digest, Id, from_base64url, to_base64url},
    error::Code,
    filelist::ChunkHash,
    json::V1,
    jws::sign_compact,
    limits,
    listing::Listing,
    log::entry::{Entry, EntryType, ExchangeKey},
    receipt::Capability,
};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection, query, sqlite::SqliteConnectOptions};

const CATALOG: &str = r#"{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@type":"CatalogRequestMessage","filter":[]}"#;

async fn catalog(hand: &Hand) -> Vec<Value> {
    let answer = hand.read_as("POST", DSP, "/catalog/request", CATALOG.into(), |_| {}).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    // A catalog without a dataset has no such member.
    answer.json()["dataset"].as_array().cloned().unwrap_or_default()
}

fn ids(datasets: &[Value]) -> Vec<&str> {
    datasets.iter().map(|dataset| dataset["@id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_is_read_by_pinned_participants_only_and_leaves_no_entry() {
    // CAT-7.1
    let provider = Provider::new().await;
    let hand = Hand::paired(&provider.firm).await;
    let stranger = Hand::stranger(&provider.firm).await;
    let one = format!("/catalog/datasets/{}", provider.dataset);
    let before = provider.size().await;
    let answer = stranger.read_as("POST", DSP, "/catalog/request", CATALOG.into(), |_| {}).await;
    answer.refused(401, "not_paired");
    stranger.get(DSP, &one).await.refused(401, "not_paired");
    let bare = stranger.call("POST", &format!("{DSP}/catalog/request"), None, None, CATALOG.into()).await;
    bare.refused(401, "token_missing");
    assert_eq!(catalog(&hand).await.len(), 1);
    assert_eq!(hand.get(DSP, &one).await.status, 200);
    assert_eq!(provider.size().await, before, "a read is not logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_is_shown_with_its_listing_and_the_listings_policy() {
    // CAT-7.3
    let provider = Provider::new().await;
    let hand = Hand::paired(&provider.firm).await;
    let shown = catalog(&hand).await.remove(0);
    let (_, listing) = hand.listing().await;
    assert_eq!(shown["@id"], json!(provider.dataset));
    assert_eq!(shown["@id"], json!(listing.dataset));
    assert_eq!(shown["hasPolicy"], json!([listing.policy]));
    let dxp = shown["dxp"].as_object().unwrap();
    assert_eq!(dxp.keys().collect::<Vec<_>>(), ["listing", "v"]);
    assert_eq!(dxp["v"], json!(1));
    let ring = hand.ticket.peer().ring();
    let verified = ring.verify::<Listing>(dxp["listing"].as_str().unwrap(), 1, now()).unwrap();
    assert_eq!(verified.payload(), &listing);
    // The dataset alone is the same.
    let alone = hand.get(DSP, &format!("/catalog/datasets/{}", provider.dataset)).await.json();
    for member in ["@id", "hasPolicy", "distribution", "dxp"] {
        assert_eq!(alone[member], shown[member], "{member}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_participant_sees_is_decided_on_what_was_pinned_of_it() {
    // CAT-7.2: an order that stops trade with a country hides everything from those who say that they are there.
    let provider = Provider::new().await;
    let mut facts = private(&[], &[]);
    facts["stop_orders"] = json!([{"ref": "S-1", "country": "SG"}]);
    let here = Hand::paired_from(&provider.firm, "SG").await;
    let there = Hand::paired_from(&provider.firm, "KR").await;
    let one = format!("/catalog/datasets/{}", provider.dataset);
    for hand in [&here, &there] {
        assert_eq!(ids(&catalog(hand).await), [provider.dataset.as_str()]);
    }
    provider.firm.facts(&facts);
    assert_eq!(catalog(&here).await, Vec::<Value>::new());
    here.get(DSP, &one).await.refused(404, "dataset_not_offered");
    assert_eq!(ids(&catalog(&there).await), [provider.dataset.as_str()]);
    assert_eq!(there.get(DSP, &one).await.status, 200);
    // And one that names a participant, from that one alone.
    facts["stop_orders"] = json!([{"ref": "S-2", "consumer": there.did()}]);
    provider.firm.facts(&facts);
    assert_eq!(ids(&catalog(&here).await), [provider.dataset.as_str()]);
    assert_eq!(catalog(&there).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_is_logged_once_and_its_entry_is_for_those_who_see_it() {
    // CAT-2.3
    let provider = Provider::new().await;
    let here = Hand::paired_from(&provider.firm, "SG").await;
    let there = Hand::paired_from(&provider.firm, "KR").await;
    let (jws, _) = here.listing().await;
    let size = provider.size().await;
    let digest = json!(Digest::of(jws.as_bytes()));
    catalog(&here).await;
    let log = provider.firm.log(&provider.temp).await;
    let kinds = log.lines.iter().map(|line| line.entry.kind());
    let listings: Vec<usize> =
        kinds.enumerate().filter(|(_, kind)| *kind == EntryType::Listing).map(|(index, _)| index).collect();
    let [index] = listings.as_slice() else { panic!("{listings:?}") };
    assert!((*index as u64) < size, "the entry was there when the listing was shown");
    assert_eq!(log.lines[*index].fields["statement"], digest);
    let path = |index: usize| format!("/log/entry/{index}?size={size}");
    let shown = here.get(DXP, &path(*index)).await;
    assert_eq!(shown.status, 200, "{}", shown.json());
    let leaf = from_base64url(shown.json()["entry"].as_str().unwrap()).unwrap();
    assert_eq!(Entry::parse(&leaf).unwrap(), log.lines[*index].entry);
    // The other entries without an exchange are nobody's, and who may not see the dataset may not read its entry.
    for other in (0..size as usize).filter(|other| other != index) {
        here.get(DXP, &path(other)).await.refused(404, "not_found");
    }
    let mut facts = private(&[], &[]);
    facts["stop_orders"] = json!([{"ref": "S-1", "country": "SG"}]);
    provider.firm.facts(&facts);
    here.get(DXP, &path(*index)).await.refused(404, "not_found");
    assert_eq!(there.get(DXP, &path(*index)).await.status, 200);
}

/// Changes the listing that the database of a stopped node has of one dataset.
async fn spoil(firm: &Firm, dataset: &str, listing: &str) {
    let options = SqliteConnectOptions::new().filename(firm.dir.join("naru.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let done = query("UPDATE datasets SET listing = ? WHERE id = ?").bind(listing).bind(dataset);
    assert_eq!(done.execute(&mut connection).await.unwrap().rows_affected(), 1);
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_that_cannot_be_shown_is_left_out_alone() {
    // CAT-7.5: one that policy hides, one whose listing does not verify, one that is no listing any more.
    let mut provider = Provider::new().await;
    let hand = Hand::paired(&provider.firm).await;
    let mut bad = Vec::new();
    for name in ["hidden", "altered", "damaged"] {
        bad.push(publish(&provider.firm, &provider.temp.join(name), harmless()).await);
    }
    let core = publish(&provider.firm, &provider.temp.join("core"), core_technology()).await;
    assert_eq!(catalog(&hand).await.len(), 5);
    let mut facts = private(&[], &[]);
    facts["stop_orders"] = json!([{"ref": "S-1", "dataset": bad[0]}]);
    provider.firm.facts(&facts);
    let (_, listing) = hand.listing().await;
    provider.firm.stop().await;
    let mut other = listing.clone();
    other.dataset.clone_from(&bad[1]);
    spoil(&provider.firm, &bad[1], &sign_compact(&other, 1, &hand.desk.signing).unwrap()).await;
    spoil(&provider.firm, &bad[2], "damaged").await;
    provider.firm.open().await;

    let shown = catalog(&hand).await;
    let mut due = [provider.dataset.as_str(), core.as_str()];
    let mut found = ids(&shown);
    due.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, due);
    hand.get(DSP, &format!("/catalog/datasets/{}", bad[0])).await.refused(404, "dataset_not_offered");
    for id in &bad[1..] {
        let answer = hand.get(DSP, &format!("/catalog/datasets/{id}")).await;
        assert!(answer.status >= 400 && answer.json()["dxp"].is_null(), "{}", answer.json());
    }
    assert_eq!(hand.get(DSP, &format!("/catalog/datasets/{core}")).await.status, 200);
}

/// How often a node asked its packs about its catalog.
async fn decided(firm: &Firm) -> u64 {
    let counts = firm.node().measure().await.unwrap().decisions;
    counts.iter().filter(|((phase, _), _)| *phase == "catalog").map(|(_, count)| count).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_is_remembered_until_something_is_another() {
    // CAT-7.9
    let provider = Provider::new().await;
    let (one, other) = (Hand::paired(&provider.firm).await, Hand::paired(&provider.firm).await);
    // As often as it takes for two readings to fall into the life of one decision.
    let asked = async |hand: &Hand| loop {
        let (began, before) = (now(), decided(&provider.firm).await);
        let shown = ids(&catalog(hand).await).join(" ");
        if now() - began < limits::CATALOG_DECISION_SECONDS / 2 {
            break (shown, decided(&provider.firm).await - before);
        }
    };
    let mut due = vec![provider.dataset.clone()];
    let (shown, asked_first) = asked(&one).await;
    assert_eq!((shown, asked_first), (due.join(" "), 1));
    let mut remembered = asked(&one).await;
    // A machine so slow that the first was old by now made it anew; the next one is not old.
    if remembered.1 > 0 {
        remembered = asked(&one).await;
    }
    assert_eq!(remembered, (due.join(" "), 0));
    assert_eq!(asked(&other).await, (due.join(" "), 1), "another participant is another question");
    due.push(publish(&provider.firm, &provider.temp.join("more"), harmless()).await);
    due.sort_unstable();
    assert_eq!(asked(&one).await.0, due.join(" "), "published: shown at once");
    let facts = |orders: Value| {
        let mut facts = private(&[], &[]);
        facts["stop_orders"] = orders;
        facts
    };
    provider.firm.facts(&facts(json!([{"ref": "S-1", "dataset": due[0]}])));
    assert_eq!(asked(&one).await, (due[1].clone(), 2), "ordered: all is decided anew");
    provider.firm.facts(&facts(json!([])));
    assert_eq!(asked(&one).await.0, due.join(" "), "and when the order is gone");
    let gone = DatasetName { dataset: due.remove(0) };
    provider.firm.node().withdraw(gone).await.unwrap();
    assert_eq!(asked(&one).await.0, due.join(" "), "withdrawn: gone at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_of_many_datasets_comes_in_pages() {
    // CAT-7.7, CAT-7.8
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let mut due = vec![pair.dataset.clone()];
    for n in 0..limits::CATALOG_PAGE {
        due.push(publish(&pair.seller, &pair.temp.join(&format!("source-{n}")), harmless()).await);
    }
    due.sort_unstable();
    let hand = Hand::paired(&pair.seller).await;
    let first = hand.read_as("POST", DSP, "/catalog/request", CATALOG.into(), |_| {}).await;
    let last = &due[limits::CATALOG_PAGE - 1];
    let next = format!("/catalog/request?after={last}");
    assert_eq!(first.link, Some(format!("<{DSP}{next}>; rel=\"next\"")));
    let second = hand.read_as("POST", DSP, &next, CATALOG.into(), |_| {}).await;
    assert_eq!((second.status, &second.link), (200, &None));
    let (first, second) = (first.json(), second.json());
    let pages = [&first, &second].map(|page| page["dataset"].as_array().unwrap().as_slice());
    assert_eq!([ids(pages[0]), ids(pages[1])].concat(), due);
    // A node reads all of them, and takes up the last without reading the others.
    let read = pair.buyer.node().fetch_catalog(PeerName { peer: pair.seller.did.clone() }).await.unwrap();
    assert_eq!(read.iter().map(|item| item.dataset.clone()).collect::<Vec<_>>(), due);
    let asked = pair.buyer.request(&pair.seller.did, due.last().unwrap(), None).await.unwrap();
    pair.buyer.until(&asked.id, |v| v.in_force.is_some()).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_follows_pages_of_the_catalog_only() {
    // CAT-7.8
    let temp = Temp::new();
    let firm = Firm::start(temp.join("consumer"), "consumer", "SG", None).await;
    let hand = Hand::paired_from(&firm, "KR").await;
    let dataset = hand.offer_dataset();
    let read = async || {
        hand.manners(|m| m.pages = 0);
        let items = firm.node().fetch_catalog(PeerName { peer: hand.did() }).await.unwrap();
        assert!(items.iter().all(|item| item.dataset == dataset));
        (items.len(), hand.pages())
    };
    for link in [
        "</dxp/1/keys?after=x>; rel=\"next\"",
        "<https://example.org/>; rel=\"next\"",
        "</dsp/2025-1/catalog/request?after=x>; rel=\"previous\"",
        "</dsp/2025-1/catalog/request>; rel=\"next\"",
        "x",
    ] {
        hand.manners(|m| m.link = Some(link.to_owned()));
        assert_eq!(read().await, (1, 1), "{link}");
    }
    // One that never ends is left off.
    hand.manners(|m| m.link = Some("</dsp/2025-1/catalog/request?after=x>; rel=\"next\"".to_owned()));
    assert_eq!(read().await, (1000, 1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_refuses_a_dataset_that_is_not_as_its_listing_says_and_no_other() {
    // CAT-7.4
    let temp = Temp::new();
    let reader = Firm::start(temp.join("reader"), "reader", "SG", None).await;
    let hand = Hand::paired_from(&reader, "KR").await;
    let stranger = Hand::stranger(&reader).await;
    let good = hand.offer_dataset();
    let signed = |listing: &Listing| sign_compact(listing, 1, &hand.desk.signing).unwrap();
    let mut refused = Vec::new();
    let mut show = |id: &str, offers: &[Value], jws: &str| {
        hand.show(shown_dataset(id, offers, jws));
        refused.push(id.to_owned());
    };
    // Another id, another offer, one more, another listing's, an offer that is none.
    let listing = hand.new_listing();
    let other = hand.new_listing().dataset;
    show(&other, &[offer_of(&listing.dataset)], &signed(&listing));
    let listing = hand.new_listing();
    let mut offer = offer_of(&listing.dataset);
    offer["prohibition"] = json!([{"action": "read"}]);
    show(&listing.dataset, &[offer.clone()], &signed(&listing));
    let listing = hand.new_listing();
    show(&listing.dataset, &[offer_of(&listing.dataset), offer], &signed(&listing));
    let listing = hand.new_listing();
    show(&listing.dataset, &[offer_of(&other)], &signed(&listing));
    let listing = hand.new_listing();
    let mut offer = offer_of(&listing.dataset);
    offer["prohibition"] = json!([]);
    show(&listing.dataset, &[offer], &signed(&listing));
    // Signed by the log key, by another participant, with a bit altered.
    let listing = hand.new_listing();
    let jws = sign_compact(&listing, 1, &hand.desk.log).unwrap();
    show(&listing.dataset, &[offer_of(&listing.dataset)], &jws);
    let listing = stranger.new_listing();
    let jws = sign_compact(&listing, 1, &stranger.desk.signing).unwrap();
    show(&listing.dataset, &[offer_of(&listing.dataset)], &jws);
    let listing = hand.new_listing();
    let jws = signed(&listing);
    let (head, signature) = jws.rsplit_once('.').unwrap();
    let mut bytes = from_base64url(signature).unwrap();
    bytes[5] ^= 1;
    show(&listing.dataset, &[offer_of(&listing.dataset)], &format!("{head}.{}", to_base64url(&bytes)));

    let seen = crate::common::catalog(&reader, &hand.did()).await;
    assert_eq!(seen.iter().map(|item| item.dataset.as_str()).collect::<Vec<_>>(), [good.as_str()]);
    assert_eq!(refused.len(), 8);
    for dataset in refused {
        let error = reader.request(&hand.did(), &dataset, None).await.unwrap_err();
        let code = error.code();
        assert!(matches!(code, Code::DatasetNotOffered | Code::AnswerMalformed), "{dataset}: {code}");
    }
    reader.request(&hand.did(), &good, None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_told_what_is_offered_and_takes_up_no_promise_that_nothing_keeps() {
    // POL-10.1, POL-10.7
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let seen = crate::common::catalog(&pair.buyer, &pair.seller.did).await.remove(0);
    let told = json!(seen.terms);
    let due = json!({"purposes": ["quality_analysis"], "countries": ["KR", "SG"], "retention_days": 365, "transfers": 10,
        "framework": "KSDPA", "prohibited": ["distribute"]});
    assert_eq!((told, seen.not_understood), (due, None));
    assert_eq!(seen.offer["permission"], crate::common::policy()["permission"]);
    pair.close().await;

    let temp = Temp::new();
    let reader = Firm::start(temp.join("reader"), "reader", "SG", None).await;
    let hand = Hand::paired_from(&reader, "KR").await;
    hand.offer_dataset();
    for (pointer, value, place) in [
        ("/obligation", json!([{"action": "compensate"}]), "/obligation/0"),
        ("/prohibition/0/action", json!("paint"), "/prohibition/0"),
        ("/permission/0/action", json!("distribute"), "/permission"),
        ("/permission/0/constraint/1/rightOperand", json!(["KR", "ZZ"]), "/permission/0/constraint/1"),
    ] {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut listing = hand.new_listing();
        listing.policy.pointer_mut(parent).unwrap()[name] = value;
        let (dataset, offer) = (listing.dataset.clone(), listing.policy.clone());
        let jws = sign_compact(&listing, 1, &hand.desk.signing).unwrap();
        hand.show(shown_dataset(&dataset, &[offer], &jws));
        let items = crate::common::catalog(&reader, &hand.did()).await;
        let seen = items.into_iter().find(|item| item.dataset == dataset).unwrap();
        assert_eq!(seen.terms, None);
        let why = seen.not_understood.unwrap();
        assert!(why.starts_with(place), "{pointer}: {why}");
        let error = reader.request(&hand.did(), &dataset, None).await.unwrap_err();
        assert_eq!(error.code(), Code::ListingDiffers, "{pointer}: {error}");
        assert!(error.to_string().contains(place), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_names_a_listing_that_its_receiver_knows() {
    // CAT-7.6: to the provider one that it published, to the consumer one that it has read.
    let provider = Provider::new().await;
    let hand = Hand::paired(&provider.firm).await;
    let good = provider.terms(&hand, now() + 3600).await;
    let mut unknown = good.clone();
    unknown["listing"] = json!(Digest::of(b"never published"));
    let (_, act) = hand.request(&unknown);
    hand.carry(&act).await.refused_finally("listing_unknown");
    let (_, act) = hand.request(&good);
    hand.carry(&act).await.accepted(201);

    let temp = Temp::new();
    let consumer = Firm::start(temp.join("consumer"), "consumer", "SG", None).await;
    let hand = Hand::paired_from(&consumer, "KR").await;
    let dataset = hand.offer_dataset();
    let asked = consumer.request(&hand.did(), &dataset, None).await.unwrap();
    let (_, request) = hand.inbox(Id::parse(&asked.id).unwrap(), 1).await;
    let good = request["dxp"]["terms"].clone();
    let mut unread = good.clone();
    unread["listing"] =
        json!(Digest::of(sign_compact(&hand.new_listing(), 1, &hand.desk.signing).unwrap().as_bytes()));
    let (exchange, act) = offer(&hand, &unread);
    hand.carry(&act).await.refused_finally("listing_unknown");
    assert!(consumer.view(&exchange.to_string()).await.is_none_or(|v| v.state == "NONE"));
    let (_, act) = offer(&hand, &good);
    hand.carry(&act).await.accepted(201);
}

/// A first offer over these terms.
pub(super) fn offer(hand: &Hand, terms: &Value) -> (Id, Prepared) {
    let request: Value = serde_json::from_slice(&hand.request(terms).1.body).unwrap();
    let (exchange, key) = (Id(random()), ExchangeKey::from_bytes(random()));
    let mut body = json!({"@type": "ContractOfferMessage", "providerPid": urn(), "dxp": {"v": 1,
        "key": key.digest(), "terms": terms, "decision": decision(terms, "exporter")}});
    for member in ["@context", "callbackAddress", "offer"] {
        body[member] = request[member].clone();
    }
    (exchange, hand.prepare_after(exchange, "/negotiations/offers", &body, None, key))
}

#[tokio::test(flavor = "multi_thread")]
async fn file_lists_hashes_and_files_are_shown_under_a_started_transfer_only() {
    // CAT-6.2
    let provider = Provider::new().await;
    let hand = Hand::paired(&provider.firm).await;
    let secret: Vec<String> = files()
        .iter()
        .filter(|(name, _)| !name.ends_with(".csv"))
        .flat_map(|(name, bytes)| {
            let chunk = ChunkHash::of(bytes);
            [name.clone(), Digest::of(bytes).to_string(), to_base64url(&chunk.0)]
        })
        .collect();
    let quiet = |body: &[u8]| {
        let text = String::from_utf8_lossy(body).into_owned();
        let listing = text.split('.').nth(1).and_then(|part| from_base64url(part).ok()).unwrap_or_default();
        for text in [text.as_str(), &String::from_utf8_lossy(&listing)] {
            for word in &secret {
                assert!(!text.contains(word), "{word} in {text}");
            }
        }
    };
    let (jws, _) = hand.listing().await;
    quiet(jws.as_bytes());
    for dataset in catalog(&hand).await {
        quiet(dataset.to_string().as_bytes());
    }
    let size = provider.size().await;
    hand.get(DXP, &format!("/log/tile/entries/000.p/{size}")).await.refused(404, "not_found");
    // Not before the deal, not under it, not with a capability of one's own making.
    let deal = provider.agreed(&hand, now() + 3600).await;
    for concluded in [false, true] {
        if concluded {
            deal.conclude(&hand).await;
            provider.firm.until(&deal.exchange.to_string(), settled).await;
        }
        let capability = Capability {
            v: V1,
            iss: hand.node,
            aud: hand.desk.did,
            transfer: deal.pid.clone(),
            agreement: deal.digest(),
            exp: now() + 600,
        };
        let own = sign_compact(&capability, 1, &hand.desk.signing).unwrap();
        for pid in [deal.pid.clone(), urn()] {
            for part in ["filelist", "chunks/0", "files/0"] {
                let path = format!("/transfers/{pid}/{part}");
                let target = format!("{DXP}{path}");
                let answers = [
                    hand.get(DXP, &path).await,
                    hand.call("GET", &target, None, None, Vec::new()).await,
                    hand.call("GET", &target, Some(&own), None, Vec::new()).await,
                ];
                for answer in answers {
                    assert_eq!(answer.status, 401, "{path}: {}", answer.json());
                    quiet(&answer.body);
                }
            }
            let answer = hand.get(DXP, &format!("/transfers/{pid}/capability")).await;
            answer.refused(404, "not_found");
        }
    }
}
