#!/usr/bin/env python3
"""Two EDCs trade with each other: shows that the assembly of `setup` works before anything is blamed on a peer.

smoke.py                 under an empty policy
smoke.py --constrained   under terms with constraints as Naru writes them
smoke.py --wire FOLDER   writes every exchange between the two into FOLDER
Prints each step and last "smoke: held"; exit code 0 only then.
"""
import argparse
import json
import pathlib
import sys
import urllib.request

import assembly
import files
import management
import wire
import work

TERMS = {"@context": management.ODRL, "@type": "Set", "permission": [{"action": "use", "constraint": [
    {"leftOperand": "purpose", "operator": "isAnyOf", "rightOperand": ["quality_analysis"]},
    {"leftOperand": "spatial", "operator": "isAnyOf", "rightOperand": ["DE", "KR"]},
    {"leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": "P365D"}]}],
    "prohibition": [{"action": "distribute"}]}


def connectors(folder, tapped):
    """Both, started; with a proxy before the protocol of each where the wire is wanted."""
    made = []
    for name in ("provider", "consumer"):
        tap = wire.Tap(tapped, name) if tapped else None
        edc = assembly.Edc(name, folder / name, wire=tap and f"http://127.0.0.1:{tap.port}/protocol")
        if tap:
            tap.target = edc.ports["protocol"]
        print(f"{name}: healthy after {edc.seconds:.1f} s", flush=True)
        made.append(edc)
    return made


def trade(folder, constrained, tapped):
    """One whole trade."""
    provider, consumer = connectors(folder, tapped)
    source = files.random_file(folder / "data.bin", 1)
    server = files.Server(folder)
    seller, buyer = management.Operator(provider), management.Operator(consumer)
    seller.publish("asset", server.url("data.bin"), TERMS if constrained else management.USE)
    offer = buyer.offer(provider.base, "provider", "asset")
    print("offer:", json.dumps(offer))
    negotiation = buyer.negotiate(provider.base, "provider", "asset", offer)
    state = buyer.settled(negotiation)
    if state != "FINALIZED":
        raise work.Failed(f"negotiation {state}: {json.dumps(buyer.negotiation(negotiation))}")
    agreement = buyer.negotiation(negotiation)["contractAgreementId"]
    print("negotiation:", state, agreement)
    transfer = buyer.transfer(provider.base, agreement)
    state = buyer.started(transfer)
    if state != "STARTED":
        raise work.Failed(f"transfer {state}")
    address = buyer.address(transfer)
    request = urllib.request.Request(address["endpoint"], headers={"Authorization": address["authorization"]})
    with urllib.request.urlopen(request, timeout=60) as answer:
        if answer.read() != source.read_bytes():
            raise work.Failed("the bytes differ")
    print(f"transfer: {state}, the bytes are the same; management calls: provider {len(seller.calls)}, "
          f"consumer {len([c for c in buyer.calls if not c.endswith('/state')])} and polls")


def main():
    """See above."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--constrained", action="store_true")
    options.add_argument("--wire", type=pathlib.Path)
    given = options.parse_args()
    with work.folder("edc-smoke") as folder:
        trade(folder, given.constrained, given.wire)
    print("smoke: held")


if __name__ == "__main__":
    sys.exit(main())
