//! `naru publish --ask`: at most eleven questions about plain data, for a firm without a lawyer. An answer becomes facts and terms as
//! templates and `--fact` would give them; what nobody knows stays unknown and is asked for later, never taken for a no. Questions go
//! to the terminal's error side, so that what is printed stays whole. Not here: what rules make of the answers.

use std::io::{BufRead, Write};

use naru_protocol::error::{Code, Lang};
use serde_json::{Value, json};

use super::{confirm, lang::pick, publish, show};
use crate::{
    control::Failure,
    scan::Report,
    templates::{self, Kind},
};

/// Answers to one question that are not understood before it is given up.
const TRIES: usize = 5;
/// The longest answer that is read, bytes.
const ANSWER: u64 = 4096;

/// One answer: in English, in Korean, and the facts that it states.
type Choice = (&'static str, &'static str, &'static [&'static str]);

/// A question with its answers. `own` is the fact that an answer in one's own words states.
struct Question {
    en: &'static str,
    ko: &'static str,
    own: Option<&'static str>,
    choices: &'static [Choice],
}

/// About the data. What is agreed on is asked after these, so that there are eleven.
const QUESTIONS: [Question; 9] = [
    Question {
        en: "Where do the data come from?",
        ko: "어느 단계의 데이터입니까?",
        own: None,
        choices: &[
            ("development", "개발", &["lifecycle_stage=development"]),
            ("production", "생산", &["lifecycle_stage=production"]),
            ("distribution", "유통", &["lifecycle_stage=distribution"]),
            ("use of the product", "제품의 사용", &["lifecycle_stage=consumption"]),
            ("service and repair", "정비와 수리", &["lifecycle_stage=service"]),
        ],
    },
    Question {
        en: "Which trade? A number, or a word of your own.",
        ko: "어느 업종입니까? 번호나 직접 적은 낱말.",
        own: Some("sector"),
        choices: &[
            ("vehicles", "자동차", &["sector=automotive"]),
            ("batteries", "배터리", &["sector=battery"]),
            ("electronics", "전자", &["sector=electronics"]),
            ("other manufacturing", "그 밖의 제조", &["sector=manufacturing"]),
            ("finance", "금융", &["sector=financial"]),
        ],
    },
    Question {
        en: "What kind of data?",
        ko: "어떤 데이터입니까?",
        own: None,
        choices: &[
            ("industrial", "산업데이터", &["categories=[\"industrial\"]", "public.is_public=false"]),
            (
                "industrial, from research",
                "연구에서 나온 산업데이터",
                &["categories=[\"industrial\",\"research\"]", "public.is_public=false"],
            ),
            (
                "industrial, with persons in it",
                "개인이 나오는 산업데이터",
                &["categories=[\"industrial\",\"personal\"]", "public.is_public=false"],
            ),
            (
                "open data of a public body",
                "공공기관의 공공데이터",
                &["categories=[\"public\"]", "public.is_public=true"],
            ),
        ],
    },
    Question {
        en: "Can persons be told from them: names, numbers, faces, voices, plates?",
        ko: "개인을 알아볼 수 있습니까: 이름, 번호, 얼굴, 음성, 차량번호?",
        own: None,
        choices: &[
            (
                "no, there are none",
                "아니요, 개인정보가 없습니다",
                &["personal.kind=none", "personal.identifiers=[]", "personal.special=[]"],
            ),
            (
                "no, made anonymous for good",
                "아니요, 익명처리했습니다",
                &["personal.kind=anonymised", "personal.identifiers=[]", "personal.special=[]"],
            ),
            (
                "only with further information, which we keep",
                "가명처리했습니다",
                &["personal.kind=pseudonymised"],
            ),
            ("yes", "예", &["personal.kind=personal"]),
        ],
    },
    Question {
        en: "Whose are they?",
        ko: "누구의 데이터입니까?",
        own: None,
        choices: &[
            ("we made them", "우리가 생성했습니다", &["rights.basis=generator"]),
            (
                "made with others, and no agreement forbids to pass them on",
                "함께 생성했고, 제공을 금지한 약정이 없습니다",
                &["rights.basis=co_generator", "rights.co_agreement_forbids=false"],
            ),
            (
                "made with others, and an agreement forbids it",
                "함께 생성했고, 제공을 금지한 약정이 있습니다",
                &["rights.basis=co_generator", "rights.co_agreement_forbids=true"],
            ),
            (
                "given to us, and whoever gave them allows to pass them on",
                "제공받았고, 제공한 쪽이 재제공을 허락합니다",
                &["rights.basis=recipient", "rights.agreement_forbids=false"],
            ),
            (
                "given to us, and whoever gave them forbids it",
                "제공받았고, 제공한 쪽이 재제공을 금지합니다",
                &["rights.basis=recipient", "rights.agreement_forbids=true"],
            ),
        ],
    },
    Question {
        en: "Is there a trade secret in them?",
        ko: "영업비밀이 들어 있습니까?",
        own: None,
        choices: &[("no", "아니요", &["trade_secret=false"]), ("yes", "예", &["trade_secret=true"])],
    },
    Question {
        en: "Are they about one of these technologies? Several: names with commas.",
        ko: "다음 기술에 관한 데이터입니까? 여럿이면 이름을 쉼표로.",
        own: Some("tech_families"),
        choices: &[
            ("none of them", "해당 없음", &["tech_families=[]"]),
            (
                "xev-bms: battery management of electric vehicles",
                "xev-bms: 전기차 배터리 관리",
                &["tech_families=[\"xev-bms\"]"],
            ),
            (
                "xev-inverter: their inverters",
                "xev-inverter: 전기차 인버터",
                &["tech_families=[\"xev-inverter\"]"],
            ),
            (
                "xev-motor: their drive motors",
                "xev-motor: 전기차 구동모터",
                &["tech_families=[\"xev-motor\"]"],
            ),
            (
                "li-battery-cell: cells of lithium batteries",
                "li-battery-cell: 리튬 배터리 셀",
                &["tech_families=[\"li-battery-cell\"]"],
            ),
            (
                "cathode-material: cathodes",
                "cathode-material: 양극재",
                &["tech_families=[\"cathode-material\"]"],
            ),
            (
                "steel-high-grade: high-grade steel",
                "steel-high-grade: 고급 철강",
                &["tech_families=[\"steel-high-grade\"]"],
            ),
        ],
    },
    Question {
        en: "Do they show how something is made: drawings, recipes, parameters, source code?",
        ko: "만드는 방법이 드러납니까: 도면, 배합, 공정 조건, 소스 코드?",
        own: None,
        choices: &[
            (
                "no: readings, pictures or records that teach nobody that (your own judgement, signed as such)",
                "아니요. 그런 것을 알려 주지 않는 측정값·이미지·기록입니다 (스스로 판단하여 서명함)",
                &[
                    "technology.nct.status=not_nct",
                    "technology.nct.determination.by=self",
                    "technology.strategic.status=not_listed",
                    "technology.strategic.determination.kind=not_technology",
                    "technology.nast=false",
                    "technology.defence=false",
                ],
            ),
            (
                "yes, and it was determined to be neither national core nor strategic technology",
                "예. 국가핵심기술도 전략물자(기술)도 아니라는 판정을 받았습니다",
                &[
                    "technology.nct.status=not_nct",
                    "technology.nct.determination.by=motir",
                    "technology.strategic.status=not_listed",
                    "technology.strategic.determination.kind=professional",
                ],
            ),
            ("yes, national core technology", "예. 국가핵심기술입니다", &["technology.nct.status=nct"]),
            ("yes, strategic technology", "예. 전략기술입니다", &["technology.strategic.status=listed"]),
        ],
    },
    Question {
        en: "Do they show places: maps, surveys, positions?",
        ko: "장소가 드러납니까: 지도, 측량, 위치?",
        own: None,
        choices: &[
            ("no", "아니요", &["geo.survey_product=false"]),
            (
                "yes, results of a survey or a map made of them",
                "예. 측량성과나 그것으로 만든 지도입니다",
                &["geo.survey_product=true"],
            ),
        ],
    },
];

