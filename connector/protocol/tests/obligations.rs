//! Duties and what becomes of them: which reports may stand, from when a duty runs, what fulfils it (spec chapter 08b).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod deal;
mod vectors;

use naru_protocol::{
    encoding::{Digest, Id},
    exchange::Role,
    identity::Country,
    json::V1,
    limits,
    obligation::{Course, Standing, Taken, lasts},
    report::{BadReport, Deletion, Onward, Report, ReportKind},
    terms::Obligation,
};
use serde_json::{Value, json};

use deal::{DRAFT, Deal, deal};

const DAY: u64 = 86_400;

fn duty(id: &str, duty: &str, on: Role, after: &str, within: Option<u64>) -> Obligation {
    Obligation { id: id.into(), duty: duty.into(), on, after: after.into(), within }
}

fn plain(deal: &Deal, kind: ReportKind, at: u64) -> Report {
    Report {
        v: V1,
        consumer_pid: "c".into(),
        provider_pid: "p".into(),
        agreement: deal.in_force().agreement(),
        kind,
        obligation: None,
        event: None,
        happened: None,
        at,
        text: String::new(),
        evidence: None,
        deletion: None,
        onward: None,
    }
}

fn deletion(deal: &Deal, at: u64, unknown: u64) -> Report {
    let deletion = Some(Deletion { bytes: 10, files: 2, unknown });
    Report { deletion, ..plain(deal, ReportKind::Deletion, at) }
}

#[test]
fn a_report_stands_for_its_senders_own_duty_under_its_own_agreement() {
    // OBL-2.3, OBL-2.4, OBL-2.5
    let deal = deal();
    let (agreement, now) = (deal.in_force().agreement(), DRAFT + 100);
    let fits = |report: &Report, by| report.fits(agreement, &deal.terms, by, now);
    let own = deal.terms.obligations[0].clone();
    let of = |obligation: &Obligation| Report {
        obligation: Some(obligation.clone()),
        text: "done".into(),
        ..plain(&deal, ReportKind::Report, now)
    };
    assert_eq!(fits(&of(&own), Role::Consumer), Ok(()));
    assert_eq!(fits(&of(&own), Role::Provider), Err(BadReport::OtherObligation));
    for other in [
        Obligation { within: None, ..own.clone() },
        Obligation { duty: "keep".into(), ..own.clone() },
        Obligation { on: Role::Provider, ..own.clone() },
    ] {
        for by in [Role::Consumer, Role::Provider] {
            assert_eq!(fits(&of(&other), by), Err(BadReport::OtherObligation), "{other:?}");
        }
    }
    let elsewhere = Report { agreement: Digest::of(b"another"), ..of(&own) };
    assert_eq!(fits(&elsewhere, Role::Consumer), Err(BadReport::OtherAgreement));
    assert_eq!(fits(&deletion(&deal, now, 0), Role::Provider), Err(BadReport::OtherSide));
    assert_eq!(fits(&deletion(&deal, now, 0), Role::Consumer), Ok(()));
    let onward = Onward { country: Country::parse("VN").unwrap(), flow_down: true, to: "Hanoi Parts".into() };
    let onward = Report { onward: Some(onward), ..plain(&deal, ReportKind::OnwardTransfer, now) };
    assert_eq!(fits(&onward, Role::Provider), Err(BadReport::OtherSide));
    let latest = now + limits::SKEW_SECONDS;
    assert_eq!(fits(&deletion(&deal, latest, 0), Role::Consumer), Ok(()));
    assert_eq!(fits(&deletion(&deal, latest + 1, 0), Role::Consumer), Err(BadReport::Future));
    let breach = |happened| Report {
        event: Some("breach".into()),
        happened: Some(happened),
        ..plain(&deal, ReportKind::Notice, now)
    };
    assert_eq!(fits(&breach(now - 1000), Role::Provider), Ok(()));
    assert_eq!(fits(&breach(latest + 1), Role::Provider), Err(BadReport::Future));
}

/// One duty of the vectors, looked at several times.
struct Case {
    name: &'static str,
    duty: Obligation,
    term_end: Option<u64>,
    completed: Vec<u64>,
    reports: Vec<(Role, Report)>,
    /// At this time after the draft, the rows: since, deadline, standing.
    looks: Vec<(u64, Vec<Row>)>,
}

type Row = (Option<u64>, Option<u64>, Standing);

