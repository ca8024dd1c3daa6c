//! Catalogs between us and plain peers: ours without signed listings, theirs without any (spec chapter 13, PLN-9).

use naru_protocol::{
    dsp::{
        Message as _,
        catalog::{Catalog, CatalogRequestMessage, Dataset},
        odrl::Offer,
    },
    error::Code,
    exchange::Role,
    limits,
};
use serde_json::{Value, json as object};

use super::{offer, peers::PlainPeer};
use crate::node::{
    Node, NodeError,
    catalog::{self, Page},
    facts,
    inbound::Reply,
    link::refusal,
    route::{AFTER, DSP},
    verbs::CatalogItem,
};

/// Pages that are read of one catalog.
const PAGES: usize = 1000;
/// The query that Eclipse connectors send as their filter.
const QUERY: &str = "QuerySpec";

/// What a catalog request narrows down to: datasets passed over and taken. Any other filter is refused, since leaving it
/// unheard would show what was not asked for.
fn window(filter: &[Value]) -> Result<(usize, usize), NodeError> {
    let unsupported = || {
        NodeError::refused(Code::Malformed, "/filter: only a QuerySpec with offset and limit is supported")
    };
    let [query] = filter else {
        return if filter.is_empty() { Ok((0, limits::CATALOG_PAGE)) } else { Err(unsupported()) };
    };
    let empty = |name: &str| query.get(name).is_none_or(|value| value.as_array().is_some_and(Vec::is_empty));
    let number = |name: &str, otherwise: usize| {
        query.get(name).map_or(Some(otherwise), |v| v.as_u64().and_then(|n| usize::try_from(n).ok()))
    };
    let is_query = query.get("@type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with(QUERY));
    if !is_query || !empty("filterExpression") {
        return Err(unsupported());
    }
    let (offset, limit) = (number("offset", 0), number("limit", limits::CATALOG_PAGE));
    let (offset, limit) = offset.zip(limit).ok_or_else(unsupported)?;
    Ok((offset.min(limits::CATALOG), limit.clamp(1, limits::CATALOG_PAGE)))
}

impl Node {
    /// `POST /catalog/request` of a plain peer.
    pub(super) async fn catalog_for_plain(
        &self,
        peer: &PlainPeer,
        after: Option<&str>,
        content: &[u8],
    ) -> Result<Reply, NodeError> {
        let ask =
            CatalogRequestMessage::parse(content).map_err(|e| NodeError::refused(e.code(), e.to_string()))?;
        let (offset, limit) = window(&ask.filter)?;
        let base = self.base_for(peer)?;
        let mut page = Page::of(peer.party(), self.service(base.clone()), false);
        (page.skip, page.limit) = (offset, limit);
        if ask.filter.is_empty() {
            let reply = self.catalog_page(after, &mut page).await?;
            // The link is for this peer, with its own base.
            let next = reply.next.map(|path| path.replacen(DSP, &base, 1));
            return Ok(Reply { next, ..reply });
        }
        let mut at = after.map(str::to_owned);
        loop {
            let reply = self.catalog_page(at.as_deref(), &mut page).await?;
            let next =
                reply.next.as_ref().and_then(|path| path.split_once(AFTER).map(|(_, id)| id.to_owned()));
            if page.taken > 0 || next.is_none() {
                return Ok(Reply { next: None, ..reply });
            }
            at = next;
        }
    }

    /// `GET /catalog/datasets/:id` of a plain peer.
    pub(super) async fn dataset_for_plain(&self, peer: &PlainPeer, id: &str) -> Result<Vec<u8>, NodeError> {
        self.shown_to_plain(peer, id)
            .await?
            .to_bytes()
            .map_err(|e| NodeError::refused(e.code(), e.to_string()))
    }

    /// A dataset as a plain peer may see it.
    pub(super) async fn shown_to_plain(&self, peer: &PlainPeer, id: &str) -> Result<Dataset, NodeError> {
        let none = || NodeError::refused(Code::DatasetNotOffered, "");
        let row = self.store.dataset(id, None).await?.filter(|d| !d.withdrawn).ok_or_else(none)?;
        let service = self.service(self.base_for(peer)?);
        self.shown(&peer.party(), &row, &service, false).await?.ok_or_else(none)
    }

    /// Reads the catalog of a plain peer and judges each offer by our own policy.
    pub(in crate::node) async fn fetch_plain_catalog(
        &self,
        peer: &PlainPeer,
    ) -> Result<Vec<CatalogItem>, NodeError> {
        let mut items = Vec::new();
        for (dataset, offers) in self.read_plain_catalog(peer).await? {
            let (seller, buyer) = self.plain_parties(peer, Role::Consumer);
            let known = object!({"id": dataset});
            let decision = self.visible(&dataset, (&known, None), (&seller, &buyer)).await;
            for offer in offers {
                let read = facts::offered_by_plain(&offer::rules(offer.value()));
                let (terms, not_understood) = match read {
                    Ok(terms) => (Some(terms), None),
                    Err(why) => (None, Some(why)),
                };
                items.push(CatalogItem {
                    reference: format!("{}/{dataset}", peer.row.alias),
                    dataset: dataset.clone(),
                    version: 0,
                    title: object!({}),
                    files: 0,
                    bytes: 0,
                    media: object!({}),
                    listing: String::new(),
                    unsigned: true,
                    terms,
                    not_understood,
                    offer: offer.value().clone(),
                    decision: decision.clone(),
                });
            }
        }
        Ok(items)
    }

    /// All pages of a plain peer's catalog: each dataset with its offers.
    pub(super) async fn read_plain_catalog(
        &self,
        peer: &PlainPeer,
    ) -> Result<Vec<(String, Vec<Offer>)>, NodeError> {
        let body = CatalogRequestMessage { filter: Vec::new() }
            .to_bytes()
            .map_err(|e| NodeError::refused(e.code(), e.to_string()))?;
        let (mut found, mut at) = (Vec::new(), Some(format!("{}/catalog/request", peer.record.base)));
        let mut pages = 0;
        while let Some(url) = at.take() {
            let answered = self.plain_send(peer, "POST", &url, body.clone()).await?;
            if answered.status != 200 {
                return Err(refusal(answered.status, &answered.body));
            }
            let (page, left_out) = Catalog::parse_each(&answered.body)
                .map_err(|e| NodeError::refused(Code::AnswerMalformed, e.to_string()))?;
            if page.participant_id != peer.id() {
                let why = "the catalog is another participant's than the one recorded";
                return Err(NodeError::refused(Code::AnswerMalformed, why));
            }
            if left_out > 0 {
                tracing::warn!(peer = %peer.row.alias, left_out, "malformed datasets in the peer's catalog");
            }
            found.extend(page.dataset.into_iter().map(|dataset| (dataset.id, dataset.has_policy)));
            pages += 1;
            if found.len() < limits::CATALOG && pages < PAGES {
                at = catalog::next_link(&answered.headers).and_then(|link| peer.follow(link));
            }
        }
        found.truncate(limits::CATALOG);
        Ok(found)
    }
}
