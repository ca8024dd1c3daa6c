//! One side's view of an exchange (spec chapters 06 and 07): which act is legal, current, crossed or late, and what state
//! follows. Labels stand for act digests; nothing here is signed or sent.

use std::collections::BTreeSet;

/// What an exchange is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// A contract negotiation.
    Negotiation,
    /// A transfer that the consumer pulls.
    Pull,
    /// A transfer that the provider pushes.
    Push,
}

/// `from`, act, by, `to`; `-` is before the first act.
type Arrow = (&'static str, &'static str, &'static str, &'static str);

const NEGOTIATION: &[Arrow] = &[
    ("-", "request", "consumer", "REQUESTED"),
    ("OFFERED", "request", "consumer", "REQUESTED"),
    ("-", "offer", "provider", "OFFERED"),
    ("REQUESTED", "offer", "provider", "OFFERED"),
    ("OFFERED", "accept", "consumer", "ACCEPTED"),
    ("REQUESTED", "agreement", "provider", "AGREED"),
    ("ACCEPTED", "agreement", "provider", "AGREED"),
    ("AGREED", "verification", "consumer", "VERIFIED"),
    ("VERIFIED", "finalized", "provider", "FINALIZED"),
    ("REQUESTED", "termination", "provider", "TERMINATED"),
    ("OFFERED", "termination", "provider", "TERMINATED"),
    ("ACCEPTED", "termination", "provider", "TERMINATED"),
    ("VERIFIED", "termination", "provider", "TERMINATED"),
    ("REQUESTED", "termination", "consumer", "TERMINATED"),
    ("OFFERED", "termination", "consumer", "TERMINATED"),
    ("AGREED", "termination", "consumer", "TERMINATED"),
    ("FINALIZED", "end", "provider", "FINALIZED"),
    ("FINALIZED", "end", "consumer", "FINALIZED"),
    ("FINALIZED", "report", "provider", "FINALIZED"),
    ("FINALIZED", "report", "consumer", "FINALIZED"),
];

const TRANSFER: &[Arrow] = &[
    ("-", "request", "consumer", "REQUESTED"),
    ("REQUESTED", "start", "provider", "STARTED"),
    ("SUSPENDED", "start", "provider", "STARTED"),
    ("SUSPENDED", "start", "consumer", "STARTED"),
    ("STARTED", "suspension", "provider", "SUSPENDED"),
    ("STARTED", "suspension", "consumer", "SUSPENDED"),
    ("STARTED", "completion", "provider", "COMPLETED"),
    ("STARTED", "completion", "consumer", "COMPLETED"),
    ("REQUESTED", "termination", "provider", "TERMINATED"),
    ("STARTED", "termination", "provider", "TERMINATED"),
    ("SUSPENDED", "termination", "provider", "TERMINATED"),
    ("REQUESTED", "termination", "consumer", "TERMINATED"),
    ("STARTED", "termination", "consumer", "TERMINATED"),
    ("SUSPENDED", "termination", "consumer", "TERMINATED"),
    ("STARTED", "receipt", "consumer", "STARTED"),
    ("SUSPENDED", "receipt", "consumer", "SUSPENDED"),
    ("COMPLETED", "receipt", "consumer", "COMPLETED"),
];

impl Flow {
    /// All arrows of the machine.
    #[must_use]
    pub const fn arrows(self) -> &'static [Arrow] {
        match self {
            Self::Negotiation => NEGOTIATION,
            Self::Pull | Self::Push => TRANSFER,
        }
    }

    /// First word of its entry types.
    #[must_use]
    pub const fn family(self) -> &'static str {
        match self {
            Self::Negotiation => "negotiation",
            Self::Pull | Self::Push => "transfer",
        }
    }
}

/// How the peer answered an own act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 2xx with a valid acknowledgement.
    Accepted,
    /// A final refusal.
    Refused,
    /// A final refusal for the deadline.
    Lapsed,
    /// Anything that promises nothing.
    Unsettled,
}

/// An act of the other side as it arrives.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// Entry type.
    pub kind: &'a str,
    /// Its label.
    pub label: &'a str,
    /// What it names.
    pub prev: Option<&'a str>,
    /// Whether it arrives after the deadline.
    pub late: bool,
    /// Whether it is over other terms than those that stand.
    pub other_terms: bool,
}

/// One side of an exchange.
#[derive(Debug, Clone)]
pub struct Side {
    flow: Flow,
    role: &'static str,
    initiator: &'static str,
    state: &'static str,
    pending: Option<(String, String)>,
    last_acked: Option<String>,
    settled: BTreeSet<String>,
    dropped: BTreeSet<String>,
    once: BTreeSet<&'static str>,
    lapsed: bool,
}

fn other(role: &str) -> &'static str {
    if role == "provider" { "consumer" } else { "provider" }
}

fn rank(kind: &str) -> u8 {
    match kind {
        "termination" => 2,
        "completion" => 1,
        _ => 0,
    }
}

impl Side {
    /// A side before the first act; a transfer follows `finalized` of its negotiation.
    #[must_use]
    pub fn new(flow: Flow, provides: bool, provider_starts: bool) -> Self {
        let name = |provider| if provider { "provider" } else { "consumer" };
        Self {
            flow,
            role: name(provides),
            initiator: name(provider_starts),
            state: "-",
            pending: None,
            last_acked: (flow != Flow::Negotiation && provides).then(|| "finalized".to_owned()),
            settled: BTreeSet::new(),
            dropped: BTreeSet::new(),
            once: BTreeSet::new(),
            lapsed: false,
        }
    }

