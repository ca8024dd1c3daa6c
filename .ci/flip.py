"""Flips one bit in each kind of file of an exported log, at several places, and demands that verification notices.

usage: flip.py NARU DEMO_DIR
"""
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

naru, demo = sys.argv[1], pathlib.Path(sys.argv[2])
trust = demo / "trust" / "anchors.toml"
kinds = ["vkey", "checkpoint", "node.json", "tile/*", "tile/0/*", "tile/entries/*", "acts/*", "evaluations/*", "packs/*", "statements/*", "agreements/*", "disclosures/*"]
pick, tried, missed = random.Random(7), 0, []
with tempfile.TemporaryDirectory() as scratch:
    for half in ("hangang-log", "merlion-log"):
        files = [p.relative_to(demo / half) for p in (demo / half).rglob("*") if p.is_file()]
        for kind in kinds:
            group = sorted(f for f in files if f.match(kind) or str(f).startswith(kind.rstrip("*")) and "*" in kind)
            for file in pick.sample(group, min(3, len(group))):
                copy = pathlib.Path(scratch) / "copy"
                shutil.copytree(demo / half, copy)
                data = bytearray((copy / file).read_bytes())
                at = pick.randrange(len(data))
                data[at] ^= 1 << pick.randrange(8)
                (copy / file).write_bytes(data)
                other = "merlion-log" if half == "hangang-log" else "hangang-log"
                run = subprocess.run([naru, "audit", "verify", copy, demo / other, "--trust", trust], capture_output=True, check=False)
                tried += 1
                if run.returncode == 0:
                    missed.append(f"{half}/{file} byte {at}")
                shutil.rmtree(copy)
print(f"flip: {tried} flipped bits, {tried - len(missed)} noticed")
if missed:
    sys.exit("not noticed: " + "; ".join(missed))
