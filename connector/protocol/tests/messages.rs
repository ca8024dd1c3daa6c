//! DSP messages: the vectors of the specification, the examples of the standard, what an Eclipse connector sends, and bytes that
//! nobody should send.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod deal;
mod vectors;

use std::{fs, path::Path};

use naru_protocol::{
    dsp::{
        Message, MessageError, VersionResponse,
        catalog::{Catalog, CatalogError, CatalogRequestMessage, Dataset, DatasetRequestMessage},
        negotiation as n, odrl, transfer as t, type_of,
    },
    error::Code,
    exchange::Role,
    json::V1,
    receipt::DataReceipt,
    report::Report,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const CONTEXT: &str = "https://w3id.org/dspace/2025/1/context.jsonld";

/// Every type that may stand in `@type`, and the version document.
const TYPES: [&str; 23] = [
    "CatalogRequestMessage",
    "DatasetRequestMessage",
    "Catalog",
    "Dataset",
    "CatalogError",
    "ContractRequestMessage",
    "ContractOfferMessage",
    "ContractAgreementMessage",
    "ContractAgreementVerificationMessage",
    "ContractNegotiationEventMessage",
    "ContractNegotiationTerminationMessage",
    "ContractNegotiation",
    "ContractNegotiationError",
    "TransferRequestMessage",
    "TransferStartMessage",
    "TransferSuspensionMessage",
    "TransferCompletionMessage",
    "TransferTerminationMessage",
    "TransferProcess",
    "TransferError",
    "End",
    "Report",
    "VersionResponse",
];

/// Reads bytes as a type, and gives what is written for it.
fn read(kind: &str, bytes: &[u8]) -> Result<Vec<u8>, MessageError> {
    fn both<M: Message>(bytes: &[u8]) -> Result<Vec<u8>, MessageError> {
        M::parse(bytes)?.to_bytes()
    }
    match kind {
        "CatalogRequestMessage" => both::<CatalogRequestMessage>(bytes),
        "DatasetRequestMessage" => both::<DatasetRequestMessage>(bytes),
        "Catalog" => both::<Catalog>(bytes),
        "Dataset" => both::<Dataset>(bytes),
        "CatalogError" => both::<CatalogError>(bytes),
        "ContractRequestMessage" => both::<n::ContractRequestMessage>(bytes),
        "ContractOfferMessage" => both::<n::ContractOfferMessage>(bytes),
        "ContractAgreementMessage" => both::<n::ContractAgreementMessage>(bytes),
        "ContractAgreementVerificationMessage" => both::<n::ContractAgreementVerificationMessage>(bytes),
        "ContractNegotiationEventMessage" => both::<n::ContractNegotiationEventMessage>(bytes),
        "ContractNegotiationTerminationMessage" => both::<n::ContractNegotiationTerminationMessage>(bytes),
        "ContractNegotiation" => both::<n::ContractNegotiation>(bytes),
        "ContractNegotiationError" => both::<n::ContractNegotiationError>(bytes),
        "TransferRequestMessage" => both::<t::TransferRequestMessage>(bytes),
        "TransferStartMessage" => both::<t::TransferStartMessage>(bytes),
        "TransferSuspensionMessage" => both::<t::TransferSuspensionMessage>(bytes),
        "TransferCompletionMessage" => both::<t::TransferCompletionMessage>(bytes),
        "TransferTerminationMessage" => both::<t::TransferTerminationMessage>(bytes),
        "TransferProcess" => both::<t::TransferProcess>(bytes),
        "TransferError" => both::<t::TransferError>(bytes),
        "End" => n::End::parse(bytes)?.to_bytes(),
        "Report" => Report::parse(bytes)?.to_bytes(),
        "VersionResponse" => VersionResponse::parse(bytes)?.to_bytes(),
        _ => panic!("{kind} is no type of DSP"),
    }
}

/// A message of DSP: its members with `@context` and `@type`.
fn dsp(kind: &str, members: &Value) -> Value {
    let mut message = members.clone();
    message["@context"] = json!([CONTEXT]);
    message["@type"] = json!(kind);
    message
}

/// The same with both pids.
fn pids(kind: &str, members: &Value) -> Value {
    let mut message = dsp(kind, members);
    message["consumerPid"] = json!("urn:uuid:32541fe6-c580-409e-85a8-8a9a32fbe833");
    message["providerPid"] = json!("urn:uuid:a343fcbf-99fc-4ce8-8e9b-148c97605aab");
    message
}

/// A report of this kind with some members of its own (OBL-2.1).
fn report(kind: &str, members: &Value) -> Value {
    let mut report = json!({"@type": "Report", "v": 1, "consumerPid": "c", "providerPid": "p",
        "agreement": deal::digest("agreement"), "kind": kind, "obligation": null, "event": null, "happened": null,
        "at": deal::DRAFT + 60, "text": "as agreed", "evidence": null, "deletion": null, "onward": null});
    for (name, value) in members.as_object().unwrap() {
        report[name] = value.clone();
    }
    report
}

fn offer() -> Value {
    json!({"@id": "urn:dxp:offer:1", "@type": "Offer", "target": deal::DATASET, "permission": [
        {"action": "use", "constraint": [
            {"leftOperand": "purpose", "operator": "isAnyOf", "rightOperand": ["quality_analysis"]},
            {"or": [
                {"leftOperand": "spatial", "operator": "eq", "rightOperand": "SG"},
                {"and": [
                    {"leftOperand": "spatial", "operator": "eq", "rightOperand": "KR"},
                    {"leftOperand": "dateTime", "operator": "term-lteq", "rightOperand": "2027-01-01T00:00:00Z"},
                ]},
            ]},
        ]},
    ], "obligation": [{"action": "delete"}]})
}

fn dataset() -> Value {
    let mut offer = offer();
    offer.as_object_mut().unwrap().remove("target");
    json!({"@id": deal::DATASET, "@type": "Dataset", "hasPolicy": [offer], "distribution": [
        {"@type": "Distribution", "format": "dxp:pull", "accessService": "urn:dxp:service:1"},
        {"@type": "Distribution", "format": "HttpData-PULL", "accessService":
            {"@id": "urn:dxp:service:1", "@type": "DataService", "endpointURL": "https://kr.example/dsp/2025-1"}},
    ], "dxp": {"v": 1, "listing": "e30.e30.e30"}})
}

fn agreement() -> Value {
    let deal = deal::deal();
    deal::agreement_object(&deal.provider.did, &deal.consumer.did)
}

/// Valid messages of every type; those of the profile with their `dxp` member.
#[allow(clippy::too_many_lines, reason = "a table")]
fn good() -> Vec<(&'static str, Value)> {
    let deal = deal::deal();
    let (first, key) = (deal.provider_signed(), deal::digest("key"));
    let terms = deal.terms.digest().unwrap();
    let decision = json!(deal.decision(Role::Consumer));
    let proposal =
        |key: Value, role| json!({"v": 1, "key": key, "terms": deal.terms, "decision": deal.decision(role)});
    let code = json!({"v": 1, "code": "denied"});
    let address = json!({"@type": "DataAddress", "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
        "endpoint": "https://kr.example/data", "endpointProperties": [
            {"@type": "EndpointProperty", "name": "authorization", "value": "secret"}]});
    let mut request = dsp(
        "ContractRequestMessage",
        &json!({"consumerPid": "c", "offer": offer(),
        "callbackAddress": "multiaddr:/p2p/12D3KooWExample", "dxp": proposal(json!(key), Role::Consumer)}),
    );
    request["an:other"] = json!(1.5);
    vec![
        ("CatalogRequestMessage", dsp("CatalogRequestMessage", &json!({"filter": [{"limit": 50}]}))),
        ("CatalogRequestMessage", dsp("CatalogRequestMessage", &json!({}))),
        ("DatasetRequestMessage", dsp("DatasetRequestMessage", &json!({"dataset": deal::DATASET}))),
        ("Dataset", dsp("Dataset", &dataset())),
        ("Catalog", dsp("Catalog", &json!({"@id": "urn:dxp:catalog", "participantId": "did:key:z6Mk"}))),
        (
            "Catalog",
            dsp(
                "Catalog",
                &json!({"@id": "urn:dxp:catalog", "participantId": "did:key:z6Mk",
            "dataset": [dataset()], "catalog": [{"@id": "n", "@type": "Catalog", "dataset": [dataset()]}],
            "service": [{"@id": "s", "@type": "DataService", "endpointURL": "https://kr.example/dsp/2025-1"}]}),
            ),
        ),
        (
            "CatalogError",
            dsp("CatalogError", &json!({"code": "not_found", "reason": ["no such dataset", {"x": 1}]})),
        ),
        // ENC-3.7: the first reason is left out.
        ("CatalogError", dsp("CatalogError", &json!({"reason": [{"of": 1.5}, "still said"]}))),
        ("ContractRequestMessage", request),
        (
            "ContractRequestMessage",
            dsp(
                "ContractRequestMessage",
                &json!({"consumerPid": "c", "providerPid": "p",
            "offer": offer(), "dxp": proposal(Value::Null, Role::Consumer)}),
            ),
        ),
        (
            "ContractOfferMessage",
            dsp(
                "ContractOfferMessage",
                &json!({"providerPid": "p", "offer": offer(),
            "callbackAddress": "https://kr.example/dsp/2025-1", "dxp": proposal(json!(key), Role::Provider)}),
            ),
        ),
        (
            "ContractOfferMessage",
            dsp("ContractOfferMessage", &json!({"providerPid": "p", "consumerPid": "c", "offer": offer()})),
        ),
        (
            "ContractAgreementMessage",
            pids(
                "ContractAgreementMessage",
                &json!({"agreement": agreement(),
            "dxp": {"v": 1, "terms": terms, "agreement": first.to_jws()}}),
            ),
        ),
        (
            "ContractAgreementVerificationMessage",
            pids(
                "ContractAgreementVerificationMessage",
                &json!({"dxp": {"v": 1, "signature": deal.signed_by_both().consumer_signature()}}),
            ),
        ),
        (
            "ContractNegotiationEventMessage",
            pids(
                "ContractNegotiationEventMessage",
                &json!({"eventType": "ACCEPTED", "dxp": {"v": 1, "terms": terms, "decision": decision}}),
            ),
        ),
        (
            "ContractNegotiationEventMessage",
            pids(
                "ContractNegotiationEventMessage",
                &json!({"eventType": "FINALIZED", "dxp": {"v": 1, "agreement": first.digest()}}),
            ),
        ),
        (
            "ContractNegotiationTerminationMessage",
            pids(
                "ContractNegotiationTerminationMessage",
                &json!({"code": "denied", "reason": ["KR-FTA-001"], "dxp": code}),
            ),
        ),
        ("ContractNegotiation", pids("ContractNegotiation", &json!({"state": "VERIFIED"}))),
        (
            "ContractNegotiationError",
            pids("ContractNegotiationError", &json!({"code": "lapsed", "reason": ["over"]})),
        ),
        (
            "TransferRequestMessage",
            dsp(
                "TransferRequestMessage",
                &json!({"consumerPid": "c", "agreementId": "urn:dxp:agreement:1",
            "format": "dxp:pull", "callbackAddress": "multiaddr:/p2p/12D3KooWExample",
            "dxp": {"v": 1, "key": key, "agreement": first.digest(), "decision": decision}}),
            ),
        ),
        (
            "TransferRequestMessage",
            dsp(
                "TransferRequestMessage",
                &json!({"consumerPid": "c", "agreementId": "a",
            "format": "HttpData-PUSH", "callbackAddress": "https://sg.example/", "dataAddress": address}),
            ),
        ),
        (
            "TransferStartMessage",
            pids(
                "TransferStartMessage",
                &json!({"dxp": {"v": 1, "decision": deal.decision(Role::Provider)}}),
            ),
        ),
        ("TransferStartMessage", pids("TransferStartMessage", &json!({"dataAddress": address}))),
        (
            "TransferSuspensionMessage",
            pids(
                "TransferSuspensionMessage",
                &json!({"code": "x", "reason": ["stop order"], "dxp": {"v": 1, "code": null}}),
            ),
        ),
        (
            "TransferCompletionMessage",
            pids("TransferCompletionMessage", &json!({"dxp": {"v": 1, "code": null}})),
        ),
        (
            "TransferTerminationMessage",
            pids("TransferTerminationMessage", &json!({"reason": ["x"], "dxp": code})),
        ),
        ("TransferProcess", pids("TransferProcess", &json!({"state": "SUSPENDED"}))),
        ("TransferError", pids("TransferError", &json!({"code": "illegal_state"}))),
        (
            "End",
            json!({"@type": "End", "v": 1, "consumerPid": "c", "providerPid": "p", "agreement": first.digest(),
            "code": "rejected", "reason": "the project is over"}),
        ),
        ("Report", report("deletion", &json!({"deletion": {"files": 4, "bytes": 5012, "unknown": 1}}))),
        ("Report", report("report", &json!({"obligation": deal::duty("POST-RET-001", Role::Consumer)}))),
        ("Report", report("notice", &json!({"event": "breach", "happened": deal::DRAFT, "text": ""}))),
        (
            "Report",
            report(
                "onward-transfer",
                &json!({"onward": {"to": "Hanoi Parts", "country": "VN", "flow_down": true}}),
            ),
        ),
        (
            "VersionResponse",
            json!({"protocolVersions": [{"version": "2025-1", "path": "/dsp/2025-1", "binding": "HTTPS",
            "identifierType": "did:key", "auth": {"protocol": "DXP", "version": "1"}}]}),
        ),
    ]
}

#[allow(clippy::too_many_lines, reason = "a table")]
/// One change of a valid message that makes it another message or none; the code of the refusal.
fn changes() -> Vec<(usize, &'static str, Option<Value>, Code)> {
    let find = |kind: &str| good().iter().position(|(name, _)| *name == kind).unwrap();
    let (request, agreement, event) = (
        find("ContractRequestMessage"),
        find("ContractAgreementMessage"),
        find("ContractNegotiationEventMessage"),
    );
    let (dataset, catalog, error) = (find("Dataset"), find("Catalog"), find("CatalogError"));
    let (end, start, transfer) = (find("End"), find("TransferStartMessage"), find("TransferRequestMessage"));
    let (deletion, filter) = (find("Report"), find("CatalogRequestMessage"));
    let plain = good().iter().rposition(|(name, _)| *name == "ContractOfferMessage").unwrap();
    let m = Code::Malformed;
    let long = json!("x".repeat(2049));
    let deep = (0..40).fold(json!("x"), |inner, _| json!({"and": [inner]}));
    let constraint = "/offer/permission/0/constraint/0";
    let atomic = json!({"leftOperand": "a", "operator": "eq", "rightOperand": "b"});
    let both = json!({"leftOperand": "a", "operator": "eq", "rightOperand": "b", "and": [atomic]});
    let rules = json!(vec![json!({"action": "use"}); 1025]);
    vec![
        // ENC-3.7: what is written or hashed as it was read has no other numbers.
        (filter, "/filter/0/limit", Some(json!(1e30)), Code::BadNumber),
        (filter, "/filter/0/limit", Some(json!(1.5)), Code::BadNumber),
        (plain, "/offer/dct:price", Some(json!(0.5)), Code::BadNumber),
        (agreement, "/agreement/permission/0/dct:price", Some(json!([1e300])), Code::BadNumber),
        (dataset, "/hasPolicy/0/dct:price", Some(json!(-0.1)), Code::BadNumber),
        (request, "/@context", None, m),
        (request, "/@context", Some(json!(CONTEXT)), m),
        (request, "/@context", Some(json!(["https://example.org/"])), m),
        (request, "/@context", Some(json!([CONTEXT, {"x": "y"}])), m),
        (request, "/@type", None, m),
        (request, "/@type", Some(json!("ContractOfferMessage")), m),
        (request, "/@type", Some(json!(["ContractRequestMessage"])), m),
        (request, "/consumerPid", None, m),
        (request, "/consumerPid", Some(json!(7)), m),
        (request, "/consumerPid", Some(json!("")), m),
        (request, "/consumerPid", Some(long.clone()), Code::TooLarge),
        (request, "/providerPid", Some(json!("p")), m),
        (request, "/callbackAddress", None, m),
        (plain, "/offer", None, m),
        (plain, "/offer/@id", None, m),
        (plain, "/offer/@type", Some(json!("Agreement")), m),
        (plain, "/offer/target", None, m),
        (plain, "/offer/permission", None, m),
        (plain, "/offer/permission", Some(json!([])), m),
        (plain, "/offer/permission", Some(rules), m),
        (plain, "/offer/permission/0/action", None, m),
        (plain, "/offer/permission/0/target", Some(json!("x")), m),
        (plain, "/offer/permission/0/duty", Some(json!([])), m),
        (plain, constraint, Some(json!({"leftOperand": "a", "operator": "eq"})), m),
        (plain, constraint, Some(json!({"leftOperand": "a", "operator": "in", "rightOperand": "b"})), m),
        (plain, constraint, Some(json!({"leftOperand": "a", "operator": "eq", "rightOperand": 1})), m),
        (plain, constraint, Some(json!({"leftOperand": "a", "operator": "eq", "rightOperand": true})), m),
        (plain, constraint, Some(json!({"and": [], "or": []})), m),
        (plain, constraint, Some(both), m),
        (plain, constraint, Some(json!({})), m),
        (plain, constraint, Some(deep), Code::TooDeep),
        (request, "/dxp/v", Some(json!(2)), m),
        (request, "/dxp/v", None, m),
        (request, "/dxp/key", None, m),
        (request, "/dxp/key", Some(json!("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV")), m),
        (request, "/dxp/extra", Some(json!(1)), m),
        (request, "/dxp/terms/extra", Some(json!(1)), m),
        (request, "/dxp/terms/provider/did", Some(json!("did:web:kr.example")), m),
        (request, "/dxp/decision/side", Some(json!("provider")), m),
        (request, "/dxp/decision/at", Some(json!(1.5)), m),
        (request, "/dxp", Some(json!(null)), Code::Internal),
        (agreement, "/agreement/target", None, m),
        (agreement, "/agreement/assigner", None, m),
        (agreement, "/agreement/timestamp", Some(json!("2026-11-23 13:16:52")), m),
        (agreement, "/agreement/timestamp", Some(json!("2026-02-29T00:00:00Z")), m),
        (agreement, "/dxp/agreement/signatures/0/kid", Some(json!("x")), m),
        (event, "/eventType", Some(json!("AGREED")), m),
        (event, "/eventType", Some(json!("FINALIZED")), m),
        (event, "/dxp/terms", None, m),
        (dataset, "/hasPolicy", Some(json!([])), m),
        (dataset, "/hasPolicy/0/target", Some(json!("x")), m),
        (dataset, "/distribution", None, m),
        (dataset, "/distribution/0/accessService", Some(json!(1)), m),
        (dataset, "/distribution/1/accessService/@type", Some(json!("Service")), m),
        (catalog, "/hasPolicy", Some(json!([])), m),
        (catalog, "/participantId", None, m),
        (error, "/reason", Some(json!("text")), m),
        (error, "/reason", Some(json!(vec!["x"; 17])), Code::TooLarge),
        (start, "/providerPid", None, m),
        (transfer, "/callbackAddress", None, m),
        (transfer, "/dxp/agreement", None, m),
        (end, "/v", Some(json!(2)), m),
        (end, "/extra", Some(json!(1)), m),
        (end, "/reason", Some(json!("x".repeat(1025))), Code::TooLarge),
        (end, "/reason", Some(json!(0.5)), Code::BadNumber),
        // OBL-2.2
        (deletion, "/deletion", Some(json!(null)), m),
        (deletion, "/deletion/files", None, m),
        (deletion, "/kind", Some(json!("report")), m),
        (deletion, "/kind", Some(json!("attestation")), m),
        (deletion, "/event", Some(json!("breach")), m),
        (deletion, "/evidence", None, m),
        (deletion, "/text", Some(json!("x".repeat(1025))), Code::TooLarge),
        (deletion, "/extra", Some(json!(1)), m),
        (deletion + 1, "/obligation/within", None, m),
        (deletion + 1, "/text", Some(json!("")), m),
        (deletion + 1, "/happened", Some(json!(1)), m),
        (deletion + 2, "/happened", Some(json!(null)), m),
        (deletion + 2, "/event", Some(json!("")), m),
        (deletion + 3, "/onward", Some(json!(null)), m),
        (deletion + 3, "/onward/to", Some(json!("")), m),
        (deletion + 3, "/onward/to", Some(json!("x".repeat(257))), Code::TooLarge),
    ]
}

fn change(message: &Value, pointer: &str, value: Option<Value>) -> Value {
    let mut message = message.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = message.pointer_mut(parent).unwrap();
    match (value, parent) {
        (Some(value), Value::Array(items)) => items[name.parse::<usize>().unwrap()] = value,
        (Some(value), parent) => parent[name] = value,
        (None, parent) => drop(parent.as_object_mut().unwrap().remove(name).unwrap()),
    }
    message
}

/// Bytes that are no message whatever their type.
const TEXTS: [(&str, Code); 7] = [
    ("", Code::Malformed),
    ("[]", Code::Malformed),
    ("null", Code::Malformed),
    ("{\"@type\":\"ContractNegotiation\"", Code::Malformed),
    ("{\"@type\":\"ContractNegotiation\",\"@type\":\"ContractNegotiation\"}", Code::DuplicateKey),
    ("{\"@type\":\"ContractNegotiation\"} x", Code::Malformed),
    ("\u{feff}{}", Code::Malformed),
];

#[test]
fn messages_are_those_of_the_vectors() {
    // NEG-2.1 to NEG-2.6, NEG-3.1 to NEG-3.9, TRF-2.1 to TRF-2.4
    let mut cases = Vec::new();
    for (kind, message) in good() {
        let text = message.to_string();
        let written = read(kind, text.as_bytes()).unwrap_or_else(|error| panic!("{kind}: {error}\n{text}"));
        assert_eq!(read(kind, &written).unwrap(), written, "what is written reads back as itself");
        assert_eq!(type_of(&written).is_some(), kind != "VersionResponse");
        let written = String::from_utf8(written).unwrap();
        cases.push(json!({"type": kind, "outcome": "accepted", "text": text, "written": written}));
    }
    let messages = good();
    for (base, pointer, value, code) in changes() {
        let (kind, message) = &messages[base];
        let text = change(message, pointer, value).to_string();
        if code == Code::Internal {
            // Not a refusal: a `dxp` that is null is none.
            let written = read(kind, text.as_bytes()).expect(pointer);
            assert_eq!(read(kind, &written).unwrap(), written, "{pointer}");
            continue;
        }
        let error = read(kind, text.as_bytes()).expect_err(pointer);
        assert_eq!(error.code(), code, "{kind} {pointer}: {error}");
        cases.push(json!({"type": kind, "changed": pointer, "outcome": code, "text": text}));
    }
    for (text, code) in TEXTS {
        assert_eq!(read("ContractNegotiation", text.as_bytes()).unwrap_err().code(), code, "{text}");
        cases.push(json!({"type": "ContractNegotiation", "outcome": code, "text": text}));
    }
    let about = "Messages of DSP 2025-1 and of this profile: the content bytes `text` are read as `type`. `written` is what an \
        implementation that has read them writes, in canonical form, with `@context` reduced to that of DSP.";
    vectors::same("negotiation/messages.json", &json!({"about": about, "cases": cases}));
}

#[test]
fn digests_rest_on_the_value_as_read() {
    // NEG-2.6: members that nobody knows stay in an offer and an agreement.
    let mut value = agreement();
    value["x:note"] = json!({"b": 1, "a": [null]});
    let text = pids("ContractAgreementMessage", &json!({"agreement": value})).to_string();
    let message = n::ContractAgreementMessage::parse(text.as_bytes()).unwrap();
    assert_eq!(message.agreement.value(), &value);
    let again = n::ContractAgreementMessage::parse(&message.to_bytes().unwrap()).unwrap();
    assert_eq!(again.agreement, message.agreement);
    let rule = &message.agreement.policy().permission[0];
    assert_eq!((rule.action.as_str(), rule.constraint.len()), ("use", 1));
    let odrl::Constraint::Atomic { left, operator, right } = &rule.constraint[0] else { panic!() };
    assert_eq!(
        (left.as_str(), *operator, right),
        ("purpose", odrl::Operator::IsAnyOf, &json!(["quality_analysis"]))
    );
}

#[test]
fn a_data_receipt_is_read_by_its_own_module() {
    let text = json!({"@type": "DataReceipt", "v": 1, "consumerPid": "c", "providerPid": "p", "agreement": deal::digest("a"),
        "content_root": deal::digest("r"), "files": 1, "bytes": 2, "at": 3});
    let receipt: DataReceipt = serde_json::from_value(text).unwrap();
    assert_eq!(receipt.v, V1);
}

/// The type of a JSON document of the standard's folder, where it is one that this crate reads.
fn kind_of(bytes: &[u8]) -> Option<&'static str> {
    let document: Value = serde_json::from_slice(bytes).ok()?;
    if document.get("protocolVersions").is_some() {
        return Some("VersionResponse");
    }
    let kind = document.get("@type")?.as_str()?;
    TYPES.into_iter().find(|name| *name == kind)
}

