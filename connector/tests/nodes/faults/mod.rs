//! What a peer may do wrong on the wire, and what a node makes of it: a clear code, signed where it is final, and nothing
//! half done (spec chapters 03, 06, 07 and 08). The peer is made by hand; the node is real.

mod consumer;
mod history;
mod provider;
