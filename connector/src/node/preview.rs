//! What a request would ask for and what our own rules say of it, before anything is signed or sent (spec chapter 05).
//!
//! The answer binds nobody: a request is judged anew, on both sides. Reads the peer's listing, writes nothing.

use naru_protocol::{error::Code, exchange::Role, terms::Phase};
use serde_json::json as object;

use super::{
    Node, NodeError, country,
    facts::{self, Use},
    me, now,
    out::Content,
    plain::PlainPeer,
    policy::Question,
    verbs::{Preview, Propose},
};

impl Node {
    /// A request as it would be made, judged by our own rules.
    pub async fn preview(&self, ask: Propose) -> Result<Preview, NodeError> {
        let own = self.me.participant.country.to_string();
        let countries = if ask.countries.is_empty() { vec![own] } else { ask.countries.clone() };
        country::known(&countries)?;
        if let Some(peer) = self.plain_named(&ask.peer).await? {
            return Ok(plain(&peer, ask, countries));
        }
        let peer = self.named(&ask.peer).await?;
        let listed = self.listing_of(&peer, &ask.dataset).await?;
        let listing = &listed.listing;
        if let Some(out) = &ask.out {
            let _outs = self.outs.lock().await;
            let content = Content::of(listing);
            self.check_out(out, Some(content), &[], None).await?;
        }
        let differs = |why: String| NodeError::refused(Code::ListingDiffers, format!("the offer: {why}"));
        let terms = facts::offered(&listing.policy).map_err(differs)?;
        let (seller, buyer) = (me::party(peer.pinned.participant()), self.as_consumer());
        let between = [seller.country.as_str(), buyer.country.as_str()];
        let wanted = Use { purpose: ask.purpose.clone(), countries: countries.clone() };
        let revision = self.revision(&between);
        let shared =
            facts::shared(&listing.facts, &listing.policy, &seller, &buyer, &wanted, &revision, now())
                .map_err(differs)?;
        let question = Question {
            phase: Phase::Negotiation,
            role: Role::Consumer,
            shared: &shared,
            consumer: &buyer.did,
            countries: &between,
            transfer: None,
            exchange: None,
        };
        let judged = self.judge(&question).await?;
        Ok(Preview {
            peer: peer.row.alias.clone(),
            name: peer.row.name.clone(),
            country: peer.row.country.clone(),
            dataset: ask.dataset,
            title: object!(listing.title),
            files: Some(listing.summary.files),
            bytes: Some(listing.summary.bytes),
            terms: Some(terms),
            purpose: ask.purpose,
            countries,
            out: ask.out,
            allowed: Some(judged.broken.is_none() && judged.result.allows()),
            decision: self.explain(&judged.row),
            peer_decision: "its catalog shows us this dataset; it decides over the deal when it is asked"
                .to_owned(),
            unsigned: false,
        })
    }
}

/// A plain peer says what it offers when it is asked: nothing can be judged before.
fn plain(peer: &PlainPeer, ask: Propose, countries: Vec<String>) -> Preview {
    Preview {
        peer: peer.row.alias.clone(),
        name: peer.row.name.clone(),
        country: peer.row.country.clone(),
        dataset: ask.dataset,
        title: object!({}),
        files: None,
        bytes: None,
        terms: None,
        purpose: ask.purpose,
        countries,
        out: ask.out,
        allowed: None,
        decision: None,
        peer_decision: "not known before it is asked, and never signed".to_owned(),
        unsigned: true,
    }
}
