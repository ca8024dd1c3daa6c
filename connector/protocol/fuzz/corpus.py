"""Writes the seeds of the fuzz targets from spec/vectors: corpus/TARGET/NAME, one file a document. Run it when vectors change.

usage: corpus.py
"""
import hashlib
import json
import pathlib
import re

here = pathlib.Path(__file__).resolve().parent
vectors = here.parent.parent.parent / "spec" / "vectors"
MESSAGES = [
    "ContractRequestMessage", "ContractOfferMessage", "ContractAgreementMessage", "ContractAgreementVerificationMessage",
    "ContractNegotiationEventMessage", "ContractNegotiationTerminationMessage", "ContractNegotiation",
    "TransferRequestMessage", "TransferStartMessage", "TransferCompletionMessage", "TransferProcess",
    "CatalogRequestMessage", "DatasetRequestMessage", "Catalog", "Dataset", "CatalogError",
]
COMPACT = re.compile(r"^[\w-]{10,}\.[\w-]{2,}\.[\w-]{40,}$")
# Seeds of one target and their largest size: the corpus is committed.
MOST, LARGEST = 40, 6000
seeds = {name: {} for name in ("json", "messages", "signed", "identity", "log", "files", "plain", "step")}


def keep(target, content):
    content = content.encode() if isinstance(content, str) else content
    if len(content) <= LARGEST:
        seeds[target][hashlib.sha256(content).hexdigest()[:16]] = content


def text(value):
    if COMPACT.match(value):
        keep("signed", value)
    elif "\n\n\u2014 " in value:
        keep("log", value)
    elif value.startswith(("{", "[")):
        document(value)
    elif value.startswith("tile/") or value.startswith("c2sp.org/"):
        keep("log", value)
    elif value.count("\n") <= 1 and len(value) < 2000:
        keep("identity", value)
    if value.startswith('{"') and '"sha256"' in value and value.endswith("\n"):
        keep("files", value)


def document(value):
    keep("json", value)
    for match in re.finditer(r'"@type":\s*"(\w+)"', value):
        if match[1] in MESSAGES:
            keep("messages", bytes([MESSAGES.index(match[1])]) + value.encode())
            keep("plain", value)
    if '"sd"' in value:
        keep("log", value)
    keep("signed", value)


def walk(value):
    if isinstance(value, str):
        text(value)
    elif isinstance(value, list):
        for one in value:
            walk(one)
    elif isinstance(value, dict):
        document(json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False))
        for one in value.values():
            walk(one)


for path in sorted(vectors.rglob("*.json")):
    walk(json.loads(path.read_text()))
for moves in ([0, 0x00, 1, 0x0C, 5, 0x10, 9], [2, 0x0C, 1, 0x10, 5, 0x04, 9, 0x14, 13], [1, 0, 1, 8, 5, 12, 9, 23], [3, 0, 1, 4, 5]):
    keep("step", bytes(moves))
for target, found in seeds.items():
    folder = here / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    # Spread over all that there is, in an order that does not change.
    names = sorted(found)
    for name in names[:: max(1, len(names) // MOST)][:MOST]:
        (folder / name).write_bytes(found[name])
    print(f"{target}: {len(list(folder.iterdir()))} of {len(names)}")
