//! Exchanges with peers that sign nothing: the machine in every state by every message, and the proofs without which it does
//! not move (spec chapter 13).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod deal;

use deal::{DATASET, DRAFT, digest, duty, packs, private, result};
use naru_protocol::{
    act::{Act, Method, Path},
    dsp::{datetime, odrl},
    encoding::{Digest, Id},
    error::Code,
    exchange::{ACTS, ActKind, Role, State as Any},
    identity::Did,
    json::{self, V1},
    negotiation::{self as neg, ActKind as N, State as S},
    permit::{EvaluationRecord, Input, PermitError},
    plain::{
        PARTICIPANT_ID, PlainAct, PlainAnswer, PlainEffect, PlainExchange, PlainInput, PlainSend,
        PlainUnexpected, UnsignedAgreement, UnsignedAgreementError, UnsignedExpectation, UnsignedInForce,
        UnsignedPermit, UnsignedTerms, WITHHELD, is_plain_id, shown,
    },
    signature::SigningKey,
    terms::{Obligation, Pack, Phase, Side},
    transfer::{self as tra, ActKind as T, State as D},
};
use serde_json::{Value, json};

const P: Role = Role::Provider;
const C: Role = Role::Consumer;
const PEER: &str = "BPNL00000003CRHK";

const fn n(kind: N) -> ActKind {
    ActKind::Negotiation(kind)
}
const fn t(kind: T) -> ActKind {
    ActKind::Transfer(kind)
}
const fn other(role: Role) -> Role {
    match role {
        P => C,
        C => P,
    }
}

/// The participant of this side, who has keys.
fn us() -> String {
    Did::of(SigningKey::from_seed(&[7; 32]).public()).to_string()
}

fn parties(role: Role) -> (String, String) {
    match role {
        P => (us(), PEER.to_owned()),
        C => (PEER.to_owned(), us()),
    }
}

fn shared() -> Value {
    json!({"dataset": {"id": DATASET}, "contract": {"purposes": ["quality_analysis"]}})
}

fn expectation(role: Role, phase: Phase) -> UnsignedExpectation {
    let input = Input { shared: json::digest_of(&shared()).unwrap(), private: private(Side::of(role)) };
    UnsignedExpectation { phase, role, input, packs: packs(), overlays: Vec::new() }
}

fn duties() -> Vec<Obligation> {
    Vec::from([duty("POST-RET-001", C)])
}

fn record(role: Role, phase: Phase, result: Value) -> Vec<u8> {
    let expect = expectation(role, phase);
    let record =
        EvaluationRecord { v: V1, input: expect.input, packs: packs(), phase, side: Side::of(role), result };
    record.to_bytes().unwrap()
}

fn permit(role: Role, phase: Phase) -> UnsignedPermit {
    let record = record(role, phase, result(&duties(), &[], &packs()));
    UnsignedPermit::check(&record, &expectation(role, phase)).unwrap()
}

fn object(provider: &str, consumer: &str) -> Value {
    json!({"@id": "urn:uuid:1", "@type": "Agreement", "target": DATASET, "assigner": provider,
        "assignee": consumer, "timestamp": datetime::to_date_time(DRAFT), "permission": [{"action": "use"}]})
}

fn terms(role: Role) -> UnsignedTerms {
    let (provider, consumer) = parties(role);
    UnsignedTerms {
        v: V1,
        exchange: Id([1; 16]),
        agreement: odrl::Agreement::from_value(object(&provider, &consumer)).unwrap(),
        provider,
        consumer,
        listing: (role == P).then(|| digest("listing")),
        shared: shared(),
        packs: packs(),
        obligations: duties(),
    }
}

fn agreement(role: Role) -> UnsignedAgreement {
    UnsignedAgreement::check(terms(role), &permit(role, Phase::Negotiation)).unwrap()
}

/// A message of ours with the proofs that fit this exchange; the profile's own messages are none of it.
fn send(kind: ActKind, role: Role) -> Option<PlainSend> {
    let (law, today) = (|| permit(role, Phase::Negotiation), || permit(role, Phase::Transfer));
    Some(match kind {
        ActKind::Negotiation(N::Request) => PlainSend::Request(law()),
        ActKind::Negotiation(N::Offer) => PlainSend::Offer(law()),
        ActKind::Negotiation(N::Accept) => PlainSend::Accept(law()),
        ActKind::Negotiation(N::Agree) => PlainSend::Agree(agreement(role)),
        ActKind::Negotiation(N::Verify) => PlainSend::Verify(agreement(role)),
        ActKind::Negotiation(N::Finalize) => PlainSend::Finalize,
        ActKind::Negotiation(N::Terminate) => PlainSend::Terminate,
        ActKind::Transfer(T::Request) => PlainSend::TransferRequest(today(), in_force(role)),
        ActKind::Transfer(T::Start) => PlainSend::Start(today(), in_force(role)),
        ActKind::Transfer(T::Suspend) => PlainSend::Suspend,
        ActKind::Transfer(T::Complete) => PlainSend::Complete,
        ActKind::Transfer(T::Terminate) => PlainSend::TransferTerminate,
        ActKind::Negotiation(N::End | N::Report) | ActKind::Transfer(T::Receipt) => return None,
    })
}

