"""Kills two real nodes with SIGKILL at random moments of deals and transfers, starts them again, and checks the end.

usage: kill.py NARU WORK [--rounds N] [--kills N] [--mib N] [--seed N]

Each round is one deal with its transfer, asked for by command; `--kills` times one of the two processes is killed, whichever
the seed says, and started again. Then both have to agree within 30 s: FINALIZED and COMPLETED on both sides, the files equal
to the source, nothing under a final name that is not whole. After the rounds both logs are exported: what was exported after
the first round is a prefix of what stands there now, and the audit of both halves proves or leaves open, and fails nothing.
Prints one line a round, then `kill: N rounds, M kills, ...`. Exit code 1 and the nodes' logs if anything does not hold.
"""
import argparse
import filecmp
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("naru")
parser.add_argument("work", type=pathlib.Path)
parser.add_argument("--rounds", type=int, default=10)
parser.add_argument("--kills", type=int, default=4)
parser.add_argument("--mib", type=int, default=48)
parser.add_argument("--seed", type=int, default=1)
args = parser.parse_args()
here = pathlib.Path(__file__).resolve().parent.parent
chance = random.Random(args.seed)
# What both sides get after the last restart, seconds.
AGREE = 30


class Node:
    """A folder and the process that runs it."""

    def __init__(self, name, country):
        self.dir = args.work / name
        self.name = name
        made = self.naru("init", "--name", name, "--country", country, "--host", "127.0.0.1")
        self.did = made["did"]
        self.start()

    def naru(self, *verb, fails=False):
        """One command; what it printed as JSON. With `fails`, None where the node is not there."""
        done = subprocess.run([args.naru, *verb, "--dir", self.dir, "--json"], capture_output=True, text=True)
        if done.returncode != 0:
            if fails:
                return None
            raise AssertionError(f"{self.name}: {verb}: {done.stderr}{done.stdout}")
        return json.loads(done.stdout.splitlines()[-1])

    def start(self):
        log = open(self.dir / "node.log", "a", encoding="utf-8")
        self.process = subprocess.Popen([args.naru, "run", "--dir", self.dir], stdout=log, stderr=log)
        while self.naru("status", fails=True) is None:
            assert self.process.poll() is None, f"{self.name} did not start: {(self.dir / 'node.log').read_text()[-2000:]}"
            time.sleep(0.05)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def exchange(self, wanted):
        """An exchange by its id."""
        found = [e for e in self.naru("exchanges", fails=True) or [] if e["id"] == wanted]
        return found[0] if found else None

    def export(self, name):
        out = args.work / f"{self.name}-{name}"
        subprocess.run([args.naru, "log", "export", "--dir", self.dir, "--out", out], check=True, capture_output=True)
        return out


def entries(export):
    """All entry bundles of an export, one after the other."""
    bundles = {}
    root = export / "tile" / "entries"
    for path in root.rglob("*"):
        if path.is_file():
            parts = list(path.relative_to(root).parts)
            if len(parts) > 1 and parts[-2].endswith(".p"):
                parts.pop()
            index = int("".join(part.removeprefix("x").removesuffix(".p") for part in parts))
            if len(path.read_bytes()) > len(bundles.get(index, b"")):
                bundles[index] = path.read_bytes()
    return b"".join(bundles[index] for index in sorted(bundles))


def settled(view):
    return view is not None and view["state"] in ("FINALIZED", "TERMINATED", "COMPLETED") and not view.get("waits_for")


def same(source, out):
    """Whether every file arrived whole; anything under a final name that is not whole is an error at any time."""
    complete = True
    for path in (p for p in source.rglob("*") if p.is_file()):
        got = out / path.relative_to(source)
        if not got.exists():
            complete = False
        else:
            assert filecmp.cmp(path, got, shallow=False), f"{got} is not whole"
    return complete


def follow(seller, buyer, deal):
    """The states of a deal and its transfer on both sides, and whether nothing is outstanding."""
    views = [seller.exchange(deal), buyer.exchange(deal)]
    if not all(map(settled, views)):
        return views, False
    transfer = views[1].get("other")
    if not transfer:
        return views, views[1]["state"] == "TERMINATED"
    views += [seller.exchange(transfer), buyer.exchange(transfer)]
    return views, all(map(settled, views))