fn files(folder: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_string_lossy().ends_with(ending));
    found.sort();
    found
}

/// Whether every member of the standard's example stands in what is written.
fn contains(written: &Value, example: &Value) -> bool {
    match (written, example) {
        (Value::Object(written), Value::Object(example)) => example
            .iter()
            .all(|(name, value)| written.get(name).is_some_and(|written| contains(written, value))),
        (Value::Array(written), Value::Array(example)) => {
            written.len() == example.len() && written.iter().zip(example).all(|(a, b)| contains(a, b))
        }
        (written, example) => written == example,
    }
}

#[test]
fn a_malformed_dataset_is_left_out_of_its_catalog_alone() {
    // CAT-7.4
    let (_, good) =
        good().into_iter().find(|(kind, m)| *kind == "Catalog" && m["dataset"].is_array()).unwrap();
    let whole = good["dataset"][0].clone();
    let spoilt = |pointer: &str, value: Value| {
        let mut dataset = whole.clone();
        *dataset.pointer_mut(pointer).unwrap() = value;
        dataset
    };
    let bad = [
        json!(null),
        json!([]),
        spoilt("/@id", json!(7)),
        spoilt("/@id", json!("")),
        spoilt("/hasPolicy", json!([])),
        spoilt("/hasPolicy/0", json!({"@type": "Offer"})),
        spoilt("/distribution", json!("none")),
    ];
    let mut catalog = good.clone();
    let mut datasets = bad.to_vec();
    datasets.insert(3, whole.clone());
    catalog["dataset"] = json!(datasets);
    let (read, left_out) = Catalog::parse_each(catalog.to_string().as_bytes()).unwrap();
    assert_eq!(left_out, bad.len());
    assert_eq!(read.dataset.iter().map(|d| json!(d.id)).collect::<Vec<_>>(), [whole["@id"].clone()]);
    // The catalog itself must be one.
    for broken in ["{}", "[]", "{\"@type\":\"Dataset\"}"] {
        assert!(Catalog::parse_each(broken.as_bytes()).is_err());
    }
}