/// Lets a message of either side take effect.
fn happens(exchange: &mut PlainExchange, by: Role, kind: ActKind) {
    if by == exchange.role() {
        sends(exchange, kind).unwrap();
        answered(exchange, kind, PlainAnswer::Accepted).unwrap();
    } else {
        exchange.step(PlainInput::Receive { kind }).unwrap();
    }
}

type Stepped = Result<Vec<PlainEffect>, PlainUnexpected>;

fn named(kind: ActKind) -> Digest {
    digest(kind.entry_type().as_str())
}

fn sends(exchange: &mut PlainExchange, kind: ActKind) -> Stepped {
    let send = send(kind, exchange.role()).unwrap();
    exchange.step(PlainInput::Send { act: named(kind), kind: send })
}

fn answered(exchange: &mut PlainExchange, kind: ActKind, answer: PlainAnswer) -> Stepped {
    exchange.step(PlainInput::Answered { act: named(kind), answer })
}

/// How each state is reached.
fn way_to(state: S) -> &'static [(Role, N)] {
    match state {
        S::Requested => &[(C, N::Request)],
        S::Offered => &[(P, N::Offer)],
        S::Accepted => &[(P, N::Offer), (C, N::Accept)],
        S::Agreed => &[(C, N::Request), (P, N::Agree)],
        S::Verified => &[(C, N::Request), (P, N::Agree), (C, N::Verify)],
        S::Finalized => &[(C, N::Request), (P, N::Agree), (C, N::Verify), (P, N::Finalize)],
        S::Terminated => &[(C, N::Request), (P, N::Terminate)],
    }
}

fn way_of_data_to(state: D) -> &'static [(Role, T)] {
    match state {
        D::Requested => &[(C, T::Request)],
        D::Started => &[(C, T::Request), (P, T::Start)],
        D::Suspended => &[(C, T::Request), (P, T::Start), (P, T::Suspend)],
        D::Completed => &[(C, T::Request), (P, T::Start), (C, T::Complete)],
        D::Terminated => &[(C, T::Request), (P, T::Terminate)],
    }
}

fn at(role: Role, state: Option<S>) -> PlainExchange {
    let mut exchange = PlainExchange::negotiation(role);
    for (by, kind) in state.map(way_to).unwrap_or_default() {
        happens(&mut exchange, *by, n(*kind));
    }
    assert_eq!(exchange.state(), state.map(Any::Negotiation));
    exchange
}

fn data_at(role: Role, state: Option<D>) -> PlainExchange {
    let mut exchange = PlainExchange::transfer(role, in_force(role));
    for (by, kind) in state.map(way_of_data_to).unwrap_or_default() {
        happens(&mut exchange, *by, t(*kind));
    }
    assert_eq!(exchange.state(), state.map(Any::Transfer));
    exchange
}

fn in_force(role: Role) -> UnsignedInForce {
    at(role, Some(S::Finalized)).in_force().unwrap()
}

/// Every state of both machines for one role, before the first message too.
fn everywhere(role: Role) -> Vec<PlainExchange> {
    let deals = std::iter::once(None).chain(S::ALL.map(Some)).map(|state| at(role, state));
    let hauls = std::iter::once(None).chain(D::ALL.map(Some)).map(|state| data_at(role, state));
    deals.chain(hauls).collect()
}

fn all_acts() -> Vec<ActKind> {
    N::ALL.map(n).into_iter().chain(T::ALL.map(t)).collect()
}

