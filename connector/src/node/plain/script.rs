//! The test profile: what the published test kit of the Dataspace Protocol expects a connector to do by itself, and the
//! processes that it expects to find (feature `tck`; never in a release build).
//!
//! The kit drives the router, the machines, the policy engine, the store and the outbox that every node has. Only two things
//! are other: which step follows what, from [`TABLE`] instead of `negotiation::usual`, and the pauses that the kit needs to
//! be ready for it. Datasets and agreements are made under the real packs like any other.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    routing::post,
};
use naru_protocol::{
    encoding::{Digest, Id},
    error::Code,
    exchange::{ActKind, Role},
    json,
    listing::{Listing, Title},
    negotiation as neg,
    plain::{PlainAnswer, PlainExchange, PlainInput, PlainSend},
    transfer as tra,
};
use serde_json::{Value, json as object};

use super::{
    deal::PlainDeal,
    negotiation::{Heard, Step, agreement_setting},
    offer,
    turn::{PlainData, PlainTurn},
};
use crate::{
    data::publish::{PublishOptions, publish},
    node::{
        Node, NodeError, inbound, now,
        verbs::{AddPlain, Propose},
    },
    store::{AgreementState, Approval, Batch, DatasetRow, DatasetWrite, ExchangeKind, StartedBy},
    transport::{Door, Peer as Connected},
};

/// Who the kit says it is.
pub const KIT: &str = "TCK_PARTICIPANT";
/// What it sends as `Authorization`.
const HEADER: &str = "Bearer tck";
/// Milliseconds before a step that answers the kit: it registers what it waits for only then.
const PAUSE: u64 = 120;
/// The same where the kit looks at the state in between.
const LONG_PAUSE: u64 = 300;

/// Where this profile is reached, once it listens.
static URL: OnceLock<String> = OnceLock::new();

pub(in crate::node) fn url() -> Option<&'static str> {
    URL.get().map(String::as_str)
}

type Row = (&'static str, &'static [(Heard, u32, Do)]);

/// Steps without what they carry.
#[derive(Debug, Clone, Copy)]
enum Do {
    Request,
    Offer,
    Accept,
    Agree,
    Verify,
    Finalize,
    Start,
    Suspend,
    Complete,
    End,
}

const REQUEST: Heard = Heard::Theirs(ActKind::Negotiation(neg::ActKind::Request));
const OFFER: Heard = Heard::Theirs(ActKind::Negotiation(neg::ActKind::Offer));
const ACCEPT: Heard = Heard::Theirs(ActKind::Negotiation(neg::ActKind::Accept));
const AGREE: Heard = Heard::Theirs(ActKind::Negotiation(neg::ActKind::Agree));
const VERIFY: Heard = Heard::Theirs(ActKind::Negotiation(neg::ActKind::Verify));
const OFFERED: Heard = Heard::Ours(ActKind::Negotiation(neg::ActKind::Offer));
const REQUESTED: Heard = Heard::Ours(ActKind::Negotiation(neg::ActKind::Request));
const WANTED: Heard = Heard::Theirs(ActKind::Transfer(tra::ActKind::Request));
const START: Heard = Heard::Theirs(ActKind::Transfer(tra::ActKind::Start));
const ASKED: Heard = Heard::Ours(ActKind::Transfer(tra::ActKind::Request));
const STARTED: Heard = Heard::Ours(ActKind::Transfer(tra::ActKind::Start));
const SUSPENDED: Heard = Heard::Ours(ActKind::Transfer(tra::ActKind::Suspend));