/// What is not asked about plain data, and signed as a no.
const NEGATIVES: [&str; 3] =
    ["battery_passport.tier=none", "data_act.connected_product=false", "patient_records=false"];

/// What was answered.
#[derive(Debug, PartialEq)]
pub(super) struct Answers {
    pub(super) facts: Value,
    /// A template, unless terms were given on the command line.
    pub(super) terms: Option<String>,
    pub(super) keep_days: Option<u32>,
}

/// Asks on the terminal, shows what would be signed, and asks whether that is so.
pub(super) fn ask(scanned: &Report, terms: bool, lang: Lang) -> Result<Answers, Failure> {
    let (mut input, mut out) = (std::io::stdin().lock(), std::io::stderr());
    let answers = asked(&mut input, &mut out, scanned, terms, lang)?;
    drop(input);
    eprint!("{}", summary(&answers.facts, lang));
    if confirm::agrees(pick(
        "Sign this as your own word? [y/N]",
        "이대로 스스로 밝힌 것으로 서명할까요? [y/N]",
    ))? {
        return Ok(answers);
    }
    Err(Failure::new(Code::Cancelled, pick("nothing was published", "발행하지 않았습니다")))
}

fn asked(
    input: &mut impl BufRead,
    out: &mut impl Write,
    scanned: &Report,
    terms: bool,
    lang: Lang,
) -> Result<Answers, Failure> {
    let whole = QUESTIONS.len() + if terms { 0 } else { 2 };
    let mut facts = json!({});
    for fact in NEGATIVES {
        set(&mut facts, fact)?;
    }
    let media: std::collections::BTreeSet<String> =
        scanned.files.iter().filter_map(|file| Some(json!(file.media?).as_str()?.to_owned())).collect();
    if !media.is_empty() {
        facts["media"] = json!(media);
    }
    for (number, question) in (1..).zip(&QUESTIONS) {
        let names: Vec<&str> = question.choices.iter().map(|(en, ko, _)| lang.pick(en, ko)).collect();
        let title = format!("{number}/{whole} {}", lang.pick(question.en, question.ko));
        match one(input, out, &title, &names, question.own.is_some(), lang)? {
            Answer::Unknown => {}
            Answer::Choice(at) => {
                for fact in question.choices.get(at).map_or(&[][..], |(_, _, facts)| *facts) {
                    set(&mut facts, fact)?;
                }
            }
            Answer::Words(words) => set(&mut facts, &own(question.own.unwrap_or_default(), &words))?,
        }
    }
    if terms {
        return Ok(Answers { facts, terms: None, keep_days: None });
    }
    let templates: Vec<&templates::Template> =
        templates::ALL.iter().filter(|template| template.kind == Kind::Terms).collect();
    let names: Vec<String> =
        templates.iter().map(|t| format!("{}: {}", t.name, lang.pick(t.en, t.ko))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let title = format!(
        "10/{whole} {}",
        lang.pick("What may the other do with them?", "상대가 무엇을 할 수 있습니까?")
    );
    let terms = match one(input, out, &title, &names, false, lang)? {
        Answer::Choice(at) => templates.get(at).map(|template| template.name.to_owned()),
        // Nothing may be done with data without terms, so that there is no unknown here.
        Answer::Unknown | Answer::Words(_) => None,
    };
    let Some(terms) = terms else {
        return Err(refused(lang.pick("no terms were chosen", "조건을 고르지 않았습니다")));
    };
    let title = lang.pick(
        "How many days may the other keep them? Enter for what the terms say.",
        "상대가 며칠 보관할 수 있습니까? 조건대로면 Enter.",
    );
    let keep_days = days(input, out, &format!("11/{whole} {title}"), lang)?;
    Ok(Answers { facts, terms: Some(terms), keep_days })
}

enum Answer {
    Unknown,
    Choice(usize),
    Words(String),
}

fn refused(why: &str) -> Failure {
    Failure::new(Code::ArgumentInvalid, why).hint(pick(
        "Run it again, or use --declare and --terms: `naru templates` lists what there is.",
        "다시 실행하거나 --declare 와 --terms 를 쓰세요. 목록은 `naru templates` 로 봅니다.",
    ))
}

fn set(facts: &mut Value, fact: &str) -> Result<(), Failure> {
    templates::set(facts, fact).map_err(|error| refused(&error.to_string()))
}

/// An answer in words, as a fact: of a list, the words between the commas.
fn own(fact: &str, words: &str) -> String {
    match fact {
        "tech_families" => {
            let names: Vec<&str> = words.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
            format!("{fact}={}", json!(names))
        }
        fact => format!("{fact}={}", json!(words)),
    }
}

fn line(input: &mut impl BufRead) -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::Read::take(&mut *input, ANSWER).read_line(&mut text);
    let read = read.map_err(|error| Failure::new(Code::FileUnusable, error.to_string()))?;
    if read == 0 {
        return Err(refused(pick("the answers end in the middle", "대답이 중간에 끝났습니다")));
    }
    Ok(text.trim().to_owned())
}

