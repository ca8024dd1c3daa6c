//! Why a dataset may or may not move between this node and a peer, now: the real packs over the real facts, for a deal that
//! nobody proposed (spec chapter 05, POL-11).
//!
//! Asks as this side would at each point: may it be seen, may it be agreed, may it move. What only the other side decides is
//! named as that and not guessed. Nothing is logged, signed or kept; for a dataset of the peer its listing is read.

use naru_policy::{Lang, ResultDoc};
use naru_protocol::{
    error::Code,
    exchange::Role,
    terms::{Phase, Side},
};
use serde_json::{Value, json as object};

use super::{
    Node, NodeError, country,
    facts::{self, Party, Use},
    me, now,
    peers::Peer,
    policy::{Judged, Question, phase_word},
    proposal::Listed,
    replay,
    verbs::{Approval, Explain, Explained},
};
use crate::remedies;

/// What nobody here can know.
const OTHERS: [&str; 2] = [
    "Whether the other side allows it by its own facts, and whether a person there agrees, only the other side can say.",
    "상대 쪽이 자기 사실에 비추어 허용하는지, 그쪽 담당자가 동의하는지는 상대만 답할 수 있습니다.",
];

/// A deal that nobody proposed.
pub(super) struct Case {
    /// Our part.
    pub(super) role: Role,
    pub(super) seller: Party,
    pub(super) buyer: Party,
    /// What the data are.
    pub(super) facts: Value,
    /// The terms in normal form, where they say more than `contract` does.
    pub(super) terms: Option<Value>,
    /// The document that policy would be asked about, or why there is none.
    pub(super) shared: Result<Value, String>,
    pub(super) purpose: Option<String>,
    pub(super) countries: Vec<String>,
    pub(super) approval: Approval,
    /// What stands against it before any rule.
    pub(super) obstacles: Vec<String>,
    /// The peer signs its decisions.
    pub(super) signs: bool,
}

impl Node {
    /// Why a peer would get a dataset of ours, or we one of its.
    pub async fn explain_deal(&self, ask: Explain) -> Result<Explained, NodeError> {
        country::known(&ask.countries)?;
        let (alias, case) = match self.plain_named(&ask.peer).await? {
            Some(peer) => (peer.row.alias.clone(), self.plain_case(&peer, &ask).await?),
            None => {
                if ask.facts.is_some() || ask.keep_days.is_some() {
                    let why =
                        "this peer declares and signs itself what its data are and how long they may be kept";
                    return Err(NodeError::refused(Code::ArgumentInvalid, why));
                }
                let peer = self.named(&ask.peer).await?;
                (peer.row.alias.clone(), self.signed_case(&peer, &ask).await?)
            }
        };
        self.explained(alias, ask.dataset, case).await
    }

    async fn signed_case(&self, peer: &Peer, ask: &Explain) -> Result<Case, NodeError> {
        let own = self.store.dataset(&ask.dataset, None).await?;
        let them = me::party(peer.pinned.participant());
        let mut obstacles = Vec::new();
        let (role, listed, approval) = match own {
            Some(row) => {
                if row.withdrawn {
                    obstacles.push("it was withdrawn: no new deal about it is taken up".to_owned());
                }
                (Role::Provider, Listed::read(&row.listing, &self.me.ring)?, row.approval.into())
            }
            // What we ask for needs nobody else of ours: asking is a person's word.
            None => (Role::Consumer, self.listing_of(peer, &ask.dataset).await?, Approval::Auto),
        };
        let (seller, buyer) = match role {
            Role::Provider => (self.me.party(), them),
            Role::Consumer => (them, self.as_consumer()),
        };
        let listing = listed.listing;
        let at = now();
        obstacles.extend(listing.holds_at(at).err().map(|e| e.to_string()));
        let offered = facts::offered(&listing.policy);
        let first = offered.as_ref().ok().and_then(|terms| terms.purposes.first().cloned());
        let purpose = ask.purpose.clone().or(first);
        let countries =
            if ask.countries.is_empty() { vec![buyer.country.clone()] } else { ask.countries.clone() };
        let wanted = Use { purpose: purpose.clone().unwrap_or_default(), countries: countries.clone() };
        let revision = self.revision(&[seller.country.as_str(), buyer.country.as_str()]);
        let shared = facts::shared(&listing.facts, &listing.policy, &seller, &buyer, &wanted, &revision, at);
        let (facts, terms) = (listing.facts, facts::terms_beyond(&listing.policy));
        Ok(Case {
            role,
            seller,
            buyer,
            facts,
            terms,
            shared,
            purpose,
            countries,
            approval,
            obstacles,
            signs: true,
        })
    }