#[allow(clippy::too_many_lines, reason = "a table")]
fn cases(deal: &Deal) -> Vec<Case> {
    use Standing::{Due, Fulfilled, Open, Violated};
    let c = Role::Consumer;
    let delete = |within| duty("POST-RET-001", "delete", c, "completion", Some(within));
    let named = |obligation: &Obligation, at| {
        let obligation = Some(obligation.clone());
        (c, Report { obligation, text: "done".into(), ..plain(deal, ReportKind::Report, DRAFT + at) })
    };
    let told = |by, event: &str, happened, at| {
        let happened = Some(DRAFT + happened);
        let event = Some(event.to_owned());
        (by, Report { event, happened, ..plain(deal, ReportKind::Notice, DRAFT + at) })
    };
    let case = |name, duty, completed: &[u64], reports, looks| {
        let completed = completed.iter().map(|at| DRAFT + at).collect();
        Case { name, duty, term_end: None, completed, reports, looks }
    };
    let month = 30 * DAY;
    let breach = duty("POST-BRE-001", "notify_breach", c, "breach", Some(3 * DAY));
    let request = duty("KR-ITA-005", "return_or_delete", c, "request", None);
    vec![
        case("nothing came yet", delete(month), &[], vec![], vec![(9 * month, vec![(None, None, Open)])]),
        case(
            "open, due in its last day, violated after it",
            delete(month),
            &[100],
            vec![],
            vec![
                (100, vec![(Some(100), Some(100 + month), Open)]),
                (100 + month - DAY - 1, vec![(Some(100), Some(100 + month), Open)]),
                (100 + month - DAY, vec![(Some(100), Some(100 + month), Due)]),
                (100 + month, vec![(Some(100), Some(100 + month), Due)]),
                (101 + month, vec![(Some(100), Some(100 + month), Violated)]),
            ],
        ),
        case(
            "a week or less is due at once",
            delete(7 * DAY),
            &[100],
            vec![],
            vec![
                (99, vec![(Some(100), Some(100 + 7 * DAY), Open)]),
                (100, vec![(Some(100), Some(100 + 7 * DAY), Due)]),
            ],
        ),
        case(
            "a deletion fulfils, late or not",
            delete(DAY),
            &[100],
            vec![(c, deletion(deal, DRAFT + 3 * DAY, 0))],
            vec![(4 * DAY, vec![(Some(100), Some(100 + DAY), Fulfilled)])],
        ),
        case(
            "one from before the data came does not",
            delete(DAY),
            &[100],
            vec![(c, deletion(deal, DRAFT + 99, 0))],
            vec![(200, vec![(Some(100), Some(100 + DAY), Due)])],
        ),
        case(
            "nor one of what came before, for what came later",
            delete(DAY),
            &[100, 300],
            vec![(c, deletion(deal, DRAFT + 200, 0))],
            vec![(400, vec![(Some(100), Some(100 + DAY), Fulfilled), (Some(300), Some(300 + DAY), Due)])],
        ),
        case(
            "unknown files are not deleted",
            delete(DAY),
            &[100],
            vec![(c, deletion(deal, DRAFT + 200, 1))],
            vec![(300, vec![(Some(100), Some(100 + DAY), Due)])],
        ),
        case(
            "unless it is said what became of them",
            delete(DAY),
            &[100],
            vec![(c, Report { text: "shredded".into(), ..deletion(deal, DRAFT + 200, 1) })],
            vec![(300, vec![(Some(100), Some(100 + DAY), Fulfilled)])],
        ),
        case(
            "a report that names the duty fulfils it",
            delete(DAY),
            &[100],
            vec![named(&delete(DAY), 200)],
            vec![(300, vec![(Some(100), Some(100 + DAY), Fulfilled)])],
        ),
        case(
            "one that names another does not",
            delete(DAY),
            &[100],
            vec![named(&delete(2 * DAY), 200)],
            vec![(300, vec![(Some(100), Some(100 + DAY), Due)])],
        ),
        case(
            "a breach is told by whoever knows of it",
            breach.clone(),
            &[100],
            vec![told(Role::Provider, "breach", 500, 900)],
            vec![
                (900, vec![(Some(500), Some(500 + 3 * DAY), Due)]),
                (501 + 3 * DAY, vec![(Some(500), Some(500 + 3 * DAY), Violated)]),
            ],
        ),
        case(
            "and whoever owes the notice fulfils it by telling",
            breach.clone(),
            &[100],
            vec![(c, Report { obligation: Some(breach), ..told(c, "breach", 500, 900).1 })],
            vec![(900, vec![(Some(500), Some(500 + 3 * DAY), Fulfilled)])],
        ),
        case(
            "without a time it is due and never late",
            request.clone(),
            &[100],
            vec![told(Role::Provider, "request", 500, 500)],
            vec![(400, vec![(Some(500), None, Open)]), (900 * DAY, vec![(Some(500), None, Due)])],
        ),
        case(
            "a deletion is an answer to a request",
            request,
            &[100],
            vec![told(Role::Provider, "request", 500, 500), (c, deletion(deal, DRAFT + 600, 0))],
            vec![(700, vec![(Some(500), None, Fulfilled)])],
        ),
        Case {
            term_end: Some(DRAFT + 1000),
            ..case(
                "the end of the term is known before",
                duty("KR-ITA-005", "return_or_delete", c, "term_end", None),
                &[100],
                vec![],
                vec![(999, vec![(Some(1000), None, Open)]), (1000, vec![(Some(1000), None, Due)])],
            )
        },
        case(
            "what lasts is never due",
            duty("POST-LOG-001", "keep_log", Role::Provider, "completion", Some(month)),
            &[100],
            vec![],
            vec![
                (100 + month, vec![(Some(100), Some(100 + month), Open)]),
                (101 + month, vec![(Some(100), Some(100 + month), Fulfilled)]),
            ],
        ),
        case(
            "a duty runs from the agreement's draft",
            duty("ODRL-PROH-001", "refrain distribute", c, "agreement", None),
            &[],
            vec![],
            vec![(900 * DAY, vec![(Some(0), None, Open)])],
        ),
        case(
            "records of what was destroyed",
            duty("KR-PIPA-011", "keep_processing_records", c, "destruction", Some(DAY)),
            &[100],
            vec![(c, deletion(deal, DRAFT + 200, 0))],
            vec![(300, vec![(Some(200), Some(200 + DAY), Open)])],
        ),
        case(
            "a word that nobody knows is to be done",
            duty("OWN-001", "send_flowers", c, "agreement", Some(DAY)),
            &[],
            vec![],
            vec![(DAY, vec![(Some(0), Some(DAY), Due)]), (DAY + 1, vec![(Some(0), Some(DAY), Violated)])],
        ),
    ]
}