/// What the diagram says, without the profile's own messages. A termination of the peer is taken wherever it is not over.
fn arrow(state: Option<Any>, deal: bool, by: Role, received: bool, kind: ActKind) -> Option<Any> {
    match (kind, state) {
        (ActKind::Negotiation(N::End | N::Report) | ActKind::Transfer(T::Receipt), _) => None,
        (ActKind::Negotiation(N::Terminate), Some(Any::Negotiation(state)))
            if received && !state.is_final() =>
        {
            Some(Any::Negotiation(S::Terminated))
        }
        (ActKind::Negotiation(kind), Some(Any::Negotiation(state))) => {
            neg::next(Some(state), by, kind).map(Any::Negotiation)
        }
        (ActKind::Negotiation(kind), None) if deal => neg::next(None, by, kind).map(Any::Negotiation),
        (ActKind::Transfer(kind), Some(Any::Transfer(state))) => {
            tra::next(Some(state), by, kind).map(Any::Transfer)
        }
        (ActKind::Transfer(kind), None) if !deal => tra::next(None, by, kind).map(Any::Transfer),
        _ => None,
    }
}

fn is_of(deal: bool, kind: ActKind) -> bool {
    matches!(kind, ActKind::Negotiation(_)) == deal
}

#[test]
fn a_message_is_taken_where_the_table_has_an_arrow_and_nowhere_else() {
    // PLN-4.1, PLN-4.4
    let mut taken = 0;
    for role in [P, C] {
        for (number, before) in everywhere(role).into_iter().enumerate() {
            let deal = number <= S::ALL.len();
            for kind in all_acts() {
                let mut exchange = before.clone();
                let wanted = arrow(before.state(), deal, other(role), true, kind);
                let stepped = exchange.step(PlainInput::Receive { kind });
                let place = format!("{role:?} {:?} {kind}", before.state());
                match wanted {
                    Some(state) => {
                        assert_eq!((stepped, exchange.state()), (Ok(Vec::new()), Some(state)), "{place}");
                        assert_eq!(exchange.pending(), None);
                        taken += 1;
                    }
                    None if is_of(deal, kind) => {
                        assert_eq!(stepped, Err(PlainUnexpected::IllegalState { act: kind }), "{place}");
                        assert_eq!(exchange, before, "{place}");
                    }
                    None => {
                        assert_eq!(stepped, Err(PlainUnexpected::OtherMachine { act: kind }), "{place}");
                        assert_eq!(exchange, before, "{place}");
                    }
                }
            }
        }
    }
    // Arrows of the diagrams without the profile's own, of both roles; three terminations more in the words of DSP.
    assert_eq!(taken, 16 + 14 + 3);
}

#[test]
fn we_send_only_what_the_table_allows_and_one_message_at_a_time() {
    // PLN-4.3
    for role in [P, C] {
        for (number, before) in everywhere(role).into_iter().enumerate() {
            let deal = number <= S::ALL.len();
            for kind in all_acts().into_iter().filter(|kind| send(*kind, role).is_some()) {
                let mut exchange = before.clone();
                let place = format!("{role:?} {:?} {kind}", before.state());
                let wanted = arrow(before.state(), deal, role, false, kind);
                assert_eq!(before.may_send(kind), wanted.is_some(), "{place}");
                let sent = sends(&mut exchange, kind);
                let Some(state) = wanted else {
                    assert_eq!(sent, Err(PlainUnexpected::IllegalState { act: kind }), "{place}");
                    assert_eq!(exchange, before, "{place}");
                    continue;
                };
                sent.unwrap();
                assert_eq!(exchange.state(), before.state(), "{place}: nothing moves before the answer");
                assert_eq!(exchange.pending().map(|p| (p.act, p.kind)), Some((named(kind), kind)));
                let waiting = exchange.clone();
                assert_eq!(sends(&mut exchange, kind), Err(PlainUnexpected::Pending), "{place}");
                assert!(!exchange.may_send(kind));
                let stray = PlainInput::Answered { act: digest("stray"), answer: PlainAnswer::Accepted };
                assert_eq!(exchange.step(stray), Err(PlainUnexpected::NotPending));
                assert_eq!(exchange, waiting);
                answered(&mut exchange, kind, PlainAnswer::Refused).unwrap();
                assert_eq!(
                    (exchange.state(), exchange.pending()),
                    (before.state(), None),
                    "{place}: refused"
                );
                let mut exchange = waiting;
                let effects = answered(&mut exchange, kind, PlainAnswer::Accepted).unwrap();
                assert_eq!(effects, [PlainEffect::Settled { act: named(kind), kind }]);
                assert_eq!((exchange.state(), exchange.pending()), (Some(state), None), "{place}");
                let again = answered(&mut exchange, kind, PlainAnswer::Accepted);
                assert_eq!(again, Err(PlainUnexpected::NotPending), "{place}: a second answer");
            }
        }
    }
}

