//! Deciding: documents to the engine, records to the store, permits to the core (spec chapter 05; design: four points).
//!
//! Law is never judged here: the packs do that. What comes back is kept as bytes, so that anybody given the record, the
//! input and the packs can execute it again.

use std::collections::BTreeSet;

use naru_policy::{Engine, Evaluation, PeerView, ResultDoc, assemble};
use naru_protocol::{
    encoding::{Digest, Id},
    error::Code,
    exchange::Role,
    json,
    log::entry::Disclosure,
    permit::{EvaluationRecord, Expectation, Input, PeerAllow, Permit},
    terms::{Pack, Phase, Side, Terms},
};
use serde_json::{Value, json as object};

use super::{
    Node, NodeError,
    deal::Own,
    facts::{Host, PrivateFacts},
    now,
    peers::random_id,
};
use crate::store::{EvaluationRow, EvaluationSide, MAX_ROWS, PeerRow};

/// Seconds for which the operator's word about a peer's identity holds from the moment it is used.
const IDENTITY_HOLDS: u64 = 86_400;

/// What is judged.
pub(super) struct Question<'a> {
    pub(super) phase: Phase,
    pub(super) role: Role,
    pub(super) shared: &'a Value,
    /// DID of the consumer, whom private facts are about.
    pub(super) consumer: &'a str,
    /// Countries whose packs apply.
    pub(super) countries: &'a [&'a str],
    /// Whose signatures over the agreement were verified, and which transfer under it this is; none before there is one.
    pub(super) transfer: Option<(&'a [String], u32)>,
    /// The exchange that it is for; none at catalog.
    pub(super) exchange: Option<Id>,
}

/// What is asked beside a question about an agreement that was concluded.
#[derive(Default)]
pub(super) struct Running<'a> {
    /// Packs of the terms: while a newer one has its grace period, the pinned one judges (POL-18.7).
    pub(super) pinned: &'a [Pack],
    /// What was done under the agreement: the host's member `transfer` at `monitor`.
    pub(super) performed: Option<Value>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) row: EvaluationRow,
    pub(super) record: Vec<u8>,
    pub(super) result: ResultDoc,
    /// Of the law, as terms name them.
    pub(super) packs: Vec<Pack>,
    /// Our own, which no terms name (POL-16).
    pub(super) overlays: Vec<Pack>,
    pub(super) input: Input,
    /// Salted digest of the private part, as the decision names it.
    pub(super) private: Digest,
    pub(super) at: u64,
    /// Which lane of the registry a result that does not allow belongs to, and which pack failed how: for our side alone.
    pub(super) broken: Option<(Code, String)>,
}

impl Judged {
    /// The decision and its record, from a permit.
    pub(super) fn own(&self, permit: &Permit) -> Own {
        self.own_by(permit, super::approval::AUTO)
    }

    /// The same, approved by somebody (NEG-5.6).
    pub(super) fn own_by(&self, permit: &Permit, by: &str) -> Own {
        Own { decision: permit.decision(self.private, self.at, by.to_owned()), record: permit.record() }
    }

    /// Why it does not allow, in the words of the registry.
    pub(super) fn code(&self) -> Code {
        match &self.broken {
            Some((code, _)) => *code,
            None if self.result.deny.is_empty() => Code::Undetermined,
            None => Code::Denied,
        }
    }
}

pub(super) const fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Catalog => "catalog",
        Phase::Negotiation => "negotiation",
        Phase::Transfer => "transfer",
        Phase::Monitor => "monitor",
    }
}

const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Exporter => "exporter",
        Side::Importer => "importer",
    }
}

pub(in crate::node) fn packs_of(engine: &Engine) -> Result<Vec<Pack>, NodeError> {
    let pack = |p: &naru_policy::Pack| {
        let digest =
            Digest::parse(&p.digest).map_err(|_| NodeError::refused(Code::BundleDigest, p.name.clone()))?;
        Ok(Pack { name: p.name.clone(), digest })
    };
    engine.packs().map(pack).collect()
}

impl Node {
    /// The engine with the packs that a deal between these countries over this shared part needs.
    pub(super) fn engine_for(&self, countries: &[&str], shared: &Value) -> Engine {
        self.law().for_countries(countries).for_facts(shared)
    }

    /// The same for an agreement whose terms name these packs.
    pub(super) fn engine_over(
        &self,
        countries: &[&str],
        shared: &Value,
        pinned: &[Pack],
    ) -> Result<Engine, NodeError> {
        let law = self.engine_for(countries, shared);
        let graced = self.shelf.graced(&law, pinned, now());
        if graced.is_empty() { Ok(law) } else { Ok(law.with(graced)?) }
    }

    /// The newest packs that this node accepted.
    pub(super) fn law(&self) -> Engine {
        self.shelf.law()
    }

