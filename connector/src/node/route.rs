//! Which request is which: every endpoint of the DSP binding and of the profile, by method and raw path.
//!
//! A pure table. The path is compared as it arrived, without normalising: it is also what tokens sign (ACT-1.4).

use naru_protocol::{identity::Role, negotiation::ActKind as Neg, transfer::ActKind as Tra};

use crate::{data::Part, store::ExchangeKind};

/// Base of the DSP binding.
pub(super) const DSP: &str = "/dsp/2025-1";
/// Base of the profile's own endpoints.
pub(super) const DXP: &str = "/dxp/1";

/// Names the dataset behind which a page of a catalog begins.
pub(super) const AFTER: &str = "after=";

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `GET /.well-known/dspace-version`; needs no token.
    Version,
    /// `POST /catalog/request`, from the start or, with `?after=ID`, behind a dataset.
    Catalog(Option<String>),
    /// `GET /catalog/datasets/:id`.
    Dataset(String),
    /// `GET /negotiations/:pid` and `GET /transfers/:pid`.
    State(ExchangeKind, String),
    /// A message that changes state.
    Act(ActRoute),
    /// `POST /tickets`.
    Tickets,
    /// `GET /keys`.
    Keys,
    /// `GET /transfers/:pid/capability`.
    Capability(String),
    /// `GET /transfers/:pid/filelist`, `…/chunks/:n`, `…/files/:n`; carries a capability.
    Part(String, Part),
    /// `POST /transfers/:pid/window`.
    Window(String),
    /// `GET /log/checkpoint`.
    Checkpoint,
    /// `GET /log/tile/…`.
    Tile(String),
    /// `GET /log/entry/:index?size=N`.
    Entry(u64, u64),
    /// `GET /log/consistency/:from?size=N`.
    Consistency(u64, u64),
    /// `GET /log/yours?from=N`.
    Yours(u64),
}

/// Which act a path stands for. An event is ACCEPTED or FINALIZED by its body, and so is told apart later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Posted {
    /// A negotiation message.
    Negotiation(Neg),
    /// ACCEPTED from a consumer, FINALIZED from a provider.
    Event,
    /// A transfer message.
    Transfer(Tra),
}

impl Posted {
    /// START of a transfer.
    pub(super) const fn is_start(&self) -> bool {
        matches!(self, Self::Transfer(Tra::Start))
    }

    /// START and receipt of a transfer, which the deal notes too: that it counts, and from when its duties run.
    pub(super) const fn counts_under_deal(&self) -> bool {
        matches!(self, Self::Transfer(Tra::Start | Tra::Receipt))
    }
}

/// A message and the process that it is for; none for the first message of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ActRoute {
    pub(super) posted: Posted,
    pub(super) pid: Option<String>,
}

impl ActRoute {
    /// What kind of exchange the act belongs to.
    pub(super) const fn kind(&self) -> ExchangeKind {
        match self.posted {
            Posted::Negotiation(_) | Posted::Event => ExchangeKind::Negotiation,
            Posted::Transfer(_) => ExchangeKind::Transfer,
        }
    }

    /// In a word, for people who watch.
    pub(super) const fn name(&self) -> &'static str {
        match self.posted {
            Posted::Negotiation(Neg::Request) | Posted::Transfer(Tra::Request) => "request",
            Posted::Negotiation(Neg::Offer) => "offer",
            Posted::Negotiation(Neg::Agree) => "agreement",
            Posted::Negotiation(Neg::Verify) => "verification",
            Posted::Negotiation(Neg::Accept | Neg::Finalize) | Posted::Event => "event",
            Posted::Negotiation(Neg::Terminate) | Posted::Transfer(Tra::Terminate) => "termination",
            Posted::Negotiation(Neg::End) => "end",
            Posted::Negotiation(Neg::Report) => "report",
            Posted::Transfer(Tra::Start) => "start",
            Posted::Transfer(Tra::Suspend) => "suspension",
            Posted::Transfer(Tra::Complete) => "completion",
            Posted::Transfer(Tra::Receipt) => "receipt",
        }
    }

    /// The role of whoever receives a first message.
    pub(super) const fn first_receiver(&self) -> Role {
        match self.posted {
            Posted::Negotiation(Neg::Offer) => Role::Consumer,
            Posted::Negotiation(
                Neg::Request
                | Neg::Accept
                | Neg::Agree
                | Neg::Verify
                | Neg::Finalize
                | Neg::Terminate
                | Neg::End
                | Neg::Report,
            )
            | Posted::Event
            | Posted::Transfer(_) => Role::Provider,
        }
    }
}

fn act(posted: Posted, pid: Option<&str>) -> Route {
    Route::Act(ActRoute { posted, pid: pid.map(str::to_owned) })
}

