//! The table `[policy]` of `naru.toml`: rules of the operator's own (spec chapter 05, POL-16). Reads no bundle.

use super::documented::documented;

documented! {
    /// Rules of your own beside the law's: overlays, which can only deny and oblige. Partners are not asked to have them.
    #[derive(Default)]
    pub struct Policy {
        /// Bundles that `naru policy build` made, within the node's folder or elsewhere. None if left out.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        overlays: Vec<String> = "[\"overlays/house.tar.gz\"]" optional;
    }
}

impl Policy {
    /// The bundles, as they are written.
    pub fn overlays(&self) -> impl Iterator<Item = &str> {
        self.overlays.iter().map(String::as_str)
    }
}
