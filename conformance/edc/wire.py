"""A proxy that writes down each exchange between two connectors: one file per exchange, request and answer as they were sent.

Used by hand and by `smoke.py --wire`; no figure is ever taken through it. Tokens are written as they are: keep the folder.
"""
import http.client
import http.server
import itertools
import re
import threading

_numbers = itertools.count(1)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        """Takes one request, passes it on, writes both down."""
        body = self._body()
        dropped = ("transfer-encoding", "connection", "content-length")
        connection = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=60)
        connection.request(self.command, self.path, body or None, {k: v for k, v in self.headers.items() if k.lower() not in dropped})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in dropped:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        name = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", self.path.strip("/")).replace("/", "_")[:80]
        with open(self.server.folder / f"{next(_numbers):03}-to-{self.server.whom}-{self.command}-{name}.txt", "wb") as file:
            file.write(f"{self.command} {self.path}\n{self.headers}".encode() + body)
            file.write(f"\n\n----- answer\n{answer.status} {answer.reason}\n{answer.headers}".encode() + content + b"\n")

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = pass_on

    def _body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        blocks = []
        while True:
            length = int(self.rfile.readline().split(b";")[0], 16)
            blocks.append(self.rfile.read(length))
            self.rfile.readline()
            if not length:
                return b"".join(blocks)

    def log_message(self, *_):
        """Says nothing."""


class Tap(http.server.ThreadingHTTPServer):
    """Stands before `whom`, which listens on the port that `target` will be set to."""

    daemon_threads = True

    def __init__(self, folder, whom):
        super().__init__(("127.0.0.1", 0), _Handler)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.whom, self.target = folder, whom, None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        """Where it listens."""
        return self.server_address[1]