fn rank(kind: ActKind) -> u8 {
    match kind {
        ActKind::Negotiation(N::Terminate) | ActKind::Transfer(T::Terminate) => 2,
        ActKind::Transfer(T::Complete) => 1,
        ActKind::Negotiation(_) | ActKind::Transfer(_) => 0,
    }
}

#[test]
fn what_crosses_is_resolved_by_rank_and_what_follows_settles() {
    // PLN-4.3
    let (mut dropped, mut crossed, mut settled) = (0, 0, 0);
    for role in [P, C] {
        for (number, before) in everywhere(role).into_iter().enumerate() {
            let deal = number <= S::ALL.len();
            for ours in all_acts().into_iter().filter(|kind| before.may_send(*kind)) {
                let mut waiting = before.clone();
                sends(&mut waiting, ours).unwrap();
                let act = named(ours);
                let settles = arrow(before.state(), deal, role, false, ours);
                for kind in all_acts().into_iter().filter(|kind| is_of(deal, *kind)) {
                    let mut exchange = waiting.clone();
                    let stepped = exchange.step(PlainInput::Receive { kind });
                    let place = format!("{role:?} {:?}: {ours} is unanswered, {kind} comes", before.state());
                    let first = before.state().is_none();
                    let crosses = arrow(before.state(), deal, other(role), true, kind).filter(|_| !first);
                    if let Some(state) = crosses {
                        if rank(kind) > rank(ours) || kind == ours {
                            assert_eq!(
                                stepped,
                                Ok(vec![PlainEffect::Dropped { act, kind: ours }]),
                                "{place}"
                            );
                            assert_eq!(
                                (exchange.state(), exchange.pending()),
                                (Some(state), None),
                                "{place}"
                            );
                            dropped += 1;
                        } else {
                            assert_eq!(stepped, Err(PlainUnexpected::Crossed), "{place}");
                            assert_eq!(exchange, waiting, "{place}");
                            crossed += 1;
                        }
                    } else if let Some(state) = arrow(settles, deal, other(role), true, kind) {
                        assert_eq!(stepped, Ok(vec![PlainEffect::Settled { act, kind: ours }]), "{place}");
                        assert_eq!((exchange.state(), exchange.pending()), (Some(state), None), "{place}");
                        settled += 1;
                    } else {
                        assert_eq!(stepped, Err(PlainUnexpected::IllegalState { act: kind }), "{place}");
                        assert_eq!(exchange, waiting, "{place}");
                    }
                }
            }
        }
    }
    assert!(dropped > 15 && crossed > 10 && settled > 10, "{dropped} {crossed} {settled}");
}

#[test]
fn crossings_of_the_standard_end_as_they_must() {
    // PLN-4.3
    for (role, state, ours, theirs, wanted) in [
        (P, S::Requested, N::Agree, N::Terminate, Ok(S::Terminated)),
        (P, S::Requested, N::Terminate, N::Terminate, Ok(S::Terminated)),
        (C, S::Requested, N::Terminate, N::Terminate, Ok(S::Terminated)),
        (C, S::Requested, N::Terminate, N::Agree, Err(PlainUnexpected::Crossed)),
        (C, S::Agreed, N::Verify, N::Finalize, Ok(S::Finalized)),
        (P, S::Requested, N::Agree, N::Verify, Ok(S::Verified)),
        (P, S::Verified, N::Finalize, N::Terminate, Ok(S::Terminated)),
    ] {
        let mut exchange = at(role, Some(state));
        sends(&mut exchange, n(ours)).unwrap();
        let stepped = exchange.step(PlainInput::Receive { kind: n(theirs) });
        match wanted {
            Ok(state) => assert_eq!(exchange.state(), Some(Any::Negotiation(state)), "{ours} {theirs}"),
            Err(error) => assert_eq!(stepped, Err(error), "{ours} {theirs}"),
        }
    }
    // A counter-offer or counter-request that overtakes the answer to what it counters.
    for (role, ours, theirs, state) in
        [(C, N::Request, N::Offer, S::Offered), (P, N::Offer, N::Request, S::Requested)]
    {
        let mut exchange = PlainExchange::negotiation(role);
        sends(&mut exchange, n(ours)).unwrap();
        exchange.step(PlainInput::Receive { kind: n(theirs) }).unwrap();
        assert_eq!(exchange.state(), Some(Any::Negotiation(state)), "{ours} {theirs}");
    }
    for (role, ours, theirs, wanted) in [
        (P, T::Suspend, T::Complete, Some(D::Completed)),
        (P, T::Suspend, T::Suspend, Some(D::Suspended)),
        (C, T::Complete, T::Terminate, Some(D::Terminated)),
        (C, T::Complete, T::Suspend, None),
        (C, T::Complete, T::Complete, Some(D::Completed)),
        (P, T::Terminate, T::Complete, None),
    ] {
        let mut exchange = data_at(role, Some(D::Started));
        sends(&mut exchange, t(ours)).unwrap();
        let stepped = exchange.step(PlainInput::Receive { kind: t(theirs) });
        match wanted {
            Some(state) => assert_eq!(exchange.state(), Some(Any::Transfer(state)), "{ours} {theirs}"),
            None => assert_eq!(stepped, Err(PlainUnexpected::Crossed), "{ours} {theirs}"),
        }
    }
}

