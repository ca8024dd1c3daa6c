"""Sets the wall clock of one of two real nodes forth and back while they deal, and checks the end.

usage: clock.py NARU WORK [--rounds N] [--mib N] [--seed N]

Each round is one deal with its transfer. At a moment that the seed says, the clock of one node jumps: minutes, hours or weeks,
ahead or back; some seconds later it is right again. While it is wrong the other refuses what is signed then; once it is right
both agree within 30 s: COMPLETED, or TERMINATED on both where the deadline passed on one; never FINALIZED on one and TERMINATED
on the other. No process ends; both logs extend what they were; the audit of both halves fails nothing.
Needs a C compiler and LD_PRELOAD (Linux with a dynamic libc). Prints its seed first. Exit code 1 if anything does not hold.
"""
import argparse
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import nodes

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("naru")
parser.add_argument("work", type=pathlib.Path)
parser.add_argument("--rounds", type=int, default=12)
parser.add_argument("--mib", type=int, default=16)
parser.add_argument("--seed", type=int, default=None, help="random if not said")
args = parser.parse_args()
args.seed = random.randrange(1 << 32) if args.seed is None else args.seed
chance = random.Random(args.seed)
AGREE = 30
MINUTE, HOUR, DAY = 60, 3600, 86_400
JUMPS = [sign * size for size in (5 * MINUTE, 2 * HOUR, 40 * DAY) for sign in (1, -1)]


class Clock:
    """What a process's wall clock is off by."""

    def __init__(self, path, shim):
        self.path = path
        self.set(0)
        self.env = {"LD_PRELOAD": str(shim), "NARU_CLOCK": str(path)}

    def set(self, ahead):
        # In place: the process has it mapped.
        with open(self.path, "r+b" if self.path.exists() else "w+b") as out:
            out.write(struct.pack("=q", ahead))


class Campaign:
    def __init__(self, work):
        self.work, self.source, shim = work, work / "source", work / "clock.so"
        here = pathlib.Path(__file__).resolve().parent
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-o", shim, here / "clock.c", "-ldl"], check=True)
        self.source.mkdir()
        (self.source / "block.bin").write_bytes(os.urandom(args.mib << 20))
        self.clocks = [Clock(work / f"{name}.clock", shim) for name in ("seller", "buyer")]
        self.nodes = [
            nodes.Node(args.naru, work, name, country, env=clock.env)
            for name, country, clock in zip(("seller", "buyer"), ("KR", "SG"), self.clocks)
        ]
        self.seller, self.buyer = self.nodes
        self.exports, self.ends = [], {}

    def deals(self):
        return {id for id, view in self.buyer.exchanges().items() if view["kind"] == "negotiation"}

    def play(self, number):
        began, known, out = time.monotonic(), self.deals(), self.work / f"in-{number}"
        side, jump = chance.randrange(2), chance.choice(JUMPS)
        early = chance.random() < 0.3
        if early:
            self.clocks[side].set(jump)
        log = open(self.work / f"get-{number}.txt", "w", encoding="utf-8")
        verb = ("get", self.dataset, "--purpose", "research", "--out", out, "--yes", "--json")
        getting = subprocess.Popen(self.buyer.command(*verb), stdout=log, stderr=log, env=self.buyer.env)
        if not early:
            time.sleep(chance.uniform(0.1, 1.2))
            self.clocks[side].set(jump)
        time.sleep(chance.uniform(0.5, 5))
        self.clocks[side].set(0)
        for node in self.nodes:
            assert node.process.poll() is None, f"{node.name} ended with {node.process.returncode}"
        new = self.deals() - known
        while not new and getting.poll() is None:
            time.sleep(0.1)
            new = self.deals() - known
        states = ["refused"]
        if new:
            states = nodes.settles(self.seller, self.buyer, new.pop(), AGREE)
        if states[-1] == "COMPLETED":
            assert nodes.whole(self.source, out), "the transfer completed, and not all files are there"
        getting.wait(timeout=60)
        told = " ".join(states[0::2])
        self.ends[told] = self.ends.get(told, 0) + 1
        self.export()
        shutil.rmtree(out, ignore_errors=True)
        when = "before" if early else "in"
        print(f"round {number}: {self.nodes[side].name} {jump:+d} s {when} the deal; {told}, {time.monotonic() - began:.1f} s", flush=True)

    def export(self):
        made = [node.export(f"log-{len(self.exports)}") for node in self.nodes]
        for before in self.exports:
            for earlier, later in zip(before, made):
                later.extends(earlier)
        self.exports.append(made)

    def run(self):
        started = time.monotonic()
        for node in self.nodes:
            node.start()
        self.dataset = nodes.meet(self.seller, self.buyer, self.source)
        for number in range(1, args.rounds + 1):
            self.play(number)
        time.sleep(2)
        self.export()
        print(nodes.audit(args.naru, self.work, self.nodes, self.exports[-1]))
        for node in self.nodes:
            node.stop()
        ends = ", ".join(f"{count} {end}" for end, count in sorted(self.ends.items()))
        print(f"clock: {args.rounds} rounds, seed {args.seed}: {ends}; both agree; {time.monotonic() - started:.0f} s")


def main():
    print(f"clock: seed {args.seed}", flush=True)
    args.naru, args.work = str(pathlib.Path(args.naru).resolve()), args.work.resolve()
    return nodes.play(Campaign, args.work, f" (seed {args.seed}, {args.work} is kept)")


sys.exit(main())
