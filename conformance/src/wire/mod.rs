//! The wire tests: talks to a running node as a consumer would, and as a consumer should not.
//!
//! A test is named by the clause that it tries. Whatever needs something that the node does not offer is skipped with
//! its reason; nothing is passed over in silence.

mod access;
mod deal;
mod delivery;
pub mod desk;
mod limits;
mod log;
pub mod offer;
pub mod session;

use crate::{
    identity::{Ticket, now},
    json::Json,
    report::{Line, Outcome},
};
use session::{Check, Session, Stop};

/// The context of every message of the Dataspace Protocol.
pub const CONTEXT: &str = "https://w3id.org/dspace/2025/1/context.jsonld";

/// What a run may be told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Country that the suite's participant declares, two capital letters.
    pub country: String,
    /// Policy packs that the node works with: name and digest.
    pub packs: Vec<(String, String)>,
    /// Revision of the packs that the contract names.
    pub revision: String,
    /// Duties that the packs put on the deal, as the terms list them.
    pub obligations: Vec<Json>,
    /// Dataset to ask for; the first of the catalog if none.
    pub dataset: Option<String>,
    /// A second ticket, for what takes two participants.
    pub second: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            country: "SG".to_owned(),
            packs: Vec::new(),
            revision: String::new(),
            obligations: Vec::new(),
            dataset: None,
            second: None,
        }
    }
}

/// Lines of a run as they come.
struct Report<'a> {
    lines: Vec<Line>,
    told: &'a mut dyn FnMut(&Line),
}

impl Report<'_> {
    /// Notes what came of a test; gives its value if it passed.
    fn note<T>(&mut self, id: &str, name: &str, check: Check<T>) -> Option<T> {
        let (outcome, value) = match check {
            Ok(value) => (Outcome::Pass, Some(value)),
            Err(Stop::Fail(why)) => (Outcome::Fail(why), None),
            Err(Stop::Skip(why)) => (Outcome::Skip(why), None),
        };
        let line = Line { id: id.to_owned(), name: name.to_owned(), outcome };
        (self.told)(&line);
        self.lines.push(line);
        value
    }
}

/// Runs every wire test against the node that made the ticket; `told` hears each line as it comes.
pub async fn run(ticket: &str, options: &Options, told: &mut dyn FnMut(&Line)) -> Vec<Line> {
    let mut report = Report { lines: Vec::new(), told };
    let parsed = Ticket::parse(ticket, now()).map_err(Stop::from);
    if let Some(ticket) = report.note("ID-8.1", "the ticket is whole and signed", parsed)
        && let Some(session) = connected(&mut report, "NET-4.1", &ticket, options).await
    {
        everything(&mut report, &session, options).await;
    }
    report.lines
}

async fn connected(report: &mut Report<'_>, id: &str, ticket: &Ticket, options: &Options) -> Option<Session> {
    let session = Session::connect(ticket, &options.country).await.map_err(Stop::from);
    report.note(id, "a stock libp2p client connects: TCP, TLS or Noise, Yamux", session)
}

async fn everything(report: &mut Report<'_>, session: &Session, options: &Options) {
    let other = connected(report, "NET-6.3", &session.ticket, options).await;
    if let Some(other) = &other {
        report.note("ACT-3.1", "a stranger's read is refused", access::stranger(other).await);
        report.note(
            "ID-7.1",
            "a redemption under another transport key is refused",
            access::foreign_transport(session, other).await,
        );
    }
    if report
        .note(
            "ID-8.2",
            "the ticket is redeemed, and again with the same answer",
            access::redeem(session).await,
        )
        .is_none()
    {
        return;
    }
    if let Some(other) = &other {
        report.note("ID-8.5", "a used ticket lets nobody else in", access::used_ticket(other).await);
        report.note(
            "ACT-3.1",
            "a token on another's connection is refused",
            access::borrowed(session, other).await,
        );
    }
    tokens(report, session).await;
    limits(report, session).await;
    let offered = report.note(
        "CAT-2.1",
        "the catalog is read and every listing verifies",
        catalog(session, options).await,
    );
    let offered = offered.flatten();
    report.note(
        "ACT-4.1",
        "content that is no message is refused finally, with acknowledgement",
        limits::malformed_act(session, offered.as_ref()).await,
    );
    report.note(
        "NEG-11.5",
        "an exchange whose first act was refused is used up",
        limits::used_exchange(session).await,
    );
    report.note("TRF-2.3", "a transfer without agreement is refused", deal::early_transfer(session).await);
    match &offered {
        Some(offered) => deals(report, session, other.as_ref(), offered, options).await,
        None => {
            let none = Stop::Skip("the catalog is empty".to_owned());
            report.note::<()>("ACT-4.1", "a request is answered finally, with acknowledgement", Err(none));
        }
    }
    report.note("LIM-1.1", "the node lives after all this", session.alive().await);
}