#[test]
fn the_examples_of_the_standard_round_trip() {
    let Some(shared) = vectors::shared("the examples of DSP 2025-1") else { return };
    let mut count = 0;
    for part in ["catalog", "common", "negotiation", "transfer"] {
        for path in files(&shared.join("dsp-2025-1").join(part).join("example"), ".json") {
            let bytes = fs::read(&path).unwrap();
            // The two DID service examples are no messages.
            let Some(kind) = kind_of(&bytes) else { continue };
            let written = read(kind, &bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let (written, example): (Value, Value) =
                (serde_json::from_slice(&written).unwrap(), serde_json::from_slice(&bytes).unwrap());
            let empty = json!({"filter": []});
            let same = contains(&written, &example)
                || (kind == "CatalogRequestMessage" && example["filter"] == empty["filter"]);
            assert!(same, "{}:\n{written}\n{example}", path.display());
            count += 1;
        }
    }
    assert_eq!(count, 25, "examples read");
    vectors::judged(&format!("{count} examples of DSP 2025-1, all read"));
}

/// The JSON bodies of captured exchanges with the peer that sent them: whether that was the Eclipse connector.
fn bodies(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split("----- response") {
        let body = part.trim_start().split_once("\n\n").map_or("", |(_, body)| body.trim());
        if body.starts_with('{') {
            found.push(body.to_string());
        }
    }
    found
}

#[test]
fn what_an_eclipse_connector_sends_is_read() {
    let Some(shared) = vectors::shared("the captured exchanges of an Eclipse connector") else { return };
    let (mut read_count, mut refused) = (0, Vec::new());
    for folder in ["edc-edc", "foreign-edc"] {
        for path in files(&shared.join("edc-lab/wire").join(folder), ".txt") {
            for body in bodies(&fs::read_to_string(&path).unwrap()) {
                let Some(kind) = kind_of(body.as_bytes()) else { continue };
                match read(kind, body.as_bytes()) {
                    Ok(_) => read_count += 1,
                    Err(error) => {
                        refused.push((path.file_name().unwrap().to_string_lossy().into_owned(), error))
                    }
                }
            }
        }
    }
    // Refused: probes that were sent to the connector to see what it does, malformed on purpose (a context that is a string, an
    // inline context, no callback address), and its version document with a binding that is none. Nothing of its own.
    for (name, error) in &refused {
        println!("{name}: {error}");
        assert!(name.contains("-probe-"), "{name}: {error}");
    }
    assert!(read_count > 60 && refused.len() < 8);
    vectors::judged(&format!(
        "{} bodies that an Eclipse connector sent or was sent, {read_count} accepted",
        read_count + refused.len()
    ));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for kind in TYPES {
            prop_assert!(read(kind, &bytes).is_err());
        }
    }

    #[test]
    fn valid_messages_with_a_flipped_byte_never_panic(which in 0usize..29, at in any::<usize>(), bit in 0u8..8) {
        let (kind, message) = &good()[which];
        let mut bytes = message.to_string().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(written) = read(kind, &bytes) {
            prop_assert_eq!(read(kind, &written).unwrap(), written);
        }
    }
}