def play(number, seller, buyer, dataset, source):
    out = args.work / f"in-{number}"
    ask = ["get", f"seller/{dataset}", "--purpose", "quality_analysis", "--out", out]
    if "--yes" in subprocess.run([args.naru, "get", "--help"], capture_output=True, text=True).stdout:
        ask.append("--yes")
    known = {e["id"] for e in buyer.naru("exchanges")}
    getting = subprocess.Popen([args.naru, *ask, "--dir", buyer.dir, "--json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    killed, began = [], time.monotonic()
    while len(killed) < args.kills:
        # A deal takes a twentieth of a second, its transfer up to some seconds.
        time.sleep(chance.choice([chance.uniform(0, 0.12), chance.uniform(0, 2.0)]))
        for node in chance.choice([[seller], [buyer], [seller, buyer]]):
            node.kill()
            killed.append(node.name)
            node.start()
        same(source, out)
    restarted = time.monotonic()
    getting.kill()
    getting.wait()
    new = [e for e in buyer.naru("exchanges") if e["id"] not in known and e["kind"] == "negotiation"]
    if not new:
        print(f"round {number}: killed before anything was asked ({', '.join(killed)})", flush=True)
        return len(killed), None
    while True:
        views, over = follow(seller, buyer, new[0]["id"])
        if over:
            break
        # Large data take their time; the deal itself does not.
        assert time.monotonic() - restarted < AGREE + args.mib / 10, f"round {number}: no agreement: {json.dumps(views, indent=1, ensure_ascii=False)[:6000]}"
        time.sleep(0.1)
    took = time.monotonic() - restarted
    states = [v["state"] for v in views]
    assert states[0] == states[1] and states[2:3] == states[3:4], f"round {number}: {states}"
    assert states == ["FINALIZED", "FINALIZED", "COMPLETED", "COMPLETED"], f"round {number}: {states}"
    assert same(source, out), f"round {number}: not all files are there"
    print(f"round {number}: killed {', '.join(killed)}; agreed {took:.1f} s after the last restart, {time.monotonic() - began:.1f} s in all", flush=True)
    shutil.rmtree(out)
    return len(killed), took


def main():
    shutil.rmtree(args.work, ignore_errors=True)
    source = args.work / "source"
    source.mkdir(parents=True)
    for number in range(3):
        (source / f"block-{number}.bin").write_bytes(os.urandom(args.mib * (1 << 20) // 3 + number))
    seller, buyer = Node("seller", "KR"), Node("buyer", "SG")
    terms = json.loads((here / "examples/ev-parts/terms.json").read_text())
    terms["permission"][0]["constraint"] = [c for c in terms["permission"][0]["constraint"] if c["leftOperand"] != "count"]
    (args.work / "terms.json").write_text(json.dumps(terms))
    declared = "--declare" if "--declare" in subprocess.run([args.naru, "publish", "--help"], capture_output=True, text=True).stdout else "--facts"
    facts = here / "examples/ev-parts/facts.json"
    dataset = seller.naru("publish", source, "--title", "blocks", "--terms", args.work / "terms.json", declared, facts)["dataset"]
    ticket = seller.naru("ticket", "--auto-accept")
    buyer.naru("trust", ticket["ticket"], "--as", "seller", "--fingerprint", ticket["fingerprint"])
    kills, waits, first = 0, [], None
    for number in range(1, args.rounds + 1):
        some, took = play(number, seller, buyer, dataset, source)
        kills += some
        waits += [took] if took is not None else []
        first = first or [node.export("first") for node in (seller, buyer)]
    last = [node.export("last") for node in (seller, buyer)]
    for before, after in zip(first, last):
        assert entries(after).startswith(entries(before)) and entries(before), f"{after} does not extend {before}"
    anchors = "version = 1\n" + "".join(
        f'[[participant]]\ndid = "{n.did}"\nname = "{n.name}"\ncountry = "{c}"\n' for n, c in ((seller, "KR"), (buyer, "SG"))
    )
    (args.work / "anchors.toml").write_text(anchors)
    audit = subprocess.run([args.naru, "audit", "verify", *last, "--trust", args.work / "anchors.toml"], capture_output=True, text=True)
    assert audit.returncode == 0, audit.stdout[-3000:]
    for node in (seller, buyer):
        node.naru("stop")
        node.process.wait()
    print(audit.stdout.strip().splitlines()[-1])
    waits.sort()
    print(f"kill: {args.rounds} rounds, {kills} kills, seed {args.seed}, {args.mib} MiB each; agreed within {waits[len(waits) // 2]:.1f} s (median), {waits[-1]:.1f} s (longest)")


try:
    main()
except AssertionError as error:
    print(f"FAILED: {error}", file=sys.stderr)
    for name in ("seller", "buyer"):
        log = args.work / name / "node.log"
        if log.exists():
            print(f"--- {name}\n" + log.read_text()[-3000:], file=sys.stderr)
    sys.exit(1)
finally:
    subprocess.run(["pkill", "-f", f"run --dir {args.work}"], check=False)
