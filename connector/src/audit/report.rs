//! The report: claims, logs, exchanges, and what may and may not be concluded, as text and as JSON (spec chapter 09, AUD-7, AUD-12).

use std::{collections::BTreeMap, fmt::Write as _};

use naru_protocol::{encoding::Id, error::Lang};
use serde_json::{Value, json};

use super::{
    exchanges::Concluded,
    finding::{Claim, Verdict},
};

/// What may be concluded from proved claims; printed in every report and in the specification. The last is of signed
/// exchanges alone.
pub const MAY: [&str; 5] = [
    "the key of this participant signed these bytes",
    "the entry was in the log when this checkpoint was signed, before the time of each cosignature on it",
    "no logged entry of a lane whose counters are proved is withheld",
    "these packs over this input give this result",
    "the consumer's node acknowledged bytes with this digest",
];

/// What may not.
pub const MAY_NOT: [&str; 5] = [
    "legal identity: the anchors are the auditor's word, name and country are self-declared",
    "the truth of declared facts",
    "the absence of trade outside the log",
    "real deletion of data",
    "exact times, where no cosigner vouches for them",
];

/// What may not either, where a report is about exchanges with peers that sign nothing.
pub const MAY_NOT_UNSIGNED: &str = "of exchanges that are marked unsigned: that the peer sent, agreed to or received anything; only what this log's owner recorded";

/// [`MAY`] in Korean, line for line.
const MAY_KO: [&str; 5] = [
    "이 참여자의 키가 이 바이트에 서명했다",
    "이 체크포인트가 서명될 때, 그리고 그에 대한 각 공동 서명의 시각 전에 항목이 로그에 있었다",
    "순번이 증명된 경로에서 기록된 항목이 빠진 것이 없다",
    "이 규칙 묶음이 이 입력에 대해 이 결과를 낸다",
    "소비자의 노드가 이 다이제스트의 바이트를 받았다고 확인했다",
];

/// [`MAY_NOT`] in Korean, and [`MAY_NOT_UNSIGNED`] after it.
const MAY_NOT_KO: [&str; 6] = [
    "법적 신원: 신뢰 기준은 감사인의 말이고, 이름과 국가는 스스로 밝힌 것이다",
    "선언된 사실이 참인지",
    "로그 밖의 거래가 없었는지",
    "데이터가 실제로 삭제되었는지",
    "공동 서명자가 보증하지 않은 정확한 시각",
    "unsigned로 표시된 교환에 대하여: 상대가 무엇을 보내거나 동의하거나 받았는지; 이 로그의 주인이 기록한 것뿐이다",
];

/// One log of a report.
#[derive(Debug)]
pub(super) struct LogLine {
    pub(super) dir: String,
    pub(super) participant: String,
    pub(super) origin: String,
    pub(super) size: u64,
    pub(super) root: String,
    /// Relative path of the last entry bundle.
    pub(super) last_bundle: String,
}

/// What was found.
#[derive(Debug)]
pub struct Report {
    pub(super) logs: Vec<LogLine>,
    pub(super) exchanges: Vec<Concluded>,
    pub(super) claims: Vec<Claim>,
    pub(super) any_pack: bool,
}

