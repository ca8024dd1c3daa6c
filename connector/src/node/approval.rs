//! A person decides: proposals that law allows wait before anything of ours accepts them (spec chapter 06, NEG-15).
//!
//! A request for a dataset that was published to `ask` waits, and so does an offer that no standing order covers. Nothing of
//! ours is signed meanwhile but the answer that the act arrived: the peer sees REQUESTED or OFFERED. The wait is kept with the
//! exchange, so that a restart changes nothing, and has a deadline of its own before that of the terms. Law is judged before
//! the wait, at the approval, and once more when data are to move. Who approves is `by` in the signed decision.
//!
//! Not here: partners that sign nothing (`plain/approval`); proposals that our own operator makes, which are a person's word.

mod hook;
mod queue;

use naru_protocol::{
    error::Code, exchange::Role, identity::is_name, limits, permit::PeerAllow, terms::Terms,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as object};

pub(super) use self::{
    hook::Desk,
    queue::{item, steps},
};
use super::{
    Node, NodeError, now,
    out::Content,
    proposal::verify_any,
    steer::{exchange_id, reason_fits},
    turn::Turn,
    verbs::{Approve, ExchangeView, Refusal, Reject},
};
use crate::store::{Approval, Direction, MAX_ROWS};

/// What `waits_for` says of an exchange that waits for a person of ours.
pub(super) const WAITS: &str = "us: approval";
/// `by` of a decision that no person took (NEG-5.6).
pub(super) const AUTO: &str = "auto";

/// Since when something waits for a person, and until when it may, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) since: u64,
    pub(super) until: u64,
}

impl Held {
    /// From now on: for as long as the operator set, and no longer than leaves time to conclude.
    pub(super) fn new(at: u64, seconds: u64, conclude_by: Option<u64>) -> Self {
        let own = at.saturating_add(seconds);
        let until = match conclude_by {
            // Terms that leave hardly any time end by themselves.
            Some(by) if by <= at.saturating_add(2 * limits::APPROVAL_MARGIN_SECONDS) => own.min(by),
            Some(by) => own.min(by - limits::APPROVAL_MARGIN_SECONDS),
            None => own,
        };
        Self { since: at, until }
    }

    pub(super) const fn is_over(&self, at: u64) -> bool {
        self.until < at
    }
}

/// Who let a deal go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Approved {
    pub(super) by: String,
    pub(super) note: Option<String>,
    pub(super) at: u64,
}

/// A partner that signs says itself what its data are.
pub(super) fn signs_them() -> NodeError {
    NodeError::refused(Code::ArgumentInvalid, "the partner declares and signs what its data are")
}

/// Facts that an operator states about a partner's data.
pub(super) fn facts_fit(facts: Option<&Value>) -> Result<(), NodeError> {
    match facts {
        Some(facts) if !facts.is_object() => {
            Err(NodeError::refused(Code::ArgumentInvalid, "the facts are no JSON object"))
        }
        Some(_) | None => Ok(()),
    }
}

impl Approved {
    pub(super) fn new(by: &str, note: Option<String>, at: u64) -> Result<Self, NodeError> {
        signer(by)?;
        if let Some(note) = &note {
            reason_fits(note)?;
        }
        Ok(Self { by: by.to_owned(), note: note.filter(|note| !note.is_empty()), at })
    }

    /// What the entry of the act that follows commits to.
    pub(super) fn field(&self) -> (&'static str, Value) {
        ("approval", object!({"by": self.by, "note": self.note, "at": self.at}))
    }
}

/// Refuses a name that no decision could carry, and the word that stands for nobody.
pub(super) fn signer(by: &str) -> Result<(), NodeError> {
    if is_name(by) && by != AUTO {
        return Ok(());
    }
    let why =
        format!("{by:?} is no name for a decision: 1 to 256 bytes, no control characters, not `{AUTO}`");
    Err(NodeError::refused(Code::ArgumentInvalid, why))
}

/// What a person or the lack of one said, as this side sees it.
pub(super) fn by_us(code: Code, reasons: Vec<String>) -> Refusal {
    Refusal { code: code.as_str().to_owned(), side: "local".to_owned(), reasons }
}

