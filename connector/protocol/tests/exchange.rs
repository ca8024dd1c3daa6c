//! Scenarios of one node: what it makes of acts, answers and time, step by step, as vectors for other implementations.
//!
//! The steps are written here by hand with what must come of them; the vectors say the same in JSON.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod deal;
mod vectors;

use deal::{DEADLINE, DRAFT, Deal};
use naru_protocol::{
    encoding::Digest,
    exchange::{
        About, ActKind, Answer, Effect, Exchange, Flow, Input, Pending, Proposal, Role, SendKind, Unexpected,
    },
    negotiation::ActKind as N,
    permit::Permit,
    terms::{Phase, Side, Terms},
    transfer::ActKind as T,
};
use serde_json::{Value, json};

const P: Role = Role::Provider;
const C: Role = Role::Consumer;
/// Before and after the deadline.
const SOON: u64 = DRAFT + 1;
const LATE: u64 = DEADLINE + 1;

/// One step and what must come of it: `accepted`, or the code of the refusal or error; the state; our unanswered act.
type Step = (u64, Do, &'static str, &'static str, Option<&'static str>);

#[derive(Clone, Copy)]
enum Do {
    /// We send an act of this label.
    Send(&'static str, ActKind),
    /// An act of the peer arrives that names one of ours.
    Receive(&'static str, ActKind, Option<&'static str>),
    /// The same, about other terms or another agreement than those that stand.
    ReceiveOther(&'static str, ActKind, Option<&'static str>),
    /// The peer answered.
    Answered(&'static str, Answer),
    /// A transfer request of another exchange names our act.
    Named(&'static str),
    /// Time passes.
    Tick,
}

const ACCEPTED: Answer = Answer::Accepted;
const REFUSED: Answer = Answer::Refused { lapsed: false };
const LAPSED: Answer = Answer::Refused { lapsed: true };

const fn n(kind: N) -> ActKind {
    ActKind::Negotiation(kind)
}
const fn t(kind: T) -> ActKind {
    ActKind::Transfer(kind)
}

struct Scenario {
    name: &'static str,
    role: Role,
    initiator: Role,
    flow: Option<Flow>,
    steps: Vec<Step>,
}

#[rustfmt::skip]
#[allow(clippy::too_many_lines, reason = "a table")]
fn scenarios() -> Vec<Scenario> {
    use Do::{Answered as A, Named, Receive as R, ReceiveOther as O, Send as S, Tick};
    let negotiation = |name, role, initiator, steps: &[Step]| Scenario { name, role, initiator, flow: None, steps: steps.to_vec() };
    let transfer = |name, role, flow, steps: &[Step]| Scenario { name, role, initiator: C, flow: Some(flow), steps: steps.to_vec() };
    // The first steps of many: the consumer asked, the provider's agreement is on its way.
    let agreeing: [Step; 2] = [
        (SOON, R("c1", n(N::Request), None), "accepted", "REQUESTED", None),
        (SOON, S("p1", n(N::Agree)), "accepted", "REQUESTED", Some("p1")),
    ];
    let with = |first: &[Step], then: &[Step]| [first, then].concat();
    let started: [Step; 3] = [
        (SOON, R("c1", t(T::Request), Some("finalized")), "accepted", "REQUESTED", None),
        (SOON, S("p1", t(T::Start)), "accepted", "REQUESTED", Some("p1")),
        (SOON, A("p1", ACCEPTED), "accepted", "STARTED", None),
    ];
    let fetching: [Step; 3] = [
        (SOON, S("c1", t(T::Request)), "accepted", "none", Some("c1")),
        (SOON, A("c1", ACCEPTED), "accepted", "REQUESTED", None),
        (SOON, R("p1", t(T::Start), Some("c1")), "accepted", "STARTED", None),
    ];
    vec![
        negotiation("the consumer starts, seen by the provider", P, C, &with(&agreeing, &[
            (SOON, A("p1", ACCEPTED), "accepted", "AGREED", None),
            (SOON, R("c2", n(N::Verify), Some("p1")), "accepted", "VERIFIED", None),
            (SOON, S("p2", n(N::Finalize)), "accepted", "VERIFIED", Some("p2")),
            (SOON, A("p2", ACCEPTED), "accepted", "FINALIZED", None),
            (SOON, R("c3", n(N::End), Some("p2")), "accepted", "FINALIZED", None),
            (SOON, S("p3", n(N::End)), "illegal_state", "FINALIZED", None),
        ])),
        negotiation("the provider starts, seen by the consumer", C, P, &[
            (SOON, R("p1", n(N::Offer), None), "accepted", "OFFERED", None),
            (SOON, S("c1", n(N::Accept)), "accepted", "OFFERED", Some("c1")),
            (SOON, A("c1", ACCEPTED), "accepted", "ACCEPTED", None),
            (SOON, R("p2", n(N::Agree), Some("c1")), "accepted", "AGREED", None),
            (SOON, S("c2", n(N::Verify)), "accepted", "AGREED", Some("c2")),
            (SOON, R("p3", n(N::Finalize), Some("c2")), "accepted", "FINALIZED", None),
            (SOON, A("c2", ACCEPTED), "accepted", "FINALIZED", None),
        ]),
        negotiation("a lost answer is made good by the next act's prev", P, C, &with(&agreeing, &[
            (SOON, R("c2", n(N::Verify), Some("p1")), "accepted", "VERIFIED", None),
            (SOON, S("p2", n(N::Finalize)), "accepted", "VERIFIED", Some("p2")),
            (SOON, Named("p2"), "accepted", "FINALIZED", None),
            (SOON, Named("p2"), "accepted", "FINALIZED", None),
            (SOON, Named("p1"), "stale", "FINALIZED", None),
            (SOON, A("p2", ACCEPTED), "accepted", "FINALIZED", None),
        ])),
        negotiation("one unanswered act at a time", P, C, &with(&agreeing, &[
            (SOON, S("p2", n(N::Terminate)), "internal", "REQUESTED", Some("p1")),
            (SOON, A("p1", Answer::Unsettled), "accepted", "REQUESTED", Some("p1")),
            (SOON, A("p1", REFUSED), "accepted", "REQUESTED", None),
            (SOON, S("p2", n(N::Terminate)), "accepted", "REQUESTED", Some("p2")),
            (SOON, A("p2", ACCEPTED), "accepted", "TERMINATED", None),
        ])),
        negotiation("a termination crosses the agreement and wins", P, C, &with(&agreeing, &[
            (SOON, R("c2", n(N::Terminate), None), "accepted", "TERMINATED", None),
            (SOON, A("p1", Answer::Unsettled), "accepted", "TERMINATED", None),
            (SOON, A("p1", ACCEPTED), "internal", "TERMINATED", None),
        ])),
        negotiation("the agreement crosses a termination and loses", C, C, &[
            (SOON, S("c1", n(N::Request)), "accepted", "none", Some("c1")),
            (SOON, A("c1", ACCEPTED), "accepted", "REQUESTED", None),
            (SOON, S("c2", n(N::Terminate)), "accepted", "REQUESTED", Some("c2")),
            (SOON, R("p1", n(N::Agree), Some("c1")), "crossed", "REQUESTED", Some("c2")),
            (SOON, A("c2", ACCEPTED), "accepted", "TERMINATED", None),
            (SOON, R("p1", n(N::Agree), Some("c1")), "stale", "TERMINATED", None),
        ]),
        negotiation("two terminations cross: the consumer's wins, at the provider", P, C, &[
            (SOON, R("c1", n(N::Request), None), "accepted", "REQUESTED", None),
            (SOON, S("p1", n(N::Terminate)), "accepted", "REQUESTED", Some("p1")),
            (SOON, R("c2", n(N::Terminate), None), "accepted", "TERMINATED", None),
        ]),
        negotiation("two terminations cross: the consumer's wins, at the consumer", C, C, &[
            (SOON, S("c1", n(N::Request)), "accepted", "none", Some("c1")),
            (SOON, A("c1", ACCEPTED), "accepted", "REQUESTED", None),
            (SOON, S("c2", n(N::Terminate)), "accepted", "REQUESTED", Some("c2")),
            (SOON, R("p1", n(N::Terminate), Some("c1")), "crossed", "REQUESTED", Some("c2")),
        ]),
        negotiation("acts without an arrow, of another machine, over other terms", P, C, &[
            (SOON, R("c1", t(T::Request), None), "not_found", "none", None),
            (SOON, R("c2", n(N::Accept), None), "illegal_state", "none", None),
            (SOON, R("c3", n(N::Request), Some("p1")), "stale", "none", None),
            (SOON, R("c4", n(N::Request), None), "accepted", "REQUESTED", None),
            (SOON, S("p1", n(N::Offer)), "accepted", "REQUESTED", Some("p1")),
            (SOON, A("p1", ACCEPTED), "accepted", "OFFERED", None),
            (SOON, O("c5", n(N::Accept), Some("p1")), "terms_void", "OFFERED", None),
            (SOON, R("c6", n(N::Verify), Some("p1")), "illegal_state", "OFFERED", None),
            (SOON, R("c7", n(N::Accept), Some("p1")), "accepted", "ACCEPTED", None),
            (SOON, R("c8", n(N::Terminate), Some("p1")), "illegal_state", "ACCEPTED", None),
            (SOON, S("p2", n(N::Finalize)), "illegal_state", "ACCEPTED", None),
        ]),
        negotiation("nobody starts in the other's name", P, C, &[
            (SOON, S("p1", n(N::Offer)), "illegal_state", "none", None),
        ]),
        negotiation("the deadline passes while it is the peer's turn", P, C, &with(&agreeing, &[
            (SOON, A("p1", ACCEPTED), "accepted", "AGREED", None),
            (DEADLINE, Tick, "accepted", "AGREED", None),
            (LATE, R("c2", n(N::Verify), Some("p1")), "lapsed", "TERMINATED", None),
            (LATE, R("c3", n(N::Terminate), Some("p1")), "lapsed", "TERMINATED", None),
        ])),
        negotiation("the deadline passes while our act is unanswered: its receiver judges", C, C, &[
            (SOON, S("c1", n(N::Request)), "accepted", "none", Some("c1")),
            (SOON, R("p1", n(N::Agree), Some("c1")), "accepted", "AGREED", None),
            (SOON, S("c2", n(N::Verify)), "accepted", "AGREED", Some("c2")),
            (LATE, Tick, "accepted", "AGREED", Some("c2")),
            (LATE, A("c2", LAPSED), "accepted", "TERMINATED", None),
        ]),
        negotiation("FINALIZED that comes too late is refused", C, C, &[
            (SOON, S("c1", n(N::Request)), "accepted", "none", Some("c1")),
            (SOON, R("p1", n(N::Agree), Some("c1")), "accepted", "AGREED", None),
            (SOON, S("c2", n(N::Verify)), "accepted", "AGREED", Some("c2")),
            (LATE, R("p2", n(N::Finalize), Some("c2")), "lapsed", "TERMINATED", None),
        ]),
        negotiation("a provider whose FINALIZED is unanswered never lapses it", P, C, &with(&agreeing, &[
            (SOON, R("c2", n(N::Verify), Some("p1")), "accepted", "VERIFIED", None),
            (SOON, S("p2", n(N::Finalize)), "accepted", "VERIFIED", Some("p2")),
            (LATE, Tick, "accepted", "VERIFIED", Some("p2")),
            (LATE, R("c3", n(N::Terminate), Some("p1")), "crossed", "VERIFIED", Some("p2")),
            (LATE, R("c4", n(N::Verify), None), "stale", "VERIFIED", Some("p2")),
            (LATE, A("p2", ACCEPTED), "accepted", "FINALIZED", None),
            (LATE, Tick, "accepted", "FINALIZED", None),
            (LATE, R("c5", n(N::Verify), Some("p2")), "illegal_state", "FINALIZED", None),
            (LATE, S("p3", n(N::Agree)), "illegal_state", "FINALIZED", None),
            (LATE, R("c6", n(N::End), Some("p2")), "accepted", "FINALIZED", None),
        ])),
        negotiation("after the deadline only a termination is sent or taken", P, C, &[
            (SOON, R("c1", n(N::Request), None), "accepted", "REQUESTED", None),
            (LATE, S("p1", n(N::Agree)), "lapsed", "REQUESTED", None),
            (LATE, S("p1", n(N::Terminate)), "accepted", "REQUESTED", Some("p1")),
            (LATE, R("c2", n(N::Terminate), None), "accepted", "TERMINATED", None),
        ]),
        transfer("a pull, seen by the provider", P, Flow::Pull, &with(&started, &[
            (SOON, S("p2", t(T::Complete)), "illegal_state", "STARTED", None),
            (SOON, R("c2", t(T::Complete), Some("p1")), "illegal_state", "STARTED", None),
            (SOON, R("c3", t(T::Receipt), Some("p1")), "accepted", "STARTED", None),
            (SOON, R("c4", t(T::Receipt), Some("p1")), "illegal_state", "STARTED", None),
            (SOON, S("p3", t(T::Complete)), "illegal_state", "STARTED", None),
            (SOON, R("c5", t(T::Complete), Some("p1")), "accepted", "COMPLETED", None),
        ])),
        transfer("a pull, seen by the consumer", C, Flow::Pull, &with(&fetching, &[
            (SOON, S("c2", t(T::Complete)), "illegal_state", "STARTED", None),
            (SOON, S("c2", t(T::Receipt)), "accepted", "STARTED", Some("c2")),
            (SOON, R("p2", t(T::Suspend), Some("c1")), "crossed", "STARTED", Some("c2")),
            (SOON, R("p3", t(T::Suspend), Some("c2")), "accepted", "SUSPENDED", None),
            (SOON, S("c3", t(T::Start)), "accepted", "SUSPENDED", Some("c3")),
            (SOON, A("c3", ACCEPTED), "accepted", "STARTED", None),
            (SOON, S("c4", t(T::Complete)), "accepted", "STARTED", Some("c4")),
            (SOON, A("c4", ACCEPTED), "accepted", "COMPLETED", None),
        ])),
        transfer("a push: the receipt may come after completion", P, Flow::Push, &with(&started, &[
            (SOON, S("p2", t(T::Complete)), "accepted", "STARTED", Some("p2")),
            (SOON, R("c2", t(T::Suspend), Some("p1")), "crossed", "STARTED", Some("p2")),
            (SOON, A("p2", ACCEPTED), "accepted", "COMPLETED", None),
            (SOON, R("c3", t(T::Receipt), Some("p2")), "accepted", "COMPLETED", None),
            (SOON, R("c4", t(T::Terminate), Some("p2")), "illegal_state", "COMPLETED", None),
        ])),
        transfer("completion beats suspension, termination beats completion", P, Flow::Push, &with(&started, &[
            (SOON, S("p2", t(T::Suspend)), "accepted", "STARTED", Some("p2")),
            (SOON, R("c2", t(T::Complete), Some("p1")), "accepted", "COMPLETED", None),
        ])),
        transfer("two suspensions cross: the consumer's wins", P, Flow::Push, &with(&started, &[
            (SOON, S("p2", t(T::Suspend)), "accepted", "STARTED", Some("p2")),
            (SOON, R("c2", t(T::Suspend), Some("p1")), "accepted", "SUSPENDED", None),
            (SOON, S("p3", t(T::Start)), "accepted", "SUSPENDED", Some("p3")),
            (SOON, R("c3", t(T::Terminate), Some("p1")), "accepted", "TERMINATED", None),
        ])),
        transfer("the first act names FINALIZED and the agreement", P, Flow::Pull, &[
            (SOON, R("c1", t(T::Request), None), "stale", "none", None),
            (SOON, O("c2", t(T::Request), Some("finalized")), "terms_void", "none", None),
            (SOON, R("c3", t(T::Request), Some("finalized")), "accepted", "REQUESTED", None),
        ]),
    ]
}

/// The digest behind a label; `finalized` is that of the real act.
fn digest(label: &str, deal: &Deal) -> Digest {
    if label == "finalized" { deal.in_force().finalized() } else { Digest::of(label.as_bytes()) }
}

fn send_kind(kind: ActKind, role: Role, deal: &Deal) -> SendKind {
    let permit = |phase| deal.permit(role, phase);
    let force = deal.in_force();
    match kind {
        ActKind::Negotiation(N::Request) => SendKind::Request(permit(Phase::Negotiation)),
        ActKind::Negotiation(N::Offer) => SendKind::Offer(permit(Phase::Negotiation)),
        ActKind::Negotiation(N::Accept) => SendKind::Accept(permit(Phase::Negotiation)),
        ActKind::Negotiation(N::Agree) => SendKind::Agree(permit(Phase::Negotiation)),
        ActKind::Negotiation(N::Verify) => SendKind::Verify(deal.signed_by_both()),
        ActKind::Negotiation(N::Finalize) => SendKind::Finalize(deal.signed_by_both()),
        ActKind::Negotiation(N::Terminate) => SendKind::Terminate,
        ActKind::Negotiation(N::End) => SendKind::End(force),
        ActKind::Negotiation(N::Report) => SendKind::Report(force),
        ActKind::Transfer(T::Request) => SendKind::TransferRequest(permit(Phase::Transfer), force),
        ActKind::Transfer(T::Start) => SendKind::Start(permit(Phase::Transfer), force),
        ActKind::Transfer(T::Suspend) => SendKind::Suspend,
        ActKind::Transfer(T::Complete) => SendKind::Complete,
        ActKind::Transfer(T::Terminate) => SendKind::TransferTerminate,
        ActKind::Transfer(T::Receipt) => SendKind::Receipt,
    }
}

fn about(kind: ActKind, other: bool, deal: &Deal) -> About {
    let (terms, agreement) = (deal.terms.digest().unwrap(), deal.in_force().agreement());
    let pick = |digest| if other { Digest::of(b"other") } else { digest };
    match kind {
        ActKind::Negotiation(N::Request | N::Offer) => {
            About::Proposal(Proposal { terms: pick(terms), conclude_by: DEADLINE })
        }
        ActKind::Negotiation(N::Accept | N::Agree) => About::Terms(pick(terms)),
        ActKind::Transfer(T::Request) => About::Agreement(pick(agreement)),
        ActKind::Negotiation(N::Verify | N::Finalize | N::Terminate | N::End | N::Report)
        | ActKind::Transfer(T::Start | T::Suspend | T::Complete | T::Terminate | T::Receipt) => {
            About::Nothing
        }
    }
}

fn answer_text(answer: Answer) -> &'static str {
    match answer {
        Answer::Accepted => "accepted",
        Answer::Refused { lapsed: false } => "refused",
        Answer::Refused { lapsed: true } => "lapsed",
        Answer::Unsettled => "unsettled",
    }
}

/// The input of a step, and the step in JSON.
fn input(step: Do, role: Role, deal: &Deal) -> (Input, Value) {
    let receive = |label: &str, kind, prev: Option<&str>, other| {
        let prev_digest = prev.map(|label| digest(label, deal));
        let about = about(kind, other, deal);
        let input = Input::Receive { act: digest(label, deal), kind, prev: prev_digest, about };
        (
            input,
            json!({"do": "receive", "act": label, "type": kind.entry_type(), "prev": prev, "other_terms": other}),
        )
    };
    match step {
        Do::Send(label, kind) => {
            let input = Input::Send { act: digest(label, deal), kind: send_kind(kind, role, deal) };
            (input, json!({"do": "send", "act": label, "type": kind.entry_type()}))
        }
        Do::Receive(label, kind, prev) => receive(label, kind, prev, false),
        Do::ReceiveOther(label, kind, prev) => receive(label, kind, prev, true),
        Do::Answered(label, answer) => (
            Input::Answered { act: digest(label, deal), answer },
            json!({"do": "answered", "act": label, "answer": answer_text(answer)}),
        ),
        Do::Named(label) => (Input::Named { act: digest(label, deal) }, json!({"do": "named", "act": label})),
        Do::Tick => (Input::Tick, json!({"do": "tick"})),
    }
}

/// `accepted`, or the code of a refusal or an error. A repeated answer is ignored.
fn outcome(result: &Result<Vec<Effect>, Unexpected>) -> &'static str {
    match result {
        Err(Unexpected::NotPending) => "accepted",
        Err(error) => error.code().as_str(),
        Ok(effects) => {
            effects
                .iter()
                .find_map(|effect| {
                    if let Effect::Refuse { why, .. } = effect { Some(why.code().as_str()) } else { None }
                })
                .unwrap_or("accepted")
        }
    }
}

#[test]
fn scenarios_end_as_the_vectors_say() {
    // NEG-11.1 to NEG-14.6, TRF-3.1 to TRF-3.5
    let deal = deal::deal();
    let mut cases = Vec::new();
    for Scenario { name, role, initiator, flow, steps } in scenarios() {
        let mut exchange = match flow {
            None => Exchange::negotiation(role, initiator),
            Some(flow) => {
                let force = deal.in_force();
                Exchange::transfer(role, force.agreement(), force.finalized(), flow)
            }
        };
        let mut told = Vec::new();
        for (at, (now, step, expected, state, pending)) in steps.into_iter().enumerate() {
            let (input, mut text) = input(step, role, &deal);
            let before = exchange.clone();
            let result = exchange.step(input, now);
            assert!(result.is_ok() || exchange == before, "{name} {at}: changed by an error");
            let stands = exchange.state().map_or("none".to_string(), |state| state.to_string());
            let waits = exchange.pending().map(|pending| pending.act);
            assert_eq!((outcome(&result), stands.as_str()), (expected, state), "{name} {at}");
            assert_eq!(waits, pending.map(|label| digest(label, &deal)), "{name} {at}");
            // What is stored reads back as itself.
            let stored = serde_json::to_string(&exchange).unwrap();
            assert_eq!(serde_json::from_str::<Exchange>(&stored).unwrap(), exchange);
            text["late"] = json!(now == LATE);
            text["outcome"] = json!(expected);
            text["state"] = json!(state);
            text["pending"] = json!(pending);
            told.push(text);
        }
        let flow = flow.map(|flow| serde_json::to_value(flow).unwrap());
        cases.push(json!({"name": name, "role": role, "initiator": initiator, "flow": flow, "steps": told}));
    }
    let about = "One node, step by step (NEG-11 to NEG-14, TRF-3). Acts are named by labels; `prev` and `pending` name them too, \
        `finalized` is the provider's FINALIZED of the negotiation. `flow` null: a negotiation. `late`: after the deadline of the \
        terms. `other_terms`: the act names other terms, or another agreement, than those that stand. `outcome`: accepted, or the \
        code; `internal`: the node may not do or believe it.";
    vectors::same("negotiation/exchanges.json", &json!({"about": about, "cases": cases}));
}

#[test]
fn proofs_for_another_deal_do_not_fit() {
    // NEG-11.4
    let deal = deal::deal();
    let mut document = serde_json::to_value(&deal.terms).unwrap();
    document["conclude_by"] = json!(DEADLINE - 1);
    let other = Deal { terms: serde_json::from_value::<Terms>(document).unwrap(), ..deal::deal() };
    let mut exchange = Exchange::negotiation(P, C);
    let about = about(n(N::Request), false, &deal);
    exchange
        .step(Input::Receive { act: Digest::of(b"c1"), kind: n(N::Request), prev: None, about }, SOON)
        .unwrap();
    let mut send = |kind| exchange.step(Input::Send { act: Digest::of(b"p1"), kind }, SOON);
    let wrong = [
        SendKind::Agree(other.permit(P, Phase::Negotiation)),
        SendKind::Agree(deal.permit(C, Phase::Negotiation)),
        SendKind::Agree(deal.permit(P, Phase::Transfer)),
        SendKind::Offer(deal.permit(C, Phase::Negotiation)),
        SendKind::Offer(deal.permit(P, Phase::Transfer)),
        SendKind::Finalize(other.signed_by_both()),
        SendKind::End(other.in_force()),
    ];
    for kind in wrong {
        assert_eq!(send(kind), Err(Unexpected::WrongProof));
    }
    assert_eq!(send(SendKind::Suspend), Err(Unexpected::OtherMachine { act: t(T::Suspend) }));
    assert!(send(SendKind::Agree(deal.permit(P, Phase::Negotiation))).is_ok());

    let force = deal.in_force();
    let mut exchange = Exchange::transfer(C, force.agreement(), force.finalized(), Flow::Pull);
    for kind in [
        SendKind::TransferRequest(deal.permit(C, Phase::Transfer), other.in_force()),
        SendKind::TransferRequest(other.permit(C, Phase::Transfer), force),
        SendKind::TransferRequest(deal.permit(C, Phase::Negotiation), force),
        SendKind::TransferRequest(deal.permit(P, Phase::Transfer), force),
    ] {
        let input = Input::Send { act: Digest::of(b"c1"), kind };
        assert_eq!(exchange.step(input, SOON), Err(Unexpected::WrongProof));
    }
}

#[test]
fn a_proposal_voids_the_one_before() {
    // NEG-4.2
    let deal = deal::deal();
    let (terms, earlier) = (deal.terms.digest().unwrap(), Digest::of(b"earlier terms"));
    let mut exchange = Exchange::negotiation(P, C);
    let proposal = Proposal { terms: earlier, conclude_by: DEADLINE };
    let receive = |label: &str, kind, prev, about| Input::Receive {
        act: Digest::of(label.as_bytes()),
        kind: n(kind),
        prev,
        about,
    };
    exchange.step(receive("c1", N::Request, None, About::Proposal(proposal)), SOON).unwrap();
    let ours = Digest::of(b"p1");
    let kind = SendKind::Offer(deal.permit(P, Phase::Negotiation));
    exchange.step(Input::Send { act: ours, kind }, SOON).unwrap();
    // Not yet: the counter-offer stands when the consumer has it.
    assert_eq!(exchange.proposal().map(|proposal| proposal.terms), Some(earlier));
    exchange.step(Input::Answered { act: ours, answer: ACCEPTED }, SOON).unwrap();
    assert_eq!(exchange.proposal().map(|proposal| proposal.terms), Some(terms));
    let effects = exchange.step(receive("c2", N::Accept, Some(ours), About::Terms(earlier)), SOON);
    assert_eq!(outcome(&effects), "terms_void");
    let effects = exchange.step(receive("c3", N::Accept, Some(ours), About::Terms(terms)), SOON);
    assert_eq!(outcome(&effects), "accepted");
}

#[test]
fn a_deal_is_taken_up_under_a_permit_that_waits_for_nothing() {
    // NEG-7.5
    let deal = deal::deal();
    let waiting = |role: Role, peer: Side| {
        let result = deal::result(&[], &[("X-1", peer)], &deal.terms.packs);
        let record =
            deal::record(&deal.terms, Side::of(role), Phase::Negotiation, result).to_bytes().unwrap();
        Permit::check(&record, &deal.expectation(role, Phase::Negotiation)).unwrap()
    };
    for (role, proposed, proposes, takes) in [
        (
            P,
            N::Request,
            SendKind::Offer(waiting(P, Side::Importer)),
            SendKind::Agree(waiting(P, Side::Importer)),
        ),
        (
            C,
            N::Offer,
            SendKind::Request(waiting(C, Side::Exporter)),
            SendKind::Accept(waiting(C, Side::Exporter)),
        ),
    ] {
        let mut exchange = Exchange::negotiation(role, naru_protocol::exchange::other(role));
        let about = about(n(proposed), false, &deal);
        let input = Input::Receive { act: Digest::of(b"first"), kind: n(proposed), prev: None, about };
        exchange.step(input, SOON).unwrap();
        let mut send = |kind| exchange.step(Input::Send { act: Digest::of(b"second"), kind }, SOON);
        assert_eq!(send(takes), Err(Unexpected::WrongProof));
        assert!(send(proposes).is_ok());
    }
}

#[test]
fn a_transfer_starts_under_a_permit_that_waits_for_nothing() {
    // TRF-3.6
    let deal = deal::deal();
    let force = deal.in_force();
    let mut exchange = Exchange::transfer(P, force.agreement(), force.finalized(), Flow::Pull);
    let about = about(t(T::Request), false, &deal);
    let prev = Some(force.finalized());
    exchange.step(Input::Receive { act: Digest::of(b"c1"), kind: t(T::Request), prev, about }, SOON).unwrap();
    let result = deal::result(&[], &[("SG-PDPA-001", Side::Importer)], &deal.terms.packs);
    let record = deal::record(&deal.terms, Side::Exporter, Phase::Transfer, result).to_bytes().unwrap();
    let waiting = Permit::check(&record, &deal.expectation(P, Phase::Transfer)).unwrap();
    assert!(waiting.is_conditional());
    let mut start = |permit| {
        let kind = SendKind::Start(permit, force);
        exchange.step(Input::Send { act: Digest::of(b"p1"), kind }, SOON)
    };
    assert_eq!(start(waiting), Err(Unexpected::WrongProof));
    assert!(start(deal.permit(P, Phase::Transfer)).is_ok());
}

#[test]
fn effects_of_a_crossing_come_in_order() {
    // NEG-13.3
    let deal = deal::deal();
    let mut exchange = Exchange::negotiation(P, C);
    let receive = |label: &str, kind, prev| Input::Receive {
        act: Digest::of(label.as_bytes()),
        kind: n(kind),
        prev,
        about: about(n(kind), false, &deal),
    };
    exchange.step(receive("c1", N::Request, None), SOON).unwrap();
    let ours = Digest::of(b"p1");
    let permit = deal.permit(P, Phase::Negotiation);
    exchange.step(Input::Send { act: ours, kind: SendKind::Agree(permit) }, SOON).unwrap();
    assert_eq!(exchange.pending(), Some(&Pending { act: ours, kind: n(N::Agree), proposal: None }));
    let effects = exchange.step(receive("c2", N::Terminate, None), SOON).unwrap();
    let names: Vec<&str> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Record { .. } => "record",
            Effect::Accept { .. } => "accept",
            Effect::Dropped { .. } => "dropped",
            Effect::Moved { .. } => "moved",
            Effect::Transmit { .. }
            | Effect::Refuse { .. }
            | Effect::Settled { .. }
            | Effect::Refused { .. }
            | Effect::Lapsed
            | Effect::InForce
            | Effect::Ended => "other",
        })
        .collect();
    assert_eq!(names, ["dropped", "record", "accept", "moved"]);
    assert_eq!(exchange.dropped(), [ours]);
}

