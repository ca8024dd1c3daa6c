//! Catalogs: what a peer may see of ours, and what we see of a peer's (spec chapter 04).
//!
//! A catalog request is a read, decided on the pinned participant statement: a dataset that policy does not show is not
//! there. One dataset that cannot be judged never breaks the catalog; it is left out and said in our own log.

mod decisions;
mod shelf;

use std::sync::Arc;

use hyper::{HeaderMap, header};
use naru_policy::ResultDoc;
use naru_protocol::{
    act::{Method, Path},
    dsp::{
        Message as _,
        catalog::{Catalog, CatalogRequestMessage, DataService, Dataset},
        odrl::Offer,
    },
    encoding::Digest,
    error::Code,
    identity::{KeyRing, Role},
    json, limits,
    terms::{Phase, first_difference},
};
use serde_json::{Value, json as object};

use self::{
    decisions::Decisions,
    shelf::{Place, Places, Shelf},
};
use super::{
    Node, NodeError,
    facts::{self, Party},
    inbound::Reply,
    link::{Answered, refusal},
    me,
    peers::Peer,
    policy::Question,
    proposal::Listed,
    route::{AFTER, DSP},
    verbs::{CatalogItem, PeerName},
};
use crate::store::{Batch, DatasetRow, MAX_ROWS};

/// Where catalogs are asked for.
const REQUEST: &str = "/catalog/request";
/// Pages that are read of one catalog.
const PAGES: usize = 1000;
/// Bytes of datasets on one page; what is around them needs the rest of a message.
const CATALOG_BYTES: usize = limits::MESSAGE - 8 * 1024;
/// Bytes of datasets that are kept in memory to be shown again.
const SHELF_BYTES: usize = 96 << 20;
/// Decisions that are remembered, each some hundred bytes.
const DECISIONS: usize = 200_000;
/// How the data travel between two nodes of this profile.
pub(super) const FORMAT: &str = "DXP-PULL";

/// Who looks at our catalog, and how much of it.
pub(super) struct Page {
    buyer: Party,
    service: DataService,
    signs: bool,
    /// Datasets that are passed over before the first.
    pub(super) skip: usize,
    /// Datasets on a page.
    pub(super) limit: usize,
    /// Datasets shown so far.
    pub(super) taken: usize,
}

/// A page on its way.
#[derive(Default)]
struct Filled {
    /// The last dataset that was looked at.
    at: Option<String>,
    /// Datasets as they stand in a catalog, with a comma after each but the last.
    datasets: Vec<u8>,
    shown: usize,
    full: bool,
    /// Nothing comes after it.
    whole: bool,
}

impl Filled {
    /// Takes the next dataset up or passes it over; false where it has no room.
    fn take(&mut self, page: &mut Page, place: Place, seen: bool) -> bool {
        if let Some(offered) = place.offered.filter(|_| seen) {
            if page.skip > 0 {
                page.skip -= 1;
            } else {
                match offered.written(&page.service, page.signs) {
                    Ok(bytes) => {
                        let more = bytes.len() + 1;
                        if self.shown > 0 && self.datasets.len() + more > CATALOG_BYTES {
                            self.full = true;
                            return false;
                        }
                        if self.shown > 0 {
                            self.datasets.push(b',');
                        }
                        self.datasets.extend_from_slice(&bytes);
                        self.shown += 1;
                    }
                    // CAT-7.5: one that cannot be shown never breaks the others.
                    Err(error) => tracing::error!(dataset = %place.id, %error, "left out of the catalog"),
                }
            }
        }
        self.at = Some(place.id);
        self.full = self.shown == page.limit;
        true
    }
}

/// A catalog with datasets that are written already: the bytes that it would have with them in it.
fn written(catalog: &Catalog, datasets: &[u8]) -> Result<Vec<u8>, NodeError> {
    let Value::Object(members) =
        catalog.to_value().map_err(|e| NodeError::refused(e.code(), e.to_string()))?
    else {
        return Err(NodeError::refused(Code::Internal, "a catalog is no object"));
    };
    let mut members: Vec<_> = members.iter().map(|(name, value)| (name.as_str(), Some(value))).collect();
    if !datasets.is_empty() {
        members.push(("dataset", None));
    }
    // JCS: by name.
    members.sort_unstable_by_key(|(name, _)| *name);
    let mut out = Vec::with_capacity(datasets.len() + 4096);
    for (name, value) in members {
        out.push(if out.is_empty() { b'{' } else { b',' });
        out.extend(json::to_canonical(name)?);
        out.push(b':');
        match value {
            Some(value) => out.extend(json::canonical(value)?),
            None => out.extend([b"[", datasets, b"]"].concat()),
        }
    }
    out.push(b'}');
    Ok(out)
}

