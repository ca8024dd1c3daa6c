//! Whose pack is behind, where the packs of a proposal are not those of this node (POL-18.8).
//!
//! A digest that this node had before is an older pack; one that it never saw is taken for a newer one, since nobody can prove to
//! it that it is not. Only packs that the deal needs are compared: what else the two have is their own affair.

use std::collections::BTreeSet;

use naru_policy::Engine;
use naru_protocol::{encoding::Digest, identity::Role, terms::Pack};

use super::shelf::Shelf;

const fn word(role: Role) -> &'static str {
    match role {
        Role::Provider => "provider",
        Role::Consumer => "consumer",
    }
}

/// One line for each pack that differs. `ours` is our role in the deal.
pub(super) fn lines(shelf: &Shelf, law: &Engine, named: &[Pack], ours: Role) -> Vec<String> {
    let (us, them) = match ours {
        Role::Provider => (word(Role::Provider), word(Role::Consumer)),
        Role::Consumer => (word(Role::Consumer), word(Role::Provider)),
    };
    let names: BTreeSet<&str> = law
        .packs()
        .map(|pack| pack.name.as_str())
        .chain(named.iter().map(|pack| pack.name.as_str()))
        .collect();
    names.into_iter().filter_map(|name| one(shelf, law, named, name, (us, them))).collect()
}

fn one(shelf: &Shelf, law: &Engine, named: &[Pack], name: &str, (us, them): (&str, &str)) -> Option<String> {
    let own = law.bundle(name).map(naru_policy::Bundle::pack);
    let theirs: Option<Digest> = named.iter().find(|pack| pack.name == name).map(|pack| pack.digest);
    let (own, theirs) = match (own, theirs) {
        (None, None) => return None,
        (Some(own), Some(theirs)) if own.digest == theirs.to_string() => return None,
        (Some(own), None) => {
            return Some(format!(
                "{name}: the {us} needs {} {}, the {them} names none; behind: {them}",
                own.revision, own.digest
            ));
        }
        (None, Some(theirs)) => {
            return Some(format!("{name}: the {them} names {theirs}, the {us} needs none; behind: {us}"));
        }
        (Some(own), Some(theirs)) => (own, theirs),
    };
    let (said, behind) = match shelf.known(name, &theirs) {
        Some(revision) => (format!("{revision} {theirs}"), them),
        None => (format!("{theirs}, which the {us} has never had"), us),
    };
    Some(format!("{name}: the {us} has {} {}, the {them} {said}; behind: {behind}", own.revision, own.digest))
}
