//! The act `Report` on either side: one of ours is queued with the deal, signed when nothing else of ours is unanswered there,
//! and kept once it is answered; one of the peer's is checked against the terms and kept (spec chapter 08b, OBL-2).
//!
//! A report that loses against an act that crossed it stays queued, and is signed anew.

use naru_protocol::{
    encoding::Digest,
    error::Code,
    exchange::{ActKind, SendKind, State as Any},
    json::V1,
    limits, negotiation as neg,
    report::{Report, ReportKind},
};
use serde_json::json as object;

use super::{Reported, theirs};
use crate::node::{
    Node, NodeError,
    outbox::code_in,
    proposal::message,
    turn::{Data, Turn},
};

/// What a report is beside the names of its agreement.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) kind: ReportKind,
    pub(super) obligation: Option<naru_protocol::terms::Obligation>,
    pub(super) event: Option<(String, u64)>,
    pub(super) text: String,
    pub(super) evidence: Option<Digest>,
    pub(super) deletion: Option<naru_protocol::report::Deletion>,
    pub(super) onward: Option<naru_protocol::report::Onward>,
}

fn refused(error: &naru_protocol::report::BadReport) -> NodeError {
    NodeError::refused(error.code(), error.to_string())
}

fn one_too_many() -> NodeError {
    NodeError::refused(Code::ReportInvalid, format!("{} reports of one side are kept", limits::REPORTS))
}

impl Turn {
    /// Whether a report waits that may be signed now.
    pub(in crate::node) fn may_report(&self) -> bool {
        let Data::Deal(deal) = &self.data else { return false };
        let act = ActKind::Negotiation(neg::ActKind::Report);
        !deal.to_report.is_empty()
            && deal.in_force.is_some()
            && self.machine.state() == Some(Any::Negotiation(neg::State::Finalized))
            && self.machine.pending().is_none()
            && self.machine.allows(self.machine.role(), act)
    }

    /// Queues a report of ours.
    pub(super) fn queue(&mut self, said: Said) -> Result<(), NodeError> {
        let role = self.machine.role();
        let (provider_pid, consumer_pid) = self.pids()?;
        let at = self.at;
        let deal = self.deal()?;
        let none = || NodeError::refused(Code::NotInForce, "");
        let (agreement, terms) = (deal.in_force.ok_or_else(none)?, deal.terms.as_ref().ok_or_else(none)?);
        let (event, happened) = said.event.unzip();
        let report = Report {
            v: V1,
            consumer_pid,
            provider_pid,
            agreement,
            kind: said.kind,
            obligation: said.obligation,
            event,
            happened,
            at,
            text: said.text,
            evidence: said.evidence,
            deletion: said.deletion,
            onward: said.onward,
        };
        report.check().map_err(message)?;
        report.fits(agreement, terms, role, at).map_err(|e| refused(&e))?;
        let ours = deal.reported.iter().filter(|reported| reported.by == role).count();
        if ours + deal.to_report.len() >= limits::REPORTS {
            return Err(one_too_many());
        }
        deal.to_report.push(report);
        Ok(())
    }

    /// A report of the peer: kept if it fits the terms.
    pub(in crate::node) fn on_report(&mut self, report: &Report) -> Result<Vec<u8>, NodeError> {
        let (by, at, act) = (theirs(self.machine.role()), self.at, self.received_act());
        let deal = self.deal()?;
        let not = || NodeError::refused(Code::NotInForce, "another agreement");
        let (agreement, terms) = (deal.in_force.ok_or_else(not)?, deal.terms.as_ref().ok_or_else(not)?);
        report.fits(agreement, terms, by, at).map_err(|e| refused(&e))?;
        if deal.reported.iter().filter(|reported| reported.by == by).count() >= limits::REPORTS {
            return Err(one_too_many());
        }
        let act = act.ok_or_else(|| NodeError::refused(Code::Internal, "nothing was received"))?;
        deal.reported.push(Reported { act, by, report: report.clone(), refused: None });
        self.remark("agreement", object!(agreement));
        self.remark("report", object!(report.kind));
        Ok(Vec::new())
    }

    /// Our report was taken: it counts from now on.
    pub(in crate::node) fn report_taken(&mut self, act: Digest) -> Result<(), NodeError> {
        self.report_answered(act, None)
    }

    /// Our report was refused for good: it stays known, and counts for nothing.
    pub(in crate::node) fn report_refused(&mut self, act: Digest, body: &[u8]) -> Result<(), NodeError> {
        let code = code_in(body).unwrap_or_else(|| Code::AnswerMalformed.as_str().to_owned());
        tracing::error!(exchange = %self.row.id, %act, code, "the peer refused a report");
        self.report_answered(act, Some(code))
    }

    fn report_answered(&mut self, act: Digest, refused: Option<String>) -> Result<(), NodeError> {
        let by = self.machine.role();
        let deal = self.deal()?;
        // The first of the queue is the one that was signed.
        if !deal.to_report.is_empty() {
            let report = deal.to_report.remove(0);
            deal.reported.push(Reported { act, by, report, refused });
        }
        Ok(())
    }
}

impl Node {
    /// Signs the first report that waits, if that may be said now.
    pub(in crate::node) async fn sign_report(
        &self,
        id: naru_protocol::encoding::Id,
    ) -> Result<(), NodeError> {
        let _lock = self.locks.one(id).await;
        let mut turn = self.turn(id).await?;
        if !turn.may_report() {
            return Ok(());
        }
        let proof = self.in_force(&mut turn).await?;
        let path = format!("/negotiations/{}/report", turn.their_pid()?);
        let Some(report) = turn.deal()?.to_report.first().cloned() else { return Ok(()) };
        let body = report.to_bytes().map_err(message)?;
        let fields = vec![("agreement", object!(report.agreement)), ("report", object!(report.kind))];
        turn.send(SendKind::Report(proof), &path, body, fields)?;
        turn.commit().await?;
        Ok(())
    }
}
