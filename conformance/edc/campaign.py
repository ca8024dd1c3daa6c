"""What is measured, once for every kind of connector: the same steps, the same code, the same numbers of deals.

A pair is two connectors that can trade; `pairs.py` has them. Nothing is asserted here: what was lost is counted.
"""
import concurrent.futures
import dataclasses
import os
import random
import statistics
import time

import work

# Threads that hand in deals at once, whatever their number.
CALLERS = 16
# While many are under way: seconds between two looks at one, and after how many that are not there yet it begins anew.
COARSE = 0.05
LATE = 20


@dataclasses.dataclass
class Burst:
    """Deals that were asked for at once."""

    asked: int
    refused: int = 0
    finalized: int = 0
    terminated: int = 0
    stuck: int = 0
    seconds: float = 0.0

    @property
    def rate(self):
        """Finalized deals per second, until the last of them."""
        return self.finalized / self.seconds if self.seconds else 0.0

    @property
    def lost(self):
        """Whatever was asked for and did not come about."""
        return self.asked - self.finalized


@dataclasses.dataclass
class Figures:
    """All that was measured of one pair; memory is provider and consumer, MiB."""

    name: str
    starts: list = dataclasses.field(default_factory=list)
    idle: list = dataclasses.field(default_factory=list)
    deals: list = dataclasses.field(default_factory=list)
    lost: int = 0
    bursts: dict = dataclasses.field(default_factory=dict)
    total: int = 0
    after: list = dataclasses.field(default_factory=list)
    transfers: list = dataclasses.field(default_factory=list)
    steps: list = dataclasses.field(default_factory=list)
    load: list = dataclasses.field(default_factory=list)

    def deal(self, share):
        """A percentile of the deals in sequence, ms."""
        return work.percentile(self.deals, share) * 1000 if self.deals else None

    def start(self):
        """Seconds until ready, one connector, the median."""
        return statistics.median(self.starts)

    def transfer(self, kind):
        """Seconds of a transfer, the median: `whole` from the agreement on, `data` the bytes alone."""
        return statistics.median([t[kind] for t in self.transfers]) if self.transfers else None


@dataclasses.dataclass
class Plan:
    """How much of each."""

    starts: int
    settle: float
    deals: int
    bursts: list
    mebibytes: int
    transfers: int
    patience: float


FULL = Plan(starts=3, settle=60, deals=100, bursts=[50, 200, 1000], mebibytes=1024, transfers=3, patience=130)
QUICK = Plan(starts=1, settle=10, deals=12, bursts=[50], mebibytes=64, transfers=1, patience=70)


def say(text):
    """A line of progress; the table comes at the end."""
    print(f"[{time.strftime('%H:%M:%S')}, load {os.getloadavg()[0]:.1f}] {text}", flush=True)


def run(pair, plan, large):
    """Measures one pair from its start to its end."""
    out = Figures(pair.name)
    out.load.append(os.getloadavg()[0])
    for attempt in range(plan.starts):
        out.starts += pair.start()
        if attempt + 1 < plan.starts:
            pair.stop()
    pair.prepare()
    time.sleep(plan.settle)
    out.idle = pair.memory()
    say(f"{pair.name}: started in {out.start():.2f} s, idle {out.idle[0]:.0f} and {out.idle[1]:.0f} MiB")
    out.steps = pair.first_trade()
    _in_sequence(pair, plan, out)
    for size in plan.bursts:
        pair.rest()
        burst = out.bursts[size] = _at_once(pair, size, plan.patience)
        say(f"{pair.name}: {size} at once: {burst.finalized} finalized in {burst.seconds:.1f} s, {burst.refused} refused, "
            f"{burst.terminated} terminated, {burst.stuck} stuck{pair.remarks()}")
    out.total = 1 + len(out.deals) + sum(b.finalized for b in out.bursts.values())
    out.after = pair.memory()
    for _ in range(plan.transfers):
        out.transfers.append(pair.transfer(large))
        say(f"{pair.name}: {plan.mebibytes} MiB: {', '.join(f'{k} {v:.2f} s' for k, v in out.transfers[-1].items())}")
    out.load.append(os.getloadavg()[0])
    pair.stop()
    return out


def _in_sequence(pair, plan, out):
    """One deal after the other, each at a random moment of the connector's own rhythm."""
    for _ in range(plan.deals):
        time.sleep(random.uniform(0, pair.rhythm))
        began = time.perf_counter()
        deal = pair.ask()
        state = pair.settled(deal, plan.patience, pair.fine)
        if state == "FINALIZED":
            out.deals.append(time.perf_counter() - began)
        else:
            out.lost += 1
            say(f"{pair.name}: a deal in sequence ended {state}")
    say(f"{pair.name}: {plan.deals} deals in sequence: p50 {out.deal(50) or 0:.0f} ms, p99 {out.deal(99) or 0:.0f} ms, {out.lost} lost")


def _at_once(pair, size, patience):
    """Hands in so many as fast as it can, and waits until each ended or nothing moved for `patience` seconds.

    Asks after one deal at a time, in the order in which they were handed in, so that asking costs next to nothing.
    """
    out, began = Burst(size), time.perf_counter()

    def ask(_):
        try:
            return pair.ask()
        except work.Failed:
            return None
    with concurrent.futures.ThreadPoolExecutor(CALLERS) as callers:
        deals = list(callers.map(ask, range(size)))
    out.refused = deals.count(None)
    waiting = [deal for deal in deals if deal is not None]
    moved = last = time.perf_counter()
    while waiting and time.perf_counter() - moved < patience:
        late, left = [], iter(waiting)
        for deal in left:
            state = pair.settled(deal, 0 if late else 0.5, COARSE)
            if state not in ("FINALIZED", "TERMINATED"):
                late.append(deal)
                if len(late) == LATE:
                    break
                continue
            moved = time.perf_counter()
            if state == "FINALIZED":
                out.finalized, last = out.finalized + 1, moved
            else:
                out.terminated += 1
        # Those that may be stuck come last, lest they hide the others.
        waiting = list(left) + late
    out.stuck, out.seconds = len(waiting), last - began
    return out