#[test]
fn duties_stand_as_the_vectors_say() {
    // OBL-1.1, OBL-1.2, OBL-1.3, OBL-1.4, OBL-3.1, OBL-3.2
    let deal = deal();
    let mut written = Vec::new();
    for case in cases(&deal) {
        let completed: Vec<(Id, u64)> =
            case.completed.iter().zip(1_u8..).map(|(at, n)| (Id([n; 16]), *at)).collect();
        let acts: Vec<Digest> = (0..case.reports.len()).map(|n| Digest::of(&[n as u8])).collect();
        let reports: Vec<Taken<'_>> = case
            .reports
            .iter()
            .zip(&acts)
            .map(|((by, report), act)| Taken { act: *act, by: *by, report })
            .collect();
        let course =
            Course { agreed: DRAFT, term_end: case.term_end, completed: &completed, reports: &reports };
        let obligations = [case.duty.clone()];
        let mut looks = Vec::new();
        for (after, expected) in &case.looks {
            let now = DRAFT + after;
            let rows = course.rows(&obligations, now);
            let found: Vec<Row> = rows
                .iter()
                .map(|row| (row.since.map(|at| at - DRAFT), row.deadline.map(|at| at - DRAFT), row.standing))
                .collect();
            assert_eq!(found, *expected, "{} at {after}", case.name);
            let shown: Vec<Value> = rows
                .iter()
                .map(|row| json!({"since": row.since, "deadline": row.deadline, "state": row.standing.as_str()}))
                .collect();
            looks.push(json!({"now": now, "rows": shown}));
        }
        let reports: Vec<Value> = case
            .reports
            .iter()
            .map(|(by, report)| {
                json!({"by": by, "report": serde_json::from_slice::<Value>(&report.to_bytes().unwrap()).unwrap()})
            })
            .collect();
        written.push(json!({
            "name": case.name, "obligation": case.duty, "agreed": DRAFT, "term_end": case.term_end,
            "completed": case.completed, "reports": reports, "looks": looks,
        }));
    }
    let about = "One duty of an agreement drafted at `agreed`, whose data came at `completed`, with the reports that were taken: \
                 its rows at each look, in the order of their events (OBL-1, OBL-3).";
    vectors::same("obligations/standing.json", &json!({"about": about, "cases": written}));
}

#[test]
fn late_evidence_is_late() {
    // OBL-1.2
    let deal = deal();
    let obligations = [duty("POST-RET-001", "delete", Role::Consumer, "completion", Some(DAY))];
    for (at, late) in [(DRAFT + DAY, false), (DRAFT + DAY + 1, true)] {
        let report = deletion(&deal, at, 0);
        let taken = [Taken { act: Digest::of(b"act"), by: Role::Consumer, report: &report }];
        let course =
            Course { agreed: DRAFT, term_end: None, completed: &[(Id([1; 16]), DRAFT)], reports: &taken };
        let rows = course.rows(&obligations, at + DAY);
        assert_eq!((rows[0].standing, rows[0].is_late()), (Standing::Fulfilled, late));
        assert!(rows[0].is_done_once() && !lasts(&obligations[0].duty));
    }
}