pub(super) fn not_waiting(state: &str, approved: Option<&Approved>) -> NodeError {
    let why = match approved {
        Some(approved) => format!("{} approved it before", approved.by),
        None => format!("it does not wait for a person (state {state}): `naru queue` shows what does"),
    };
    NodeError::refused(Code::IllegalState, why)
}

pub(super) fn too_late() -> NodeError {
    NodeError::refused(
        Code::ApprovalExpired,
        "nobody decided in time: the peer was told, and has to ask again",
    )
}

impl Turn {
    /// Waits for a person from now on.
    pub(super) fn hold(&mut self) -> Result<(), NodeError> {
        let (at, seconds) = (self.at, self.node.approvals.seconds());
        let deal = self.deal()?;
        let conclude_by = deal.terms.as_ref().map(|terms| terms.conclude_by);
        deal.held = Some(Held::new(at, seconds, conclude_by));
        self.asks = true;
        Ok(())
    }

    /// A request for a dataset that a person decides about: law first, and what it refuses is refused at once.
    pub(super) async fn ask_person(&mut self, terms: &Terms, peer: PeerAllow) -> Result<(), NodeError> {
        let role = self.machine.role();
        let judged = self.judge(terms, role, None).await?;
        self.batch.evaluations.push(judged.row.clone());
        self.remark("decision", object!(judged.row.digest));
        match self.node.permit(&judged, terms, role, Some(peer)) {
            Ok(_) => self.hold(),
            Err(NodeError::Refused(Code::Denied | Code::Undetermined, _)) => self.refuse_by_law(&judged),
            Err(error) => Err(error),
        }
    }

    /// `by` of the decision that is signed now.
    pub(super) fn decided_by(&mut self) -> Result<String, NodeError> {
        Ok(self.deal()?.approved.as_ref().map_or_else(|| AUTO.to_owned(), |approved| approved.by.clone()))
    }

    /// What the entry of the act that is signed now says of the person.
    pub(super) fn approval_field(&mut self) -> Result<Option<(&'static str, Value)>, NodeError> {
        Ok(self.deal()?.approved.as_ref().map(Approved::field))
    }

    /// Refuses what waited longer than it may; whether it did.
    pub(super) fn expire(&mut self) -> Result<bool, NodeError> {
        let at = self.at;
        if !self.is_held()? || !self.deal()?.held.is_some_and(|held| held.is_over(at)) {
            return Ok(false);
        }
        self.terminate(Code::ApprovalExpired, Vec::new())?;
        self.deal()?.refusal = Some(by_us(Code::ApprovalExpired, Vec::new()));
        Ok(true)
    }

    /// Whether it waits for a person, and one may still decide.
    fn is_held(&mut self) -> Result<bool, NodeError> {
        let open = self.machine.state().is_some_and(|state| !state.is_final());
        let free = self.machine.pending().is_none();
        Ok(open && free && self.deal()?.held.is_some())
    }

    fn must_be_held(&mut self) -> Result<(), NodeError> {
        if self.is_held()? {
            return Ok(());
        }
        let state = self.row.state.clone();
        Err(not_waiting(&state, self.deal()?.approved.as_ref()))
    }
}

impl Node {
    /// Whether deals over a dataset of ours wait for a person.
    pub(super) async fn asks_person(&self, dataset: &str) -> Result<bool, NodeError> {
        let row = self.store.dataset(dataset, None).await?;
        Ok(row.is_some_and(|row| row.approval == Approval::Ask))
    }

    /// The peer's signed allow, from the proposal that it sent last.
    pub(super) async fn proposed_under(&self, turn: &Turn) -> Result<PeerAllow, NodeError> {
        let acts = self.store.acts(turn.row.id, 0, MAX_ROWS).await?;
        let none = || NodeError::refused(Code::DecisionInvalid, "");
        let proposal = acts.into_iter().rev().find(|act| act.direction == Direction::In).ok_or_else(none)?;
        let token = verify_any(proposal.token.as_deref().ok_or_else(none)?, turn.peer.pinned.ring())?;
        PeerAllow::from_act(&token, &proposal.body).map_err(|_| none())
    }