async fn catalog(session: &Session, options: &Options) -> Check<Option<offer::Offered>> {
    let mut offered = offer::catalog(session).await?;
    let Some(wanted) = &options.dataset else {
        return Ok(if offered.is_empty() { None } else { Some(offered.swap_remove(0)) });
    };
    let found = offered.into_iter().find(|offered| offered.dataset == *wanted);
    found.map(Some).ok_or_else(|| Stop::Fail(format!("dataset {wanted} is not in the catalog")))
}

async fn tokens(report: &mut Report<'_>, s: &Session) {
    report.note(
        "ID-6.7",
        "statement and keys are served, oldest first, signed by the root",
        access::keys(s).await,
    );
    report.note("ACT-2.1", "a request without token is refused", access::no_token(s).await);
    report.note("ACT-2.5", "malformed and oversized tokens are refused", access::malformed(s).await);
    report.note("ACT-2.2", "a token with a member more, or half an act, is refused", access::shape(s).await);
    report.note("ACT-2.4", "a token whose sub is not iss is refused", access::subject(s).await);
    report.note("ACT-3.2", "a wrong signature is refused", access::signature(s).await);
    report.note(
        "ACT-3.2",
        "log key, root key and unknown key set sign no token",
        access::wrong_keys(s).await,
    );
    report.note("ENC-7.2", "an acknowledgement is no token", access::other_type(s).await);
    report.note("ACT-3.3", "a token for another audience is refused", access::audience(s).await);
    report.note("ACT-3.4", "a token that lives too long is refused", access::too_long(s).await);
    report.note("ACT-3.5", "an expired token is refused", access::expired(s).await);
    report.note("ACT-3.6", "a token from the future is refused", access::from_the_future(s).await);
    report.note("ACT-3.7", "a token for another method is refused", access::method(s).await);
    report.note("ACT-3.8", "a token for another path is refused", access::path(s).await);
    report.note("ACT-3.9", "altered content is refused", access::body(s).await);
}

async fn limits(report: &mut Report<'_>, s: &Session) {
    report.note("LIM-1.1", "content over 1 MiB is refused and the node lives", limits::oversized(s).await);
    report.note("LIM-1.1", "a boasted length costs nothing", limits::boasted(s).await);
    report.note("NET-6.7", "content that breaks off is no message", limits::truncated(s).await);
    report.note("NET-5.1", "a peer that closed its side gets its answer", limits::half_closed(s).await);
    report.note("NET-5.1", "bytes that are no HTTP do no harm", limits::noise(s).await);
    report.note("ENC-3.1", "nesting without end is refused", limits::nested(s).await);
    report.note("ENC-3.2", "what is not JSON is refused", limits::malformed(s).await);
    report.note("ENC-3.3", "a key that stands twice is refused", limits::duplicate(s).await);
    report.note("ACT-6.7", "compressed content is refused", limits::encoded(s).await);
    report.note("NET-6.5", "heads over their limits are refused", limits::head(s).await);
    report.note("NET-6.5", "a target over its limit is refused", limits::target(s).await);
    report.note("LIM-2.2", "paths and methods that nobody serves are refused", limits::unknown_path(s).await);
    report.note("LIM-2.5", "unknown ids are answered 404, unsigned", limits::unknown_id(s).await);
}

