//! The tables of both machines, every state by every role by every act, against the legal transitions spelt out here once more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod vectors;

use naru_protocol::{
    exchange::Role,
    log::entry::EntryType,
    negotiation::{self, ActKind as N, State as S},
    transfer::{self, ActKind as T, State as D},
};
use serde_json::json;

const P: Role = Role::Provider;
const C: Role = Role::Consumer;

/// NEG-1.2: all arrows of the negotiation.
const NEGOTIATION: &[(Option<S>, Role, N, S)] = &[
    (None, C, N::Request, S::Requested),
    (None, P, N::Offer, S::Offered),
    (Some(S::Requested), P, N::Offer, S::Offered),
    (Some(S::Requested), P, N::Agree, S::Agreed),
    (Some(S::Requested), P, N::Terminate, S::Terminated),
    (Some(S::Requested), C, N::Terminate, S::Terminated),
    (Some(S::Offered), C, N::Request, S::Requested),
    (Some(S::Offered), C, N::Accept, S::Accepted),
    (Some(S::Offered), P, N::Terminate, S::Terminated),
    (Some(S::Offered), C, N::Terminate, S::Terminated),
    (Some(S::Accepted), P, N::Agree, S::Agreed),
    (Some(S::Accepted), P, N::Terminate, S::Terminated),
    (Some(S::Agreed), C, N::Verify, S::Verified),
    (Some(S::Agreed), C, N::Terminate, S::Terminated),
    (Some(S::Verified), P, N::Finalize, S::Finalized),
    (Some(S::Verified), P, N::Terminate, S::Terminated),
    (Some(S::Finalized), P, N::End, S::Finalized),
    (Some(S::Finalized), C, N::End, S::Finalized),
    (Some(S::Finalized), P, N::Report, S::Finalized),
    (Some(S::Finalized), C, N::Report, S::Finalized),
];

/// TRF-1.2: all arrows of the transfer.
const TRANSFER: &[(Option<D>, Role, T, D)] = &[
    (None, C, T::Request, D::Requested),
    (Some(D::Requested), P, T::Start, D::Started),
    (Some(D::Requested), P, T::Terminate, D::Terminated),
    (Some(D::Requested), C, T::Terminate, D::Terminated),
    (Some(D::Started), P, T::Complete, D::Completed),
    (Some(D::Started), C, T::Complete, D::Completed),
    (Some(D::Started), P, T::Suspend, D::Suspended),
    (Some(D::Started), C, T::Suspend, D::Suspended),
    (Some(D::Started), P, T::Terminate, D::Terminated),
    (Some(D::Started), C, T::Terminate, D::Terminated),
    (Some(D::Started), C, T::Receipt, D::Started),
    (Some(D::Suspended), P, T::Start, D::Started),
    (Some(D::Suspended), C, T::Start, D::Started),
    (Some(D::Suspended), P, T::Terminate, D::Terminated),
    (Some(D::Suspended), C, T::Terminate, D::Terminated),
    (Some(D::Suspended), C, T::Receipt, D::Suspended),
    (Some(D::Completed), C, T::Receipt, D::Completed),
];

/// Every combination, and how many of them have an arrow.
fn compare<S: Copy + PartialEq + std::fmt::Debug, A: Copy + PartialEq + std::fmt::Debug>(
    states: &[S],
    acts: &[A],
    table: &[(Option<S>, Role, A, S)],
    next: impl Fn(Option<S>, Role, A) -> Option<S>,
) -> usize {
    let mut legal = 0;
    for state in std::iter::once(None).chain(states.iter().copied().map(Some)) {
        for by in [P, C] {
            for act in acts.iter().copied() {
                let row = table.iter().find(|(from, who, what, _)| (*from, *who, *what) == (state, by, act));
                let expected = row.map(|(.., to)| *to);
                assert_eq!(next(state, by, act), expected, "{state:?} {by:?} {act:?}");
                legal += usize::from(expected.is_some());
            }
        }
    }
    legal
}

#[test]
fn negotiation_has_exactly_these_arrows() {
    // NEG-1.1, NEG-1.2
    let legal = compare(&S::ALL, &N::ALL, NEGOTIATION, negotiation::next);
    assert_eq!((S::ALL.len(), N::ALL.len(), legal), (7, 9, NEGOTIATION.len()));
}

#[test]
fn transfer_has_exactly_these_arrows() {
    // TRF-1.1, TRF-1.2
    let legal = compare(&D::ALL, &T::ALL, TRANSFER, transfer::next);
    assert_eq!((D::ALL.len(), T::ALL.len(), legal), (5, 6, TRANSFER.len()));
}

#[test]
fn the_vectors_hold_the_same_arrows() {
    let by = |role: &Role| serde_json::to_value(role).unwrap();
    let negotiation: Vec<serde_json::Value> = NEGOTIATION
        .iter()
        .map(|(from, who, act, to)| json!({"from": from, "by": by(who), "act": act.entry_type(), "to": to}))
        .collect();
    let transfer: Vec<serde_json::Value> = TRANSFER
        .iter()
        .map(|(from, who, act, to)| json!({"from": from, "by": by(who), "act": act.entry_type(), "to": to}))
        .collect();
    let about = "All arrows of both machines (NEG-1.2, TRF-1.2); whatever is not listed is illegal. `from` null: before the first act.";
    vectors::same(
        "negotiation/arrows.json",
        &json!({"about": about, "negotiation": negotiation, "transfer": transfer}),
    );
}

#[test]
fn states_are_spelt_as_on_the_wire() {
    // NEG-1.3, TRF-1.3
    let words = ["REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED", "FINALIZED", "TERMINATED"];
    for (state, word) in S::ALL.into_iter().zip(words) {
        assert_eq!(state.to_string(), word);
        assert_eq!(serde_json::to_value(state).unwrap(), word);
        assert_eq!(serde_json::from_value::<S>(word.into()).unwrap(), state);
    }
    for (state, word) in
        D::ALL.into_iter().zip(["REQUESTED", "STARTED", "SUSPENDED", "COMPLETED", "TERMINATED"])
    {
        assert_eq!(state.to_string(), word);
        assert_eq!(serde_json::to_value(state).unwrap(), word);
        assert_eq!(serde_json::from_value::<D>(word.into()).unwrap(), state);
    }
    assert!(serde_json::from_value::<S>("requested".into()).is_err());
    assert!(serde_json::from_value::<D>("ACCEPTED".into()).is_err());
}

#[test]
fn final_states_have_no_arrow_of_dsp() {
    // NEG-1.4: only the profile's own acts follow a final state, and they do not leave it.
    for (from, _, act, to) in NEGOTIATION {
        assert!(!from.is_some_and(S::is_final) || (matches!(act, N::End | N::Report) && *from == Some(*to)));
    }
    for (from, _, act, to) in TRANSFER {
        assert!(!from.is_some_and(D::is_final) || (*act == T::Receipt && *from == Some(*to)));
    }
}

#[test]
fn every_act_has_its_own_entry_type() {
    let acts: Vec<EntryType> =
        N::ALL.map(N::entry_type).into_iter().chain(T::ALL.map(T::entry_type)).collect();
    for (at, kind) in acts.iter().enumerate() {
        assert!(kind.is_act() && !acts[at + 1..].contains(kind), "{kind}");
    }
    assert_eq!(EntryType::ALL.iter().filter(|kind| kind.is_act()).count(), acts.len());
}
