"""Nodes of ours: made and started by the command line, driven through the node's local door or by commands with `--json`."""
import http.client
import json
import pathlib
import subprocess
import threading
import time

import work

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
EXAMPLE = REPOSITORY / "examples/ev-parts"
OVER = ("FINALIZED", "TERMINATED")


class Refused(work.Failed):
    """A node answered with an error; `code` is of the error registry."""

    def __init__(self, call, answer):
        self.code, self.answer = answer.get("code"), answer
        super().__init__(f"naru {call}: {self.code}: {answer.get('message')}")


def build(release=True):
    """Builds the binary that users have, and says where it is."""
    command = ["cargo", "build", "--quiet", "-p", "naru", "--bin", "naru"] + (["--release"] if release else [])
    if subprocess.run(command, cwd=REPOSITORY, check=False).returncode:
        raise work.Failed("naru does not build")
    described = subprocess.run(["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=REPOSITORY, check=True,
                               capture_output=True)
    return pathlib.Path(json.loads(described.stdout)["target_directory"]) / ("release" if release else "debug") / "naru"


class Node:
    """A node in its folder. `commands` lists what its operator did."""

    def __init__(self, naru, folder, name, country, *init):
        self.naru, self.dir, self.name = naru, folder, name
        self.log = folder.with_suffix(".log")
        self.commands, self.process, self.seconds = [], None, None
        self._own = threading.local()
        made = self.run("init", "--name", name, "--country", country, "--host", "127.0.0.1", *init, told=False)
        self.did = made.get("did")

    def start(self):
        """Starts it; `seconds` is the time from the start of the process until it answers."""
        began = time.perf_counter()
        self.process = work.start([self.naru, "run", "--dir", self.dir], self.log)

        def answers():
            try:
                return self.call("status", told=False)
            except (OSError, ValueError, http.client.HTTPException):
                return None
        self.did = work.until(answers, f"{self.name} (Naru) starts", 60, 0.002, self.process).get("did", self.did)
        self.seconds = time.perf_counter() - began
        return self

    def run(self, verb, *arguments, told=True, check=True):
        """A command as its operator types it, with `--json`: the last object that it prints; `check` False returns refusals too."""
        command = [self.naru, *verb.split(), "--dir", self.dir, *arguments, "--json"]
        if told:
            self.commands.append(verb)
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, timeout=600)
        lines = [line for line in (done.stdout + "\n" + done.stderr).splitlines() if line.startswith(("{", "["))]
        answer = json.loads(lines[-1]) if lines else {"message": done.stdout + done.stderr}
        if done.returncode and check:
            raise Refused(verb, answer)
        return answer

    def call(self, verb, request=None, told=True):
        """The same through the local door, without the start of a process: what the command line does itself."""
        if told and verb not in ("exchange", "exchanges", "status"):
            self.commands.append(verb)
        body = None if request is None else json.dumps(request)
        for fresh in (False, True):
            if fresh or getattr(self._own, "door", None) is None:
                door = json.loads((self.dir / "control.json").read_text(encoding="utf-8"))
                connection = http.client.HTTPConnection("127.0.0.1", door["port"], timeout=600)
                self._own.door = connection, {"Authorization": "Bearer " + door["token"]}
            connection, head = self._own.door
            try:
                connection.request("GET" if body is None else "POST", "/v1/" + verb, body, head)
                answer = connection.getresponse()
                content = json.loads(answer.read())
                break
            except (OSError, http.client.HTTPException):
                connection.close()
                self._own.door = None
                if fresh:
                    raise
        if answer.status != 200:
            raise Refused(verb, content)
        return content

    def until(self, exchange, done, seconds=60, pause=0.01):
        """The exchange once `done` of it holds."""
        def ask():
            view = self.call("exchange", {"id": exchange})
            return view if done(view) else None
        return work.until(ask, f"{self.name}: exchange {exchange}", seconds, pause, self.process)

    def memory(self, field="VmRSS"):
        """Resident memory, MiB."""
        return work.memory(self.process.pid, field)

    def stop(self):
        """Ends it as its operator does."""
        if self.process and self.process.poll() is None:
            self.call("stop", {}, told=False)
            self.process.wait(30)
        self._own.door = None


def terms(*without):
    """The terms of the example, without the constraints on these operands."""
    offer = json.loads((EXAMPLE / "terms.json").read_text(encoding="utf-8"))
    for rule in offer["permission"]:
        rule["constraint"] = [c for c in rule["constraint"] if c["leftOperand"] not in without]
    return offer


def publish(node, path, policy):
    """Publishes a file or a folder with the facts of the example; the dataset's id."""
    facts = json.loads((EXAMPLE / "facts.json").read_text(encoding="utf-8"))
    return node.call("publish", {"path": str(path), "title": {"en": path.name}, "policy": policy, "facts": facts})["dataset"]


def introduce(seller, buyer):
    """The buyer takes the seller's ticket; nobody compares fingerprints, as nobody does between EDCs with the mock identity."""
    ticket = seller.call("ticket", {"auto_accept": True, "ttl": 3600})
    buyer.call("trust", {"ticket": ticket["ticket"], "alias": "seller", "fingerprint": ticket["fingerprint"]})


def ask(buyer, dataset, out=None):
    """Asks for a dataset; the id of the negotiation."""
    return buyer.call("request", {"peer": "seller", "dataset": dataset, "purpose": "quality_analysis", "countries": ["SG"],
                                  "out": out and str(out)})["id"]
