"""EDC's management API (v3): what its operator does by hand, as functions; the calls are counted.

The management API is JSON-LD: what is sent names its vocabulary, what comes is compacted by prefix.
"""
import http.client
import json
import threading

import work

VOCABULARY = {"@vocab": "https://w3id.org/edc/v0.0.1/ns/"}
ODRL = "http://www.w3.org/ns/odrl.jsonld"
PROTOCOL = "dataspace-protocol-http:2025-1"
USE = {"@context": ODRL, "@type": "Set", "permission": [{"action": "use"}]}


class Refused(work.Failed):
    """EDC answered with an error."""

    def __init__(self, call, status, text):
        super().__init__(f"EDC answers {status} to {call}: {text[:600]}")
        self.status = status


def as_list(value):
    """JSON-LD writes a list of one as the one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def member(thing, name):
    """A member that is written with its prefix or without, as the answer's context has it."""
    return next((thing[key] for key in (f"dcat:{name}", f"odrl:{name}", f"edc:{name}", name) if key in thing), None)


class Operator:
    """Who operates one EDC. One connection a thread, so that a caller may ask from many threads."""

    def __init__(self, edc):
        self.edc, self.calls = edc, []
        self._own = threading.local()

    def call(self, method, path, body=None):
        """One call; the answer's JSON, None where it is empty."""
        self.calls.append(f"{method} {path}")
        for fresh in (False, True):
            connection = None if fresh else getattr(self._own, "connection", None)
            connection = connection or http.client.HTTPConnection("127.0.0.1", self.edc.management, timeout=120)
            self._own.connection = connection
            try:
                connection.request(method, "/management/v3" + path, None if body is None else json.dumps(body),
                                   {"Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read()
                break
            except (OSError, http.client.HTTPException):
                # A kept connection may have been closed meanwhile; a fresh one must work.
                connection.close()
                self._own.connection = None
                if fresh:
                    raise
        if answer.status >= 300:
            raise Refused(f"{method} {path}", answer.status, text.decode(errors="replace"))
        return json.loads(text) if text else None

    # As the provider.

    def publish(self, asset, url, policy=USE):
        """An asset that EDC's data plane reads from `url`, under one policy: three calls."""
        address = {"type": "HttpData", "baseUrl": url, "proxyPath": "true", "proxyQueryParams": "true"}
        self.call("POST", "/assets", {"@context": VOCABULARY, "@id": asset, "properties": {"name": asset}, "dataAddress": address})
        self.call("POST", "/policydefinitions", {"@context": VOCABULARY, "@id": f"policy-{asset}", "policy": policy})
        self.call("POST", "/contractdefinitions", {
            "@context": VOCABULARY, "@id": f"contract-{asset}", "accessPolicyId": f"policy-{asset}", "contractPolicyId": f"policy-{asset}",
            "assetsSelector": [{"@type": "Criterion", "operandLeft": VOCABULARY["@vocab"] + "id", "operator": "=", "operandRight": asset}]})

    # As the consumer.

    def catalog(self, base, participant):
        """The catalog of a peer, as EDC hands it to its operator."""
        return self.call("POST", "/catalog/request", {"@context": VOCABULARY, "counterPartyAddress": base,
                                                      "counterPartyId": participant, "protocol": PROTOCOL})

    def offer(self, base, participant, asset):
        """The first offer of one dataset in a peer's catalog."""
        catalog = self.catalog(base, participant)
        for dataset in as_list(member(catalog, "dataset")):
            if dataset["@id"] == asset:
                return as_list(member(dataset, "hasPolicy"))[0]
        raise work.Failed(f"{asset} is not in the catalog of {participant}: {json.dumps(catalog)[:600]}")

    def negotiate(self, base, participant, asset, offer):
        """Asks for a dataset under an offer as it stood in the catalog; the id of EDC's negotiation."""
        policy = {**offer, "@context": ODRL, "assigner": participant, "target": asset}
        return self.call("POST", "/contractnegotiations", {"@context": VOCABULARY, "@type": "ContractRequest", "counterPartyAddress": base,
                                                          "protocol": PROTOCOL, "policy": policy})["@id"]

    def negotiation(self, identifier):
        """All that EDC says of a negotiation."""
        return self.call("GET", f"/contractnegotiations/{identifier}")

    def settled(self, identifier, seconds=60, pause=0.01):
        """The end of a negotiation: FINALIZED, TERMINATED, or the state that it is stuck in."""
        return self._state("contractnegotiations", identifier, ("FINALIZED", "TERMINATED"), seconds, pause)

    def transfer(self, base, agreement, kind="HttpData-PULL", destination=None):
        """Asks for the data of an agreement; the id of EDC's transfer."""
        body = {"@context": VOCABULARY, "@type": "TransferRequest", "counterPartyAddress": base, "protocol": PROTOCOL,
                "contractId": agreement, "transferType": kind}
        if destination:
            body["dataDestination"] = destination
        return self.call("POST", "/transferprocesses", body)["@id"]

    def started(self, identifier, seconds=60, pause=0.01):
        """The state of a transfer once it started or ended."""
        return self._state("transferprocesses", identifier, ("STARTED", "COMPLETED", "TERMINATED"), seconds, pause)

    def transfer_ended(self, identifier, seconds=60, pause=0.05):
        """The state of a transfer once it ended."""
        return self._state("transferprocesses", identifier, ("COMPLETED", "TERMINATED"), seconds, pause)

    def address(self, transfer):
        """Where the data lie and the token for it. EDC stores it a moment after it says STARTED, so it is asked again."""
        def ask():
            try:
                return self.call("GET", f"/edrs/{transfer}/dataaddress")
            except Refused as error:
                if error.status == 404:
                    return None
                raise
        return work.until(ask, f"EDC has the address of transfer {transfer}", 10, 0.02)

    def _state(self, kind, identifier, wanted, seconds, pause):
        seen = []

        def ask():
            seen[:] = [self.call("GET", f"/{kind}/{identifier}/state")["state"]]
            return seen[0] in wanted
        try:
            work.until(ask, "", seconds, pause)
        except Refused:
            raise
        except work.Failed:
            pass
        return seen[0]
