"""The scenes of `run`, in their order. Each says what it sees and raises `work.Failed` where something does not hold.

The EDC stands for a partner in Germany, our node for a firm in Korea. Both buy and sell. EDC's operator uses the management
API only; ours uses `naru` commands only, and the local door where many are wanted at once.
"""
import collections
import concurrent.futures
import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import assembly
import files
import management
import node
import wire
import work

PARTNER = "acme-gmbh"
ALIAS = "edc"
# EDC signs nothing about its data: what they are is our operator's word.
DECLARED = ("--declare", node.EXAMPLE / "facts.json")
STORE = "changeit"


def say(text):
    """One line of a scene."""
    print(f"  {text}", flush=True)


def hold(condition, text):
    """What must hold: said if it does, the end of the scene if not."""
    if not condition:
        raise work.Failed(text)
    say(text)


def terms(countries, purposes=("quality_analysis",)):
    """Terms that name no framework: nobody signs them."""
    return {
        "permission": [{"action": "use", "constraint": [
            {"leftOperand": "purpose", "operator": "isAnyOf", "rightOperand": list(purposes)},
            {"leftOperand": "spatial", "operator": "isAnyOf", "rightOperand": list(countries)},
            {"leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": "P365D"}]}],
        "prohibition": [{"action": "distribute"}],
    }


class Stage:
    """Both connectors, and what the scenes hand on to each other."""

    def __init__(self, naru, folder, races, tapped=None):
        self.naru, self.folder, self.races, self.tapped = naru, folder, races, tapped
        self.server = files.Server(folder)
        self.ours = self.edc = self.operator = self.base = self.trusted = self.sold = None

    def publish(self, name, policy):
        """Publishes a file of ours by command; the dataset's id."""
        (self.folder / f"{name}.terms.json").write_text(json.dumps(policy), encoding="utf-8")
        made = self.ours.run("publish", self.folder / name, "--title", name, "--terms", self.folder / f"{name}.terms.json",
                             "--declare", node.EXAMPLE / "facts.json")
        return made["dataset"]

    def exchanges(self):
        """All exchanges of our node."""
        return self.ours.call("exchanges")

    def newest(self, kind, dataset):
        """The newest exchange of this kind about a dataset."""
        found = [e for e in self.exchanges() if e["kind"] == kind and e["dataset"] == dataset]
        if not found:
            raise work.Failed(f"our node knows no {kind} about {dataset}")
        return found[0]

    def fetch(self, address, extra=None):
        """GET of data under a token as EDC holds it: the status, the headers and the content."""
        request = urllib.request.Request(address["endpoint"], headers={"Authorization": address["authorization"], **(extra or {})})
        context = self.trusted if address["endpoint"].startswith("https:") else None
        try:
            with urllib.request.urlopen(request, timeout=60, context=context) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()


def introduce(stage):
    """Both start. Each operator records the other: EDC's our address, ours EDC's address, id and country."""
    port, = work.free_ports(1)
    stage.ours = ours = node.Node(stage.naru, stage.folder / "hangang", "Hangang Motors", "KR", "--https", str(port))
    certificate = ours.dir / "https" / "cert.pem"
    stage.trusted = ssl.create_default_context(cafile=str(certificate))
    store = stage.folder / "trust.p12"
    subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "naru", "-file", str(certificate), "-keystore", str(store),
                    "-storetype", "PKCS12", "-storepass", STORE], check=True, capture_output=True)
    ours.start()
    # EDC trusts our certificate as any certificate of a partner: in the trust store of its Java.
    tap = wire.Tap(stage.tapped, PARTNER) if stage.tapped else None
    stage.edc = edc = assembly.Edc(PARTNER, stage.folder / "edc", wire=tap and f"http://127.0.0.1:{tap.port}/protocol",
                                   java=[f"-Djavax.net.ssl.trustStore={store}", f"-Djavax.net.ssl.trustStorePassword={STORE}"])
    if tap:
        tap.target = edc.ports["protocol"]
    stage.operator = management.Operator(edc)
    say(f"EDC 0.14.1 is {PARTNER} at {edc.base}; healthy after {edc.seconds:.1f} s")
    # EDC's mock identity is this text; it is believed by whoever gets it.
    authorization = stage.folder / "authorization"
    authorization.write_text(json.dumps({"region": "eu", "audience": edc.base, "clientId": ours.did}), encoding="utf-8")
    peer = ours.run("plain", "--as", ALIAS, "--id", PARTNER, "--country", "DE", "--url", edc.base,
                    "--authorization-file", authorization, "--local", "--purpose", "quality_analysis")
    stage.base = peer["base"]
    shown = stage.base.split("/dsp/")[0]
    hold(stage.base.startswith("https://127.0.0.1:") and stage.base.endswith("/2025-1"),
         f"our node is {ours.did} at {shown}/dsp/(a secret of this peer)/2025-1")


