//! What the node offers, and a proposal over it: reads the catalog, verifies its listings, and writes the terms of a deal
//! as a consumer does.
//!
//! The suite has no policy engine. Its decision is well-formed and commits to a record that nobody can run again; a
//! node may deny such a deal, and tests that need more than an answer are skipped then.

use super::{
    CONTEXT, Options,
    desk::DSP,
    session::{Check, Prepared, Session, Stop, unexpected},
};
use crate::{
    content::check_summary,
    encoding::{b64url, digest_text, fixed, hex},
    identity::{now, random},
    json::{Json, object},
    jws::Parts,
    messages::rfc3339,
    refusal::ensure,
};

/// A dataset that the node offers, its listing verified.
#[derive(Debug, Clone)]
pub struct Offered {
    /// Id of the dataset.
    pub dataset: String,
    /// Digest of the listing.
    pub listing: String,
    /// Payload of the listing.
    pub payload: Json,
    /// How its data travel: format of the first distribution.
    pub format: String,
}

/// The request for the catalog.
#[must_use]
pub fn catalog_body() -> Vec<u8> {
    object([
        ("@context", vec![CONTEXT.into()].into()),
        ("@type", "CatalogRequestMessage".into()),
        ("filter", Vec::new().into()),
    ])
    .canonical()
    .into_bytes()
}

/// Reads the catalog and verifies every listing in it.
pub async fn catalog(session: &Session) -> Check<Vec<Offered>> {
    let answer = session.call(&session.signed("POST", DSP, "/catalog/request", &catalog_body())).await?;
    if answer.status != 200 {
        return Err(unexpected("200 and a catalog", &answer).into());
    }
    let catalog = Json::parse(&answer.body).map_err(|error| format!("catalog: {error}"))?;
    let participant = catalog.text("participantId");
    if catalog.text("@type") != Some("Catalog") || participant != Some(&session.ticket.did) {
        return Err(unexpected("a Catalog of the node's participantId", &answer).into());
    }
    catalog.list("dataset").iter().map(|dataset| offered(session, dataset)).collect()
}

fn offered(session: &Session, dataset: &Json) -> Check<Offered> {
    let id = dataset.text("@id").ok_or("a dataset without @id")?;
    let jws = dataset.get("dxp").and_then(|dxp| dxp.text("listing"));
    let jws = jws.ok_or_else(|| format!("dataset {id} without dxp.listing"))?;
    let parts = Parts::parse("dxp-listing+jws", jws)?;
    let signer = session.desk.ring.signer(parts.header.key_set, 1, now())?;
    ensure(signer.signing == parts.header.key, "key_mismatch", "the listing is signed by another key")?;
    parts.verify()?;
    let payload = parts.payload;
    let members = [
        "content_root",
        "dataset",
        "facts",
        "iss",
        "policy",
        "summary",
        "title",
        "v",
        "valid_from",
        "valid_to",
        "version",
    ];
    let wrong = |what: &str| Stop::Fail(format!("listing of {id}: {what}"));
    if payload.keys() != members {
        return Err(wrong(&format!("expected members {members:?}, got {:?}", payload.keys())));
    }
    if payload.text("iss") != Some(&session.ticket.did) || payload.text("dataset") != Some(id) {
        return Err(wrong("iss or dataset differ from the catalog"));
    }
    let valid =
        payload.integer("valid_from") <= Some(now() + 60) && payload.integer("valid_to") > Some(now());
    if !valid || payload.integer("version") < Some(1) {
        return Err(wrong("version, or not valid now"));
    }
    if payload.text("content_root").and_then(fixed::<32>).is_none() {
        return Err(wrong("content_root is no digest"));
    }
    let policy = payload.get("policy").cloned().unwrap_or(Json::Null);
    if policy.get("target").is_some() || !dataset.list("hasPolicy").contains(&policy) {
        return Err(wrong("its policy has a target, or is not the one in the catalog"));
    }
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let name = id.strip_prefix("urn:dxp:").unwrap_or_default();
    let titles = payload.get("title").map(Json::keys).unwrap_or_default();
    if name.len() != 32
        || !name.bytes().all(hexadecimal)
        || ![&["en"][..], &["ko"], &["en", "ko"]].contains(&&*titles)
    {
        return Err(wrong("id or title"));
    }
    check_summary(payload.get("summary").unwrap_or(&Json::Null))?;
    let format = dataset.list("distribution").iter().find_map(|distribution| distribution.text("format"));
    let format = format.ok_or_else(|| wrong("no distribution"))?.to_owned();
    Ok(Offered { dataset: id.to_owned(), listing: digest_text(jws.as_bytes()), payload, format })
}

