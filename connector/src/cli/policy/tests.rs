//! `naru policy` over files, as people call it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Eval, Odrl, Rules, WhatIf, When, ask, exit, is_bad_input, tell, what_if};
use crate::control::Failure;
use naru_protocol::error::Lang;

/// A folder of its own for the files of one test.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("naru-policy-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An ordinary deal as the vectors have it: three parts and the result.
pub(super) fn ordinary_case(phase: &str, side: &str) -> Value {
    let text = include_str!("../../../../spec/vectors/policy/ordinary.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let name = format!("{phase}, {side}");
    file["cases"].as_array().unwrap().iter().find(|case| case["name"] == name.as_str()).unwrap().clone()
}

/// One whole document: the three parts of an ordinary deal in one, with members that no rule reads.
pub(super) fn ordinary(phase: &str, side: &str) -> Value {
    let case = ordinary_case(phase, side);
    let mut whole = json!({"note": "read by no rule"});
    for part in ["shared", "private", "host"] {
        merge(&mut whole, &case[part]);
    }
    whole["contract"]["id"] = json!("urn:agr:1");
    whole
}

fn merge(into: &mut Value, from: &Value) {
    match from {
        Value::Object(members) => members.iter().for_each(|(name, value)| merge(&mut into[name], value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            into.clone_from(from)
        }
    }
}

fn when(facts: &Path, phase: Option<&str>, side: Option<&str>, at: Option<u64>) -> When {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    When { facts: facts.to_owned(), phase: owned(phase), side: owned(side), at, assume_unverified: false }
}

fn eval(
    facts: &Path,
    phase: Option<&str>,
    side: Option<&str>,
    at: Option<u64>,
) -> Result<ask::Answer, Failure> {
    ask::eval(&Eval { when: when(facts, phase, side, at) })
}

/// ODR-5.1, ODR-5.2, ODR-5.3: every phase and side of the ordinary deal, with the digest of its shared part.
#[test]
fn a_whole_document_is_taken_apart_and_judged() {
    let files = Files::new("whole");
    for side in ["exporter", "importer"] {
        for phase in ["catalog", "negotiation", "transfer", "monitor"] {
            let facts = files.write("facts.json", &ordinary(phase, side).to_string());
            let answer = eval(&facts, None, None, None).unwrap();
            let said = tell::object(&answer);
            assert_eq!(exit(&answer), 0, "{phase} {side}: {said}");
            assert_eq!(said["decision"], if phase == "catalog" { "visible" } else { "allow" });
            assert_eq!((&said["phase"], &said["side"]), (&json!(phase), &json!(side)));
            assert!(said["shared_digest"].is_string() && said["packs"].as_array().unwrap().len() > 3);
        }
    }
}

/// ODR-5.2: the importer never sees what the exporter alone holds, and its rules are delegated.
#[test]
fn an_importer_is_not_shown_what_the_exporter_holds() {
    let files = Files::new("importer");
    let mut whole = ordinary("negotiation", "exporter");
    whole["consumer"]["sanctions"]["hit"] = json!(false);
    let facts = files.write("facts.json", &whole.to_string());
    let said = tell::object(&eval(&facts, None, Some("importer"), None).unwrap());
    let left_out = json!(["/approvals", "/consumer/red_flags", "/consumer/sanctions"]);
    assert_eq!(said["left_out"], left_out);
    assert!(said["delegated"].as_array().unwrap().iter().any(|rule| rule["id"] == "KR-ITA-001"));
}

/// ODR-5.4: denied and undetermined, each with its exit code, rule, law and remedy in both languages.
#[test]
fn a_denial_and_a_gap_are_told_apart() {
    let files = Files::new("apart");
    let mut whole = ordinary("transfer", "exporter");
    whole["transfer"]["purpose"] = json!("marketing");
    let facts = files.write("denied.json", &whole.to_string());
    let answer = eval(&facts, None, None, None).unwrap();
    assert_eq!((exit(&answer), tell::object(&answer)["decision"].clone()), (3, json!("deny")));
    let (en, ko) = (tell::text(&answer, Lang::En), tell::text(&answer, Lang::Ko));
    assert!(
        en.starts_with("denied (transfer, exporter")
            && en.contains("POST-PUR-001")
            && en.contains("remedy: "),
        "{en}"
    );
    assert!(
        ko.starts_with("거부 (transfer, exporter") && ko.contains("POST-PUR-001") && ko.contains("조치: "),
        "{ko}"
    );
    whole["transfer"]["purpose"] = json!("quality_analysis");
    whole["contract"]["retention_days"] = json!(null);
    let facts = files.write("open.json", &whole.to_string());
    let answer = eval(&facts, None, None, None).unwrap();
    assert_eq!(exit(&answer), 4);
    assert!(tell::text(&answer, Lang::En).contains("CORE-001 (/contract/retention_days)"));
    // A country that is not said leaves no pack out.
    whole["provider"]["country"] = json!(7);
    let facts = files.write("nowhere.json", &whole.to_string());
    assert_ne!(exit(&eval(&facts, None, None, None).unwrap()), 0);
}

/// ODR-5.3: the command line goes before the document.
#[test]
fn phase_side_and_time_are_said_and_never_guessed() {
    let files = Files::new("when");
    let mut whole = ordinary("transfer", "exporter");
    let facts = files.write("facts.json", &whole.to_string());
    let late = eval(&facts, Some("negotiation"), Some("importer"), Some(1_900_000_000)).unwrap();
    let said = tell::object(&late);
    assert_eq!(
        (&said["phase"], &said["side"], &said["at"]),
        (&json!("negotiation"), &json!("importer"), &json!(1_900_000_000_u64))
    );
    assert_eq!(exit(&late), 3, "{said}"); // the identities have expired
    for member in ["phase", "side", "now"] {
        let kept = whole[member].take();
        for wrong in [json!(null), json!("archive"), json!([]), json!(-1)] {
            whole[member] = wrong;
            let facts = files.write("wrong.json", &whole.to_string());
            let failure = eval(&facts, None, None, None).unwrap_err();
            assert!(is_bad_input(&failure) && failure.message.starts_with(member), "{failure:?}");
        }
        whole[member] = kept;
    }
}

/// ODR-5.5: bad input has a code and is never an answer.
#[test]
fn what_cannot_be_read_is_refused_with_a_code() {
    let files = Files::new("bad");
    let base = ordinary("transfer", "exporter");
    let mut float = base.clone();
    float["contract"]["retention_days"] = json!(1.5);
    let mut huge = base.clone();
    huge["dataset"]["note"] = json!("x".repeat(naru_policy::limits::INPUT_BYTES));
    let mut deep = base.clone();
    deep["dataset"]["note"] = (0..60).fold(json!(1), |inner, _| json!([inner]));
    let twice = base.to_string().replacen("\"note\"", "\"phase\"", 1);
    for (name, text) in [
        ("empty", String::new()),
        ("list", "[]".to_owned()),
        ("null", "null".to_owned()),
        ("cut", "{\"phase\":".to_owned()),
        ("float", float.to_string()),
        ("huge", huge.to_string()),
        ("deep", deep.to_string()),
        ("twice", twice),
        (
            "assumed",
            json!({"assume_unverified": true, "phase": "transfer", "side": "exporter", "now": 1}).to_string(),
        ),
    ] {
        let failure = eval(&files.write(name, &text), None, None, None).unwrap_err();
        assert!(is_bad_input(&failure) && failure.code == "policy_input", "{name}: {failure:?}");
    }
    let absent = eval(&files.0.join("absent"), None, None, None).unwrap_err();
    assert!(is_bad_input(&absent) && absent.code == "file_unusable");
}

/// ODR-3.1, ODR-5.6: an offer says that it is hypothetical; what is not understood of it is refused by its place.
#[test]
fn an_offer_is_judged_as_the_agreement_that_it_would_become() {
    let files = Files::new("offer");
    let facts = files.write("facts.json", &ordinary("negotiation", "importer").to_string());
    let ask = |offer: &Value, assume_unverified| {
        let policy = files.write("offer.json", &offer.to_string());
        ask::odrl(&Odrl { policy, when: When { assume_unverified, ..when(&facts, None, None, None) } })
    };
    let constraint = json!([{"leftOperand": "purpose", "operator": "eq", "rightOperand": "quality_analysis"},
        {"leftOperand": "spatial", "operator": "isPartOf", "rightOperand": "CPTPP"}]);
    let mut offer = json!({"@type": "Offer", "permission": [{"action": "use", "constraint": constraint}]});
    let answer = ask(&offer, false).unwrap();
    assert_eq!((exit(&answer), tell::object(&answer)["hypothetical"].clone()), (4, json!(true)));
    let assumed = ask(&offer, true).unwrap();
    assert_eq!(exit(&assumed), 0);
    let told = tell::text(&assumed, Lang::En);
    assert!(told.contains("hypothetical") && told.contains("assumed"), "{told}");
    offer["permission"][0]["constraint"][0]["rightOperand"] = json!("marketing");
    assert_eq!(exit(&ask(&offer, true).unwrap()), 3);
    offer["permission"][0]["constraint"][0]["leftOperand"] = json!("dateTime");
    let failure = ask(&offer, false).unwrap_err();
    assert!(
        is_bad_input(&failure) && failure.message.contains("/permission/0/constraint/0/rightOperand"),
        "{failure:?}"
    );
}

/// ODR-5.7
#[test]
fn rules_are_listed_with_whether_they_are_live() {
    let listed = |date: Option<&str>| ask::rules(&Rules { date: date.map(str::to_owned) });
    let day = listed(Some("2026-11-27")).unwrap();
    assert_eq!(day, listed(Some("2026-11-27T09:00:00+09:00")).unwrap());
    assert_eq!(day["at"], json!(1_795_737_600_u64));
    assert_eq!(day["all"], json!(day["rules"].as_array().unwrap().len()));
    assert!(day["live"].as_u64().unwrap() > 20);
    // On a day before their laws some were not.
    let early = listed(Some("0")).unwrap();
    assert!(early["live"].as_u64() < day["live"].as_u64());
    assert!(
        tell::rules_text(&day, Lang::Ko).contains("시행 중")
            && tell::rules_text(&early, Lang::En).contains("not live")
    );
    for wrong in ["tomorrow", "2026-13-01", "-1", "2026-11-27T09:00:00"] {
        assert!(is_bad_input(&listed(Some(wrong)).unwrap_err()), "{wrong}");
    }
}

fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

/// ODR-5.8: each cell says what `eval` says of the document so changed.
#[test]
fn a_matrix_says_of_each_cell_what_eval_says() {
    let files = Files::new("matrix");
    let whole = ordinary("transfer", "exporter");
    let facts = files.write("facts.json", &whole.to_string());
    let ask = WhatIf {
        when: when(&facts, None, None, None),
        countries: list(&["SG", "DE"]),
        dates: list(&["2026-11-24", "2030-01-01"]),
        purposes: list(&["quality_analysis", "marketing"]),
    };
    let matrix = what_if::ask(&ask).unwrap();
    let said = what_if::object(&matrix);
    let cells = said["cells"].as_array().unwrap();
    assert_eq!((said["v"].clone(), cells.len()), (json!(1), 8));
    let cell = |country: &str, date: &str, purpose: &str| {
        let found =
            cells.iter().find(|c| c["country"] == country && c["date"] == date && c["purpose"] == purpose);
        found.unwrap().clone()
    };
    let ids =
        |cell: &Value| cell["deny"].as_array().unwrap().iter().map(|d| d["id"].clone()).collect::<Vec<_>>();
    assert_eq!(cell("SG", "2026-11-24", "quality_analysis")["decision"], "allow");
    let marketing = cell("SG", "2026-11-24", "marketing");
    assert_eq!(
        (marketing["decision"].clone(), ids(&marketing)),
        (json!("deny"), vec![json!("POST-PUR-001")])
    );
    assert!(ids(&cell("DE", "2026-11-24", "quality_analysis")).contains(&json!("POST-GEO-001")));
    // Identities are as fresh then as now, and the agreement has ended.
    let late = ids(&cell("SG", "2030-01-01", "quality_analysis"));
    assert!(late.contains(&json!("CORE-004")) && !late.contains(&json!("CORE-000")), "{late:?}");
    // The same by hand.
    let mut by_hand = whole.clone();
    by_hand["consumer"]["country"] = json!("DE");
    by_hand["destination"] = json!({"storage_countries": ["DE"], "processing_countries": ["DE"]});
    let at = cell("DE", "2026-11-24", "quality_analysis")["at"].as_u64().unwrap();
    let moved = at.abs_diff(whole["now"].as_u64().unwrap());
    for pointer in
        ["/consumer/identity/expires_at", "/provider/identity/expires_at", "/consumer/sanctions/screened_at"]
    {
        let time = by_hand.pointer_mut(pointer).unwrap();
        *time = json!(time.as_u64().unwrap() - moved);
    }
    let by_hand = files.write("by-hand.json", &by_hand.to_string());
    let eval = tell::object(&eval(&by_hand, None, None, Some(at)).unwrap());
    assert_eq!(eval["deny"], cell("DE", "2026-11-24", "quality_analysis")["deny"]);
    let (en, ko) = (what_if::text(&matrix, Lang::En), what_if::text(&matrix, Lang::Ko));
    assert!(en.contains("purpose: marketing") && en.contains("POST-PUR-001 "), "{en}");
    assert!(ko.contains("목적: marketing") && ko.contains("허용") && ko.contains("거부"), "{ko}");
}

/// ODR-5.9: bounded, and strict about what is asked.
#[test]
fn a_matrix_is_bounded() {
    let files = Files::new("bounded");
    let facts = files.write("facts.json", &ordinary("transfer", "exporter").to_string());
    let ask = |countries: &[&str], dates: &[&str], purposes: usize| {
        what_if::ask(&WhatIf {
            when: when(&facts, None, None, None),
            countries: list(countries),
            dates: list(dates),
            purposes: (0..purposes).map(|n| n.to_string()).collect(),
        })
    };
    for (countries, dates, purposes) in [
        (vec!["ZZ"], vec![], 0),
        (vec!["sg"], vec![], 0),
        (vec![], vec!["tomorrow"], 0),
        (vec!["SG"], vec![], 1001),
    ] {
        let failure = ask(&countries, &dates, purposes).unwrap_err();
        assert!(is_bad_input(&failure) && failure.code == "argument_invalid", "{failure:?}");
    }
    // Nothing changed is the document itself, a cell of its own.
    let as_is = what_if::object(&ask(&[], &[], 0).unwrap());
    assert_eq!(
        (as_is["cells"].as_array().unwrap().len(), as_is["cells"][0]["decision"].clone()),
        (1, json!("allow"))
    );
}

/// POL-9.3: a remedy is tried before it is shown, and one that is not enough is not shown as one.
#[test]
fn remedies_are_checked_before_they_are_shown() {
    let files = Files::new("checked");
    let told = |whole: &Value| {
        let answer = eval(&files.write("facts.json", &whole.to_string()), None, None, None).unwrap();
        let said = tell::object(&answer);
        (said["explained"].clone(), tell::text(&answer, Lang::En), tell::text(&answer, Lang::Ko))
    };
    let of = |explained: &Value, id: &str| {
        explained.as_array().unwrap().iter().find(|e| e["id"] == id).unwrap().clone()
    };
    let mut whole = ordinary("transfer", "exporter");
    whole["transfer"]["purpose"] = json!("marketing");
    let (explained, en, ko) = told(&whole);
    let purpose = of(&explained, "POST-PUR-001");
    assert_eq!(
        (&purpose["checked"], &purpose["allows"], &purpose["then"]),
        (&json!(true), &json!(true), &json!([]))
    );
    assert!(en.contains("checked: with it, this is allowed") && ko.contains("허용됩니다"), "{en}{ko}");
    // Two rules at once: neither remedy alone is enough for the deal, each is for its rule.
    whole["contract"]["allowed_countries"] = json!(["KR"]);
    let (explained, en, _) = told(&whole);
    let purpose = of(&explained, "POST-PUR-001");
    assert_eq!((&purpose["checked"], &purpose["allows"]), (&json!(true), &json!(false)));
    assert!(en.contains("the others listed here do"), "{en}");
    // A template that cannot help: the contract's first purpose is no purpose.
    let mut broken = ordinary("transfer", "exporter");
    broken["transfer"]["purpose"] = json!("marketing");
    broken["contract"]["purposes"] = json!([7, "quality_analysis"]);
    let (explained, en, ko) = told(&broken);
    let purpose = of(&explained, "POST-PUR-001");
    assert_eq!(purpose["checked"], json!(false), "{purpose}");
    assert!(en.contains("not enough here: ") && ko.contains("여기서는 부족한 조치: "), "{en}");
}
