"""Measures two real nodes on this machine: deal latency beside the disk's fsync, memory, cold start, large transfers.

usage: measure.py NARU WORK [--large] [--deals N]
Prints one line per figure, with the load of the machine beside it. No figure is asserted: a slow machine is no defect.
"""
import argparse
import http.client
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time

args = argparse.ArgumentParser()
args.add_argument("naru")
args.add_argument("work", type=pathlib.Path)
args.add_argument("--large", action="store_true")
args.add_argument("--deals", type=int, default=100)
args = args.parse_args()
here = pathlib.Path(__file__).resolve().parent.parent


class Node:
    def __init__(self, name, country):
        self.dir = args.work / name
        run = [args.naru, "init", "--dir", self.dir, "--name", name, "--country", country, "--host", "127.0.0.1"]
        self.did = subprocess.run(run, check=True, capture_output=True, text=True).stdout.splitlines()[0]
        self.start()

    def start(self):
        began = time.perf_counter()
        log = open(self.dir / "node.log", "a", encoding="utf-8")
        self.process = subprocess.Popen([args.naru, "run", "--dir", self.dir], stdout=log, stderr=log)
        while True:
            try:
                self.call("status")
                break
            except (OSError, ValueError):
                assert self.process.poll() is None, (self.dir / "node.log").read_text()
                time.sleep(0.002)
        self.cold_ms = (time.perf_counter() - began) * 1000

    def call(self, verb, request=None):
        door = json.loads((self.dir / "control.json").read_text())
        connection = http.client.HTTPConnection("127.0.0.1", door["port"], timeout=600)
        head = {"Authorization": "Bearer " + door["token"]}
        connection.request("GET" if request is None else "POST", "/v1/" + verb, None if request is None else json.dumps(request), head)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        assert answer.status == 200, (verb, body)
        return body

    def memory(self, field):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(l for l in status.splitlines() if l.startswith(field)).split()[1]) / 1024

    def reset_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def until(self, exchange, done):
        while True:
            view = self.call("exchange", {"id": exchange})
            if done(view):
                return view
            time.sleep(0.01)

    def stop(self):
        self.call("stop", {})
        self.process.wait()


def load():
    return "load {:.1f}".format(os.getloadavg()[0])


def fsync_ms():
    path, times = args.work / "fsync", []
    with open(path, "wb", buffering=0) as file:
        for _ in range(200):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def publish(node, path):
    facts = json.loads((here / "examples/ev-parts/facts.json").read_text())
    terms = json.loads((here / "examples/ev-parts/terms.json").read_text())
    terms["permission"][0]["constraint"] = [c for c in terms["permission"][0]["constraint"] if c["leftOperand"] != "count"]
    return node.call("publish", {"path": str(path), "title": {"en": path.name}, "policy": terms, "facts": facts})["dataset"]


def ask(node, dataset, out=None):
    return node.call("request", {"peer": "seller", "dataset": dataset, "purpose": "quality_analysis", "countries": ["SG"], "out": out})["id"]


shutil.rmtree(args.work, ignore_errors=True)
args.work.mkdir(parents=True)
seller, buyer = Node("seller", "KR"), Node("buyer", "SG")
print(f"cold start: {seller.cold_ms:.0f} ms, {buyer.cold_ms:.0f} ms (process start until the node answers)")
screened = {"screening": {buyer.did: {"hit": False, "screened_at": int(time.time())}}}
(seller.dir / "facts.json").write_text(json.dumps(screened))
ticket = seller.call("ticket", {"auto_accept": True, "ttl": 3600})
buyer.call("trust", {"ticket": ticket["ticket"], "alias": "seller", "fingerprint": ticket["fingerprint"]})
idle = [seller.memory("VmRSS"), buyer.memory("VmRSS")]
print(f"resident idle: provider {idle[0]:.0f} MiB, consumer {idle[1]:.0f} MiB; {os.cpu_count()} cores, {load()}")

data = publish(seller, here / "examples/ev-parts/data")
took, disk = [], [fsync_ms()]
for _ in range(args.deals):
    exchange = ask(buyer, data)
    view = buyer.until(exchange, lambda v: v["state"] in ("FINALIZED", "TERMINATED"))
    assert view["state"] == "FINALIZED", view
    took.append(view["took_ms"])
took.sort()
disk.append(fsync_ms())
print(f"deal, request to FINALIZED, {len(took)} in sequence: p50 {took[len(took) // 2]} ms, p99 {took[int(len(took) * 0.99) - 1]} ms; one fdatasync here, before and after: p50 {disk[0]:.2f} and {disk[1]:.2f} ms; {load()}")
print(f"resident after {len(took)} deals: provider {seller.memory('VmRSS'):.0f} MiB, consumer {buyer.memory('VmRSS'):.0f} MiB")

for gib in (1, 8) if args.large else ():
    source = args.work / f"source-{gib}"
    source.mkdir()
    with open(source / "block.bin", "wb") as file:
        for _ in range(gib * 64):
            file.write(os.urandom(1 << 24))
    large = publish(seller, source)
    seller.reset_peak(), buyer.reset_peak()
    before = [seller.memory("VmRSS"), buyer.memory("VmRSS")]
    began = time.perf_counter()
    exchange = ask(buyer, large, str(args.work / f"in-{gib}"))
    transfer = buyer.until(exchange, lambda v: v["other"])["other"]
    view = buyer.until(transfer, lambda v: v["state"] in ("COMPLETED", "TERMINATED") and not v["waits_for"])
    seconds = time.perf_counter() - began
    assert view["state"] == "COMPLETED", view
    peak = [seller.memory("VmHWM"), buyer.memory("VmHWM")]
    print(f"{gib} GiB, verified, to disk: {seconds:.1f} s, {gib * 1024 / seconds:.0f} MiB/s; peak resident provider {peak[0]:.0f} (before {before[0]:.0f}), consumer {peak[1]:.0f} (before {before[1]:.0f}) MiB; above idle {peak[0] - idle[0]:.0f} and {peak[1] - idle[1]:.0f}; {load()}")
    shutil.rmtree(source), shutil.rmtree(args.work / f"in-{gib}")
seller.stop(), buyer.stop()
