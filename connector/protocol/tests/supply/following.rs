//! What follows what was accepted before: numbers, revisions, the packs that have to be there, and what is stale (POL-18.4 to
//! POL-18.6, POL-19.2 to POL-19.4).
//!
//! The crate opens documents and orders revisions; what was accepted is kept by the node, in `connector/src/node/supply`, which
//! its own tests hold to the same. Here the clauses are written out over what the crate gives.

use std::collections::BTreeMap;

use naru_protocol::{
    encoding::Digest,
    error::Code,
    supply::{DataKind, PackLine, PackSet, Revision, SignedData, Timed as _},
};
use serde_json::{Map, Value, json};

use crate::{
    making::{DATA, END, PACKS, list, pack, read, set, signed, signers, with, word},
    vectors::NOW,
};

const TWO: &str = "two of three";

/// Number and digest of what was accepted.
type Kept = Option<(u64, Digest)>;

fn kept(kept: Kept) -> Value {
    kept.map_or(Value::Null, |(number, digest)| json!({"number": number, "digest": digest}))
}

/// Whether a document is another than the one accepted; POL-18.4.
fn is_new(number: u64, digest: Digest, before: Kept) -> Result<bool, Code> {
    match before {
        None => Ok(true),
        Some((was, known)) if number < was || (number == was && digest != known) => Err(Code::SupplyOlder),
        Some((was, _)) => Ok(number > was),
    }
}

type There = BTreeMap<&'static str, PackLine>;

/// Name, set, who signed it, what was accepted before, the packs that are there, and the refusal.
type SetCase<'a> = (&'a str, Value, &'a [u8], Kept, There, Option<Code>);

/// Name, document, who signed it, what was accepted of lists and of orders, and the refusal.
type DataCase<'a> = (&'a str, Value, &'a [u8], Kept, Kept, Option<Code>);

fn lines(packs: &[Value]) -> Vec<PackLine> {
    packs.iter().map(|pack| serde_json::from_value(pack.clone()).unwrap()).collect()
}

/// The packs of a set over those in use; POL-18.4, POL-18.5.
fn follow(set: &PackSet, in_use: &[PackLine], there: &There) -> Result<Vec<PackLine>, Code> {
    let mut after = in_use.to_vec();
    for line in &set.packs {
        let place = after.iter().position(|pack| pack.name == line.name);
        let revision = |pack: &PackLine| Revision::parse(&pack.revision).unwrap();
        let order = place.map(|place| revision(line).cmp(&revision(&after[place])));
        match order {
            Some(std::cmp::Ordering::Less) => return Err(Code::SupplyOlder),
            Some(std::cmp::Ordering::Equal) if after[place.unwrap()] == *line => continue,
            Some(std::cmp::Ordering::Equal) => return Err(Code::BundleDigest),
            Some(std::cmp::Ordering::Greater) | None => {}
        }
        let found = there.get(line.name.as_str()).ok_or(Code::BundleMissing)?;
        if found != line {
            return Err(Code::BundleDigest);
        }
        after.retain(|pack| pack.name != line.name);
        after.push(line.clone());
    }
    after.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(after)
}

/// Digest of a document as it is signed.
fn digest(document: &Value) -> Digest {
    Digest::of(&crate::making::canonical(document))
}

/// A set against what was before: what is accepted and in use then.
fn take(jws: &str, before: Kept, in_use: &[PackLine], there: &There) -> Result<(Kept, Vec<PackLine>), Code> {
    let signed = read(jws)?;
    let set: PackSet = signed.open(&signers(TWO, PACKS), NOW).map_err(|error| error.code())?;
    let digest = signed.digest::<PackSet>().unwrap();
    if !is_new(set.number, digest, before)? {
        return Ok((before, in_use.to_vec()));
    }
    Ok((Some((set.number, digest)), follow(&set, in_use, there)?))
}