#[test]
fn a_termination_is_taken_in_every_live_state() {
    // PLN-4.4
    let end = PlainInput::Receive { kind: n(N::Terminate) };
    for role in [P, C] {
        for state in S::ALL {
            let mut exchange = at(role, Some(state));
            let taken = exchange.step(end.clone());
            assert_eq!(taken.is_ok(), !state.is_final(), "{role:?} {state}");
            let after = if state.is_final() { state } else { S::Terminated };
            assert_eq!(exchange.state(), Some(Any::Negotiation(after)), "{role:?} {state}");
        }
        assert!(PlainExchange::negotiation(role).step(end.clone()).is_err(), "before anything began");
    }
}

#[test]
fn giving_up_ends_what_is_not_over_and_nothing_else() {
    // PLN-4.6
    for role in [P, C] {
        for before in everywhere(role) {
            let mut exchange = before.clone();
            exchange.give_up();
            match before.state() {
                Some(state) if state.is_final() => assert_eq!(exchange, before),
                _ => {
                    let over = exchange.state().map(|state| state.to_string());
                    assert_eq!(over.as_deref(), Some("TERMINATED"), "{:?}", before.state());
                    assert_eq!((exchange.pending(), exchange.in_force()), (None, None));
                }
            }
        }
    }
    let mut waiting = at(P, Some(S::Requested));
    sends(&mut waiting, n(N::Terminate)).unwrap();
    waiting.give_up();
    assert_eq!(waiting.pending(), None);
    let late = answered(&mut waiting, n(N::Terminate), PlainAnswer::Accepted);
    assert_eq!(late, Err(PlainUnexpected::NotPending));
}

#[test]
fn an_agreement_is_in_force_from_finalized_until_the_operator_ends_it() {
    // PLN-6.3, PLN-6.4
    for role in [P, C] {
        for state in S::ALL {
            let exchange = at(role, Some(state));
            assert_eq!(exchange.in_force().is_some(), state == S::Finalized, "{role:?} {state}");
        }
        let mut exchange = at(role, Some(S::Finalized));
        assert_eq!(exchange.in_force().unwrap().agreement(), agreement(role).digest());
        assert!(!exchange.is_ended());
        exchange.end();
        assert!(exchange.is_ended() && exchange.in_force().is_none());
        assert_eq!(exchange.state(), Some(Any::Negotiation(S::Finalized)));
    }
    // FINALIZED by a peer's word alone, without an agreement that this side verified, is nothing to rest a transfer on.
    let mut exchange = PlainExchange::negotiation(C);
    happens(&mut exchange, C, n(N::Request));
    happens(&mut exchange, P, n(N::Agree));
    assert!(exchange.step(PlainInput::Receive { kind: n(N::Finalize) }).is_err());
    assert!(exchange.in_force().is_none());
}