/// What follows what, by dataset (negotiations) or agreement (transfers). What is not here is followed by nothing; the number
/// says for the how-manieth time.
const TABLE: &[Row] = &[
    ("ACN0101", &[(REQUEST, 1, Do::Offer)]),
    ("ACN0102", &[(REQUEST, 1, Do::Offer), (REQUEST, 2, Do::End)]),
    ("ACN0103", &[(REQUEST, 1, Do::Offer), (ACCEPT, 1, Do::Agree), (VERIFY, 1, Do::Finalize)]),
    ("ACN0104", &[(REQUEST, 1, Do::Agree), (VERIFY, 1, Do::Finalize)]),
    ("ACN0201", &[(REQUEST, 1, Do::End)]),
    ("ACN0202", &[]),
    ("ACN0203", &[(REQUEST, 1, Do::Agree)]),
    ("ACN0204", &[(REQUEST, 1, Do::Offer)]),
    ("ACN0205", &[(REQUEST, 1, Do::Offer), (OFFERED, 1, Do::End)]),
    ("ACN0206", &[(REQUEST, 1, Do::Offer), (ACCEPT, 1, Do::End)]),
    ("ACN0207", &[(REQUEST, 1, Do::Agree), (VERIFY, 1, Do::End)]),
    ("ACN0301", &[(REQUEST, 1, Do::Agree), (VERIFY, 1, Do::Finalize)]),
    ("ACN0302", &[(REQUEST, 1, Do::Offer)]),
    ("ACN0303", &[(REQUEST, 1, Do::Offer)]),
    ("ACN0304", &[(REQUEST, 1, Do::Offer)]),
    ("ACNC0101", &[(OFFER, 1, Do::Accept), (AGREE, 1, Do::Verify)]),
    ("ACNC0102", &[(OFFER, 1, Do::Request)]),
    ("ACNC0103", &[(OFFER, 1, Do::End)]),
    ("ACNC0104", &[(AGREE, 1, Do::Verify)]),
    ("ACNC0202", &[(REQUESTED, 1, Do::End)]),
    ("ACNC0203", &[(AGREE, 1, Do::End)]),
    ("ACNC0205", &[(OFFER, 1, Do::Accept)]),
    ("ACNC0206", &[(AGREE, 1, Do::Verify)]),
    ("ACNC0304", &[(OFFER, 1, Do::Accept)]),
    ("ACNC0305", &[(OFFER, 1, Do::Accept)]),
    ("ACNC0306", &[(OFFER, 1, Do::Accept)]),
    ("ATP0101", &[(WANTED, 1, Do::Start), (STARTED, 1, Do::End)]),
    ("ATP0102", &[(WANTED, 1, Do::Start), (STARTED, 1, Do::Complete)]),
    ("ATP0103", &[(WANTED, 1, Do::Start), (STARTED, 1, Do::Suspend), (SUSPENDED, 1, Do::End)]),
    (
        "ATP0104",
        &[
            (WANTED, 1, Do::Start),
            (STARTED, 1, Do::Suspend),
            (SUSPENDED, 1, Do::Start),
            (STARTED, 2, Do::Complete),
        ],
    ),
    ("ATP0105", &[(WANTED, 1, Do::End)]),
    ("ATP0201", &[(WANTED, 1, Do::Start)]),
    ("ATP0202", &[(WANTED, 1, Do::Start)]),
    ("ATP0203", &[(WANTED, 1, Do::Start)]),
    ("ATP0204", &[(WANTED, 1, Do::Start)]),
    ("ATP0205", &[]),
    ("ATP0301", &[]),
    ("ATP0302", &[]),
    ("ATP0303", &[(WANTED, 1, Do::Start)]),
    ("ATP0304", &[(WANTED, 1, Do::Start)]),
    ("ATP0305", &[(WANTED, 1, Do::Start)]),
    ("ATP0306", &[(WANTED, 1, Do::Start)]),
    ("ATPC0101", &[]),
    ("ATPC0102", &[]),
    ("ATPC0103", &[]),
    ("ATPC0104", &[]),
    ("ATPC0105", &[]),
    ("ATPC0201", &[(START, 1, Do::End)]),
    ("ATPC0202", &[(START, 1, Do::Complete)]),
    ("ATPC0203", &[(START, 1, Do::Suspend), (SUSPENDED, 1, Do::End)]),
    ("ATPC0204", &[]),
    ("ATPC0205", &[(ASKED, 1, Do::End)]),
    ("ATPC0301", &[]),
    ("ATPC0302", &[]),
    ("ATPC0303", &[]),
    ("ATPC0304", &[]),
    ("ATPC0305", &[]),
    ("ATPC0306", &[]),
];

/// How often something happened to an exchange so far.
static TIMES: Mutex<BTreeMap<(Id, String), u32>> = Mutex::new(BTreeMap::new());

impl PlainTurn {
    /// The step of the table and the pause before it. Everything is scripted here, also that nothing follows.
    pub(super) fn scripted(&mut self, heard: Heard) -> Option<(Step, u64)> {
        let name = match &self.data {
            PlainData::Deal(deal) => deal.dataset.clone(),
            PlainData::Haul(haul) => haul.script.clone(),
        };
        let times = {
            let mut all = TIMES.lock().unwrap_or_else(PoisonError::into_inner);
            let times = all.entry((self.row.id, format!("{heard:?}"))).or_insert(0);
            *times += 1;
            *times
        };
        let rows = TABLE.iter().find(|(id, _)| *id == name).map_or(&[][..], |(_, rows)| rows);
        let found = rows.iter().find(|(when, nth, _)| *when == heard && *nth == times);
        let step = match found.map(|(_, _, step)| step) {
            None => Step::Nothing,
            Some(Do::Request) => Step::Request,
            Some(Do::Offer) => Step::Offer,
            Some(Do::Accept) => Step::Accept,
            Some(Do::Agree) => Step::Agree,
            Some(Do::Verify) => Step::Verify,
            Some(Do::Finalize) => Step::Finalize,
            Some(Do::Start) => Step::Start,
            Some(Do::Suspend) => Step::Suspend,
            Some(Do::Complete) => Step::Complete,
            Some(Do::End) => Step::End(Code::Cancelled, vec!["as the test kit expects".to_owned()]),
        };
        let pause = if matches!(heard, Heard::Ours(_)) { LONG_PAUSE } else { PAUSE };
        Some((step, pause))
    }
}