impl Route {
    /// In a word, for people who watch.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Catalog(_) => "catalog",
            Self::Dataset(_) => "dataset",
            Self::State(..) => "state",
            Self::Act(act) => act.name(),
            Self::Tickets => "ticket",
            Self::Keys => "keys",
            Self::Capability(_) => "capability",
            Self::Part(..) => "range",
            Self::Window(_) => "window",
            Self::Checkpoint | Self::Tile(_) | Self::Entry(..) | Self::Consistency(..) | Self::Yours(_) => {
                "log"
            }
        }
    }

    /// Finds the endpoint of a request; none is a 404.
    pub(super) fn parse(method: &str, target: &str) -> Option<Self> {
        if method == "GET" && target == "/.well-known/dspace-version" {
            return Some(Self::Version);
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if let Some(rest) = path.strip_prefix(DSP) {
            return Self::dsp(method, &segments(rest)?, query);
        }
        Self::dxp(method, path.strip_prefix(DXP)?, query)
    }

    fn dsp(method: &str, path: &[&str], query: &str) -> Option<Self> {
        let negotiation = |kind, pid| Some(act(Posted::Negotiation(kind), pid));
        let transfer = |kind, pid| Some(act(Posted::Transfer(kind), pid));
        match (method, path) {
            ("POST", ["catalog", "request"]) => {
                Some(Self::Catalog(query.strip_prefix(AFTER).map(str::to_owned)))
            }
            ("GET", ["catalog", "datasets", id]) => Some(Self::Dataset((*id).to_owned())),
            ("GET", ["negotiations", pid]) => Some(Self::State(ExchangeKind::Negotiation, (*pid).to_owned())),
            ("GET", ["transfers", pid]) => Some(Self::State(ExchangeKind::Transfer, (*pid).to_owned())),
            ("POST", ["negotiations", "request"]) => negotiation(Neg::Request, None),
            ("POST", ["negotiations", "offers"]) => negotiation(Neg::Offer, None),
            ("POST", ["negotiations", pid, "request"]) => negotiation(Neg::Request, Some(pid)),
            ("POST", ["negotiations", pid, "offers"]) => negotiation(Neg::Offer, Some(pid)),
            ("POST", ["negotiations", pid, "events"]) => Some(act(Posted::Event, Some(pid))),
            ("POST", ["negotiations", pid, "agreement"]) => negotiation(Neg::Agree, Some(pid)),
            ("POST", ["negotiations", pid, "agreement", "verification"]) => {
                negotiation(Neg::Verify, Some(pid))
            }
            ("POST", ["negotiations", pid, "termination"]) => negotiation(Neg::Terminate, Some(pid)),
            ("POST", ["transfers", "request"]) => transfer(Tra::Request, None),
            ("POST", ["transfers", pid, "start"]) => transfer(Tra::Start, Some(pid)),
            ("POST", ["transfers", pid, "suspension"]) => transfer(Tra::Suspend, Some(pid)),
            ("POST", ["transfers", pid, "completion"]) => transfer(Tra::Complete, Some(pid)),
            ("POST", ["transfers", pid, "termination"]) => transfer(Tra::Terminate, Some(pid)),
            _ => None,
        }
    }

    fn dxp(method: &str, path: &str, query: &str) -> Option<Self> {
        if let Some(tile) = path.strip_prefix("/log/").filter(|p| p.starts_with("tile/")) {
            return (method == "GET").then(|| Self::Tile(tile.to_owned()));
        }
        let number =
            |name: &str| query.strip_prefix(name).and_then(|v| v.strip_prefix('=')).and_then(decimal);
        let path = segments(path)?;
        match (method, path.as_slice()) {
            ("POST", ["tickets"]) => Some(Self::Tickets),
            ("GET", ["keys"]) => Some(Self::Keys),
            ("POST", ["negotiations", pid, "end"]) => Some(act(Posted::Negotiation(Neg::End), Some(pid))),
            ("POST", ["negotiations", pid, "report"]) => {
                Some(act(Posted::Negotiation(Neg::Report), Some(pid)))
            }
            ("POST", ["transfers", pid, "receipt"]) => Some(act(Posted::Transfer(Tra::Receipt), Some(pid))),
            ("POST", ["transfers", pid, "window"]) => Some(Self::Window((*pid).to_owned())),
            ("GET", ["transfers", pid, "capability"]) => Some(Self::Capability((*pid).to_owned())),
            ("GET", ["transfers", pid, part @ ..]) => {
                Part::parse(&part.join("/")).map(|part| Self::Part((*pid).to_owned(), part))
            }
            ("GET", ["log", "checkpoint"]) => Some(Self::Checkpoint),
            ("GET", ["log", "entry", index]) => Some(Self::Entry(decimal(index)?, number("size")?)),
            ("GET", ["log", "consistency", from]) => Some(Self::Consistency(decimal(from)?, number("size")?)),
            ("GET", ["log", "yours"]) => Some(Self::Yours(number("from")?)),
            _ => None,
        }
    }
}

/// The segments of a path below a base; none if one is empty.
fn segments(path: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    parts.iter().all(|part| !part.is_empty()).then_some(parts)
}

fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_found_and_nothing_else() {
        let found = |method, target: &str| Route::parse(method, target);
        assert_eq!(found("GET", "/dxp/1/log/entry/7?size=9"), Some(Route::Entry(7, 9)));
        assert_eq!(
            found("GET", "/dxp/1/log/tile/0/x001/234.p/5"),
            Some(Route::Tile("tile/0/x001/234.p/5".into()))
        );
        assert_eq!(found("POST", "/dsp/2025-1/negotiations/a/events"), Some(act(Posted::Event, Some("a"))));
        assert_eq!(
            found("POST", "/dsp/2025-1/negotiations/request"),
            Some(act(Posted::Negotiation(Neg::Request), None))
        );
        assert_eq!(found("POST", "/dsp/2025-1/catalog/request"), Some(Route::Catalog(None)));
        assert_eq!(
            found("POST", "/dsp/2025-1/catalog/request?after=urn:x:1"),
            Some(Route::Catalog(Some("urn:x:1".into())))
        );
        for (method, target) in [
            ("GET", "/dsp/2025-1/negotiations//events"),
            ("PUT", "/dsp/2025-1/catalog/request"),
            ("GET", "/dxp/1/log/entry/07?size=9"),
            ("GET", "/dxp/1/log/entry/7"),
            ("GET", "/dxp/1/transfers/a/files/-1"),
            ("GET", "/dsp/2025-1/../dxp/1/keys"),
            ("GET", "/"),
        ] {
            assert_eq!(found(method, target), None, "{method} {target}");
        }
    }
}