    /// State as it is shown; none before the first act.
    #[must_use]
    pub fn state(&self) -> Option<&'static str> {
        (self.state != "-").then_some(self.state)
    }

    /// Label of the unanswered own act.
    #[must_use]
    pub fn pending(&self) -> Option<&str> {
        self.pending.as_ref().map(|(label, _)| label.as_str())
    }

    fn verb<'a>(&self, kind: &'a str) -> Option<&'a str> {
        kind.strip_prefix(self.flow.family())?.strip_prefix('.')
    }

    /// The state that an act leads to, if it has an arrow here.
    fn arrow(&self, verb: &str, by: &str) -> Option<&'static str> {
        let found = self.flow.arrows().iter().find(|a| (a.0, a.1, a.2) == (self.state, verb, by));
        let (.., to) = found?;
        let started = self.state != "-" || by == self.initiator;
        let once = !["end", "receipt"].contains(&verb) || !self.once.contains(verb);
        // TRF-3.4: in a pull the consumer completes, after its receipt.
        let pulled = self.flow != Flow::Pull
            || verb != "completion"
            || (by == "consumer" && self.once.contains("receipt"));
        (started && once && pulled).then_some(to)
    }

    fn becomes(&mut self, verb: &str, to: &'static str) {
        self.state = to;
        match verb {
            "end" => self.once.insert("end"),
            "receipt" => self.once.insert("receipt"),
            _ => false,
        };
    }

    /// Whether an act that would leave the state is judged by the deadline.
    fn deadline(&self, verb: &str) -> bool {
        self.flow == Flow::Negotiation
            && (self.lapsed || verb != "termination")
            && (self.lapsed || !["FINALIZED", "TERMINATED"].contains(&self.state))
    }

    /// The own unanswered act was answered 2xx, or named.
    fn settle(&mut self) {
        if let Some((label, kind)) = self.pending.take() {
            let verb = self.verb(&kind).unwrap_or_default().to_owned();
            if let Some(to) = self.arrow(&verb, self.role) {
                self.becomes(&verb, to);
            }
            self.settled.insert(label.clone());
            self.last_acked = Some(label);
        }
    }

    /// Signs an own act.
    pub fn send(&mut self, kind: &str, label: &str, late: bool) -> Result<(), &'static str> {
        let verb = self.verb(kind).ok_or("not_found")?;
        if self.pending.is_some() {
            return Err("internal");
        }
        self.arrow(verb, self.role).ok_or("illegal_state")?;
        if late && self.deadline(verb) {
            return Err("lapsed");
        }
        self.pending = Some((label.to_owned(), kind.to_owned()));
        Ok(())
    }

    /// Hears how an own act was answered.
    pub fn answered(&mut self, label: &str, answer: Answer) -> Result<(), &'static str> {
        if self.pending() != Some(label) {
            let believed = answer == Answer::Unsettled || self.settled.contains(label);
            return if believed { Ok(()) } else { Err("internal") };
        }
        match answer {
            Answer::Accepted => self.settle(),
            Answer::Refused => self.pending = None,
            Answer::Lapsed => self.lapse(),
            Answer::Unsettled => {}
        }
        Ok(())
    }

    fn lapse(&mut self) {
        self.pending = None;
        self.lapsed = true;
        self.state = "TERMINATED";
    }

    /// An act of another exchange names one of ours.
    pub fn named(&mut self, label: &str) -> Result<(), &'static str> {
        if self.pending() == Some(label) {
            self.settle();
        }
        if self.last_acked.as_deref() == Some(label) { Ok(()) } else { Err("stale") }
    }

    /// The clock, while nothing arrives.
    pub fn tick(&mut self, late: bool) {
        let over = ["FINALIZED", "TERMINATED", "-"].contains(&self.state);
        if late && self.flow == Flow::Negotiation && self.pending.is_none() && !over {
            self.lapse();
        }
    }

    /// Judges an act of the other side.
    pub fn receive(&mut self, act: &Incoming<'_>) -> Result<(), &'static str> {
        let verb = self.verb(act.kind).ok_or("not_found")?;
        let by = other(self.role);
        if self.pending().is_some() && self.pending() == act.prev {
            self.settle();
        } else if act.prev != self.last_acked.as_deref() {
            return Err("stale");
        } else if let Some((label, own)) = self.pending.clone() {
            let own = self.verb(&own).unwrap_or_default();
            let wins = rank(verb) > rank(own) || (rank(verb) == rank(own) && by == "consumer");
            let to = self.arrow(verb, by).filter(|_| wins).ok_or("crossed")?;
            self.pending = None;
            self.dropped.insert(label);
            self.becomes(verb, to);
            return Ok(());
        }
        if act.late && self.deadline(verb) {
            self.lapse();
            return Err("lapsed");
        }
        let to = self.arrow(verb, by).ok_or("illegal_state")?;
        if act.other_terms {
            return Err("terms_void");
        }
        self.becomes(verb, to);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_an_end() {
        for (flow, ends) in
            [(Flow::Negotiation, ["FINALIZED", "TERMINATED"]), (Flow::Pull, ["COMPLETED", "TERMINATED"])]
        {
            assert!(flow.arrows().iter().all(|(from, _, _, to)| !ends.contains(from) || from == to));
        }
    }

    #[test]
    fn a_consumers_termination_beats_an_agreement_that_it_crosses() {
        let mut provider = Side::new(Flow::Negotiation, true, false);
        let act = |kind, label, prev| Incoming { kind, label, prev, late: false, other_terms: false };
        provider.receive(&act("negotiation.request", "c1", None)).unwrap();
        provider.send("negotiation.agreement", "p1", false).unwrap();
        provider.receive(&act("negotiation.termination", "c2", None)).unwrap();
        assert_eq!((provider.state(), provider.pending()), (Some("TERMINATED"), None));
        assert_eq!(provider.answered("p1", Answer::Accepted), Err("internal"));
    }
}
