//! Signatures, their lines and headers, the form of the whole, and time (POL-18.2, POL-18.3, POL-19.2).

use naru_protocol::{encoding::to_base64url, error::Code, limits};
use serde_json::{Value, json};

use crate::{
    making::{
        Case, DATA, END, MADE, PACKS, canonical, header, line, list, raw_line, set, signed, text, with,
    },
    vectors::{NOW, public},
};

const TWO: &str = "two of three";

/// The set of most cases, read now by an operator with two signers of three.
fn case(name: &'static str, jws: String, due: Option<Code>) -> Case {
    Case { name, operator: TWO, now: NOW, typ: PACKS, jws, due }
}

fn by(name: &'static str, operator: &'static str, seeds: &[u8], due: Option<Code>) -> Case {
    Case { operator, ..case(name, signed(PACKS, &set(), seeds), due) }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut all = signers();
    all.extend(lines());
    all.extend(headers());
    all.extend(forms());
    all.extend(times());
    all.extend(data());
    all
}

fn signers() -> Vec<Case> {
    let missing = Some(Code::SignersMissing);
    let strangers = |n: u8| [&[51, 52][..], &(100..100 + n).collect::<Vec<_>>()].concat();
    vec![
        by("a set by the only signer", "one signer", &[51], None),
        by("by two of three", TWO, &[51, 52], None),
        by("by other two, in another order", TWO, &[53, 51], None),
        by("by all three", "all of three", &[51, 52, 53], None),
        by("by more than are needed", TWO, &[51, 52, 53], None),
        by("a stranger's line beside enough of signers", TWO, &[100, 51, 52], None),
        by("one signer twice beside another", TWO, &[51, 51, 52], None),
        by("as many lines as are looked at", TWO, &strangers(limits::SIGNERS as u8 - 2), None),
        by("one line more", TWO, &strangers(limits::SIGNERS as u8 - 1), Some(Code::Malformed)),
        by("one of two that are needed", TWO, &[51], missing),
        by("two of three that are needed", "all of three", &[51, 53], missing),
        by("one signer twice counts once", TWO, &[51, 51], missing),
        by("a stranger does not count", TWO, &[51, 100], missing),
        by("strangers alone", "one signer", &[100, 101], missing),
        by("signers of data do not count for packs", TWO, &[61, 62], missing),
        by("nobody may sign", "nobody", &[51, 52, 53], missing),
        by("no line", TWO, &[], missing),
        by("no line, and nobody may sign", "nobody", &[], missing),
    ]
}

/// Lines that do not verify.
fn lines() -> Vec<Case> {
    let invalid = Some(Code::SignatureInvalid);
    let payload = canonical(&set());
    let other = canonical(&with(set(), json!({"number": 4})));
    let of = |n: u8| line(n, PACKS, &payload);
    let changed = |n: u8| line(n, PACKS, &other);
    let of_lines = |name, lines: &[Value], due| case(name, text(&payload, lines), due);
    let mut swapped = of(52);
    swapped["signature"] = of(51)["signature"].clone();
    let bare = json!({
        "protected": of(52)["protected"],
        "signature": to_base64url(&crate::vectors::key(52).sign(&payload)),
    });
    let zero = json!({"protected": of(52)["protected"], "signature": to_base64url(&[0; 64])});
    vec![
        of_lines("a stranger's line over other bytes", &[of(51), of(52), changed(100)], None),
        of_lines("a signer's line over other bytes", &[of(51), changed(52)], invalid),
        of_lines("beside enough that verify", &[of(51), of(52), changed(53)], invalid),
        of_lines("the same signer's good line before it", &[of(51), of(52), changed(52)], invalid),
        of_lines("the signature of another signer", &[of(51), swapped], invalid),
        of_lines("over the payload without the header", &[of(51), bare], invalid),
        of_lines("64 bytes that are no signature", &[of(51), zero], invalid),
        of_lines(
            "a header that names another than who signed",
            &[of(51), raw_line(&canonical(&header(52, PACKS)), &payload, 100)],
            invalid,
        ),
        case("the payload changed afterwards", text(&other, &[of(51), of(52)]), invalid),
    ]
}

