"""Kills two real nodes with SIGKILL at random moments of deals and transfers, starts them again, and checks the end.

usage: kill.py NARU WORK [--rounds N] [--kills N] [--mib N] [--seed N] [--long]

Each round is one deal with its transfer, asked for by command; `--kills` times one of the two processes, or both, is killed,
when and which the seed says, and started again; sometimes again while it starts. In every third round a person cancels just before a kill, on either side. Then both
have to agree within 30 s (a transfer gets the time that it takes undisturbed on top): the same states, nothing outstanding;
at no time FINALIZED on one and TERMINATED on the other; a file under its final name is whole at any time, and all are there
where the transfer completed. After each round both logs are exported: each begins with what was signed and exported before,
and in the end the audit of both halves fails nothing. `--long` takes 1 GiB instead of 64 MiB.
Prints its seed first, one line a round, and `kill: ...` in the end. Exit code 1 and the nodes' logs if anything does not hold;
the folder stays then. The moments depend on the machine: a seed repeats the choices, not the interleaving.
"""
import argparse
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import nodes

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("naru")
parser.add_argument("work", type=pathlib.Path)
parser.add_argument("--rounds", type=int, default=8)
parser.add_argument("--kills", type=int, default=4)
parser.add_argument("--mib", type=int, default=None)
parser.add_argument("--seed", type=int, default=None, help="random if not said")
parser.add_argument("--long", action="store_true")
args = parser.parse_args()
args.seed = random.randrange(1 << 32) if args.seed is None else args.seed
args.mib = args.mib or (1024 if args.long else 64)
chance = random.Random(args.seed)
# What both sides get after the last restart, seconds.
AGREE = 30


