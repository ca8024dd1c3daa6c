//! What parties attested about their duties: each report against its agreement, and each duty that one fulfils (spec chapter 09,
//! AUD-14).
//!
//! A claim here is never proved: a key signed that data were deleted, or that somebody was told. Whether a duty is overdue is not
//! said, since a verifier has no clock.

use std::collections::BTreeMap;

use naru_protocol::{
    encoding::{Digest, Id},
    identity::Role,
    log::entry::EntryType,
    obligation::{Course, Taken, lasts},
    receipt::DataReceipt,
    report::{Report, ReportKind},
};

use super::{
    agreements::{Agreed, Standing},
    exchanges::{Exchanges, Joined},
    finding::{Check, Fault, Findings, Grade, Subject},
    reason::Reason,
};

/// A report that fits its agreement.
struct Attested {
    act: Digest,
    by: Role,
    report: Report,
}

/// Judges every report that was taken, and what they come to.
pub(super) fn read(exchanges: &Exchanges<'_>, agreed: &BTreeMap<Digest, Agreed>, findings: &mut Findings) {
    for (digest, agreement) in agreed {
        let acts = exchanges.acts(agreement.exchange);
        let mut attested = Vec::new();
        for act in acts.iter().filter(|act| act.kind == EntryType::NegotiationReport && act.accepted) {
            let about = Subject::new("report", act.digest).exchange(agreement.exchange);
            let Some(found) = findings.need(about.clone(), check(act, *digest, agreement)) else { continue };
            let grade = if act.ack.is_some() { Grade::Counterparty } else { Grade::Own };
            findings.attested(about, grade, says(&found));
            attested.push(found);
        }
        if !attested.is_empty() {
            duties(exchanges, *digest, agreement, &attested, findings);
        }
    }
}

/// It is a party's, under this agreement in force, about a duty of its own (AUD-14.1).
fn check(act: &Joined<'_>, digest: Digest, agreement: &Agreed) -> Check<Attested> {
    let differs = |why: &dyn std::fmt::Display| Fault::failed(Reason::ReportDiffers, why);
    if !matches!(agreement.standing, Standing::InForce(_)) {
        return Err(differs(&"the agreement was not in force"));
    }
    let terms = &agreement.terms;
    let by = [Role::Provider, Role::Consumer].into_iter().find(|role| terms.party(*role).did == act.act.iss);
    let by = by.ok_or_else(|| differs(&"its signer is no party"))?;
    let report = Report::parse(act.content).map_err(|e| differs(&e))?;
    // Its receiver judged the time when it took it.
    report.fits(digest, terms, by, u64::MAX).map_err(|e| differs(&e))?;
    Ok(Attested { act: act.digest, by, report })
}

/// What was signed, in one line.
fn says(found: &Attested) -> String {
    let report = &found.report;
    let who = match found.by {
        Role::Provider => "the provider",
        Role::Consumer => "the consumer",
    };
    let what = match (report.kind, report.deletion, &report.onward) {
        (ReportKind::Deletion, Some(d), _) => {
            format!("{} files and {} bytes were deleted, {} files are unknown", d.files, d.bytes, d.unknown)
        }
        (ReportKind::OnwardTransfer, _, Some(onward)) => {
            let same = if onward.flow_down { "under the same duties" } else { "without the same duties" };
            format!("data were passed on into {}, {same}", onward.country)
        }
        (ReportKind::Notice, _, _) => match (&report.event, report.happened) {
            (Some(event), Some(at)) => format!("{event:?} happened at {at}"),
            (Some(_) | None, _) => "a notice".to_owned(),
        },
        (ReportKind::Deletion | ReportKind::OnwardTransfer | ReportKind::Report, _, _) => {
            "a duty was done".to_owned()
        }
    };
    let duty = report.obligation.as_ref().map(|o| format!(", {} {}", o.id, o.duty)).unwrap_or_default();
    format!("{who} signed that {what}{duty}")
}

/// Each duty that a report fulfils (AUD-14.2).
fn duties(
    exchanges: &Exchanges<'_>,
    digest: Digest,
    agreement: &Agreed,
    attested: &[Attested],
    findings: &mut Findings,
) {
    let receipts = exchanges.every().filter(|act| act.kind == EntryType::TransferReceipt && act.accepted);
    let completed: Vec<(Id, u64)> = receipts
        .filter_map(|act| {
            let receipt = DataReceipt::parse(act.content).ok()?;
            (receipt.agreement == digest).then_some((act.act.exchange, receipt.at))
        })
        .collect();
    let reports: Vec<Taken<'_>> =
        attested.iter().map(|a| Taken { act: a.act, by: a.by, report: &a.report }).collect();
    let terms = &agreement.terms;
    let course = Course { agreed: terms.drafted(), term_end: None, completed: &completed, reports: &reports };
    for row in course.rows(&terms.obligations, 0).iter().filter(|row| !lasts(&row.obligation.duty)) {
        let Some((act, at)) = row.evidence else { continue };
        let subject = format!("{} {} after {}", row.obligation.id, row.obligation.duty, row.obligation.after);
        let about = Subject::new("obligation", subject).exchange(row.transfer.unwrap_or(agreement.exchange));
        let late = if row.is_late() { ", after its deadline" } else { "" };
        findings.attested(about, Grade::Counterparty, format!("fulfilled at {at} by act {act}{late}"));
    }
}