/// What is remembered of our own catalog.
#[derive(Default)]
pub(super) struct Catalogs {
    shelf: Shelf,
    decisions: Decisions,
}

impl Page {
    pub(super) const fn of(buyer: Party, service: DataService, signs: bool) -> Self {
        Self { buyer, service, signs, skip: 0, limit: limits::CATALOG_PAGE, taken: 0 }
    }
}

impl Node {
    /// `POST /catalog/request`: the page behind a dataset, or the first one (CAT-7.7).
    pub(super) async fn catalog_for(
        &self,
        peer: &Peer,
        after: Option<&str>,
        content: &[u8],
    ) -> Result<Reply, NodeError> {
        let ask =
            CatalogRequestMessage::parse(content).map_err(|e| NodeError::refused(e.code(), e.to_string()))?;
        if !ask.filter.is_empty() {
            return Err(NodeError::refused(Code::Malformed, "no filter is supported"));
        }
        let mut page = Page::of(me::party(peer.pinned.participant()), self.service(self.me.callback()), true);
        self.catalog_page(after, &mut page).await
    }

    /// One page of our catalog.
    pub(super) async fn catalog_page(
        &self,
        after: Option<&str>,
        page: &mut Page,
    ) -> Result<Reply, NodeError> {
        let asker = self.asker_or_none(&page.buyer).await;
        let mut filled = Filled { at: after.map(str::to_owned), whole: asker.is_none(), ..Filled::default() };
        let mut looked_at = 0;
        while let Some(asker) = &asker
            && !filled.full
            && !filled.whole
            && looked_at < MAX_ROWS as usize
        {
            let most = (page.limit - filled.shown + page.skip).min(limits::CATALOG_PAGE);
            let Places { places, last } = self.places(filled.at.as_deref(), most).await?;
            looked_at += places.len();
            let seen = self.sees(asker, places.iter().map(|place| place.offered.clone()).collect()).await?;
            filled.whole = last;
            for (place, seen) in places.into_iter().zip(seen) {
                if filled.full || !filled.take(page, place, seen) {
                    // What is left of these is for the next page.
                    filled.whole = false;
                    break;
                }
            }
        }
        let next = filled.at.filter(|_| !filled.whole).map(|id| format!("{DSP}{REQUEST}?{AFTER}{id}"));
        page.taken += filled.shown;
        let mut catalog = Catalog::new(format!("{}#catalog", self.me.did), self.me.did.to_string());
        catalog.service.push(page.service.clone());
        Ok(Reply { next, ..Reply::ok(written(&catalog, &filled.datasets)?) })
    }

    /// `GET /catalog/datasets/:id`.
    pub(super) async fn dataset_for(&self, peer: &Peer, id: &str) -> Result<Vec<u8>, NodeError> {
        let none = || NodeError::refused(Code::DatasetNotOffered, "");
        let row = self.store.dataset(id, None).await?.filter(|d| !d.withdrawn).ok_or_else(none)?;
        let (buyer, service) = (me::party(peer.pinned.participant()), self.service(self.me.callback()));
        let shown = self.shown(&buyer, &row, &service, true).await?.ok_or_else(none)?;
        shown.to_bytes().map_err(|e| NodeError::refused(e.code(), e.to_string()))
    }

    /// Our one service, at the address that whoever asks reaches it by.
    pub(super) fn service(&self, endpoint_url: String) -> DataService {
        DataService {
            id: format!("{}#dsp", self.me.did),
            kind: Default::default(),
            endpoint_url,
            endpoint_description: Some("dspace:connector".to_owned()),
        }
    }

    /// A dataset as this participant may see it, with its signed listing for who reads one; none if policy does not show it.
    pub(super) async fn shown(
        &self,
        buyer: &Party,
        row: &DatasetRow,
        service: &DataService,
        signs: bool,
    ) -> Result<Option<Dataset>, NodeError> {
        let offered = Arc::new(self.offered(row)?);
        let Some(asker) = self.asker_or_none(buyer).await else { return Ok(None) };
        let seen = self.sees(&asker, vec![Some(offered.clone())]).await?;
        if seen == [true] { offered.dataset(service, signs).map(Some) } else { Ok(None) }
    }

    /// Whether a peer sees a dataset of ours about which policy says this (POL-20.1): what it could get, and what it perhaps could
    /// only where the operator wants that.
    fn shows(&self, result: &ResultDoc) -> bool {
        // What terms ask is mostly said by the proposal: purpose, places, time. What they refuse whoever asks counts.
        let decided = !result.undetermined.iter().any(|finding| !self.is_of_terms(&finding.id))
            || self.shows_undetermined.get() == Some(&true);
        result.visible == Some(true) && decided
    }