impl Report {
    /// Whether no claim failed and at least one log verified.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.claims.iter().any(|claim| claim.verdict == Verdict::Failed)
            && self.logs.iter().any(|log| log.size > 0)
    }

    /// Claims that are proved, and all.
    #[must_use]
    pub fn tally(&self) -> (usize, usize) {
        (self.count(Verdict::Proved), self.claims.len())
    }

    /// Every claim, in the order in which it was looked at.
    #[must_use]
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// What is concluded of an exchange, by its id; `None` if no act of it was shown.
    #[must_use]
    pub fn verdict_of(&self, id: &str) -> Option<&str> {
        let id = Id::parse(id).ok()?;
        self.exchanges.iter().find(|exchange| exchange.id == id).map(|exchange| exchange.word.as_str())
    }

    /// Path of the last entry bundle of a log, relative to its folder; empty if the log did not verify.
    #[must_use]
    pub fn partial(&self, log: usize) -> String {
        self.logs.get(log).map(|log| log.last_bundle.clone()).unwrap_or_default()
    }

    /// The first claim that failed, in one line.
    #[must_use]
    pub fn first_failure(&self) -> Option<String> {
        self.claims.iter().find(|claim| claim.verdict == Verdict::Failed).map(|claim| line(claim, Lang::En))
    }

    /// One JSON document (AUD-12.2).
    #[must_use]
    pub fn to_json(&self) -> String {
        let (proved, all) = self.tally();
        let claim = |claim: &Claim| {
            json!({
                "claim": claim.about.claim, "subject": claim.about.subject, "verdict": claim.verdict.as_str(),
                "grade": claim.grade.map(super::finding::Grade::as_str), "reason": claim.reason.map(|r| r.as_str()),
                "detail": claim.detail, "log": claim.about.log, "exchange": claim.about.exchange,
            })
        };
        let exchange = |exchange: &Concluded| {
            json!({
                "id": exchange.id, "kind": exchange.kind, "verdict": exchange.word, "code": exchange.code,
                "agreement": exchange.agreement, "parties": exchange.parties, "acts": exchange.acts,
                "unsigned": exchange.unsigned,
            })
        };
        let log = |log: &LogLine| {
            json!({
                "dir": log.dir, "participant": log.participant, "origin": log.origin, "size": log.size,
                "root": log.root,
            })
        };
        json!({
            "v": 1, "holds": self.holds(),
            "tally": {
                "claims": all, "proved": proved, "failed": self.count(Verdict::Failed), "attested": self.count(Verdict::Attested),
                "not_disclosed": self.count(Verdict::NotDisclosed), "unsupported": self.count(Verdict::Unsupported),
            },
            "logs": self.logs.iter().map(log).collect::<Vec<Value>>(),
            "exchanges": self.exchanges.iter().map(exchange).collect::<Vec<Value>>(),
            "claims": self.claims.iter().map(claim).collect::<Vec<Value>>(),
            "packs_accepted": if self.any_pack { "any" } else { "anchors" },
            "may_be_concluded": self.may(Lang::En).collect::<Vec<_>>(), "may_not_be_concluded": self.may_not(Lang::En),
        })
        .to_string()
    }

    /// What may be concluded from this report: nothing where nothing is proved; decisions are spoken of where one was executed
    /// again, and a receipt where an exchange could have one.
    fn may(&self, lang: Lang) -> impl Iterator<Item = &'static str> {
        let proved = |name: &str| {
            self.claims.iter().any(|claim| claim.name() == name && claim.verdict == Verdict::Proved)
        };
        let moved = self.exchanges.iter().any(|exchange| !exchange.unsigned && exchange.kind == "transfer");
        let any = self.tally().0 > 0;
        let holds = [any, any, any, proved("decision"), any && moved];
        let all = match lang {
            Lang::En => MAY,
            Lang::Ko => MAY_KO,
        };
        all.into_iter().zip(holds).filter(|(_, holds)| *holds).map(|(line, _)| line)
    }

    /// What may not be concluded from it.
    fn may_not(&self, lang: Lang) -> Vec<&'static str> {
        let unsigned = self.exchanges.iter().any(|exchange| exchange.unsigned);
        match lang {
            Lang::En => MAY_NOT.into_iter().chain(unsigned.then_some(MAY_NOT_UNSIGNED)).collect(),
            Lang::Ko => MAY_NOT_KO.into_iter().take(MAY_NOT.len() + usize::from(unsigned)).collect(),
        }
    }

    /// For people, in English.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.to_text_in(Lang::En)
    }

    /// For people: logs, exchanges, tally, what may be concluded, failures last. Words of the specification (claims, verdicts,
    /// reasons, kinds) stay as they are; what explains them is in the language.
    #[must_use]
    pub fn to_text_in(&self, lang: Lang) -> String {
        let mut out = String::new();
        for (number, log) in self.logs.iter().enumerate() {
            let _ = writeln!(out, "{} {}  {}", lang.pick("log", "로그"), number + 1, log.dir);
            if log.size == 0 {
                let _ = writeln!(out, "       {}", lang.pick("did not verify", "검증되지 않음"));
                continue;
            }
            let (entries, root) = (lang.pick("entries", "개 항목"), lang.pick("root", "루트"));
            let space = lang.pick(" ", "");
            let _ = writeln!(
                out,
                "       {}\n       {}, {}{space}{entries}, {root} {}",
                log.participant, log.origin, log.size, log.root
            );
        }
        let _ = writeln!(out);
        self.write_exchanges(&mut out, lang);
        self.write_tally(&mut out, lang);
        if self.tally().0 == 0 {
            let _ = writeln!(out, "\n{}", lang.pick("Nothing is proved.", "증명된 것이 없습니다."));
        } else {
            let _ = writeln!(
                out,
                "\n{}",
                lang.pick(
                    "From what is proved it may be concluded that",
                    "증명된 것에서 결론지을 수 있는 것:"
                )
            );
        }
        for text in self.may(lang) {
            let _ = writeln!(out, "  + {text}");
        }
        let not =
            lang.pick("It may not be concluded, and is not claimed:", "결론지을 수 없고 주장하지도 않는 것:");
        let _ = writeln!(out, "{not}");
        for text in self.may_not(lang) {
            let _ = writeln!(out, "  - {text}");
        }
        if self.any_pack {
            let any = lang.pick(
                "The anchors name no packs: whichever the parties used were taken.",
                "신뢰 기준이 규칙 묶음을 지정하지 않아 당사자들이 쓴 것을 그대로 받아들였습니다.",
            );
            let _ = writeln!(out, "{any}");
        }
        let open = |verdict| matches!(verdict, Verdict::NotDisclosed | Verdict::Unsupported);
        self.write_some(&mut out, lang, ("attested", "진술됨"), |verdict| verdict == Verdict::Attested);
        self.write_some(&mut out, lang, ("open", "미결"), open);
        self.write_failures(&mut out, lang);
        out
    }

    fn write_exchanges(&self, out: &mut String, lang: Lang) {
        for exchange in &self.exchanges {
            let code = exchange.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
            let word = lang.pick("agreement", "계약");
            let under = exchange.agreement.map(|digest| format!(", {word} {digest}")).unwrap_or_default();
            let mark = if exchange.unsigned { "unsigned " } else { "" };
            let acts = match lang {
                Lang::En => format!("{} acts", exchange.acts),
                Lang::Ko => format!("행위 {}건", exchange.acts),
            };
            let _ = writeln!(
                out,
                "{mark}{} {}: {}{code}, {acts}{under}",
                exchange.kind, exchange.id, exchange.word
            );
        }
    }

    fn write_tally(&self, out: &mut String, lang: Lang) {
        let mut kinds: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
        for claim in &self.claims {
            let at = match claim.verdict {
                // Neither proved nor open: each is told in its own words below.
                Verdict::Attested => continue,
                Verdict::Proved => 0,
                Verdict::Failed => 1,
                Verdict::NotDisclosed => 2,
                Verdict::Unsupported => 3,
            };
            kinds.entry(claim.about.claim).or_default()[at] += 1;
        }
        let head = lang.pick(
            "claim              proved failed not disclosed unsupported",
            "주장                 증명   실패        미공개      미지원",
        );
        let _ = writeln!(out, "\n{head}");
        for (kind, [proved, failed, open, unsupported]) in kinds {
            let _ = writeln!(out, "{kind:<18} {proved:>6} {failed:>6} {open:>13} {unsupported:>11}");
        }
    }

    /// Claims that are told one by one, the first of them, under a word in both languages.
    fn write_some(
        &self,
        out: &mut String,
        lang: Lang,
        (en, ko): (&str, &str),
        told: impl Fn(Verdict) -> bool,
    ) {
        let told = |claim: &&Claim| told(claim.verdict);
        for claim in self.claims.iter().filter(told).take(20) {
            let _ = writeln!(out, "{}: {}", lang.pick(en, ko), line(claim, lang));
        }
        let more = self.claims.iter().filter(told).count().saturating_sub(20);
        if more > 0 {
            let _ = match lang {
                Lang::En => writeln!(out, "{en}: {more} more, see --json"),
                Lang::Ko => writeln!(out, "{ko}: {more}건 더 있음, --json 참조"),
            };
        }
    }

    fn write_failures(&self, out: &mut String, lang: Lang) {
        let (proved, all) = self.tally();
        let failed = self.count(Verdict::Failed);
        for claim in self.claims.iter().filter(|claim| claim.verdict == Verdict::Failed).take(50) {
            let _ = writeln!(out, "{}: {}", lang.pick("FAILED", "실패"), line(claim, lang));
        }
        let attested = self.count(Verdict::Attested);
        let (hidden, unsupported) = (self.count(Verdict::NotDisclosed), self.count(Verdict::Unsupported));
        let some = |n: usize, text: String| if n == 0 { String::new() } else { text };
        let _ = match lang {
            Lang::En => {
                let open = some(attested, format!(", {attested} attested"))
                    + &some(hidden, format!(", {hidden} not disclosed"))
                    + &some(unsupported, format!(", {unsupported} unsupported"));
                let word = if self.holds() { "holds" } else { "DOES NOT HOLD" };
                writeln!(out, "\n{proved} of {all} claims proved, {failed} failed{open}: this {word}")
            }
            Lang::Ko => {
                let open = some(attested, format!(", 진술 {attested}건"))
                    + &some(hidden, format!(", 미공개 {hidden}건"))
                    + &some(unsupported, format!(", 미지원 {unsupported}건"));
                let word = if self.holds() { "성립합니다" } else { "성립하지 않습니다" };
                writeln!(out, "\n주장 {all}건 중 {proved}건 증명, {failed}건 실패{open}: {word}")
            }
        };
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.claims.iter().filter(|claim| claim.verdict == verdict).count()
    }
}

fn line(claim: &Claim, lang: Lang) -> String {
    let mut line = format!("{} {}", claim.about.claim, claim.about.subject);
    if let Some(log) = claim.about.log {
        let _ = write!(line, " ({} {})", lang.pick("log", "로그"), log + 1);
    }
    if let Some(reason) = claim.reason {
        let _ = write!(line, ": {} [{reason}]", reason.says_in(lang));
    }
    if !claim.detail.is_empty() {
        let _ = write!(line, ": {}", claim.detail);
    }
    line
}