async fn deals(
    report: &mut Report<'_>,
    s: &Session,
    stranger: Option<&Session>,
    offered: &offer::Offered,
    options: &Options,
) {
    let proposed = deal::propose(s, offered, options).await;
    let Some(deal) = report.note("ACT-4.1", "a request is answered finally, with acknowledgement", proposed)
    else {
        return;
    };
    report.note("LOG-2.3", "the node's entry of the request is in its log", log::entry(s, &deal).await);
    report.note(
        "LOG-5.3",
        "the newest checkpoint covers what was acknowledged",
        log::newest(s, &deal.receipt).await,
    );
    report.note("API-3.2", "other entries are not there", log::no_entry(s, &deal).await);
    report.note("API-3.3", "the node proves that its log only grew", log::grew(s, &deal.receipt).await);
    report.note(
        "API-3.5",
        "the node gives back what it holds of the suite's log",
        log::yours(s, &deal).await,
    );
    report.note(
        "ACT-6.2",
        "a known act gets the stored answer and acknowledgement, verbatim",
        deal::again(s, &deal).await,
    );
    report.note(
        "ACT-6.3",
        "a known message id over another content is refused",
        deal::reused(s, &deal).await,
    );
    report.note("ACT-2.2", "an act under the token of a read is refused", deal::unsigned_act(s, &deal).await);
    report.note(
        "ACT-3.2",
        "a forged act is refused and leaves no trace",
        deal::forged(s, offered, options).await,
    );
    report.note(
        "NEG-3.3",
        "DXP-Key that was not announced is refused",
        limits::other_key(s, Some(offered), options).await,
    );
    report.note(
        "LIM-2.5",
        "a process id of another exchange is refused",
        deal::other_exchange(s, &deal).await,
    );
    let decided =
        report.note("NEG-3.9", "the node's decision comes as a signed act", deal::decided(s, &deal).await);
    report.note(
        "NEG-12.3",
        "an act that does not know the node's last one is stale",
        deal::stale(s, &deal, decided.as_ref()).await,
    );
    report.note(
        "NEG-1.2",
        "a message that the state does not allow is refused finally",
        deal::illegal(s, &deal, decided.as_ref()).await,
    );
    let agreed = deal::conclude(s, &deal, decided.as_ref()).await;
    if let Some(agreed) = report.note("NEG-9.1", "an agreed deal is concluded", agreed) {
        data(report, s, stranger, offered, &deal, &agreed).await;
    }
    later(report, s, offered, &deal, options).await;
}

/// What a further deal shows: crossing acts, and a log that only grows.
async fn later(
    report: &mut Report<'_>,
    s: &Session,
    offered: &offer::Offered,
    deal: &deal::Deal,
    options: &Options,
) {
    report.note(
        "NEG-13.2",
        "an unanswered act is repeated, and loses against a termination that crosses it",
        deal::crossed(s, offered, options).await,
    );
    report.note("NEG-6.1", "terms without a duty come back with it", deal::duties(s, offered, options).await);
    let second = deal::propose(s, offered, options).await;
    if let Some(second) = report.note("ACT-4.1", "a second request is answered finally", second) {
        report.note(
            "LOG-2.4",
            "later checkpoints extend earlier ones",
            log::consistent(s, &deal.receipt, &second.receipt).await,
        );
        report.note(
            "ACT-6.6",
            "each act has its own entry",
            deal::acknowledged_once(&deal.receipt, &second.receipt),
        );
    }
    report.note("LOG-3.1", "bundles of entries are not for counterparties", log::bundles(s).await);
    not_yours(report, deal, options).await;
}

/// The data of a concluded deal, to the end of the agreement.
async fn data(
    report: &mut Report<'_>,
    s: &Session,
    stranger: Option<&Session>,
    offered: &offer::Offered,
    deal: &deal::Deal,
    agreed: &deal::Agreed,
) {
    let started = delivery::start(s, agreed, offered).await;
    let Some(transfer) = report.note("TRF-5.1", "a transfer under the agreement starts", started) else {
        return;
    };
    let capability = delivery::capability(s, &transfer, agreed).await;
    let Some(capability) = report.note("TRF-7.2", "a capability is given", capability) else { return };
    let delivered = delivery::everything(s, &transfer, offered, &capability).await;
    let named = "file list, chunks and files are those of the content root";
    let Some(delivered) = report.note("CAT-6.1", named, delivered) else { return };
    report.note(
        "API-2.2",
        "a capability opens nothing over another's connection",
        delivery::others(s, &transfer, &capability, stranger).await,
    );
    let refused = delivery::bad_ranges(s, &transfer, &delivered, &capability).await;
    report.note("TRF-7.3", "ranges without capability, or outside the file, are refused", refused);
    let windows = delivery::windows(s, &transfer, agreed, &delivered).await;
    report.note("TRF-8.6", "true window acknowledgements are taken, false ones refused", windows);
    let finished = delivery::finish(s, &transfer, agreed, offered, &delivered).await;
    report.note("TRF-9.3", "the true data receipt is taken, once, then the completion", finished);
    report.note(
        "TRF-7.3",
        "after completion no range is served",
        delivery::closed(s, &transfer, &capability).await,
    );
    let ended = delivery::end(s, deal, agreed, offered).await;
    report.note("NEG-9.4", "an ended agreement starts no transfer", ended);
}

async fn not_yours(report: &mut Report<'_>, deal: &deal::Deal, options: &Options) {
    let tried = async {
        let text = options.second.as_deref().ok_or_else(|| Stop::Skip("takes --second-ticket".to_owned()))?;
        let pid = deal.live()?;
        let ticket = Ticket::parse(text, now())?;
        let session = Session::connect(&ticket, &options.country).await?;
        access::redeem(&session).await?;
        limits::not_yours(&session, pid).await
    };
    report.note("LIM-2.5", "another's negotiation is answered like none", tried.await);
}