    /// Whether a rule says what terms mean, and not what the law says.
    fn is_of_terms(&self, id: &str) -> bool {
        self.law().packs().any(|pack| pack.interprets() && pack.rules.contains_key(id))
    }

    /// What our own policy says about a dataset of a peer, at the first of the four points.
    pub(super) async fn visible(
        &self,
        dataset: &str,
        (facts, terms): (&Value, Option<Value>),
        (seller, buyer): (&Party, &Party),
    ) -> Value {
        let countries = [seller.country.as_str(), buyer.country.as_str()];
        let shared = facts::known(facts, terms, seller, buyer);
        let question = Question {
            phase: Phase::Catalog,
            role: Role::Consumer,
            shared: &shared,
            consumer: &buyer.did,
            countries: &countries,
            transfer: None,
            exchange: None,
        };
        let judged = match self.judge(&question).await {
            Ok(judged) => judged,
            Err(error) => {
                tracing::error!(%dataset, %error, "not shown: it cannot be judged");
                return object!({"visible": false});
            }
        };
        let visible = judged.broken.is_none() && judged.result.visible == Some(true);
        let mut view = self.explain(&judged.row).unwrap_or_default();
        // What terms leave open until somebody asks is nothing to explain here.
        let open = |id: &str| {
            judged.result.undetermined.iter().any(|finding| finding.id == id) && self.is_of_terms(id)
        };
        if let Some(list) = view["explained"].as_array_mut() {
            list.retain(|found| !found["id"].as_str().is_some_and(&open));
        }
        object!({"visible": visible, "result": view["result"], "explained": view["explained"]})
    }

    /// Reads a peer's catalog, verifies every listing, judges it by our own policy, and remembers the listings.
    pub async fn fetch_catalog(&self, ask: PeerName) -> Result<Vec<CatalogItem>, NodeError> {
        if let Some(peer) = self.plain_named(&ask.peer).await? {
            return self.fetch_plain_catalog(&peer).await;
        }
        let peer = self.named(&ask.peer).await?;
        let (seller, buyer) = (me::party(peer.pinned.participant()), self.as_consumer());
        let mut items = Vec::new();
        for (id, listed) in self.read_catalog(&peer).await? {
            let listing = &listed.listing;
            let parties = (&seller, &buyer);
            let said = (&listing.facts, facts::terms_beyond(&listing.policy));
            let decision = self.visible(&listing.dataset, said, parties).await;
            let (terms, not_understood) = match facts::offered(&listing.policy) {
                Ok(terms) => (Some(terms), None),
                Err(why) => (None, Some(why)),
            };
            items.push(CatalogItem {
                reference: format!("{}/{id}", peer.row.alias),
                dataset: id,
                version: listing.version,
                title: object!(listing.title),
                files: listing.summary.files,
                bytes: listing.summary.bytes,
                media: object!(listing.summary.media),
                listing: listed.digest.to_string(),
                unsigned: false,
                terms,
                not_understood,
                offer: listing.policy.clone(),
                decision,
            });
        }
        Ok(items)
    }

    /// All pages of a peer's catalog (CAT-7.8).
    async fn read_catalog(&self, peer: &Peer) -> Result<Vec<(String, Listed)>, NodeError> {
        let (mut found, mut at) = (Vec::new(), Some(REQUEST.to_owned()));
        let mut pages = 0;
        while let Some(path) = at.take() {
            let (page, next) = self.read_page(peer, &path).await?;
            found.extend(page);
            pages += 1;
            // Pages may be empty, and their number is the peer's choice.
            if found.len() < limits::CATALOG && pages < PAGES {
                at = next;
            } else if next.is_some() {
                tracing::warn!(peer = %peer.did(), datasets = found.len(), "the catalog goes on; the rest is not read");
            }
        }
        found.truncate(limits::CATALOG);
        Ok(found)
    }

    /// One page, and the path of the next.
    async fn read_page(
        &self,
        peer: &Peer,
        path: &str,
    ) -> Result<(Vec<(String, Listed)>, Option<String>), NodeError> {
        let body = CatalogRequestMessage { filter: Vec::new() }
            .to_bytes()
            .map_err(|e| NodeError::refused(e.code(), e.to_string()))?;
        let path = Path::parse(path).map_err(|e| NodeError::refused(Code::AnswerMalformed, e.to_string()))?;
        let Answered { status, body, headers } = self.read(peer, Method::Post, DSP, path, body).await?;
        if status != 200 {
            return Err(refusal(status, &body));
        }
        let (catalog, left_out) = Catalog::parse_each(&body)
            .map_err(|e| NodeError::refused(Code::AnswerMalformed, e.to_string()))?;
        if left_out > 0 {
            tracing::warn!(peer = %peer.did(), left_out, "malformed datasets in the peer's catalog");
        }
        let found: Vec<_> =
            catalog.dataset.into_iter().filter_map(|dataset| offered(dataset, peer.pinned.ring())).collect();
        self.remember(&found).await?;
        Ok((found, next_page(&headers)))
    }