#[test]
fn proofs_for_another_phase_or_agreement_move_nothing() {
    // PLN-6.1, PLN-7.3
    let refused = |mut exchange: PlainExchange, kind: PlainSend| {
        let before = exchange.clone();
        let what = kind.kind();
        let stepped = exchange.step(PlainInput::Send { act: named(what), kind });
        assert_eq!(stepped, Err(PlainUnexpected::WrongProof), "{what}");
        assert_eq!(exchange, before, "{what}");
    };
    let (law_p, law_c) = (permit(P, Phase::Negotiation), permit(C, Phase::Negotiation));
    let (today_p, today_c) = (permit(P, Phase::Transfer), permit(C, Phase::Transfer));
    refused(PlainExchange::negotiation(C), PlainSend::Request(today_c.clone()));
    refused(PlainExchange::negotiation(P), PlainSend::Offer(today_p.clone()));
    refused(at(C, Some(S::Offered)), PlainSend::Accept(today_c.clone()));
    refused(data_at(C, None), PlainSend::TransferRequest(law_c, in_force(C)));
    refused(data_at(P, Some(D::Requested)), PlainSend::Start(law_p.clone(), in_force(P)));
    // An agreement in force, but not this transfer's.
    let mut others = terms(P);
    others.exchange = Id([2; 16]);
    let others = UnsignedAgreement::check(others, &law_p).unwrap();
    let mut exchange = at(P, Some(S::Requested));
    let agree = PlainInput::Send { act: named(n(N::Agree)), kind: PlainSend::Agree(others) };
    exchange.step(agree).unwrap();
    answered(&mut exchange, n(N::Agree), PlainAnswer::Accepted).unwrap();
    happens(&mut exchange, C, n(N::Verify));
    happens(&mut exchange, P, n(N::Finalize));
    let others = exchange.in_force().unwrap();
    assert_ne!(others.agreement(), in_force(P).agreement());
    refused(data_at(P, Some(D::Requested)), PlainSend::Start(today_p, others));
    refused(data_at(C, None), PlainSend::TransferRequest(today_c, others));
}

#[test]
fn an_exchange_has_so_many_messages_and_can_always_end() {
    // PLN-4.4
    let mut exchange = PlainExchange::negotiation(P);
    for number in 0..ACTS {
        let kind = if number % 2 == 0 { n(N::Request) } else { n(N::Offer) };
        let by = if number % 2 == 0 { C } else { P };
        happens(&mut exchange, by, kind);
    }
    let more = exchange.step(PlainInput::Receive { kind: n(N::Request) });
    assert_eq!(more, Err(PlainUnexpected::TooManyActs));
    exchange.step(PlainInput::Receive { kind: n(N::Terminate) }).unwrap();
}

#[test]
fn errors_have_codes_that_a_peer_may_learn() {
    // PLN-4.1
    let act = n(N::Verify);
    for (error, code) in [
        (PlainUnexpected::IllegalState { act }, Code::IllegalState),
        (PlainUnexpected::Crossed, Code::IllegalState),
        (PlainUnexpected::TooManyActs, Code::IllegalState),
        (PlainUnexpected::OtherMachine { act }, Code::NotFound),
        (PlainUnexpected::Pending, Code::Internal),
        (PlainUnexpected::WrongProof, Code::Internal),
        (PlainUnexpected::NotPending, Code::Internal),
    ] {
        assert_eq!(error.code(), code, "{error}");
    }
}

#[test]
fn a_permit_comes_only_from_a_record_that_allows_and_delegates_nothing() {
    // PLN-6.1
    let allows = |delegated: &[(&str, Side)]| result(&duties(), delegated, &packs());
    let phase = Phase::Negotiation;
    for (role, side) in [(P, Side::Importer), (C, Side::Exporter)] {
        let expect = expectation(role, phase);
        let check = |bytes: &[u8]| UnsignedPermit::check(bytes, &expect);
        let bytes = record(role, phase, allows(&[]));
        let made = check(&bytes).unwrap();
        assert_eq!((made.phase(), made.record()), (phase, Digest::of(&bytes)));
        assert_eq!((made.packs(), made.obligations()), (&packs()[..], &duties()[..]));
        let left = check(&record(role, phase, allows(&[("KR-ITA-001", side)])));
        assert_eq!(left, Err(PermitError::Orphaned("KR-ITA-001".to_owned())));
        assert_eq!(left.unwrap_err().code(), Code::Undetermined);
        let mut denies = allows(&[]);
        denies["allow"] = json!(false);
        denies["deny"] = json!([{"id": "CORE-006", "detail": "x"}]);
        assert_eq!(check(&record(role, phase, denies)), Err(PermitError::Denied));
        let mut open = allows(&[]);
        open["allow"] = json!(false);
        open["undetermined"] = json!([{"id": "CORE-001", "detail": "x"}]);
        assert_eq!(check(&record(role, phase, open)), Err(PermitError::Undetermined));
        assert!(matches!(check(b"{}"), Err(PermitError::Record(_))));
        let silent = record(role, phase, json!({"allow": true}));
        assert!(matches!(check(&silent), Err(PermitError::Result(_))));
        assert_eq!(check(&record(role, Phase::Transfer, allows(&[]))), Err(PermitError::OtherPhase));
        assert_eq!(check(&record(other(role), phase, allows(&[]))).unwrap_err().code(), Code::PermitInvalid);
        let mut elsewhere = expect.clone();
        elsewhere.input.shared = digest("another document");
        assert_eq!(UnsignedPermit::check(&bytes, &elsewhere), Err(PermitError::OtherShared));
        let mut elsewhere = expect.clone();
        elsewhere.input.private = digest("other facts");
        assert_eq!(UnsignedPermit::check(&bytes, &elsewhere), Err(PermitError::OtherPrivate));
        let mut fewer = expect.clone();
        fewer.packs.pop();
        assert_eq!(UnsignedPermit::check(&bytes, &fewer), Err(PermitError::OtherPacks));
    }
    // The side of the record is looked at too, where nothing else gives it away.
    let mut record = EvaluationRecord::parse(&record(P, phase, allows(&[]))).unwrap();
    record.side = Side::Importer;
    let wrong = UnsignedPermit::check(&record.to_bytes().unwrap(), &expectation(P, phase));
    assert_eq!(wrong, Err(PermitError::OtherSide));
}

