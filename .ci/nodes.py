"""Real nodes for the campaigns of this folder: a folder, the process that runs it, and what its exported log says.

Used by kill.py, disk.py and clock.py. Everything goes through the command line, as a person or a script would do it.
"""
import base64
import filecmp
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

# So that a campaign that is stopped stops its nodes too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

ENDED = ("FINALIZED", "TERMINATED", "COMPLETED")


class Node:
    """A folder and the process that runs it."""

    def __init__(self, naru, work, name, country, env=None, place=None):
        self.binary, self.work, self.name, self.env = naru, work, name, dict(os.environ, **(env or {}))
        self.env.pop("NARU_DIR", None)
        self.dir, self.process, self.starts = place or work / name, None, 0
        self.naru("init", "--name", name, "--country", country, "--host", "127.0.0.1")
        self.log = work / f"{name}.log"

    def command(self, *verb):
        return [self.binary, *verb, "--dir", self.dir]

    def naru(self, *verb, fails=False):
        """One command; what it printed as JSON. With `fails`, None where it was refused or the node is not there."""
        done = subprocess.run(self.command(*verb, "--json"), capture_output=True, text=True, env=self.env)
        if done.returncode != 0:
            if fails:
                return None
            raise AssertionError(f"{self.name}: {verb}: {done.stderr}{done.stdout}")
        lines = done.stdout.splitlines()
        return json.loads(lines[-1]) if lines else None

    def spawn(self):
        """Starts the process, and does not wait for anything."""
        self.starts += 1
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(f"--- start {self.starts}\n")
            log.flush()
            self.process = subprocess.Popen(self.command("run"), stdout=log, stderr=log, env=self.env)

    def start(self, within=60):
        """Starts the process and waits until the node is ready; how long that took."""
        self.spawn()
        began = time.monotonic()
        while "\nready " not in self.since_start():
            code = self.process.poll()
            assert code is None, f"{self.name} did not start ({code}): {self.tail()}"
            assert time.monotonic() < began + within, f"{self.name} is not there {within} s after its start: {self.tail()}"
            time.sleep(0.05)
        return time.monotonic() - began

    def since_start(self):
        """What the node printed since it was last started. A reading command would not do: it reads the folder of a dead node."""
        return "\n" + self.log.read_text(encoding="utf-8", errors="replace").rpartition(f"--- start {self.starts}\n")[2]

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self):
        self.naru("stop")
        assert self.process.wait(timeout=60) == 0, f"{self.name} ended with {self.process.returncode}"

    def tail(self, most=3000):
        return self.log.read_text(encoding="utf-8", errors="replace")[-most:] if self.log.exists() else ""

    def exchanges(self):
        return {view["id"]: view for view in (self.naru("exchanges", fails=True) or {"items": []})["items"]}

    def export(self, name):
        out = self.work / f"{self.name}-{name}"
        self.naru("log", "export", "--out", out)
        return Export(out)


class Export:
    """An exported log: its entries, and the checkpoint that was signed over them."""

    def __init__(self, folder):
        self.folder = folder
        self.entries = list(read_entries(folder / "tile" / "entries"))
        lines = (folder / "checkpoint").read_text(encoding="utf-8").split("\n")
        self.origin, self.size, self.root = lines[0], int(lines[1]), base64.b64decode(lines[2])
        assert len(self.entries) >= self.size, f"{folder}: {len(self.entries)} entries for a checkpoint of {self.size}"
        assert root(self.entries[: self.size]) == self.root, f"{folder}: the entries do not lead to the checkpoint"

    def extends(self, before):
        """This log begins with the other one, and with what its checkpoint signed."""
        assert self.origin == before.origin and self.size >= before.size, f"{self.folder} is another or a shorter log"
        assert self.entries[: before.size] == before.entries[: before.size], f"{self.folder} does not extend {before.folder}"
        assert root(self.entries[: before.size]) == before.root


def read_entries(folder):
    bundles = {}
    for path in folder.rglob("*"):
        if path.is_file():
            parts = list(path.relative_to(folder).parts)
            if len(parts) > 1 and parts[-2].endswith(".p"):
                parts.pop()
            number = int("".join(part.removeprefix("x").removesuffix(".p") for part in parts))
            bundles[number] = max(bundles.get(number, b""), path.read_bytes(), key=len)
    for number in sorted(bundles):
        rest = bundles[number]
        while rest:
            length = int.from_bytes(rest[:2], "big")
            yield rest[2 : 2 + length]
            rest = rest[2 + length :]