#[test]
fn an_exchange_has_a_limited_number_of_acts() {
    // NEG-12.6: two sides that suspend and resume for ever are stopped; the end is always possible.
    let deal = deal::deal();
    let force = deal.in_force();
    let mut exchange = Exchange::transfer(P, force.agreement(), force.finalized(), Flow::Push);
    let receive = |number: u32, kind, prev| Input::Receive {
        act: Digest::of(&number.to_be_bytes()),
        kind: t(kind),
        prev,
        about: about(t(kind), false, &deal),
    };
    exchange.step(receive(0, T::Request, Some(force.finalized())), SOON).unwrap();
    let start = Digest::of(b"start");
    let kind = SendKind::Start(deal.permit(P, Phase::Transfer), force);
    exchange.step(Input::Send { act: start, kind }, SOON).unwrap();
    exchange.step(Input::Answered { act: start, answer: ACCEPTED }, SOON).unwrap();
    let mut refused = None;
    for number in 1..2000 {
        let kind = if number % 2 == 1 { T::Suspend } else { T::Start };
        let effects = exchange.step(receive(number, kind, Some(start)), SOON).unwrap();
        if effects.iter().any(|effect| matches!(effect, Effect::Refuse { why: Unexpected::TooManyActs, .. }))
        {
            refused = Some(number);
            break;
        }
    }
    assert_eq!(refused, Some(naru_protocol::exchange::ACTS - 1));
    let effects = exchange.step(receive(3000, T::Terminate, Some(start)), SOON).unwrap();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Accept { status: 200, .. })));
}