    /// The party whose identity rests on less than a compared fingerprint, and on what.
    async fn vouched(&self, question: &Question<'_>) -> Result<Option<(Role, &'static str)>, NodeError> {
        let (role, did) = match question.role {
            Role::Provider => (Role::Consumer, Some(question.consumer)),
            Role::Consumer => {
                (Role::Provider, question.shared.pointer("/provider/id").and_then(Value::as_str))
            }
        };
        let Some(did) = did else { return Ok(None) };
        if super::plain::is_plain(did) {
            return Ok(Some((role, "secret")));
        }
        let peer = self.peer(did).await?;
        Ok(peer.filter(|peer| !peer.confirmed).map(|_| (role, "ticket")))
    }

    /// What the sanctions list says about a consumer, by its id and, where it is a peer of ours, by its name (POL-15.1).
    async fn screen(&self, consumer: &str, at: u64) -> Result<Option<Value>, NodeError> {
        let peer = if super::plain::is_plain(consumer) { None } else { self.peer(consumer).await? };
        let name = peer.as_ref().map(|peer| peer.pinned.participant().name.clone());
        Ok(self.screened(consumer, name.as_deref(), at))
    }

    /// The parts of the input that are this side's own: what its operator knows, and what the node itself does, at this second.
    pub(super) async fn own_parts(
        &self,
        question: &Question<'_>,
        at: u64,
    ) -> Result<(Value, Value), NodeError> {
        let facts =
            PrivateFacts::read(&self.folder.facts()).map_err(|e| NodeError::refused(Code::PolicyInput, e))?;
        self.named_by_id(&facts).await?;
        let exporter = question.role == Role::Provider;
        let found = if exporter { self.screen(question.consumer, at).await? } else { None };
        let host = Host {
            phase: phase_word(question.phase),
            side: side_word(Side::of(question.role)),
            now: at,
            identity_until: at + IDENTITY_HOLDS,
            transfer: question.transfer,
            vouched: self.vouched(question).await?,
        };
        let mut private = facts.document(question.consumer, exporter, found);
        self.with_orders(&mut private, at);
        Ok((private, host.document()))
    }

    /// Refuses facts about a peer by its short name here: rules know ids, and would find nothing against anybody.
    async fn named_by_id(&self, facts: &PrivateFacts) -> Result<(), NodeError> {
        let named: BTreeSet<&str> = facts.unkeyed().collect();
        if named.is_empty() {
            return Ok(());
        }
        let peers = self.store.peers(None, MAX_ROWS).await?;
        let is_id = |name: &str| peers.iter().any(|peer| peer.did == name);
        match peers.iter().find(|peer| named.contains(peer.alias.as_str()) && !is_id(&peer.alias)) {
            None => Ok(()),
            Some(PeerRow { alias, did, .. }) => {
                let place = self.folder.facts();
                let why = format!("{alias} is a short name that only this node knows: write its id, {did}");
                Err(NodeError::refused(Code::PolicyInput, format!("{}: {why}", place.display())))
            }
        }
    }

    /// Asks the packs. An engine that breaks gives a result that does not allow.
    pub(super) async fn judge(&self, question: &Question<'_>) -> Result<Judged, NodeError> {
        self.judge_running(question, Running::default()).await
    }

    /// The same about what was concluded.
    pub(super) async fn judge_running(
        &self,
        question: &Question<'_>,
        running: Running<'_>,
    ) -> Result<Judged, NodeError> {
        let at = now();
        let side = Side::of(question.role);
        let (private, mut host) = self.own_parts(question, at).await?;
        if let Some(performed) = running.performed {
            host["transfer"] = performed;
        }
        let engine = self.asked_for(question.countries, question.shared, running.pinned)?;
        let input = assemble(engine.packs(), question.shared, &private, &host)
            .map_err(|e| NodeError::refused(Code::PolicyInput, e.to_string()))?;
        let packs = (packs_of(&engine)?, self.overlays_of(&engine)?);
        let asked = engine.clone();
        // As many at once as there are cores; the others wait in the order in which they came.
        let turn =
            self.judging.acquire().await.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?;
        let outcome = tokio::task::spawn_blocking(move || asked.evaluate(&input)).await;
        drop(turn);
        let outcome = outcome.map_err(|e| NodeError::refused(Code::PolicyBroken, e.to_string()))?;
        let (result, broken) = self.decided(&engine, question.phase, outcome);
        self.record(question, side, (private, host), packs, result, broken, at)
    }