fn headers() -> Vec<Case> {
    let (malformed, wrong) = (Some(Code::Malformed), Some(Code::WrongType));
    let payload = canonical(&set());
    let of = |name, n: u8, members: Value, due| {
        let second = raw_line(&canonical(&with(header(n, PACKS), members)), &payload, n);
        case(name, text(&payload, &[line(51, PACKS, &payload), second, line(53, PACKS, &payload)]), due)
    };
    let spaced = String::from_utf8(canonical(&header(52, PACKS))).unwrap().replace(',', ", ");
    let spaced = raw_line(spaced.as_bytes(), &payload, 52);
    let twice =
        String::from_utf8(canonical(&header(52, PACKS))).unwrap().replace("\"ks\":0", "\"ks\":0,\"ks\":0");
    let twice = raw_line(twice.as_bytes(), &payload, 52);
    let first = line(51, PACKS, &payload);
    vec![
        of("typ of data", 52, json!({"typ": DATA}), wrong),
        of("typ of an agreement", 52, json!({"typ": "dxp-agreement+jws"}), wrong),
        of("typ of a stranger's line is of another document", 100, json!({"typ": DATA}), wrong),
        of("typ that nobody knows", 52, json!({"typ": "dxp-pack+jws"}), malformed),
        of("typ in other letters", 52, json!({"typ": "DXP-packs+jws"}), malformed),
        of("no typ", 52, json!({"typ": null}), malformed),
        of("alg EdDSA", 52, json!({"alg": "EdDSA"}), malformed),
        of("alg none", 52, json!({"alg": "none"}), malformed),
        of("alg of a stranger's line", 100, json!({"alg": "ES256"}), malformed),
        of("no kid", 52, json!({"kid": null}), malformed),
        of("kid as DID", 52, json!({"kid": format!("did:key:{}", public(52))}), malformed),
        of("ks 1", 52, json!({"ks": 1}), malformed),
        of("ks 1 in a stranger's line", 100, json!({"ks": 1}), malformed),
        of("ks -1", 52, json!({"ks": -1}), malformed),
        of("no ks", 52, json!({"ks": null}), malformed),
        of("a further member of the header", 52, json!({"crit": []}), malformed),
        case("white space in a header", text(&payload, &[first.clone(), spaced]), Some(Code::NotCanonical)),
        case("a member of a header twice", text(&payload, &[first, twice]), Some(Code::DuplicateKey)),
    ]
}

/// The JSON around it.
fn forms() -> Vec<Case> {
    let malformed = Some(Code::Malformed);
    let good = signed(PACKS, &set(), &[51, 52]);
    let whole: Value = serde_json::from_str(&good).unwrap();
    let of = |name, change: fn(&mut Value), due| {
        let mut other = whole.clone();
        change(&mut other);
        case(name, other.to_string(), due)
    };
    let cut = |value: &mut Value| {
        let text = value.as_str().unwrap();
        *value = text[..text.len() - 1].into();
    };
    let compact = {
        let line = &whole["signatures"][0];
        let part = |value: &Value| value.as_str().unwrap().to_owned();
        [part(&line["protected"]), part(&whole["payload"]), part(&line["signature"])].join(".")
    };
    let turned = good.replacen("{\"payload\":", "{\"signatures\":[],\"payload\":", 1);
    let pretty = serde_json::to_string_pretty(&whole).unwrap();
    let mut short = whole.clone();
    cut(&mut short["signatures"][1]["signature"]);
    vec![
        case("white space around the members", format!("\n{pretty}\n"), None),
        case("signatures twice", turned, Some(Code::DuplicateKey)),
        case("bytes after it", format!("{good}{{}}"), malformed),
        case("compact", compact.clone(), malformed),
        case("compact, as a JSON string", json!(compact).to_string(), malformed),
        case("a signature of 85 characters", short.to_string(), malformed),
        of(
            "padding after the payload",
            |jws| jws["payload"] = format!("{}=", jws["payload"].as_str().unwrap()).into(),
            malformed,
        ),
        of("an empty payload", |jws| jws["payload"] = "".into(), malformed),
        of("payload that is not encoded", |jws| jws["payload"] = set(), malformed),
        of(
            "no payload",
            |jws| {
                jws.as_object_mut().unwrap().remove("payload");
            },
            malformed,
        ),
        of(
            "no signatures",
            |jws| {
                jws.as_object_mut().unwrap().remove("signatures");
            },
            malformed,
        ),
        of("a further member", |jws| jws["header"] = json!({}), malformed),
        of("a further member of a line", |jws| jws["signatures"][1]["header"] = json!({}), malformed),
        of(
            "flattened",
            |jws| {
                let line = jws["signatures"][0].clone();
                *jws = with(
                    jws.clone(),
                    json!({"signatures": null, "protected": line["protected"], "signature": line["signature"]}),
                );
            },
            malformed,
        ),
    ]
}