fn say(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    said.map_err(|error| Failure::new(Code::FileUnusable, error.to_string()))
}

fn one(
    input: &mut impl BufRead,
    out: &mut impl Write,
    title: &str,
    names: &[&str],
    own: bool,
    lang: Lang,
) -> Result<Answer, Failure> {
    let mut text = format!("\n{title}\n");
    for (number, name) in (1..).zip(names) {
        text.push_str(&format!("  {number}  {name}\n"));
    }
    text.push_str(lang.pick("  Enter: not known\n", "  Enter: 모름\n"));
    let again = format!("{} 1–{}\n", lang.pick("a number:", "번호:"), names.len());
    let read = |answer: &str| match answer.parse::<usize>() {
        Ok(number) if (1..=names.len()).contains(&number) => Some(Answer::Choice(number - 1)),
        Err(_) if own => Some(Answer::Words(answer.to_owned())),
        Ok(_) | Err(_) => None,
    };
    Ok(understood(input, out, &text, &again, read, lang)?.unwrap_or(Answer::Unknown))
}

/// Puts a question until its answer is understood, which nothing always is.
fn understood<T>(
    input: &mut impl BufRead,
    out: &mut impl Write,
    text: &str,
    again: &str,
    read: impl Fn(&str) -> Option<T>,
    lang: Lang,
) -> Result<Option<T>, Failure> {
    say(out, text)?;
    for _ in 0..TRIES {
        say(out, "> ")?;
        let answer = line(input)?;
        if answer.is_empty() {
            return Ok(None);
        }
        if let Some(answer) = read(&answer) {
            return Ok(Some(answer));
        }
        say(out, again)?;
    }
    Err(refused(lang.pick("no answer was understood", "알아들을 수 있는 대답이 없었습니다")))
}

