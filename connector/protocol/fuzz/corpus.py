"""Writes the seeds of the fuzz targets from spec/vectors: corpus/TARGET/NAME, one file a document. Run it when vectors change.

usage: corpus.py

Most targets read in the first byte what follows (`match which` in fuzz_targets); the numbers below are theirs. Of each kind
some seeds are kept, spread over all that there are, so that no kind is left without one and the corpus stays small.
"""
import base64
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
POLICIES, DATES = 16, 17
SIGNED = {
    "dxp-keys+jws": 1, "dxp-participant+jws": 2, "dxp-token+jwt": 3, "dxp-ack+jws": 4, "dxp-listing+jws": 5,
    "dxp-capability+jws": 6, "dxp-window+jws": 7,
}
TEXT, TICKET, AGREEMENT, DOCUMENT = 0, 8, 9, 10
LOG_TEXT, LOG_NOTE, LOG_BUNDLE, LOG_ENTRY, LOG_PROOF = range(5)
COMPACT = re.compile(r"^[\w-]{10,}\.[\w-]{2,}\.[\w-]{40,}$")
DATE = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)?$")
# Seeds of one kind, of a target whatever its kinds, and the largest size of one: the corpus is committed.
MOST, FEWEST, LARGEST = 20, 120, 6000
seeds = {name: {} for name in ("json", "messages", "signed", "identity", "log", "files", "plain", "step")}


def keep(target, content, kind=0, prefix=None):
    content = content.encode() if isinstance(content, str) else content
    if prefix is not None:
        content = bytes([prefix]) + content
        kind = prefix
    if len(content) <= LARGEST:
        seeds[target].setdefault(kind, {})[hashlib.sha256(content).hexdigest()[:16]] = content


def unbase64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value):
    keep("signed", value, prefix=TEXT)
    header, payload, _ = value.split(".")
    try:
        typ = json.loads(unbase64(header)).get("typ")
        keep("signed", unbase64(payload), prefix=SIGNED.get(typ, DOCUMENT))
    except ValueError:
        pass


def text(value):
    if COMPACT.match(value):
        compact(value)
    elif value.startswith("naru1"):
        keep("identity", value, kind=1)
        try:
            keep("signed", unbase64(value[5:]), prefix=TICKET)
        except ValueError:
            pass
    elif "\n\n\u2014 " in value:
        keep("log", value, prefix=LOG_TEXT if "tlog-proof" in value else LOG_NOTE)
        for key in KEYS:
            keep("log", key + "\0" + value, prefix=LOG_NOTE)
    elif value.startswith(("{", "[")):
        document(value)
    elif value.startswith(("tile/", "c2sp.org/")):
        keep("log", value, prefix=LOG_TEXT)
    elif value.count("\n") <= 3 and len(value) < 2000:
        keep("identity", value, kind=2 + value.count(":") % 4)
        keep("log", value, prefix=LOG_TEXT)
        if DATE.match(value):
            keep("messages", value, prefix=DATES)
    if value.startswith('{"chunks"') and value.endswith("\n"):
        keep("files", value)


def document(value):
    keep("json", value)
    for kind in re.findall(r'"@type":\s*"(\w+)"', value)[:1]:
        if kind in MESSAGES:
            keep("messages", value, prefix=MESSAGES.index(kind))
            keep("plain", value, kind=kind)
        elif kind in ("Offer", "Agreement"):
            keep("messages", value, prefix=POLICIES)
    if '"_sd"' in value:
        keep("log", value, prefix=LOG_ENTRY)
        bundle = len(value.encode()).to_bytes(2, "big") + value.encode()
        keep("log", b"tile/entries/000.p/2\0" + bundle * 2, prefix=LOG_BUNDLE)
    if '"decisions"' in value or '"signatures"' in value:
        keep("signed", value, prefix=AGREEMENT)
    if any(f'"{name}"' in value for name in ("obligations", "conclude_by", "input_private", "DataReceipt", "msg", "phase")):
        keep("signed", value, prefix=DOCUMENT)
    if '"first"' in value and '"second"' in value:
        for key in KEYS:
            keep("log", key + "\0" + value, prefix=LOG_NOTE)


