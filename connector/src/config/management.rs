//! The table `[management]` of `naru.toml`: where programs on this machine reach the running node. Does not listen.

use serde::{Deserialize, Serialize};

/// The management API. Always on 127.0.0.1: to reach it from elsewhere, a proxy with its own access control stands before it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Management {
    /// The port; without it the system chooses one at each start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `/metrics` is answered without a token.
    #[serde(default, skip_serializing_if = "is_false")]
    pub open_metrics: bool,
}

const fn is_false(value: &bool) -> bool {
    !*value
}
