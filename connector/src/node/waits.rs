//! Whom an exchange waits for, and for what: the partner's answer to what we sent, or whoever has the next step. Kept with the
//! exchange as a text, so that lists are made without reading each machine; the Korean of the same texts is here too.
//! Not here: deals that wait for a person (`approval`), since when and until when (`pending`).

use naru_protocol::{
    error::Lang,
    exchange::{ActKind, Role, State},
    negotiation, transfer,
};

/// Begins what waits for the answer to something sent.
const ANSWER: &str = "peer: the answer to ";

/// What a step is called while it is ours and while it is the peer's, each with its Korean.
type Step = [(&'static str, &'static str); 2];

const DECISION: Step = [("us: our decision", "우리: 결정"), ("the peer's decision", "상대: 결정")];
const TAKING_UP: Step = [
    ("us: whether we take up its offer", "우리: 청약을 받아들일지"),
    ("the peer: whether it takes up the offer", "상대: 청약을 받아들일지"),
];
const AGREEMENT: Step =
    [("us: our agreement", "우리: 계약 서명"), ("the peer's agreement", "상대: 계약 서명")];
const COUNTERSIGNATURE: Step =
    [("us: our countersignature", "우리: 부서명"), ("the peer's countersignature", "상대: 부서명")];
const CLOSING: Step = [
    ("us: closing the negotiation", "우리: 협상 마무리"),
    ("the peer: closing the negotiation", "상대: 협상 마무리"),
];
const START: Step = [
    ("us: starting the transfer", "우리: 전송 시작"),
    ("the peer: starting the transfer", "상대: 전송 시작"),
];
const FETCHING: Step = [
    ("us: the data are being fetched", "우리: 데이터를 받는 중"),
    ("the peer: it fetches the data and signs for them", "상대: 데이터를 받고 수령을 서명"),
];
/// While it is ours to fetch and the provider cannot be asked: what is waited for is that it comes back.
const AWAY: Step = [
    (
        "the peer: it is out of reach; the data go on once it is back",
        "상대: 연결되지 않음. 다시 연결되면 이어서 받음",
    ),
    FETCHING[1],
];
const RESUMPTION: Step = [
    ("either side: resuming the transfer", "어느 쪽이든: 전송 재개"),
    ("either side: resuming the transfer", "어느 쪽이든: 전송 재개"),
];
const STEPS: [Step; 9] =
    [DECISION, TAKING_UP, AGREEMENT, COUNTERSIGNATURE, CLOSING, START, FETCHING, AWAY, RESUMPTION];

/// For what an exchange waits in which `ours` is our role; nothing where it is over or was never begun.
pub(in crate::node) fn waits(pending: Option<ActKind>, state: Option<State>, ours: Role) -> Option<String> {
    if let Some(kind) = pending {
        return Some(format!("{ANSWER}{kind}"));
    }
    let (step, whose) = step(state?)?;
    let (text, _) = step[usize::from(whose != ours)];
    Some(text.to_owned())
}

/// The next step from a state, and whose it is.
fn step(state: State) -> Option<(Step, Role)> {
    Some(match state {
        State::Negotiation(state) => match state {
            negotiation::State::Requested => (DECISION, Role::Provider),
            negotiation::State::Offered => (TAKING_UP, Role::Consumer),
            negotiation::State::Accepted => (AGREEMENT, Role::Provider),
            negotiation::State::Agreed => (COUNTERSIGNATURE, Role::Consumer),
            negotiation::State::Verified => (CLOSING, Role::Provider),
            negotiation::State::Finalized | negotiation::State::Terminated => return None,
        },
        State::Transfer(state) => match state {
            transfer::State::Requested => (START, Role::Provider),
            transfer::State::Started => (FETCHING, Role::Consumer),
            transfer::State::Suspended => (RESUMPTION, Role::Provider),
            transfer::State::Completed | transfer::State::Terminated => return None,
        },
    })
}

/// What is said in place of a kept text while the peer is out of reach: nobody fetches from one who is not there.
pub(in crate::node) fn away(text: &str) -> &str {
    if text == FETCHING[0].0 { AWAY[0].0 } else { text }
}

/// The text in the language of a reader; one that is not known as it is.
pub(crate) fn in_words(text: &str, lang: Lang) -> String {
    if lang == Lang::En {
        return text.to_owned();
    }
    if let Some(kind) = text.strip_prefix(ANSWER) {
        return format!("상대: {kind} 에 대한 응답");
    }
    if text == super::approval::WAITS {
        return "우리: 담당자의 결정".to_owned();
    }
    let known = STEPS.iter().flatten().find(|(en, _)| *en == text);
    known.map_or(text, |(_, ko)| ko).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_open_state_waits_for_somebody_and_says_for_whom_on_either_side() {
        let negotiations = negotiation::State::ALL.map(State::Negotiation);
        for state in negotiations.into_iter().chain(transfer::State::ALL.map(State::Transfer)) {
            let [consumer, provider] =
                [Role::Consumer, Role::Provider].map(|role| waits(None, Some(state), role));
            assert_eq!(consumer.is_none(), state.is_final(), "{state}");
            let (Some(consumer), Some(provider)) = (consumer, provider) else { continue };
            let ours = |text: &str| text.starts_with("us: ");
            if state != State::Transfer(transfer::State::Suspended) {
                assert_ne!(ours(&consumer), ours(&provider), "{state}: it is one side's turn");
            }
            for text in [consumer, provider] {
                // What is unanswered is looked for by this beginning (`views`).
                assert!(!text.starts_with("peer:"), "{text}");
                assert!(!in_words(&text, Lang::Ko).contains(|c: char| c.is_ascii_alphabetic()), "{text}");
                assert_eq!(in_words(&text, Lang::En), text);
            }
        }
        assert_eq!(waits(None, None, Role::Consumer), None);
        let fetched = |role| waits(None, Some(State::Transfer(transfer::State::Started)), role).unwrap();
        assert!(
            away(&fetched(Role::Consumer)).starts_with("the peer: "),
            "nobody fetches from one who is not there"
        );
        assert_eq!(away(&fetched(Role::Provider)), fetched(Role::Provider), "it waits for the peer already");
        assert!(
            !in_words(away(&fetched(Role::Consumer)), Lang::Ko).contains(|c: char| c.is_ascii_alphabetic())
        );
    }

    #[test]
    fn what_was_sent_waits_for_its_answer() {
        let state = Some(State::Transfer(transfer::State::Completed));
        let text =
            waits(Some(ActKind::Transfer(transfer::ActKind::Complete)), state, Role::Consumer).unwrap();
        assert!(text.starts_with("peer: the answer to transfer."), "{text}");
        assert!(in_words(&text, Lang::Ko).starts_with("상대: transfer."), "{text}");
        assert_eq!(in_words("something new", Lang::Ko), "something new");
    }
}