    /// Keeps the listings that were read: a proposal of the peer names one of them (CAT-7.6).
    async fn remember(&self, found: &[(String, Listed)]) -> Result<(), NodeError> {
        let meta = found.iter().map(|(_, l)| (format!("listing:{}", l.digest), l.jws.clone())).collect();
        self.store.commit(Batch { meta, ..Batch::default() }).await?;
        Ok(())
    }

    /// A listing that we read in some catalog, by its digest.
    pub(super) async fn seen_listing(&self, digest: Digest) -> Result<Option<String>, NodeError> {
        Ok(self.store.meta(&format!("listing:{digest}")).await?)
    }

    /// The newest listing of a peer's dataset.
    pub(super) async fn listing_of(&self, peer: &Peer, dataset: &str) -> Result<Listed, NodeError> {
        let none = || NodeError::refused(Code::DatasetNotOffered, dataset);
        let path = format!("/catalog/datasets/{dataset}");
        let path = Path::parse(&path).map_err(|_| none())?;
        let Answered { status, body, .. } = self.read(peer, Method::Get, DSP, path, Vec::new()).await?;
        if status != 200 {
            return Err(refusal(status, &body));
        }
        let shown =
            Dataset::parse(&body).map_err(|e| NodeError::refused(Code::AnswerMalformed, e.to_string()))?;
        let found = offered(shown, peer.pinned.ring()).filter(|(id, _)| id == dataset).ok_or_else(none)?;
        self.remember(std::slice::from_ref(&found)).await?;
        Ok(found.1)
    }
}

/// What a dataset in a catalog offers; none if its listing does not verify or says something else (CAT-7.4).
fn offered(dataset: Dataset, ring: &KeyRing) -> Option<(String, Listed)> {
    let dxp = dataset.dxp?;
    match Listed::read(&dxp.listing, ring) {
        Ok(listed)
            if listed.listing.dataset == dataset.id
                && is_offer_of(&dataset.has_policy, &listed.listing.policy) =>
        {
            Some((dataset.id, listed))
        }
        Ok(_) | Err(_) => {
            tracing::warn!(dataset = %dataset.id, "refused: the listing does not verify or says something else");
            None
        }
    }
}

/// Where the next page is, by a `Link` header.
pub(super) fn next_link(headers: &HeaderMap) -> Option<&str> {
    let links = headers.get_all(header::LINK).into_iter().filter_map(|value| value.to_str().ok());
    let mut next = links.filter_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        parameters.split(';').any(|p| p.trim() == "rel=\"next\"").then_some(target)
    });
    next.next()
}

/// The path of the next page, if it is one of this catalog.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let path = next_link(headers)?.strip_prefix(DSP)?;
    path.strip_prefix(REQUEST)?.starts_with('?').then(|| path.to_owned())
}

/// Whether a dataset carries the policy of its listing as its offer, and no other.
fn is_offer_of(offers: &[Offer], policy: &Value) -> bool {
    !offers.is_empty() && offers.iter().all(|offer| first_difference(offer.value(), policy).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(id: &str) -> Dataset {
        let offer =
            object!({"@id": format!("{id}#offer"), "@type": "Offer", "permission": [{"action": "use"}]});
        let bytes = object!({
            "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@id": id, "@type": "Dataset", "hasPolicy": [offer],
            "distribution": [{"@type": "Distribution", "format": FORMAT, "accessService": "urn:example:service"}]
        });
        Dataset::parse(bytes.to_string().as_bytes()).unwrap()
    }

    /// CAT-7.3: what is put together from parts that were written before is what would be written now.
    #[test]
    fn a_catalog_of_written_datasets_is_the_catalog() {
        let mut catalog = Catalog::new("urn:example:catalog".to_owned(), "did:example:us".to_owned());
        assert_eq!(written(&catalog, b"").unwrap(), catalog.to_bytes().unwrap());
        let datasets = ["urn:example:a", "urn:example:b"].map(dataset);
        let bytes = datasets.each_ref().map(|dataset| json::to_canonical(dataset).unwrap());
        let together = written(&catalog, &bytes.join(&b',')).unwrap();
        catalog.dataset = datasets.to_vec();
        assert_eq!(
            String::from_utf8(together).unwrap(),
            String::from_utf8(catalog.to_bytes().unwrap()).unwrap()
        );
    }
}
