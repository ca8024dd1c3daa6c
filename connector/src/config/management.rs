//! The table `[management]` of `naru.toml`: where programs on this machine reach the running node. Does not listen.

use super::documented::documented;

documented! {
    /// The management API, always on 127.0.0.1: to reach it from elsewhere, a proxy with its own access control
    /// stands before it.
    #[derive(Default)]
    pub struct Management {
        /// The port; without it the system chooses one at each start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16> = "4802" optional;
        /// `/metrics` is answered without a token.
        #[serde(default, skip_serializing_if = "is_false")]
        open_metrics: bool = "false" default;
    }
}

const fn is_false(value: &bool) -> bool {
    !*value
}