def root(entries):
    """The root of RFC 6962 over these entries."""
    if not entries:
        return hashlib.sha256(b"").digest()
    level = [hashlib.sha256(b"\0" + entry).digest() for entry in entries]
    while len(level) > 1:
        pairs = [hashlib.sha256(b"\1" + a + b).digest() for a, b in zip(level[::2], level[1::2])]
        level = pairs + level[len(level) & ~1 :]
    return level[0]


def settled(view):
    return view is not None and view["state"] in ENDED and not view.get("waits_for")


def whole(source, out):
    """Whether every file is there; one under its final name that is not whole is an error at any time."""
    complete = True
    for path in (p for p in source.rglob("*") if p.is_file()):
        got = out / path.relative_to(source)
        if not got.exists():
            complete = False
        else:
            assert filecmp.cmp(path, got, shallow=False), f"{got} is not whole"
    return complete


def compare(seller, buyer, deal, follows=True):
    """The states of a deal and its transfer on both sides, and whether nothing is outstanding. Torn at no time.

    Without `follows` a concluded deal may be all: its transfer was cancelled before it was asked for."""
    sides = [node.exchanges() for node in (seller, buyer)]
    views = [side.get(deal) for side in sides]
    states = {view["state"] for view in views if view}
    assert not {"FINALIZED", "TERMINATED"} <= states, f"torn: {json.dumps(views, indent=1, ensure_ascii=False)[:4000]}"
    over = all(map(settled, views))
    # Both name the same transfer; before one is asked for there is none.
    names = {view["other"] for view in views if view and view.get("other")}
    for name in sorted(names):
        pair = [side.get(name) for side in sides]
        views += pair
        over = over and all(map(settled, pair))
    if over and not names:
        over = views[0]["state"] == "TERMINATED" or not follows
    return views, over


def settles(seller, buyer, deal, within, follows=True):
    """Waits until both agree about a deal and its transfer; the views (seller, buyer, ...) in pairs."""
    until = time.monotonic() + within
    while True:
        views, over = compare(seller, buyer, deal, follows)
        if over:
            states = [view["state"] for view in views]
            assert states[0::2] == states[1::2], f"nothing is outstanding, and they differ: {states}"
            return states
        told = "\n".join(json.dumps({k: v for k, v in (view or {}).items() if k != "decision"}, ensure_ascii=False) for view in views)
        assert time.monotonic() < until, f"no agreement within {within:.0f} s: {told[:6000]}"
        time.sleep(0.2)


def meet(seller, buyer, source, terms="research-only", facts="sensor-series"):
    """Publishes the source and makes both known to each other; the dataset's reference for the buyer."""
    asked = ("--title", "blocks", "--terms", terms, "--declare", facts)
    dataset = seller.naru("publish", source, *asked)["dataset"]
    ticket = seller.naru("ticket", "--auto-accept")
    buyer.naru("trust", ticket["ticket"], "--as", "seller", "--yes")
    return f"seller/{dataset}"


def audit(naru, work, nodes, exports):
    """Both halves by `audit verify`, under anchors of the auditor's own; its last line."""
    anchors = work / "anchors.toml"
    lines = [subprocess.run(n.command("keys", "anchor"), capture_output=True, text=True, check=True).stdout for n in nodes]
    anchors.write_text("".join(lines), encoding="utf-8")
    folders = [export.folder for export in exports]
    done = subprocess.run([naru, "audit", "verify", *folders, "--trust", anchors], capture_output=True, text=True)
    assert done.returncode == 0, f"audit: {done.stdout[-3000:]}{done.stderr[-1000:]}"
    return done.stdout.strip().splitlines()[-1]


def play(make, work, what):
    """Plays a campaign, made by `make` in an empty folder; its exit code. What fails is told with the ends of the nodes' logs."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    campaign = make(work)
    try:
        campaign.run()
    except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"FAILED{what}: {error}", file=sys.stderr)
        for node in campaign.nodes:
            print(f"--- {node.name}\n{node.tail()}", file=sys.stderr)
        return 1
    finally:
        for node in campaign.nodes:
            node.kill()
    return 0