def strangers(stage):
    """Without the secret, or with a wrong one, there is nothing to see."""
    root = stage.base.split("/dsp/")[0]
    body = json.dumps({"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "CatalogRequestMessage"}).encode()
    for what, base in (("no secret", f"{root}/dsp/2025-1"), ("a wrong secret", f"{root}/dsp/{'x' * 32}/2025-1")):
        request = urllib.request.Request(base + "/catalog/request", body, {"Content-Type": "application/json", "Authorization":
                                         json.dumps({"region": "eu", "audience": base, "clientId": PARTNER})})
        try:
            with urllib.request.urlopen(request, timeout=30, context=stage.trusted) as answer:
                raise work.Failed(f"with {what} the catalog is answered: {answer.status}")
        except urllib.error.HTTPError as error:
            hold(400 <= error.code < 500, f"with {what}: {error.code}")


def edc_buys(stage):
    """Catalog, negotiation, pull: as EDC's operator does it."""
    source = files.random_file(stage.folder / "inverter.bin", 3)
    stage.sold = dataset = stage.publish("inverter.bin", terms(["DE", "KR"]))
    offer = stage.operator.offer(stage.base, stage.ours.did, dataset)
    say(f"EDC's catalog request shows {dataset}")
    agreement = _concluded(stage, dataset, offer)
    mine = stage.newest("negotiation", dataset)
    work.until(lambda: stage.newest("negotiation", dataset)["state"] == "FINALIZED", "our side is FINALIZED", 20)
    say(f"the same here: FINALIZED, {mine['id']}")
    transfer = stage.operator.transfer(stage.base, agreement)
    state = stage.operator.started(transfer)
    hold(state == "STARTED", f"transfer at EDC: {state}{_why_not(stage, transfer)}")
    address = stage.operator.address(transfer)
    status, headers, content = stage.fetch(address)
    hold(status == 200 and content == source.read_bytes(), f"GET with EDC's token: {status}, {len(content)} bytes, the same as ours")
    status, headers, content = stage.fetch(address, {"Range": "bytes=1000-1999"})
    hold(status == 206 and content == source.read_bytes()[1000:2000], f"a range of it: {status}, {headers.get('Content-Range')}")
    status, _, _ = stage.fetch({**address, "authorization": address["authorization"][:-4] + "AAAA"})
    hold(status in (401, 403, 404), f"another token: {status}")
    stage.operator.call("POST", f"/transferprocesses/{transfer}/terminate", {"@context": management.VOCABULARY, "reason": "all is here"})
    state = stage.operator.transfer_ended(transfer)
    hold(state == "TERMINATED", f"EDC ends the transfer: {state}")
    work.until(lambda: stage.fetch(address)[0] in (401, 403, 404, 410), "the token opens nothing any more", 20, 0.1)
    say(f"the same token afterwards: {stage.fetch(address)[0]}")


def edc_is_pushed(stage):
    """The same dataset again, delivered by us to an address that EDC names."""
    offer = stage.operator.offer(stage.base, stage.ours.did, stage.sold)
    agreement = _concluded(stage, stage.sold, offer)
    destination = {"@type": "DataAddress", "type": "HttpData", "baseUrl": stage.server.url("pushed.bin")}
    transfer = stage.operator.transfer(stage.base, agreement, "HttpData-PUSH", destination)
    state = stage.operator.transfer_ended(transfer)
    hold(state == "COMPLETED", f"transfer at EDC: {state}{_why_not(stage, transfer)}")
    pushed = stage.folder / "pushed.bin"
    hold(pushed.exists() and files.digest(pushed) == files.digest(stage.folder / "inverter.bin"), "what we delivered there is the same")


def we_buy(stage):
    """Catalog, deal, pull: as our operator does it."""
    source = files.random_file(stage.folder / "battery.bin", 3)
    stage.operator.publish("battery", stage.server.url("battery.bin"), {"@context": management.ODRL, "@type": "Set", **terms(["DE", "KR"])})
    catalog = json.dumps(stage.ours.run("catalog", ALIAS))
    hold('"battery"' in catalog, "our catalog request shows EDC's asset")
    out = stage.folder / "got"
    got = stage.ours.run("get", f"{ALIAS}/battery", "--purpose", "quality_analysis", *DECLARED, "--out", out, "--yes")
    say("naru get: " + ", ".join(f"{k} {got[k]}" for k in ("kind", "state", "bytes") if got.get(k) is not None))
    arrived = {str(path.relative_to(out)): files.digest(path) for path in out.rglob("*") if path.is_file()}
    hold(list(arrived.values()) == [files.digest(source)], f"arrived, the same as EDC's: {', '.join(arrived)}")
    hold(stage.server.served["battery.bin"] == 1, f"EDC's data plane read it {stage.server.served['battery.bin']} time(s)")
    deal = stage.newest("negotiation", "battery")
    hold(deal["state"] == "FINALIZED", f"negotiation here: {deal['state']}")
    there = [e for e in _there(stage, "contractnegotiations") if e["assetId"] == "battery" and e["type"] == "PROVIDER"]
    hold([e["state"] for e in there] == ["FINALIZED"], f"the same at EDC: {', '.join(e['state'] for e in there)}")


def pushed_to_us(stage):
    """The same with the data delivered: EDC puts them to our door."""
    source = files.random_file(stage.folder / "rotor.bin", 2)
    stage.operator.publish("rotor", stage.server.url("rotor.bin"), {"@context": management.ODRL, "@type": "Set", **terms(["DE", "KR"])})
    out = stage.folder / "delivered"
    got = stage.ours.run("get", f"{ALIAS}/rotor", "--purpose", "quality_analysis", *DECLARED, "--push", "--out", out, "--yes")
    say("naru get --push: " + ", ".join(f"{k} {got[k]}" for k in ("kind", "state", "bytes") if got.get(k) is not None))
    arrived = [path for path in out.rglob("*") if path.is_file()]
    same = [files.digest(path) == files.digest(source) for path in arrived]
    hold(same == [True], f"one file arrived, the same as EDC's{'' if same == [True] else f': {list(map(str, arrived))} {same}'}")


def refused_to_edc(stage):
    """What our rules do not allow is refused to EDC, and our side says by which rule."""
    files.random_file(stage.folder / "home.bin", 1)
    dataset = stage.publish("home.bin", terms(["KR", "SG"]))
    offer = stage.operator.offer(stage.base, stage.ours.did, dataset)
    deal = stage.operator.negotiate(stage.base, stage.ours.did, dataset, offer)
    state = stage.operator.settled(deal)
    hold(state == "TERMINATED", f"data that may not go to Germany: {state} at EDC{_why(stage, deal)}")
    # EDC knows of its end when it has our message, we when we have its answer.
    stage.ours.until(stage.newest("negotiation", dataset)["id"], lambda v: v["state"] in node.OVER, 30)
    view = stage.newest("negotiation", dataset)
    rules = [_rule(each) for each in (view.get("decision") or {}).get("explained", [])]
    hold("POST-GEO-001" in view["refusal"]["reasons"] and rules, f"here: TERMINATED by {'; '.join(rules)}")


def refused_to_us(stage):
    """What our rules do not allow our own operator is refused before anything is sent."""
    before = _there(stage, "contractnegotiations")
    answer = stage.ours.run("get", f"{ALIAS}/battery", "--purpose", "marketing", *DECLARED, "--out", stage.folder / "never", "--yes", check=False)
    rules = [_rule(each) for each in answer.get("explained") or []]
    hold(answer.get("code") == "denied" and rules,
         f"a purpose that EDC's offer does not name: {answer.get('code')}: {'; '.join(rules) or answer.get('message')}")
    hold(len(_there(stage, "contractnegotiations")) == len(before) and not list((stage.folder / "never").glob("*")), "EDC heard nothing of it")


def other_offer(stage):
    """EDC's operator asks under a policy that we never offered: EDC itself would grant its own instead, without a word."""
    deal = stage.operator.negotiate(stage.base, stage.ours.did, stage.sold, {
        **stage.operator.offer(stage.base, stage.ours.did, stage.sold), "permission": [{"action": "use"}], "prohibition": []})
    state = stage.operator.settled(deal)
    hold(state == "TERMINATED", f"asked for without any of the constraints: {state} at EDC{_why(stage, deal)}")


def races(stage):
    """Many deals at once, both ways. EDC may lose some to its own races; we lose none, and never think otherwise than EDC."""
    offer = stage.operator.offer(stage.base, stage.ours.did, stage.sold)
    facts = json.loads((node.EXAMPLE / "facts.json").read_text(encoding="utf-8"))
    before = {e["id"] for e in stage.exchanges()}
    with concurrent.futures.ThreadPoolExecutor(8) as callers:
        theirs = [callers.submit(stage.operator.negotiate, stage.base, stage.ours.did, stage.sold, offer) for _ in range(stage.races)]
        mine = [callers.submit(stage.ours.call, "request", {"peer": ALIAS, "dataset": "battery", "purpose": "quality_analysis",
                                                            "countries": ["KR"], "out": None, "facts": facts}) for _ in range(stage.races)]
    theirs, mine = [f.result() for f in theirs], [f.result()["id"] for f in mine]
    there = collections.Counter(stage.operator.settled(deal, 90) for deal in theirs)
    here = collections.Counter(stage.ours.until(deal, lambda v: v["state"] in node.OVER, 90)["state"] for deal in mine)
    say(f"EDC asked us {stage.races} times: {dict(there)} at EDC; we asked EDC {stage.races} times: {dict(here)} here")
    # EDC says FINALIZED once it took our word for it, so that here it must be FINALIZED too, and not more often than agreed.
    deadline = time.monotonic() + 60
    while True:
        ours = collections.Counter(e["state"] for e in stage.exchanges()
                                   if e["id"] not in before and e["id"] not in mine and e["kind"] == "negotiation")
        if ours["FINALIZED"] >= there["FINALIZED"] and set(ours) <= set(node.OVER) or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    hold(ours["FINALIZED"] == there["FINALIZED"] and set(ours) <= set(node.OVER), f"of EDC's here: {dict(ours)}; nothing hangs")
    hold(there["FINALIZED"] >= 0.8 * stage.races and here["FINALIZED"] >= 0.8 * stage.races, "at least four in five came about, each way")


def audit(stage):
    """Our log, exported and verified from files alone: it must hold, and say what it does not prove."""
    log = stage.folder / "hangang-log"
    stage.ours.run("log export", "--out", log)
    anchors = stage.folder / "anchors.toml"
    anchors.write_text(f'version = 1\n\n[[participant]]\ndid = "{stage.ours.did}"\nname = "Hangang Motors"\ncountry = "KR"\n', encoding="utf-8")
    command = [str(stage.naru), "audit", "verify", str(log), "--trust", str(anchors)]
    text = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    report = json.loads(subprocess.run(command + ["--json"], capture_output=True, text=True, check=False, timeout=600).stdout)
    kinds = collections.Counter(f"{e['kind']} {e['verdict']}" for e in report["exchanges"])
    say(f"log: {report['logs'][0]['size']} entries; exchanges: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
    say(f"tally: {report['tally']}")
    hold(report["holds"] and text.returncode == 0, "the audit of our log holds")
    hold(all(e.get("unsigned") for e in report["exchanges"]), "each of its exchanges is marked unsigned")
    unproved = [line for line in report["may_not_be_concluded"] if "unsigned" in line]
    hold(unproved, "not proved: " + " ".join(unproved))
    # Each exchange and each open claim has a line of its own: what is said of all of them comes between and last.
    lines = text.stdout.splitlines()
    begin = next((at for at, line in enumerate(lines) if line.startswith("claim ")), 0)
    for line in lines[begin:]:
        if line and not line.startswith("open:"):
            say(f"| {line}")


def _concluded(stage, dataset, offer):
    """EDC's agreement about a dataset of ours. One deal that EDC loses by itself is forgiven, and told; the second is not."""
    for last in (False, True):
        deal = stage.operator.negotiate(stage.base, stage.ours.did, dataset, offer)
        state = stage.operator.settled(deal)
        if state == "FINALIZED" or last:
            hold(state == "FINALIZED", f"negotiation at EDC: {state}{_why(stage, deal)}")
            return stage.operator.negotiation(deal)["contractAgreementId"]
        say(f"negotiation at EDC: {state}{_why(stage, deal)}; once more")


def _rule(explained):
    """A rule that stood against something, as its operator reads it."""
    words = explained["en"]
    return f"{explained['id']} ({explained['detail']}): {words['reason']} {words['remedy']}"


def _why(stage, deal):
    detail = stage.operator.negotiation(deal).get("errorDetail")
    return f" ({detail[:300]})" if detail else ""


def _why_not(stage, transfer):
    detail = stage.operator.call("GET", f"/transferprocesses/{transfer}").get("errorDetail")
    return f" ({detail[:300]})" if detail else ""


def _there(stage, kind):
    """All processes of a kind that EDC knows."""
    query = {"@context": management.VOCABULARY, "@type": "QuerySpec", "limit": 1000}
    return management.as_list(stage.operator.call("POST", f"/{kind}/request", query))


ALL = [("Introduction", introduce), ("Strangers", strangers), ("EDC buys from us: pull", edc_buys), ("EDC buys from us: push", edc_is_pushed),
       ("We buy from EDC", we_buy), ("We buy from EDC: push", pushed_to_us), ("A deal that our rules refuse to EDC", refused_to_edc),
       ("A deal that our rules refuse to us", refused_to_us), ("An offer that we never made", other_offer),
       ("Many at once", races), ("Our log and the audit", audit)]
