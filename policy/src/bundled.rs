//! The packs of this project's own, as committed in `policy/bundles/`, so that one binary is enough to start.
//! `policy/build.sh` makes them, byte for byte, from `policy/rego/`. Not here: which of them a deal pins.

/// Name and bytes of each pack, sorted by name; the bytes are for [`crate::Bundle::load`].
pub const PACKS: [(&str, &[u8]); 8] = [
    ("cl", include_bytes!("../bundles/cl.tar.gz")),
    ("core", include_bytes!("../bundles/core.tar.gz")),
    ("dpa", include_bytes!("../bundles/dpa.tar.gz")),
    ("eu", include_bytes!("../bundles/eu.tar.gz")),
    ("kr", include_bytes!("../bundles/kr.tar.gz")),
    ("nz", include_bytes!("../bundles/nz.tar.gz")),
    ("post", include_bytes!("../bundles/post.tar.gz")),
    ("sg", include_bytes!("../bundles/sg.tar.gz")),
];

/// Name and text of each source of the frame that every pack is built on, for authors of overlays.
pub const LIB: [(&str, &str); 2] = [
    ("gate.rego", include_str!("../rego/lib/gate.rego")),
    ("places.rego", include_str!("../rego/lib/places.rego")),
];

/// The compiler that packs are built with, as `build.sh` pins it: the bytes of a pack are its own.
pub const OPA: &str = "1.22.2";

/// The module that says what offers mean (`odrl/`, ODR). It is no pack of law; a deal pins it where its offer says more than the
/// packs of law are told of it (POL-10.8).
pub const ODRL: &[u8] = include_bytes!("../bundles/odrl.tar.gz");

/// All that a node loads: the packs of law, and the module that says what offers mean.
pub fn all() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    PACKS.into_iter().chain([("odrl", ODRL)])
}
