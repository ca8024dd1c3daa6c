"""The two kinds of pairs that `campaign.py` measures: two EDCs, two nodes of ours. Each does what its users would do.

EDC: in memory, unsigned, mock identity, no TLS. Ours: SQLite on disk with full fsync, every act signed, logged and
acknowledged, TLS over libp2p, the rule packs evaluated on both sides; the binary that users have.
"""
import json
import shutil
import time

import assembly
import files
import management
import node
import work


class Edcs:
    """Two EDCs; `poll_ms` None leaves their own second."""

    # Seconds between two looks at a deal in sequence.
    fine = 0.005

    def __init__(self, folder, server, poll_ms=None):
        self.name = "EDC, 50 ms polling" if poll_ms else "EDC as it comes"
        self.folder, self.server, self.poll_ms = folder, server, poll_ms
        self.rhythm = (poll_ms or 1000) / 1000
        self.provider = self.consumer = self.seller = self.buyer = self.offer = None

    def start(self):
        """Starts both, one after the other; the seconds that each took."""
        self.provider = assembly.Edc("provider", self.folder / "provider", self.poll_ms)
        self.consumer = assembly.Edc("consumer", self.folder / "consumer", self.poll_ms)
        self.seller, self.buyer = management.Operator(self.provider), management.Operator(self.consumer)
        return [self.provider.seconds, self.consumer.seconds]

    def stop(self):
        """Ends both."""
        self.provider.stop()
        self.consumer.stop()

    def memory(self):
        """Of both, MiB."""
        return [self.provider.memory(), self.consumer.memory()]

    def prepare(self):
        """EDCs with the mock identity need no introduction."""

    def first_trade(self):
        """One whole trade; the calls that its users made, polls counted once each."""
        self.seller.publish("asset", self.server.url("small"))
        self.offer = self.buyer.offer(self.provider.base, "provider", "asset")
        self._data(self._agreement("asset", self.offer))
        calls = list(dict.fromkeys(_without_ids(call) for call in self.buyer.calls))
        return self.seller.calls + calls + ["GET of the data with the token"]

    def ask(self):
        """Asks for the dataset; the id of the negotiation."""
        return self.buyer.negotiate(self.provider.base, "provider", "asset", self.offer)

    def settled(self, deal, seconds, pause):
        """How a negotiation ended for the consumer, or where it stands after so many seconds."""
        return self.buyer.settled(deal, seconds, pause)

    def rest(self):
        """It has no budgets that a stage could use up for the next one."""

    def remarks(self):
        """Nothing."""
        return ""

    def transfer(self, large):
        """A large file: as fast as its client can take it, neither looked at nor written."""
        asset = f"large-{time.monotonic_ns()}"
        self.seller.publish(asset, self.server.url(large.name))
        offer = self.buyer.offer(self.provider.base, "provider", asset)
        agreement = self._agreement(asset, offer)
        length, before = large.stat().st_size, self._cpu()
        seconds, taken = self._data(agreement)
        if not length <= taken <= length * 1.02:
            raise work.Failed(f"{taken} bytes came instead of {length}")
        return {**seconds, "processor": self._cpu() - before}

    def _agreement(self, asset, offer):
        """An agreement to go on with. EDC loses a deal now and then (409 between its own two): then another one is made."""
        for _ in range(5):
            deal = self.buyer.negotiate(self.provider.base, "provider", asset, offer)
            if self.settled(deal, 120, self.fine) == "FINALIZED":
                return self.buyer.negotiation(deal)["contractAgreementId"]
        raise work.Failed("EDC lost five deals in a row")

    def _data(self, agreement):
        """Asks for the data of an agreement and takes them; the seconds, and how many bytes came."""
        began = time.perf_counter()
        transfer = self.buyer.transfer(self.provider.base, agreement)
        if self.buyer.started(transfer, 60, 0.005) != "STARTED":
            raise work.Failed("EDC's transfer did not start")
        address = self.buyer.address(transfer)
        fetched = time.perf_counter()
        taken = files.count(address["endpoint"], address["authorization"])
        ended = time.perf_counter()
        return {"whole": ended - began, "data": ended - fetched}, taken

    def _cpu(self):
        return sum(work.cpu_seconds(edc.process.pid) for edc in (self.provider, self.consumer))


def _without_ids(call):
    """The kind of a call: polls of the same thing are one."""
    return "/".join("ID" if len(part) == 36 and part.count("-") == 4 else part for part in call.split("/"))