/// POL-18.4, POL-18.5, POL-18.6
#[allow(clippy::too_many_lines, reason = "a table")]
pub(crate) fn sets() -> Vec<Value> {
    // Set 3 was accepted before, and both its packs are in use.
    let third: Kept = Some((3, digest(&set())));
    let base = lines(&[pack("core", "2026-01-01.4", "core 4"), pack("kr", "2026-01-01.4", "kr 4")]);
    let core = pack("core", "2026-01-01.4", "core 4");
    let kr = |revision: &str, bytes: &str| pack("kr", revision, bytes);
    let of = |number: u64, packs: &[Value]| with(set(), json!({"number": number, "packs": packs}));
    let one = |number: u64, pack: &Value| of(number, std::slice::from_ref(pack));
    let there = |packs: &[(&'static str, Value)]| -> There {
        packs.iter().map(|(name, pack)| (*name, serde_json::from_value(pack.clone()).unwrap())).collect()
    };
    let newer = kr("2026-01-02.1", "kr 5");
    let next = of(4, &[core.clone(), newer.clone()]);
    let full = there(&[("core", core.clone()), ("kr", newer.clone())]);
    let just = |pack: &Value| there(&[("kr", pack.clone())]);
    let older = Some(Code::SupplyOlder);
    let other = Some(Code::BundleDigest);
    let two: &[u8] = &[51, 52];
    let sg = pack("sg", "2026-01-01.1", "sg 1");
    let with_sg = of(4, &[core.clone(), kr("2026-01-01.4", "kr 4"), sg.clone()]);
    let tenth = kr("2026-01-01.10", "kr 10");
    let ninth = kr("2026-01-01.3", "kr 3");
    let cases: Vec<SetCase<'_>> = vec![
        ("a newer pack that is there", next.clone(), two, third, full.clone(), None),
        ("packs of the revision in use need not be there", next.clone(), two, third, just(&newer), None),
        ("the first set of all", next.clone(), two, None, just(&newer), None),
        ("the first set of all may name what is in use", set(), two, None, There::new(), None),
        ("a number that leaves some out", one(900, &newer), two, third, just(&newer), None),
        ("a pack that the set does not name stays", one(4, &newer), two, third, full, None),
        ("the same set again", set(), two, third, There::new(), None),
        ("the same set again under other signatures", set(), &[52, 53], third, There::new(), None),
        (
            "a later number with the packs in use",
            with(set(), json!({"number": 4})),
            two,
            third,
            There::new(),
            None,
        ),
        ("number 10 of a day is after number 4", one(4, &tenth), two, third, just(&tenth), None),
        ("a pack of which none was in use", with_sg.clone(), two, third, there(&[("sg", sg.clone())]), None),
        ("a number that goes back", of(2, &[core.clone(), newer.clone()]), two, third, just(&newer), older),
        (
            "the same number, other packs",
            of(3, &[core.clone(), newer.clone()]),
            two,
            third,
            just(&newer),
            older,
        ),
        (
            "the same number, another end",
            with(set(), json!({"expires_at": END + 1})),
            two,
            third,
            There::new(),
            older,
        ),
        (
            "a revision that goes back",
            of(4, &[core.clone(), kr("2025-12-31.9", "kr 1")]),
            two,
            third,
            just(&kr("2025-12-31.9", "kr 1")),
            older,
        ),
        ("a number of the day that goes back", one(4, &ninth), two, third, just(&ninth), older),
        (
            "one goes back and one is newer",
            of(4, &[pack("core", "2026-01-01.3", "core 3"), newer.clone()]),
            two,
            third,
            just(&newer),
            older,
        ),
        ("a revision goes back in the first set of all", one(1, &ninth), two, None, just(&ninth), older),
        (
            "the revision in use with another digest",
            of(4, &[kr("2026-01-01.4", "kr x")]),
            two,
            third,
            just(&kr("2026-01-01.4", "kr x")),
            other,
        ),
        ("a newer pack that is not there", next.clone(), two, third, There::new(), Some(Code::BundleMissing)),
        (
            "a pack of which none is in use is not there",
            with_sg,
            two,
            third,
            just(&newer),
            Some(Code::BundleMissing),
        ),
        (
            "a newer pack is there with another digest",
            next.clone(),
            two,
            third,
            just(&kr("2026-01-02.1", "kr x")),
            other,
        ),
        (
            "a newer pack is there with another revision",
            next.clone(),
            two,
            third,
            just(&kr("2026-01-02.2", "kr 5")),
            other,
        ),
        (
            "a newer pack is there with another name",
            next.clone(),
            two,
            third,
            just(&pack("sg", "2026-01-02.1", "kr 5")),
            other,
        ),
        (
            "too few signatures, and all else is right",
            next,
            &[51],
            third,
            just(&newer),
            Some(Code::SignersMissing),
        ),
    ];
    let written = cases.into_iter().map(|(name, document, seeds, before, there, due)| {
        let jws = signed(PACKS, &document, seeds);
        let taken = take(&jws, before, &base, &there);
        assert_eq!(taken.as_ref().err(), due.as_ref(), "{name}");
        let after = taken.ok().map(|(set, packs)| json!({"set": kept(set), "packs": packs}));
        json!({
            "name": name, "operator": TWO, "now": NOW, "as": "packs", "jws": jws, "accepted": kept(before),
            "in_use": base, "there": there, "outcome": word(due), "after": after,
        })
    });
    written.collect()
}

