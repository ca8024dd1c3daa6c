"""One Eclipse EDC as `setup` assembled it: its settings, its start until it says that it is healthy, its end."""
import http.client
import os
import time

import work

HOME = work.CACHE / "edc"
# Names of EDC's listeners and their paths. Without a name it is the default one, which answers for its health.
LISTENERS = [("", "/api"), ("control", "/control"), ("management", "/management"), ("protocol", "/protocol"),
             ("version", "/version"), ("public", "/public")]
POLLED = ["negotiation.consumer", "negotiation.provider", "transfer", "dataplane", "data.plane.selector", "policy.monitor"]


class Edc:
    """A running connector. `base` is its DSP base, `seconds` the time from the start of the process until it was healthy."""

    def __init__(self, participant, folder, poll_ms=None, wire=None, java=()):
        """`poll_ms` None leaves EDC's own second between two looks at its store; `wire` is a DSP root that others use instead."""
        self.participant, self.folder = participant, folder
        self.log = folder / "edc.log"
        folder.mkdir(parents=True, exist_ok=True)
        ports = dict(zip([name for name, _ in LISTENERS], work.free_ports(len(LISTENERS))))
        self.management, self.ports = ports["management"], ports
        self.root = wire or f"http://127.0.0.1:{ports['protocol']}/protocol"
        self.base = self.root + "/2025-1"
        settings = folder / "edc.properties"
        settings.write_text("".join(f"{k}={v}\n" for k, v in self._settings(ports, poll_ms).items()), encoding="utf-8")
        began = time.perf_counter()
        classes = os.pathsep.join([str(HOME / "classes"), str(HOME / "lib" / "*")])
        self.process = work.start(["java", *java, f"-Dedc.fs.config={settings}", "-cp", classes,
                                   "org.eclipse.edc.boot.system.runtime.BaseRuntime"], self.log, cwd=folder)
        work.until(self._healthy, f"{participant} (EDC) starts", 180, 0.01, self.process)
        self.seconds = time.perf_counter() - began

    def _settings(self, ports, poll_ms):
        settings = {
            "edc.participant.id": self.participant,
            "edc.component.id": f"{self.participant}-connector",
            "edc.hostname": "127.0.0.1",
            "edc.dsp.callback.address": self.root,
            "edc.dataplane.api.public.baseurl": f"http://127.0.0.1:{ports['public']}/public",
            "edc.transfer.proxy.token.signer.privatekey.alias": "private",
            "edc.transfer.proxy.token.verifier.publickey.alias": "public",
            "naru.vault": HOME / "vault",
            # Else it refuses to define a policy with any constraint that no class of its own is bound to.
            "edc.policy.validation.enabled": "false",
        }
        for name, path in LISTENERS:
            key = f"web.http.{name}." if name else "web.http."
            settings[key + "port"], settings[key + "path"] = ports[name], path
        if poll_ms is not None:
            for machine in POLLED:
                settings[f"edc.{machine}.state-machine.iteration-wait-millis"] = poll_ms
        return settings

    def _healthy(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[""], timeout=5)
        try:
            connection.request("GET", "/api/check/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def memory(self):
        """Resident memory, MiB."""
        return work.memory(self.process.pid)

    def stop(self):
        """Ends it."""
        work.end(self.process, 15)
