//! Partners that speak the Dataspace Protocol and sign nothing (spec chapter 13).
//!
//! They come through the HTTPS door only, are known by a secret, a header or a certificate that the operator set, and never
//! take part in a signed exchange: their peers, machines, agreements and acts are other types, and a participant id that names
//! a key is never plain. The same router, store, log, policy engine and outbox carry both.
//!
//! | file | what |
//! |---|---|
//! | `peers` | who they are, how they are recognised, what the operator recorded about them |
//! | `inbound`, `begin` | their requests, the error bodies of the binding; first messages |
//! | `turn` | one unit of work on one exchange, and its commit |
//! | `deal` | what is kept of an exchange beside the machine's state |
//! | `offer` | reading and comparing offers as other connectors write them |
//! | `law` | the document that policy is asked about, and permits |
//! | `negotiation`, `transfer` | what each message means, and what follows from it |
//! | `approval`, `distrust`, `explain` | a person decides; ending all trust; the case that is explained |
//! | `ask` | what the operator begins: a request, an offer, a cancellation |
//! | `outbound` | sending, repeating and giving up |
//! | `catalog` | their catalogs as we read them |
//! | `serve`, `fetch`, `take` | bytes under a bearer token: given, fetched, taken in |
//! | `script` | the behaviour that the published test kit asks for; test profile only |

mod approval;
mod ask;
mod begin;
mod catalog;
mod deal;
mod distrust;
mod explain;
mod fetch;
mod inbound;
mod law;
mod negotiation;
mod offer;
mod outbound;
mod peers;
#[cfg(feature = "tck")]
pub mod script;
mod serve;
mod take;
mod transfer;
mod turn;
mod view;

pub(super) use self::{
    inbound::answer, inbound::recognise, offer::spelt, peers::PlainPeer, peers::Registry, serve::Opened,
    view::held_since, view::negotiation_of, view::out_of, view::wish_of,
};

/// How data travel between us and a plain peer.
pub(super) const FORMATS: [&str; 2] = ["HttpData-PULL", "HttpData-PUSH"];

/// Whether an exchange or an act is with a peer that signs nothing: its participant id names no key.
pub(super) fn is_plain(peer: &str) -> bool {
    !peer.starts_with("did:key:")
}
