"""The corpus that engines are asked: the vectors of spec/vectors/policy, and of each that is not allowed every member deleted,
nulled, made unknown and mistyped in turn, pairs of deletions, and the second before, at and after every date of the packs."""
import copy, json, pathlib, random

ROOT = pathlib.Path(__file__).resolve().parent.parent
VECTORS = ROOT / "spec/vectors/policy"
REGO = ROOT / "policy/rego"
PACKS = "cl core dpa eu kr nz post sg".split()
# Lists whose elements speak against the deal: without the element another thing was declared (POL-4.3).
ADVERSE = ("/stop_orders/", "/consumer/red_flags/", "/contract/onward_transfer/countries/", "/contract/subprocessors/",
           "/contract/terms/", "/dataset/personal/identifiers/", "/dataset/personal/special/", "/dataset/tech_families/",
           "/transfer/onward_events/")


def merged(target, patch):
    """JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merged(target.get(name), value)
    return target


def vectors():
    """Name, what is expected, the rule, the input."""
    ordinary = {}
    for case in json.loads((VECTORS / "ordinary.json").read_text(encoding="utf-8"))["cases"]:
        whole = merged(merged(case["shared"], case["private"]), case["host"])
        ordinary[case["name"]] = whole
        yield f"ordinary: {case['name']}", "allow", "", whole
    for vector in json.loads((VECTORS / "rules.json").read_text(encoding="utf-8"))["vectors"]:
        place = f"{vector['phase']}, {vector['side']}"
        yield f"{vector['name']} ({place})", vector["expect"], vector["rule"], merged(ordinary[place], vector["patch"])


def pointers(value, path=()):
    """Every member and element, deepest first."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in items:
        yield from pointers(member, path + (name,))
        yield path + (name,)


def adverse(path):
    """Whether the pointer is an element of a list of ADVERSE."""
    text = "/" + "/".join(map(str, path))
    return any(text.startswith(head) and "/" not in text[len(head):] for head in ADVERSE)


def changed(document, path, value=..., absent=False):
    """A copy with another value at the pointer, or without it."""
    copied = copy.deepcopy(document)
    place = copied
    for name in path[:-1]:
        place = place[name]
    if absent:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return copied


def mutants(document, seed, few):
    """What may not turn a denial into an allow. `few`: of all but the single deletions only some."""
    chance = random.Random(seed)
    paths = list(pointers(document))
    kept = [path for path in paths if not adverse(path)]
    for path in kept:
        yield "without /" + "/".join(map(str, path)), changed(document, path, absent=True)
    odd = [(path, value) for path in paths for value in (None, "unknown", [], {}, 7, True)]
    for path, value in chance.sample(odd, min(len(odd), few)):
        place = document
        for name in path:
            place = place[name]
        # An empty list where a list was, a number for a number, yes or no for no or yes: another declaration, none missing.
        if type(place) is type(value) or (adverse(path) and not isinstance(value, dict)):
            continue
        yield f"/{'/'.join(map(str, path))} = {json.dumps(value)}", changed(document, path, value)
    for _ in range(few):
        one, other = chance.sample(kept, 2)
        try:
            yield f"without {one} and {other}", changed(changed(document, one, absent=True), other, absent=True)
        except (KeyError, IndexError, TypeError):
            continue  # The one lay inside the other.


def dates():
    """Every date on which a rule, an agreement or a datum of the packs begins or ends."""
    found = set()

    def walk(value, name):
        if isinstance(value, dict):
            for key, member in value.items():
                walk(member, key if name != "parties" else "from")
        elif isinstance(value, list):
            for member in value:
                walk(member, name)
        elif isinstance(value, int) and not isinstance(value, bool) and name in ("from", "to") and value > 0:
            found.add(value)

    for path in sorted(REGO.rglob("*.json")):
        walk(json.loads(path.read_text(encoding="utf-8")), "")
    return sorted(found)