/// Makes the datasets and agreements that the kit expects, and answers it on `port` of this machine until the process ends.
///
/// # Errors
/// Whatever keeps a node from starting.
pub async fn serve(node: Node, port: u16, kit: &str, files: &Path) -> Result<(), NodeError> {
    let _ = URL.set(format!("http://127.0.0.1:{port}"));
    node.seed(kit, files).await?;
    let participant = node.me.did;
    let webhooks = Router::new()
        .route("/tck/negotiations/requests", post(negotiate))
        .route("/tck/transfers/requests", post(transfer))
        .with_state(node.clone());
    let app = inbound::router(node).merge(webhooks).layer(middleware::from_fn(
        |mut request: Request, next: Next| async move {
            let connected =
                Connected { peer_id: String::new(), door: Door::Https, certificate: None, remote: None };
            request.extensions_mut().insert(connected);
            next.run(request).await
        },
    ));
    let io = |e: std::io::Error| NodeError::Folder(e.to_string());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.map_err(io)?;
    println!("ready http://127.0.0.1:{port} {participant}");
    axum::serve(listener, app).await.map_err(io)
}

fn text(body: &[u8], name: &str) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

async fn negotiate(State(node): State<Node>, body: Bytes) -> StatusCode {
    let chosen =
        object!({"@id": text(&body, "offerId"), "@type": "Offer", "permission": [{"action": "use"}]});
    let ask = Propose {
        peer: KIT.to_owned(),
        dataset: text(&body, "datasetId"),
        purpose: "quality_analysis".to_owned(),
        countries: Vec::new(),
        out: None,
        facts: Some(facts()),
        keep_days: None,
        push: false,
    };
    let Some(peer) = node.plain_peer(KIT) else { return StatusCode::INTERNAL_SERVER_ERROR };
    answered(node.plain_request(&peer, &chosen, ask).await)
}

async fn transfer(State(node): State<Node>, body: Bytes) -> StatusCode {
    let setting = agreement_setting(KIT, &text(&body, "agreementId"));
    let negotiation = match node.store.meta(&setting).await {
        Ok(Some(id)) => Id::parse(&id).ok(),
        Ok(None) | Err(_) => None,
    };
    let Some(negotiation) = negotiation else { return StatusCode::NOT_FOUND };
    answered(node.request_plain_transfer(negotiation, None).await)
}