#[test]
fn an_overlay_must_have_been_asked_and_is_in_no_terms() {
    // POL-16.3, PLN-6.1
    let (phase, house) = (Phase::Negotiation, Pack { name: "house".to_owned(), digest: digest("house") });
    for role in [P, C] {
        let all = [packs(), Vec::from([house.clone()])].concat();
        let mut made = EvaluationRecord::parse(&record(role, phase, result(&duties(), &[], &all))).unwrap();
        made.packs = all;
        let (bytes, mut expect) = (made.to_bytes().unwrap(), expectation(role, phase));
        assert_eq!(UnsignedPermit::check(&bytes, &expect), Err(PermitError::OtherPacks));
        expect.overlays.push(house.clone());
        let permit = UnsignedPermit::check(&bytes, &expect).unwrap();
        assert_eq!(permit.packs(), packs());
        assert!(UnsignedAgreement::check(terms(role), &permit).is_ok());
        let without = record(role, phase, result(&duties(), &[], &packs()));
        assert_eq!(UnsignedPermit::check(&without, &expect), Err(PermitError::OtherPacks), "not asked");
    }
}

#[test]
fn an_agreement_rests_on_a_permit_over_its_very_terms_and_is_with_somebody_who_signs_nothing() {
    // PLN-6.1, PLN-1.2
    for role in [P, C] {
        let permit = permit(role, Phase::Negotiation);
        let made = UnsignedAgreement::check(terms(role), &permit).unwrap();
        assert_eq!(made.digest(), terms(role).digest().unwrap());
        assert_eq!(made.terms(), &terms(role));
        let with = |change: &dyn Fn(&mut UnsignedTerms)| {
            let mut terms = terms(role);
            change(&mut terms);
            let error = UnsignedAgreement::check(terms, &permit).unwrap_err();
            (error.code(), error)
        };
        let (provider, consumer) = parties(role);
        for (assigner, assignee) in
            [("EVE", consumer.as_str()), (provider.as_str(), "MALLORY"), (&consumer, &provider)]
        {
            let object = odrl::Agreement::from_value(object(assigner, assignee)).unwrap();
            let others = with(&|terms| terms.agreement = object.clone());
            assert_eq!(others, (Code::AgreementDiffers, UnsignedAgreementError::OtherParties));
        }
        let document = with(&|terms| terms.shared["contract"]["purposes"] = json!(["resale"]));
        assert_eq!(document, (Code::PermitInvalid, UnsignedAgreementError::OtherTerms));
        let fewer = with(&|terms| drop(terms.packs.pop()));
        assert_eq!(fewer, (Code::PermitInvalid, UnsignedAgreementError::OtherTerms));
        let signs = Did::of(SigningKey::from_seed(&[9; 32]).public()).to_string();
        let keys = with(&|terms| {
            let (provider, consumer) = match role {
                P => (us(), signs.clone()),
                C => (signs.clone(), us()),
            };
            terms.agreement = odrl::Agreement::from_value(object(&provider, &consumer)).unwrap();
            (terms.provider, terms.consumer) = (provider, consumer);
        });
        assert_eq!(keys, (Code::Downgraded, UnsignedAgreementError::Signs(signs.clone())));
        let later = UnsignedAgreement::check(terms(role), &self::permit(role, Phase::Transfer));
        assert_eq!(later, Err(UnsignedAgreementError::OtherPhase));
    }
}