    /// The result of an evaluation, counted. One that broke is told to the operator and gives a result that does not allow.
    pub(super) fn decided(
        &self,
        engine: &Engine,
        phase: Phase,
        outcome: Evaluation,
    ) -> (ResultDoc, Option<(Code, String)>) {
        let (result, broken) = match outcome {
            Evaluation::Decided(result) => (result, None),
            Evaluation::Broken { code, reason } => {
                tracing::error!(code = code.as_str(), %reason, "policy is broken: this blocks");
                (nothing(engine, phase), Some((Code::PolicyBroken, format!("{}: {reason}", code.as_str()))))
            }
        };
        self.counters.decided(phase_word(phase), &result, broken.is_some());
        (result, broken)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one record")]
    fn record(
        &self,
        question: &Question<'_>,
        side: Side,
        (private, host): (Value, Value),
        (packs, overlays): (Vec<Pack>, Vec<Pack>),
        result: ResultDoc,
        broken: Option<(Code, String)>,
        at: u64,
    ) -> Result<Judged, NodeError> {
        // The private part is small and guessable: its digest is that of a salted disclosure under a node-only key.
        let msg = random_id()?;
        let salt = self.node_key().salt(&msg, "input_private");
        let shown = Disclosure::new(&salt, "input_private", private.clone())
            .map_err(|e| NodeError::refused(Code::PolicyInput, e.to_string()))?;
        let salted = shown.digest();
        let input = Input { shared: json::digest_of(question.shared)?, private: salted };
        let record = EvaluationRecord {
            v: json::V1,
            input,
            packs: packs.clone(),
            phase: question.phase,
            side,
            result: json::from_value(json::parse(&result.canonical())?)?,
        }
        .to_bytes()?;
        let parts = object!({"private": private, "host": host, "disclosure": shown.text(), "at": at});
        let row = EvaluationRow {
            digest: Digest::of(&record),
            exchange: question.exchange,
            record: record.clone(),
            shared: String::from_utf8(json::canonical(question.shared)?).unwrap_or_default(),
            private: parts.to_string(),
            phase: phase_word(question.phase).to_owned(),
            side: match side {
                Side::Exporter => EvaluationSide::Exporter,
                Side::Importer => EvaluationSide::Importer,
            },
            created: at,
        };
        let packs = packs.into_iter().filter(|pack| !overlays.contains(pack)).collect();
        Ok(Judged { row, record, result, packs, overlays, input, private: salted, at, broken })
    }

    /// A permit over terms under negotiation, from a record that was just made.
    pub(super) fn permit(
        &self,
        judged: &Judged,
        terms: &Terms,
        role: Role,
        peer: Option<PeerAllow>,
    ) -> Result<Permit, NodeError> {
        let expect = Expectation::negotiation(terms, role, judged.private)?;
        let mut expect = judged.overlays.iter().cloned().fold(expect, Expectation::with_overlay);
        if let Some(peer) = peer {
            expect = expect.with_peer(peer);
        }
        Permit::check(&judged.record, &expect).map_err(|e| NodeError::refused(e.code(), e.to_string()))
    }

    /// The permit of a record that is kept, once more and now with the peer's signed allow. Overlays that were asked then stand in
    /// the record beside the packs of the terms; those of today are asked when data are to move.
    pub(super) fn permit_again(
        &self,
        record: &[u8],
        terms: &Terms,
        role: Role,
        private: Digest,
        peer: PeerAllow,
    ) -> Result<Permit, NodeError> {
        let kept = EvaluationRecord::parse(record)?;
        let beside =
            kept.packs.into_iter().filter(|pack| terms.packs.iter().all(|agreed| agreed.name != pack.name));
        let expect = Expectation::negotiation(terms, role, private)?.with_peer(peer);
        let expect = beside.fold(expect, Expectation::with_overlay);
        Permit::check(record, &expect).map_err(|e| NodeError::refused(e.code(), e.to_string()))
    }

    /// A permit to move bytes under concluded terms.
    pub(super) fn permit_transfer(
        &self,
        judged: &Judged,
        terms: &Terms,
        role: Role,
        peer: Option<PeerAllow>,
    ) -> Result<Permit, NodeError> {
        let expect = Expectation::transfer(terms, role, judged.input, judged.packs.clone())?;
        let mut expect = judged.overlays.iter().cloned().fold(expect, Expectation::with_overlay);
        if let Some(peer) = peer {
            expect = expect.with_peer(peer);
        }
        Permit::check(&judged.record, &expect).map_err(|e| NodeError::refused(e.code(), e.to_string()))
    }

    /// What the peer may learn of a result that does not allow.
    pub(super) fn peer_reasons(&self, judged: &Judged) -> Vec<String> {
        let view =
            if judged.broken.is_some() { PeerView::generic() } else { self.law().for_peer(&judged.result) };
        view.rules
    }

    /// The operator's own view of a stored evaluation: result, and for each finding the rule, the law and the way out.
    pub(super) fn explain(&self, row: &EvaluationRow) -> Option<Value> {
        let record = EvaluationRecord::parse(&row.record).ok()?;
        let result: ResultDoc = serde_json::from_value(record.result.clone()).ok()?;
        let engine = self.overlays.beside(&self.law()).ok()?;
        let explained = crate::remedies::explained(&engine, &result);
        Some(object!({
            "record": row.digest, "phase": row.phase, "side": row.side.as_str(), "result": record.result,
            "explained": explained,
        }))
    }
}

/// The result of an engine that gave none: it allows nothing and names its packs.
fn nothing(engine: &Engine, phase: Phase) -> ResultDoc {
    let catalog = phase == Phase::Catalog;
    ResultDoc {
        allow: (!catalog).then_some(false),
        visible: catalog.then_some(false),
        deny: Vec::new(),
        undetermined: Vec::new(),
        delegated: Vec::new(),
        obligations: Vec::new(),
        basis: Vec::new(),
        packs: engine.packs().map(naru_policy::Pack::reference).collect(),
    }
}