    async fn explained(&self, peer: String, dataset: String, case: Case) -> Result<Explained, NodeError> {
        let known = facts::known(&case.facts, case.terms.clone(), &case.seller, &case.buyer);
        let mut obstacles = case.obstacles.clone();
        let mut asked = vec![(Phase::Catalog, known)];
        match &case.shared {
            Ok(shared) => {
                asked.extend([Phase::Negotiation, Phase::Transfer].map(|phase| (phase, shared.clone())));
            }
            Err(why) => obstacles.push(format!("the offer is not understood: {why}")),
        }
        let (mut points, mut left, mut allowed) = (Vec::new(), Vec::new(), obstacles.is_empty());
        for (phase, shared) in &asked {
            let judged = self.judge_case(&case, *phase, shared).await?;
            let delegated: Vec<&str> = judged.result.delegated.iter().map(|rule| rule.id.as_str()).collect();
            let holds = allows(*phase, &judged) && (case.signs || delegated.is_empty());
            allowed &= holds;
            let mut said = self.explain(&judged.row).unwrap_or_default();
            match &judged.broken {
                None => self.check_remedies(&case, shared, &judged, &mut said).await?,
                Some((code, why)) => obstacles.push(format!("{code} at {}: {why}", phase_word(*phase))),
            }
            points.push(object!({
                "phase": phase_word(*phase), "allowed": holds, "result": said["result"],
                "explained": said["explained"],
            }));
            for id in delegated {
                if !left.iter().any(|other: &Value| other["id"] == id) {
                    left.push(self.left_to_them(id, &judged.result, case.signs));
                }
            }
        }
        left.push(object!({"en": {"reason": OTHERS[0]}, "ko": {"reason": OTHERS[1]}}));
        let direction = match case.role {
            Role::Provider => "they_get_ours",
            Role::Consumer => "we_get_theirs",
        };
        Ok(Explained {
            peer,
            dataset,
            direction: direction.to_owned(),
            allowed,
            purpose: case.purpose,
            countries: case.countries,
            side: match Side::of(case.role) {
                Side::Exporter => "exporter",
                Side::Importer => "importer",
            }
            .to_owned(),
            approval: case.approval,
            obstacles,
            points,
            other_side: left,
        })
    }

    /// Tries the remedies that have a template (POL-9.3), as the rules would say over the document that each makes.
    async fn check_remedies(
        &self,
        case: &Case,
        shared: &Value,
        judged: &Judged,
        said: &mut Value,
    ) -> Result<(), NodeError> {
        let Some(list) = said["explained"].as_array_mut() else { return Ok(()) };
        let countries = [case.seller.country.as_str(), case.buyer.country.as_str()];
        let engine = self.asked_for(&countries, shared, &[])?;
        let input =
            replay::input(&engine, &judged.row).map_err(|e| NodeError::refused(Code::PolicyInput, e))?;
        let (result, mut tried) = (judged.result.clone(), std::mem::take(list));
        let trying = tokio::task::spawn_blocking(move || {
            remedies::check(&engine, &input, &result, &mut tried);
            tried
        });
        *list = trying.await.map_err(|e| NodeError::refused(Code::PolicyBroken, e.to_string()))?;
        Ok(())
    }

    async fn judge_case(&self, case: &Case, phase: Phase, shared: &Value) -> Result<Judged, NodeError> {
        let countries = [case.seller.country.as_str(), case.buyer.country.as_str()];
        // As it would be if both had agreed: the first transfer under it.
        let both = [case.seller.did.clone(), case.buyer.did.clone()];
        let signed: &[String] = if case.signs { &both } else { &[] };
        let question = Question {
            phase,
            role: case.role,
            shared,
            consumer: &case.buyer.did,
            countries: &countries,
            transfer: (phase == Phase::Transfer).then_some((signed, 1)),
            exchange: None,
        };
        self.judge(&question).await
    }

    /// A rule that only the other side evaluates.
    fn left_to_them(&self, id: &str, result: &ResultDoc, signs: bool) -> Value {
        let told = |lang, reason: &str| {
            let law = self.law();
            let rule = law.rule(id);
            let text = |of: Option<&naru_policy::Text>| of.map_or("", |text| text.get(lang)).to_owned();
            let law = format!("{} {}", text(rule.map(|r| &r.law)), rule.map_or("", |r| r.article.as_str()));
            object!({"title": text(rule.map(|r| &r.title)), "law": law.trim(), "reason": reason})
        };
        let [en, ko] = match signs {
            true => ["Only the other side may judge this rule.", "이 규칙은 상대 쪽만 판단할 수 있습니다."],
            false => [
                "Only the other side's signed decision could answer this rule, and it signs nothing: the deal is not allowed.",
                "이 규칙은 상대의 서명된 결정으로만 답할 수 있는데 상대는 서명하지 않으므로 거래가 허용되지 않습니다.",
            ],
        };
        let evaluator = result.delegated.iter().find(|rule| rule.id == id).map(|rule| rule.evaluator);
        object!({"id": id, "evaluator": evaluator, "en": told(Lang::En, en), "ko": told(Lang::Ko, ko)})
    }
}

/// What a result comes to at its point.
fn allows(phase: Phase, judged: &Judged) -> bool {
    let said = match phase {
        Phase::Catalog => judged.result.visible == Some(true),
        Phase::Negotiation | Phase::Transfer | Phase::Monitor => judged.result.allows(),
    };
    said && judged.broken.is_none()
}
