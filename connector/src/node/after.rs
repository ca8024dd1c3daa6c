//! What follows a commit: work that asks the peer for something, done without any lock.
//!
//! Decided from the state that was committed, so that a restart takes up the same work (`transfer::resume_all`).

use std::path::PathBuf;

use naru_protocol::{
    encoding::{Digest, Id},
    exchange::State as Any,
    identity::Role,
    negotiation as neg, transfer as tra,
};

use super::{
    Node, NodeError,
    inbound::Caller,
    received::Said,
    turn::{Data, Turn},
};
use crate::store::Batch;

/// Work that a commit leads to.
pub(super) enum After {
    Nothing,
    /// The agreement is in force and the consumer wants the data.
    RequestTransfer(Id),
    /// Provider in REQUESTED, consumer in STARTED.
    GoOn(Id),
    /// The consumer's transfer is suspended: what is still under way is not taken.
    Halt(Id),
    /// The receipt is acknowledged, or the transfer has ended without: nothing more is taken, and what would resume the fetch is
    /// of no use any more.
    Tidy(Id, PathBuf, Digest),
    /// The operator wants it ended, and now that may be said.
    Cancel(Id),
    /// It waits for a person, who is told.
    Ask(Id),
    /// A report of ours is to be signed.
    Report(Id),
}

impl After {
    pub(super) fn spawn(self, node: &Node) {
        let node = node.clone();
        match self {
            Self::Nothing => {}
            Self::Halt(id) => node.receiving.halt(id),
            Self::RequestTransfer(id) => drop(tokio::spawn(async move { node.want_transfer(id).await })),
            Self::Tidy(id, out, root) => drop(tokio::spawn(async move {
                node.receiving.halt(id);
                if let Err(error) = node.tidy(&out, root).await {
                    tracing::warn!(exchange = %id, out = %out.display(), %error, "what the fetch left could not be removed");
                }
            })),
            Self::Cancel(id) => drop(tokio::spawn(async move {
                if let Err(error) = node.cancel_as_wished(id).await {
                    tracing::error!(exchange = %id, %error, "it could not be ended as the operator wished");
                }
            })),
            Self::Report(id) => drop(tokio::spawn(async move {
                if let Err(error) = node.sign_report(id).await {
                    tracing::error!(exchange = %id, %error, "a report is not signed yet");
                }
            })),
            Self::Ask(id) => drop(tokio::spawn(async move { node.tell_person(id).await })),
            Self::GoOn(id) => drop(tokio::spawn(async move {
                match node.store.exchange(id).await {
                    Ok(Some(row)) => node.go_on(&row),
                    Ok(None) => {}
                    Err(error) => tracing::error!(exchange = %id, %error, "the exchange cannot be read"),
                }
            })),
        }
    }
}

impl Turn {
    /// What is to be done once this turn is durable.
    pub(super) fn after(&self) -> After {
        let role = self.machine.role();
        if self.may_cancel() {
            return After::Cancel(self.row.id);
        }
        if self.asks {
            return After::Ask(self.row.id);
        }
        if self.may_report() {
            return After::Report(self.row.id);
        }
        match (&self.data, self.machine.state()) {
            (Data::Deal(deal), Some(Any::Negotiation(neg::State::Finalized)))
                if role == Role::Consumer && deal.wants_transfer() =>
            {
                After::RequestTransfer(self.row.id)
            }
            (Data::Haul(_), Some(Any::Transfer(tra::State::Requested)))
                if role == Role::Provider && self.machine.pending().is_none() =>
            {
                After::GoOn(self.row.id)
            }
            (Data::Haul(haul), Some(Any::Transfer(tra::State::Started)))
                if role == Role::Consumer && haul.out.is_some() && !self.machine.is_received() =>
            {
                After::GoOn(self.row.id)
            }
            (Data::Haul(haul), state)
                if role == Role::Consumer
                    && (haul.receipt.is_some() || state == Some(Any::Transfer(tra::State::Terminated))) =>
            {
                haul.out
                    .clone()
                    .map_or(After::Nothing, |out| After::Tidy(self.row.id, out, haul.content_root))
            }
            (Data::Haul(_), Some(Any::Transfer(tra::State::Suspended))) if role == Role::Consumer => {
                After::Halt(self.row.id)
            }
            (Data::Deal(_) | Data::Haul(_), _) => After::Nothing,
        }
    }

    /// What a message means on this side.
    pub(super) async fn act_on(
        &mut self,
        caller: &Caller,
        said: &Said,
        content: &[u8],
    ) -> Result<Vec<u8>, NodeError> {
        match &self.data {
            Data::Deal(_) => self.negotiate(caller, said, content).await,
            Data::Haul(_) => self.transfer(caller, said, content).await,
        }
    }

    /// Gives up what the turn had prepared; only the received act itself remains, to be refused.
    pub(super) fn give_up(&mut self, (machine, data): (naru_protocol::exchange::Exchange, Data)) {
        self.machine = machine;
        self.data = data;
        let seen = std::mem::take(&mut self.batch);
        self.batch = Batch {
            peer_logs: seen.peer_logs,
            peer_claims: seen.peer_claims,
            peer_acts: seen.peer_acts,
            ..Batch::default()
        };
        self.beside.clear();
        self.forget_sent();
    }

    /// Digest of the act that came in.
    pub(super) fn received_act(&self) -> Option<Digest> {
        self.received_digest()
    }
}