def proof(case, old, new, root):
    hashes = [base64.b64decode(text) for text in [root, *(case.get("path") or case["proof"])]]
    keep("log", case[old].to_bytes(8, "big") + case[new].to_bytes(8, "big") + b"".join(hashes), prefix=LOG_PROOF)


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


def read(name):
    return json.loads((vectors / name).read_text())


checkpoint, known, tree = read("log/checkpoint.json"), read("log/known-answers.json"), read("log/tree.json")
KEYS = [checkpoint["vkey"], *(key["vkey"] for key in known["keys"])]
for path in sorted(vectors.rglob("*.json")):
    walk(json.loads(path.read_text()))
for case in read("encodings/jcs.json")["cases"]:
    keep("json", case["input"] if "input" in case else bytes.fromhex(case["input_hex"]), kind=1)
for case in read("encodings/base64url.json")["cases"]:
    keep("identity", case["text"])
for case in tree["inclusion"]:
    proof(case, "index", "size", tree["roots"][0])
for case in tree["consistency"]:
    proof(case, "old", "new", tree["roots"][case["new"]])
keep("log", known["bundle"]["path"].encode() + b"\0" + bytes.fromhex(known["bundle"]["bytes"]), prefix=LOG_BUNDLE)
for entry in read("log/entry.json")["entries"]:
    for disclosure in entry["disclosures"]:
        keep("log", unbase64(disclosure if isinstance(disclosure, str) else disclosure["text"]), prefix=LOG_ENTRY)


def moves(first, *happenings):
    """What happens in a world (fuzz_targets/step.rs): a number is an act that is sent and then delivered and answered, a text
    is one thing: `s6` sends act 6, `d2` delivers what was sent as number 2 and its answer, `l2` loses the answer, `p5` passes."""
    out, sent = [first], 0
    for happening in happenings:
        if isinstance(happening, int):
            out += [happening << 2, sent << 2 | 1]
            sent += 1
        else:
            out.append(int(happening[1:]) << 2 | "sdlp".index(happening[0]))
            sent += happening[0] == "s"
    keep("step", bytes(out))


# Whole deals that either side began, ended later; transfers either way, suspended and resumed; crossings, losses, deadlines.
moves(0, 0, 4, 2, 5, 7)
moves(0, 0, 4, 2, 5, 9)
moves(2, 3, 1, 4, 2, 5)
moves(2, 3, 0, 3, 1, 4, 2, 5)
moves(0, 0, 3, 1, 4, "s2", "l4", "d4", "s5", "l5", "d5")
moves(0, 0, "s6", "s8", "d1", "d2")
moves(0, 0, 4, "s2", "s8", "d3", "d2", "d3")
moves(2, "s3", "p6", "p7", "d0", "d0")
moves(0, "s0", "l0", "p14", "p15", "d0", "s4", "d1")
moves(1, 0, 2, 7, 2, 3, 8)
moves(1, 0, 2, 4, 1, 3, 5)
moves(3, 0, 1, 3, 8)
moves(3, 0, "s1", "s9", "d2", "d1", "d2")
moves(1, 0, 2, "s3", "s8", "l3", "l2", "d2", "d3")
for target, kinds in seeds.items():
    folder = here / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for found in kinds.values():
        # Spread over all that there is, in an order that does not change.
        names = sorted(found)
        most = max(MOST, FEWEST // len(kinds))
        for name in names[:: max(1, len(names) // most)][:most]:
            (folder / name).write_bytes(found[name])
    total = sum(map(len, kinds.values()))
    print(f"{target}: {len(list(folder.iterdir()))} of {total}, kinds {sorted(map(str, kinds))}")
# Words from which mutations are made: names of members, and short values that stand in the vectors more than once.
words = {}
for path in sorted(vectors.rglob("*.json")):
    for word in re.findall(r'\\*"([\x21\x23-\x5b\x5d-\x7e]{2,40})\\*"', path.read_text()):
        words[word] = words.get(word, 0) + 1
chosen = sorted(sorted(words, key=lambda word: (-words[word], word))[:500])
lines = [f'"\\"{word}\\""' for word in chosen] + ['"\\x00"', '"\\x0a\\x0a"', '"\\xe2\\x80\\x94 "', '"tile/"', '"did:key:z6Mk"', '"urn:dxp:"']
(here / "words.dict").write_text("# Written by corpus.py.\n" + "\n".join(lines) + "\n")
print(f"words: {len(lines)}")
