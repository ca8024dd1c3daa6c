"""The table of the benchmark and its goals. Prints what was measured, and judges nothing else by it."""
import os
import platform
import statistics

ORDER = ["ours", "default", "fast"]


def _pair(values, unit=""):
    return " + ".join(f"{v:.0f}" for v in values) + unit


def _burst(burst):
    if burst is None:
        return "-"
    return f"{burst.rate:.1f}/s, {burst.lost} of {burst.asked} lost"


def rows(measured, plan):
    """Each row: what it is, then one cell a pair."""
    of = [measured[key] for key in ORDER if key in measured]
    out = [["", *[f.name for f in of]]]

    def row(name, cell):
        out.append([name, *[cell(f) for f in of]])
    row(f"deal, asked until FINALIZED at the consumer, {plan.deals} in sequence: p50", lambda f: f"{f.deal(50):.0f} ms" if f.deals else "-")
    row("  p99", lambda f: f"{f.deal(99):.0f} ms" if f.deals else "-")
    row("  lost", lambda f: str(f.lost))
    for size in plan.bursts:
        row(f"{size} deals at once: finalized per second", lambda f, size=size: _burst(f.bursts.get(size)))
    row(f"{plan.mebibytes} MiB, from the agreement until all is there (median of {plan.transfers})", lambda f: f"{f.transfer('whole'):.2f} s")
    row("  the bytes alone", lambda f: f"{f.transfer('data'):.2f} s, {plan.mebibytes / f.transfer('data'):.0f} MiB/s")
    row("  processor, both sides", lambda f: f"{f.transfer('processor'):.1f} s")
    row(f"resident idle after {plan.settle:.0f} s, provider + consumer", lambda f: _pair(f.idle, " MiB"))
    row("resident after the deals", lambda f: f"{_pair(f.after, ' MiB')} ({f.total} deals)")
    row(f"start of one until ready (median of {2 * plan.starts})", lambda f: f"{f.start() * 1000:.0f} ms")
    row("commands or calls of its users for a first trade", lambda f: str(len(f.steps)))
    row("load of the machine at begin and end", lambda f: ", ".join(f"{value:.1f}" for value in f.load))
    return out


def show(measured, disk, plan):
    """Prints the table and what belongs to it."""
    cells = rows(measured, plan)
    widths = [max(len(row[at]) for row in cells) for at in range(len(cells[0]))]
    for row in cells:
        print(" | ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print()
    for key in ORDER:
        if key in measured and key != "fast":
            print(f"steps of a first trade, {measured[key].name}: {', '.join(measured[key].steps)}")
    if "default" in measured:
        print("  and for EDC: a key pair into the vault, by a class of one's own; settings for six listeners")
    for figures in measured.values():
        for size, burst in figures.bursts.items():
            print(f"{figures.name}, {size} at once: {burst.finalized} finalized in {burst.seconds:.1f} s, {burst.refused} refused when asked, "
                  f"{burst.terminated} terminated, {burst.stuck} stuck" + (f"; {burst.remark}" if burst.remark else ""))
    print(f"this machine: {os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release()}; one fdatasync of 4 KiB p50 "
          + ", ".join(f"{one:.2f}" for one, _ in disk) + " ms and five in sequence " + ", ".join(f"{five:.2f}" for _, five in disk)
          + " ms (before and after each)")
    print("a deal in sequence is asked after every 2 ms (Naru) and 5 ms (EDC): so much coarser is what is seen of EDC")


def _goal(text, measured, met):
    print(f"goal: {text}: measured {measured}: {'met' if met else 'NOT met'}")
    return met


def goals(measured, disk, plan):
    """Prints the goals; whether all that could be measured are met."""
    if set(measured) != set(ORDER):
        print("goals: not judged, since half was left out")
        return True
    ours, default, fast = (measured[key] for key in ORDER)
    five = statistics.median(value for _, value in disk[:2])
    p50 = ours.deal(50)
    met = [
        _goal("deal p50 at most 1/30 of EDC's as it comes", f"1/{default.deal(50) / p50:.1f}", p50 * 30 <= default.deal(50)),
        _goal("deal p50 at most 1/3 of EDC's at 50 ms", f"1/{fast.deal(50) / p50:.1f}", p50 * 3 <= fast.deal(50)),
        _goal(f"deal p50 at most 1.5 x the five fsyncs that it needs ({five:.1f} ms here)", f"{p50 / five:.1f} x", p50 <= 1.5 * five),
    ]
    for size in plan.bursts:
        best = max(default.bursts[size].rate, fast.bursts[size].rate)
        rate = ours.bursts[size].rate
        met.append(_goal(f"{size} at once: at least 10 x EDC's finalized per second (the better of both)", f"{rate / best:.1f} x", rate >= 10 * best))
    lost = ours.lost + sum(b.lost for b in ours.bursts.values())
    met.append(_goal("none lost", f"{lost}", lost == 0))
    data = min(default.transfer("data"), fast.transfer("data"))
    met.append(_goal(f"{plan.mebibytes} MiB verified and on disk, opening and receipt included, no slower than EDC's proxy passes the bytes alone",
                     f"{data / ours.transfer('whole'):.2f} x", ours.transfer("whole") <= data))
    for text, mine, theirs in (("idle", ours.idle, default.idle), ("after the deals", ours.after, default.after)):
        met.append(_goal(f"resident {text} at most 1/6", f"1/{sum(theirs) / sum(mine):.1f}", sum(mine) * 6 <= sum(theirs)))
    met.append(_goal("start at most 1/20", f"1/{default.start() / ours.start():.1f}", ours.start() * 20 <= default.start()))
    if plan.mebibytes < 1024:
        print("goals: of a quick run, which is for trying: the figures that count are those of the whole one")
    return all(met)
