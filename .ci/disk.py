"""Fills the disk under one of two real nodes in each phase, empties it again, and checks that everything goes on.

usage: disk.py NARU WORK [--mib N]

Each node's folder and the buyer's output lie on a small tmpfs of their own, in a mount namespace that ends with this process
(as root, or with user namespaces; otherwise it says SKIPPED and ends with 0). Full under: `init`, `publish`, the buyer and the
seller of a deal, the output of a transfer, the store of either side while data flow, a start. What cannot be done is refused
with the code `disk_full`, no process ends, and within 30 s after there is room again both sides agree, all files are whole,
both logs extend what they were before, and the audit of both halves fails nothing. Exit code 1 if anything does not hold.
"""
import argparse
import errno
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import nodes

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("naru")
parser.add_argument("work", type=pathlib.Path)
parser.add_argument("--mib", type=int, default=24)
parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
args = parser.parse_args()
AGREE = 30


class Disk:
    """A small file system, and the file that fills it."""

    def __init__(self, path, mib):
        self.path, self.ballast = path, path / ".ballast"
        path.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", path], check=True)

    def fill(self):
        with open(self.ballast, "ab", buffering=0) as out:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        out.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free(self):
        self.ballast.unlink(missing_ok=True)


def refused(node, *verb):
    """A command that a full disk must refuse, with its code."""
    done = subprocess.run(node.command(*verb, "--json"), capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "disk_full" in said, f"{node.name}: {verb} on a full disk: {done.returncode} {said[-1500:]}"


def alive(*them):
    for node in them:
        assert node.process.poll() is None, f"{node.name} ended with {node.process.returncode}: {node.tail()}"


def told(text, began):
    print(f"disk: {text}, {time.monotonic() - began:.1f} s", flush=True)


class Campaign:
    def __init__(self, work):
        self.work, self.source = work, work / "source"
        self.source.mkdir()
        (self.source / "block.bin").write_bytes(os.urandom(args.mib << 20))
        (self.source / "note.txt").write_text("small, and beside a large one\n", encoding="utf-8")
        self.disks = {name: Disk(work / f"disk-{name}", 64) for name in ("seller", "buyer")}
        self.output = Disk(work / "disk-output", 6 * args.mib)
        self.nodes, self.exports, self.number = [], [], 0

    def init(self):
        began, disk = time.monotonic(), self.disks["seller"]
        disk.fill()
        place = disk.path / "node"
        verb = ["init", "--name", "seller", "--country", "KR", "--host", "127.0.0.1", "--json", "--dir", place]
        done = subprocess.run([args.naru, *verb], capture_output=True, text=True)
        said = done.stdout + done.stderr
        assert done.returncode != 0 and "disk_full" in said, f"init on a full disk: {done.returncode} {said[-1500:]}"
        disk.free()
        for name, country in (("seller", "KR"), ("buyer", "SG")):
            self.nodes.append(nodes.Node(args.naru, self.work, name, country, place=self.disks[name].path / "node"))
        self.seller, self.buyer = self.nodes
        told("init refused, and done with room", began)

    def publish(self):
        began = time.monotonic()
        asked = ("--title", "never", "--terms", "research-only", "--declare", "sensor-series")
        self.disks["seller"].fill()
        refused(self.seller, "publish", self.source, *asked)
        alive(self.seller)
        assert not self.seller.naru("datasets")["items"], "half a dataset is published"
        self.disks["seller"].free()
        self.dataset = nodes.meet(self.seller, self.buyer, self.source)
        told("publish refused, and done with room", began)

    def ask(self):
        self.number += 1
        out = self.output.path / f"in-{self.number}"
        verb = ("get", self.dataset, "--purpose", "research", "--out", out, "--yes", "--json")
        log = open(self.work / f"get-{self.number}.txt", "w", encoding="utf-8")
        return out, subprocess.Popen(self.buyer.command(*verb), stdout=log, stderr=log)

    def deals(self):
        return {id: view for id, view in self.buyer.exchanges().items() if view["kind"] == "negotiation"}

    def settle(self, what, began, known, out, getting):
        """With room again: both agree, and all files are there."""
        alive(*self.nodes)
        new = [id for id in self.deals() if id not in known]
        assert len(new) == 1, f"{what}: {len(new)} deals"
        states = nodes.settles(self.seller, self.buyer, new[0], AGREE)
        assert states == ["FINALIZED", "FINALIZED", "COMPLETED", "COMPLETED"], f"{what}: {states}"
        assert nodes.whole(self.source, out), f"{what}: not all files are there"
        getting.wait(timeout=60)
        shutil.rmtree(out)
        self.export(what)
        told(f"{what}: agreed with room", began)

    def deal(self, name):
        """Full while the deal is made; where the buyer's own node cannot even write down the request, it is refused."""
        began, known, disk = time.monotonic(), set(self.deals()), self.disks[name]
        disk.fill()
        out, getting = self.ask()
        time.sleep(3)
        alive(*self.nodes)
        disk.free()
        if name == "buyer" and getting.wait(timeout=60) != 0 and set(self.deals()) == known:
            said = (self.work / f"get-{self.number}.txt").read_text(encoding="utf-8")
            assert "disk_full" in said, f"the get was refused otherwise: {said[-1500:]}"
            told("the buyer's get was refused", began)
            out, getting = self.ask()
        while set(self.deals()) == known:
            assert time.monotonic() < began + AGREE + 30, "the get was never taken up"
            time.sleep(0.1)
        self.settle(f"full under the {name} of a deal", began, known, out, getting)

    def output_full(self):
        """Full before it is asked for: refused, and nothing is said to the peer."""
        began, known = time.monotonic(), set(self.deals())
        self.output.fill()
        out, getting = self.ask()
        assert getting.wait(timeout=60) != 0, "data were asked for that have no room"
        said = (self.work / f"get-{self.number}.txt").read_text(encoding="utf-8")
        assert "disk_full" in said and set(self.deals()) == known, f"no room for the data: {said[-1500:]}"
        self.output.free()
        told("a get without room for the data was refused", began)

    def transfer(self, name, disk):
        """Full from when the first bytes are there."""
        began, known = time.monotonic(), set(self.deals())
        out, getting = self.ask()
        while not out.exists():
            assert time.monotonic() < began + 60, "no transfer began"
            assert getting.poll() is None, f"the get ended: {(self.work / f'get-{self.number}.txt').read_text()}"
            time.sleep(0.005)
        disk.fill()
        if name == "output":
            # Told where a person looks, as a thing that goes on by itself.
            while not any("disk_full" in json.dumps(view.get("trouble")) for view in self.buyer.exchanges().values()):
                assert time.monotonic() < began + 60, f"no word of the full disk: {self.buyer.exchanges()}"
                time.sleep(0.1)
        time.sleep(2)
        disk.free()
        self.settle(f"full under the {name} of a transfer", began, known, out, getting)

    def restart(self, name):
        """A start on a full disk: it comes up, or says why not and comes up with room."""
        began, node, disk = time.monotonic(), getattr(self, name), self.disks[name]
        node.kill()
        disk.fill()
        node.spawn()
        until = time.monotonic() + 60
        while "\nready " not in node.since_start() and node.process.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        ended = node.process.poll()
        if ended is not None:
            assert ended != 0 and "disk_full" in node.since_start(), f"{name} ended with {ended}: {node.since_start()[-1500:]}"
        disk.free()
        node.kill()
        node.start()
        told(f"the {name} {'came up on' if ended is None else 'refused to start on'} a full disk, and started with room", began)

    def export(self, what):
        made = [node.export(f"log-{len(self.exports)}") for node in self.nodes]
        for before in self.exports:
            for earlier, later in zip(before, made):
                later.extends(earlier)
        self.exports.append(made)

    def run(self):
        started = time.monotonic()
        self.init()
        for node in self.nodes:
            node.start()
        self.publish()
        for name in ("buyer", "seller"):
            self.deal(name)
        self.output_full()
        self.transfer("output", self.output)
        for name in ("buyer", "seller"):
            self.transfer(name, self.disks[name])
            self.restart(name)
        # One more on the nodes that all this happened to; the last acknowledgement is logged after an idle second.
        known, began = set(self.deals()), time.monotonic()
        out, getting = self.ask()
        getting.wait(timeout=120)
        self.settle("one more deal", began, known, out, getting)
        time.sleep(2)
        self.export("last")
        print(nodes.audit(args.naru, self.work, self.nodes, self.exports[-1]))
        for node in self.nodes:
            node.stop()
        print(f"disk: full in each phase, nothing lost; {time.monotonic() - started:.0f} s")


def main():
    args.naru, args.work = str(pathlib.Path(args.naru).resolve()), args.work.resolve()
    if not args.inside:
        inside = [sys.executable, __file__, args.naru, args.work, "--mib", str(args.mib), "--inside"]
        own = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        if subprocess.run([*own, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode != 0:
            print("SKIPPED: a full disk needs root or user namespaces to mount a small one")
            return 0
        return subprocess.run([*own, *inside]).returncode
    return nodes.play(Campaign, args.work, "")


sys.exit(main())