fn answered<T>(result: Result<T, NodeError>) -> StatusCode {
    match result {
        Ok(_) => StatusCode::OK,
        Err(error) => {
            tracing::error!(%error, "a webhook of the kit");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// What all data of the kit are, ours and the kit's: those of the example.
fn facts() -> Value {
    serde_json::from_str(include_str!("../../../../examples/ev-parts/facts.json")).unwrap_or_default()
}

impl Node {
    async fn seed(&self, kit: &str, files: &Path) -> Result<(), NodeError> {
        let peer = AddPlain {
            id: KIT.to_owned(),
            alias: "kit".to_owned(),
            name: "the test kit".to_owned(),
            country: "DE".to_owned(),
            url: kit.to_owned(),
            authorization: None,
            header: Some(HEADER.to_owned()),
            certificate: None,
            trust: None,
            local: true,
            purpose: Some("quality_analysis".to_owned()),
            countries: Vec::new(),
            keep_days: Some(365),
            renew: false,
        };
        self.add_plain(peer).await?;
        for (id, _) in TABLE.iter().filter(|(id, _)| id.starts_with("ACN0")) {
            self.seed_dataset(id, files).await?;
        }
        for id in ["CAT0101", "CAT0102"] {
            self.seed_dataset(id, files).await?;
        }
        for (id, _) in TABLE.iter().filter(|(id, _)| id.starts_with("ATP")) {
            let role = if id.starts_with("ATPC") { Role::Consumer } else { Role::Provider };
            self.seed_agreement(id, role).await?;
        }
        Ok(())
    }

    /// A published dataset under a name of the kit's; its listing has a name of ours.
    async fn seed_dataset(&self, id: &str, files: &Path) -> Result<(), NodeError> {
        let index = self.index_folder(id, 1);
        let broken = |e: String| NodeError::Folder(e);
        if let Some(parent) = index.parent() {
            std::fs::create_dir_all(parent).map_err(|e| broken(e.to_string()))?;
        }
        let hashed = publish(files, &index, &PublishOptions::default(), &mut |_| {});
        let hashed = hashed.map_err(|e| broken(e.to_string()))?;
        let name = format!(
            "urn:dxp:{}",
            Digest::of(id.as_bytes()).0.iter().take(16).map(|b| format!("{b:02x}")).collect::<String>()
        );
        let mut facts = facts();
        facts["id"] = object!(id);
        facts["digest"] = object!(hashed.content_root);
        let policy =
            object!({"@id": format!("CD123:{id}:456"), "@type": "Offer", "permission": [{"action": "use"}]});
        let listing = Listing {
            v: json::V1,
            iss: self.me.did,
            dataset: name,
            version: 1,
            title: Title { en: Some(id.to_owned()), ko: None },
            policy: policy.clone(),
            facts: facts.clone(),
            summary: hashed.summary.clone(),
            content_root: hashed.content_root,
            valid_from: now(),
            valid_to: now() + 86_400,
        };
        let jws = self.me.sign(&listing)?;
        let row = DatasetRow {
            id: id.to_owned(),
            version: 1,
            digest: Digest::of(jws.as_bytes()),
            listing: jws,
            root_path: files.display().to_string(),
            summary: String::new(),
            content_root: hashed.content_root,
            policy: policy.to_string(),
            facts: facts.to_string(),
            private_facts: "{}".to_owned(),
            approval: Approval::Auto,
            withdrawn: false,
            created: now(),
        };
        let write = DatasetWrite { row, files: None };
        self.store.commit(Batch { datasets: vec![write], ..Batch::default() }).await?;
        Ok(())
    }

    /// An agreement that stands: judged, made and closed by the same machine as any other, without its messages.
    async fn seed_agreement(&self, id: &str, role: Role) -> Result<(), NodeError> {
        let none = || NodeError::Folder("the kit is no peer".to_owned());
        let peer = self.plain_peer(KIT).ok_or_else(none)?;
        let theirs = format!("seeded-{id}");
        let kind = ExchangeKind::Negotiation;
        let (row, key) = self.plain_row(&peer, kind, role, Some(&theirs), StartedBy::Us)?;
        let offered =
            object!({"@id": format!("offer-{id}"), "@type": "Offer", "permission": [{"action": "use"}]});
        let deal = PlainDeal {
            dataset: "ACN0101".to_owned(),
            offer: offer::about(&offered, "ACN0101")?.value().clone(),
            callback: peer.record.base.clone(),
            purpose: Some("quality_analysis".to_owned()),
            countries: match role {
                Role::Provider => vec!["DE".to_owned()],
                Role::Consumer => vec![self.me.participant.country.to_string()],
            },
            keep_days: Some(365),
            facts: Some(facts()),
            in_force: true,
            agreement_id: Some(id.to_owned()),
            ..PlainDeal::default()
        };
        let data = PlainData::Deal(Box::new(deal));
        let mut turn = PlainTurn::new(self, peer, row, PlainExchange::negotiation(role), data, key);
        let shared = turn.shared().await?;
        let judged = turn.judge(&shared, None).await?;
        let permit = turn.permit(&judged, None)?;
        let us = self.me.did.to_string();
        let parties = match role {
            Role::Provider => (us.as_str(), KIT),
            Role::Consumer => (KIT, us.as_str()),
        };
        let text = offer::agreed(&turn.deal()?.offer.clone(), id, parties, now())?;
        if role == Role::Provider {
            turn.deal()?.listing = turn.listed().await?.jws;
        }
        let made = turn.made(text, &permit).await?;
        turn.batch.agreements.iter_mut().for_each(|row| row.state = AgreementState::InForce);
        let act = Digest::of(id.as_bytes());
        let receive = |kind| PlainInput::Receive { kind: ActKind::Negotiation(kind) };
        let answered = || PlainInput::Answered { act, answer: PlainAnswer::Accepted };
        let send = |kind| PlainInput::Send { act, kind };
        let steps = match role {
            Role::Provider => vec![
                receive(neg::ActKind::Request),
                send(PlainSend::Agree(made)),
                answered(),
                receive(neg::ActKind::Verify),
                send(PlainSend::Finalize),
                answered(),
            ],
            Role::Consumer => vec![
                send(PlainSend::Request(permit)),
                answered(),
                receive(neg::ActKind::Agree),
                send(PlainSend::Verify(made)),
                answered(),
                receive(neg::ActKind::Finalize),
            ],
        };
        for step in steps {
            turn.machine.step(step).map_err(|e| NodeError::refused(e.code(), e.to_string()))?;
        }
        turn.commit().await?;
        Ok(())
    }
}
