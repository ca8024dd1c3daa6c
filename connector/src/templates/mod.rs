//! Named templates: terms (what the other may do) and facts (what the data are), and facts given one by one (rules.md §4.5).
//!
//! A small firm answers few questions by hand; a template answers the rest with explicit negatives, which the publisher signs
//! in the listing as its own word. The files lie beside this one and are compiled in. What terms and facts mean is said by
//! `node/facts` and by the rules, not here.

mod fact;

use serde_json::{Value, json};

pub use self::fact::{FactError, Known, set, vocabulary};

/// What a template holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An ODRL offer.
    Terms,
    /// The `dataset` facts of the policy input.
    Facts,
}

impl Kind {
    /// As it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Terms => "terms",
            Self::Facts => "facts",
        }
    }
}

/// A template.
#[derive(Debug)]
pub struct Template {
    /// What it holds.
    pub kind: Kind,
    /// What people call it.
    pub name: &'static str,
    /// What it says, in a line: English.
    pub en: &'static str,
    /// The same in Korean.
    pub ko: &'static str,
    /// The document, JSON.
    pub text: &'static str,
}

macro_rules! templates {
    ($($kind:ident $folder:literal $name:literal $en:literal $ko:literal;)*) => {
        /// All templates.
        pub const ALL: &[Template] = &[$(Template {
            kind: Kind::$kind, name: $name, en: $en, ko: $ko,
            text: include_str!(concat!($folder, "/", $name, ".json")),
        }),*];
    };
}

templates! {
    Terms "terms" "research-only"
        "for `research`; kept at most 365 days, 10 transfers, not passed on"
        "`research`(연구) 목적만; 최장 365일 보관, 전송 10회, 제3자 제공 금지";
    Terms "terms" "quality-analysis"
        "for `quality_analysis`; kept at most 365 days, 10 transfers, not passed on"
        "`quality_analysis`(품질 분석) 목적만; 최장 365일 보관, 전송 10회, 제3자 제공 금지";
    Terms "terms" "maintenance"
        "for `maintenance` of machines; kept at most 730 days, 100 transfers, not passed on"
        "`maintenance`(설비 보전) 목적만; 최장 730일 보관, 전송 100회, 제3자 제공 금지";
    Terms "terms" "model-training"
        "for `model_training`; kept at most 730 days, 10 transfers, not passed on"
        "`model_training`(모델 학습) 목적만; 최장 730일 보관, 전송 10회, 제3자 제공 금지";
    Terms "terms" "conformity"
        "for `conformity_assessment`, by a customer or a test house; kept at most 1825 days, 10 transfers, not passed on"
        "`conformity_assessment`(적합성 평가) 목적만, 고객사나 시험기관용; 최장 1825일 보관, 전송 10회, 제3자 제공 금지";
    Terms "terms" "evaluation"
        "for `evaluation`, to try the data out; kept at most 30 days, 1 transfer, not passed on"
        "`evaluation`(시험 사용) 목적만; 최장 30일 보관, 전송 1회, 제3자 제공 금지";
    Facts "facts" "sensor-series"
        "own process sensor readings: no persons, no location, no trade secret, no technology in the sense of export control"
        "자사 공정 센서 시계열: 개인정보 없음, 위치 없음, 영업비밀 아님, 수출통제 대상 기술 아님";
    Facts "facts" "production-images"
        "own pictures of parts and machines: no faces, no plates, no location, no trade secret, no technology in the sense of export control"
        "자사 부품·설비 이미지: 얼굴·차량번호 없음, 위치 없음, 영업비밀 아님, 수출통제 대상 기술 아님";
    Facts "facts" "test-reports"
        "own test and inspection reports: no persons named, no location, no trade secret, no technology in the sense of export control"
        "자사 시험·검사 성적서: 개인 이름 없음, 위치 없음, 영업비밀 아님, 수출통제 대상 기술 아님";
    Facts "facts" "machine-sound"
        "own recordings of machines: no voices, no location, no trade secret, no technology in the sense of export control"
        "자사 설비 음향 녹음: 음성 없음, 위치 없음, 영업비밀 아님, 수출통제 대상 기술 아님";
    Facts "facts" "shipping-records"
        "own records of lots, packing and delivery: no persons named, no location, no trade secret, no technology in the sense of export control"
        "자사 로트·포장·출하 기록: 개인 이름 없음, 위치 없음, 영업비밀 아님, 수출통제 대상 기술 아님";
    Facts "facts" "usage-statistics"
        "own statistics of parts in use: no single product or person, no location, no trade secret, no technology in the sense of export control"
        "사용 중인 자사 부품의 통계: 개별 제품·개인 식별 없음, 위치 없음, 영업비밀 아님, 수출통제 대상 기술 아님";
}

impl Template {
    /// The document.
    #[must_use]
    pub fn value(&self) -> Value {
        // Each is read by a test; one that could not be read would say nothing.
        serde_json::from_str(self.text).unwrap_or_default()
    }

    /// For programs.
    #[must_use]
    pub fn described(&self) -> Value {
        json!({"kind": self.kind.as_str(), "name": self.name, "says": {"en": self.en, "ko": self.ko},
            "template": self.value()})
    }
}

/// A template by its name.
#[must_use]
pub fn find(kind: Kind, name: &str) -> Option<&'static Template> {
    ALL.iter().find(|template| template.kind == kind && template.name == name)
}

/// Puts one constraint of the only permission in place of the one on the same operand; terms that have another form are left
/// for the node to refuse.
fn constrain(terms: &mut Value, operand: &str, operator: &str, right: Value) {
    let Some(list) = terms.pointer_mut("/permission/0/constraint").and_then(Value::as_array_mut) else {
        return;
    };
    list.retain(|constraint| constraint.get("leftOperand").and_then(Value::as_str) != Some(operand));
    list.push(json!({"leftOperand": operand, "operator": operator, "rightOperand": right}));
}

/// Limits terms to these countries. Templates name none: the agreement is then bound to those that the consumer states.
pub fn limit_countries(terms: &mut Value, countries: &[String]) {
    constrain(terms, "spatial", "isAnyOf", json!(countries));
}

/// Has the data deleted after that many days.
pub fn limit_days(terms: &mut Value, days: u32) {
    constrain(terms, "elapsedTime", "lteq", json!(format!("P{days}D")));
}

/// Binds whoever signs to these clauses (spec chapter 05, POL-10.12).
pub fn bind(terms: &mut Value, clauses: &[String]) {
    constrain(terms, "clauses", "isAllOf", json!(clauses));
}

#[cfg(test)]
mod tests;