/// A first request over a dataset, logged and ready to be sent; its exchange has begun at the desk.
pub fn request(session: &Session, offered: &Offered, options: &Options) -> Check<Prepared> {
    let (exchange, key): ([u8; 16], [u8; 32]) = (random()?, random()?);
    let pid = urn("urn:uuid:")?;
    session.desk.begin(exchange, key, &pid);
    let terms = terms(session, offered, options)?;
    let decision = decision(&terms, &[offered.listing.as_str()])?;
    let mut offer = offered.payload.get("policy").cloned().unwrap_or(Json::Null);
    offer.set("target", offered.dataset.as_str());
    let message = object([
        ("@context", vec![CONTEXT.into()].into()),
        ("@type", "ContractRequestMessage".into()),
        ("callbackAddress", format!("multiaddr:/p2p/{}", session.desk.me.peer_id()).into()),
        ("consumerPid", pid.into()),
        ("offer", offer),
        (
            "dxp",
            object([
                ("v", 1.into()),
                ("key", digest_text(&key).into()),
                ("terms", terms),
                ("decision", decision),
            ]),
        ),
    ]);
    session.prepare(
        "negotiation.request",
        "/negotiations/request",
        exchange,
        message.canonical().into_bytes(),
    )
}

/// A fresh name: a prefix and a random UUID.
pub fn urn(prefix: &str) -> Check<String> {
    let digits = hex(&random::<16>()?);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(format!("{prefix}{}", parts.join("-")))
}

/// The consumer's decision over terms.
pub fn decision(terms: &Json, salt: &[&str]) -> Check<Json> {
    let shared = terms.get("shared").cloned().unwrap_or(Json::Null);
    let record = format!("{}{}", salt.concat(), hex(&random::<16>()?));
    Ok(object([
        ("terms", digest_text(terms.canonical().as_bytes()).into()),
        ("side", "importer".into()),
        ("phase", "negotiation".into()),
        ("allow", true.into()),
        ("result", digest_text(record.as_bytes()).into()),
        ("input_shared", digest_text(shared.canonical().as_bytes()).into()),
        ("input_private", digest_text(&random::<32>()?).into()),
        ("at", now().into()),
        ("by", "auto".into()),
    ]))
}

fn terms(session: &Session, offered: &Offered, options: &Options) -> Check<Json> {
    let (me, ticket) = (&session.desk.me, &session.ticket);
    let drafted = now();
    let side = |did: String, statement: &str, keys: i64| {
        object([
            ("did", did.into()),
            ("statement", digest_text(statement.as_bytes()).into()),
            ("keys", keys.into()),
        ])
    };
    let mut agreement = object([
        ("@id", urn("urn:uuid:")?.into()),
        ("@type", "Agreement".into()),
        ("assigner", ticket.did.as_str().into()),
        ("assignee", me.did().into()),
        ("target", offered.dataset.as_str().into()),
        ("timestamp", rfc3339(drafted).into()),
    ]);
    let policy = offered.payload.get("policy").cloned().unwrap_or(Json::Null);
    for member in ["permission", "prohibition", "obligation", "profile"] {
        if let Some(rules) = policy.get(member) {
            agreement.set(member, rules.clone());
        }
    }
    let mut obligations = options.obligations.clone();
    obligations.sort_by_key(Json::canonical);
    let mut lanes = vec![ticket.participant.text("country").unwrap_or_default(), options.country.as_str()];
    lanes.sort_unstable();
    lanes.dedup();
    let mut packs = options.packs.clone();
    packs.sort();
    let packs: Vec<Json> = packs
        .iter()
        .map(|(name, digest)| object([("name", name.as_str().into()), ("digest", digest.as_str().into())]))
        .collect();
    Ok(object([
        ("v", 1.into()),
        ("provider", side(ticket.did.clone(), &ticket.statement, ticket.keys.number)),
        ("consumer", side(me.did(), &me.statement, 1)),
        ("agreement", agreement),
        ("listing", offered.listing.as_str().into()),
        ("content_root", offered.payload.text("content_root").unwrap_or_default().into()),
        ("packs", packs.into()),
        ("shared", shared(session, offered, options, &policy, drafted)),
        ("lanes", Json::List(lanes.into_iter().map(Json::from).collect())),
        ("obligations", obligations.into()),
        ("conclude_by", (drafted + 3_600).into()),
    ]))
}

/// The shared part of the policy input (spec chapter 05): both parties, the dataset as declared, what the contract and
/// the transfer are to be.
fn shared(session: &Session, offered: &Offered, options: &Options, policy: &Json, drafted: i64) -> Json {
    let provider = &session.ticket.participant;
    let country = provider.text("country").unwrap_or_default();
    let here = || Json::List(vec![options.country.as_str().into()]);
    let purposes = texts(policy, "purpose");
    let purpose = purposes.first().cloned().unwrap_or_else(|| "quality_analysis".to_owned());
    object([
        ("dataset", offered.payload.get("facts").cloned().unwrap_or(Json::Null)),
        (
            "provider",
            object([
                ("id", session.ticket.did.as_str().into()),
                ("country", country.into()),
                ("size", provider.text("size").unwrap_or_default().into()),
            ]),
        ),
        (
            "consumer",
            object([
                ("id", session.desk.me.did().into()),
                ("country", options.country.as_str().into()),
                ("size", "sme".into()),
            ]),
        ),
        ("destination", object([("storage_countries", here()), ("processing_countries", here())])),
        ("contract", contract(policy, purposes, options, drafted)),
        ("transfer", object([("purpose", purpose.into()), ("encrypted", true.into())])),
    ])
}