#[test]
fn the_digest_of_a_plain_message_is_never_that_of_a_signed_one() {
    // PLN-3.1
    let act = PlainAct {
        v: V1,
        msg: Id([1; 16]),
        from: PEER.to_owned(),
        to: us(),
        exchange: Id([2; 16]),
        method: Method::Post,
        path: Path::parse("/negotiations/request").unwrap(),
        body: digest("{}"),
    };
    let value = serde_json::to_value(&act).unwrap();
    let members: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["body", "exchange", "from", "method", "msg", "path", "to", "v"]);
    let canonical = json::canonical(&value).unwrap();
    assert_eq!(act.digest().unwrap(), Digest::of(&canonical));
    // Whatever the bytes of one are, they are not the bytes of the other.
    assert!(serde_json::from_slice::<Act>(&canonical).is_err());
    for (member, other) in [("msg", json!(Id([3; 16]))), ("to", json!("x")), ("body", json!(digest("x")))] {
        let mut changed = value.clone();
        changed[member] = other;
        let changed: PlainAct = serde_json::from_value(changed).unwrap();
        assert_ne!(changed.digest().unwrap(), act.digest().unwrap(), "{member}");
    }
    let mut more = value;
    more["iss"] = json!(us());
    assert!(serde_json::from_value::<PlainAct>(more).is_err(), "and nothing more is taken in");
}

#[test]
fn evidence_holds_the_content_without_what_opens_anything() {
    // PLN-2.6, PLN-3.1
    let same = |text: &str| assert_eq!(shown(text.as_bytes()), text.as_bytes());
    for text in [
        "",
        "no JSON",
        "[1]",
        " {\"b\": 1.50, \"a\": \"callbackAddress\"}",
        "{\"callbackAddress\": 7}",
        "{ \"callbackAddress\" : \"https://a.example:1\" }",
        "{\"callbackAddress\":\"x\",\"dataAddress\":null}",
        "{\"dataAddress\": {\"endpoint\": \"https://a/b\", \"endpointProperties\": []}}",
        "{\"dataAddress\": {\"endpointProperties\": [{\"name\": \"token\", \"value\": \"withheld\"}]}}",
    ] {
        same(text);
    }
    let becomes = |from: Value, to: Value| {
        let bytes = from.to_string();
        assert_eq!(shown(bytes.as_bytes()), json::canonical(&to).unwrap(), "{from}");
        // Once is enough.
        assert_eq!(shown(&shown(bytes.as_bytes())), shown(bytes.as_bytes()));
    };
    for (url, kept) in [
        ("https://h.example/dsp/SECRET/2025-1", "https://h.example"),
        ("https://h.example:8443/", "https://h.example:8443"),
        ("http://h?SECRET", "http://h"),
        ("https://h#SECRET", "https://h"),
    ] {
        becomes(json!({"z": 1, "callbackAddress": url}), json!({"z": 1, "callbackAddress": kept}));
    }
    let property = |name: &str, value: &str| json!({"name": name, "value": value});
    let long = |name: &str| format!("https://w3id.org/edc/v0.0.1/ns/{name}");
    becomes(
        json!({"dataAddress": {"endpoint": "https://h/x?sig=SECRET", "endpointProperties": [
            property("authorization", "SECRET"), property(&long("authorization"), "SECRET"),
            property("authCode", "SECRET"), property(&long("refreshToken"), "SECRET"), property("authType", "bearer"),
            property(&long("endpoint"), "https://h/x?sig=SECRET"), json!({"name": "odd"}), json!(1)]}}),
        json!({"dataAddress": {"endpoint": "https://h/x", "endpointProperties": [
            property("authorization", WITHHELD), property(&long("authorization"), WITHHELD),
            property("authCode", WITHHELD), property(&long("refreshToken"), WITHHELD), property("authType", "bearer"),
            property(&long("endpoint"), "https://h/x"), json!({"name": "odd"}), json!(1)]}}),
    );
    // A number that has no canonical form is no way around it.
    let odd = shown(br#"{"callbackAddress": "https://h/SECRET", "x": 1e300, "y": 0.1}"#).into_owned();
    assert!(!String::from_utf8(odd).unwrap().contains("SECRET"));
}

#[test]
fn a_plain_id_names_no_key() {
    // PLN-1.2
    let long = "x".repeat(PARTICIPANT_ID);
    for id in [PEER, "did:web:partner.example", "urn:x:1", "한강", long.as_str()] {
        assert!(is_plain_id(id), "{id}");
    }
    let longer = format!("{long}x");
    let keyed = us();
    for id in
        ["", " ", "a b", "a\n", "a\u{0}", "did:key:z6Mk", "DID:KEY:z6Mk", keyed.as_str(), longer.as_str()]
    {
        assert!(!is_plain_id(id), "{id:?}");
    }
}