/// POL-19.2: each kind has numbers of its own.
pub(crate) fn data() -> Vec<Value> {
    let sanctions: Kept = Some((7, digest(&list())));
    let order = with(list(), json!({"kind": "stop_orders", "number": 2, "entries": [{"ref": "S-1"}]}));
    let orders: Kept = Some((2, digest(&order)));
    let list_of = |number: u64| with(list(), json!({"number": number}));
    let older = Some(Code::SupplyOlder);
    let cases: Vec<DataCase<'_>> = vec![
        ("the first list", list(), &[61], None, None, None),
        ("the first list, after orders with a higher number", list_of(1), &[61], None, orders, None),
        ("the next list", list_of(8), &[61], sanctions, orders, None),
        ("the same list again", list(), &[61], sanctions, orders, None),
        ("the same list again by another signer", list(), &[62], sanctions, None, None),
        (
            "orders with a number below that of the list",
            with(order.clone(), json!({"number": 3})),
            &[61],
            sanctions,
            orders,
            None,
        ),
        (
            "the next list names nobody",
            with(list_of(8), json!({"entries": []})),
            &[61],
            sanctions,
            None,
            None,
        ),
        ("a list whose number goes back", list_of(6), &[61], sanctions, orders, older),
        (
            "another list of the same number",
            with(list(), json!({"entries": []})),
            &[61],
            sanctions,
            None,
            older,
        ),
        (
            "orders whose number goes back",
            with(order.clone(), json!({"number": 1})),
            &[61],
            None,
            orders,
            older,
        ),
        ("a list by a signer of packs alone", list_of(8), &[51], sanctions, None, Some(Code::SignersMissing)),
        (
            "a list that is over",
            with(list_of(8), json!({"expires_at": NOW})),
            &[61],
            sanctions,
            None,
            Some(Code::SupplyExpired),
        ),
    ];
    let written = cases.into_iter().map(|(name, document, seeds, of_list, of_orders, due)| {
        let jws = signed(DATA, &document, seeds);
        let taken = take_data(&jws, of_list, of_orders);
        assert_eq!(taken.as_ref().err(), due.as_ref(), "{name}");
        let both = |(of_list, of_orders): (Kept, Kept)| {
            json!({"sanctions": kept(of_list), "stop_orders": kept(of_orders)})
        };
        json!({
            "name": name, "operator": TWO, "now": NOW, "as": "data", "jws": jws,
            "accepted": both((of_list, of_orders)), "outcome": word(due), "after": taken.ok().map(both),
        })
    });
    written.collect()
}

fn take_data(jws: &str, of_list: Kept, of_orders: Kept) -> Result<(Kept, Kept), Code> {
    let signed = read(jws)?;
    let data: SignedData = signed.open(&signers(TWO, DATA), NOW).map_err(|error| error.code())?;
    let digest = signed.digest::<SignedData>().unwrap();
    let after = |before: Kept| -> Result<Kept, Code> {
        Ok(if is_new(data.number, digest, before)? { Some((data.number, digest)) } else { before })
    };
    Ok(match data.kind {
        DataKind::Sanctions => (after(of_list)?, of_orders),
        DataKind::StopOrders => (of_list, after(of_orders)?),
    })
}

/// POL-19.3, POL-19.4
pub(crate) fn stale() -> Vec<Value> {
    let order = json!({"kind": "stop_orders", "number": 2, "entries": [{"ref": "S-1"}]});
    let own_party = json!([{"name": "Meridian Shadow Trading"}]);
    let own_order = json!([{"ref": "OWN-1"}]);
    let nothing = json!([]);
    let cases: Vec<(&str, Value, &Value, u64)> = vec![
        ("a list adds to the node's own", list(), &own_party, NOW),
        ("a list in its last second", list(), &own_party, END - 1),
        ("nobody is screened once the list is stale", list(), &own_party, END),
        ("orders add to the operator's", with(list(), order.clone()), &own_order, END - 1),
        ("orders where the operator has none", with(list(), order.clone()), &nothing, NOW),
        ("orders are not known once they are stale", with(list(), order.clone()), &own_order, END),
        ("nor where the operator has none", with(list(), order), &nothing, END + 86_400),
    ];
    let written = cases.into_iter().map(|(name, document, own, now)| {
        let jws = signed(DATA, &document, &[61]);
        let data: SignedData = read(&jws).unwrap().read().unwrap();
        let all: Vec<Value> = own.as_array().unwrap().iter().chain(&data.entries).cloned().collect();
        let given = if now < data.expires() { Value::from(all) } else { Value::Null };
        let mut case = Map::new();
        case.extend([("name".to_owned(), json!(name)), ("now".to_owned(), json!(now))]);
        case.extend([("jws".to_owned(), json!(jws)), ("own".to_owned(), own.clone())]);
        case.insert("given".to_owned(), given);
        Value::Object(case)
    });
    written.collect()
}
