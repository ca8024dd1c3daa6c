//! What can go wrong in the node, each with a code of the registry.

use naru_protocol::error::Code;

use crate::{config::ConfigError, store::StoreError, transport::TransportError};

/// Why the node did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The folder is not in order.
    #[error("{0}")]
    Folder(String),
    /// The folder's files.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Durable state.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The link to the peer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A statement or key.
    #[error(transparent)]
    Identity(#[from] naru_protocol::identity::IdentityError),
    /// A signature or its form.
    #[error(transparent)]
    Jws(#[from] naru_protocol::jws::JwsError),
    /// A ticket.
    #[error(transparent)]
    Ticket(#[from] naru_protocol::ticket::TicketError),
    /// A document that is not what it should be.
    #[error(transparent)]
    Json(#[from] naru_protocol::json::JsonError),
    /// A policy pack.
    #[error(transparent)]
    Bundle(#[from] naru_policy::BundleError),
    /// The policy engine.
    #[error(transparent)]
    Engine(#[from] naru_policy::EngineError),
    /// Refused for a reason of the registry: by us, by the peer or by law.
    #[error("{}{}", .0.title(naru_protocol::error::Lang::En), if .1.is_empty() { String::new() } else { format!(": {}", .1) })]
    Refused(Code, String),
    /// Our own rules do not allow it; each finding with its law and the way out, as the operator may see them.
    #[error("{}: {rules}", .code.title(naru_protocol::error::Lang::En))]
    Judged {
        /// Denied, undetermined, or a pack that is broken.
        code: Code,
        /// Rule ids with their details.
        rules: String,
        /// As in the view of an evaluation.
        explained: Vec<serde_json::Value>,
    },
}

impl NodeError {
    /// A refusal with its details.
    pub fn refused(code: Code, detail: impl Into<String>) -> Self {
        Self::Refused(code, detail.into())
    }

    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Folder(_) => Code::ConfigInvalid,
            Self::Config(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::Transport(e) => e.code(),
            Self::Identity(e) => e.code(),
            Self::Jws(e) => e.code(),
            Self::Ticket(e) => e.code(),
            Self::Json(e) => e.code(),
            Self::Bundle(e) => Code::parse(e.code()).unwrap_or(Code::PolicyBroken),
            Self::Engine(_) => Code::PolicyBroken,
            Self::Refused(code, _) | Self::Judged { code, .. } => *code,
        }
    }
}