fn times() -> Vec<Case> {
    let skew = limits::SKEW_SECONDS;
    let at = |name, now, due| Case { now, ..by(name, TWO, &[51, 52], due) };
    vec![
        at("in its last second", END - 1, None),
        at("at its end", END, Some(Code::SupplyExpired)),
        at("long after its end", END + 365 * 86_400, Some(Code::SupplyExpired)),
        at("when it was made", MADE, None),
        at("by a clock that is behind by what is forgiven", MADE - skew, None),
        at("by one that is behind by more", MADE - skew - 1, Some(Code::ClockWrong)),
    ]
}

fn data() -> Vec<Case> {
    let orders = json!({
        "entries": [{"ref": "MOTIR-2026-1", "country": "SG", "from": MADE}],
        "expires_at": END, "issued_at": MADE, "kind": "stop_orders", "number": 2, "v": 1,
    });
    let of = |name, operator, document: &Value, typ, seeds: &[u8], due| Case {
        operator,
        typ: DATA,
        ..case(name, signed(typ, document, seeds), due)
    };
    let missing = Some(Code::SignersMissing);
    let late = |name, now, due| Case { now, ..of(name, TWO, &list(), DATA, &[61], due) };
    vec![
        of("a list by a signer of data", TWO, &list(), DATA, &[61], None),
        of("a list by both", "all of three", &list(), DATA, &[61, 62], None),
        of("orders by a signer of data", TWO, &orders, DATA, &[62], None),
        of("a list by signers of packs alone", TWO, &list(), DATA, &[51, 52, 53], missing),
        of("orders by a signer of packs alone", "one signer", &orders, DATA, &[51], missing),
        of("a list by one of two that are needed", "all of three", &list(), DATA, &[61, 51], missing),
        of("a list by one signer of data twice", "all of three", &list(), DATA, &[61, 61], missing),
        of("a list where nobody may sign", "nobody", &list(), DATA, &[61, 62], missing),
        of("a list under the type of packs", TWO, &list(), PACKS, &[61], Some(Code::WrongType)),
        of("a set of packs by signers of data", TWO, &set(), PACKS, &[61, 62], Some(Code::WrongType)),
        of("a set of packs under the type of data", TWO, &set(), DATA, &[61, 62], Some(Code::Malformed)),
        Case {
            typ: PACKS,
            ..of("a list read as a set of packs", TWO, &list(), DATA, &[51, 52], Some(Code::WrongType))
        },
        late("a list in its last second", END - 1, None),
        late("a list at its end", END, Some(Code::SupplyExpired)),
        late("a list before it was made", MADE - limits::SKEW_SECONDS - 1, Some(Code::ClockWrong)),
    ]
}