class Campaign:
    """Two nodes, a dataset, and how long a deal and its transfer take undisturbed."""

    def __init__(self, work):
        self.work, self.source = work, work / "source"
        self.source.mkdir(parents=True)
        for number in range(3):
            with open(self.source / f"block-{number}.bin", "wb") as out:
                for _ in range(max(1, args.mib // 3)):
                    out.write(os.urandom(1 << 20))
                out.write(os.urandom(number))
        (self.source / "note.txt").write_text("small, and beside large ones\n", encoding="utf-8")
        self.nodes = [nodes.Node(args.naru, work, name, country) for name, country in (("seller", "KR"), ("buyer", "SG"))]
        self.seller, self.buyer = self.nodes
        self.exports = [[], []]
        self.kills, self.waits, self.ends = 0, [], {}

    def ask(self, out):
        """Asks by command and leaves it alone: the process dies with the node that it speaks to, what was asked does not."""
        verb = ("get", self.dataset, "--purpose", "research", "--out", out, "--yes", "--json")
        return subprocess.Popen(self.buyer.command(*verb), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def calibrate(self):
        """One round without kills: how long the deal takes, and all of it."""
        out, began, dealt = self.work / "in-0", time.monotonic(), None
        getting = self.ask(out)
        while getting.poll() is None:
            if dealt is None and any(view["state"] == "FINALIZED" for view in self.buyer.exchanges().values()):
                dealt = time.monotonic() - began
            time.sleep(0.02)
        assert getting.returncode == 0 and nodes.whole(self.source, out), "the undisturbed round failed"
        shutil.rmtree(out)
        self.whole = time.monotonic() - began
        self.deal = dealt if dealt is not None else self.whole
        self.export(0)
        print(f"undisturbed: a deal {self.deal:.1f} s, with its transfer {self.whole:.1f} s", flush=True)

    def new(self, known):
        return [id for id, view in self.buyer.exchanges().items() if id not in known and view["kind"] == "negotiation"]

    def moment(self, known):
        """Some time of the deal or of the transfer, counted from when the buyer's node has taken it up."""
        until = time.monotonic() + 10
        while chance.random() < 0.9 and not self.new(known) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(chance.choice([chance.uniform(0, self.deal), chance.uniform(0, self.whole)]))

    def harm(self, out):
        """Kills one or both, and starts them again; who was killed."""
        dead = chance.choice([[self.seller], [self.buyer], [self.seller, self.buyer]])
        for node in dead:
            node.kill()
        nodes.whole(self.source, out)
        time.sleep(chance.choice([0, chance.uniform(0, 2)]))
        again = []
        if chance.random() < 0.25:
            # Killed once more while it starts, and finishes what the first kill left.
            again = dead[:1]
            again[0].spawn()
            time.sleep(chance.uniform(0, self.starting))
            again[0].kill()
        for node in dead:
            self.starting = node.start()
        return [node.name for node in dead + again]

    def cancel(self, known):
        """A person ends the deal or its transfer, or comes too late: who, and what of it was taken up."""
        node = chance.choice(self.nodes)
        views = [view for id, view in node.exchanges().items() if id not in known]
        done = [view["kind"] for view in views if node.naru("cancel", view["id"], "--reason", "changed my mind", fails=True)]
        return node, done

    def play(self, number):
        out, killed, cancelled, began = self.work / f"in-{number}", [], (None, []), time.monotonic()
        # Of either side: a kill may have left one that the other does not know yet.
        known = set(self.buyer.exchanges()) | set(self.seller.exchanges())
        getting = self.ask(out)
        cancels = chance.randrange(min(2, args.kills)) if number % 3 == 0 else None
        for turn in range(args.kills):
            self.moment(known)
            if turn == cancels:
                # The kill may come before the cancellation is sent, answered, or known here.
                cancelled = self.cancel(known)
                time.sleep(chance.choice([0, chance.uniform(0, 0.2)]))
            killed += self.harm(out)
        restarted = time.monotonic()
        getting.kill()
        getting.wait()
        deals = self.new(known)
        if not deals:
            # Killed before the node took it up: nothing was asked, so that nothing may be left of it.
            assert not out.exists() or not any(out.iterdir()), f"{out} holds something"
            states = ["nothing asked"]
        else:
            assert len(deals) == 1, f"one get asked {len(deals)} times"
            follows = cancelled != (self.buyer, ["negotiation"])
            states = nodes.settles(self.seller, self.buyer, deals[0], AGREE + 2 * self.whole, follows)
        took = time.monotonic() - restarted
        self.judge(out, states, cancelled)
        self.kills += len(killed)
        self.waits.append(took)
        told = " ".join(states[0::2])
        self.ends[told] = self.ends.get(told, 0) + 1
        self.export(number)
        shutil.rmtree(out, ignore_errors=True)
        lasted = time.monotonic() - began
        by = f"; {cancelled[0].name} cancelled {' and '.join(cancelled[1]) or 'too late'}" if cancelled[0] else ""
        print(f"round {number}: killed {', '.join(killed)}{by}; {told}, {took:.1f} s after the last start, {lasted:.1f} s in all", flush=True)

    def judge(self, out, states, cancelled):
        complete, (who, what) = nodes.whole(self.source, out), cancelled
        if states[-1] == "COMPLETED":
            assert complete, "the transfer completed, and not all files are there"
            # What was taken up outlives the kill: the buyer fetches no data of a deal that it cancelled.
            assert who is not self.buyer or "negotiation" not in what, "the data came although the deal was cancelled"
        else:
            assert what or states == ["nothing asked"], f"ended without being cancelled: {states}"

    def export(self, number):
        for node, before in zip(self.nodes, self.exports):
            before.append(node.export(f"log-{number}"))
            for earlier in before[:-1]:
                before[-1].extends(earlier)

    def run(self):
        for node in self.nodes:
            self.starting = node.start()
        self.dataset = nodes.meet(self.seller, self.buyer, self.source)
        self.calibrate()
        for number in range(1, args.rounds + 1):
            self.play(number)
        # The last acknowledgement gets an entry of its own after an idle second.
        time.sleep(2)
        self.export("last")
        line = nodes.audit(args.naru, self.work, self.nodes, [exports[-1] for exports in self.exports])
        for node in self.nodes:
            node.stop()
        waits, ends = sorted(self.waits), ", ".join(f"{count} {end}" for end, count in sorted(self.ends.items()))
        print(line)
        print(
            f"kill: {args.rounds} rounds of {args.mib} MiB, {self.kills} kills, seed {args.seed}: {ends}; agreed "
            f"{waits[len(waits) // 2]:.1f} s (median), {waits[-1]:.1f} s (longest) after the last start, transfers included; "
            f"logs of {' and '.join(str(exports[-1].size) for exports in self.exports)} entries, each extending all before"
        )


def main():
    print(f"kill: seed {args.seed}", flush=True)
    args.naru, args.work = str(pathlib.Path(args.naru).resolve()), args.work.resolve()
    return nodes.play(Campaign, args.work, f" (seed {args.seed}, {args.work} is kept)")


sys.exit(main())