fn constraints(policy: &Json) -> impl Iterator<Item = &Json> {
    policy.list("permission").iter().flat_map(|rule| rule.list("constraint"))
}

fn operand(policy: &Json, name: &str) -> Option<Json> {
    constraints(policy).find(|c| c.text("leftOperand") == Some(name))?.get("rightOperand").cloned()
}

fn listed(value: Option<Json>) -> Json {
    match value {
        Some(Json::List(items)) => Json::List(items),
        Some(other) => Json::List(vec![other]),
        None => Json::List(Vec::new()),
    }
}

fn texts(policy: &Json, name: &str) -> Vec<String> {
    let Json::List(items) = listed(operand(policy, name)) else { return Vec::new() };
    items.iter().filter_map(Json::as_text).map(str::to_owned).collect()
}

/// The facts of the contract that follow from the offer's constraints (POL-10.3): countries that the offer does not name are
/// those of the proposal, which here is the suite's own, and a number that it does not name is the largest.
fn contract(policy: &Json, purposes: Vec<String>, options: &Options, drafted: i64) -> Json {
    let forbids =
        |action: &str| policy.list("prohibition").iter().any(|rule| rule.text("action") == Some(action));
    let digits = |name: &str, prefix: &str, suffix: &str| {
        let text = operand(policy, name)?.as_text()?.strip_prefix(prefix)?.strip_suffix(suffix)?.to_owned();
        text.parse::<i64>().ok()
    };
    let mut countries = texts(policy, "spatial");
    let location = if countries.is_empty() { "none" } else { "private_choice" };
    if countries.is_empty() {
        countries.push(options.country.clone());
    }
    countries.sort_unstable();
    countries.dedup();
    let countries = Json::List(countries.into_iter().map(Json::from).collect());
    object([
        ("framework", operand(policy, "framework").unwrap_or_else(|| "none".into())),
        ("policy_revision", options.revision.as_str().into()),
        ("valid_from", drafted.into()),
        ("valid_to", (drafted + 365 * 86_400).into()),
        ("purposes", Json::List(purposes.into_iter().map(Json::from).collect())),
        ("retention_days", digits("elapsedTime", "P", "D").into()),
        ("max_transfers", digits("count", "", "").unwrap_or(9_007_199_254_740_991).into()),
        ("allowed_countries", countries.clone()),
        ("countries_listed", countries),
        (
            "onward_transfer",
            object([("allowed", (!forbids("distribute")).into()), ("countries", Vec::new().into())]),
        ),
        ("subprocessors", Vec::new().into()),
        ("localisation", object([("basis", location.into())])),
        ("demands", object([("source_code", false.into()), ("private_keys", false.into())])),
        ("sandbox", object([("project_id", "none".into())])),
        ("terms", Vec::new().into()),
    ])
}

/// Whether a text is the digest of a pack, as an option gives it: `name=digest`.
#[must_use]
pub fn parse_pack(text: &str) -> Option<(String, String)> {
    let (name, digest) = text.split_once('=')?;
    (!name.is_empty() && fixed::<32>(digest).is_some()).then(|| (name.to_owned(), digest.to_owned()))
}

/// The provider's signature under an agreement, checked against the terms that the suite proposed: encoded payload.
pub fn agreement(session: &Session, message: &Json, terms: &str) -> Check<String> {
    let dxp = message.get("dxp").ok_or("an agreement without dxp")?;
    if dxp.text("terms") != Some(terms) {
        return Err(Stop::Fail(format!("dxp.terms: expected {terms}, got {:?}", dxp.text("terms"))));
    }
    let jws = dxp.get("agreement").ok_or("an agreement without JWS")?;
    let (headers, payload) = crate::jws::open_general("dxp-agreement+jws", jws)?;
    let signer = headers.first().ok_or("nobody signed")?;
    let set = session.desk.ring.signer(signer.key_set, 1, now())?;
    ensure(
        headers.len() == 1 && signer.key == set.signing,
        "key_mismatch",
        "not the provider's signature alone",
    )?;
    let own = payload.get("terms").map(|terms| digest_text(terms.canonical().as_bytes()));
    if own.as_deref() != Some(terms) {
        return Err("the payload holds other terms".into());
    }
    let plain = payload.get("terms").and_then(|terms| terms.get("agreement"));
    if plain != message.get("agreement") {
        return Err("agreement and signed copy differ".into());
    }
    Ok(jws.text("payload").unwrap_or_default().to_owned())
}

/// A digest of bytes that stand for nothing: where a message needs some digest.
#[must_use]
pub fn some_digest() -> String {
    b64url(&[7; 32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_are_named_with_their_digest() {
        let digest = some_digest();
        assert_eq!(parse_pack(&format!("core={digest}")), Some(("core".to_owned(), digest)));
        assert_eq!(parse_pack("core=abc"), None);
        assert_eq!(parse_pack("=abc"), None);
    }
}
