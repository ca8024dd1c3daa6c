"""Checks what `naru demo --json` prints: every line, the order of steps, and the summary."""
import json
import pathlib
import sys

STEPS = ["publish", "discover", "offer", "decide", "agree", "transfer", "receipt", "log", "audit"]
lines = [json.loads(line) for line in pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
for line in lines:
    assert {"step", "ok", "node"} <= line.keys(), line
    assert line["ok"] is True, line
first = [step for n, step in enumerate(l["step"] for l in lines) if step in STEPS and step not in [k["step"] for k in lines[:n]]]
assert first == STEPS, first
summary = lines[-1]
assert summary["step"] == "summary" and summary["refused"] != summary["concluded"], summary
assert len(summary["logs"]) == 2 and all((pathlib.Path(d) / "checkpoint").is_file() for d in summary["logs"])
assert pathlib.Path(summary["trust"]).is_file() and pathlib.Path(summary["dir"]).is_dir()
law = [l for l in lines if l.get("law")]
assert law and all(l["en"]["remedy"] and l["ko"]["remedy"] for l in law), "no refusal names rule, law and remedy"
print(f"demo: {len(lines)} lines, all nine steps, refused {summary['refused']}, concluded {summary['concluded']}")