fn days(
    input: &mut impl BufRead,
    out: &mut impl Write,
    title: &str,
    lang: Lang,
) -> Result<Option<u32>, Failure> {
    let again = lang.pick("a number of days\n", "날수를 숫자로\n");
    let read = |answer: &str| answer.parse().ok().filter(|days| *days > 0);
    understood(input, out, &format!("\n{title}\n"), again, read, lang)
}

/// What would be signed, a fact a line, and what stays unknown.
fn summary(facts: &Value, lang: Lang) -> String {
    let mut out = format!(
        "\n{}\n",
        lang.pick("What the listing would say, as your word:", "목록에 스스로 밝힌 것으로 적힐 것:")
    );
    let known = templates::vocabulary();
    for path in known.keys() {
        let pointer = format!("/{}", path.replace('.', "/"));
        if let Some(value) = facts.pointer(&pointer) {
            out.push_str(&format!("  {path}: {}\n", show::plain(value)));
        }
    }
    let unasked: Vec<&str> = NEGATIVES.iter().filter_map(|fact| fact.split('=').next()).collect();
    let not = lang.pick("not asked, said as a no:", "묻지 않고 아니라고 적은 것:");
    out.push_str(&format!("  ({not} {})\n", unasked.join(", ")));
    out
}

/// Terms that were answered, or those of the command line.
pub(super) fn terms(answers: &Answers) -> Result<Option<Value>, Failure> {
    let Some(name) = &answers.terms else { return Ok(None) };
    let mut terms = publish::named(Kind::Terms, name)?;
    if let Some(days) = answers.keep_days {
        templates::limit_days(&mut terms, days);
    }
    Ok(Some(terms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(text: &str, terms: bool) -> (Result<Answers, Failure>, String) {
        let mut out = Vec::new();
        let answers = asked(&mut text.as_bytes(), &mut out, &Report::default(), terms, Lang::En);
        (answers, String::from_utf8(out).unwrap())
    }

    #[test]
    fn eleven_questions_make_what_a_template_says() {
        let (answers, shown) = answered("2\n4\n1\n1\n1\n1\n1\n1\n1\n1\n\n", false);
        let answers = answers.unwrap();
        let mut template = templates::find(Kind::Facts, "sensor-series").unwrap().value();
        // Found in the files, and not asked.
        template.as_object_mut().unwrap().remove("media");
        assert_eq!(answers.facts, template);
        assert_eq!((answers.terms.as_deref(), answers.keep_days), (Some("research-only"), None));
        assert!(shown.contains("1/11 ") && shown.contains("11/11 ") && !shown.contains("12/"), "{shown}");
        let (answers, shown) = answered("2\n4\n1\n1\n1\n1\n1\n1\n1\n", true);
        assert_eq!((answers.unwrap().facts, shown.contains("9/9 ")), (template, true));
    }

    #[test]
    fn what_is_not_known_stays_unknown_and_words_are_taken() {
        let (answers, _) = answered("\nshipbuilding\n\n4\n\n\nxev-bms, xev-motor\n\n\n2\n90\n", false);
        let answers = answers.unwrap();
        assert_eq!(answers.facts["sector"], "shipbuilding");
        assert_eq!(answers.facts["tech_families"], json!(["xev-bms", "xev-motor"]));
        assert_eq!(answers.facts["personal"], json!({"kind": "personal"}));
        for unknown in
            ["lifecycle_stage", "categories", "rights", "trade_secret", "technology", "geo", "public"]
        {
            assert_eq!(answers.facts.get(unknown), None, "{unknown}");
        }
        assert_eq!(answers.keep_days, Some(90));
        let terms = terms(&answers).unwrap().unwrap();
        assert!(terms.to_string().contains("P90D"), "{terms}");
    }

    #[test]
    fn an_answer_that_is_none_is_asked_for_again_and_then_given_up() {
        let (answers, shown) = answered("9\nx\n0\n2\n4\n1\n1\n1\n1\n1\n1\n1\n1\n0\nnever\n7\n", false);
        assert_eq!(answers.unwrap().keep_days, Some(7));
        assert_eq!(shown.matches("a number:").count(), 3, "{shown}");
        for text in ["9\n9\n9\n9\n9\n", "2\n4\n", "", "2\n4\n1\n1\n1\n1\n1\n1\n1\n\n\n"] {
            assert_eq!(answered(text, false).0.unwrap_err().code, "argument_invalid", "{text:?}");
        }
    }

    #[test]
    fn every_answer_is_a_fact_that_is_known_in_both_languages() {
        for question in &QUESTIONS {
            for (en, ko, stated) in question.choices {
                let mut facts = json!({});
                assert!(!en.is_empty() && !ko.is_empty() && !stated.is_empty());
                stated.iter().for_each(|fact| set(&mut facts, fact).unwrap());
            }
        }
        let (answers, _) = answered("2\n4\n1\n1\n1\n1\n1\n1\n1\n1\n\n", false);
        let facts = answers.unwrap().facts;
        for lang in [Lang::En, Lang::Ko] {
            let said = summary(&facts, lang);
            assert!(said.contains("personal.kind: none") && said.contains("patient_records"), "{said}");
        }
    }
}