    /// Lets a deal go on that waits for a person: law is asked again, and what it allows now is signed in the person's name.
    pub async fn approve(&self, ask: Approve) -> Result<ExchangeView, NodeError> {
        let id = exchange_id(&ask.id)?;
        let approved = Approved::new(&ask.by, ask.note, now())?;
        let _outs = self.outs.lock().await;
        if self.is_plain_exchange(id).await? {
            self.approve_plain(id, approved, ask.out, ask.facts).await?;
            return self.exchange_view(id).await;
        }
        if ask.facts.is_some() {
            return Err(signs_them());
        }
        {
            let _lock = self.locks.one(id).await;
            let mut turn = self.turn(id).await?;
            turn.must_be_held()?;
            if turn.expire()? {
                turn.commit().await?;
                return Err(too_late());
            }
            if let Some(out) = ask.out {
                let listing = turn.deal()?.listing.clone();
                let listing = naru_protocol::jws::peek::<naru_protocol::listing::Listing>(&listing)?;
                let listing = listing.claims();
                let content = Content::of(listing);
                takes_files(turn.machine.role())?;
                self.check_out(&out, Some(content), &[id], None).await?;
                turn.deal()?.out = Some(out);
            }
            let none = || NodeError::refused(Code::StoreCorrupt, "a proposal without its terms");
            let terms = turn.deal()?.terms.clone().ok_or_else(none)?;
            let allow = self.proposed_under(&turn).await?;
            let deal = turn.deal()?;
            (deal.held, deal.approved) = (None, Some(approved));
            turn.decide_proposal(terms, allow).await?;
            turn.commit().await?;
        }
        self.exchange_view(id).await
    }

    /// Refuses a deal that waits for a person, with a reason that both sides see.
    pub async fn reject(&self, ask: Reject) -> Result<ExchangeView, NodeError> {
        let id = exchange_id(&ask.id)?;
        signer(&ask.by)?;
        reason_fits(&ask.reason)?;
        if ask.reason.trim().is_empty() {
            return Err(NodeError::refused(Code::ArgumentInvalid, "say why: the other side sees the reason"));
        }
        if self.is_plain_exchange(id).await? {
            self.reject_plain(id, &ask.by, ask.reason).await?;
            return self.exchange_view(id).await;
        }
        {
            let _lock = self.locks.one(id).await;
            let mut turn = self.turn(id).await?;
            turn.must_be_held()?;
            let reasons = vec![ask.reason];
            turn.terminate_with(Code::Rejected, reasons.clone(), vec![rejected(&ask.by, turn.at)])?;
            turn.deal()?.refusal = Some(by_us(Code::Rejected, reasons));
            turn.commit().await?;
        }
        self.exchange_view(id).await
    }
}

/// What the entry of a rejection says of the person.
pub(super) fn rejected(by: &str, at: u64) -> (&'static str, Value) {
    ("approval", object!({"rejected_by": by, "at": at}))
}

/// Only who receives data says where they go.
pub(super) fn takes_files(role: Role) -> Result<(), NodeError> {
    match role {
        Role::Consumer => Ok(()),
        Role::Provider => {
            let why = "this node gives the data: who receives them says where the files go";
            Err(NodeError::refused(Code::ArgumentInvalid, why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_before_the_terms_do() {
        // NEG-15.3
        let hour = 3600;
        let until = |seconds, by: Option<u64>| Held::new(1000, seconds, by.map(|by| 1000 + by)).until - 1000;
        assert_eq!(until(8 * hour, Some(12 * hour)), 8 * hour);
        assert_eq!(until(8 * hour, Some(4 * hour)), 4 * hour - limits::APPROVAL_MARGIN_SECONDS);
        assert_eq!(until(8 * hour, Some(60)), 60, "terms that lapse in a minute lapse by themselves");
        assert_eq!(until(5, Some(12 * hour)), 5);
        assert_eq!(until(8 * hour, None), 8 * hour);
        let held = Held::new(0, 10, None);
        assert!(!held.is_over(10) && held.is_over(11));
    }

    #[test]
    fn nobody_approves_as_nobody() {
        for by in ["", " Kim", "auto", "a\nb", &"x".repeat(257)] {
            assert_eq!(signer(by).unwrap_err().code(), Code::ArgumentInvalid, "{by:?}");
        }
        for by in ["Kim Minji", "김민지", "automatic"] {
            signer(by).unwrap();
        }
    }
}
