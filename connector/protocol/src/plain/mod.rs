//! Exchanges with peers that speak the Dataspace Protocol and sign nothing (spec chapter 13).
//!
//! The same tables of arrows as for signed exchanges ([`crate::negotiation`], [`crate::transfer`]), and types of their own for
//! everything that a signature would prove: [`PlainAct`], [`UnsignedPermit`], [`UnsignedAgreement`]. None of them turns into
//! its signed counterpart, and no proof of this module opens anything in [`crate::exchange`].
//!
//! | file | what |
//! |---|---|
//! | `act` | what was sent or received, named by its digest |
//! | `agreement` | own permit, the agreement that rests on it, and that it is in force |
//! | `machine` | one exchange as this side sees it |
//! | `shown` | the content of a message without its secrets, as evidence holds it |

mod act;
mod agreement;
mod machine;
mod shown;

pub use self::{
    act::PlainAct,
    agreement::{
        UnsignedAgreement, UnsignedAgreementError, UnsignedExpectation, UnsignedInForce, UnsignedPermit,
        UnsignedTerms,
    },
    machine::{
        PlainAnswer, PlainEffect, PlainExchange, PlainInput, PlainPending, PlainSend, PlainUnexpected,
    },
    shown::{WITHHELD, shown},
};

use alloc::string::String;

/// Bytes of a plain participant's id.
pub const PARTICIPANT_ID: usize = 256;

/// Whether this may be the participant id of a peer that signs nothing: never a `did:key`, which names a key (`[PLN-1.2]`).
#[must_use]
pub fn is_plain_id(id: &str) -> bool {
    let visible = |c: char| !c.is_control() && !c.is_whitespace();
    !id.is_empty()
        && id.len() <= PARTICIPANT_ID
        && id.chars().all(visible)
        && !id.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("did:key:"))
}

/// A participant id as it stands in messages.
pub type ParticipantId = String;