class Ours:
    """Two nodes of ours."""

    name = "Naru"
    rhythm = 0.05
    fine = 0.002

    def __init__(self, naru, folder):
        self.folder, self.limited = folder, 0
        folder.mkdir(parents=True, exist_ok=True)
        self.seller = node.Node(naru, folder / "seller", "seller", "KR")
        self.buyer = node.Node(naru, folder / "buyer", "buyer", "SG")
        self.dataset = None

    def start(self):
        """Starts both, one after the other; the seconds that each took."""
        return [each.start().seconds for each in (self.seller, self.buyer)]

    def stop(self):
        """Ends both."""
        self.seller.stop()
        self.buyer.stop()

    def memory(self):
        """Of both, MiB."""
        return [self.seller.memory(), self.buyer.memory()]

    def prepare(self):
        """The operator records that the buyer was screened."""
        screened = {"screening": {self.buyer.did: {"hit": False, "screened_at": int(time.time())}}}
        (self.seller.dir / "facts.json").write_text(json.dumps(screened), encoding="utf-8")

    def first_trade(self):
        """One whole trade; the commands that its users gave."""
        self.dataset = node.publish(self.seller, node.EXAMPLE / "data", node.terms("count"))
        node.introduce(self.seller, self.buyer)
        self.buyer.call("catalog", {"peer": "seller"})
        out = self.folder / "first"
        self._received(node.ask(self.buyer, self.dataset, out))
        for path in sorted((node.EXAMPLE / "data").rglob("*")):
            if path.is_file() and files.digest(path) != files.digest(out / path.relative_to(node.EXAMPLE / "data")):
                raise work.Failed(f"{path.name} differs")
        names = {"request": "get"}
        return [names.get(command, command) for command in self.seller.commands + self.buyer.commands]

    def ask(self):
        """Asks for the dataset; the id of the negotiation."""
        return node.ask(self.buyer, self.dataset)

    def settled(self, deal, seconds, pause):
        """How a negotiation ended for the consumer, or where it stands after so many seconds."""
        last = time.perf_counter() + seconds
        while True:
            view = self.buyer.call("exchange", {"id": deal})
            trouble = view.get("trouble") or {}
            self.limited += trouble.get("code") == "budget_exceeded"
            if view["state"] in node.OVER or time.perf_counter() >= last:
                return view["state"]
            time.sleep(pause)

    def rest(self):
        """Waits for a fresh budget: a node takes so many acts from a peer in each minute of the clock."""
        time.sleep(60.5 - time.time() % 60)

    def remarks(self):
        """How often the other side's budget was met since the last one."""
        seen, self.limited = self.limited, 0
        return f"; asked {seen} times while the peer's budget for a minute was used up" if seen else ""

    def transfer(self, large):
        """A large file: every chunk verified, written to disk, receipted."""
        dataset = node.publish(self.seller, large, node.terms("count"))
        out = self.folder / "large"
        before = self._cpu()
        seconds = self._received(node.ask(self.buyer, dataset, out))
        used = self._cpu() - before
        if files.digest(out / large.name) != files.digest(large):
            raise work.Failed("the large file differs")
        shutil.rmtree(out)
        return {**seconds, "processor": used}

    def _received(self, deal):
        """Waits for a deal and its data. `whole` from the agreement to the receipt, `data` without the transfer's opening."""
        view = self.buyer.until(deal, lambda v: v["state"] in node.OVER, pause=0.002)
        if view["state"] != "FINALIZED":
            raise work.Failed(f"no deal: {json.dumps(view)}")
        began = time.perf_counter()
        transfer = self.buyer.until(deal, lambda v: v["other"], pause=0.002)["other"]
        view = self.buyer.until(transfer, lambda v: v["state"] not in ("NONE", "REQUESTED"), pause=0.002)
        opened = time.perf_counter()
        view = self.buyer.until(transfer, lambda v: v["state"] in ("COMPLETED", "TERMINATED") and not v["waits_for"], 600, 0.005)
        if view["state"] != "COMPLETED":
            raise work.Failed(f"no data: {json.dumps(view)}")
        ended = time.perf_counter()
        return {"whole": ended - began, "data": ended - opened}

    def _cpu(self):
        return sum(work.cpu_seconds(each.process.pid) for each in (self.seller, self.buyer))
