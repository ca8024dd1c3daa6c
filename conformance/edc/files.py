"""What lies behind EDC's data plane, and what takes from it: a static file server and a download, both as light as can be.

The kernel copies files into sockets (sendfile), so that the server is not what is measured.
"""
import collections
import hashlib
import http.server
import os
import socket
import threading
import urllib.parse


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):  # The name is the library's.
        path = self.server.root / os.path.basename(urllib.parse.urlsplit(self.path).path)
        if not path.is_file():
            self.send_error(404)
            return
        self.server.served[path.name] += 1
        with open(path, "rb") as file:
            length = os.fstat(file.fileno()).st_size
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.flush()
            at = 0
            while at < length:
                at += os.sendfile(self.connection.fileno(), file.fileno(), at, length - at)

    def do_POST(self):  # What EDC pushes: kept under the last part of the path.
        path = self.server.root / os.path.basename(urllib.parse.urlsplit(self.path).path)
        with open(path, "wb") as file:
            for block in _content(self.rfile, self.headers):
                file.write(block)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Says nothing."""


def _content(stream, headers):
    if "chunked" not in headers.get("Transfer-Encoding", ""):
        yield stream.read(int(headers.get("Content-Length") or 0))
        return
    while True:
        length = int(stream.readline().split(b";")[0], 16)
        block = stream.read(length)
        stream.readline()
        if not length:
            return
        yield block


class Server(http.server.ThreadingHTTPServer):
    """Serves the files of one folder on loopback, until this program ends; `served` counts how often each was asked for."""

    daemon_threads = True

    def __init__(self, root):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root, self.served = root, collections.Counter()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, name):
        """The address of a file."""
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


def count(url, authorization=None):
    """Fetches over plain HTTP and throws away what comes, without looking into it: the bytes after the head.

    Chunk lengths count too, some bytes in a thousand: taking them out would cost more than the figure is worth.
    """
    parts = urllib.parse.urlsplit(url)
    head = [f"GET {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close", "Accept-Encoding: identity"]
    if authorization:
        head.append(f"Authorization: {authorization}")
    with socket.create_connection((parts.hostname, parts.port), timeout=120) as connection:
        connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        first = b""
        while b"\r\n\r\n" not in first:
            more = connection.recv(65536)
            if not more:
                raise OSError(f"no answer from {url}")
            first += more
        status = first.split(b"\r\n")[0].decode()
        if " 200 " not in status + " ":
            raise OSError(f"{url} answers {status}")
        total, buffer = len(first.split(b"\r\n\r\n", 1)[1]), bytearray(1 << 20)
        while more := connection.recv_into(buffer):
            total += more
        return total


def digest(path):
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def random_file(path, mebibytes):
    """A file of random bytes, which nothing can compress."""
    with open(path, "wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(1 << 20))
    return path
